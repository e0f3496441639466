/*
 * Who watches a journal: what is told, in what order, by which thread, and
 * what a callback may do.
 */
#include "config.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/observe.h"
#include "tests/unit/settle.h"

START_TEST(a_new_segment_is_told_with_its_place)
{
	struct journal_event ev;
	journal *j = open_told(&choice_dsync, "caller", NULL);

	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(commit_bytes(j, 20000), 0);
	await_events(JOURNAL_EVENT_SEGMENT, 0, 2, &ev);
	ck_assert_uint_eq(ev.lsn % SMALL, 0);
	ck_assert_uint_ge(ev.lsn, 2 * SMALL);
	ck_assert_uint_eq(ev.recycled, 0);
	ck_assert_uint_gt(ev.time_ns, 1000000000ull * 1000000000ull);
	ck_assert_ptr_nonnull(strstr(ev.reason, "segment"));
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

START_TEST(a_segment_that_is_used_again_says_so)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_event ev = { 0 };
	journal *j;

	f.solid = true;
	j = open_told(&choice_dsync, "caller", NULL);
	for (int i = 0; i < 200 && !ev.recycled; i++) {
		ck_assert_int_eq(commit_bytes(j, 20000), 0);
		ck_assert_int_eq(journal_info(j, &info), 0);
		ck_assert_int_eq(journal_trim(j, info.frontier), 0);
		pause_ms(5);
		(void)count_of(JOURNAL_EVENT_SEGMENT, 0, &ev);
	}
	ck_assert_uint_eq(ev.recycled, 1);
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

START_TEST(a_replacement_is_told_with_what_had_failed)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o;
	struct journal_event ev;
	journal *j;

	/* The next write is to be the commit's: the helper has filled this
	 * segment, and it is too early to make the next one. */
	told.event = keep_event;
	o = options_of("caller", NULL, &told);
	o.segment_size = 16 * SMALL;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	(void)settle(j);
	fault_set(&f, FAULT_PWRITE, 1, 1, -EIO);
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	await_events(JOURNAL_EVENT_REPLACEMENT, 0, 1, &ev);
	ck_assert_int_eq(ev.code, -EIO);
	ck_assert_uint_eq(ev.lsn, 0);
	ck_assert_int_eq(close_told(j), 0);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_FAILURE, 0, NULL), 0);
}
END_TEST

START_TEST(the_end_of_a_journal_is_told_once)
{
	struct journal_event ev;
	journal *j = open_told(&choice_dsync, "caller", NULL);

	ck_assert_int_eq(commit_bytes(j, 100), 0);
	fault_set(&f, FAULT_PWRITE, 1, 1000, -EIO);
	ck_assert_int_eq(commit_bytes(j, 100), -EIO);
	ck_assert_int_eq(commit_bytes(j, 100), -EIO);
	await_events(JOURNAL_EVENT_FAILURE, 0, 1, &ev);
	ck_assert_int_eq(ev.code, -EIO);
	ck_assert_int_eq(close_told(j), -EIO);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_FAILURE, 0, NULL), 1);
}
END_TEST

START_TEST(a_failure_while_closing_is_told_before_close_returns)
{
	journal *j = open_told(&choice_dsync, "caller", NULL);

	ck_assert_int_eq(append_bytes(j, 100, NULL), 0);
	fault_set(&f, FAULT_PWRITE, 1, 1000, -EIO);
	ck_assert_int_eq(close_told(j), -EIO);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_FAILURE, 0, NULL), 1);
}
END_TEST

START_TEST(a_ring_that_is_refused_is_told_after_opening)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_event ev;
	journal *j;

	fault_set(&f, FAULT_RING_SETUP, 1, 1000, -EPERM);
	j = open_told(&choice_dsync, "thread", NULL);
	await_events(JOURNAL_EVENT_FALLBACK, 0, 1, &ev);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_ptr_nonnull(strstr(info.trail, ev.reason));
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

START_TEST(an_open_that_fails_tells_nothing)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o;
	journal *j;

	told.event = keep_event;
	o = options_of("thread", "io_uring", &told);
	fault_set(&f, FAULT_RING_SETUP, 1, 1000, -EPERM);
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), -EOPNOTSUPP);
	ck_assert_int_eq(seen.n, 0);
}
END_TEST

/* ------------------------------------------------------------------------
 * What a callback may do
 */

static journal *called_for;

/* Everything but closing; what it appends itself needs segments again. */
static void call_the_journal(void *arg, const struct journal_event *ev)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	if (ev->kind == JOURNAL_EVENT_SEGMENT && seen.n < 5) {
		ck_assert_int_eq(journal_info(called_for, &info), 0);
		(void)stats_of(called_for);
		ck_assert_int_eq(commit_bytes(called_for, 30000), 0);
		ck_assert_int_eq(journal_trim(called_for, info.frontier), 0);
	}
	keep_event(arg, ev);
}

START_TEST(a_callback_may_use_the_journal)
{
	static const char *const drivers[] = { "caller", "thread", "loop" };
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o;

	told.event = call_the_journal;
	o = options_of(drivers[_i], NULL, &told);
	ck_assert_int_eq(open_as(&called_for, &choice_dsync, &o), 0);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(commit_bytes(called_for, 20000), 0);
	await_events(JOURNAL_EVENT_SEGMENT, 0, 5, NULL);
	ck_assert_int_eq(close_told(called_for), 0);
}
END_TEST

static void look_for_the_journal(void *arg, const struct journal_event *ev)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_ptr_nonnull(called_for);
	ck_assert_int_eq(journal_info(called_for, &info), 0);
	keep_event(arg, ev);
}

START_TEST(a_callback_finds_the_journal_where_opening_writes_it)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o;

	told.event = look_for_the_journal;
	o = options_of("thread", NULL, &told);
	called_for = NULL;
	/* what there is to tell at once: the ring is refused */
	fault_set(&f, FAULT_RING_SETUP, 1, 1000, -EPERM);
	ck_assert_int_eq(open_as(&called_for, &choice_dsync, &o), 0);
	await_events(JOURNAL_EVENT_FALLBACK, 0, 1, NULL);
	ck_assert_int_eq(close_told(called_for), 0);
}
END_TEST

static void wait_at_the_gate(void *arg, const struct journal_event *ev)
{
	pass();
	keep_event(arg, ev);
}

START_TEST(a_callback_that_waits_for_an_appender_stops_nothing)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o;
	journal *j;

	told.event = wait_at_the_gate;
	o = options_of("caller", NULL, &told);
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	/* As an application that appends with a lock its callback takes: the
	 * segments have to be made while the callback stands. */
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(commit_bytes(j, 30000), 0);
	ck_assert_int_eq(seen.n, 0);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(close_told(j), 0);
	ck_assert_int_ge(count_of(JOURNAL_EVENT_SEGMENT, 0, NULL), 8);
}
END_TEST

static void take_time(void *arg, const struct journal_event *ev)
{
	pause_ms(100);
	keep_event(arg, ev);
}

START_TEST(close_waits_for_a_callback_and_for_what_is_left_to_tell)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o;
	int before;
	journal *j;

	told.event = take_time;
	o = options_of("caller", NULL, &told);
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(commit_bytes(j, 60000), 0);
	ck_assert_int_eq(close_told(j), 0);
	before = seen.n;
	ck_assert_int_ge(before, 5);
	pause_ms(250);
	ck_assert_int_eq(seen.n, before);
}
END_TEST

START_TEST(events_without_room_are_counted_and_the_others_keep_their_order)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	uint64_t dropped = 0, lost;
	struct journal_options o;
	journal *j;

	told.event = wait_at_the_gate;
	o = options_of("caller", NULL, &told);
	/* segments and nothing else, however slow the disk is */
	o.stall_ms = UINT32_MAX;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 150; i++)
		ck_assert_int_eq(commit_bytes(j, 60000), 0);
	lost = stats_of(j).events_dropped;
	ck_assert_uint_ge(lost, 150 - 64 - 4);
	pthread_mutex_unlock(&gate);
	await_events(JOURNAL_EVENT_SEGMENT, 0, 64, NULL);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(commit_bytes(j, 60000), 0);
	ck_assert_int_eq(close_told(j), 0);
	for (int i = 0; i < seen.n; i++) {
		dropped += seen.ev[i].dropped;
		/* each segment follows the one before it, or a hole that is
		 * told of */
		if (i)
			ck_assert_uint_eq(seen.ev[i].lsn,
					  seen.ev[i - 1].lsn +
					  (1 + seen.ev[i].dropped) * SMALL);
	}
	ck_assert_uint_eq(dropped, lost);
}
END_TEST

START_TEST(what_is_no_observer_is_refused)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct {
		struct journal_observer known;
		uint64_t more;
	} future = { .known = { .size = sizeof(future),
				.event = keep_event } };
	struct journal_options o = options_of(NULL, NULL, &told);
	journal *j;

	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), -EINVAL);
	told.event = keep_event;
	told.size = 0;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), -EINVAL);
	o.observer = &future.known;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	ck_assert_int_eq(journal_close(j), 0);
	future.more = 1;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), -E2BIG);
	o.observer = NULL;
	o.reserved = 1;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), -E2BIG);
}
END_TEST

START_TEST(a_child_of_fork_lets_go_of_a_watched_journal)
{
	journal *j = open_told(&choice_dsync, "caller", NULL);
	int status;
	pid_t pid;

	/* The table of calls has a lock, which no thread may hold just now:
	 * nobody would give up the child's copy. */
	(void)settle(j);
	pid = fork();
	if (!pid) {
		alarm(20);
		_exit(journal_close(j) ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

int main(void)
{
	static const TTest *const *const tests[] = {
		&a_new_segment_is_told_with_its_place,
		&a_segment_that_is_used_again_says_so,
		&a_replacement_is_told_with_what_had_failed,
		&the_end_of_a_journal_is_told_once,
		&a_failure_while_closing_is_told_before_close_returns,
		&a_ring_that_is_refused_is_told_after_opening,
		&an_open_that_fails_tells_nothing,
		&a_callback_finds_the_journal_where_opening_writes_it,
		&a_callback_that_waits_for_an_appender_stops_nothing,
		&close_waits_for_a_callback_and_for_what_is_left_to_tell,
		&events_without_room_are_counted_and_the_others_keep_their_order,
		&what_is_no_observer_is_refused,
		&a_child_of_fork_lets_go_of_a_watched_journal,
	};
	Suite *s = suite_create("observe");
	TCase *tc = tcase_create("observe");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, PATIENCE_TIMES * 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, *tests[i]);
	tcase_add_loop_test(tc, a_callback_may_use_the_journal, 0, 3);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
