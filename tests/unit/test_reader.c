/*
 * Reading in order, one record at a time or more: what the fast ways of judging
 * and of giving out records must not lose.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/format.h"
#include "journal/reader.h"
#include "tests/lib/suite.h"
#include "tests/unit/records.h"

START_TEST(records_of_any_lengths_come_as_they_were_appended_from_any_lsn)
{
	struct journal_record rec;
	journal_reader *r;
	int from = 0;

	make();
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	for (int i = 0; i < 200; i++) {
		/* The first time all of them, later a few. */
		int to = i ? from + (int)rnd(300) : RECORDS;

		for (int n = from; n < to && n < RECORDS; n++) {
			ck_assert_int_eq(journal_reader_next(r, &rec), 1);
			is_record(&rec, n);
		}
		if (to >= RECORDS)
			ck_assert_int_eq(journal_reader_next(r, &rec), 0);
		from = (int)rnd(RECORDS);
		/* In the middle of a record: from the one behind it. */
		ck_assert_int_eq(journal_reader_seek(r, lsn[from] - rnd(2) * 7),
				 0);
	}
	journal_reader_close(r);
}
END_TEST

START_TEST(many_at_a_time_are_those_that_come_one_by_one)
{
	struct journal_record rec[100];
	journal_reader *r;
	int from = 0, most = 0;

	make();
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	for (int i = 0; i < 300; i++) {
		int to = i ? from + (int)rnd(500) : RECORDS, got;

		for (int n = from; n < to && n < RECORDS; n += got) {
			int want = 1 + (int)rnd(rnd(3) ? 100 : 3);

			if (!rnd(4))
				got = journal_reader_next(r, rec);
			else
				got = journal_reader_next_many(r, rec, want);
			ck_assert_int_ge(got, 1);
			ck_assert_int_le(got, want);
			most = got > most ? got : most;
			/* All of them are there, now that the last one is. */
			for (int k = 0; k < got; k++)
				is_record(&rec[k], n + k);
		}
		if (to >= RECORDS)
			ck_assert_int_eq(journal_reader_next_many(r, rec, 100),
					 0);
		from = (int)rnd(RECORDS);
		ck_assert_int_eq(journal_reader_seek(r, lsn[from] - rnd(2) * 7),
				 0);
	}
	ck_assert_int_eq(most, 100);
	ck_assert_int_eq(journal_reader_next_many(r, rec, 0), -EINVAL);
	ck_assert_int_eq(journal_reader_next_many(r, rec, -1), -EINVAL);
	/* That took nothing. */
	ck_assert_int_eq(journal_reader_next_many(r, rec, 1), 1);
	is_record(rec, from);
	journal_reader_close(r);
}
END_TEST

START_TEST(many_at_a_time_pass_over_what_was_abandoned_between_them)
{
	struct journal_reservation hold[41];
	struct journal_record rec[100];
	uint8_t payload[100] = { 0 }, body[96];
	struct iovec iov = { .iov_base = payload, .iov_len = sizeof(payload) };
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	journal_reader *r;
	journal *j;

	o.flags = JOURNAL_CREATE;
	o.segment_size = 4 * SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	for (int n = 0; n < 40; n++) {
		ck_assert_int_eq(journal_reserve(j, 10 + rnd(200), &hold[n]),
				 0);
		ck_assert_int_eq(journal_append(j, &iov, 1, &lsn[n]), 0);
	}
	ck_assert_int_eq(journal_reserve(j, 100, &hold[40]), 0);
	/* Half of them late, and the last one's place ends the batch. */
	for (int n = 0; n < 41; n++) {
		if (n == 20)
			ck_assert_int_eq(journal_sync(j, lsn[39]), 0);
		ck_assert_int_eq(journal_abandon(j, &hold[n]), 0);
	}
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	for (int n = 0, got; n < 40; n += got) {
		got = journal_reader_next_many(r, rec, 100);
		ck_assert_int_ge(got, 1);
		ck_assert_int_le(got, 40 - n);
		for (int k = 0; k < got; k++)
			ck_assert_uint_eq(rec[k].lsn, lsn[n + k]);
	}
	ck_assert_int_eq(journal_reader_next_many(r, rec, 100), 0);
	/* Another writer might leave one behind the last record. */
	memset(body, 0, sizeof(body));
	jnl_put64(body, 16);
	jnl_void_put(body + 24, 32);
	jnl_put64(body + 56, 16);
	jnl_void_put(body + 80, 8);
	jnl_void_put(body + 88, 8);
	r->alike = false;
	r->body = body;
	r->body_off = 0;
	r->body_len = *r->ready = sizeof(body);
	ck_assert_int_eq(journal_reader_next_many(r, rec, 100), 2);
	ck_assert_ptr_eq(rec[0].data, body + 8);
	ck_assert_ptr_eq(rec[1].data, body + 64);
	ck_assert_uint_eq(rec[1].len, 16);
	ck_assert_int_eq(journal_reader_next_many(r, rec, 100), 0);
	journal_reader_close(r);
}
END_TEST

START_TEST(a_child_of_fork_gets_nothing_in_the_middle_of_a_batch)
{
	struct journal_record rec;
	journal_reader *r;
	int status;
	pid_t pid;

	make();
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	for (int n = 0; n < 3; n++)
		ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	pid = fork();
	if (!pid) {
		bool ok = journal_reader_next(r, &rec) == -EOWNERDEAD &&
			  journal_reader_seek(r, 0) == -EOWNERDEAD;

		journal_reader_close(r);
		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	is_record(&rec, 3);
	journal_reader_close(r);
}
END_TEST

START_TEST(a_record_as_long_as_the_one_before_is_judged_like_any_other)
{
	uint8_t body[6 * 24];
	uint32_t each = 0;

	/* six of 9 bytes: 8 of word, 9 of payload, 7 of padding */
	memset(body, 0, sizeof(body));
	for (int i = 0; i < 6; i++)
		jnl_put64(body + i * 24, 9);
	ck_assert(jnl_records_good(body, sizeof(body), 6, &each));
	ck_assert_uint_eq(each, 24);
	ck_assert(!jnl_records_good(body, sizeof(body), 5, &each));
	ck_assert(!jnl_records_good(body, sizeof(body), 7, &each));
	/* the last one is cut off */
	ck_assert(!jnl_records_good(body, sizeof(body) - 8, 6, &each));
	ck_assert(!jnl_records_good(body, sizeof(body) - 16, 6, &each));
	/* padding of any of them that is not zero */
	for (int i = 0; i < 6; i++) {
		for (int at = 17; at < 24; at++) {
			body[i * 24 + at] = 1;
			ck_assert(!jnl_records_good(body, sizeof(body), 6, &each));
			body[i * 24 + at] = 0;
		}
	}
	/* words that are no length, first and later */
	for (int i = 0; i < 6; i += 3) {
		jnl_put64(body + i * 24, UINT64_MAX);
		ck_assert(!jnl_records_good(body, sizeof(body), 6, &each));
		jnl_put64(body + i * 24, 9 | 1ull << 63);
		ck_assert(!jnl_records_good(body, sizeof(body), 6, &each));
		jnl_put64(body + i * 24, 9);
	}
}
END_TEST

START_TEST(of_many_records_of_one_length_each_is_judged)
{
	static const uint64_t wrong[] = {
		15, 17, 24, 0, 16 | 1ull << 63, UINT64_MAX,
	};
	uint8_t body[11 * 24];
	uint32_t each;

	memset(body, 0xa5, sizeof(body));
	for (int i = 0; i < 11; i++)
		jnl_put64(body + i * 24, 16);
	for (uint32_t n = 0; n < 14; n++)
		ck_assert_int_eq(jnl_records_good(body, sizeof(body), n, &each),
				 n == 11);
	ck_assert(jnl_records_good(body, sizeof(body), 11, &each));
	ck_assert_uint_eq(each, 24);
	for (uint32_t cut = 8; cut < sizeof(body); cut += 8)
		ck_assert(!jnl_records_good(body, sizeof(body) - cut, 11, &each));
	for (int i = 0; i < 11; i++) {
		for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
			jnl_put64(body + i * 24, wrong[k]);
			ck_assert(!jnl_records_good(body, sizeof(body), 11, &each));
		}
		/* one that is longer by the next one, which is none then */
		jnl_put64(body + i * 24, 40);
		ck_assert_int_eq(jnl_records_good(body, sizeof(body), 10, &each),
				 i < 10);
		ck_assert(i == 10 || each == 0);
		/* and a void */
		jnl_void_put(body + i * 24, 24);
		ck_assert(jnl_records_good(body, sizeof(body), 10, &each));
		ck_assert_uint_eq(each, 0);
		ck_assert(!jnl_records_good(body, sizeof(body), 11, &each));
		memset(body + i * 24, 0xa5, 24);
		jnl_put64(body + i * 24, 16);
	}
}
END_TEST

RUN_SUITE_WITH("reader", 60, setup, teardown,
	  records_of_any_lengths_come_as_they_were_appended_from_any_lsn,
	  many_at_a_time_are_those_that_come_one_by_one,
	  many_at_a_time_pass_over_what_was_abandoned_between_them,
	  a_child_of_fork_gets_nothing_in_the_middle_of_a_batch,
	  a_record_as_long_as_the_one_before_is_judged_like_any_other,
	  of_many_records_of_one_length_each_is_judged)
