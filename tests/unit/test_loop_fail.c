/*
 * The loop driver when something fails: it is told, nobody hangs, and nothing
 * acknowledged goes.  Many threads at a time, without a wake-up lost; a ring
 * that is refused, breaks or is lost; fork and cancellation.
 */
#include "config.h"

#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/loop.h"
#include "tests/unit/settle.h"

/* ------------------------------------------------------------------------
 * Failures
 */

/*
 * Append from record from on, and look, until the journal fails; its first
 * error.  How many are appended then goes to *ret_appended.
 */
static int run_to_failure(journal *j, int from, int *ret_appended)
{
	int appended = from, turns = 0, ret;
	uint64_t frontier;

	do {
		ck_assert_int_lt(++turns, 1000000);
		/* an error of this one may be about the next segment only */
		if (!append(j, appended, NULL))
			appended++;
		else
			usleep(100);
		ret = journal_submit(j);
		if (!ret)
			ret = journal_durable(j, &frontier);
	} while (!ret);
	*ret_appended = appended;
	return ret;
}

static int no_rename(struct jnl_sys *s, int dirfd, const char *from,
		     const char *to)
{
	(void)s;
	(void)dirfd;
	(void)from;
	(void)to;
	return -EIO;
}

START_TEST(a_failure_for_good_rings_and_is_everybody_s)
{
	static const char *const carriers[] = { NULL, "pwritev2" };
	int appended, err;
	uint64_t frontier = 7;
	journal *j;

	for (int k = 0; k < 2; k++) {
		setup();
		j = open_loop(&choice_dsync, carriers[k]);
		/* no write, and no new file in the failed one's place */
		f.sys.rename = no_rename;
		run_loop(j, 3, 1, wait_poll, NULL);
		fault_set(&f, k ? FAULT_PWRITE : FAULT_RING_RESULT, 1, ~0ul,
			  -EIO);
		err = run_to_failure(j, 3, &appended);
		ck_assert_int_eq(err, -EIO);
		/* it stays so, for all who watch */
		for (int i = 0; i < 3; i++) {
			ck_assert(readable(journal_eventfd(j), PATIENCE_MS));
			ck_assert_int_eq(journal_durable(j, &frontier), err);
			ck_assert_uint_eq(frontier, 7);
		}
		ck_assert_int_eq(append(j, 0, NULL), err);
		ck_assert_int_eq(journal_submit(j), err);
		ck_assert_int_eq(info_of(j).failed, err);
		fault_clear(&f);
		ck_assert_int_ne(journal_close(j), 0);
		check_between(3, appended);
		teardown();
	}
}
END_TEST

START_TEST(a_failed_write_or_flush_is_made_up_for_behind_the_loop)
{
	static const enum fault_call calls[] = {
		FAULT_RING_RESULT, FAULT_RING_RESULT, FAULT_FDATASYNC,
	};
	struct journal_stats stats = JOURNAL_STATS_INIT;
	journal *j;

	for (int c = 0; c < 3; c++) {
		for (unsigned long at = 1; at < 8; at++) {
			setup();
			j = open_loop(choices[c], NULL);
			fault_set(&f, calls[c], at, 1, -EIO);
			run_loop(j, 60, 9, wait_poll, NULL);
			ck_assert_int_eq(journal_stats(j, &stats), 0);
			ck_assert_uint_eq(stats.replacements, 1);
			ck_assert_int_eq(journal_close(j), 0);
			ck_assert_uint_eq(f.hit, 1);
			check_records(60);
			teardown();
		}
	}
}
END_TEST

START_TEST(what_the_ring_does_not_take_the_thread_carries)
{
	static const int errnos[] = { -EAGAIN, -EBUSY, -EINTR, -ENOMEM };
	journal *j;

	for (int e = 0; e < 4; e++) {
		for (unsigned long times = 1; times < 60; times += 25) {
			bool breaks = errnos[e] == -ENOMEM;

			setup();
			j = open_loop(&choice_dsync, NULL);
			fault_set(&f, FAULT_RING_ENTER, 10, times, errnos[e]);
			run_loop(j, 300, 9, wait_poll, NULL);
			ck_assert_str_eq(info_of(j).carrier, breaks ?
					 "pwritev2" : "io_uring");
			ck_assert(!breaks || strstr(info_of(j).trail,
						    "io_uring gave up"));
			ck_assert_int_eq(journal_close(j), 0);
			ck_assert_uint_gt(f.hit, 0);
			check_records(300);
			teardown();
		}
	}
	/* cancelled: its thread had ended before it was begun */
	for (int c = 0; c < 2; c++) {
		setup();
		j = open_loop(choices[c], NULL);
		fault_set(&f, FAULT_RING_RESULT, 3, 20, -ECANCELED);
		run_loop(j, 300, 9, wait_poll, NULL);
		ck_assert_int_eq(journal_close(j), 0);
		ck_assert_uint_eq(f.hit, 20);
		check_records(300);
		teardown();
	}
}
END_TEST

/*
 * The same, where the kernel's polling thread does not wake: first it has to
 * sleep, and does when it has been left alone for long enough and the machine
 * has let it.
 */
static int run_to_lost_thread(journal *j, int from, int *ret_appended)
{
	uint64_t before, frontier;
	int ret, tries = 0;

	*ret_appended = from;
	do {
		ck_assert_int_lt(++tries, 100);
		usleep(400000);
		ret = journal_durable(j, &before);
		if (!append(j, *ret_appended, NULL))
			(*ret_appended)++;
		if (!ret)
			ret = journal_submit(j);
		while (!ret && !(ret = journal_durable(j, &frontier)) &&
		       frontier <= before)
			usleep(1000);
	} while (!ret);
	return ret;
}

/* Whether the ring has a thread of the kernel that polls. */
static bool is_polled(journal *j)
{
	const char *line = strstr(info_of(j).trail, "carrier io_uring: flags ");
	unsigned int flags;

	return line && sscanf(line, "carrier io_uring: flags %x", &flags) == 1 &&
	       flags & IORING_SETUP_SQPOLL;
}

START_TEST(a_lost_polling_thread_ends_the_journal_and_nobody_hangs)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &f.sys, .choice = &choice_dsync };
	int appended;
	journal *j, *k;

	setup();
	o.flags = JOURNAL_CREATE | JOURNAL_SQPOLL;
	o.segment_size = 64 * SMALL;
	o.driver = "loop";
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	run_loop(j, 100, 9, wait_poll, NULL);
	ck_assert_int_eq(journal_close(j), 0);
	check_records(100);
	teardown();

	setup();
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	if (!is_polled(j)) {
		fprintf(stderr, "not tried: the kernel does not poll here\n");
		ck_assert_int_eq(journal_close(j), 0);
		teardown();
		return;
	}
	run_loop(j, 3, 1, wait_poll, NULL);
	(void)settle(j);
	fault_set(&f, FAULT_RING_ENTER, 1, ~0ul, -EOWNERDEAD);
	ck_assert_int_eq(run_to_lost_thread(j, 3, &appended), -EOWNERDEAD);
	ck_assert_int_eq(journal_close(j), -EOWNERDEAD);
	fault_clear(&f);
	for (int i = 0; jnl_open(&k, path, &o, &env) == -EBUSY; i++) {
		ck_assert_int_lt(i, 1000);
		usleep(10000);
	}
	ck_assert_int_eq(journal_close(k), 0);
	check_between(3, appended);
	teardown();
}
END_TEST

START_TEST(an_open_without_a_descriptor_to_ring_lets_go_of_everything)
{
	struct rlimit was, few;
	int taken[64], n = 0;
	journal *j;

	setup();
	j = open_loop(&choice_dsync, NULL);
	ck_assert_int_eq(journal_close(j), 0);
	/* as many as opening needs but for the eventfds, one more each time */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = 40;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((taken[n] = dup(0)) >= 0)
		n++;
	while (try_open(&j, &choice_dsync, "pwritev2", false) == -EMFILE)
		close(taken[--n]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	run_loop(j, 10, 3, wait_poll, NULL);
	ck_assert_int_eq(journal_close(j), 0);
	while (n)
		close(taken[--n]);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * io_uring refused
 */

static void works_without(const char *why)
{
	journal *j = open_loop(&choice_dsync, NULL);

	ck_assert_str_eq(info_of(j).carrier, "pwritev2");
	ck_assert_msg(strstr(info_of(j).trail, why) != NULL, "%s",
		      info_of(j).trail);
	run_loop(j, 300, 9, wait_poll, NULL);
	ck_assert_int_eq(journal_close(j), 0);
	check_records(300);
}

START_TEST(whatever_is_refused_of_a_ring_is_told_and_done_without)
{
	static const int errnos[] = { -EPERM, -ENOSYS, -ENOMEM, -EMFILE };

	for (int i = 0; i < 4; i++) {
		setup();
		fault_set(&f, FAULT_RING_SETUP, 1, ~0ul, errnos[i]);
		works_without("io_uring is not to be had: io_uring_setup: ");
		teardown();
	}
	setup();
	fault_set(&f, FAULT_RING_REGISTER, 1, 1, -ENOMEM);
	works_without("registering the lock: ");
	teardown();
	/* the second is the buffers, which need not be */
	setup();
	fault_set(&f, FAULT_RING_REGISTER, 3, 1, -EBUSY);
	works_without("registering the eventfd: ");
	teardown();
	setup();
	fault_set(&f, FAULT_RING_RESULT, 1, 1, -EIO);
	works_without("a NOP on the ring: ");
	teardown();
}
END_TEST

/* From here on io_uring_setup fails with err in this process. */
static void refuse_ring(int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

START_TEST(a_seccomp_filter_that_refuses_the_ring_is_survived_and_told)
{
	int status;
	pid_t pid;

	setup();
	/* in a process of its own, for a filter stays */
	pid = fork();
	if (!pid) {
		refuse_ring(EPERM);
		works_without("io_uring_setup: ");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Threads
 */

#define THREADS	6

/* valgrind lets one thread run at a time. */
static int rounds(void)
{
	return getenv("JOURNAL_TEST_VALGRIND") ? 8 : 100;
}

static struct shared {
	journal *j;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	uint64_t frontier;
	atomic_bool stop;
} shared;

/*
 * Append and submit two, the second of which gathers while the first is under
 * way; wait for somebody else to see it become durable.
 */
static void *submit_main(void *arg)
{
	struct timespec until;
	uint64_t lsn;
	int ret;

	(void)arg;
	for (int i = 0; i < 2 * rounds(); i++) {
		while ((ret = journal_append(shared.j, NULL, 0, &lsn)) ==
		       -EAGAIN)
			sched_yield();
		ck_assert_int_eq(ret, 0);
		ck_assert_int_eq(journal_submit(shared.j), 0);
		if (i % 2 == 0)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += PATIENCE_MS / 1000;
		pthread_mutex_lock(&shared.lock);
		while (shared.frontier <= lsn)
			ck_assert_int_eq(pthread_cond_clockwait(&shared.moved,
							&shared.lock,
							CLOCK_MONOTONIC,
							&until), 0);
		pthread_mutex_unlock(&shared.lock);
	}
	return NULL;
}

/* Sleeps until an edge, looks once, tells the others. */
static void *look_main(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int fd = epoll_create1(EPOLL_CLOEXEC), ret;
	uint64_t frontier;

	(void)arg;
	ck_assert_int_eq(epoll_ctl(fd, EPOLL_CTL_ADD,
				   journal_eventfd(shared.j), &ev), 0);
	while (!atomic_load(&shared.stop)) {
		/* at the end alone it comes back with nothing */
		ret = epoll_wait(fd, &ev, 1, 1000);
		if (ret < 0)
			ck_assert_int_eq(errno, EINTR);
		if (ret <= 0)
			continue;
		frontier = look(shared.j);
		pthread_mutex_lock(&shared.lock);
		if (frontier > shared.frontier)
			shared.frontier = frontier;
		pthread_cond_broadcast(&shared.moved);
		pthread_mutex_unlock(&shared.lock);
	}
	close(fd);
	return NULL;
}

/* Waits for itself now and then, and so reaps what the loop waits for. */
static void *sync_main(void *arg)
{
	uint64_t lsn;

	(void)arg;
	while (!atomic_load(&shared.stop)) {
		ck_assert_int_eq(journal_commit(shared.j, NULL, 0, &lsn), 0);
		usleep(300);
	}
	return NULL;
}

START_TEST(no_wake_up_is_lost_among_many_threads)
{
	static const char *const carriers[] = { NULL, NULL, "pwritev2" };
	pthread_t t[THREADS], looker, syncer;

	for (int i = 0; i < 3; i++) {
		/* where a write ends when it pleases */
		setup_at(true);
		shared = (struct shared){ .j = open_loop(choices[i % 2],
							 carriers[i]) };
		pthread_mutex_init(&shared.lock, NULL);
		pthread_cond_init(&shared.moved, NULL);
		pthread_create(&looker, NULL, look_main, NULL);
		pthread_create(&syncer, NULL, sync_main, NULL);
		for (int k = 0; k < THREADS; k++)
			pthread_create(&t[k], NULL, submit_main, NULL);
		for (int k = 0; k < THREADS; k++)
			pthread_join(t[k], NULL);
		atomic_store(&shared.stop, true);
		pthread_join(syncer, NULL);
		pthread_join(looker, NULL);
		ck_assert_int_eq(journal_close(shared.j), 0);
		teardown();
	}
}
END_TEST

static void *submit_once_main(void *arg)
{
	uint64_t lsn;

	(void)arg;
	while (journal_append(shared.j, NULL, 0, &lsn) == -EAGAIN)
		(void)look(shared.j);
	ck_assert_int_eq(journal_submit(shared.j), 0);
	return NULL;
}

/*
 * One thread after the other, and nothing else that would ring: no helper with
 * its watermarks, nobody who syncs.  An event that is lost is lost for good.
 */
START_TEST(no_wake_up_is_lost_that_nothing_makes_up_for)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_dsync, .no_helper = true };
	pthread_t looker;

	setup_at(true);
	o.flags = JOURNAL_CREATE;
	/* what is filled at first is enough */
	o.segment_size = 64 * SMALL;
	o.driver = "loop";
	shared = (struct shared){ 0 };
	ck_assert_int_eq(jnl_open(&shared.j, path, &o, &env), 0);
	pthread_mutex_init(&shared.lock, NULL);
	pthread_cond_init(&shared.moved, NULL);
	pthread_create(&looker, NULL, look_main, NULL);
	(void)submit_main(NULL);
	atomic_store(&shared.stop, true);
	pthread_join(looker, NULL);
	ck_assert_int_eq(journal_close(shared.j), 0);
	teardown();
}
END_TEST

START_TEST(a_thread_may_end_with_its_writes_in_flight)
{
	uint64_t end;
	pthread_t t;

	for (int c = 0; c < 3; c++) {
		/* where a write takes its time */
		setup_at(true);
		shared.j = open_loop(choices[c], NULL);
		for (int i = 0; i < 100; i++) {
			pthread_create(&t, NULL, submit_once_main, NULL);
			pthread_join(t, NULL);
		}
		end = info_of(shared.j).end;
		while (info_of(shared.j).frontier < end)
			(void)turn(shared.j);
		ck_assert_int_eq(journal_close(shared.j), 0);
		teardown();
	}
}
END_TEST

static void *submit_for_ever(void *arg)
{
	uint64_t frontier;

	for (;;) {
		(void)journal_append(arg, NULL, 0, NULL);
		(void)journal_submit(arg);
		(void)journal_durable(arg, &frontier);
		pthread_testcancel();
	}
	return NULL;
}

START_TEST(a_cancelled_thread_leaves_the_journal_usable)
{
	pthread_t t[4];
	journal *j;

	setup();
	j = open_loop(&choice_dsync, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, submit_for_ever, j);
	for (int i = 0; i < 4; i++) {
		usleep(20000);
		pthread_cancel(t[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(journal_commit(j, NULL, 0, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_child_of_fork_is_told_and_can_let_go)
{
	int status, ret;
	journal *j;
	pid_t pid;

	setup();
	j = open_loop(&choice_dsync, NULL);
	run_loop(j, 20, 3, wait_poll, NULL);
	/* the next segment may be in the making */
	while ((ret = append(j, 20, NULL)) == -EAGAIN)
		(void)turn(j);
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(journal_submit(j), 0);
	pid = fork();
	if (!pid) {
		uint64_t frontier;
		bool ok = append(j, 0, NULL) == -EOWNERDEAD &&
			  journal_submit(j) == -EOWNERDEAD &&
			  journal_eventfd(j) == -EOWNERDEAD &&
			  journal_durable(j, &frontier) == -EOWNERDEAD &&
			  journal_close(j) == 0;

		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	while (info_of(j).frontier < info_of(j).end)
		(void)turn(j);
	ck_assert_str_eq(info_of(j).carrier, "io_uring");
	ck_assert_int_eq(journal_close(j), 0);
	check_records(21);
	teardown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_failure_for_good_rings_and_is_everybody_s,
		a_failed_write_or_flush_is_made_up_for_behind_the_loop,
		what_the_ring_does_not_take_the_thread_carries,
		a_lost_polling_thread_ends_the_journal_and_nobody_hangs,
		an_open_without_a_descriptor_to_ring_lets_go_of_everything,
		whatever_is_refused_of_a_ring_is_told_and_done_without,
		a_seccomp_filter_that_refuses_the_ring_is_survived_and_told,
		no_wake_up_is_lost_among_many_threads,
		no_wake_up_is_lost_that_nothing_makes_up_for,
		a_thread_may_end_with_its_writes_in_flight,
		a_cancelled_thread_leaves_the_journal_usable,
		a_child_of_fork_is_told_and_can_let_go,
	};

	if (!have_ring())
		return 77;
	return run_suite("loop-fail", tests, sizeof(tests) / sizeof(tests[0]),
			 60);
}
