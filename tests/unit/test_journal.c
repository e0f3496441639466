/*
 * The public interface, on a real directory, through reopening.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/format.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"
#include "tests/unit/settle.h"

#define SMALL 65536u

static char *dir, *path;

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

static int open_journal(journal **j, uint64_t flags, uint64_t segment_size)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };

	o.flags = flags;
	o.segment_size = segment_size;
	return jnl_open(j, path, &o, &env);
}

static uint64_t put(journal *j, const char *text, bool sync)
{
	struct iovec iov = { (void *)text, strlen(text) };
	uint64_t lsn = 0;

	if (sync)
		ck_assert_int_eq(journal_commit(j, &iov, 1, &lsn), 0);
	else
		ck_assert_int_eq(journal_append(j, &iov, 1, &lsn), 0);
	return lsn;
}

/* Append numbers from..to-1 as text. */
static void put_numbers(journal *j, int from, int to, bool sync)
{
	char text[600];

	for (int i = from; i < to; i++) {
		(void)snprintf(text, sizeof(text), "%d%*s", i, i % 500, "");
		put(j, text, sync);
	}
}

/* Everything there is must be numbers 0..n-1; returns n. */
static int count_numbers(void)
{
	struct journal_record rec;
	journal_reader *r;
	char text[600];
	int n = 0, ret;

	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		(void)snprintf(text, sizeof(text), "%d%*s", n, n % 500, "");
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	journal_reader_close(r);
	return n;
}

START_TEST(what_was_committed_is_there_after_reopening)
{
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	put_numbers(j, 0, 500, false);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(count_numbers(), 500);
	for (int life = 0; life < 4; life++) {
		ck_assert_int_eq(open_journal(&j, 0, 0), 0);
		put_numbers(j, 500 + life * 10, 510 + life * 10, true);
		ck_assert_int_eq(journal_close(j), 0);
		ck_assert_int_eq(count_numbers(), 510 + life * 10);
	}
	teardown();
}
END_TEST

START_TEST(pieces_are_one_record_and_a_record_may_be_empty)
{
	struct iovec iov[3] = { { "ab", 2 }, { NULL, 0 }, { "c", 1 } };
	struct journal_record rec;
	journal_reader *r;
	uint64_t a, b;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	ck_assert_int_eq(journal_append(j, iov, 3, &a), 0);
	ck_assert_int_eq(journal_append(j, NULL, 0, &b), 0);
	ck_assert_uint_eq(b, a + 16);
	ck_assert_int_eq(journal_append(j, iov, -1, NULL), -EINVAL);
	ck_assert_int_eq(journal_append(j, iov, 1025, NULL), -EINVAL);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	ck_assert_uint_eq(rec.lsn, a);
	ck_assert_uint_eq(rec.len, 3);
	ck_assert_mem_eq(rec.data, "abc", 3);
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	ck_assert_uint_eq(rec.lsn, b);
	ck_assert_uint_eq(rec.len, 0);
	ck_assert_int_eq(journal_reader_next(r, &rec), 0);
	journal_reader_close(r);
	teardown();
}
END_TEST

START_TEST(a_group_lies_in_one_batch_or_is_refused)
{
	static char big[16384];
	struct iovec group[3] = {
		{ "one", 3 }, { NULL, 0 }, { big, sizeof(big) },
	};
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	struct journal_report rep = JOURNAL_REPORT_INIT;
	struct journal_record rec;
	journal_reader *r;
	uint64_t lsn[3], last = 0;
	journal *j;

	setup();
	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.record_max = sizeof(big) + 24;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	ck_assert_int_eq(journal_append_group(j, group, 0, lsn), -EINVAL);
	ck_assert_int_eq(journal_append_group(j, group, 65537, lsn), -EINVAL);
	/* twenty of them rotate segments; each stays in one piece */
	for (int i = 0; i < 20; i++) {
		put(j, "single", false);
		ck_assert_int_eq(journal_append_group(j, group, 3, lsn), 0);
		ck_assert_uint_gt(lsn[0], last);
		ck_assert_uint_eq(lsn[1], lsn[0] + 16);
		ck_assert_uint_eq(lsn[2], lsn[1] + 8);
		ck_assert_uint_eq(lsn[0] / SMALL, (lsn[2] + 16384) / SMALL);
		last = lsn[2];
	}
	/* one byte too many, alone and together */
	group[0].iov_len = sizeof(big) + 25;
	group[0].iov_base = big;
	ck_assert_int_eq(journal_append_group(j, group, 1, lsn), -EMSGSIZE);
	group[0].iov_len = 4096 * 2;
	ck_assert_int_eq(journal_append_group(j, group, 3, NULL), -EMSGSIZE);
	ck_assert_int_eq(journal_sync(j, last), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_verify(path, &rep), 0);
	ck_assert_uint_eq(rep.records, 80);
	ck_assert_int_eq(journal_reader_open(&r, path, lsn[0], NULL), 0);
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	ck_assert_mem_eq(rec.data, "one", 3);
	journal_reader_close(r);
	teardown();
}
END_TEST

START_TEST(a_second_writer_is_busy_and_learns_who_writes)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	struct journal_error error = { 0 };
	char pid_text[32];
	journal *j, *k;
	pid_t pid = 0;

	setup();
	ck_assert_int_eq(journal_lock_holder(path, &pid), -ENOENT);
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	o.error = &error;
	ck_assert_int_eq(jnl_open(&k, path, &o, &env), -EBUSY);
	(void)snprintf(pid_text, sizeof(pid_text), "process %ld ",
		       (long)getpid());
	ck_assert_ptr_nonnull(strstr(error.message, pid_text));
	ck_assert_int_eq(error.code, -EBUSY);
	ck_assert_int_eq(journal_lock_holder(path, &pid), 0);
	ck_assert_int_eq(pid, getpid());
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_lock_holder(path, &pid), -ENOENT);
	ck_assert_int_eq(open_journal(&j, 0, 0), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_child_of_fork_is_told_and_can_let_go)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	int status;
	journal *j;
	pid_t pid;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	put(j, "0", true);
	pid = fork();
	if (!pid) {
		bool ok = journal_append(j, NULL, 0, NULL) == -EOWNERDEAD &&
			  journal_sync(j, 1) == -EOWNERDEAD &&
			  journal_info(j, &info) == -EOWNERDEAD &&
			  journal_close(j) == 0;

		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	/* the parent still holds the lock and goes on */
	ck_assert_int_eq(journal_lock_holder(path, &pid), 0);
	put_numbers(j, 1, 10, true);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(count_numbers(), 10);
	teardown();
}
END_TEST

START_TEST(options_are_checked_and_a_refusal_leaves_no_trace)
{
	struct { struct journal_options o; uint64_t more; } future = {
		.o = { .size = sizeof(future), .flags = JOURNAL_CREATE },
	};
	struct journal_options o;
	struct jnl_env env = { .choice = &choice_flush };
	journal *j;

	setup();
#define REFUSED(want, change) do { \
		o = (struct journal_options)JOURNAL_OPTIONS_INIT; \
		o.flags = JOURNAL_CREATE; \
		change; \
		ck_assert_int_eq(jnl_open(&j, path, &o, &env), want); \
		ck_assert_int_lt(access(path, F_OK), 0); \
	} while (0)
	REFUSED(-EINVAL, o.size = 8);
	REFUSED(-E2BIG, o.flags |= 1 << 20);
	REFUSED(-EINVAL, o.flags |= JOURNAL_READ_ONLY);
	REFUSED(-EINVAL, o.flags = JOURNAL_EXCLUSIVE);
	REFUSED(-EINVAL, o.segment_size = 1);
	REFUSED(-EINVAL, o.segment_size = SMALL + 4096);
	REFUSED(-EINVAL, o.segment_size = 1ull << 41);
	REFUSED(-EINVAL, o.queue_depth = 65);
	REFUSED(-EINVAL, o.segment_size = SMALL; o.record_max = SMALL);
	REFUSED(-ENOENT, o.flags = 0);
#undef REFUSED
	/* Of a program that was compiled when there were fewer. */
	o = (struct journal_options)JOURNAL_OPTIONS_INIT;
	o.size = offsetof(struct journal_options, observer);
	o.stall_ms = 1;
	o.reserved = 1;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), -ENOENT);
	future.more = 1;
	ck_assert_int_eq(jnl_open(&j, path, &future.o, &env), -E2BIG);
	future.more = 0;
	ck_assert_int_eq(jnl_open(&j, path, &future.o, &env), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE | JOURNAL_EXCLUSIVE,
				      0), -EEXIST);
	teardown();
}
END_TEST

START_TEST(a_directory_of_something_else_is_not_taken_over)
{
	char *file;
	journal *j;
	FILE *f;

	setup();
	file = scratch_path(dir, "somebody's file");
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
	free(path);
	path = scratch_path(dir, ".");
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, 0), -EINVAL);
	free(path);
	path = file;
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, 0), -ENOTDIR);
	teardown();
}
END_TEST

START_TEST(sync_of_what_was_never_appended_is_an_error)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	uint64_t lsn;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	lsn = put(j, "0", true);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	/* the watermark would move the end */
	(void)settle(j);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_uint_gt(info.frontier, lsn);
	ck_assert_uint_eq(info.frontier, info.end);
	ck_assert_int_eq(journal_sync(j, info.end), -EINVAL);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_journal_opened_read_only_changes_nothing)
{
	struct journal_info info = JOURNAL_INFO_INIT, before;
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	/* closing writes the watermark, and not a helper before it */
	struct jnl_env env = { .choice = &choice_flush, .no_helper = true };
	journal *j, *w;

	setup();
	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	ck_assert_int_eq(jnl_open(&w, path, &o, &env), 0);
	put_numbers(w, 0, 3, true);
	before = info;
	ck_assert_int_eq(journal_info(w, &before), 0);
	ck_assert_int_eq(open_journal(&j, JOURNAL_READ_ONLY, 0), 0);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_uint_eq(info.writer, 1);
	ck_assert_mem_eq(info.uuid, before.uuid, 16);
	ck_assert_int_eq(journal_append(j, NULL, 0, NULL), -EROFS);
	ck_assert_int_eq(journal_sync(j, 1), -EROFS);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_close(w), 0);
	ck_assert_int_eq(open_journal(&j, JOURNAL_READ_ONLY, 0), 0);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_uint_eq(info.writer, 0);
	/* the closing watermark is one block */
	ck_assert_uint_eq(info.frontier, before.frontier + 4096);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_reader_beside_a_writer_ends_at_the_watermark_and_follows_it)
{
	struct journal_record rec;
	journal_reader *r;
	int ret, n = 0;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	put_numbers(j, 0, 200, true);
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1)
		n++;
	ck_assert_int_eq(ret, 0);
	/* the last commit may not have been marked yet */
	ck_assert_int_ge(n, 199);
	/* idle: the helper writes a watermark, and the reader sees the rest */
	for (int i = 0; n < 200 && i < 1000; i++) {
		usleep(20000);
		ck_assert_int_eq(journal_reader_seek(r, 0), 0);
		for (n = 0; (ret = journal_reader_next(r, &rec)) == 1; n++)
			;
		ck_assert_int_eq(ret, 0);
	}
	ck_assert_int_eq(n, 200);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_reader_begins_at_the_lsn_it_is_given)
{
	uint64_t lsn[100], last;
	struct journal_record rec;
	journal_reader *r;
	char text[16];
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		lsn[i] = put(j, text, i % 3 == 0);
	}
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_reader_open(&r, path, lsn[50], NULL), 0);
	for (int i = 50; i < 100; i++) {
		ck_assert_int_eq(journal_reader_next(r, &rec), 1);
		ck_assert_uint_eq(rec.lsn, lsn[i]);
	}
	ck_assert_int_eq(journal_reader_next(r, &rec), 0);
	/* between two records: the next one */
	ck_assert_int_eq(journal_reader_seek(r, lsn[20] + 1), 0);
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	ck_assert_uint_eq(rec.lsn, lsn[21]);
	last = lsn[99];
	ck_assert_int_eq(journal_reader_seek(r, last + (1 << 20)), -ERANGE);
	ck_assert_int_eq(journal_reader_next(r, &rec), -ERANGE);
	ck_assert_int_eq(journal_reader_error(r)->code, -ERANGE);
	ck_assert_int_eq(journal_reader_seek(r, last), 0);
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	journal_reader_close(r);
	teardown();
}
END_TEST

START_TEST(a_witness_beyond_the_end_is_loss)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	struct journal_info info = JOURNAL_INFO_INIT;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	put(j, "0", true);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_int_eq(journal_close(j), 0);
	o.witness_lsn = info.frontier;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	ck_assert_int_eq(journal_close(j), 0);
	o.witness_lsn = info.frontier + SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), -EBADMSG);
	teardown();
}
END_TEST

START_TEST(opening_a_new_journal_writes_at_most_2_mib)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { 0 };
	struct fault f;
	journal *j;

	setup();
	fault_init(&f, jnl_sys_linux());
	env.sys = &f.sys;
	o.flags = JOURNAL_CREATE | JOURNAL_VOLATILE;
	/* with everything: the probe too */
	env.no_helper = true;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	ck_assert_uint_le(f.bytes_written, 2 << 20);
	ck_assert_uint_gt(f.bytes_written, 1 << 20);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(an_append_makes_no_call_and_a_commit_one)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_dsync, .no_helper = true };
	unsigned long before;
	struct fault f;
	journal *j;

	setup();
	fault_init(&f, jnl_sys_linux());
	env.sys = &f.sys;
	o.flags = JOURNAL_CREATE;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	before = f.total;
	put_numbers(j, 0, 100, false);
	ck_assert_uint_eq(f.total, before);
	for (int i = 100; i < 150; i++) {
		before = f.total;
		put_numbers(j, i, i + 1, true);
		ck_assert_uint_eq(f.total, before + 1);
	}
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

struct appender {
	journal *j;
	int id, count;
	pthread_t thread;
};

static void *append_main(void *arg)
{
	struct appender *a = arg;
	char text[64];

	for (int i = 0; i < a->count; i++) {
		struct iovec iov = { text, 0 };
		uint64_t lsn;

		iov.iov_len = (size_t)snprintf(text, sizeof(text), "%d %d",
					       a->id, i);
		if (journal_commit(a->j, &iov, 1, &lsn) < 0)
			return a;
	}
	return NULL;
}

START_TEST(many_threads_commit_and_each_one_s_order_is_kept)
{
	struct appender a[8];
	struct journal_record rec;
	int next[8] = { 0 }, id, i;
	journal_reader *r;
	char text[64];
	journal *j;
	void *ret;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	for (i = 0; i < 8; i++) {
		a[i] = (struct appender){ .j = j, .id = i, .count = 300 };
		pthread_create(&a[i].thread, NULL, append_main, &a[i]);
	}
	for (i = 0; i < 8; i++) {
		pthread_join(a[i].thread, &ret);
		ck_assert_ptr_null(ret);
	}
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while (journal_reader_next(r, &rec) == 1) {
		memcpy(text, rec.data, rec.len);
		text[rec.len] = 0;
		ck_assert_int_eq(sscanf(text, "%d %d", &id, &i), 2);
		ck_assert_int_eq(i, next[id]);
		next[id]++;
	}
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(next[i], 300);
	journal_reader_close(r);
	teardown();
}
END_TEST

START_TEST(verify_counts_what_is_there)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	journal *j;

	setup();
	ck_assert_int_eq(journal_verify(path, &rep), -ENOENT);
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	for (int i = 0; i < 10; i++)
		put(j, "1234567", true);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_verify(path, &rep), 0);
	ck_assert_uint_eq(rep.finding, JOURNAL_SOUND);
	ck_assert_uint_eq(rep.records, 10);
	ck_assert_uint_eq(rep.payload, 70);
	/* one open batch, one watermark at least */
	ck_assert_uint_ge(rep.batches, 12);
	rep.size = 8;
	ck_assert_int_eq(journal_verify(path, &rep), -EINVAL);
	teardown();
}
END_TEST

START_TEST(the_statistics_count_what_was_done)
{
	struct journal_stats st = JOURNAL_STATS_INIT;
	uint64_t actions = 0, lsn = 0;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	for (int i = 0; i < 10; i++)
		put(j, "1234", true);
	for (int i = 0; i < 9; i++)
		lsn = put(j, "12345678", false);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	/* a watermark on its way is counted, and how long it takes is not */
	(void)settle(j);
	ck_assert_int_eq(journal_stats(j, &st), 0);
	ck_assert_uint_eq(st.records, 19);
	ck_assert_uint_eq(st.payload, 10 * 4 + 9 * 8);
	ck_assert_uint_ge(st.batches, 11);
	ck_assert_uint_ge(st.flushes, 11);
	ck_assert_uint_eq(st.batch_records[0], 10);
	ck_assert_uint_eq(st.batch_records[3], 1);
	for (int i = 0; i < 40; i++)
		actions += st.action_ns[i];
	ck_assert_uint_eq(actions, st.batches + st.flushes);
	ck_assert_uint_gt(st.action_max_ns, 0);
	ck_assert_uint_eq(st.replacements, 0);
	st.size = 8;
	ck_assert_int_eq(journal_stats(j, &st), -EINVAL);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_journal(&j, JOURNAL_READ_ONLY, 0), 0);
	st.size = sizeof(st);
	ck_assert_int_eq(journal_stats(j, &st), -EROFS);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(every_error_has_words)
{
	for (int err = 0; err < 200; err++) {
		ck_assert_ptr_nonnull(journal_strerror(-err));
		ck_assert_str_ne(journal_strerror(-err), "");
	}
	ck_assert_str_eq(journal_version(), PACKAGE_VERSION);
}
END_TEST

START_TEST(the_filler_never_opens_the_segment_by_its_name)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_dsync, .no_helper = true };
	unsigned long opened, written;
	struct fault f;
	journal *j;

	setup();
	fault_init(&f, jnl_sys_linux());
	env.sys = &f.sys;
	o.flags = JOURNAL_CREATE;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	/* by then the name may be a new file's, with batches in it */
	opened = f.calls[FAULT_OPENAT];
	written = f.calls[FAULT_PWRITE];
	ck_assert(jnl_helper_step(j, false));
	ck_assert_uint_gt(f.calls[FAULT_PWRITE], written);
	ck_assert_uint_eq(f.calls[FAULT_OPENAT], opened);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_large_record_in_a_young_journal_waits_for_its_place)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	struct iovec iov = { NULL, 20 << 20 };
	journal *j;

	setup();
	iov.iov_base = calloc(1, iov.iov_len);
	o.flags = JOURNAL_CREATE;
	o.record_max = 20 << 20;
	o.queue_depth = 1;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	free(iov.iov_base);
	teardown();
}
END_TEST

START_TEST(a_child_that_lets_go_keeps_its_own_memory)
{
	journal_reader *r;
	int status;
	journal *j;
	pid_t pid;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	put(j, "0", true);
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	pid = fork();
	if (!pid) {
		struct journal_record rec;
		char *p[64];
		bool ok;

		/* what is mapped now may lie where the images were */
		for (int i = 0; i < 64; i++)
			p[i] = calloc(1, 1 << 20);
		ok = journal_reader_next(r, &rec) == -EOWNERDEAD &&
		     journal_reader_seek(r, 0) == -EOWNERDEAD;
		journal_reader_close(r);
		ok = ok && !journal_close(j);
		for (int i = 0; i < 64; i++)
			memset(p[i], i, 1 << 20);
		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_living_child_does_not_keep_the_lock_of_a_closed_journal)
{
	int status, pipefd[2];
	journal *j;
	char c;
	pid_t pid;

	setup();
	ck_assert_int_eq(pipe(pipefd), 0);
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	pid = fork();
	if (!pid) {
		close(pipefd[1]);
		_exit(read(pipefd[0], &c, 1) < 0);
	}
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_journal(&j, 0, 0), 0);
	ck_assert_int_eq(journal_close(j), 0);
	close(pipefd[0]);
	close(pipefd[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	teardown();
}
END_TEST

START_TEST(a_payload_that_looks_like_a_header_is_a_payload)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct jnl_batch_header h;
	struct iovec iov;
	uint8_t *payload;
	uint64_t place, seed;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	ck_assert_int_eq(journal_info(j, &info), 0);
	seed = jnl_seed(info.uuid);
	payload = calloc(1, 16384);
	iov = (struct iovec){ payload, 16384 };
	place = info.end + 4096;
	/* in place, sane, and with a watermark above everything there is */
	h = (struct jnl_batch_header){
		.lsn = place, .durable = place, .flags = JNL_BATCH_MARK,
		.body_sum = jnl_checksum("", 0, seed),
	};
	jnl_batch_encode(payload + 4096 - 72, &h, seed);
	/* out of place, and beyond */
	h.durable = SMALL + 4096;
	jnl_batch_encode(payload + 8192 - 72, &h, seed);
	ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_journal(&j, 0, 0), 0);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_uint_eq(info.tail_bytes, 0);
	ck_assert_int_eq(journal_close(j), 0);
	free(payload);
	teardown();
}
END_TEST

START_TEST(a_late_sync_is_followed_by_a_watermark)
{
	struct journal_record rec;
	journal_reader *r;
	uint64_t lsn;
	int seen = 0;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	lsn = put(j, "0", false);
	/* the helper has looked, found nothing to do, and gone to sleep */
	usleep(300000);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	for (int i = 0; !seen && i < 1000; i++) {
		usleep(20000);
		ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
		seen = journal_reader_next(r, &rec);
		journal_reader_close(r);
	}
	ck_assert_int_eq(seen, 1);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_bad_block_is_not_a_missing_segment)
{
	struct jnl_env env = { .choice = &choice_flush };
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct fault f;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	fault_init(&f, jnl_sys_linux());
	env.sys = &f.sys;
	fault_set(&f, FAULT_PREAD, 2, ~0ul, -ENODATA);
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), -EIO);
	teardown();
}
END_TEST

static void *close_cancelled(void *arg)
{
	(void)pthread_cancel(pthread_self());
	(void)journal_close(arg);
	return NULL;
}

START_TEST(a_cancelled_thread_closes_all_the_same)
{
	pthread_t thread;
	journal *j;

	setup();
	ck_assert_int_eq(open_journal(&j, JOURNAL_CREATE, SMALL), 0);
	put(j, "0", false);
	ck_assert_int_eq(pthread_create(&thread, NULL, close_cancelled, j), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(count_numbers(), 1);
	ck_assert_int_eq(open_journal(&j, 0, 0), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

RUN_SUITE("journal", 60,
	  what_was_committed_is_there_after_reopening,
	  pieces_are_one_record_and_a_record_may_be_empty,
	  a_group_lies_in_one_batch_or_is_refused,
	  a_second_writer_is_busy_and_learns_who_writes,
	  a_child_of_fork_is_told_and_can_let_go,
	  options_are_checked_and_a_refusal_leaves_no_trace,
	  a_directory_of_something_else_is_not_taken_over,
	  sync_of_what_was_never_appended_is_an_error,
	  a_journal_opened_read_only_changes_nothing,
	  a_reader_beside_a_writer_ends_at_the_watermark_and_follows_it,
	  a_reader_begins_at_the_lsn_it_is_given,
	  a_witness_beyond_the_end_is_loss,
	  opening_a_new_journal_writes_at_most_2_mib,
	  an_append_makes_no_call_and_a_commit_one,
	  many_threads_commit_and_each_one_s_order_is_kept,
	  verify_counts_what_is_there,
	  the_filler_never_opens_the_segment_by_its_name,
	  a_large_record_in_a_young_journal_waits_for_its_place,
	  a_child_that_lets_go_keeps_its_own_memory,
	  a_living_child_does_not_keep_the_lock_of_a_closed_journal,
	  a_payload_that_looks_like_a_header_is_a_payload,
	  a_late_sync_is_followed_by_a_watermark,
	  a_bad_block_is_not_a_missing_segment,
	  a_cancelled_thread_closes_all_the_same,
	  the_statistics_count_what_was_done,
	  every_error_has_words)
