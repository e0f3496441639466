/*
 * What a view asks the system for when it reads a file from one end to the
 * other through the page cache.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "journal/view.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define BLOCK	4096u
#define PIECE	(64u << 10)	/* what is asked for at a time */
#define FETCH	(64ull << 20)	/* what is fetched ahead at a time */
#define SEGMENT	(160ull << 20)
#define EAGER	(1ull << 20)	/* by here it has to have begun */

/* The system, with a page cache that holds what lies below an offset. */
static struct jnl_sys sys;
static uint64_t cached;
static int refusal;		/* what reading without waiting says else */
static int waits;		/* reads that may wait */
static size_t largest;		/* of what was read at a time */

static struct {
	uint64_t from, to;
} fetched[8];
static int fetches;

static struct jnl_view view;
static char *dir;
static int dirfd;

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset / BLOCK * 7 + offset % 251);
}

/* The file is not there: its bytes are what byte_at() says. */
static ssize_t my_pread(struct jnl_sys *s, int fd, void *buf, size_t len,
			uint64_t offset, int rwf)
{
	uint8_t *p = buf;

	(void)s;
	(void)fd;
	waits += !rwf;
	if (len > largest)
		largest = len;
	if (rwf && refusal)
		return refusal;
	if (rwf && offset >= cached)
		return -EAGAIN;
	if (rwf && len > cached - offset)
		len = (size_t)(cached - offset);
	for (size_t i = 0; i < len; i += BLOCK)
		p[i] = byte_at(offset + i);
	return (ssize_t)len;
}

/* The scratch directory need not know O_DIRECT. */
static int my_openat(struct jnl_sys *s, int at, const char *name, int flags,
		     mode_t mode)
{
	return jnl_sys_linux()->openat(s, at, name, flags & ~O_DIRECT, mode);
}

static int my_fadvise(struct jnl_sys *s, int fd, uint64_t offset, uint64_t len,
		      int advice)
{
	(void)s;
	(void)fd;
	if (advice != POSIX_FADV_WILLNEED)
		return 0;
	ck_assert_int_lt(fetches, 8);
	fetched[fetches].from = offset;
	fetched[fetches++].to = offset + len;
	return 0;
}

static void setup(void)
{
	char name[JNL_SEGMENT_NAME_LEN];

	dir = scratch_make(false);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd, 0);
	for (uint64_t n = 0; n < 2; n++) {
		int fd;

		jnl_segment_name(name, n);
		fd = openat(dirfd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		ck_assert_int_ge(fd, 0);
		close(fd);
	}
	sys = *jnl_sys_linux();
	sys.pread = my_pread;
	sys.fadvise = my_fadvise;
	sys.openat = my_openat;
	cached = 0;
	refusal = waits = fetches = 0;
	largest = 0;
	jnl_view_init(&view, &sys, dirfd, false);
	view.segment_size = SEGMENT;
	view.block_size = BLOCK;
}

static void teardown(void)
{
	jnl_view_fini(&view);
	close(dirfd);
	scratch_remove(dir);
}

/* Read [from, to) in order, and see that it is what lies there. */
static void read_on(uint64_t from, uint64_t to)
{
	const uint8_t *p;

	for (uint64_t lsn = from; lsn < to; lsn += PIECE) {
		ck_assert_int_eq(jnl_view_at(&view, lsn, PIECE, &p), 0);
		for (uint64_t i = 0; i < PIECE; i += BLOCK)
			ck_assert_int_eq(p[i], byte_at((lsn + i) % SEGMENT));
	}
}

START_TEST(a_cold_file_is_fetched_in_large_parts_once_it_is_read_in_order)
{
	read_on(0, SEGMENT);
	/* Each begins where waiting did, and not before it has to. */
	ck_assert_int_eq(fetches, 3);
	ck_assert_uint_gt(fetched[0].from, 0);
	ck_assert_uint_lt(fetched[0].from, EAGER);
	ck_assert_uint_eq(fetched[0].to, fetched[0].from + FETCH);
	for (int i = 1; i < 3; i++)
		ck_assert_uint_ge(fetched[i].from, fetched[i - 1].to);
	ck_assert_uint_lt(fetched[1].from, fetched[0].to + EAGER);
	ck_assert_uint_eq(fetched[2].to, SEGMENT);
	/* The next segment is another file. */
	read_on(SEGMENT, SEGMENT + 2 * EAGER);
	ck_assert_int_eq(fetches, 4);
	ck_assert_uint_lt(fetched[3].from, EAGER);
}
END_TEST

START_TEST(of_what_is_cached_nothing_is_fetched_and_nothing_is_read_twice)
{
	cached = SEGMENT;
	read_on(0, SEGMENT);
	ck_assert_int_eq(fetches, 0);
	ck_assert_int_eq(waits, 0);
}
END_TEST

START_TEST(where_the_cache_ends_fetching_begins)
{
	cached = (32u << 20) + BLOCK;
	read_on(0, cached / PIECE * PIECE + EAGER);
	ck_assert_int_eq(fetches, 1);
	ck_assert_uint_eq(fetched[0].from, cached);
}
END_TEST

START_TEST(nothing_is_fetched_that_a_writer_may_write_to)
{
	view.limit = 4u << 20;
	read_on(0, view.limit);
	ck_assert_int_eq(fetches, 1);
	ck_assert_uint_eq(fetched[0].to, view.limit);
}
END_TEST

START_TEST(who_jumps_about_has_nothing_fetched)
{
	for (uint64_t lsn = 0; lsn < SEGMENT; lsn += 8u << 20)
		read_on(lsn, lsn + (256u << 10));
	ck_assert_int_eq(fetches, 0);
	/* Backwards neither. */
	for (uint64_t lsn = SEGMENT; lsn; lsn -= 4 * PIECE)
		read_on(lsn - 4 * PIECE, lsn - 3 * PIECE);
	ck_assert_int_eq(fetches, 0);
}
END_TEST

START_TEST(past_the_cache_reads_are_large_once_they_are_in_order)
{
	view.past_cache = true;
	for (uint64_t lsn = 0; lsn < SEGMENT; lsn += 8u << 20)
		read_on(lsn, lsn + (256u << 10));
	ck_assert_uint_lt(largest, EAGER);
	read_on(0, 2 * EAGER);
	ck_assert_uint_gt(largest, EAGER);
	/* What a writer may write to is not read. */
	view.limit = SEGMENT + 2 * EAGER;
	largest = 0;
	read_on(SEGMENT, view.limit);
	ck_assert_uint_lt(largest, 2 * EAGER);
	/* Whoever says how much wants no more. */
	view.limit = UINT64_MAX;
	view.ahead = 2 * PIECE;
	jnl_view_fini(&view);
	largest = 0;
	read_on(0, 2 * EAGER);
	ck_assert_uint_eq(largest, 2 * PIECE);
	ck_assert_int_eq(fetches, 0);
}
END_TEST

START_TEST(where_reading_cannot_be_asked_not_to_wait_all_is_read)
{
	static const int refusals[] = { -EOPNOTSUPP, -EINVAL, -EIO, -EINTR };

	cached = SEGMENT;
	for (int i = 0; i < 4; i++) {
		refusal = refusals[i];
		waits = 0;
		jnl_view_forget(&view);
		read_on(0, 4 * EAGER);
		ck_assert_int_gt(waits, 0);
	}
}
END_TEST

RUN_SUITE_WITH("view", 60, setup, teardown,
	  a_cold_file_is_fetched_in_large_parts_once_it_is_read_in_order,
	  of_what_is_cached_nothing_is_fetched_and_nothing_is_read_twice,
	  where_the_cache_ends_fetching_begins,
	  nothing_is_fetched_that_a_writer_may_write_to,
	  who_jumps_about_has_nothing_fetched,
	  past_the_cache_reads_are_large_once_they_are_in_order,
	  where_reading_cannot_be_asked_not_to_wait_all_is_read)
