/*
 * What journal-tool lists as lost, when journal_verify() begins again.
 */
#include "config.h"

#include "journal/tool.h"
#include "tests/lib/suite.h"

/* LSNs of the holes that it tells of; a zero begins again. */
static const uint64_t *script;

int journal_verify(const char *path, struct journal_report *report)
{
	(void)path;
	for (; *script != UINT64_MAX; script++) {
		struct journal_hole hole = {
			.from = *script, .to = *script + 1,
		};

		if (!*script) {
			report->holes = 0;
			continue;
		}
		report->holes++;
		report->on_hole(report->arg, &hole);
	}
	return 0;
}

static void lists(const uint64_t *told, const uint64_t *listed)
{
	struct journal_report rep;
	struct jnl_watch w;
	size_t n = 0;

	script = told;
	ck_assert_int_eq(jnl_watch_verify(&w, "", &rep), 0);
	for (; listed[n]; n++) {
		ck_assert_uint_lt(n, w.holes);
		ck_assert_uint_eq(w.hole[n].from, listed[n]);
	}
	ck_assert_uint_eq(w.holes, n);
	jnl_watch_fini(&w);
}
#define LSNS(...) (const uint64_t[]){ __VA_ARGS__ }

START_TEST(only_what_the_last_look_found_is_listed)
{
	lists(LSNS(UINT64_MAX), LSNS(0));
	lists(LSNS(10, 20, 30, UINT64_MAX), LSNS(10, 20, 30, 0));
	lists(LSNS(10, 20, 0, 20, 30, UINT64_MAX), LSNS(20, 30, 0));
	lists(LSNS(10, 20, 0, 10, 20, 0, 20, UINT64_MAX), LSNS(20, 0));
	/* Given back since, all of it. */
	lists(LSNS(10, 20, 0, UINT64_MAX), LSNS(0));
}
END_TEST

RUN_SUITE("list", 60,
	  only_what_the_last_look_found_is_listed)
