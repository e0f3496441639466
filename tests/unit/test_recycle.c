/*
 * Which files may become another segment, asked of a real file system.  Run on
 * ext4, xfs and btrfs by tests/loopfs.sh, and wherever TMPDIR is.
 */
#include "config.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/recycle.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SIZE	(256u * 1024)

static char *path;
static struct jnl_dir dir;

/* Segment 7, as the library makes it. */
static void setup(void)
{
	bool final;

	path = scratch_make(true);
	memset(&dir, 0, sizeof(dir));
	dir.sys = jnl_sys_linux();
	dir.geometry.version = JNL_FORMAT_VERSION;
	dir.geometry.block_size = 4096;
	dir.geometry.segment_size = SIZE;
	dir.way.flush = JNL_FLUSH_FSYNC;
	ck_assert_int_eq(pthread_mutex_init(&dir.names_lock, NULL), 0);
	dir.fd = jnl_open_dir(&dir.sys, path);
	ck_assert_int_ge(dir.fd, 0);
	ck_assert_int_eq(jnl_segment_make(&dir, 7, SIZE, &final), 0);
}

static void teardown(void)
{
	(void)close(dir.fd);
	pthread_mutex_destroy(&dir.names_lock);
	scratch_remove(path);
}

/* Whether this file system says enough of a file's extents. */
static bool known(void)
{
	bool ret;

	setup();
	ret = jnl_segment_recyclable(&dir, 7);
	teardown();
	if (!ret)
		printf("test_recycle: this file system does not say that a "
		       "segment is written and not shared\n");
	return ret;
}

static int open_segment(void)
{
	int fd = openat(dir.fd, "0000000000000007.seg", O_RDWR);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static int make_file(const char *name)
{
	int fd = openat(dir.fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(a_file_that_is_used_again_has_its_new_number_only)
{
	struct jnl_segment_header h;
	struct stat before, after;
	uint8_t block[4096];
	bool final;
	int fd;

	if (!known())
		return;
	setup();
	fd = open_segment();
	ck_assert_int_eq(fstat(fd, &before), 0);
	(void)close(fd);
	ck_assert_int_eq(jnl_segment_recycle(&dir, 7, 9, &final), 0);
	ck_assert_int_lt(openat(dir.fd, "0000000000000007.seg", O_RDONLY), 0);
	ck_assert_int_lt(openat(dir.fd, "0000000000000009.tmp", O_RDONLY), 0);
	fd = openat(dir.fd, "0000000000000009.seg", O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(read(fd, block, sizeof(block)), sizeof(block));
	ck_assert_int_eq(jnl_segment_decode(block, &h), 0);
	ck_assert_uint_eq(h.number, 9);
	(void)close(fd);
	teardown();
}
END_TEST

START_TEST(a_file_that_shares_blocks_is_not_used_again)
{
	int fd, copy, ret;
	bool final;

	if (!known())
		return;
	setup();
	fd = open_segment();
	copy = make_file("copy");
	ret = ioctl(copy, FICLONE, fd);
	if (ret < 0)
		printf("test_recycle: this file system shares no blocks: %s\n",
		       strerror(errno));
	if (!ret) {
		ck_assert(!jnl_segment_recyclable(&dir, 7));
		ck_assert_int_lt(jnl_segment_recycle(&dir, 7, 8, &final), 0);
		ck_assert(!final);
		/* it has kept its name */
		(void)close(open_segment());
	}
	(void)close(copy);
	(void)close(fd);
	teardown();
}
END_TEST

START_TEST(a_file_that_is_not_whole_is_not_used_again)
{
	int fd;

	if (!known())
		return;
	setup();
	fd = open_segment();
	ck_assert_int_eq(ftruncate(fd, SIZE - 4096), 0);
	ck_assert(!jnl_segment_recyclable(&dir, 7));
	/* the right size, with a hole in it */
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	ck_assert(!jnl_segment_recyclable(&dir, 7));
	/* reserved, and not written */
	ck_assert_int_eq(fallocate(fd, 0, 0, SIZE), 0);
	ck_assert(!jnl_segment_recyclable(&dir, 7));
	(void)close(fd);
	teardown();
}
END_TEST

START_TEST(a_file_of_another_size_is_not_used_again)
{
	static char block[4096];
	int fd;

	if (!known())
		return;
	setup();
	fd = open_segment();
	ck_assert_int_eq(pwrite(fd, block, sizeof(block), SIZE), sizeof(block));
	ck_assert(!jnl_segment_recyclable(&dir, 7));
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	ck_assert(jnl_segment_recyclable(&dir, 7));
	(void)close(fd);
	teardown();
}
END_TEST

START_TEST(a_file_with_two_names_or_none_is_not_used_again)
{
	if (!known())
		return;
	setup();
	ck_assert_int_eq(linkat(dir.fd, "0000000000000007.seg", dir.fd,
				"other", 0), 0);
	ck_assert(!jnl_segment_recyclable(&dir, 7));
	ck_assert_int_eq(unlinkat(dir.fd, "other", 0), 0);
	ck_assert(jnl_segment_recyclable(&dir, 7));
	ck_assert(!jnl_segment_recyclable(&dir, 8));
	ck_assert_int_eq(symlinkat("0000000000000007.seg", dir.fd,
				   "0000000000000008.seg"), 0);
	ck_assert(!jnl_segment_recyclable(&dir, 8));
	teardown();
}
END_TEST

RUN_SUITE("recycle", 60,
	  a_file_that_is_used_again_has_its_new_number_only,
	  a_file_that_shares_blocks_is_not_used_again,
	  a_file_that_is_not_whole_is_not_used_again,
	  a_file_of_another_size_is_not_used_again,
	  a_file_with_two_names_or_none_is_not_used_again)
