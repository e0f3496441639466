/*
 * snapshot.c - the table in a file, written while the server goes on.
 *
 * If anything fails the new file is deleted and the old one stays; what was
 * asked of the disk once is not asked again.  Only after the directory is on
 * the disk, too, may the journal give its records back.
 */
#define _GNU_SOURCE
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAME		"snapshot"
#define NAME_NEW	"snapshot.tmp"
#define HEADER_SIZE	32
#define TRAILER_SIZE	20
#define TRAILER_MARK	UINT32_MAX
#define SYNC_BYTES	(4u << 20)	/* at most so much at once */

static const char magic[8] = "kvsnap01";

/* ------------------------------------------------------------------------
 * The writer
 */

struct output {
	int fd;
	uint64_t unsynced;
	XXH3_state_t *sum;
};

static int put(struct output *out, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	XXH3_64bits_update(out->sum, data, len);
	for (; len; at += n, len -= (size_t)n) {
		n = write(out->fd, at, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			n = 0;
		out->unsynced += (uint64_t)n;
	}
	/* Else it would all come at the end, in the way of the journal. */
	if (out->unsynced >= SYNC_BYTES) {
		if (fdatasync(out->fd))
			return -errno;
		out->unsynced = 0;
	}
	return 0;
}

static int put_header(struct output *out, const struct snapshot *sn)
{
	uint8_t header[HEADER_SIZE];

	memcpy(header, magic, sizeof(magic));
	memcpy(header + 8, sn->store->uuid, 16);
	store_put64(header + 24, sn->lsn);
	return put(out, header, sizeof(header));
}

static int put_trailer(struct output *out, const struct snapshot *sn)
{
	uint8_t trailer[TRAILER_SIZE];
	int ret;

	store_put32(trailer, TRAILER_MARK);
	store_put64(trailer + 4, sn->count);
	ret = put(out, trailer, 12);
	if (ret < 0)
		return ret;
	store_put64(trailer + 12, XXH3_64bits_digest(out->sum));
	return put(out, trailer + 12, 8);
}

static void tell(const struct snapshot *sn)
{
	uint64_t one = 1;

	/* It can only be full, and then it is readable. */
	(void)!write(sn->event_fd, &one, sizeof(one));
}

/* Wait for slices and write them; 1 behind the last. */
static int put_slices(struct output *out, struct snapshot *sn)
{
	int ret = 0;

	pthread_mutex_lock(&sn->lock);
	while (!ret) {
		while (!sn->full && !sn->last && !sn->abandon)
			pthread_cond_wait(&sn->wake, &sn->lock);
		if (sn->abandon) {
			ret = sn->abandon;
		} else if (sn->full) {
			pthread_mutex_unlock(&sn->lock);
			ret = put(out, sn->slice, sn->slice_len);
			pthread_mutex_lock(&sn->lock);
			sn->full = false;
			tell(sn);
		} else {
			ret = 1;
		}
	}
	pthread_mutex_unlock(&sn->lock);
	return ret < 0 ? ret : 0;
}

static int write_file(struct output *out, struct snapshot *sn)
{
	int ret;

	ret = put_header(out, sn);
	if (!ret)
		ret = put_slices(out, sn);
	if (!ret)
		ret = put_trailer(out, sn);
	if (!ret && fsync(out->fd))
		ret = -errno;
	return ret;
}

static int write_snapshot(struct snapshot *sn)
{
	struct output out = { .fd = -1 };
	int dir_fd = sn->store->dir_fd, ret;

	out.sum = XXH3_createState();
	if (!out.sum)
		return -ENOMEM;
	XXH3_64bits_reset(out.sum);
	out.fd = openat(dir_fd, NAME_NEW, O_WRONLY | O_CREAT | O_TRUNC |
			O_CLOEXEC | O_NOFOLLOW, 0640);
	ret = out.fd < 0 ? -errno : write_file(&out, sn);
	if (out.fd >= 0 && close(out.fd) && !ret)
		ret = -errno;
	if (!ret && renameat(dir_fd, NAME_NEW, dir_fd, NAME))
		ret = -errno;
	if (ret < 0 && out.fd >= 0)
		(void)unlinkat(dir_fd, NAME_NEW, 0);
	if (!ret && fsync(dir_fd))
		ret = -errno;
	XXH3_freeState(out.sum);
	return ret;
}

static void *writer(void *arg)
{
	struct snapshot *sn = arg;
	int ret = write_snapshot(sn);

	pthread_mutex_lock(&sn->lock);
	sn->error = ret;
	sn->done = true;
	pthread_mutex_unlock(&sn->lock);
	tell(sn);
	return NULL;
}

/* ------------------------------------------------------------------------
 * The loop
 */

int snapshot_init(struct snapshot *sn, struct store *st)
{
	*sn = (struct snapshot){ .store = st };
	sn->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sn->event_fd < 0)
		return -errno;
	pthread_mutex_init(&sn->lock, NULL);
	pthread_cond_init(&sn->wake, NULL);
	return 0;
}

/* The writer ends, and with it what it began. */
static int end(struct snapshot *sn)
{
	pthread_join(sn->thread, NULL);
	sn->running = false;
	table_walk_stop(sn->store->table);
	return sn->error;
}

void snapshot_free(struct snapshot *sn)
{
	if (sn->running) {
		pthread_mutex_lock(&sn->lock);
		sn->abandon = -ECANCELED;
		pthread_cond_signal(&sn->wake);
		pthread_mutex_unlock(&sn->lock);
		(void)end(sn);
	}
	pthread_cond_destroy(&sn->wake);
	pthread_mutex_destroy(&sn->lock);
	free(sn->slice);
	close(sn->event_fd);
}

int snapshot_start(struct snapshot *sn)
{
	int ret;

	sn->lsn = sn->store->appended + 1;
	sn->count = 0;
	sn->full = sn->last = sn->done = false;
	sn->abandon = sn->error = 0;
	ret = pthread_create(&sn->thread, NULL, writer, sn);
	if (ret)
		return -ret;
	sn->running = true;
	table_walk_start(sn->store->table);
	tell(sn);
	return 0;
}

static bool room_for(struct snapshot *sn, size_t len)
{
	size_t need = sn->slice_len + len;
	uint8_t *bigger;

	if (need <= sn->slice_room)
		return true;
	bigger = realloc(sn->slice, need + SNAPSHOT_SLICE);
	if (!bigger)
		return false;
	sn->slice = bigger;
	sn->slice_room = need + SNAPSHOT_SLICE;
	return true;
}

/* 1: there is a slice, 0: there was nothing left, -ENOMEM. */
static int fill(struct snapshot *sn)
{
	struct entry *e;
	uint8_t *at;
	size_t len;

	sn->slice_len = 0;
	while (sn->slice_len < SNAPSHOT_SLICE &&
	       (e = table_walk(sn->store->table))) {
		len = e->key_len + (size_t)e->value_len;
		if (!room_for(sn, 4 + STORE_SET_HEADER + len))
			return -ENOMEM;
		at = sn->slice + sn->slice_len;
		store_put32(at, (uint32_t)(STORE_SET_HEADER + len));
		store_set_header(e, at + 4);
		memcpy(at + 4 + STORE_SET_HEADER, e->bytes, len);
		sn->slice_len += 4 + STORE_SET_HEADER + len;
		sn->count++;
	}
	return sn->slice_len > 0;
}

int snapshot_step(struct snapshot *sn)
{
	bool full, done;
	int ret;

	if (!sn->running)
		return 0;
	pthread_mutex_lock(&sn->lock);
	full = sn->full;
	done = sn->done;
	pthread_mutex_unlock(&sn->lock);
	if (done) {
		ret = end(sn);
		return ret < 0 ? ret : 1;
	}
	if (full || sn->last)
		return 0;
	ret = fill(sn);
	pthread_mutex_lock(&sn->lock);
	if (ret > 0)
		sn->full = true;
	else if (ret < 0)
		sn->abandon = ret;
	else if (sn->store->frontier >= sn->lsn)
		sn->last = true;
	pthread_cond_signal(&sn->wake);
	pthread_mutex_unlock(&sn->lock);
	return 0;
}

/* ------------------------------------------------------------------------
 * Loading
 */

struct input {
	FILE *file;
	uint64_t left;		/* bytes up to the file's end */
	XXH3_state_t *sum;
};

static int get(struct input *in, void *data, size_t len)
{
	if (len > in->left)
		return -EBADMSG;
	if (fread(data, 1, len, in->file) != len)
		return ferror(in->file) ? -EIO : -EBADMSG;
	in->left -= len;
	XXH3_64bits_update(in->sum, data, len);
	return 0;
}

static int get_entries(struct input *in, struct table *t, uint64_t *ret_count)
{
	uint8_t number[8], *record = NULL, *bigger;
	size_t len, room = 0;
	uint64_t count = 0;
	int ret;

	for (;;) {
		ret = get(in, number, 4);
		len = ret ? 0 : store_get32(number);
		if (ret || len == TRAILER_MARK)
			break;
		if (len > in->left) {
			ret = -EBADMSG;
			break;
		}
		if (len > room) {
			bigger = realloc(record, len);
			if (!bigger) {
				ret = -ENOMEM;
				break;
			}
			record = bigger;
			room = len;
		}
		ret = get(in, record, len);
		if (!ret)
			ret = store_apply(t, record, len);
		if (ret)
			break;
		count++;
	}
	free(record);
	if (!ret)
		ret = get(in, number, 8);
	if (!ret && store_get64(number) != count)
		ret = -EBADMSG;
	*ret_count = count;
	return ret;
}

static int load_from(struct input *in, struct store *st)
{
	uint8_t header[HEADER_SIZE], sum[8];
	uint64_t want;
	int ret;

	ret = get(in, header, sizeof(header));
	if (!ret && memcmp(header, magic, sizeof(magic)))
		ret = -EBADMSG;
	if (!ret && memcmp(header + 8, st->uuid, sizeof(st->uuid)))
		ret = -EXDEV;
	if (!ret)
		ret = get_entries(in, st->table, &st->loaded);
	if (ret)
		return ret;
	want = XXH3_64bits_digest(in->sum);
	ret = get(in, sum, sizeof(sum));
	if (!ret && (in->left || store_get64(sum) != want))
		ret = -EBADMSG;
	if (!ret)
		st->snapshot_lsn = store_get64(header + 24);
	return ret;
}

static int open_file(int dir_fd, struct input *in)
{
	struct stat status;
	int fd, ret;

	fd = openat(dir_fd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status)) {
		ret = -errno;
		close(fd);
		return ret;
	}
	in->left = (uint64_t)status.st_size;
	in->file = fdopen(fd, "r");
	in->sum = XXH3_createState();
	if (in->file && in->sum) {
		XXH3_64bits_reset(in->sum);
		return 0;
	}
	if (in->file)
		fclose(in->file);
	else
		close(fd);
	XXH3_freeState(in->sum);
	return -ENOMEM;
}

static void close_file(struct input *in)
{
	fclose(in->file);
	XXH3_freeState(in->sum);
}

int snapshot_peek(int dir_fd, uint64_t *ret_lsn)
{
	uint8_t header[HEADER_SIZE];
	struct input in;
	int ret;

	*ret_lsn = 0;
	ret = open_file(dir_fd, &in);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	ret = get(&in, header, sizeof(header));
	if (!ret && memcmp(header, magic, sizeof(magic)))
		ret = -EBADMSG;
	close_file(&in);
	if (!ret)
		*ret_lsn = store_get64(header + 24);
	return ret;
}

int snapshot_load(struct store *st)
{
	struct input in;
	int ret;

	ret = open_file(st->dir_fd, &in);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	ret = load_from(&in, st);
	close_file(&in);
	return ret;
}
