/*
 * The ring that any thread may use: the flags it must not have, the eventfd
 * that it rings, and operations that the kernel does not take.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/file.h"
#include "lib/ring.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SQPOLL		(1u << 1)
#define SUBMIT_ALL	(1u << 7)
#define COOP_TASKRUN	(1u << 8)
#define SINGLE_ISSUER	(1u << 12)
#define DEFER_TASKRUN	(1u << 13)
#define BLOCK		4096u
#define ENTRIES		8u
#define MEMORY		(64 * BLOCK)
#define PATIENCE_MS	20000

static char *dir, *file_name;
static int file_fd, event_fd, kick_fd;
static uint8_t *memory;
static struct fault f;
static struct jnl_ring *ring;
static struct jnl_ring_report report;
static struct jnl_ring_file file;

static void setup(void)
{
	/* on a disk, so that a write takes its time */
	dir = scratch_make(true);
	file_name = scratch_path(dir, "file");
	file_fd = open(file_name, O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT,
		       0600);
	ck_assert_int_ge(file_fd, 0);
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	memory = jnl_buffer_alloc(MEMORY);
	for (size_t i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)(i / 7 + i / BLOCK);
	ck_assert_int_eq(jnl_write_full(jnl_sys_linux(), file_fd, memory,
					MEMORY, 0, 0, BLOCK), 0);
	file = (struct jnl_ring_file){ .fd = file_fd, .generation = 1 };
	fault_init(&f, jnl_sys_linux());
}

static void teardown(void)
{
	jnl_ring_close(ring, true);
	ring = NULL;
	jnl_buffer_free(memory, MEMORY);
	close(file_fd);
	close(event_fd);
	close(kick_fd);
	free(file_name);
	scratch_remove(dir);
}

static int open_ring(bool sqpoll)
{
	struct jnl_ring_config cfg = {
		.entries = ENTRIES, .lock_fd = file_fd, .memory = memory,
		.memory_len = MEMORY, .async = true, .event_fd = event_fd,
		.sqpoll = sqpoll,
	};
	int ret = jnl_ring_open(&ring, &f.sys, &cfg, &report);

	return ret < 0 ? ret : jnl_ring_enable(ring, &report);
}

static void start(void)
{
	setup();
	ck_assert_int_eq(open_ring(false), 0);
}

static void put(uint32_t block, uint32_t blocks, uintptr_t tag)
{
	ck_assert_int_eq(jnl_ring_write(ring, file, memory + block * BLOCK,
					blocks * BLOCK, block * BLOCK,
					RWF_DSYNC, BLOCK, (void *)tag), 0);
}

static bool rings(int timeout_ms)
{
	struct pollfd p = { .fd = event_fd, .events = POLLIN };
	eventfd_t count;
	int ret;

	do {
		ret = poll(&p, 1, timeout_ms);
	} while (ret < 0 && errno == EINTR);
	return ret == 1 && !eventfd_read(event_fd, &count);
}

/* Wait for the one operation in flight as a loop does. */
static int finish(void)
{
	void *tag;
	int err;

	for (;;) {
		jnl_ring_look(ring);
		ck_assert_int_eq(jnl_ring_submit(ring), 0);
		if (jnl_ring_reap(ring, &tag, &err))
			return err;
		ck_assert(rings(PATIENCE_MS));
	}
}

/* ------------------------------------------------------------------------
 * Flags
 */

START_TEST(the_ring_of_any_thread_never_needs_its_submitter)
{
	for (int poll = 0; poll < 2; poll++) {
		/* whatever is refused on the way down */
		for (unsigned long refused = 0; refused < 2; refused++) {
			setup();
			fault_set(&f, FAULT_RING_SETUP, 1, refused, -EINVAL);
			ck_assert_int_eq(open_ring(poll), 0);
			ck_assert(!(report.flags &
				    (SINGLE_ISSUER | DEFER_TASKRUN |
				     COOP_TASKRUN)));
			for (uint32_t i = 0; i < report.steps; i++)
				ck_assert(!(report.step[i].flags &
					    (SINGLE_ISSUER | DEFER_TASKRUN |
					     COOP_TASKRUN)));
			put(0, 1, 1);
			ck_assert_int_eq(finish(), 0);
			teardown();
		}
	}
}
END_TEST

/* A table whose kernel gives more flags than were asked for. */
static int generous_setup(struct jnl_sys *s, unsigned int entries,
			  struct io_uring_params *p)
{
	struct fault *fault = (struct fault *)s;
	int ret = fault->base->ring_setup(fault->base, entries, p);

	p->flags |= SINGLE_ISSUER | DEFER_TASKRUN;
	return ret;
}

START_TEST(a_ring_with_deferred_task_work_is_not_gone_on_with)
{
	struct rlimit none = { 0, 0 };
	int status;
	pid_t pid;

	setup();
	pid = fork();
	if (!pid) {
		/* it ends by an assertion: no core, no words */
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)close(STDERR_FILENO);
		f.sys.ring_setup = generous_setup;
		(void)open_ring(false);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	teardown();
}
END_TEST

/*
 * Why it must not: submit one operation, let it complete and wait for the
 * eventfd; how many completions there are to be seen then.  -1: not with these
 * flags here.  What is waited for comes after the submission has returned: an
 * operation that is done before that has its completion there in any ring.
 */
static int completions_at_the_ring(unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	struct io_uring u;
	struct io_uring_sqe *sqe;
	eventfd_t count;
	int ready;

	if (io_uring_queue_init_params(4, &u, &p) < 0)
		return -1;
	ck_assert_int_eq(io_uring_register_eventfd(&u, event_fd), 0);
	sqe = io_uring_get_sqe(&u);
	io_uring_prep_poll_add(sqe, kick_fd, POLLIN);
	ck_assert_int_eq(io_uring_submit(&u), 1);
	ck_assert_uint_eq(io_uring_cq_ready(&u), 0);
	ck_assert(!rings(0));
	ck_assert_int_eq(eventfd_write(kick_fd, 1), 0);
	ck_assert(rings(PATIENCE_MS));
	/* a loop looks, goes to sleep, and is not rung again */
	ready = (int)io_uring_cq_ready(&u);
	if (!ready && !rings(300))
		ready = (int)io_uring_cq_ready(&u);
	io_uring_queue_exit(&u);
	ck_assert_int_eq(eventfd_read(kick_fd, &count), 0);
	return ready;
}

START_TEST(with_deferred_task_work_a_loop_would_sleep_for_ever)
{
	setup();
	ck_assert_int_eq(completions_at_the_ring(0), 1);
	ck_assert_int_eq(completions_at_the_ring(SUBMIT_ALL), 1);
	ck_assert_int_le(completions_at_the_ring(SINGLE_ISSUER |
						 DEFER_TASKRUN), 0);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Operations
 */

START_TEST(opening_rings_nobody_and_each_completion_does)
{
	start();
	ck_assert(!rings(50));
	for (uint32_t i = 0; i < 20; i++) {
		put(i, 1, i);
		ck_assert_int_eq(finish(), 0);
		ck_assert_uint_eq(jnl_ring_in_flight(ring), 0);
	}
	ck_assert_int_eq(jnl_ring_flush(ring, file, true, NULL), 0);
	ck_assert_int_eq(finish(), 0);
	teardown();
}
END_TEST

static void *submit_main(void *arg)
{
	put((uint32_t)(uintptr_t)arg, 1, (uintptr_t)arg);
	ck_assert_int_eq(jnl_ring_submit(ring), 0);
	return NULL;
}

START_TEST(any_thread_may_submit_and_any_other_reap)
{
	pthread_t t;

	start();
	for (uintptr_t i = 0; i < 30; i++) {
		pthread_create(&t, NULL, submit_main, (void *)i);
		pthread_join(t, NULL);
		ck_assert_int_eq(finish(), 0);
	}
	teardown();
}
END_TEST

START_TEST(what_the_kernel_does_not_take_is_undone)
{
	static const int errnos[] = { -EAGAIN, -EBUSY, -EINTR, -ENXIO };

	for (int i = 0; i < 4; i++) {
		bool breaks = errnos[i] == -ENXIO;

		start();
		fault_set(&f, FAULT_RING_ENTER, 1, 20, errnos[i]);
		put(0, 1, 1);
		ck_assert_int_eq(finish(), JNL_RING_UNDONE);
		ck_assert_int_eq(jnl_ring_broken(ring), breaks ? -ENXIO : 0);
		fault_clear(&f);
		if (!breaks) {
			put(0, 1, 1);
			ck_assert_int_eq(finish(), 0);
		}
		teardown();
	}
}
END_TEST

START_TEST(what_was_done_in_part_is_never_undone_and_never_done)
{
	static const int errnos[] = { -EAGAIN, -EINTR, -ECANCELED };

	/* a short write, and the kernel does not take the rest */
	start();
	fault_set(&f, FAULT_RING_RESULT, 1, 1, 0);
	f.short_to = BLOCK;
	put(0, 4, 1);
	ck_assert_int_eq(jnl_ring_submit(ring), 0);
	ck_assert(rings(PATIENCE_MS));
	jnl_ring_look(ring);
	fault_set(&f, FAULT_RING_ENTER, 1, ~0ul, -EAGAIN);
	ck_assert_int_eq(finish(), -EAGAIN);
	teardown();
	for (int i = 0; i < 3; i++) {
		/* ... and the rest fails */
		start();
		fault_set(&f, FAULT_RING_RESULT, 1, 1, 0);
		f.short_to = BLOCK;
		put(0, 4, 1);
		ck_assert_int_eq(jnl_ring_submit(ring), 0);
		ck_assert(rings(PATIENCE_MS));
		jnl_ring_look(ring);
		fault_set(&f, FAULT_RING_RESULT, 1, 1, errnos[i]);
		ck_assert_int_eq(finish(), errnos[i]);
		/* nothing was done: somebody else may */
		fault_set(&f, FAULT_RING_RESULT, 1, 1, errnos[i]);
		put(0, 4, 1);
		ck_assert_int_eq(finish(), JNL_RING_UNDONE);
		teardown();
	}
	/* a flush that was interrupted says nothing about the pages */
	start();
	fault_set(&f, FAULT_RING_RESULT, 1, 1, -EINTR);
	ck_assert_int_eq(jnl_ring_flush(ring, file, true, NULL), 0);
	ck_assert_int_eq(finish(), -EINTR);
	teardown();
}
END_TEST

static void *kick_main(void *arg)
{
	(void)arg;
	usleep(50000);
	ck_assert_int_eq(eventfd_write(kick_fd, 1), 0);
	return NULL;
}

START_TEST(a_sleep_on_the_ring_ends_by_a_completion_or_a_kick)
{
	pthread_t t;

	start();
	put(0, 1, 1);
	ck_assert_int_eq(jnl_ring_submit(ring), 0);
	jnl_ring_sleep(ring, kick_fd);
	ck_assert_int_eq(finish(), 0);
	pthread_create(&t, NULL, kick_main, NULL);
	jnl_ring_sleep(ring, kick_fd);
	pthread_join(t, NULL);
	teardown();
}
END_TEST

/* Whether this kernel lets us have a ring at all; says why not. */
static bool have_ring(void)
{
	struct io_uring_params p = { 0 };
	int fd = jnl_sys_linux()->ring_setup(jnl_sys_linux(), 4, &p);

	if (fd >= 0)
		close(fd);
	else
		fprintf(stderr, "no io_uring here: %s\n", strerror(-fd));
	return fd >= 0;
}

int main(void)
{
	const TTest *const tests[] = {
		the_ring_of_any_thread_never_needs_its_submitter,
		a_ring_with_deferred_task_work_is_not_gone_on_with,
		with_deferred_task_work_a_loop_would_sleep_for_ever,
		opening_rings_nobody_and_each_completion_does,
		any_thread_may_submit_and_any_other_reap,
		what_the_kernel_does_not_take_is_undone,
		what_was_done_in_part_is_never_undone_and_never_done,
		a_sleep_on_the_ring_ends_by_a_completion_or_a_kick,
	};

	if (!have_ring())
		return 77;
	return run_suite("ring-async", tests, sizeof(tests) / sizeof(tests[0]),
			 60);
}
