/*
 * Turns of an event loop: what has gathered waits for the answers of the turn,
 * and never for longer.
 */
#include "config.h"

#include <unistd.h>

#include "journal/driver.h"
#include "tests/unit/loop.h"

#define FIRST	10
#define SECOND	20

static int appended;
static bool refused;	/* an append had to wait: for that a turn was taken */

static uint64_t append_some(journal *j, int count)
{
	uint64_t lsn = 0;

	while (count--) {
		while (append(j, appended, &lsn) == -EAGAIN) {
			refused = true;
			while (jnl_helper_step(j, false))
				;
			(void)look(j);
			usleep(100);
		}
		appended++;
	}
	return lsn;
}

/*
 * FIRST records are written, SECOND have gathered meanwhile, and a turn has
 * told of the first.  False if the write was over before the others came.
 */
static bool two_groups(journal *j)
{
	uint64_t first, last;

	first = append_some(j, FIRST);
	ck_assert_int_eq(journal_submit(j), 0);
	last = append_some(j, SECOND);
	ck_assert_int_eq(journal_submit(j), 0);
	if (j->engine.frontier > first || look(j) > first) {
		ck_assert_int_eq(journal_sync(j, last), 0);
		(void)look(j);
		return false;
	}
	while (turn(j) <= first)
		;
	return true;
}

static journal *open_two_groups(enum jnl_regroup regroup)
{
	journal *j;
	int tries = 0;

	/* No thread of the library: its idle watermark would come between. */
	ck_assert_int_eq(try_open(&j, &choice_dsync, NULL, true), 0);
	appended = 0;
	j->committer->regroup = regroup;
	while (!two_groups(j)) {
		usleep(1000);
		ck_assert_int_lt(++tries, 1000);
	}
	return j;
}

static void end(journal *j)
{
	ck_assert_int_eq(journal_close(j), 0);
	check_records(appended);
	teardown();
}

/* The answers of the turn bring FIRST more.  Returns how many writes it took,
 * or 0 if a segment's end lay between, or right behind. */
static uint64_t commits_of_the_next(journal *j)
{
	uint64_t commits = j->engine.commits;
	uint64_t segment = j->engine.frontier / SMALL, last;

	refused = false;
	last = append_some(j, FIRST);
	ck_assert_int_eq(journal_submit(j), 0);
	while (turn(j) <= last)
		;
	if (refused || last / SMALL != segment)
		return 0;
	return j->engine.commits - commits;
}

START_TEST(two_groups_become_one_where_a_turn_is_short)
{
	uint64_t commits = 0;
	journal *j;

	while (!commits) {
		setup_at(true);
		j = open_two_groups(JNL_REGROUP_ALWAYS);
		ck_assert_uint_eq(jnl_in_flight(j->committer), 0);
		commits = commits_of_the_next(j);
		end(j);
	}
	ck_assert_uint_eq(commits, 1);
}
END_TEST

START_TEST(where_a_turn_is_long_the_next_commit_starts_at_once)
{
	journal *j;

	setup_at(true);
	j = open_two_groups(JNL_REGROUP_NEVER);
	ck_assert(jnl_in_flight(j->committer) ||
		  j->engine.frontier == jnl_engine_end(&j->engine));
	end(j);
}
END_TEST

START_TEST(what_gathers_is_committed_although_nobody_submits)
{
	uint64_t end_lsn;
	journal *j;

	setup_at(true);
	j = open_two_groups(JNL_REGROUP_ALWAYS);
	end_lsn = jnl_engine_end(&j->engine);
	ck_assert_uint_lt(j->engine.frontier, end_lsn);
	/* It is rung for at once, not by a completion: there is none. */
	ck_assert_uint_eq(jnl_in_flight(j->committer), 0);
	ck_assert(readable(journal_eventfd(j), 0));
	while (turn(j) < end_lsn)
		;
	end(j);
}
END_TEST

START_TEST(what_gathers_is_committed_for_who_waits)
{
	journal *j;

	setup_at(true);
	j = open_two_groups(JNL_REGROUP_ALWAYS);
	ck_assert_int_eq(journal_sync(j, jnl_engine_end(&j->engine) - 1), 0);
	end(j);
}
END_TEST

START_TEST(a_turn_is_measured_only_where_it_submits)
{
	journal *j;

	setup_at(true);
	j = open_two_groups(JNL_REGROUP_ALWAYS);
	ck_assert_uint_gt(j->committer->action_ns, 0);
	j->committer->turn_ns = 0;
	usleep(2000);
	ck_assert_int_eq(journal_submit(j), 0);
	ck_assert_uint_ge(j->committer->turn_ns, 2000000);
	/* A submit behind another one is none of the turn's. */
	j->committer->turn_ns = 0;
	ck_assert_int_eq(journal_submit(j), 0);
	ck_assert_uint_eq(j->committer->turn_ns, 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();

	setup_at(true);
	j = open_two_groups(JNL_REGROUP_ALWAYS);
	j->committer->turn_ns = 5;
	(void)turn(j);
	ck_assert_uint_eq(j->committer->turn_ns, 0);
	end(j);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		two_groups_become_one_where_a_turn_is_short,
		where_a_turn_is_long_the_next_commit_starts_at_once,
		what_gathers_is_committed_although_nobody_submits,
		what_gathers_is_committed_for_who_waits,
		a_turn_is_measured_only_where_it_submits,
	};

	if (!have_ring())
		return 77;
	return run_suite("loop_turn", tests, sizeof(tests) / sizeof(tests[0]),
			 60);
}
