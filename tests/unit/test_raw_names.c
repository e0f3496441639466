/*
 * The directory that a block device is, call by call.
 */
#include "config.h"

#include "tests/unit/raw.h"

/* The table over the device, with the lock held; *ret_dir is its directory. */
static struct jnl_sys *directory(int *ret_dir, int *ret_lock)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct jnl_sys *sys = &fault.sys;

	*ret_dir = jnl_raw_open(&sys, path);
	ck_assert_int_ge(*ret_dir, 0);
	ck_assert(jnl_is_raw(sys));
	*ret_lock = sys->openat(sys, *ret_dir, "lock", O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(*ret_lock, 0);
	ck_assert_int_eq(sys->lock(sys, *ret_lock, F_OFD_SETLK, &fl), 0);
	return sys;
}

static int make_tmp(struct jnl_sys *sys, int dirfd, const char *name)
{
	return sys->openat(sys, dirfd, name, O_RDWR | O_CREAT | O_EXCL, 0600);
}

#define NAME(n, suffix) "000000000000000" #n suffix

START_TEST(a_slot_is_not_given_out_before_its_removal_is_durable)
{
	uint64_t base, entry[8];
	struct jnl_sys *sys;
	int dirfd, lock, fd;
	journal *j = open_journal();

	put(j, 2);
	ck_assert_int_eq(journal_close(j), 0);
	sys = directory(&dirfd, &lock);
	fd = sys->openat(sys, dirfd, NAME(0, ".seg"), O_RDWR, 0);
	base = jnl_raw_base(sys, fd);
	ck_assert_uint_eq(base, AREA);
	ck_assert_int_eq(sys->close(sys, fd), 0);
	ck_assert_int_eq(sys->unlink(sys, dirfd, NAME(0, ".seg")), 0);
	fd = make_tmp(sys, dirfd, NAME(5, ".tmp"));
	ck_assert_uint_ne(jnl_raw_base(sys, fd), base);
	ck_assert_int_eq(sys->close(sys, fd), 0);
	/* A crash now has the segment still. */
	(void)table(entry);
	ck_assert_uint_eq(entry[0], jnl_raw_entry(0));
	ck_assert_int_eq(sys->fsync(sys, dirfd), 0);
	(void)table(entry);
	ck_assert_uint_eq(entry[0], JNL_RAW_FREE);
	fd = make_tmp(sys, dirfd, NAME(6, ".tmp"));
	ck_assert_uint_eq(jnl_raw_base(sys, fd), base);
	ck_assert_int_eq(sys->close(sys, fd), 0);
	ck_assert_int_eq(sys->close(sys, lock), 0);
	ck_assert_int_eq(sys->close(sys, dirfd), 0);
}
END_TEST

START_TEST(a_slot_that_somebody_has_open_is_not_given_out)
{
	struct jnl_sys *sys;
	int dirfd, lock, old, fd;
	journal *j;

	make(3);
	j = open_journal();
	put(j, 2);
	ck_assert_int_eq(journal_close(j), 0);
	sys = directory(&dirfd, &lock);
	/* Of three slots two are in use, one of them as a spare. */
	old = make_tmp(sys, dirfd, NAME(5, ".tmp"));
	ck_assert_int_ge(old, 0);
	ck_assert_int_eq(sys->unlink(sys, dirfd, NAME(5, ".tmp")), 0);
	ck_assert_int_eq(sys->fsync(sys, dirfd), 0);
	ck_assert_int_eq(make_tmp(sys, dirfd, NAME(6, ".tmp")), -ENOSPC);
	ck_assert_int_eq(sys->close(sys, old), 0);
	fd = make_tmp(sys, dirfd, NAME(6, ".tmp"));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(sys->close(sys, fd), 0);
	ck_assert_int_eq(sys->close(sys, lock), 0);
	ck_assert_int_eq(sys->close(sys, dirfd), 0);
}
END_TEST

START_TEST(nothing_is_written_before_what_was_read_is_durable)
{
	uint8_t *before, *after;
	struct jnl_sys *sys;
	int dirfd, lock;
	size_t len;
	journal *j = open_journal();

	put(j, 2);
	ck_assert_int_eq(journal_close(j), 0);
	sys = directory(&dirfd, &lock);
	ck_assert_int_eq(sys->unlink(sys, dirfd, NAME(0, ".seg")), 0);
	before = content(&len);
	fault_set(&fault, FAULT_FSYNC, 1, 1, -EIO);
	ck_assert_int_eq(sys->fsync(sys, dirfd), -EIO);
	after = content(&len);
	ck_assert_mem_eq(before, after, len);
	free(before);
	free(after);
	ck_assert_int_eq(sys->close(sys, lock), 0);
	ck_assert_int_eq(sys->close(sys, dirfd), 0);
}
END_TEST

START_TEST(the_copy_that_is_lost_is_written_first)
{
	struct jnl_raw_header h;
	struct jnl_sys *sys;
	int dirfd, lock;
	size_t len;
	uint8_t *p;

	for (unsigned int i = 0; i < 2; i++) {
		journal *j;

		make(8);
		j = open_journal();
		put(j, 2);
		ck_assert_int_eq(journal_close(j), 0);
		poke(i * JNL_RAW_COPY_STRIDE, "lost", 4);
		sys = directory(&dirfd, &lock);
		ck_assert_int_eq(sys->unlink(sys, dirfd, NAME(0, ".seg")), 0);
		/* What was read is flushed, then a copy, then no more. */
		fault_set(&fault, FAULT_FSYNC, 2, 1, -EIO);
		ck_assert_int_eq(sys->fsync(sys, dirfd), -EIO);
		p = content(&len);
		ck_assert_int_eq(jnl_raw_decode(p + i * JNL_RAW_COPY_STRIDE, i,
						&h), 0);
		free(p);
		/* Nobody can know now what the device holds. */
		ck_assert_int_eq(sys->fsync(sys, dirfd), -EIO);
		ck_assert_int_eq(make_tmp(sys, dirfd, NAME(6, ".tmp")), -EIO);
		ck_assert_int_eq(sys->close(sys, lock), 0);
		ck_assert_int_eq(sys->close(sys, dirfd), 0);
	}
}
END_TEST

START_TEST(without_the_lock_nothing_can_be_changed)
{
	struct jnl_sys *sys = &fault.sys;
	int dirfd, fd;
	journal *j = open_journal();

	put(j, 2);
	ck_assert_int_eq(journal_close(j), 0);
	dirfd = jnl_raw_open(&sys, path);
	ck_assert_int_eq(sys->unlink(sys, dirfd, NAME(0, ".seg")), -EROFS);
	ck_assert_int_eq(sys->rename(sys, dirfd, NAME(0, ".seg"),
				     NAME(1, ".seg")), -EROFS);
	ck_assert_int_eq(make_tmp(sys, dirfd, NAME(1, ".tmp")), -EROFS);
	/* Nothing was measured. */
	ck_assert_int_eq(sys->openat(sys, dirfd, "choice", O_RDONLY, 0),
			 -ENOENT);
	ck_assert_int_eq(sys->openat(sys, dirfd, "choice", O_WRONLY, 0),
			 -EROFS);
	ck_assert_uint_eq(jnl_raw_room(sys, 1 << 20), 0);
	/* A name that a table of slots has no word for. */
	ck_assert_int_eq(make_tmp(sys, dirfd, "words"), -EOPNOTSUPP);
	/* The scratch file can be had, and has no room. */
	fd = make_tmp(sys, dirfd, "probe-1.tmp");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(sys->pwrite(sys, fd, "x", 1, 0, 0), -ENOSPC);
	ck_assert_int_eq(sys->close(sys, fd), 0);
	ck_assert_int_eq(sys->close(sys, dirfd), 0);
}
END_TEST

START_TEST(no_byte_goes_outside_of_a_slot)
{
	static uint8_t block[4096];
	struct jnl_sys *sys;
	int dirfd, lock, fd;
	journal *j = open_journal();

	put(j, 2);
	ck_assert_int_eq(journal_close(j), 0);
	sys = directory(&dirfd, &lock);
	fd = sys->openat(sys, dirfd, NAME(0, ".seg"), O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(sys->pwrite(sys, fd, block, 4096, SMALL, 0), -EFBIG);
	ck_assert_int_eq(sys->pwrite(sys, fd, block, 4096, SMALL - 512, 0),
			 -EFBIG);
	ck_assert_int_eq(sys->pwrite(sys, fd, block, 1, UINT64_MAX, 0), -EFBIG);
	ck_assert_int_eq(sys->pread(sys, fd, block, 4096, SMALL - 512, 0), 512);
	ck_assert_int_eq(sys->pread(sys, fd, block, 4096, SMALL, 0), 0);
	ck_assert_int_eq(sys->pread(sys, fd, block, 4096, UINT64_MAX, 0), 0);
	ck_assert_int_eq(sys->close(sys, fd), 0);
	ck_assert_int_eq(sys->close(sys, lock), 0);
	ck_assert_int_eq(sys->close(sys, dirfd), 0);
	check_from(0);
}
END_TEST

RUN_SUITE_WITH("raw_names", 120, setup, teardown,
	       a_slot_is_not_given_out_before_its_removal_is_durable,
	       a_slot_that_somebody_has_open_is_not_given_out,
	       nothing_is_written_before_what_was_read_is_durable,
	       the_copy_that_is_lost_is_written_first,
	       without_the_lock_nothing_can_be_changed,
	       no_byte_goes_outside_of_a_slot)
