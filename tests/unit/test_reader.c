/*
 * Reading in order: what the fast ways of judging and of giving out records
 * must not lose.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/format.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL 65536u
#define RECORDS 6000

static char *dir, *path;
static uint64_t lsn[RECORDS];
static uint32_t len[RECORDS];

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

static uint64_t seed = 1;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static void fill(uint8_t *p, int n)
{
	for (uint32_t i = 0; i < len[n]; i++)
		p[i] = (uint8_t)(n * 7 + (int)i + 1);
}

/*
 * Runs of equal lengths, of turns of two, and of any; some empty.  No byte of
 * a payload is zero for long.
 */
static void make(void)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	uint32_t kind = 0, a = 0, b = 0;
	uint8_t payload[700];
	struct iovec iov = { .iov_base = payload };
	journal *j;

	o.flags = JOURNAL_CREATE;
	o.segment_size = 4 * SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	for (int n = 0; n < RECORDS; n++) {
		if (!rnd(20)) {
			kind = rnd(3);
			a = rnd(4) ? rnd(sizeof(payload)) : 0;
			b = rnd(sizeof(payload));
		}
		len[n] = kind == 2 ? rnd(sizeof(payload)) :
			 kind && n % 2 ? b : a;
		fill(payload, n);
		iov.iov_len = len[n];
		ck_assert_int_eq(journal_append(j, &iov, 1, &lsn[n]), 0);
		if (!rnd(150))
			ck_assert_int_eq(journal_sync(j, lsn[n]), 0);
	}
	ck_assert_int_eq(journal_close(j), 0);
}

static void is_record(const struct journal_record *rec, int n)
{
	uint8_t payload[700];

	fill(payload, n);
	ck_assert_uint_eq(rec->lsn, lsn[n]);
	ck_assert_uint_eq(rec->len, len[n]);
	ck_assert_mem_eq(rec->data, payload, len[n]);
}

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

	/* six of 9 bytes: 8 of word, 9 of payload, 7 of padding */
	memset(body, 0, sizeof(body));
	for (int i = 0; i < 6; i++)
		jnl_put64(body + i * 24, 9);
	ck_assert(jnl_records_good(body, sizeof(body), 6));
	ck_assert(!jnl_records_good(body, sizeof(body), 5));
	ck_assert(!jnl_records_good(body, sizeof(body), 7));
	/* the last one is cut off */
	ck_assert(!jnl_records_good(body, sizeof(body) - 8, 6));
	ck_assert(!jnl_records_good(body, sizeof(body) - 16, 6));
	/* padding of any of them that is not zero */
	for (int i = 0; i < 6; i++) {
		for (int at = 17; at < 24; at++) {
			body[i * 24 + at] = 1;
			ck_assert(!jnl_records_good(body, sizeof(body), 6));
			body[i * 24 + at] = 0;
		}
	}
	/* words that are no length, first and later */
	for (int i = 0; i < 6; i += 3) {
		jnl_put64(body + i * 24, UINT64_MAX);
		ck_assert(!jnl_records_good(body, sizeof(body), 6));
		jnl_put64(body + i * 24, 9 | 1ull << 63);
		ck_assert(!jnl_records_good(body, sizeof(body), 6));
		jnl_put64(body + i * 24, 9);
	}
}
END_TEST

RUN_SUITE_WITH("reader", 30, setup, teardown,
	  records_of_any_lengths_come_as_they_were_appended_from_any_lsn,
	  a_child_of_fork_gets_nothing_in_the_middle_of_a_batch,
	  a_record_as_long_as_the_one_before_is_judged_like_any_other)
