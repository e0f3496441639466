/*
 * The watchdog: what takes too long is told while it does, and when it ends.
 */
#include "config.h"

#include <liburing.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "journal/driver.h"
#include "tests/unit/observe.h"

/* So long that nothing but a gate makes a stall of it. */
#define LONG_NS		(STALL_MS * 1000000ull)

static void check_pair(uint32_t stall)
{
	struct journal_event began, end;

	await_events(JOURNAL_EVENT_STALL_END, stall, 1, &end);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_STALL, stall, &began), 1);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_STALL_END, stall, NULL), 1);
	ck_assert_uint_ge(began.duration_ns, LONG_NS);
	ck_assert_uint_gt(end.duration_ns, began.duration_ns);
	ck_assert_uint_eq(end.lsn, began.lsn);
	ck_assert_uint_ge(end.time_ns, began.time_ns);
}

/* One write or flush that stands still. */
static void stand_still(const struct jnl_choice *choice, const char *driver,
			const char *carrier, uint32_t stall)
{
	journal *j = open_told(choice, driver, carrier);
	struct journal_event ev;
	struct doing d;

	pthread_mutex_lock(&gate);
	start_commits(&d, j, 100, 1);
	await_events(JOURNAL_EVENT_STALL, stall, 1, &ev);
	/* it is out, and counted now */
	ck_assert_uint_eq(stats_of(j).stalls_device, 1);
	pause_ms(3 * STALL_MS);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_STALL, stall, NULL), 1);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_STALL_END, 0, NULL), 0);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	check_pair(stall);
	ck_assert_uint_eq(stats_of(j).stalls_device, 1);
	ck_assert_uint_ge(stats_of(j).action_max_ns, 4 * LONG_NS);
	ck_assert_int_eq(close_told(j), 0);
}

START_TEST(a_write_that_stands_still_is_told_while_it_does)
{
	static const char *const drivers[] = { "caller", "thread", "loop" };

	f.sys.pwrite = gated_pwrite;
	stand_still(&choice_dsync, drivers[_i], "pwritev2",
		    JOURNAL_STALL_WRITE);
}
END_TEST

START_TEST(a_flush_that_stands_still_is_told_while_it_does)
{
	static const char *const drivers[] = { "caller", "thread", "loop" };

	f.sys.fdatasync = gated_fdatasync;
	stand_still(&choice_flush, drivers[_i], "pwritev2",
		    JOURNAL_STALL_FLUSH);
}
END_TEST

START_TEST(a_write_on_a_ring_that_stands_still_is_told_while_it_does)
{
	journal *j = open_told(&choice_dsync, "thread", NULL);
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	if (strcmp(info.carrier, "io_uring")) {
		printf("no ring here: %s\n", info.trail);
		ck_assert_int_eq(journal_close(j), 0);
		return;
	}
	ck_assert_int_eq(journal_close(j), 0);
	memset(seen.ev, 0, sizeof(seen.ev));
	seen.n = 0;
	f.sys.ring_enter = gated_ring_enter;
	stand_still(&choice_dsync, "thread", "io_uring", JOURNAL_STALL_WRITE);
}
END_TEST

/* ------------------------------------------------------------------------
 * On the ring of a loop nobody waits in a call that could have a gate.  So a
 * full pipe is registered in the place of the segment: a write to it is out
 * until somebody reads.
 */

static struct {
	int ring, fd;		/* the file that was registered last */
	uint32_t slot;
	int pipe[2];
	uint8_t *block;
} full;

static int noted_register(struct jnl_sys *s, int fd, unsigned int opcode,
			  const void *arg, unsigned int n)
{
	struct jnl_sys *to = ((struct fault *)s)->base;
	struct io_uring_files_update u;
	int32_t value;

	if (opcode == IORING_REGISTER_FILES_UPDATE) {
		memcpy(&u, arg, sizeof(u));
		memcpy(&value, (const void *)(uintptr_t)u.fds, sizeof(value));
		if (value >= 0) {
			full.ring = fd;
			full.fd = value;
			full.slot = u.offset;
		}
	}
	return to->ring_register(to, fd, opcode, arg, n);
}

static void register_in_slot(int fd)
{
	int32_t value = fd;
	struct io_uring_files_update u = {
		.offset = full.slot, .fds = (uint64_t)(uintptr_t)&value,
	};

	ck_assert_int_eq(f.base->ring_register(f.base, full.ring,
					       IORING_REGISTER_FILES_UPDATE,
					       &u, 1), 1);
}

static void fill_pipe(void)
{
	static const uint8_t zeros[4096];

	ck_assert_int_eq(pipe2(full.pipe, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(full.pipe[1], zeros, sizeof(zeros)) > 0)
		;
	ck_assert_int_eq(errno, EAGAIN);
	/* Who writes now waits. */
	ck_assert_int_eq(fcntl(full.pipe[1], F_SETFL, 0), 0);
	ck_assert_int_eq(posix_memalign((void **)&full.block, 4096, 4096), 0);
}

/* From some moment on at which nothing is in flight; returns the frontier. */
static uint64_t write_to_pipe(journal *j)
{
	uint64_t frontier = 0;
	bool done = false;

	fill_pipe();
	for (int i = 0; !done; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pthread_mutex_lock(&j->lock);
		done = !jnl_in_flight(j->committer) && !j->committer->left;
		if (done)
			register_in_slot(full.pipe[1]);
		frontier = j->engine.frontier;
		pthread_mutex_unlock(&j->lock);
		pause_ms(1);
	}
	return frontier;
}

/* The stalls, or their ends, of a write from lsn on; the last one in *ret_ev. */
static int writes_from(uint32_t kind, uint64_t lsn,
		       struct journal_event *ret_ev)
{
	int n = 0;

	pthread_mutex_lock(&seen.lock);
	for (int i = 0; i < seen.n; i++) {
		if (seen.ev[i].kind != kind || seen.ev[i].lsn < lsn ||
		    seen.ev[i].stall != JOURNAL_STALL_WRITE)
			continue;
		n++;
		*ret_ev = seen.ev[i];
	}
	pthread_mutex_unlock(&seen.lock);
	return n;
}

/* Put what has come through where it belongs. */
static void drain_pipe(const uint8_t uuid[JNL_UUID_LEN])
{
	struct jnl_batch_header h;

	while (read(full.pipe[0], full.block, 4096) == 4096) {
		if (!jnl_batch_decode(full.block, jnl_seed(uuid), &h))
			continue;
		ck_assert_int_eq(pwrite(full.fd, full.block, 4096,
					(off_t)(h.lsn % SMALL)), 4096);
	}
}

static uint64_t durable_of(journal *j)
{
	uint64_t frontier = 0;

	ck_assert_int_eq(journal_durable(j, &frontier), 0);
	return frontier;
}

/* Let everything out that stands still, and wait for lsn. */
static void let_out(journal *j, uint64_t lsn, const uint8_t *uuid)
{
	struct pollfd p = { .fd = journal_eventfd(j), .events = POLLIN };

	register_in_slot(full.fd);
	for (int i = 0; durable_of(j) <= lsn; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		drain_pipe(uuid);
		(void)poll(&p, 1, 1);
	}
	drain_pipe(uuid);
}

START_TEST(a_write_on_a_loop_s_ring_that_does_not_come_back_is_told)
{
	struct journal_report report = JOURNAL_REPORT_INIT;
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_event began, end;
	uint64_t lsn, from;
	journal *j;

	f.sys.ring_register = noted_register;
	j = open_told(&choice_dsync, "loop", NULL);
	ck_assert_int_eq(journal_info(j, &info), 0);
	if (strcmp(info.carrier, "io_uring")) {
		printf("no ring here: %s\n", info.trail);
		ck_assert_int_eq(journal_close(j), 0);
		return;
	}
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	from = write_to_pipe(j);
	ck_assert_int_eq(append_bytes(j, 100, &lsn), 0);
	ck_assert_int_eq(journal_submit(j), 0);
	for (int i = 0; !writes_from(JOURNAL_EVENT_STALL, from, &began); i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	ck_assert_uint_ge(began.duration_ns, LONG_NS);
	ck_assert_uint_ge(stats_of(j).stalls_device, 1);
	/* The loop goes on meanwhile; only one batch is out. */
	ck_assert_uint_le(durable_of(j), lsn);
	ck_assert_int_eq(append_bytes(j, 100, &lsn), 0);
	ck_assert_int_eq(journal_submit(j), 0);
	pause_ms(3 * STALL_MS);
	ck_assert_int_eq(writes_from(JOURNAL_EVENT_STALL, from, &began), 1);
	ck_assert_int_eq(writes_from(JOURNAL_EVENT_STALL_END, from, &end), 0);
	let_out(j, lsn, info.uuid);
	for (int i = 0; !writes_from(JOURNAL_EVENT_STALL_END, began.lsn, &end);
	     i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	ck_assert_int_eq(close_told(j), 0);
	ck_assert_int_eq(journal_verify(path, &report), 0);
	ck_assert_uint_eq(report.finding, JOURNAL_SOUND);
	ck_assert_uint_eq(report.records, 3);
	(void)close(full.pipe[0]);
	(void)close(full.pipe[1]);
	free(full.block);
}
END_TEST

static atomic_bool failing;

static ssize_t gated_failing_pwrite(struct jnl_sys *s, int fd, const void *buf,
				    size_t len, uint64_t offset, int rwf)
{
	if (!atomic_load(&failing))
		return gated_pwrite(s, fd, buf, len, offset, rwf);
	pass();
	return -EIO;
}

START_TEST(a_stall_that_ends_in_an_error_says_so)
{
	struct journal_event ev;
	struct doing d;
	journal *j;

	/* the gate comes before the fault */
	f.sys.pwrite = gated_failing_pwrite;
	atomic_store(&failing, false);
	j = open_told(&choice_flush, "caller", NULL);
	pthread_mutex_lock(&gate);
	atomic_store(&failing, true);
	start_commits(&d, j, 100, 1);
	await_events(JOURNAL_EVENT_STALL, JOURNAL_STALL_WRITE, 1, NULL);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), -EIO);
	await_events(JOURNAL_EVENT_STALL_END, JOURNAL_STALL_WRITE, 1, &ev);
	ck_assert_int_eq(ev.code, -EIO);
	ck_assert_int_eq(close_told(j), -EIO);
}
END_TEST

START_TEST(an_append_that_waits_for_a_segment_is_told)
{
	struct doing d;
	journal *j;

	f.sys.fallocate = gated_fallocate;
	j = open_told(&choice_dsync, "caller", NULL);
	pthread_mutex_lock(&gate);
	start_commits(&d, j, 30000, 6);
	await_events(JOURNAL_EVENT_STALL, JOURNAL_STALL_SEGMENT, 1, NULL);
	/* no device stands still as far as commits go */
	ck_assert_uint_eq(stats_of(j).stalls_device, 0);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	check_pair(JOURNAL_STALL_SEGMENT);
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

START_TEST(a_loop_s_append_that_is_refused_for_a_segment_is_told)
{
	int ret = 0, n = 0;
	journal *j;

	f.sys.fallocate = gated_fallocate;
	j = open_told(&choice_dsync, "loop", "pwritev2");
	pthread_mutex_lock(&gate);
	while (!ret) {
		ret = append_bytes(j, 30000, NULL);
		ck_assert_int_eq(journal_submit(j), 0);
		ck_assert_int_lt(n++, 100);
		pause_ms(2);
	}
	ck_assert_int_eq(ret, -EAGAIN);
	await_events(JOURNAL_EVENT_STALL, JOURNAL_STALL_SEGMENT, 1, NULL);
	pthread_mutex_unlock(&gate);
	check_pair(JOURNAL_STALL_SEGMENT);
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

START_TEST(an_append_that_waits_for_room_is_told)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o = options_of("thread", "pwritev2", &told);
	struct doing d[4];
	journal *j;

	told.event = keep_event;
	o.queue_depth = 1;
	o.record_max = 4000;
	f.sys.pwrite = gated_pwrite;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 4; i++)
		start_commits(&d[i], j, 3000, 1);
	await_events(JOURNAL_EVENT_STALL, JOURNAL_STALL_ROOM, 2, NULL);
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(end_commits(&d[i]), 0);
	await_events(JOURNAL_EVENT_STALL_END, JOURNAL_STALL_ROOM, 2, NULL);
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

START_TEST(stalls_are_counted_where_nobody_is_told)
{
	struct journal_options o = options_of("caller", NULL, NULL);
	struct doing d;
	journal *j;

	f.sys.pwrite = gated_pwrite;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	pthread_mutex_lock(&gate);
	start_commits(&d, j, 100, 1);
	for (int i = 0; !stats_of(j).stalls_device; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	ck_assert_uint_eq(stats_of(j).stalls_device, 1);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(a_watchdog_that_is_off_finds_nothing)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o = options_of("caller", NULL, &told);
	struct doing d;
	journal *j;

	told.event = keep_event;
	o.stall_ms = UINT32_MAX;
	f.sys.pwrite = gated_pwrite;
	ck_assert_int_eq(open_as(&j, &choice_dsync, &o), 0);
	pthread_mutex_lock(&gate);
	start_commits(&d, j, 100, 1);
	pause_ms(5 * STALL_MS);
	ck_assert_uint_eq(stats_of(j).stalls_device, 0);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	ck_assert_int_eq(close_told(j), 0);
	ck_assert_int_eq(count_of(JOURNAL_EVENT_STALL, 0, NULL), 0);
}
END_TEST

START_TEST(what_begins_after_a_long_rest_is_watched_too)
{
	struct doing d;
	journal *j;

	f.sys.pwrite = gated_pwrite;
	j = open_told(&choice_dsync, "caller", NULL);
	/* so long that the thread sleeps until it is called */
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	pause_ms(10 * STALL_MS);
	pthread_mutex_lock(&gate);
	start_commits(&d, j, 100, 1);
	await_events(JOURNAL_EVENT_STALL, JOURNAL_STALL_WRITE, 1, NULL);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	check_pair(JOURNAL_STALL_WRITE);
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

int main(void)
{
	static const TTest *const *const tests[] = {
		&a_write_on_a_ring_that_stands_still_is_told_while_it_does,
		&a_write_on_a_loop_s_ring_that_does_not_come_back_is_told,
		&a_stall_that_ends_in_an_error_says_so,
		&an_append_that_waits_for_a_segment_is_told,
		&a_loop_s_append_that_is_refused_for_a_segment_is_told,
		&an_append_that_waits_for_room_is_told,
		&stalls_are_counted_where_nobody_is_told,
		&a_watchdog_that_is_off_finds_nothing,
		&what_begins_after_a_long_rest_is_watched_too,
	};
	Suite *s = suite_create("stall");
	TCase *tc = tcase_create("stall");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, *tests[i]);
	tcase_add_loop_test(tc, a_write_that_stands_still_is_told_while_it_does,
			    0, 3);
	tcase_add_loop_test(tc, a_flush_that_stands_still_is_told_while_it_does,
			    0, 3);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
