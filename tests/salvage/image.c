/*
 * tests/salvage/image.c - journals as bytes in memory, to be damaged.
 */
#include "config.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/salvage/image.h"

void image_load(struct image *im, const char *dir)
{
	char name[JNL_SEGMENT_NAME_LEN], *path;
	struct jnl_names names;
	int dirfd, fd;

	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	if (dirfd < 0 || jnl_names_read(jnl_sys_linux(), dirfd, &names) < 0)
		err(99, "%s", dir);
	close(dirfd);
	if (names.count > IMAGE_FILES)
		errx(99, "%s: too many segments", dir);
	im->files = (int)names.count;
	for (int i = 0; i < im->files; i++) {
		struct image_file *f = &im->file[i];

		jnl_segment_name(name, names.number[i]);
		path = scratch_path(dir, name);
		fd = open(path, O_RDONLY);
		f->number = names.number[i];
		f->size = IMAGE_SEGMENT;
		if (fd < 0 || pread(fd, f->data, f->size, 0) != IMAGE_SEGMENT)
			err(99, "%s", path);
		close(fd);
		free(path);
	}
	jnl_names_free(&names);
	im->seed = jnl_get64(im->file[0].data +
			     offsetof(struct jnl_segment_disk, uuid));
}

void image_clear(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		err(99, "%s", dir);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

void image_store(const struct image *im, const char *dir)
{
	char name[JNL_SEGMENT_NAME_LEN], *path;
	int fd;

	image_clear(dir);
	for (int i = 0; i < im->files; i++) {
		const struct image_file *f = &im->file[i];

		jnl_segment_name(name, f->number);
		path = scratch_path(dir, name);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0 || write(fd, f->data, f->size) != (ssize_t)f->size)
			err(99, "%s", path);
		close(fd);
		free(path);
	}
}

struct image_file *image_find(struct image *im, uint64_t number)
{
	for (int i = 0; i < im->files; i++)
		if (im->file[i].number == number)
			return &im->file[i];
	return NULL;
}

void image_remove(struct image *im, uint64_t number)
{
	struct image_file *f = image_find(im, number);

	if (f)
		*f = im->file[--im->files];
}

uint8_t *image_at(struct image *im, uint64_t lsn)
{
	struct image_file *f = image_find(im, lsn / IMAGE_SEGMENT);

	return f ? f->data + lsn % IMAGE_SEGMENT : NULL;
}

int image_chain(struct image *im, struct image_batch *batch, int max)
{
	uint64_t lsn, prev = 0, end;
	struct jnl_batch_header h;
	bool linked = false;
	uint8_t *p;
	int n = 0;

	end = im->file[0].number;
	for (int i = 1; i < im->files; i++)
		if (im->file[i].number < end)
			end = im->file[i].number;
	end *= IMAGE_SEGMENT;
	for (; n < max; n++) {
		lsn = jnl_next_place(end, IMAGE_SEGMENT, IMAGE_BLOCK);
		p = image_at(im, lsn);
		if (!p || !jnl_batch_decode(p, im->seed, &h) || h.lsn != lsn ||
		    (linked && h.prev_sum != prev) ||
		    !jnl_batch_body_good(p, &h, IMAGE_BLOCK, im->seed))
			break;
		batch[n] = (struct image_batch){
			.lsn = lsn, .prev_end = end,
			.end = lsn + jnl_batch_size(&h, IMAGE_BLOCK),
			.durable = h.durable, .trim = h.trim,
			.flags = h.flags, .count = h.count,
			.body_len = h.body_len,
		};
		end = jnl_batch_end(&h, IMAGE_BLOCK, IMAGE_SEGMENT);
		prev = h.header_sum;
		linked = true;
	}
	return n;
}

/* ------------------------------------------------------------------------ */

/* Every file looks as if it could be used again. */
static struct fault fault;

journal *image_open(const char *path)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	struct jnl_env env = {
		.sys = &fault.sys, .choice = &choice_buffered,
		.no_helper = true,
	};
	journal *j;
	int ret;

	if (!fault.base) {
		fault_init(&fault, jnl_sys_linux());
		fault.solid = true;
	}
	o.flags = JOURNAL_CREATE;
	o.segment_size = IMAGE_SEGMENT;
	o.record_max = 32768;
	o.queue_depth = 1;
	o.error = &error;
	ret = jnl_open(&j, path, &o, &env);
	if (ret < 0)
		errx(1, "%s: cannot be opened for writing: %s", path,
		     error.message);
	return j;
}

uint64_t image_put(journal *j, size_t len, const uint8_t *data)
{
	static uint8_t noise[32768];
	static uint64_t state;
	struct iovec iov = { noise, len };
	uint64_t lsn;
	int ret;

	for (size_t i = 0; i < len && !data; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		noise[i] = (uint8_t)(state >> 56);
	}
	if (data)
		iov.iov_base = (void *)(uintptr_t)data;
	ret = journal_commit(j, &iov, 1, &lsn);
	if (ret < 0)
		errx(1, "cannot append: %s", journal_strerror(ret));
	while (jnl_helper_step(j, false))
		;
	return lsn;
}
