/*
 * The method nvme-flush: when a flush is the drive's and when the file's, and
 * what becomes of one that is refused, fails, or is of unknown fate.
 */
#include "config.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <string.h>

#include "journal/core.h"
#include "journal/driver.h"
#include "tests/lib/drive.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u

static char *dir, *path;
static struct drive drive;
static struct fault f;
static journal *j;
static unsigned int records;

static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
	drive_init(&drive);
	fault_init(&f, &drive.sys);
	f.solid = true;
	records = 0;
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static int open_with(const char *driver, uint64_t segment_size)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = {
		.sys = &f.sys, .choice = &choice_nvme, .no_helper = true,
	};

	o.flags = JOURNAL_CREATE;
	o.segment_size = segment_size;
	o.record_max = 8192;
	o.driver = driver;
	o.method = "nvme-flush";
	return jnl_open(&j, path, &o, &env);
}

static void start(const char *driver)
{
	setup();
	ck_assert_int_eq(open_with(driver, SMALL), 0);
}

static int commit(void)
{
	char text[4096];
	struct iovec iov = { text, 0 };
	int ret;

	iov.iov_len = (size_t)snprintf(text, sizeof(text), "%u %*s", records,
				       (int)(records * 617 % 3000), "");
	ret = journal_commit(j, &iov, 1, NULL);
	records += !ret;
	return ret;
}

/* Commit n records; what returns is covered by a flush that came later. */
static void commit_many(unsigned int n)
{
	while (n--) {
		ck_assert_int_eq(commit(), 0);
		if (!j->committer)
			ck_assert_uint_eq(drive.uncovered, 0);
	}
}

static struct journal_info info_of(void)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	return info;
}

static void is_on(void)
{
	ck_assert_str_eq(info_of().method, "nvme-flush");
	ck_assert_str_eq(info_of().barrier, "NVMe Flush");
}

/* On as with direct, and the reason is told. */
static void is_given_up(const char *why)
{
	struct journal_info info = info_of();

	ck_assert_str_eq(info.method, "direct");
	ck_assert_str_eq(info.barrier, "RWF_DSYNC");
	ck_assert_msg(strstr(info.trail, "nvme-flush: given up, on with "
			     "direct: ") && strstr(info.trail, why), "%s",
		      info.trail);
}

static uint64_t replacements(void)
{
	struct journal_stats stats = JOURNAL_STATS_INIT;

	ck_assert_int_eq(journal_stats(j, &stats), 0);
	return stats.replacements;
}

/* Everything that was acknowledged is there, in order, and nothing else. */
static void close_and_check(void)
{
	struct journal_record rec;
	journal_reader *r;
	char text[4096];
	unsigned int n = 0;
	int ret;

	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		int len = snprintf(text, sizeof(text), "%u %*s", n,
				   (int)(n * 617 % 3000), "");

		ck_assert_uint_eq(rec.len, (size_t)len);
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(n, records);
	journal_reader_close(r);
	teardown();
}

/* Where the committer's ring takes commands, they are what is counted. */
static bool by_ring(void)
{
	return j->committer && j->committer->ring &&
	       !j->committer->report.device_err;
}

static unsigned long asked(void)
{
	return drive.ioctls + drive.commands;
}

static const char *const drivers[] = { "caller", "thread", "loop" };

START_TEST(a_commit_is_flushed_by_the_drive_once_its_segment_is_settled)
{
	for (int d = 0; d < 3; d++) {
		setup();
		ck_assert_int_eq(open_with(drivers[d], SMALL), 0);
		is_on();
		drive.files = 0;
		commit_many(1);
		/* the first of the segment: by its file, then looked at */
		ck_assert_uint_eq(asked(), 0);
		ck_assert_uint_eq(drive.files, 1);
		ck_assert_uint_eq(f.calls[FAULT_FIEMAP], 1);
		commit_many(5);
		ck_assert_uint_eq(asked(), 5);
		ck_assert_uint_eq(drive.flushes, 5);
		ck_assert_uint_eq(drive.files, 1);
		ck_assert_uint_eq(f.calls[FAULT_FIEMAP], 1);
		if (by_ring())
			ck_assert_uint_eq(drive.ioctls, 0);
		is_on();
		close_and_check();
	}
}
END_TEST

START_TEST(every_segment_is_looked_at_again)
{
	for (int d = 0; d < 3; d++) {
		start(drivers[d]);
		commit_many(60);
		/* at least three rotations, each with a look of its own */
		ck_assert_uint_ge(j->engine.frontier / SMALL, 3);
		ck_assert_uint_ge(f.calls[FAULT_FIEMAP],
				  j->engine.frontier / SMALL);
		ck_assert_uint_gt(asked(), 20);
		is_on();
		close_and_check();
	}
}
END_TEST

START_TEST(a_new_life_looks_again_before_it_relies_on_the_drive)
{
	start("caller");
	commit_many(3);
	ck_assert_int_eq(journal_close(j), 0);
	drive.ioctls = 0;
	f.calls[FAULT_FIEMAP] = 0;
	ck_assert_int_eq(open_with("caller", SMALL), 0);
	commit_many(1);
	ck_assert_uint_eq(drive.ioctls, 0);
	ck_assert_uint_eq(f.calls[FAULT_FIEMAP], 1);
	commit_many(1);
	ck_assert_uint_eq(drive.ioctls, 1);
	close_and_check();
}
END_TEST

START_TEST(a_segment_that_is_still_being_filled_is_flushed_by_its_file)
{
	setup();
	ck_assert_int_eq(open_with("caller", 4u << 20), 0);
	ck_assert_uint_ne(j->engine.ready_end, UINT64_MAX);
	commit_many(4);
	ck_assert_uint_eq(f.calls[FAULT_FIEMAP], 0);
	ck_assert_uint_eq(drive.ioctls, 0);
	while (j->engine.ready_end != UINT64_MAX)
		ck_assert(jnl_helper_step(j, false));
	commit_many(1);
	ck_assert_uint_eq(f.calls[FAULT_FIEMAP], 1);
	ck_assert_uint_eq(drive.ioctls, 0);
	commit_many(2);
	ck_assert_uint_eq(drive.ioctls, 2);
	is_on();
	close_and_check();
}
END_TEST

START_TEST(extents_that_are_not_as_they_should_be_end_it)
{
	static const uint32_t flags[] = {
		FIEMAP_EXTENT_UNWRITTEN, FIEMAP_EXTENT_SHARED,
		FIEMAP_EXTENT_DELALLOC, FIEMAP_EXTENT_UNKNOWN,
		FIEMAP_EXTENT_ENCODED, FIEMAP_EXTENT_DATA_INLINE,
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		start(drivers[i % 3]);
		commit_many(3);
		is_on();
		/* a copy by reflink, say: seen when the next segment is used */
		f.extent_flags = flags[i];
		drive.ioctls = drive.commands = 0;
		commit_many(60);
		is_given_up("not written, or that another file shares");
		drive.ioctls = drive.commands = 0;
		commit_many(20);
		ck_assert_uint_eq(asked(), 0);
		ck_assert_uint_eq(replacements(), 0);
		close_and_check();
	}
}
END_TEST

START_TEST(a_file_system_that_does_not_tell_its_extents_ends_it)
{
	start("caller");
	fault_set(&f, FAULT_FIEMAP, 1, ~0ul, -EOPNOTSUPP);
	commit_many(20);
	is_given_up("FIEMAP");
	ck_assert_uint_eq(drive.ioctls, 0);
	close_and_check();
}
END_TEST

START_TEST(a_flush_that_was_refused_is_one_of_the_file)
{
	static const int refused[] = { -EACCES, -EPERM, -ENOTTY, -ENOSYS,
				       -EOPNOTSUPP, -EINVAL, -EBADF };

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		start(drivers[i % 3]);
		commit_many(3);
		drive.by_ioctl = drive.by_ring = refused[i];
		drive.ioctls = drive.commands = drive.files = 0;
		commit_many(1);
		ck_assert_uint_ge(drive.files, 1);
		ck_assert_uint_eq(drive.ioctls, 1);
		is_given_up("NVMe Flush");
		commit_many(30);
		ck_assert_uint_eq(drive.ioctls, 1);
		ck_assert_uint_eq(replacements(), 0);
		close_and_check();
	}
}
END_TEST

START_TEST(a_flush_that_failed_is_never_asked_again)
{
	/* statuses of the drive, and what may have come after it was sent:
	 * cancelled, timed out, the namespace gone */
	static const int failed[] = { 0x06, 0x4004, 0x281, -EIO, -EINTR,
				      -ENODEV, -ENXIO, -ETIMEDOUT, -ENOLINK,
				      -EAGAIN, -ENOMEM };

	for (size_t i = 0; i < 3 * sizeof(failed) / sizeof(*failed); i++) {
		start(drivers[i % 3]);
		commit_many(3);
		drive.by_ioctl = drive.by_ring = failed[i / 3];
		drive.ioctls = drive.commands = 0;
		/* what only the drive's cache has is written once more */
		commit_many(1);
		ck_assert_uint_eq(asked(), 1);
		ck_assert_uint_eq(replacements(), 1);
		is_given_up(failed[i / 3] > 0 ? "status" : "NVMe Flush");
		commit_many(30);
		ck_assert_uint_eq(asked(), 1);
		close_and_check();
	}
}
END_TEST

START_TEST(the_status_of_the_drive_is_told)
{
	start("caller");
	commit_many(2);
	drive.by_ioctl = 0x4281;
	commit_many(1);
	is_given_up("0x4281");
	close_and_check();
}
END_TEST

START_TEST(a_namespace_that_is_gone_ends_the_journal_with_nothing_lost)
{
	struct journal_record rec;
	journal_reader *r;
	unsigned int n = 0;
	int ret;

	for (int d = 0; d < 3; d++) {
		start(drivers[d]);
		commit_many(10);
		drive.by_ioctl = drive.by_ring = -ENODEV;
		/* nor can a new file be made */
		fault_set(&f, FAULT_FSYNC, 1, ~0ul, -EIO);
		ret = commit();
		ck_assert_int_lt(ret, 0);
		ck_assert_int_eq(commit(), ret);
		ck_assert_int_eq(info_of().failed, ret);
		ck_assert_int_eq(journal_close(j), ret);
		fault_clear(&f);
		ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
		for (n = 0; (ret = journal_reader_next(r, &rec)) == 1; n++)
			;
		ck_assert_int_eq(ret, 0);
		ck_assert_uint_ge(n, records);
		journal_reader_close(r);
		teardown();
	}
}
END_TEST

START_TEST(a_command_that_the_ring_refuses_goes_by_ioctl)
{
	static const int refused[] = { -EOPNOTSUPP, -EINVAL, -EACCES };

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		start("thread");
		commit_many(3);
		if (!by_ring()) {
			close_and_check();
			continue;
		}
		drive.by_ring = refused[i];
		drive.ioctls = drive.commands = 0;
		commit_many(10);
		ck_assert_uint_eq(drive.commands, 1);
		ck_assert_uint_ge(drive.ioctls, 10);
		is_on();
		ck_assert(strstr(info_of().trail, "nvme-flush: by ioctl: "));
		ck_assert_uint_eq(replacements(), 0);
		close_and_check();
	}
}
END_TEST

START_TEST(a_ring_without_room_for_commands_leaves_them_to_the_ioctl)
{
	setup();
	fault_set(&f, FAULT_RING_SETUP, 1, 5, -EINVAL);
	ck_assert_int_eq(open_with("thread", SMALL), 0);
	commit_many(10);
	ck_assert_uint_eq(drive.commands, 0);
	ck_assert_uint_ge(drive.ioctls, 9);
	is_on();
	close_and_check();
}
END_TEST

START_TEST(a_replaced_file_is_looked_at_before_the_drive_is_relied_on)
{
	setup();
	ck_assert_int_eq(open_with("caller", SMALL), 0);
	commit_many(3);
	f.calls[FAULT_FIEMAP] = 0;
	drive.ioctls = 0;
	fault_set(&f, FAULT_PWRITE, 1, 1, -EIO);
	commit_many(1);
	ck_assert_uint_eq(replacements(), 1);
	ck_assert_uint_eq(drive.ioctls, 0);
	commit_many(1);
	ck_assert_uint_eq(f.calls[FAULT_FIEMAP], 1);
	ck_assert_uint_eq(drive.ioctls, 0);
	commit_many(1);
	ck_assert_uint_eq(drive.ioctls, 1);
	is_on();
	close_and_check();
}
END_TEST

START_TEST(what_is_written_without_a_flush_is_flushed_when_it_is_given_up)
{
	struct iovec iov = { "a", 1 };
	uint64_t lsn;

	setup();
	ck_assert_int_eq(open_with("thread", SMALL), 0);
	commit_many(3);
	/* several batches wait for a flush that will be refused */
	drive.by_ioctl = drive.by_ring = -EACCES;
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(journal_append(j, &iov, 1, &lsn), 0);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	is_given_up("NVMe Flush");
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(without_the_device_the_method_fails_and_the_flag_changes_nothing)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error;
	struct jnl_env env = {
		.sys = &f.sys, .choice = &choice_nvme, .no_helper = true,
	};

	setup();
	drive.opens = -EACCES;
	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.method = "nvme-flush";
	o.error = &error;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), -EACCES);
	ck_assert(strstr(error.message, DRIVE_NODE));
	o.method = NULL;
	o.flags |= JOURNAL_PASSTHROUGH;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	/* the lock's signature, which need not be durable */
	drive.uncovered = 0;
	commit_many(3);
	is_given_up(DRIVE_NODE);
	ck_assert_uint_eq(asked(), 0);
	close_and_check();
}
END_TEST

RUN_SUITE("barrier", 60,
	  a_commit_is_flushed_by_the_drive_once_its_segment_is_settled,
	  every_segment_is_looked_at_again,
	  a_new_life_looks_again_before_it_relies_on_the_drive,
	  a_segment_that_is_still_being_filled_is_flushed_by_its_file,
	  extents_that_are_not_as_they_should_be_end_it,
	  a_file_system_that_does_not_tell_its_extents_ends_it,
	  a_flush_that_was_refused_is_one_of_the_file,
	  a_flush_that_failed_is_never_asked_again,
	  the_status_of_the_drive_is_told,
	  a_namespace_that_is_gone_ends_the_journal_with_nothing_lost,
	  a_command_that_the_ring_refuses_goes_by_ioctl,
	  a_ring_without_room_for_commands_leaves_them_to_the_ioctl,
	  a_replaced_file_is_looked_at_before_the_drive_is_relied_on,
	  what_is_written_without_a_flush_is_flushed_when_it_is_given_up,
	  without_the_device_the_method_fails_and_the_flag_changes_nothing)
