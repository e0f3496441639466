/*
 * journal/segment.c - a journal's directory and its segment files.
 *
 * See journal/segment.h for the order that makes a name mean something.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "journal/segment.h"
#include "journal/stats-file.h"

#define ZEROS_LEN	(1024u * 1024)
#define FILE_MODE	0640

void jnl_segment_name(char name[JNL_SEGMENT_NAME_LEN], uint64_t number)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++)
		name[i] = digits[number >> (60 - 4 * i) & 15];
	memcpy(name + 16, ".seg", 5);
}

/* 16 hexadecimal digits, then the suffix, then nothing. */
static bool parse_name(const char *name, const char *suffix,
		       uint64_t *ret_number)
{
	uint64_t n = 0;

	if (strlen(name) != 20 || strcmp(name + 16, suffix))
		return false;
	for (int i = 0; i < 16; i++) {
		char c = name[i];

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret_number = n;
	return true;
}

bool jnl_segment_parse(const char *name, uint64_t *ret_number)
{
	return parse_name(name, ".seg", ret_number);
}

bool jnl_is_tmp(const char *name)
{
	size_t len = strlen(name);
	uint64_t number;

	/* Only what the library itself makes: a half-made segment, a choice
	 * that was to be kept, or the probe's file. */
	return parse_name(name, ".tmp", &number) ||
	       !strcmp(name, JNL_CHOICE_TMP) ||
	       (len > 10 && !strncmp(name, "probe-", 6) &&
		!strcmp(name + len - 4, ".tmp"));
}

static int add_name(void *arg, const char *name)
{
	struct jnl_names *names = arg;
	uint64_t number, *grown;

	if (!jnl_segment_parse(name, &number)) {
		if (jnl_is_tmp(name))
			names->tmp++;
		else if (strcmp(name, "lock") && strcmp(name, "lost+found") &&
			 strcmp(name, JNL_CHOICE_NAME) &&
			 strcmp(name, JNL_STATS_NAME))
			names->other++;
		return 0;
	}
	/* Grow by doubling: the count is a power of two just when full. */
	if (!(names->count & (names->count - 1))) {
		grown = realloc(names->number, sizeof(*grown) *
				(names->count ? 2 * names->count : 1));
		if (!grown)
			return -ENOMEM;
		names->number = grown;
	}
	names->number[names->count++] = number;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int jnl_names_read(struct jnl_sys *sys, int dirfd, struct jnl_names *ret_names)
{
	struct jnl_names names = { 0 };
	int ret;

	ret = sys->list(sys, dirfd, add_name, &names);
	if (ret < 0) {
		jnl_names_free(&names);
		return ret;
	}
	if (names.count)
		qsort(names.number, names.count, sizeof(*names.number),
		      compare_numbers);
	*ret_names = names;
	return 0;
}

void jnl_names_free(struct jnl_names *names)
{
	free(names->number);
	memset(names, 0, sizeof(*names));
}

bool jnl_names_have(const struct jnl_names *names, uint64_t number)
{
	return names->count &&
	       bsearch(&number, names->number, names->count, sizeof(number),
		       compare_numbers);
}

/* ------------------------------------------------------------------------ */

int jnl_segment_open(const struct jnl_dir *dir, uint64_t number, bool buffered)
{
	char name[JNL_SEGMENT_NAME_LEN];
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

	if (dir->way.direct && !buffered)
		flags |= O_DIRECT;
	jnl_segment_name(name, number);
	return dir->sys->openat(dir->sys, dir->fd, name, flags, 0);
}

size_t jnl_dir_alignment(const struct jnl_dir *dir)
{
	return dir->way.direct ? dir->geometry.block_size : 1;
}

int jnl_segment_zeros(const struct jnl_dir *dir, int fd, uint64_t from,
		      uint64_t to, const atomic_bool *cancel)
{
	/* Never written to: the pages stay the kernel's one zero page. */
	void *zeros = jnl_buffer_alloc(ZEROS_LEN);
	int ret = 0;
	size_t n;

	if (!zeros)
		return -ENOMEM;
	while (from < to && !ret) {
		if (cancel && atomic_load(cancel)) {
			ret = -ECANCELED;
			break;
		}
		n = to - from < ZEROS_LEN ? to - from : ZEROS_LEN;
		ret = jnl_write_full(dir->sys, fd, zeros, n, from, 0,
				     jnl_dir_alignment(dir));
		from += n;
	}
	jnl_buffer_free(zeros, ZEROS_LEN);
	return ret;
}

static int write_header(const struct jnl_dir *dir, int fd, uint64_t number)
{
	struct jnl_segment_header h = dir->geometry;
	uint8_t *block = jnl_buffer_alloc(h.block_size);
	int ret;

	if (!block)
		return -ENOMEM;
	h.number = number;
	jnl_segment_encode(block, &h);
	ret = jnl_write_full(dir->sys, fd, block, h.block_size, 0, 0,
			     jnl_dir_alignment(dir));
	jnl_buffer_free(block, h.block_size);
	return ret;
}

/*
 * Reserve the space, so that ENOSPC shows here and not under a batch.  Where
 * the file system cannot reserve, the zeros that follow do as well.
 */
static int reserve(const struct jnl_dir *dir, int fd)
{
	struct jnl_sys *sys = dir->sys;
	uint64_t size = dir->geometry.segment_size;
	int ret, flags;

	/* Best effort: copy on write would move a batch at every overwrite,
	 * which costs speed and not safety. */
	if (dir->nocow && !sys->get_flags(sys, fd, &flags))
		(void)sys->set_flags(sys, fd, flags | FS_NOCOW_FL);
	do {
		ret = sys->fallocate(sys, fd, 0, 0, size);
	} while (ret == -EINTR);
	if (ret == -EOPNOTSUPP || ret == -ENOSYS)
		ret = sys->ftruncate(sys, fd, size);
	return ret;
}

int jnl_dir_publish(struct jnl_dir *dir, const char *from, const char *to,
		    bool *ret_final)
{
	struct jnl_sys *sys = dir->sys;
	int ret;

	pthread_mutex_lock(&dir->names_lock);
	ret = dir->names_error;
	if (!ret) {
		ret = sys->rename(sys, dir->fd, from, to);
		if (!ret) {
			ret = sys->fsync(sys, dir->fd);
			dir->names_error = ret;
		}
	}
	*ret_final = dir->names_error != 0;
	pthread_mutex_unlock(&dir->names_lock);
	return ret;
}

void jnl_tmp_name(char tmp[JNL_SEGMENT_NAME_LEN], uint64_t number)
{
	jnl_segment_name(tmp, number);
	memcpy(tmp + 16, ".tmp", 5);
}

int jnl_tmp_create(const struct jnl_dir *dir, const char *tmp)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	struct jnl_sys *sys = dir->sys;
	int fd, ret;

	/* What another life left under this name means nothing. */
	ret = sys->unlink(sys, dir->fd, tmp);
	if (ret < 0 && ret != -ENOENT)
		return ret;
	if (dir->way.direct)
		flags |= O_DIRECT;
	fd = sys->openat(sys, dir->fd, tmp, flags, FILE_MODE);
	if (fd < 0)
		return fd;
	ret = reserve(dir, fd);
	if (ret < 0) {
		(void)sys->close(sys, fd);
		(void)sys->unlink(sys, dir->fd, tmp);
		return ret;
	}
	return fd;
}

int jnl_tmp_finish(struct jnl_dir *dir, int fd, uint64_t number,
		      const char *tmp, int err, bool *ret_final)
{
	char name[JNL_SEGMENT_NAME_LEN];
	struct jnl_sys *sys = dir->sys;
	int ret = err, closed;

	if (!ret)
		ret = write_header(dir, fd, number);
	/* fsync and not fdatasync: size and extents have to be there too. */
	if (!ret)
		ret = sys->fsync(sys, fd);
	closed = sys->close(sys, fd);
	if (!ret)
		ret = closed;
	jnl_segment_name(name, number);
	*ret_final = false;
	if (!ret)
		ret = jnl_dir_publish(dir, tmp, name, ret_final);
	if (ret < 0 && !*ret_final)
		(void)sys->unlink(sys, dir->fd, tmp);
	return ret;
}

int jnl_segment_make(struct jnl_dir *dir, uint64_t number, uint64_t fill_to,
		     bool *ret_final)
{
	char tmp[JNL_SEGMENT_NAME_LEN];
	int ret, fd;

	*ret_final = false;
	jnl_tmp_name(tmp, number);
	fd = jnl_tmp_create(dir, tmp);
	if (fd < 0)
		return fd;
	ret = jnl_segment_zeros(dir, fd, dir->geometry.block_size, fill_to,
			  &dir->cancel);
	return jnl_tmp_finish(dir, fd, number, tmp, ret, ret_final);
}

/* ------------------------------------------------------------------------ */

/*
 * An entry that the listing misses because others go while it runs is left
 * for the next open: a .tmp file means nothing.
 */
static int tidy_tmp(void *arg, const char *name)
{
	const struct jnl_dir *dir = arg;
	int ret;

	if (!jnl_is_tmp(name))
		return 0;
	ret = dir->sys->unlink(dir->sys, dir->fd, name);
	return ret == -ENOENT ? 0 : ret;
}

int jnl_dir_tidy(const struct jnl_dir *dir, uint64_t below)
{
	char name[JNL_SEGMENT_NAME_LEN];
	struct jnl_names names;
	int ret;

	ret = jnl_names_read(dir->sys, dir->fd, &names);
	if (ret < 0)
		return ret;
	/* Lowest first: what is left is always a run up to the newest. */
	for (size_t i = 0; i < names.count && names.number[i] < below; i++) {
		jnl_segment_name(name, names.number[i]);
		ret = dir->sys->unlink(dir->sys, dir->fd, name);
		if (ret < 0 && ret != -ENOENT)
			break;
		ret = 0;
	}
	if (!ret && names.tmp)
		ret = dir->sys->list(dir->sys, dir->fd, tidy_tmp, (void *)dir);
	jnl_names_free(&names);
	return ret;
}
