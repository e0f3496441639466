/*
 * The loop driver when all is well: every way to watch its descriptor, room
 * that comes back, many threads, those who wait all the same, and nothing that
 * blocks.
 */
#include "config.h"

#include <liburing.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

/* It does not see what a ring does to memory. */
#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(p, n) ((void)(p), (void)(n), 0)
#endif

#include "tests/unit/loop.h"
#include "tests/unit/settle.h"

START_TEST(everything_becomes_durable_over_many_segments)
{
	static const char *const carriers[] = { NULL, "pwritev2" };
	static const int windows[] = { 1, 7, 300 };
	journal *j;

	for (int i = 0; i < 3 * 2 * 3; i++) {
		setup();
		j = open_loop(choices[i % 3], carriers[i / 3 % 2]);
		run_loop(j, 500, windows[i / 6], wait_poll, NULL);
		ck_assert_int_eq(journal_close(j), 0);
		check_records(500);
		teardown();
	}
}
END_TEST

START_TEST(the_carrier_is_the_ring_for_direct_writes_and_said)
{
	struct journal_info info;
	journal *j;

	setup();
	for (int c = 0; c < 3; c++) {
		j = open_loop(choices[c], NULL);
		info = info_of(j);
		ck_assert_str_eq(info.driver, "loop");
		ck_assert_str_eq(info.carrier, choices[c]->way.direct ?
				 "io_uring" : "pwritev2");
		ck_assert_ptr_nonnull(strstr(info.trail, "driver loop: "));
		ck_assert_int_eq(journal_close(j), 0);
	}
	j = open_loop(&choice_dsync, "pwritev2");
	ck_assert_str_eq(info_of(j).carrier, "pwritev2");
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(try_open(&j, &choice_buffered, "io_uring", false),
			 -EOPNOTSUPP);
	teardown();
}
END_TEST

START_TEST(the_three_calls_are_for_the_loop_driver)
{
	static const char *const drivers[] = { NULL, "caller", "thread" };
	struct jnl_env env = { .choice = &choice_dsync };
	uint64_t frontier = 7;
	journal *j;

	setup();
	for (int i = 0; i < 4; i++) {
		struct journal_options o = JOURNAL_OPTIONS_INIT;
		int want = i < 3 ? -EOPNOTSUPP : -EROFS;

		o.flags = i < 3 ? JOURNAL_CREATE : JOURNAL_READ_ONLY;
		o.driver = i < 3 ? drivers[i] : NULL;
		ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
		ck_assert_int_eq(journal_submit(j), want);
		ck_assert_int_eq(journal_eventfd(j), want);
		ck_assert_int_eq(journal_durable(j, &frontier), want);
		ck_assert_uint_eq(frontier, 7);
		ck_assert_int_eq(journal_close(j), 0);
	}
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Ways to watch
 */

static bool wait_epoll(int event_fd, void *arg)
{
	struct epoll_event ev;
	int ret;

	(void)event_fd;
	do {
		ret = epoll_wait(*(int *)arg, &ev, 1, PATIENCE_MS);
	} while (ret < 0 && errno == EINTR);
	return ret == 1;
}

static bool wait_ring(int event_fd, void *arg)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct io_uring_sqe *sqe = io_uring_get_sqe(arg);
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_poll_add(sqe, event_fd, POLLIN);
	ck_assert_int_eq(io_uring_submit(arg), 1);
	do {
		ret = io_uring_wait_cqe_timeout(arg, &cqe, &patience);
	} while (ret == -EINTR);
	if (ret < 0)
		return false;
	(void)VALGRIND_MAKE_MEM_DEFINED(cqe, sizeof(*cqe));
	ret = cqe->res;
	io_uring_cqe_seen(arg, cqe);
	return ret == POLLIN;
}

/* A loop that waits by wait, with the ring and without. */
static void watch(wait_fn wait, void *arg, void (*add)(int event_fd, void *arg))
{
	static const char *const carriers[] = { NULL, "pwritev2" };

	for (int k = 0; k < 2; k++) {
		journal *j;

		setup();
		j = open_loop(&choice_dsync, carriers[k]);
		if (add)
			add(journal_eventfd(j), arg);
		run_loop(j, 500, 5, wait, arg);
		ck_assert_int_eq(journal_close(j), 0);
		check_records(500);
		teardown();
	}
}

static void add_level(int event_fd, void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN };

	ck_assert_int_eq(epoll_ctl(*(int *)arg, EPOLL_CTL_ADD, event_fd, &ev),
			 0);
}

static void add_edge(int event_fd, void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	ck_assert_int_eq(epoll_ctl(*(int *)arg, EPOLL_CTL_ADD, event_fd, &ev),
			 0);
}

START_TEST(epoll_watches_the_descriptor_by_level_and_by_edge)
{
	for (int i = 0; i < 2; i++) {
		int fd = epoll_create1(EPOLL_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		watch(wait_epoll, &fd, i ? add_edge : add_level);
		close(fd);
	}
}
END_TEST

START_TEST(another_ring_watches_the_descriptor)
{
	struct io_uring ring;

	/* liburing's own wait goes by memory that valgrind has not seen */
	if (getenv("JOURNAL_TEST_VALGRIND")) {
		fprintf(stderr, "not tried under valgrind: another ring\n");
		return;
	}
	ck_assert_int_eq(io_uring_queue_init(4, &ring, 0), 0);
	watch(wait_ring, &ring, NULL);
	io_uring_queue_exit(&ring);
}
END_TEST

START_TEST(the_descriptor_is_quiet_when_nothing_happens)
{
	journal *j;
	int fd;

	setup();
	j = open_loop(&choice_dsync, NULL);
	fd = journal_eventfd(j);
	ck_assert_int_eq(journal_eventfd(j), fd);
	/* the watermark of an idle journal may ring, once */
	(void)settle(j);
	(void)look(j);
	ck_assert(!readable(fd, 200));
	/* appended, and not submitted */
	ck_assert_int_eq(append(j, 0, NULL), 0);
	ck_assert(!readable(fd, 30));
	ck_assert_int_eq(journal_submit(j), 0);
	(void)turn(j);
	ck_assert_int_eq(journal_close(j), 0);
	check_records(1);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Room
 */

START_TEST(a_full_queue_is_refused_and_rings_when_there_is_room)
{
	static const char *const carriers[] = { NULL, "pwritev2" };
	struct journal_stats stats = JOURNAL_STATS_INIT;
	char big[20000] = "";
	struct iovec iov = { big, sizeof(big) };
	int refused, n, ret;
	journal *j;

	for (int i = 0; i < 6; i++) {
		setup();
		j = open_loop(choices[i % 3], carriers[i / 3]);
		/* nothing is ever submitted: what is full goes by itself */
		for (n = refused = 0; n < 300; n++) {
			ret = journal_append(j, &iov, 1, NULL);
			if (!ret)
				continue;
			ck_assert_int_eq(ret, -EAGAIN);
			refused++;
			n--;
			(void)turn(j);
		}
		ck_assert_int_gt(refused, 0);
		ck_assert_int_eq(journal_stats(j, &stats), 0);
		ck_assert_uint_eq(stats.stalls_queue + stats.stalls_segment,
				  (uint64_t)refused);
		ck_assert_int_eq(journal_close(j), 0);
		teardown();
	}
}
END_TEST

START_TEST(a_segment_that_is_not_made_yet_is_refused_and_rings_once_it_is)
{
	char big[20000] = "";
	struct iovec iov = { big, sizeof(big) };
	uint64_t lsn;
	journal *j;
	int ret;

	setup();
	/* the helper's work is ours */
	ck_assert_int_eq(try_open(&j, &choice_dsync, NULL, true), 0);
	do {
		ret = journal_append(j, &iov, 1, &lsn);
		if (!ret)
			ck_assert_int_eq(journal_sync(j, lsn), 0);
	} while (!ret);
	ck_assert_int_eq(ret, -EAGAIN);
	(void)look(j);
	ck_assert_int_eq(journal_append(j, &iov, 1, &lsn), -EAGAIN);
	ck_assert(!readable(journal_eventfd(j), 20));
	while (jnl_helper_step(j, false))
		;
	(void)turn(j);
	ck_assert_int_eq(journal_append(j, &iov, 1, &lsn), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(no_room_for_a_segment_is_told_once_for_each_try)
{
	char big[20000] = "";
	struct iovec iov = { big, sizeof(big) };
	int told = 0, ret, again = 0;
	journal *j;

	setup();
	j = open_loop(&choice_dsync, NULL);
	fault_set(&f, FAULT_FALLOCATE, 1, ~0ul, -ENOSPC);
	while (told < 3) {
		ret = journal_append(j, &iov, 1, NULL);
		ck_assert_int_eq(journal_submit(j), 0);
		told += ret == -ENOSPC;
		if (ret == -EAGAIN) {
			(void)turn(j);
			ck_assert_int_lt(++again, 100);
		} else if (ret) {
			ck_assert_int_eq(ret, -ENOSPC);
		}
	}
	ck_assert_int_eq(info_of(j).failed, 0);
	fault_clear(&f);
	while ((ret = journal_append(j, &iov, 1, NULL)) == -EAGAIN ||
	       (ret == -ENOSPC && told++ < 5))
		(void)turn(j);
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Nothing blocks
 */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static ssize_t slow_pwrite(struct jnl_sys *s, int fd, const void *buf,
			   size_t len, uint64_t offset, int rwf)
{
	struct fault *fault = (struct fault *)s;

	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return fault->base->pwrite(fault->base, fd, buf, len, offset, rwf);
}

static int slow_fsync(struct jnl_sys *s, int fd)
{
	struct fault *fault = (struct fault *)s;

	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return fault->base->fsync(fault->base, fd);
}

/* Every call of a loop comes back while writes and flushes stand still. */
static void stand_still(journal *j, int from)
{
	struct journal_stats stats = JOURNAL_STATS_INIT;
	uint64_t frontier, before = look(j);
	int ret, n = from;

	do {
		ret = append(j, n++, NULL);
		ck_assert_int_eq(journal_submit(j), 0);
		frontier = look(j);
		ck_assert_int_lt(n, 100000);
	} while (!ret && n < from + 200);
	ck_assert(!ret || ret == -EAGAIN);
	ck_assert_uint_eq(frontier, before);
	ck_assert_int_eq(journal_trim(j, frontier), 0);
	ck_assert_int_eq(journal_stats(j, &stats), 0);
	(void)info_of(j);
}

START_TEST(no_call_of_the_loop_waits_for_a_write)
{
	uint64_t before;
	journal *j;

	setup();
	f.sys.pwrite = slow_pwrite;
	j = open_loop(&choice_dsync, "pwritev2");
	(void)settle(j);
	pthread_mutex_lock(&gate);
	stand_still(j, 0);
	before = look(j);
	ck_assert(!readable(journal_eventfd(j), 20));
	pthread_mutex_unlock(&gate);
	while (turn(j) == before)
		;
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(no_call_of_the_loop_waits_for_a_new_file_in_a_failed_one_s_place)
{
	uint64_t before;
	journal *j;

	setup();
	f.sys.fsync = slow_fsync;
	j = open_loop(&choice_dsync, NULL);
	(void)settle(j);
	ck_assert_int_eq(append(j, 0, NULL), 0);
	before = look(j);
	pthread_mutex_lock(&gate);
	fault_set(&f, FAULT_RING_RESULT, 1, 1, -EIO);
	ck_assert_int_eq(journal_submit(j), 0);
	ck_assert_uint_eq(turn(j), before);
	stand_still(j, 1);
	pthread_mutex_unlock(&gate);
	while (turn(j) == before)
		;
	ck_assert_int_eq(journal_close(j), 0);
	check_between(1, 201);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Who waits all the same
 */

START_TEST(a_sync_waits_although_nobody_looks)
{
	static const char *const carriers[] = { NULL, "pwritev2" };
	uint64_t lsn;
	journal *j;

	for (int i = 0; i < 6; i++) {
		setup();
		j = open_loop(choices[i % 3], carriers[i / 3]);
		for (int n = 0; n < 200; n++) {
			char text[TEXT_MAX];
			struct iovec iov = { text, payload(text, n) };

			if (n % 3)
				ck_assert_int_eq(journal_commit(j, &iov, 1,
								&lsn), 0);
			else if (append(j, n, &lsn))
				n--;
			else
				ck_assert_int_eq(journal_sync(j, lsn), 0);
			ck_assert_uint_gt(info_of(j).frontier, lsn);
		}
		ck_assert_int_eq(journal_sync(j, UINT64_MAX / 4), -EINVAL);
		ck_assert_int_eq(journal_close(j), 0);
		check_records(200);
		teardown();
	}
}
END_TEST

START_TEST(a_close_drains_what_was_submitted_and_what_was_not)
{
	journal *j;

	for (int c = 0; c < 3; c++) {
		setup();
		j = open_loop(choices[c], NULL);
		for (int n = 0; n < 100; n++) {
			int ret = append(j, n, NULL);

			if (ret == -EAGAIN) {
				n--;
				(void)turn(j);
				continue;
			}
			ck_assert_int_eq(ret, 0);
			if (n == 50)
				ck_assert_int_eq(journal_submit(j), 0);
		}
		ck_assert_int_eq(journal_close(j), 0);
		check_records(100);
		teardown();
	}
}
END_TEST

START_TEST(an_idle_journal_gets_its_watermark_although_nobody_looks)
{
	journal_reader *r;
	struct journal_record rec;
	journal *j;
	int ret, tries = 0;

	setup();
	j = open_loop(&choice_dsync, NULL);
	ck_assert_int_eq(append(j, 0, NULL), 0);
	ck_assert_int_eq(journal_submit(j), 0);
	while (turn(j) <= 2 * 4096)
		;
	/* a reader beside it sees what a watermark covers */
	do {
		usleep(20000);
		ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
		ret = journal_reader_next(r, &rec);
		journal_reader_close(r);
		ck_assert_int_lt(++tries, 500);
	} while (!ret);
	ck_assert_int_eq(ret, 1);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		everything_becomes_durable_over_many_segments,
		the_carrier_is_the_ring_for_direct_writes_and_said,
		the_three_calls_are_for_the_loop_driver,
		epoll_watches_the_descriptor_by_level_and_by_edge,
		another_ring_watches_the_descriptor,
		the_descriptor_is_quiet_when_nothing_happens,
		a_full_queue_is_refused_and_rings_when_there_is_room,
		a_segment_that_is_not_made_yet_is_refused_and_rings_once_it_is,
		no_room_for_a_segment_is_told_once_for_each_try,
		no_call_of_the_loop_waits_for_a_write,
		no_call_of_the_loop_waits_for_a_new_file_in_a_failed_one_s_place,
		a_sync_waits_although_nobody_looks,
		a_close_drains_what_was_submitted_and_what_was_not,
		an_idle_journal_gets_its_watermark_although_nobody_looks,
	};

	if (!have_ring())
		return 77;
	return run_suite("loop", tests, sizeof(tests) / sizeof(tests[0]), 60);
}
