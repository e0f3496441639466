/*
 * tests/unit/records.h - a journal of records of any lengths, to be read.
 */
#ifndef TESTS_UNIT_RECORDS_H
#define TESTS_UNIT_RECORDS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/core.h"
#include "tests/lib/scratch.h"

#define SMALL 65536u
#define RECORDS 6000

static char *dir, *path;
static uint64_t lsn[RECORDS];
static uint32_t len[RECORDS];

static inline void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
}

static inline void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static uint64_t seed = 1;

static inline uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static inline void fill(uint8_t *p, int n)
{
	for (uint32_t i = 0; i < len[n]; i++)
		p[i] = (uint8_t)(n * 7 + (int)i + 1);
}

/*
 * Runs of equal lengths, of turns of two, and of any; some empty.  No byte of
 * a payload is zero for long.
 */
static inline void make(void)
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
			/* some batches of one length, and some not */
			if (n && !rnd(4))
				ck_assert_int_eq(journal_sync(j, lsn[n - 1]),
						 0);
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

static inline void is_record(const struct journal_record *rec, int n)
{
	uint8_t payload[700];

	fill(payload, n);
	ck_assert_uint_eq(rec->lsn, lsn[n]);
	ck_assert_uint_eq(rec->len, len[n]);
	ck_assert_mem_eq(rec->data, payload, len[n]);
}

#endif
