/*
 * The watchdog: what takes too long is told while it does, and when it ends.
 */
#include "config.h"

#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/observe.h"
#include "tests/unit/settle.h"

#define STALL_MS	30u
#define LONG_NS		(STALL_MS * 1000000ull)

/*
 * A busy machine has stalls of its own, so what is asked for is the stall that
 * a gate made: nothing was under way when it was closed, and what came then
 * lies at least at this place.
 */
static uint64_t from;
static uint64_t counted;	/* stalls of the device before */

static void close_the_gate(journal *j)
{
	from = settle(j);
	counted = stats_of(j).stalls_device;
	pthread_mutex_lock(&gate);
}

static journal *open_stalling(const struct jnl_choice *choice,
			      const char *driver, const char *carrier)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o = options_of(driver, carrier, &told);
	journal *j;

	told.event = keep_event;
	o.stall_ms = STALL_MS;
	ck_assert_int_eq(open_as(&j, choice, &o), 0);
	return j;
}

/* How many of this kind and stall there are from the gate on, ... */
static int count_from(uint32_t kind, uint32_t stall)
{
	int n = 0;

	pthread_mutex_lock(&seen.lock);
	for (int i = 0; i < seen.n; i++)
		n += seen.ev[i].kind == kind && seen.ev[i].stall == stall &&
		     seen.ev[i].lsn >= from;
	pthread_mutex_unlock(&seen.lock);
	return n;
}

/* ... the first of them, once it is there, ... */
static struct journal_event await_stall(uint32_t stall)
{
	struct journal_event ev = { 0 };

	for (int i = 0; !count_from(JOURNAL_EVENT_STALL, stall); i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	pthread_mutex_lock(&seen.lock);
	for (int i = seen.n; i--;) {
		if (seen.ev[i].kind == JOURNAL_EVENT_STALL &&
		    seen.ev[i].stall == stall && seen.ev[i].lsn >= from)
			ev = seen.ev[i];
	}
	pthread_mutex_unlock(&seen.lock);
	return ev;
}

/* ... and how many are about the same as that one. */
static int count_same(uint32_t kind, const struct journal_event *ev,
		      struct journal_event *ret_ev)
{
	int n = 0;

	pthread_mutex_lock(&seen.lock);
	for (int i = 0; i < seen.n; i++) {
		if (seen.ev[i].kind != kind ||
		    seen.ev[i].stall != ev->stall || seen.ev[i].lsn != ev->lsn)
			continue;
		n++;
		*ret_ev = seen.ev[i];
	}
	pthread_mutex_unlock(&seen.lock);
	return n;
}

static void check_pair(const struct journal_event *began)
{
	struct journal_event ev, end = { 0 };

	for (int i = 0; !count_same(JOURNAL_EVENT_STALL_END, began, &end);
	     i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	ck_assert_int_eq(count_same(JOURNAL_EVENT_STALL, began, &ev), 1);
	ck_assert_int_eq(count_same(JOURNAL_EVENT_STALL_END, began, &ev), 1);
	ck_assert_uint_ge(began->duration_ns, LONG_NS);
	ck_assert_uint_gt(end.duration_ns, began->duration_ns);
	ck_assert_uint_ge(end.time_ns, began->time_ns);
}

/* As many stalls of the device are counted as are told of: each once. */
static void check_counted(journal *j)
{
	uint64_t told, count;

	for (int i = 0;; i++) {
		told = (uint64_t)count_from(JOURNAL_EVENT_STALL,
					    JOURNAL_STALL_WRITE) +
		       (uint64_t)count_from(JOURNAL_EVENT_STALL,
					    JOURNAL_STALL_FLUSH);
		count = stats_of(j).stalls_device - counted;
		if (count == told)
			break;
		/* one more of the machine's own may be on its way */
		ck_assert_msg(i < PATIENCE_MS, "%lu counted, %lu told",
			      (unsigned long)count, (unsigned long)told);
		pause_ms(1);
	}
}

/* One write or flush that stands still. */
static void stand_still(const struct jnl_choice *choice, const char *driver,
			const char *carrier, uint32_t stall)
{
	journal *j = open_stalling(choice, driver, carrier);
	struct journal_event ev, other;
	struct doing d;

	close_the_gate(j);
	start_commits(&d, j, 100, 1);
	ev = await_stall(stall);
	/* it is out, and counted now */
	check_counted(j);
	pause_ms(3 * STALL_MS);
	ck_assert_int_eq(count_same(JOURNAL_EVENT_STALL, &ev, &other), 1);
	ck_assert_int_eq(count_same(JOURNAL_EVENT_STALL_END, &ev, &other), 0);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	check_pair(&ev);
	check_counted(j);
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
	struct journal_event ev, other;
	uint64_t lsn;
	journal *j;

	f.sys.ring_register = noted_register;
	j = open_stalling(&choice_dsync, "loop", NULL);
	ck_assert_int_eq(journal_info(j, &info), 0);
	if (strcmp(info.carrier, "io_uring")) {
		printf("no ring here: %s\n", info.trail);
		ck_assert_int_eq(journal_close(j), 0);
		return;
	}
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	fill_pipe();
	from = settle(j);
	counted = stats_of(j).stalls_device;
	register_in_slot(full.pipe[1]);
	ck_assert_int_eq(append_bytes(j, 100, &lsn), 0);
	ck_assert_int_eq(journal_submit(j), 0);
	ev = await_stall(JOURNAL_STALL_WRITE);
	check_counted(j);
	/* The loop goes on meanwhile; only one batch is out. */
	ck_assert_uint_le(durable_of(j), lsn);
	ck_assert_int_eq(append_bytes(j, 100, &lsn), 0);
	ck_assert_int_eq(journal_submit(j), 0);
	pause_ms(3 * STALL_MS);
	ck_assert_int_eq(count_same(JOURNAL_EVENT_STALL, &ev, &other), 1);
	ck_assert_int_eq(count_same(JOURNAL_EVENT_STALL_END, &ev, &other), 0);
	let_out(j, lsn, info.uuid);
	check_pair(&ev);
	ck_assert_int_eq(close_told(j), 0);
	ck_assert_int_eq(journal_verify(path, &report), 0);
	ck_assert_uint_eq(report.finding, JOURNAL_SOUND);
	ck_assert_uint_eq(report.records, 3);
	(void)close(full.pipe[0]);
	(void)close(full.pipe[1]);
	free(full.block);
}
END_TEST

static ssize_t gated_failing_pwrite(struct jnl_sys *s, int fd, const void *buf,
				    size_t len, uint64_t offset, int rwf)
{
	(void)s;
	(void)fd;
	(void)buf;
	(void)len;
	(void)offset;
	(void)rwf;
	pass();
	return -EIO;
}

START_TEST(a_stall_that_ends_in_an_error_says_so)
{
	journal *j = open_stalling(&choice_flush, "caller", NULL);
	struct journal_event ev, end = { 0 };
	struct doing d;

	close_the_gate(j);
	/* the gate comes before the fault */
	f.sys.pwrite = gated_failing_pwrite;
	start_commits(&d, j, 100, 1);
	ev = await_stall(JOURNAL_STALL_WRITE);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), -EIO);
	check_pair(&ev);
	(void)count_same(JOURNAL_EVENT_STALL_END, &ev, &end);
	ck_assert_int_eq(end.code, -EIO);
	ck_assert_int_eq(close_told(j), -EIO);
}
END_TEST

START_TEST(an_append_that_waits_for_a_segment_is_told)
{
	journal *j = open_stalling(&choice_dsync, "caller", NULL);
	struct journal_event ev;
	struct doing d;

	close_the_gate(j);
	f.sys.fallocate = gated_fallocate;
	start_commits(&d, j, 30000, 6);
	ev = await_stall(JOURNAL_STALL_SEGMENT);
	/* no device stands still as far as commits go */
	check_counted(j);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	check_pair(&ev);
	ck_assert_int_eq(close_told(j), 0);
}
END_TEST

START_TEST(a_loop_s_append_that_is_refused_for_a_segment_is_told)
{
	journal *j = open_stalling(&choice_dsync, "loop", "pwritev2");
	struct journal_event ev;
	int ret = 0, n = 0;

	close_the_gate(j);
	f.sys.fallocate = gated_fallocate;
	while (!ret) {
		ret = append_bytes(j, 30000, NULL);
		ck_assert_int_eq(journal_submit(j), 0);
		ck_assert_int_lt(n++, 100);
		pause_ms(2);
	}
	ck_assert_int_eq(ret, -EAGAIN);
	ev = await_stall(JOURNAL_STALL_SEGMENT);
	pthread_mutex_unlock(&gate);
	check_pair(&ev);
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
	o.stall_ms = STALL_MS;
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
	/* no thread that would write besides */
	struct jnl_env env = { .sys = &f.sys, .choice = &choice_dsync,
			       .no_helper = true };
	struct doing d;
	journal *j;

	o.stall_ms = STALL_MS;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	f.sys.pwrite = gated_pwrite;
	counted = stats_of(j).stalls_device;
	pthread_mutex_lock(&gate);
	start_commits(&d, j, 100, 1);
	for (int i = 0; stats_of(j).stalls_device == counted; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	ck_assert_uint_eq(stats_of(j).stalls_device, counted + 1);
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
	journal *j = open_stalling(&choice_dsync, "caller", NULL);
	struct journal_event ev;
	struct doing d;

	/* so long that the thread sleeps until it is called */
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	pause_ms(10 * STALL_MS);
	close_the_gate(j);
	f.sys.pwrite = gated_pwrite;
	start_commits(&d, j, 100, 1);
	ev = await_stall(JOURNAL_STALL_WRITE);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	check_pair(&ev);
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

	tcase_set_timeout(tc, PATIENCE_TIMES * 60);
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
