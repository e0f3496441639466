/*
 * journal/salvage-source.c - reading what is left of a damaged journal.
 *
 * Nothing is believed but checksums.  Which journal it is comes from the
 * segments' headers, by majority; then every batch can be told by itself, as
 * its checksums are seeded with the UUID: so a batch is found under a header
 * that is gone, too, and never in a file of another journal.  A file counts
 * for the number in its name; what belongs elsewhere is not in its place.
 *
 * A block that the medium does not give back, and what is missing of a file,
 * reads as JUNK: no magic, not zero, and in no body that a checksum is good
 * for.  Nothing is written, and nothing synced: what is read here is copied,
 * and what was copied is synced there.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/error.h"
#include "journal/lock.h"
#include "journal/raw.h"
#include "journal/salvage.h"

#define WINDOW		(1024u * 1024)
#define JUNK		0xee
/* Journals that may lie mixed in one directory before it is hopeless. */
#define SHAPES_MAX	64
/* Broken headers, and those of the file's former number, of which a body is
 * tried in vain, in a segment: each is a checksum of up to the rest of it,
 * which a hostile file would ask for in each block. */
#define GUESSES_MAX	256

/* ------------------------------------------------------------------------
 * Files
 */

struct jnl_source_file *jnl_source_file(const struct jnl_source *s,
					uint64_t number)
{
	size_t low = 0, high = s->names.count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (s->names.number[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->names.count || s->names.number[low] != number)
		return NULL;
	return &s->file[low];
}

static void forget(struct jnl_source *s)
{
	if (s->fd >= 0)
		(void)s->sys->close(s->sys, s->fd);
	s->fd = -1;
	s->have = 0;
}

/* What a medium says of a place that it has lost, and nothing else. */
static bool is_lost(ssize_t err)
{
	switch (err) {
	case -EIO:
	case -ENODATA:
	case -EBADMSG:
	case -EILSEQ:
	case -EUCLEAN:
	case -EREMOTEIO:
		return true;
	default:
		return false;
	}
}

/* Something that no sound writer puts there: nothing of it can be read. */
static bool is_no_file(int err)
{
	return err == -ELOOP || err == -ENXIO || err == -ENOENT ||
	       err == -EISDIR || is_lost(err);
}

/* Reading a directory or a pipe fails in ways of their own. */
static int check_regular(struct jnl_source *s)
{
	struct stat st;
	int ret;

	ret = s->sys->fstat(s->sys, s->fd, &st);
	if (!ret && !S_ISREG(st.st_mode))
		ret = -EISDIR;
	if (ret < 0)
		forget(s);
	return ret;
}

static int open_file(struct jnl_source *s, uint64_t number, bool direct)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	char name[JNL_SEGMENT_NAME_LEN];
	int fd = -EINVAL;

	forget(s);
	s->guesses = 0;
	s->number = number;
	jnl_segment_name(name, number);
	if (direct)
		fd = s->sys->openat(s->sys, s->dirfd, name, flags | O_DIRECT,
				    0);
	s->direct = fd >= 0;
	if (fd == -EINVAL || fd == -EOPNOTSUPP) {
		fd = s->sys->openat(s->sys, s->dirfd, name, flags, 0);
		/* The cache may show what the medium does not hold. */
		if (fd >= 0)
			(void)s->sys->fadvise(s->sys, fd, 0, 0,
					      POSIX_FADV_DONTNEED);
	}
	s->fd = fd;
	return fd < 0 ? fd : check_regular(s);
}

/* len bytes at offset, as far as there are any; junk where there are none. */
static int read_some(struct jnl_source *s, uint8_t *buf, size_t len,
		     uint64_t offset)
{
	ssize_t n = 0;
	int ret;

	if (s->fd >= 0)
		n = jnl_read_full(s->sys, s->fd, buf, len, offset);
	if (n == -EINVAL && s->direct) {
		ret = open_file(s, s->number, false);
		if (ret < 0)
			return ret;
		n = jnl_read_full(s->sys, s->fd, buf, len, offset);
	}
	if (n < 0)
		return (int)n;
	memset(buf + n, JUNK, len - (size_t)n);
	return 0;
}

/* The same; where the medium fails, block by block. */
static int read_blocks(struct jnl_source *s, uint8_t *buf, size_t len,
		       uint64_t offset)
{
	size_t block = s->geometry.block_size;
	int ret;

	ret = read_some(s, buf, len, offset);
	if (!is_lost(ret))
		return ret;
	for (size_t at = 0; at < len; at += block) {
		ret = read_some(s, buf + at, block, offset + at);
		if (is_lost(ret))
			memset(buf + at, JUNK, block);
		else if (ret < 0)
			return ret;
	}
	return 0;
}

static int reserve(struct jnl_source *s, size_t len)
{
	uint8_t *grown;

	if (len < WINDOW)
		len = WINDOW;
	if (s->window_len >= len)
		return 0;
	grown = jnl_buffer_alloc(len);
	if (!grown)
		return -ENOMEM;
	if (s->have)
		memcpy(grown, s->window, s->have);
	jnl_buffer_free(s->window, s->window_len);
	s->window = grown;
	s->window_len = len;
	return 0;
}

/* len bytes at lsn, within one segment: *ret_p until the next call. */
static int get(struct jnl_source *s, uint64_t lsn, uint64_t len,
	       const uint8_t **ret_p)
{
	uint64_t size = s->geometry.segment_size;
	uint64_t offset = lsn % size, block = s->geometry.block_size;
	size_t keep = 0, want;
	int ret;

	assert(!(offset % block) && len <= size - offset);
	if (len > SIZE_MAX / 2)
		return -ENOMEM;
	len = (len + block - 1) & ~(block - 1);
	if (s->number != lsn / size || (s->fd < 0 && !s->have)) {
		ret = open_file(s, lsn / size, true);
		if (ret < 0 && !is_no_file(ret))
			return ret;
	}
	if (offset >= s->from && offset - s->from <= s->have &&
	    len <= s->have - (offset - s->from)) {
		*ret_p = s->window + (offset - s->from);
		return 0;
	}
	ret = reserve(s, (size_t)len);
	if (ret < 0)
		return ret;
	if (offset >= s->from && offset - s->from < s->have) {
		keep = s->have - (size_t)(offset - s->from);
		memmove(s->window, s->window + (offset - s->from), keep);
	}
	s->from = offset;
	s->have = 0;
	want = s->window_len - keep;
	if (want > size - offset - keep)
		want = (size_t)(size - offset - keep);
	ret = read_blocks(s, s->window + keep, want, offset + keep);
	if (ret < 0)
		return ret;
	s->have = keep + want;
	s->seen += want;
	if (s->on_progress)
		s->on_progress(s->arg, s->seen < s->total ? s->seen : s->total,
			       s->total);
	*ret_p = s->window;
	return 0;
}

/* ------------------------------------------------------------------------
 * What lies at a place
 */

/* The fields of a header, whatever its checksum says. */
static void raw_header(const uint8_t *p, struct jnl_batch_header *h)
{
	const struct jnl_batch_disk *d = (const struct jnl_batch_disk *)p;

	memset(h, 0, sizeof(*h));
	h->body_sum = jnl_get64(d->body_sum);
	h->body_len = jnl_get32(d->body_len);
}

/*
 * A header that is damaged, but not where it says of a body that is there: the
 * batch's extent is known, and what lies in it is payload.
 */
static int look_at_broken(struct jnl_source *s, uint64_t lsn,
			  const uint8_t *p, struct jnl_spot *spot)
{
	uint64_t room = s->geometry.segment_size -
			lsn % s->geometry.segment_size;
	struct jnl_batch_header h;
	int ret;

	raw_header(p, &h);
	if (!h.body_len || h.body_len > room - JNL_BATCH_HEADER ||
	    s->guesses >= GUESSES_MAX)
		return 0;
	s->guesses++;
	ret = get(s, lsn, jnl_batch_size(&h, s->geometry.block_size), &p);
	if (ret < 0)
		return ret;
	if (jnl_checksum(p + JNL_BATCH_HEADER, h.body_len, s->seed) ==
	    h.body_sum)
		spot->len = jnl_batch_size(&h, s->geometry.block_size);
	return 0;
}

int jnl_source_look(struct jnl_source *s, uint64_t lsn, struct jnl_spot *ret)
{
	uint64_t size = s->geometry.segment_size, len;
	uint32_t block = s->geometry.block_size;
	struct jnl_batch_header *h = &ret->h;
	const uint8_t *p;
	bool good;
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->kind = JNL_SPOT_JUNK;
	ret->len = block;
	err = get(s, lsn, block, &p);
	if (err < 0)
		return err;
	if (jnl_is_zero(p, block)) {
		ret->kind = JNL_SPOT_ZERO;
		return 0;
	}
	if (!jnl_batch_decode(p, s->seed, h))
		return look_at_broken(s, lsn, p, ret);
	if (!jnl_batch_sane(h, block, size))
		return 0;
	ret->durable = h->durable;
	if (h->lsn > lsn || (lsn - h->lsn) % size ||
	    (h->lsn != lsn && s->guesses >= GUESSES_MAX))
		return 0;
	len = jnl_batch_size(h, block);
	err = get(s, lsn, len, &p);
	if (err < 0)
		return err;
	good = jnl_batch_body_good(p, h, block, s->seed) &&
	       (!jnl_batch_records(h) ||
		jnl_records_good(p + JNL_BATCH_HEADER, h->body_len, h->count,
				 &h->each));
	if (h->lsn == lsn) {
		ret->kind = good ? JNL_SPOT_GOOD : JNL_SPOT_BROKEN;
		ret->p = p;
		ret->len = good ? jnl_batch_end(h, block, size) - lsn : len;
	} else if (good) {
		ret->kind = JNL_SPOT_STALE;
		ret->len = len;
	} else {
		s->guesses++;
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * Which journal it is
 */

struct shape {
	struct jnl_segment_header h;
	uint64_t files;
};

static bool same_shape(const struct jnl_segment_header *a,
		       const struct jnl_segment_header *b)
{
	return !memcmp(a->uuid, b->uuid, JNL_UUID_LEN) &&
	       a->segment_size == b->segment_size &&
	       a->block_size == b->block_size;
}

/*
 * The header of the i-th file: 1 if it is good, 0 if it is not, or -errno.
 * Beside a wrong size of the file, which is not known to be wrong yet.
 */
static int read_header(struct jnl_source *s, size_t i,
		       struct jnl_segment_header *ret_h)
{
	struct jnl_source_file *file = &s->file[i];
	struct stat st;
	int ret;

	ret = open_file(s, s->names.number[i], true);
	if (is_no_file(ret))
		return 0;
	if (ret < 0)
		return ret;
	ret = s->sys->fstat(s->sys, s->fd, &st);
	if (ret < 0)
		return ret;
	file->bytes = (uint64_t)st.st_size;
	ret = reserve(s, JNL_BLOCK_MIN);
	if (!ret)
		ret = read_some(s, s->window, JNL_BLOCK_MIN, 0);
	if (is_lost(ret))
		return 0;
	if (ret < 0)
		return ret;
	ret = jnl_segment_decode(s->window, ret_h);
	if (ret == -EPROTONOSUPPORT)
		return ret;
	file->number = ret ? UINT64_MAX : ret_h->number;
	return !ret;
}

static int count_shape(struct shape *shape, size_t *count,
		       const struct jnl_segment_header *h)
{
	for (size_t i = 0; i < *count; i++) {
		if (!same_shape(&shape[i].h, h))
			continue;
		shape[i].files++;
		return 0;
	}
	if (*count == SHAPES_MAX)
		return -EXDEV;
	shape[*count].h = *h;
	shape[(*count)++].files = 1;
	return 0;
}

/* The shape that most files have; -EXDEV if no one has most. */
static int choose_shape(struct jnl_source *s, const struct shape *shape,
			size_t count)
{
	const struct shape *best = NULL;
	bool tie = false;

	for (size_t i = 0; i < count; i++) {
		if (best && shape[i].files == best->files)
			tie = true;
		if (best && shape[i].files <= best->files)
			continue;
		best = &shape[i];
		tie = false;
	}
	if (!best)
		return -EBADMSG;
	if (tie)
		return -EXDEV;
	s->geometry = best->h;
	s->seed = jnl_seed(best->h.uuid);
	return 0;
}

static void judge_file(struct jnl_source *s, size_t i, bool good,
		       const struct jnl_segment_header *h)
{
	struct jnl_source_file *file = &s->file[i];

	file->finding = JOURNAL_SOUND;
	if (good && memcmp(h->uuid, s->geometry.uuid, JNL_UUID_LEN))
		file->finding = JOURNAL_FOREIGN;
	else if (!good || !same_shape(h, &s->geometry) ||
		 h->number != s->names.number[i] ||
		 file->bytes != s->geometry.segment_size)
		file->finding = JOURNAL_BAD_SEGMENT;
}

static int read_headers(struct jnl_source *s)
{
	struct jnl_segment_header *h;
	struct shape *shape;
	size_t shapes = 0;
	bool *good;
	int ret = -ENOMEM;

	h = calloc(s->names.count, sizeof(*h));
	good = calloc(s->names.count, sizeof(*good));
	shape = calloc(SHAPES_MAX, sizeof(*shape));
	if (!h || !good || !shape)
		goto out;
	ret = 0;
	for (size_t i = 0; i < s->names.count && ret >= 0; i++) {
		ret = read_header(s, i, &h[i]);
		good[i] = ret == 1;
		if (ret == 1)
			ret = count_shape(shape, &shapes, &h[i]);
	}
	forget(s);
	if (ret >= 0)
		ret = choose_shape(s, shape, shapes);
	for (size_t i = 0; i < s->names.count && !ret; i++)
		judge_file(s, i, good[i], &h[i]);
	if (!ret)
		ret = jnl_raw_check(s->sys, &s->geometry);
out:
	free(h);
	free(good);
	free(shape);
	return ret;
}

/* Numbers too large for the geometry have no position: they are no segment. */
static int drop_impossible(struct jnl_source *s)
{
	while (s->names.count && s->names.number[s->names.count - 1] >=
				 JNL_LSN_MAX / s->geometry.segment_size)
		s->names.count--;
	return s->names.count ? 0 : -EFBIG;
}

/* ------------------------------------------------------------------------ */

static int open_failed(struct jnl_source *s, int ret, const char *path,
		       struct journal_error *error)
{
	struct jnl_damage damage = { 0 };

	jnl_raw_explain(s->sys, &damage);
	if (damage.finding)
		return jnl_damage_error(error, ret, path, &damage);
	switch (ret) {
	case -EBUSY:
		return jnl_error(error, ret, JOURNAL_LSN_NONE, path,
				 "%s: a writer has the journal open: stop it "
				 "first", path);
	case -EBADMSG:
		return jnl_error(error, ret, JOURNAL_LSN_NONE, path,
				 "%s: no segment has a header that is good, "
				 "and without one nothing tells the journal's "
				 "batches from others: restore one file from "
				 "a copy", path);
	case -EXDEV:
		return jnl_error(error, ret, JOURNAL_LSN_NONE, path,
				 "%s: segments of several journals, and none "
				 "has most of them: move the others away",
				 path);
	case -EFBIG:
		return jnl_error(error, ret, JOURNAL_LSN_NONE, path,
				 "%s: no segment file has a number that a "
				 "journal can have: give them back their names",
				 path);
	default:
		return jnl_dir_error(error, ret, path);
	}
}

int jnl_source_open(struct jnl_source *s, struct jnl_sys *sys,
		    const char *path, struct journal_error *error)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->sys = sys;
	s->fd = s->lock_fd = -1;
	s->dirfd = jnl_open_dir(&s->sys, path);
	if (s->dirfd < 0)
		return jnl_dir_error(error, s->dirfd, path);
	/* Without a lock file there never was a writer: it may be a copy. */
	ret = s->lock_fd = jnl_lock_read(s->sys, s->dirfd);
	if (ret == -ENOENT)
		ret = 0;
	if (ret >= 0)
		ret = jnl_names_read(s->sys, s->dirfd, &s->names);
	if (!ret && !s->names.count)
		ret = -ENOENT;
	if (!ret) {
		s->file = calloc(s->names.count, sizeof(*s->file));
		if (!s->file)
			ret = -ENOMEM;
	}
	if (!ret)
		ret = read_headers(s);
	if (!ret)
		ret = drop_impossible(s);
	if (!ret) {
		s->total = 2 * s->names.count * s->geometry.segment_size;
		return 0;
	}
	ret = open_failed(s, ret, path, error);
	jnl_source_close(s);
	return ret;
}

void jnl_source_close(struct jnl_source *s)
{
	forget(s);
	if (s->lock_fd >= 0)
		(void)s->sys->close(s->sys, s->lock_fd);
	jnl_buffer_free(s->window, s->window_len);
	s->window = NULL;
	jnl_names_free(&s->names);
	free(s->file);
	s->file = NULL;
	/* Last: a device's table lives as long as this. */
	if (s->dirfd >= 0)
		(void)s->sys->close(s->sys, s->dirfd);
	s->fd = s->lock_fd = s->dirfd = -1;
}
