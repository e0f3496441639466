/*
 * The thread driver, with a ring and without: many threads, rotation, what is
 * in flight when something ends, and what is said about it all.
 */
#include "config.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/core.h"
#include "lib/ring.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u
#define THREADS	8
#define COUNT	300

static char *dir, *path;
static struct fault f;

static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
	fault_init(&f, jnl_sys_linux());
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static int open_with(journal **j, const struct jnl_choice *choice,
		     const char *carrier)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &f.sys, .choice = choice };

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.driver = "thread";
	o.carrier = carrier;
	return jnl_open(j, path, &o, &env);
}

static const char *carrier_of(journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_str_eq(info.driver, "thread");
	return info.carrier;
}

static const char *trail_of(journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	return info.trail;
}

struct appender {
	journal *j;
	int id;
	int synced;	/* records of this thread that were acknowledged */
	int error;
	pthread_t thread;
};

static void *append_main(void *arg)
{
	struct appender *a = arg;
	char text[700];

	for (int i = 0; i < COUNT; i++) {
		struct iovec iov = { text, 0 };
		uint64_t lsn;

		iov.iov_len = (size_t)snprintf(text, sizeof(text), "%d %d%*s",
					       a->id, i, i % 600, "");
		/* now and then several go ahead of one sync */
		a->error = i % 7 ? journal_commit(a->j, &iov, 1, &lsn) :
				   journal_append(a->j, &iov, 1, &lsn);
		if (a->error)
			break;
		if (i % 7)
			a->synced = i + 1;
	}
	return NULL;
}

static void append_from_many(journal *j, struct appender a[THREADS])
{
	for (int i = 0; i < THREADS; i++) {
		a[i] = (struct appender){ .j = j, .id = i };
		ck_assert_int_eq(pthread_create(&a[i].thread, NULL, append_main,
						&a[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(a[i].thread, NULL);
}

/* Each thread's records are there, in order, at least those acknowledged. */
static void check_records(const struct appender a[THREADS])
{
	int next[THREADS] = { 0 }, id, i, ret;
	struct journal_record rec;
	journal_reader *r;
	char text[701];

	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		memcpy(text, rec.data, rec.len);
		text[rec.len] = 0;
		ck_assert_int_eq(sscanf(text, "%d %d", &id, &i), 2);
		ck_assert_int_eq(i, next[id]);
		next[id]++;
	}
	ck_assert_int_eq(ret, 0);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_ge(next[i], a[i].synced);
	journal_reader_close(r);
}

static const struct jnl_choice *const choices[] = {
	&choice_dsync, &choice_flush, &choice_buffered,
};

START_TEST(many_threads_commit_over_many_segments)
{
	static const char *const carriers[] = { NULL, "pwritev2" };
	struct appender a[THREADS];
	journal *j;

	for (int c = 0; c < 3; c++) {
		for (int k = 0; k < 2; k++) {
			setup();
			ck_assert_int_eq(open_with(&j, choices[c],
						   carriers[k]), 0);
			append_from_many(j, a);
			for (int i = 0; i < THREADS; i++)
				ck_assert_int_eq(a[i].error, 0);
			ck_assert_int_eq(journal_close(j), 0);
			check_records(a);
			teardown();
		}
	}
}
END_TEST

START_TEST(the_carrier_is_the_ring_for_direct_writes_and_said)
{
	journal *j;

	setup();
	ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
	ck_assert_str_eq(carrier_of(j), "io_uring");
	ck_assert_ptr_nonnull(strstr(trail_of(j), "carrier io_uring: "));
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_with(&j, &choice_dsync, "pwritev2"), 0);
	ck_assert_str_eq(carrier_of(j), "pwritev2");
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_with(&j, &choice_buffered, NULL), 0);
	ck_assert_str_eq(carrier_of(j), "pwritev2");
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_with(&j, &choice_buffered, "io_uring"),
			 -EOPNOTSUPP);
	fault_set(&f, FAULT_RING_SETUP, 1, ~0ul, -EPERM);
	ck_assert_int_eq(open_with(&j, &choice_dsync, "io_uring"),
			 -EOPNOTSUPP);
	/* a refusal lets go of the lock */
	fault_clear(&f);
	ck_assert_int_eq(open_with(&j, &choice_dsync, "io_uring"), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_close_drains_what_was_appended)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	char text[5000] = "";
	struct iovec iov = { text, sizeof(text) };
	journal *j;

	for (int c = 0; c < 3; c++) {
		setup();
		ck_assert_int_eq(open_with(&j, choices[c], NULL), 0);
		for (int i = 0; i < 200; i++)
			ck_assert_int_eq(journal_append(j, &iov, 1, NULL), 0);
		ck_assert_int_eq(journal_close(j), 0);
		rep = (struct journal_report)JOURNAL_REPORT_INIT;
		ck_assert_int_eq(journal_verify(path, &rep), 0);
		ck_assert_uint_eq(rep.finding, JOURNAL_SOUND);
		ck_assert_uint_eq(rep.records, 200);
		teardown();
	}
}
END_TEST

START_TEST(an_error_for_good_is_everybody_s_and_nothing_acknowledged_goes)
{
	struct appender a[THREADS];
	journal *j;
	int first = 0;

	/* no write, and no file in the place of a failed one */
	setup();
	ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
	fault_set(&f, FAULT_RING_RESULT, 100, ~0ul, -EIO);
	append_from_many(j, a);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(a[i].error, 0);
	fault_clear(&f);
	ck_assert_int_eq(journal_close(j), 0);
	check_records(a);
	teardown();

	setup();
	ck_assert_int_eq(open_with(&j, &choice_dsync, "pwritev2"), 0);
	fault_set(&f, FAULT_PWRITE, 200, ~0ul, -EIO);
	append_from_many(j, a);
	for (int i = 0; i < THREADS; i++) {
		ck_assert_int_ne(a[i].error, 0);
		if (!first)
			first = a[i].error;
		ck_assert_int_eq(a[i].error, first);
	}
	ck_assert_int_eq(journal_append(j, NULL, 0, NULL), first);
	ck_assert_int_ne(journal_close(j), 0);
	fault_clear(&f);
	check_records(a);
	teardown();
}
END_TEST

START_TEST(a_ring_that_breaks_gives_way_to_pwritev2)
{
	struct appender a[THREADS];
	const char *before;
	journal *j;

	for (int after = 0; after < 2; after++) {
		setup();
		ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
		before = trail_of(j);
		fault_set(&f, FAULT_RING_ENTER, 50, 1, -EIO);
		f.after = after;
		append_from_many(j, a);
		for (int i = 0; i < THREADS; i++)
			ck_assert_int_eq(a[i].error, 0);
		ck_assert_uint_eq(f.hit, 1);
		/* what was said before still stands where it stood */
		ck_assert_ptr_nonnull(strstr(before, "carrier io_uring"));
		before = trail_of(j);
		if (!after)
			ck_assert_str_eq(carrier_of(j), "pwritev2");
		ck_assert(after || strstr(before, "pwritev2: io_uring gave up"));
		ck_assert_int_eq(journal_close(j), 0);
		check_records(a);
		teardown();
	}
}
END_TEST

START_TEST(a_lost_ring_ends_the_journal_and_nothing_acknowledged_goes)
{
	struct appender a[THREADS];
	journal *j, *k;

	setup();
	ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
	/* what the kernel has taken cannot be waited for */
	fault_set(&f, FAULT_RING_ENTER, 50, ~0ul, -EIO);
	f.after = true;
	append_from_many(j, a);
	(void)journal_close(j);
	fault_clear(&f);
	/* the kernel gives the lock back when the last write has landed */
	for (int i = 0; open_with(&k, &choice_dsync, NULL) == -EBUSY; i++) {
		ck_assert_int_lt(i, 1000);
		usleep(10000);
	}
	ck_assert_int_eq(journal_close(k), 0);
	check_records(a);
	teardown();
}
END_TEST

START_TEST(a_child_of_fork_is_told_and_can_let_go)
{
	int status;
	journal *j;
	pid_t pid;

	setup();
	ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
	ck_assert_int_eq(journal_commit(j, NULL, 0, NULL), 0);
	pid = fork();
	if (!pid) {
		bool ok = journal_commit(j, NULL, 0, NULL) == -EOWNERDEAD &&
			  journal_close(j) == 0;

		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(journal_commit(j, NULL, 0, NULL), 0);
	ck_assert_str_eq(carrier_of(j), "io_uring");
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

static void *commit_for_ever(void *arg)
{
	while (!journal_commit(arg, NULL, 0, NULL))
		pthread_testcancel();
	return NULL;
}

START_TEST(a_cancelled_thread_leaves_the_journal_usable)
{
	static const char *const drivers[] = { "caller", "thread" };
	struct jnl_env env = { .choice = &choice_dsync };
	pthread_t t[4];
	journal *j;

	for (int d = 0; d < 2; d++) {
		struct journal_options o = JOURNAL_OPTIONS_INIT;

		setup();
		o.flags = JOURNAL_CREATE;
		o.segment_size = SMALL;
		o.driver = drivers[d];
		ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, commit_for_ever, j);
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
}
END_TEST

#define CANCELLED_COUNT	2000

struct cancelled {
	journal *j;
	int appended;
};

/* Append over several segments, with all that an append may wait for. */
static void *append_cancelled(void *arg)
{
	struct cancelled *c = arg;
	char text[200] = "";
	struct iovec iov = { text, sizeof(text) };
	uint64_t lsn = 0;
	int ret = 0;

	(void)pthread_cancel(pthread_self());
	while (!ret && c->appended < CANCELLED_COUNT) {
		ret = journal_append(c->j, &iov, 1, &lsn);
		if (!ret)
			c->appended++;
		else if (ret == -EAGAIN)
			ret = journal_sync(c->j, lsn);
	}
	return NULL;
}

START_TEST(a_cancelled_thread_appends_all_the_same)
{
	static const char *const drivers[] = { "caller", "thread", "loop" };
	struct jnl_env env = { .choice = &choice_dsync };

	for (int d = 0; d < 3; d++) {
		struct journal_options o = JOURNAL_OPTIONS_INIT;
		struct cancelled c = { 0 };
		pthread_t t;

		setup();
		o.flags = JOURNAL_CREATE;
		o.segment_size = SMALL;
		o.driver = drivers[d];
		ck_assert_int_eq(jnl_open(&c.j, path, &o, &env), 0);
		ck_assert_int_eq(pthread_create(&t, NULL, append_cancelled,
						&c), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		ck_assert_int_eq(c.appended, CANCELLED_COUNT);
		ck_assert_int_eq(journal_commit(c.j, NULL, 0, NULL), 0);
		ck_assert_int_eq(journal_close(c.j), 0);
		teardown();
	}
}
END_TEST

/*
 * A writer that dies, and leaves somebody behind who has its lock until the
 * descriptor that is returned is closed: as a ring has it whose last write has
 * not landed.
 */
static int die_with_the_lock_held(void)
{
	int status, until[2];
	journal *j;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(until), 0);
	pid = fork();
	if (!pid) {
		if (open_with(&j, &choice_dsync, NULL) ||
		    journal_commit(j, NULL, 0, NULL))
			_exit(1);
		if (!fork()) {
			close(until[1]);
			_exit(read(until[0], &c, 1) ? 1 : 0);
		}
		kill(getpid(), SIGKILL);
	}
	close(until[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	return until[1];
}

static void *let_go_later(void *arg)
{
	usleep(400000);
	close(*(int *)arg);
	return NULL;
}

START_TEST(the_lock_of_a_dead_writer_is_waited_for)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	pid_t pid = 0;
	pthread_t t;
	journal *j;
	int held;

	setup();
	held = die_with_the_lock_held();
	ck_assert_int_eq(journal_lock_holder(path, &pid), 0);
	ck_assert_int_ne(pid, 0);
	ck_assert_int_eq(pthread_create(&t, NULL, let_go_later, &held), 0);
	/* a reader does not take it for a writer at work */
	o.flags = JOURNAL_READ_ONLY;
	ck_assert_int_eq(journal_open(&j, path, &o), 0);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_uint_eq(info.writer, 0);
	ck_assert_int_eq(journal_close(j), 0);
	pthread_join(t, NULL);
	held = die_with_the_lock_held();
	ck_assert_int_eq(pthread_create(&t, NULL, let_go_later, &held), 0);
	ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
	pthread_join(t, NULL);
	ck_assert_int_eq(journal_commit(j, NULL, 0, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * io_uring refused
 */

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

/* Everything works by pwritev2, and the trail has words for the reason. */
static void works_without(const char *why)
{
	struct appender a[THREADS];
	journal *j;

	ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
	ck_assert_str_eq(carrier_of(j), "pwritev2");
	ck_assert_msg(strstr(trail_of(j), why) != NULL, "%s", trail_of(j));
	append_from_many(j, a);
	ck_assert_int_eq(journal_close(j), 0);
	check_records(a);
}

/* In a process of its own, for a filter stays. */
static void in_a_child(void (*fn)(int), int arg)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		fn(arg);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void without_by_filter(int err)
{
	char why[128];

	refuse_ring(err);
	(void)snprintf(why, sizeof(why), "io_uring_setup: %s",
		       strerrordesc_np(err));
	works_without(why);
}

/* With a probe behind it, the trail names the fact and what would help. */
static void told_by_the_probe(int err)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &f.sys };
	journal *j;

	refuse_ring(err);
	/* It may lie in memory. */
	o.flags = JOURNAL_CREATE | JOURNAL_VOLATILE;
	o.segment_size = SMALL;
	o.driver = "thread";
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	ck_assert_msg(strstr(trail_of(j), "kernel.seccomp=filter: ") != NULL,
		      "%s", trail_of(j));
	ck_assert_msg(strstr(trail_of(j), "; let the filter pass") != NULL,
		      "%s", trail_of(j));
	ck_assert_int_eq(journal_close(j), 0);
}

START_TEST(a_seccomp_filter_that_refuses_the_ring_is_survived_and_told)
{
	static const int errnos[] = { EPERM, ENOSYS };

	for (int i = 0; i < 2; i++) {
		setup();
		in_a_child(without_by_filter, errnos[i]);
		teardown();
		setup();
		in_a_child(told_by_the_probe, errnos[i]);
		teardown();
	}
}
END_TEST

static void without_memlock(int arg)
{
	struct rlimit none = { 0, 0 };
	journal *j;

	(void)arg;
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	ck_assert_int_eq(setgid(65534), 0);
	ck_assert_int_eq(setuid(65534), 0);
	ck_assert_int_eq(open_with(&j, &choice_dsync, NULL), 0);
	/* Some kernels refuse the ring, newer ones only to pin buffers. */
	ck_assert_msg(strstr(trail_of(j), strerrordesc_np(ENOMEM)) != NULL,
		      "%s", trail_of(j));
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(journal_commit(j, NULL, 0, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
}

START_TEST(a_user_who_may_lock_no_memory_goes_on_without_registered_buffers)
{
	if (getuid()) {
		fprintf(stderr, "not tried as another user: not root\n");
		return;
	}
	setup();
	ck_assert_int_eq(chown(dir, 65534, 65534), 0);
	in_a_child(without_memlock, 0);
	teardown();
}
END_TEST

#define SYSCTL "/proc/sys/kernel/io_uring_disabled"

static bool set_sysctl(const char *value)
{
	FILE *file = fopen(SYSCTL, "w");
	bool ok = file && fputs(value, file) >= 0;

	return file && !fclose(file) && ok;
}

static void without_by_sysctl(int arg)
{
	(void)arg;
	works_without("io_uring_setup: ");
}

START_TEST(the_sysctl_that_refuses_the_ring_is_survived_and_told)
{
	char was[8] = "";
	FILE *file = fopen(SYSCTL, "r");
	int status;
	pid_t pid;

	if (!file)
		return;
	ck_assert_ptr_nonnull(fgets(was, sizeof(was), file));
	fclose(file);
	if (!getenv("JOURNAL_TEST_SYSCTL") || !set_sysctl("2")) {
		fprintf(stderr, "not tried: the whole machine would be without "
			"io_uring: set JOURNAL_TEST_SYSCTL, as root\n");
		return;
	}
	setup();
	pid = fork();
	if (!pid) {
		without_by_sysctl(0);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(set_sysctl(was));
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	teardown();
}
END_TEST

static bool have_ring(void)
{
	struct jnl_sys *sys = jnl_sys_linux();
	struct jnl_ring_report report;
	struct jnl_ring_config cfg = { .entries = 1, .lock_fd = 0 };
	struct jnl_ring *ring;
	int ret = jnl_ring_open(&ring, sys, &cfg, &report);

	if (!ret)
		jnl_ring_close(ring, true);
	else
		fprintf(stderr, "no io_uring here: %s\n", strerror(-ret));
	return !ret;
}

int main(void)
{
	const TTest *const tests[] = {
		many_threads_commit_over_many_segments,
		the_carrier_is_the_ring_for_direct_writes_and_said,
		a_close_drains_what_was_appended,
		an_error_for_good_is_everybody_s_and_nothing_acknowledged_goes,
		a_ring_that_breaks_gives_way_to_pwritev2,
		a_lost_ring_ends_the_journal_and_nothing_acknowledged_goes,
		a_child_of_fork_is_told_and_can_let_go,
		a_cancelled_thread_leaves_the_journal_usable,
		a_cancelled_thread_appends_all_the_same,
		the_lock_of_a_dead_writer_is_waited_for,
		a_seccomp_filter_that_refuses_the_ring_is_survived_and_told,
		a_user_who_may_lock_no_memory_goes_on_without_registered_buffers,
		the_sysctl_that_refuses_the_ring_is_survived_and_told,
	};

	if (!have_ring())
		return 77;
	return run_suite("thread", tests, sizeof(tests) / sizeof(tests[0]), 120);
}
