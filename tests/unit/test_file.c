/*
 * Whole writes: what is resumed, and what is final.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/file.h"
#include "tests/lib/suite.h"

/* A table whose pwrite answers from a script. */
static struct {
	struct jnl_sys sys;
	ssize_t answer[64];
	int n;			/* calls so far */
	uint64_t offset[64];
	size_t len[64];
	int rwf;
	int flushes, fsyncs;
} fake;

static ssize_t fake_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			   size_t len, uint64_t offset, int rwf)
{
	ssize_t ret = fake.answer[fake.n];

	(void)sys;
	(void)fd;
	(void)buf;
	ck_assert_int_lt(fake.n, 64);
	fake.offset[fake.n] = offset;
	fake.len[fake.n++] = len;
	fake.rwf = rwf;
	return ret > (ssize_t)len ? (ssize_t)len : ret;
}

static ssize_t fake_pread(struct jnl_sys *sys, int fd, void *buf, size_t len,
			  uint64_t offset, int rwf)
{
	return fake_pwrite(sys, fd, buf, len, offset, rwf);
}

static int fake_fdatasync(struct jnl_sys *sys, int fd)
{
	(void)sys;
	(void)fd;
	fake.flushes++;
	return -EINTR;
}

static int fake_fsync(struct jnl_sys *sys, int fd)
{
	(void)sys;
	(void)fd;
	fake.fsyncs++;
	return -EINVAL;
}

static void script(int n, const ssize_t *answer)
{
	memset(&fake, 0, sizeof(fake));
	fake.sys.pwrite = fake_pwrite;
	fake.sys.pread = fake_pread;
	fake.sys.fdatasync = fake_fdatasync;
	fake.sys.fsync = fake_fsync;
	memcpy(fake.answer, answer, (size_t)n * sizeof(*answer));
}
#define SCRIPT(...) do { \
	ssize_t a_[] = { __VA_ARGS__ }; \
	script((int)(sizeof(a_) / sizeof(a_[0])), a_); \
} while (0)

static uint8_t data[16384];

START_TEST(a_short_direct_write_goes_on_from_a_block_boundary)
{
	SCRIPT(4096 + 512, 99999);
	ck_assert_int_eq(jnl_write_full(&fake.sys, 3, data, 16384, 8192, 0,
					4096), 0);
	ck_assert_int_eq(fake.n, 2);
	ck_assert_uint_eq(fake.offset[1], 8192 + 4096);
	ck_assert_uint_eq(fake.len[1], 16384 - 4096);
}
END_TEST

START_TEST(a_short_buffered_write_goes_on_where_it_stopped)
{
	SCRIPT(1, 100, 99999);
	ck_assert_int_eq(jnl_write_full(&fake.sys, 3, data, 1000, 10, 0, 1),
			 0);
	ck_assert_int_eq(fake.n, 3);
	ck_assert_uint_eq(fake.offset[2], 10 + 101);
	ck_assert_uint_eq(fake.len[2], 1000 - 101);
}
END_TEST

START_TEST(a_write_without_progress_is_given_up)
{
	SCRIPT(0);
	ck_assert_int_eq(jnl_write_full(&fake.sys, 3, data, 4096, 0, 0, 4096),
			 -EIO);
	ck_assert_int_lt(fake.n, 64);
}
END_TEST

START_TEST(an_interrupted_write_starts_again)
{
	SCRIPT(-EINTR, -EINTR, -EAGAIN, 4096);
	ck_assert_int_eq(jnl_write_full(&fake.sys, 3, data, 4096, 0, 0, 4096),
			 0);
	ck_assert_int_eq(fake.n, 4);
}
END_TEST

START_TEST(any_other_error_of_a_write_is_final)
{
	SCRIPT(4096, -EIO, 4096);
	ck_assert_int_eq(jnl_write_full(&fake.sys, 3, data, 8192, 0, 0, 4096),
			 -EIO);
	ck_assert_int_eq(fake.n, 2);
}
END_TEST

START_TEST(a_flush_is_asked_once_whatever_it_says)
{
	struct jnl_way way = { .flush = JNL_FLUSH_FDATASYNC };

	SCRIPT(0);
	ck_assert_int_eq(jnl_way_flush(&fake.sys, &way, 3), -EINTR);
	ck_assert_int_eq(fake.flushes, 1);
	way.flush = JNL_FLUSH_FSYNC;
	ck_assert_int_eq(jnl_way_flush(&fake.sys, &way, 3), -EINVAL);
	ck_assert_int_eq(fake.fsyncs, 1);
	/* never one tried with the other */
	ck_assert_int_eq(fake.flushes, 1);
}
END_TEST

START_TEST(a_read_stops_at_the_end_of_the_file_only)
{
	SCRIPT(10, -EINTR, 20, 0);
	ck_assert_int_eq(jnl_read_full(&fake.sys, 3, data, 100, 0), 30);
	SCRIPT(10, -EIO);
	ck_assert_int_eq(jnl_read_full(&fake.sys, 3, data, 100, 0), -EIO);
}
END_TEST

START_TEST(a_buffer_is_aligned_and_zero)
{
	uint8_t *p = jnl_buffer_alloc(10000);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq((uintptr_t)p % 4096, 0);
	for (int i = 0; i < 10000; i++)
		ck_assert_uint_eq(p[i], 0);
	jnl_buffer_free(p, 10000);
	jnl_buffer_free(NULL, 0);
}
END_TEST

RUN_SUITE("file", 20,
	  a_short_direct_write_goes_on_from_a_block_boundary,
	  a_short_buffered_write_goes_on_where_it_stopped,
	  a_write_without_progress_is_given_up,
	  an_interrupted_write_starts_again,
	  any_other_error_of_a_write_is_final,
	  a_flush_is_asked_once_whatever_it_says,
	  a_read_stops_at_the_end_of_the_file_only,
	  a_buffer_is_aligned_and_zero)
