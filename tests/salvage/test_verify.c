/*
 * Verifying beside a writer that goes round and round: rotates, gives back,
 * uses files again.  Whatever is met half way, it is no damage; and holes of a
 * salvaged journal are told once, while it says how far it is.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "journal/core.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SECONDS	3
#define KEPT	200		/* records that are not given back */

static char *dir, *path;
static struct fault fault;
static atomic_bool stop;
static atomic_ulong appended;

static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
	fault_init(&fault, jnl_sys_linux());
	fault.solid = true;
	atomic_store(&stop, false);
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static journal *open_journal(void)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &fault.sys, .choice = &choice_dsync };
	journal *j;

	o.flags = JOURNAL_CREATE;
	o.segment_size = 65536;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	return j;
}

static void *write_on(void *arg)
{
	static char text[6000];
	uint64_t lsn[KEPT] = { 0 }, old;
	struct iovec iov = { text, 0 };
	journal *j = arg;

	for (unsigned long n = 0; !atomic_load(&stop); n++) {
		iov.iov_len = n * 617 % sizeof(text);
		old = lsn[n % KEPT];
		if (journal_append(j, &iov, 1, &lsn[n % KEPT]) < 0)
			return "append";
		if (n % 4 == 0 && journal_sync(j, lsn[n % KEPT]) < 0)
			return "sync";
		if (n % 16 == 0 && old && journal_trim(j, old) < 0)
			return "trim";
		atomic_store(&appended, n + 1);
	}
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(beside_a_writer_that_uses_files_again_there_is_no_damage)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	struct jnl_env env = { .sys = &fault.sys };
	unsigned long judged = 0, overtaken = 0, live = 0;
	journal *j = open_journal();
	double end = now() + SECONDS;
	pthread_t writer;
	void *failed;
	int ret;

	ck_assert_int_eq(pthread_create(&writer, NULL, write_on, j), 0);
	while (now() < end || !judged) {
		ret = jnl_verify(path, &rep, &env);
		/* Given back faster than it is read, 20 times: no verdict. */
		if (ret == -ERANGE) {
			overtaken++;
			continue;
		}
		ck_assert_msg(!ret && rep.finding <= JOURNAL_TAIL,
			      "%d: finding %u at %lu: %s", ret, rep.finding,
			      (unsigned long)rep.lsn, rep.message);
		judged++;
		live += rep.writer;
	}
	atomic_store(&stop, true);
	pthread_join(writer, &failed);
	ck_assert_ptr_null(failed);
	ck_assert_int_eq(journal_close(j), 0);
	printf("%lu records, %lu verdicts, overtaken %lu times\n",
	       atomic_load(&appended), judged, overtaken);
	ck_assert_uint_gt(judged, 0);
	ck_assert_uint_eq(live, judged);
	ck_assert_int_eq(jnl_verify(path, &rep, &env), 0);
	ck_assert_int_eq(rep.finding, JOURNAL_SOUND);
}
END_TEST

static uint64_t told, all;
static unsigned int calls;

static void on_progress(void *arg, uint64_t bytes, uint64_t total)
{
	ck_assert_ptr_eq(arg, &calls);
	ck_assert_uint_ge(bytes, told);
	ck_assert_uint_le(bytes, total);
	told = bytes;
	all = total;
	calls++;
}

START_TEST(progress_goes_from_nothing_to_all)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	struct jnl_env env = { .sys = &fault.sys };
	journal *j = open_journal();
	static char text[60000];
	struct iovec iov = { text, sizeof(text) };

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	rep.on_progress = on_progress;
	rep.arg = &calls;
	ck_assert_int_eq(jnl_verify(path, &rep, &env), 0);
	ck_assert_uint_ge(calls, 5);
	ck_assert_uint_ge(all, 100 * sizeof(text));
	ck_assert_uint_ge(told, all - 2 * 1024 * 1024);
}
END_TEST

RUN_SUITE_WITH("verify", 60, setup, teardown,
	beside_a_writer_that_uses_files_again_there_is_no_damage,
	progress_goes_from_nothing_to_all)
