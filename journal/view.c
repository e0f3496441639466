/*
 * journal/view.c - reading segments, one window at a time.
 *
 * Reading forward costs one system call and one copy per window; what a
 * window still has of the next request is kept.  Where that has to wait for
 * the medium, the page cache is told to fetch what follows, and past the cache
 * windows are large, so that several reads are in flight; what is cached costs
 * nothing more.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "journal/segment.h"
#include "journal/view.h"
#include "lib/file.h"

/* Fits a second-level cache. */
#define WINDOW	(256u * 1024)

/*
 * So much has been read in order before more is asked for than is needed now:
 * past the cache windows that are many commands to a drive, all of them at
 * once; through it what the kernel is to fetch, at a time.
 */
#define IN_ORDER	(512u * 1024)
#define LARGE		(2u << 20)
#define FETCH		(64ull << 20)

void jnl_view_init(struct jnl_view *v, struct jnl_sys *sys, int dirfd,
		   bool past_cache)
{
	memset(v, 0, sizeof(*v));
	v->sys = sys;
	v->dirfd = dirfd;
	v->past_cache = past_cache;
	v->fd = -1;
	v->limit = UINT64_MAX;
}

void jnl_view_forget(struct jnl_view *v)
{
	if (v->fd >= 0)
		(void)v->sys->close(v->sys, v->fd);
	v->fd = -1;
	v->have = 0;
}

void jnl_view_fini(struct jnl_view *v)
{
	jnl_view_forget(v);
	jnl_buffer_free(v->window, v->window_len);
	v->window = NULL;
	v->window_len = 0;
}

/* Read through the cache, after dropping what it holds of the file. */
static int open_cached(struct jnl_view *v, const char *name)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd = v->sys->openat(v->sys, v->dirfd, name, flags, 0);

	/* Pages that a flush has failed for are clean: dropping them makes
	 * the next read ask the medium. */
	if (fd >= 0 && v->past_cache)
		(void)v->sys->fadvise(v->sys, fd, 0, 0, POSIX_FADV_DONTNEED);
	v->direct = false;
	return fd;
}

static int reopen_cached(struct jnl_view *v)
{
	char name[JNL_SEGMENT_NAME_LEN];
	int fd;

	jnl_segment_name(name, v->number);
	fd = open_cached(v, name);
	if (fd < 0)
		return fd;
	(void)v->sys->close(v->sys, v->fd);
	v->fd = fd;
	return 0;
}

/*
 * What the kernel says of a bad block or of its own metadata, kept apart from
 * what this library means by the same numbers.
 */
static int medium_error(int err)
{
	switch (err) {
	case -ENODATA:
	case -EBADMSG:
	case -EILSEQ:
	case -EUCLEAN:
		return -EIO;
	default:
		return err;
	}
}

static int open_segment(struct jnl_view *v, uint64_t number)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	char name[JNL_SEGMENT_NAME_LEN];
	int fd = -EINVAL;

	if (v->fd >= 0 && v->number == number)
		return 0;
	jnl_view_forget(v);
	jnl_segment_name(name, number);
	if (v->past_cache)
		fd = v->sys->openat(v->sys, v->dirfd, name, flags | O_DIRECT,
				    0);
	v->direct = fd >= 0;
	if (fd == -EINVAL || fd == -EOPNOTSUPP)
		fd = open_cached(v, name);
	/* A symbolic link, a socket, a device without a driver. */
	if (fd == -ELOOP || fd == -ENXIO)
		return -EBADMSG;
	if (fd < 0)
		return fd;
	v->fd = fd;
	v->number = number;
	v->have = 0;
	return 0;
}

static size_t ahead(const struct jnl_view *v)
{
	if (v->ahead)
		return v->ahead;
	return v->direct && v->in_order >= IN_ORDER ? LARGE : WINDOW;
}

static int reserve(struct jnl_view *v, size_t len)
{
	uint8_t *grown;

	if (len < ahead(v))
		len = ahead(v);
	if (v->window_len >= len)
		return 0;
	grown = jnl_buffer_alloc(len);
	if (!grown)
		return -ENOMEM;
	if (v->have)
		memcpy(grown, v->window, v->have);
	jnl_buffer_free(v->window, v->window_len);
	v->window = grown;
	v->window_len = len;
	return 0;
}

/* Have the page cache read on from offset, not beyond end. */
static void fetch(struct jnl_view *v, uint64_t offset, uint64_t end)
{
	uint64_t len = end - offset < FETCH ? end - offset : FETCH;

	if (v->in_order < IN_ORDER || offset < v->fetched || !len)
		return;
	(void)v->sys->fadvise(v->sys, v->fd, offset, len, POSIX_FADV_WILLNEED);
	v->fetched = offset + len;
}

/* Read from the open file, and look further ahead if that has to wait. */
static ssize_t read_file(struct jnl_view *v, uint8_t *p, size_t len,
			 uint64_t offset, uint64_t end)
{
	ssize_t n = 0, more;

	if (!v->direct) {
		n = v->sys->pread(v->sys, v->fd, p, len, offset, RWF_NOWAIT);
		if (n == (ssize_t)len)
			return n;
		if (n < 0)
			n = 0;
		fetch(v, offset + (uint64_t)n, end);
	}
	more = jnl_read_full(v->sys, v->fd, p + n, len - (size_t)n,
			     offset + (uint64_t)n);
	return more < 0 ? more : n + more;
}

/*
 * Have [offset, offset + len) of the open file in the window; read ahead as
 * far as the window allows, but not beyond end.
 */
static int load(struct jnl_view *v, uint64_t offset, size_t len, uint64_t end)
{
	size_t keep = 0, want;
	ssize_t n;
	int ret;

	if (offset >= v->from && offset - v->from <= v->have &&
	    len <= v->have - (offset - v->from))
		return 0;
	if (!v->have || offset < v->from || offset - v->from > v->have)
		v->in_order = v->fetched = 0;
	ret = reserve(v, len);
	if (ret < 0)
		return ret;
	if (offset >= v->from && offset - v->from < v->have) {
		keep = v->have - (size_t)(offset - v->from);
		if (offset != v->from)
			memmove(v->window, v->window + (offset - v->from),
				keep);
	}
	v->from = offset;
	v->have = keep;
	want = (len > ahead(v) ? len : ahead(v)) - keep;
	if (want > end - offset - keep)
		want = (size_t)(end - offset - keep);
	n = read_file(v, v->window + keep, want, offset + keep, end);
	if (n == -EINVAL && v->direct) {
		/* Blocks of this storage are larger than the journal's. */
		ret = reopen_cached(v);
		if (ret < 0)
			return ret;
		n = read_file(v, v->window + keep, want, offset + keep, end);
	}
	if (n < 0) {
		v->have = 0;
		return medium_error((int)n);
	}
	v->have += (size_t)n;
	v->in_order += (size_t)n;
	return v->have < len ? -EBADMSG : 0;
}

int jnl_view_header(struct jnl_view *v, uint64_t number,
		    struct jnl_segment_header *ret_h)
{
	struct jnl_segment_header h;
	struct stat st;
	size_t len;
	int ret;

	ret = open_segment(v, number);
	if (ret < 0)
		return ret;
	ret = v->sys->fstat(v->sys, v->fd, &st);
	if (ret < 0)
		return ret;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < JNL_SEGMENT_MIN)
		return -EBADMSG;
	/* No block is larger than the smallest segment, so what the header
	 * says of its own size can be read. */
	static_assert(JNL_BLOCK_MAX <= JNL_SEGMENT_MIN, "header block");
	len = v->block_size ? v->block_size : JNL_BLOCK_MAX;
	ret = load(v, 0, len, len);
	if (ret < 0)
		return ret;
	ret = jnl_segment_decode(v->window, &h);
	if (ret < 0)
		return ret;
	ret = load(v, 0, h.block_size, h.block_size);
	if (ret < 0)
		return ret;
	if (h.number != number || (uint64_t)st.st_size != h.segment_size ||
	    !jnl_segment_padding_good(v->window, h.block_size))
		return -EBADMSG;
	*ret_h = h;
	return 0;
}

int jnl_view_sync(struct jnl_view *v, uint64_t number)
{
	int ret = open_segment(v, number);

	if (ret < 0)
		return ret;
	ret = v->sys->fsync(v->sys, v->fd);
	/* What was read before, and what the cache held then, may differ from
	 * what the medium holds now. */
	jnl_view_forget(v);
	return ret;
}

/* How far into its segment reading may go that begins with lsn. */
static uint64_t read_end(const struct jnl_view *v, uint64_t lsn, uint64_t len)
{
	uint64_t offset = lsn % v->segment_size, begin = lsn - offset;
	uint64_t end = v->segment_size;

	if (v->limit <= begin)
		end = 0;
	else if (v->limit - begin < end)
		end = v->limit - begin;
	return end > offset + len ? end : offset + len;
}

int jnl_view_at(struct jnl_view *v, uint64_t lsn, uint64_t len,
		const uint8_t **ret_p)
{
	uint64_t offset = lsn % v->segment_size;
	int ret;

	assert(v->segment_size && !(offset % v->block_size));
	assert(len <= v->segment_size - offset);
	if (len > SIZE_MAX / 2)
		return -ENOMEM;
	ret = open_segment(v, lsn / v->segment_size);
	if (ret < 0)
		return ret;
	len = (len + v->block_size - 1) & ~(uint64_t)(v->block_size - 1);
	ret = load(v, offset, (size_t)len, read_end(v, lsn, len));
	if (ret < 0)
		return ret;
	*ret_p = v->window + (offset - v->from);
	return 0;
}
