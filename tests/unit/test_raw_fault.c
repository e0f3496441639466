/*
 * Every call that a journal on a block device makes, failing at every place:
 * nothing acknowledged is lost, nothing given back durably comes again, and
 * what is left can be opened and goes on.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/core.h"
#include "journal/raw-format.h"
#include "tests/lib/device.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u
#define RECORDS	16
#define SLOTS	5

static char *dir, *path;
static struct device device;

struct run {
	struct fault fault;
	const struct jnl_choice *choice;
	uint64_t lsn[2 * RECORDS];
	int appended, acked;
	int trimmed, asked;	/* given back durably; asked to */
	int failed;
};

static void payload(char *text, size_t size, int i)
{
	(void)snprintf(text, size, "%d %*s", i, 8000 + i * 617 % 5000, "");
}

static void look(struct run *run, journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	while (run->trimmed < run->asked &&
	       run->lsn[run->trimmed] < info.first_lsn)
		run->trimmed++;
}

static void put(struct run *run, journal *j, int i)
{
	char text[13100];
	struct iovec iov = { text, 0 };
	uint64_t lsn;
	int ret;

	payload(text, sizeof(text), run->appended);
	iov.iov_len = strlen(text);
	ret = journal_append(j, &iov, 1, &lsn);
	if (!ret) {
		run->lsn[run->appended++] = lsn;
		ret = i % 3 ? 0 : journal_sync(j, lsn);
		if (!ret && i % 3 == 0)
			run->acked = run->appended;
	}
	/* Room comes back, anything else is for good. */
	if (ret < 0 && ret != -ENOSPC && ret != -EMFILE && ret != -ENOMEM) {
		if (!run->failed)
			run->failed = ret;
		ck_assert_int_eq(ret, run->failed);
	}
}

/* Open, append, give back; on so few slots that they are used again. */
static void work(struct run *run, bool reopen)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	struct jnl_env env = {
		.sys = &run->fault.sys, .choice = run->choice,
		.no_helper = true,
	};
	journal *j;
	int ret;

	o.flags = reopen ? 0 : JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.error = &error;
	ret = jnl_open(&j, path, &o, &env);
	if (ret < 0) {
		ck_assert_msg(error.message[0] || ret == -ENOMEM, "%d", ret);
		return;
	}
	for (int i = 0; i < RECORDS; i++) {
		put(run, j, i);
		if (i % 5 == 4 && run->acked > 1 &&
		    !journal_trim(j, run->lsn[run->acked - 1]))
			run->asked = run->acked - 1;
		while (jnl_helper_step(j, i % 4 == 0) && !run->failed)
			;
		look(run, j);
	}
	if (!journal_close(j))
		run->acked = run->appended;
}

/* What is there, with nothing failing. */
static void check(struct run *run)
{
	struct jnl_env env = { .sys = &device.sys };
	struct journal_error error = { 0 };
	struct journal_record rec;
	journal_reader *r;
	char text[13100];
	int n = -1, ret;

	ret = jnl_reader_open(&r, path, 0, &error, &env);
	if (ret == -ENOENT) {
		ck_assert_int_eq(run->acked, 0);
		return;
	}
	ck_assert_msg(!ret, "%d: %s", ret, error.message);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		for (n = n < 0 ? 0 : n; run->lsn[n] != rec.lsn; n++) {
			ck_assert_int_lt(n, run->appended);
			/* Only at the beginning may some be missing. */
			ck_assert_int_lt(n, run->asked);
		}
		payload(text, sizeof(text), n);
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		ck_assert_int_ge(n, run->trimmed);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_ge(n < 0 ? run->asked : n, run->acked);
	journal_reader_close(r);
}

/* Whatever has happened: opened without faults it takes a record. */
static void goes_on(struct run *run)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	struct jnl_env env = {
		.sys = &device.sys, .choice = run->choice, .no_helper = true,
	};
	struct iovec iov = { "on", 2 };
	journal *j;
	int ret;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.error = &error;
	ret = jnl_open(&j, path, &o, &env);
	ck_assert_msg(!ret, "%d: %s", ret, error.message);
	/* There may be no slot left, since nothing is given back any more. */
	ret = journal_commit(j, &iov, 1, NULL);
	ck_assert_msg(!ret || ret == -ENOSPC, "%d", ret);
	ck_assert_int_eq(journal_close(j), 0);
}

static void begin(struct run *run, const struct jnl_choice *choice)
{
	memset(run, 0, sizeof(*run));
	run->choice = choice;
	device_init(&device, path, JNL_RAW_FIRST_SLOT + SLOTS * SMALL);
	fault_init(&run->fault, &device.sys);
}

static unsigned long history(const struct jnl_choice *choice,
			     enum fault_call call, unsigned long at,
			     unsigned long times, int err, bool after)
{
	static struct run run;

	begin(&run, choice);
	fault_set(&run.fault, call, at, times, err);
	run.fault.after = after;
	work(&run, false);
	check(&run);
	run.failed = 0;
	if (run.acked == run.appended) {
		work(&run, true);
		check(&run);
	}
	goes_on(&run);
	return run.fault.hit;
}

static unsigned long uses(const struct jnl_choice *choice, enum fault_call call)
{
	static struct run run;

	begin(&run, choice);
	work(&run, false);
	ck_assert_int_eq(run.acked, RECORDS);
	ck_assert_int_gt(run.trimmed, 0);
	work(&run, true);
	ck_assert_int_eq(run.acked, 2 * RECORDS);
	check(&run);
	return run.fault.calls[call];
}

static const int errnos[][5] = {
	[FAULT_OPENAT] = { -EIO, -EMFILE, -EACCES, -EBUSY },
	[FAULT_CLOSE] = { -EIO },
	[FAULT_PREAD] = { -EIO, -EINTR },
	[FAULT_PWRITE] = { -EIO, -ENOSPC, -EINTR },
	[FAULT_FSYNC] = { -EIO, -ENOSPC },
	[FAULT_FDATASYNC] = { -EIO },
	[FAULT_FADVISE] = { -EINVAL },
	[FAULT_FSTAT] = { -EIO },
	[FAULT_LOCK] = { -ENOLCK, -EACCES },
	[FAULT_DEVICE_SIZE] = { -ENOTTY, -EIO },
	[FAULT_RANDOM] = { -EIO },
	[FAULT_CALLS] = { 0 },
};

static void sweep(enum fault_call call)
{
	static const struct jnl_choice *const choices[] = {
		&choice_dsync, &choice_flush, &choice_buffered,
	};
	unsigned long hits = 0;

	for (int c = 0; c < 3; c++) {
		unsigned long n = uses(choices[c], call), stride;

		/* Each place by one way, and some by each; under valgrind,
		 * where a history takes a second, a few. */
		stride = getenv("JOURNAL_TEST_VALGRIND") ? 37 : c ? 9 : 1;

		for (unsigned long at = 1; at <= n; at += stride) {
			for (int i = 0; errnos[call][i]; i++) {
				int err = errnos[call][i];

				hits += history(choices[c], call, at, 1, err,
						false);
				if (err == -EINTR)
					continue;
				hits += history(choices[c], call, at, ~0ul,
						err, false);
				if (call == FAULT_PWRITE || call == FAULT_FSYNC)
					hits += history(choices[c], call, at,
							1, err, true);
			}
		}
	}
	/* A sweep that hits nothing proves nothing. */
	ck_assert_uint_gt(hits, 0);
}

static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "device");
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

#define SWEEP(NAME, CALL) \
	START_TEST(a_failed_##NAME##_loses_nothing_acknowledged) \
	{ \
		sweep(CALL); \
	} \
	END_TEST

SWEEP(open, FAULT_OPENAT)
SWEEP(close, FAULT_CLOSE)
SWEEP(read, FAULT_PREAD)
SWEEP(write, FAULT_PWRITE)
SWEEP(fsync, FAULT_FSYNC)
SWEEP(fdatasync, FAULT_FDATASYNC)
SWEEP(advice, FAULT_FADVISE)
SWEEP(stat, FAULT_FSTAT)
SWEEP(lock, FAULT_LOCK)
SWEEP(size, FAULT_DEVICE_SIZE)
SWEEP(random, FAULT_RANDOM)

RUN_SUITE_WITH("raw_fault", 300, setup, teardown,
	       a_failed_open_loses_nothing_acknowledged,
	       a_failed_close_loses_nothing_acknowledged,
	       a_failed_read_loses_nothing_acknowledged,
	       a_failed_write_loses_nothing_acknowledged,
	       a_failed_fsync_loses_nothing_acknowledged,
	       a_failed_fdatasync_loses_nothing_acknowledged,
	       a_failed_advice_loses_nothing_acknowledged,
	       a_failed_stat_loses_nothing_acknowledged,
	       a_failed_lock_loses_nothing_acknowledged,
	       a_failed_size_loses_nothing_acknowledged,
	       a_failed_random_loses_nothing_acknowledged)
