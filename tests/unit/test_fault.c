/*
 * Every call of the table made to fail, once and for good, with every errno
 * that is plausible for it: nothing acknowledged is lost, nothing appears that
 * was not appended, the first error of a commit is the last word, and nothing
 * crashes or hangs.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "journal/core.h"
#include "tests/lib/drive.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL 65536u
#define RECORDS 12

static char *dir, *path;
static const char *driver, *carrier;	/* as in the options */

struct run {
	struct fault fault;
	struct drive drive;		/* beneath it, for choice_nvme */
	const struct jnl_choice *choice;
	uint64_t lsn[2 * RECORDS];	/* of record i, 0: not appended */
	int appended;			/* records that got an LSN */
	int acked;			/* the first so many were acknowledged */
	int failed;			/* the first error of append or sync */
};

static void payload(char *text, size_t size, int i)
{
	(void)snprintf(text, size, "%d %*s", i, i * 617 % 9000, "");
}

/*
 * An event loop's way to append and to wait, with the work of the library's
 * threads, which there are none of.
 */
static int turn(journal *j, uint64_t *ret_frontier)
{
	struct pollfd p = { .fd = journal_eventfd(j), .events = POLLIN };

	while (jnl_loop_step(j) || jnl_helper_step(j, false))
		;
	/* it rings, or everything has been seen */
	(void)poll(&p, 1, 50);
	return journal_durable(j, ret_frontier);
}

/*
 * One record in three is filled in place: in a place that was reserved two
 * records ago, and lost in the commit since, or at once.
 */
static int put(journal *j, int i, struct journal_reservation *open,
	       const struct iovec *iov, uint64_t *lsn)
{
	int ret;

	if (i % 3 != 1) {
		ret = journal_append(j, iov, 1, lsn);
		if (!ret && i % 3 == 2 &&
		    !journal_reserve(j, 9100, open))
			memset(open->data, '?', open->len);
		return ret;
	}
	if (!open->id) {
		ret = journal_reserve(j, 9100, open);
		if (ret < 0)
			return ret;
	}
	memcpy(open->data, iov->iov_base, iov->iov_len);
	return journal_publish(j, open, iov->iov_len, lsn);
}

static int loop_append(journal *j, int i, struct journal_reservation *open,
		       const struct iovec *iov, uint64_t *lsn)
{
	uint64_t frontier;
	int ret, turns = 0;

	while ((ret = put(j, i, open, iov, lsn)) == -EAGAIN) {
		ck_assert_int_lt(++turns, 1000);
		(void)turn(j, &frontier);
	}
	return ret;
}

static int loop_wait(journal *j, uint64_t lsn)
{
	uint64_t frontier = 0;
	int ret, turns = 0;

	ret = journal_submit(j);
	while (!ret && frontier <= lsn) {
		ck_assert_int_lt(++turns, 1000);
		ret = turn(j, &frontier);
	}
	return ret;
}

/*
 * Open, append and commit; segments rotate several times.  Stops at nothing:
 * after an error it goes on, as a stubborn program would.
 */
static void work(struct run *run, bool reopen)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	struct jnl_env env = {
		.sys = &run->fault.sys,
		.choice = run->choice,
		.no_helper = true,
	};
	bool loop = driver && !strcmp(driver, "loop");
	struct journal_reservation open = { 0 };
	char text[9100];
	int first = run->appended, ret;
	journal *j;

	o.flags = reopen ? 0 : JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.driver = driver;
	o.carrier = carrier;
	o.error = &error;
	ret = jnl_open(&j, path, &o, &env);
	if (ret < 0) {
		/* every refusal says why, in words */
		ck_assert_msg(error.message[0] || ret == -ENOMEM, "%d", ret);
		return;
	}
	for (int i = first; i < first + RECORDS; i++) {
		struct iovec iov = { text, 0 };
		uint64_t lsn;

		payload(text, sizeof(text), run->appended);
		iov.iov_len = strlen(text);
		ret = loop ? loop_append(j, i, &open, &iov, &lsn) :
			     put(j, i, &open, &iov, &lsn);
		if (!ret) {
			run->lsn[run->appended++] = lsn;
			if (i % 3 == 0)
				ret = loop ? loop_wait(j, lsn) :
					     journal_sync(j, lsn);
			if (!ret && i % 3 == 0)
				run->acked = run->appended;
		}
		/* Room comes back, anything else is for good. */
		if (ret < 0 && ret != -ENOSPC && ret != -EMFILE &&
		    ret != -ENOMEM && ret != -EDQUOT) {
			if (!run->failed)
				run->failed = ret;
			ck_assert_int_eq(ret, run->failed);
		}
		while (jnl_helper_step(j, i % 4 == 0) && !run->failed)
			;
	}
	ret = journal_close(j);
	if (!ret)
		run->acked = run->appended;
}

/* What is on disk, read with nothing failing. */
static void check(struct run *run)
{
	struct journal_record rec;
	journal_reader *r;
	char text[9100];
	int n = 0, ret;

	ret = journal_reader_open(&r, path, 0, NULL);
	if (ret == -ENOENT) {
		ck_assert_int_eq(run->acked, 0);
		return;
	}
	ck_assert_int_eq(ret, 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		ck_assert_int_lt(n, run->appended);
		payload(text, sizeof(text), n);
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		ck_assert_uint_eq(rec.lsn, run->lsn[n]);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_ge(n, run->acked);
	journal_reader_close(r);
}

static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static const int errnos[][7] = {
	[FAULT_OPENAT] = { -EIO, -EMFILE, -EACCES, -EROFS, -ENOSPC },
	[FAULT_CLOSE] = { -EIO, -ENOSPC },
	[FAULT_PREAD] = { -EIO, -EINTR, -EAGAIN },
	[FAULT_PWRITE] = { -EIO, -ENOSPC, -EINTR, -EAGAIN, -EDQUOT, -EBUSY },
	[FAULT_FSYNC] = { -EIO, -ENOSPC, -EROFS, -EBUSY },
	[FAULT_FDATASYNC] = { -EIO, -ENOSPC, -EINVAL, -EBUSY, -EAGAIN },
	[FAULT_FALLOCATE] = { -ENOSPC, -EOPNOTSUPP, -EINTR, -EIO },
	[FAULT_FTRUNCATE] = { -EIO, -EFBIG },
	[FAULT_FADVISE] = { -EINVAL },
	[FAULT_RENAME] = { -EIO, -ENOSPC },
	[FAULT_UNLINK] = { -EIO, -EROFS },
	[FAULT_MKDIR] = { -ENOSPC, -EACCES },
	[FAULT_LIST] = { -EIO, -ENOMEM },
	[FAULT_FSTAT] = { -EIO },
	[FAULT_LOCK] = { -ENOLCK, -EACCES },
	[FAULT_GET_FLAGS] = { -ENOTTY },
	[FAULT_FIEMAP] = { -EOPNOTSUPP, -EIO },
	[FAULT_NVME_ID] = { -ENOTTY, -EIO },
	/* a positive one is the drive's */
	[FAULT_NVME_FLUSH] = { -EACCES, -EIO, -EINTR, -ENODEV, -EAGAIN, 0x4006 },
	[FAULT_RANDOM] = { -EIO },
	[FAULT_RING_SETUP] = { -EPERM, -ENOSYS, -ENOMEM, -EINVAL, -EMFILE },
	[FAULT_RING_ENTER] = { -EIO, -EBADF, -ENXIO, -EINTR, -EAGAIN },
	[FAULT_RING_REGISTER] = { -ENOMEM, -EINVAL, -EBUSY },
	[FAULT_RING_RESULT] = { -EIO, -ENOSPC, -EINTR, -EAGAIN, -ECANCELED },
	[FAULT_CALLS] = { 0 },
};

static void begin(struct run *run, const struct jnl_choice *choice)
{
	memset(run, 0, sizeof(*run));
	drive_init(&run->drive);
	fault_init(&run->fault, &run->drive.sys);
	run->fault.solid = choice == &choice_nvme;
	run->choice = choice;
}

/* One whole history with one fault in it: create and work, work again. */
static unsigned long history(const struct jnl_choice *choice,
			     enum fault_call call, unsigned long at,
			     unsigned long times, int err, size_t short_to)
{
	static struct run run;

	begin(&run, choice);
	setup();
	fault_set(&run.fault, call, at, times, err);
	run.fault.short_to = short_to;
	work(&run, false);
	check(&run);
	run.failed = 0;
	if (run.acked != run.appended) {
		/* What was appended and not acknowledged may be there or not:
		 * the numbers of the next life would not follow. */
		teardown();
		return run.fault.hit;
	}
	work(&run, true);
	check(&run);
	fault_clear(&run.fault);
	teardown();
	return run.fault.hit;
}

/* How often a call is used in a history without faults. */
static unsigned long uses(const struct jnl_choice *choice, enum fault_call call)
{
	static struct run run;

	begin(&run, choice);
	setup();
	work(&run, false);
	ck_assert_int_eq(run.acked, RECORDS);
	work(&run, true);
	ck_assert_int_eq(run.acked, 2 * RECORDS);
	check(&run);
	teardown();
	return run.fault.calls[call];
}

/* Under valgrind a history takes a second: every k-th place will do. */
static unsigned long stride(void)
{
	return getenv("JOURNAL_TEST_VALGRIND") ? 29 : 1;
}

static unsigned long sweep(const struct jnl_choice *choice,
			   enum fault_call call)
{
	unsigned long n = uses(choice, call), hits = 0;

	for (unsigned long at = 1; at <= n; at += stride()) {
		for (int i = 0; errnos[call][i]; i++) {
			hits += history(choice, call, at, 1, errnos[call][i],
					0);
			/* EAGAIN for ever takes a second to be given up */
			if ((errnos[call][i] != -EAGAIN ||
			     call == FAULT_FDATASYNC) &&
			    errnos[call][i] != -EINTR)
				hits += history(choice, call, at, ~0ul,
						errnos[call][i], 0);
		}
	}
	return hits;
}

static const struct jnl_choice *const choices[] = {
	&choice_dsync, &choice_flush, &choice_buffered, &choice_nvme,
};

#define CHOICES	(sizeof(choices) / sizeof(choices[0]))

static void sweep_all(const enum fault_call *calls, size_t n)
{
	unsigned long hits = 0;

	for (size_t c = 0; c < n; c++) {
		for (size_t i = 0; i < CHOICES; i++)
			hits += sweep(choices[i], calls[c]);
	}
	/* a sweep that hits nothing proves nothing */
	ck_assert_uint_gt(hits, 0);
}

START_TEST(a_failed_write_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = { FAULT_PWRITE };

	sweep_all(calls, 1);
}
END_TEST

START_TEST(a_failed_flush_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = {
		FAULT_FSYNC, FAULT_FDATASYNC,
	};

	sweep_all(calls, 2);
}
END_TEST

START_TEST(a_failed_flush_of_the_drive_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = {
		FAULT_NVME_FLUSH, FAULT_NVME_ID, FAULT_FIEMAP,
	};

	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_gt(sweep(&choice_nvme, calls[i]), 0);
	driver = "thread";
	ck_assert_uint_gt(sweep(&choice_nvme, FAULT_FIEMAP), 0);
	carrier = "pwritev2";
	ck_assert_uint_gt(sweep(&choice_nvme, FAULT_NVME_FLUSH), 0);
}
END_TEST

START_TEST(a_failed_change_of_names_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = {
		FAULT_RENAME, FAULT_UNLINK, FAULT_MKDIR, FAULT_OPENAT,
		FAULT_CLOSE,
	};

	sweep_all(calls, 5);
}
END_TEST

START_TEST(a_failed_reservation_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = { FAULT_FALLOCATE };

	sweep_all(calls, 1);
}
END_TEST

START_TEST(a_failed_look_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = {
		FAULT_PREAD, FAULT_LIST, FAULT_FSTAT, FAULT_LOCK, FAULT_RANDOM,
		FAULT_FADVISE,
	};

	sweep_all(calls, 6);
}
END_TEST

START_TEST(a_failed_call_or_result_of_the_ring_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = {
		FAULT_RING_SETUP, FAULT_RING_ENTER, FAULT_RING_REGISTER,
		FAULT_RING_RESULT,
	};
	unsigned long hits;

	driver = "thread";
	for (size_t c = 0; c < 4; c++) {
		hits = sweep(&choice_dsync, calls[c]) +
		       sweep(&choice_flush, calls[c]) +
		       sweep(&choice_nvme, calls[c]);
		/* a kernel without a ring is only asked for one */
		if (calls[c] == FAULT_RING_SETUP || uses(&choice_dsync,
							 FAULT_RING_ENTER))
			ck_assert_uint_gt(hits, 0);
	}
}
END_TEST

START_TEST(a_failure_under_the_thread_driver_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = {
		FAULT_PWRITE, FAULT_FDATASYNC, FAULT_RENAME, FAULT_OPENAT,
	};

	driver = "thread";
	sweep_all(calls, 4);
	carrier = "pwritev2";
	sweep_all(calls, 2);
}
END_TEST

START_TEST(a_failure_under_the_loop_driver_loses_nothing_acknowledged)
{
	static const enum fault_call calls[] = {
		FAULT_RING_SETUP, FAULT_RING_ENTER, FAULT_RING_REGISTER,
		FAULT_RING_RESULT, FAULT_PWRITE, FAULT_FDATASYNC, FAULT_RENAME,
		FAULT_OPENAT,
	};

	driver = "loop";
	for (size_t c = 0; c < 8; c++) {
		/* a flush of the ring's is not one of the table's */
		if (sweep(&choice_dsync, calls[c]) +
		    sweep(&choice_flush, calls[c]) == 0)
			ck_assert_uint_eq(uses(&choice_dsync,
					       FAULT_RING_ENTER), 0);
	}
	(void)sweep(&choice_buffered, FAULT_PWRITE);
	(void)sweep(&choice_buffered, FAULT_FDATASYNC);
	carrier = "pwritev2";
	ck_assert_uint_gt(sweep(&choice_dsync, FAULT_PWRITE), 0);
	ck_assert_uint_gt(sweep(&choice_flush, FAULT_FDATASYNC), 0);
}
END_TEST

static void short_writes(const char *by)
{
	unsigned long n;

	driver = by;
	n = uses(&choice_dsync, FAULT_RING_RESULT);
	/* the first is the ring's own test */
	for (unsigned long at = 2; at <= n; at += stride()) {
		(void)history(&choice_dsync, FAULT_RING_RESULT, at, 1, 0, 1);
		(void)history(&choice_dsync, FAULT_RING_RESULT, at, 3, 0, 4096);
		(void)history(&choice_flush, FAULT_RING_RESULT, at, 2, 0, 4097);
	}
}

START_TEST(a_short_write_on_the_ring_is_resumed)
{
	short_writes("thread");
	short_writes("loop");
}
END_TEST

START_TEST(a_short_write_anywhere_is_resumed)
{
	static const size_t lengths[] = { 1, 512, 4095, 4096, 5000 };

	for (size_t c = 0; c < CHOICES; c++) {
		unsigned long n = uses(choices[c], FAULT_PWRITE);

		for (unsigned long at = 1; at <= n; at += stride()) {
			for (size_t i = 0; i < 5; i++) {
				/* a direct write cannot stop inside a block */
				if (choices[c]->way.direct &&
				    lengths[i] % 4096)
					continue;
				ck_assert_uint_eq(history(choices[c],
							  FAULT_PWRITE, at, 1,
							  0, lengths[i]), 1);
			}
		}
	}
}
END_TEST

START_TEST(an_append_without_room_takes_no_lsn_and_goes_on_later)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_dsync };
	char text[9100];
	struct iovec iov = { text, 0 };
	uint64_t lsn, refused = 0;
	static struct run run;
	journal *j;
	int ret;

	memset(&run, 0, sizeof(run));
	setup();
	fault_init(&run.fault, jnl_sys_linux());
	env.sys = &run.fault.sys;
	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	fault_set(&run.fault, FAULT_FALLOCATE, 1, ~0ul, -ENOSPC);
	while (run.appended < RECORDS) {
		payload(text, sizeof(text), run.appended);
		iov.iov_len = strlen(text);
		ret = journal_commit(j, &iov, 1, &lsn);
		if (ret == -ENOSPC) {
			/* the third time somebody has made room */
			if (++refused == 3)
				fault_clear(&run.fault);
			continue;
		}
		ck_assert_int_eq(ret, 0);
		run.lsn[run.appended++] = lsn;
	}
	ck_assert_uint_ge(refused, 3);
	ck_assert_int_eq(journal_close(j), 0);
	run.acked = run.appended;
	check(&run);
	teardown();
}
END_TEST

/* The inode of a segment's file. */
static ino_t inode(int number)
{
	struct stat st;
	char *file;

	if (asprintf(&file, "%s/%016x.seg", path, number) < 0)
		abort();
	ck_assert_int_eq(stat(file, &st), 0);
	free(file);
	return st.st_ino;
}

/* Commit records with one failure in the midst of it; it must not show. */
static void survive(const struct jnl_choice *choice, enum fault_call call,
		    unsigned long at, bool after)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = choice, .no_helper = true };
	char text[9100];
	struct iovec iov = { text, 0 };
	struct journal_info info = JOURNAL_INFO_INIT;
	static struct run run;
	ino_t before;
	journal *j;
	int ret;

	memset(&run, 0, sizeof(run));
	setup();
	fault_init(&run.fault, jnl_sys_linux());
	env.sys = &run.fault.sys;
	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	before = inode(0);
	fault_set(&run.fault, call, at, 1, -EIO);
	run.fault.after = after;
	/* they fit into segment 0 */
	while (run.appended < 5) {
		payload(text, sizeof(text), run.appended);
		iov.iov_len = strlen(text);
		ret = journal_commit(j, &iov, 1, &run.lsn[run.appended]);
		ck_assert_int_eq(ret, 0);
		run.acked = ++run.appended;
	}
	ck_assert_uint_eq(run.fault.hit, 1);
	ck_assert(inode(0) != before);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_int_eq(info.failed, 0);
	ck_assert_int_eq(journal_close(j), 0);
	check(&run);
	teardown();
}

START_TEST(a_single_failed_write_or_flush_is_survived)
{
	for (int after = 0; after < 2; after++) {
		for (unsigned long at = 1; at <= 5; at++) {
			survive(&choice_dsync, FAULT_PWRITE, at, after);
			survive(&choice_flush, FAULT_PWRITE, at, after);
			survive(&choice_flush, FAULT_FDATASYNC, at, after);
			survive(&choice_buffered, FAULT_FDATASYNC, at, after);
		}
	}
}
END_TEST

/* Tests need not have a process each. */
static void by_default(void)
{
	driver = carrier = NULL;
}

RUN_SUITE_WITH("fault", 300, by_default, NULL,
	  a_single_failed_write_or_flush_is_survived,
	  a_failed_write_loses_nothing_acknowledged,
	  a_failed_flush_loses_nothing_acknowledged,
	  a_failed_flush_of_the_drive_loses_nothing_acknowledged,
	  a_failed_change_of_names_loses_nothing_acknowledged,
	  a_failed_reservation_loses_nothing_acknowledged,
	  a_failed_look_loses_nothing_acknowledged,
	  a_failed_call_or_result_of_the_ring_loses_nothing_acknowledged,
	  a_failure_under_the_thread_driver_loses_nothing_acknowledged,
	  a_failure_under_the_loop_driver_loses_nothing_acknowledged,
	  a_short_write_on_the_ring_is_resumed,
	  a_short_write_anywhere_is_resumed,
	  an_append_without_room_takes_no_lsn_and_goes_on_later)
