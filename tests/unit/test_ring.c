/*
 * The ring of one owner thread: what it asks the kernel for, what it does with
 * short, failed and refused operations, and the lock that it keeps.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/file.h"
#include "lib/ring.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SQPOLL		(1u << 1)
#define R_DISABLED	(1u << 6)
#define SINGLE_ISSUER	(1u << 12)
#define DEFER_TASKRUN	(1u << 13)
#define BLOCK		4096u
#define ENTRIES		8u
#define MEMORY		(64 * BLOCK)

static char *dir, *file_name, *lock_name;
static int file_fd, lock_fd;
static uint8_t *memory;
static struct fault f;
static struct jnl_ring *ring;
static struct jnl_ring_report report;
static struct jnl_ring_file file;

static struct jnl_ring_config config(void)
{
	return (struct jnl_ring_config){
		.entries = ENTRIES, .lock_fd = lock_fd, .memory = memory,
		.memory_len = MEMORY,
	};
}

static void setup(void)
{
	dir = scratch_make(false);
	file_name = scratch_path(dir, "file");
	lock_name = scratch_path(dir, "lock");
	file_fd = open(file_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	lock_fd = open(lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(file_fd, 0);
	ck_assert_int_ge(lock_fd, 0);
	memory = jnl_buffer_alloc(MEMORY);
	for (size_t i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)(i / 7 + i / BLOCK);
	file = (struct jnl_ring_file){ .fd = file_fd, .generation = 1 };
	fault_init(&f, jnl_sys_linux());
}

static void teardown(void)
{
	jnl_ring_close(ring, true);
	ring = NULL;
	jnl_buffer_free(memory, MEMORY);
	close(file_fd);
	if (lock_fd >= 0)
		close(lock_fd);
	free(file_name);
	free(lock_name);
	scratch_remove(dir);
}

/* Whether this kernel lets us have a ring at all; says why not. */
static bool have_ring(void)
{
	struct io_uring_params p = { 0 };
	int fd = jnl_sys_linux()->ring_setup(jnl_sys_linux(), 4, &p);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	fprintf(stderr, "no io_uring here: %s\n", strerror(-fd));
	return false;
}

static int open_ring(const struct jnl_ring_config *cfg)
{
	int ret = jnl_ring_open(&ring, &f.sys, cfg, &report);

	return ret < 0 ? ret : jnl_ring_enable(ring, &report);
}

static void start(void)
{
	struct jnl_ring_config cfg;

	setup();
	cfg = config();
	ck_assert_int_eq(open_ring(&cfg), 0);
}

/* Start a write of len bytes of memory at the same place in the file. */
static void put(size_t at, size_t len, uintptr_t tag)
{
	ck_assert_int_eq(jnl_ring_write(ring, file, memory + at, len, at, 0,
					BLOCK, (void *)tag), 0);
}

/* Wait for the one operation in flight. */
static int finish(void)
{
	void *tag;
	int err;

	ck_assert_int_eq(jnl_ring_wait(ring), 0);
	ck_assert(jnl_ring_reap(ring, &tag, &err));
	return err;
}

static void is_written(size_t at, size_t len)
{
	uint8_t *back = malloc(len);

	ck_assert_int_eq(pread(file_fd, back, len, (off_t)at), (ssize_t)len);
	ck_assert_mem_eq(back, memory + at, len);
	free(back);
}

/* Whether somebody has the lock, asked by a descriptor of our own. */
static bool is_locked(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(lock_name, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(fcntl(fd, F_OFD_GETLK, &fl), 0);
	close(fd);
	return fl.l_type != F_UNLCK;
}

START_TEST(the_ring_has_the_flags_that_the_kernel_has)
{
	struct utsname u;
	int major = 0, minor = 0;

	start();
	ck_assert_int_eq(uname(&u), 0);
	ck_assert_int_eq(sscanf(u.release, "%d.%d", &major, &minor), 2);
	if (major > 6 || (major == 6 && minor >= 1)) {
		ck_assert_uint_eq(report.steps, 1);
		ck_assert(report.flags & SINGLE_ISSUER);
		ck_assert(report.flags & DEFER_TASKRUN);
	}
	ck_assert_ptr_null(report.refused);
	ck_assert_int_eq(report.step[report.steps - 1].err, 0);
	ck_assert_uint_eq(report.step[report.steps - 1].flags,
			  report.flags & 0xffff);
	teardown();
}
END_TEST

START_TEST(each_flag_that_is_refused_is_a_step_down_and_is_told)
{
	struct jnl_ring_config cfg;

	for (unsigned long refused = 1; refused <= 4; refused++) {
		setup();
		cfg = config();
		fault_set(&f, FAULT_RING_SETUP, 1, refused, -EINVAL);
		ck_assert_int_eq(open_ring(&cfg), 0);
		ck_assert_uint_eq(report.steps, refused + 1);
		for (unsigned long i = 0; i < refused; i++)
			ck_assert_int_eq(report.step[i].err, -EINVAL);
		ck_assert_int_eq(report.step[refused].err, 0);
		ck_assert(!(report.flags & DEFER_TASKRUN));
		ck_assert((refused < 2) == !!(report.flags & SINGLE_ISSUER));
		put(0, BLOCK, 1);
		ck_assert_int_eq(finish(), 0);
		is_written(0, BLOCK);
		teardown();
	}
	setup();
	cfg = config();
	fault_set(&f, FAULT_RING_SETUP, 1, ~0ul, -EINVAL);
	ck_assert_int_eq(open_ring(&cfg), -EINVAL);
	ck_assert_uint_eq(report.steps, 5);
	ck_assert_str_eq(report.refused, "io_uring_setup");
	teardown();
}
END_TEST

START_TEST(a_ring_that_is_not_allowed_is_not_asked_for_twice)
{
	static const int errnos[] = { -EPERM, -ENOSYS, -ENOMEM, -EMFILE };
	struct jnl_ring_config cfg;

	for (size_t i = 0; i < 4; i++) {
		setup();
		cfg = config();
		fault_set(&f, FAULT_RING_SETUP, 1, ~0ul, errnos[i]);
		ck_assert_int_eq(open_ring(&cfg), errnos[i]);
		ck_assert_uint_eq(report.steps, 1);
		ck_assert_int_eq(report.err, errnos[i]);
		teardown();
	}
}
END_TEST

START_TEST(polling_is_an_option_and_falls_back)
{
	struct jnl_ring_config cfg;

	for (int refuse = 0; refuse < 2; refuse++) {
		setup();
		cfg = config();
		cfg.sqpoll = true;
		if (refuse)
			fault_set(&f, FAULT_RING_SETUP, 1, 1, -EPERM);
		ck_assert_int_eq(open_ring(&cfg), 0);
		ck_assert(report.step[0].flags & SQPOLL);
		if (refuse) {
			ck_assert_int_eq(report.step[0].err, -EPERM);
			ck_assert_uint_ge(report.steps, 2);
		} else if (!report.step[0].err) {
			ck_assert(report.flags & SQPOLL);
		}
		for (uintptr_t i = 0; i < 40; i++) {
			put(i * BLOCK, BLOCK, i);
			ck_assert_int_eq(finish(), 0);
		}
		is_written(0, 40 * BLOCK);
		teardown();
	}
}
END_TEST

START_TEST(what_cannot_be_registered_is_told_and_only_the_lock_is_needed)
{
	struct jnl_ring_config cfg;

	/* the lock, the buffers, enabling */
	for (unsigned long at = 1; at <= 3; at++) {
		setup();
		cfg = config();
		fault_set(&f, FAULT_RING_REGISTER, at, 1, -ENOMEM);
		ck_assert_int_eq(open_ring(&cfg), at == 2 ? 0 : -ENOMEM);
		ck_assert_uint_eq(f.hit, 1);
		if (at == 1)
			ck_assert_str_eq(report.refused, "registering the lock");
		if (at == 2) {
			ck_assert_int_eq(report.buffers_err, -ENOMEM);
			put(0, BLOCK, 1);
			ck_assert_int_eq(finish(), 0);
			is_written(0, BLOCK);
		}
		teardown();
	}
	setup();
	cfg = config();
	fault_set(&f, FAULT_RING_RESULT, 1, 1, -EIO);
	ck_assert_int_eq(open_ring(&cfg), -EIO);
	ck_assert_str_eq(report.refused, "a NOP on the ring");
	teardown();
}
END_TEST

START_TEST(many_writes_are_in_flight_and_each_comes_back_once)
{
	bool seen[64] = { false };
	uint32_t started = 0, ended = 0;

	start();
	while (ended < 64) {
		void *tag;
		int err;

		/* as many as there is room for: the queue is full */
		for (; started < 64 && jnl_ring_in_flight(ring) < ENTRIES;
		     started++)
			put(started * BLOCK, BLOCK, started);
		ck_assert_int_eq(jnl_ring_wait(ring), 0);
		while (jnl_ring_reap(ring, &tag, &err)) {
			ck_assert_int_eq(err, 0);
			ck_assert(!seen[(uintptr_t)tag]);
			seen[(uintptr_t)tag] = true;
			ended++;
		}
	}
	ck_assert_uint_eq(jnl_ring_in_flight(ring), 0);
	is_written(0, 64 * BLOCK);
	teardown();
}
END_TEST

START_TEST(a_short_write_goes_on_and_is_never_taken_as_done)
{
	static const size_t lengths[] = { 1, 512, BLOCK, 5000, 3 * BLOCK };

	for (size_t i = 0; i < 5; i++) {
		start();
		/* as if nothing had been there */
		ck_assert_int_eq(ftruncate(file_fd, 0), 0);
		fault_set(&f, FAULT_RING_RESULT, 1, 2, 0);
		f.short_to = lengths[i];
		put(0, 8 * BLOCK, 1);
		ck_assert_int_eq(finish(), 0);
		ck_assert_uint_eq(f.calls[FAULT_RING_RESULT], 1 + 3);
		is_written(0, 8 * BLOCK);
		/* no progress for ever is an error */
		fault_set(&f, FAULT_RING_RESULT, 1, ~0ul, 0);
		f.short_to = lengths[i];
		put(8 * BLOCK, 8 * BLOCK, 1);
		ck_assert_int_eq(finish(), lengths[i] < BLOCK ? -EIO : 0);
		teardown();
	}
}
END_TEST

START_TEST(a_failed_operation_ends_with_its_error)
{
	start();
	fault_set(&f, FAULT_RING_RESULT, 1, 1, -ENOSPC);
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), -ENOSPC);
	fault_set(&f, FAULT_RING_RESULT, 1, 3, -EINTR);
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), 0);
	fault_set(&f, FAULT_RING_RESULT, 1, 1, -EINTR);
	ck_assert_int_eq(jnl_ring_flush(ring, file, true, NULL), 0);
	ck_assert_int_eq(finish(), -EINTR);
	ck_assert_int_eq(jnl_ring_flush(ring, file, false, NULL), 0);
	ck_assert_int_eq(finish(), 0);
	/* the kernel's own: the file is not open for writing */
	file.fd = open(file_name, O_RDONLY | O_CLOEXEC);
	file.generation++;
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), -EBADF);
	close(file.fd);
	teardown();
}
END_TEST

START_TEST(a_generation_and_not_a_number_says_which_file_is_meant)
{
	uint8_t *other_name, back[BLOCK];
	int fd, number;

	start();
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), 0);
	/* the number goes to another file */
	other_name = (uint8_t *)scratch_path(dir, "other");
	fd = open((char *)other_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	number = dup(file_fd);
	ck_assert_int_eq(dup2(fd, file.fd), file.fd);
	file.generation++;
	put(BLOCK, BLOCK, 1);
	ck_assert_int_eq(finish(), 0);
	ck_assert_int_eq(pread(fd, back, BLOCK, BLOCK), BLOCK);
	ck_assert_mem_eq(back, memory + BLOCK, BLOCK);
	ck_assert_int_eq(lseek(number, 0, SEEK_END), BLOCK);
	/* many files: the slots are used again */
	for (uint64_t g = 100; g < 100 + 5 * ENTRIES; g++) {
		file.generation = g;
		put(0, BLOCK, 1);
		ck_assert_int_eq(finish(), 0);
	}
	close(fd);
	close(number);
	free(other_name);
	teardown();
}
END_TEST

START_TEST(a_file_that_is_not_kept_is_let_go_of)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct jnl_ring_file other;
	uint64_t live = 7;

	start();
	other = file;
	/* a lock of its own shows whether the file is still open */
	file.fd = open(lock_name, O_RDWR | O_CLOEXEC);
	file.generation = 7;
	ck_assert_int_eq(fcntl(file.fd, F_OFD_SETLK, &fl), 0);
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), 0);
	close(file.fd);
	jnl_ring_keep(ring, &live, 1);
	usleep(20000);
	ck_assert(is_locked());
	jnl_ring_keep(ring, NULL, 0);
	/* A write that a kernel thread carried may hold the file until the
	 * ring is entered again. */
	file = other;
	for (int i = 0; is_locked(); i++) {
		ck_assert_int_lt(i, 1000);
		usleep(10000);
		put(0, BLOCK, 1);
		ck_assert_int_eq(finish(), 0);
	}
	teardown();
}
END_TEST

START_TEST(what_the_kernel_has_not_seen_may_be_done_in_another_way)
{
	void *tag;
	int err, undone = 0;

	start();
	fault_set(&f, FAULT_RING_ENTER, 1, 1, -EINTR);
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), 0);
	ck_assert_int_eq(jnl_ring_broken(ring), 0);
	fault_set(&f, FAULT_RING_ENTER, 1, 1, -EIO);
	put(0, BLOCK, 1);
	put(BLOCK, BLOCK, 2);
	ck_assert_int_eq(jnl_ring_wait(ring), 0);
	while (jnl_ring_reap(ring, &tag, &err)) {
		ck_assert_int_eq(err, JNL_RING_UNDONE);
		undone++;
	}
	ck_assert_int_eq(undone, 2);
	ck_assert_int_eq(jnl_ring_broken(ring), -EIO);
	ck_assert_int_eq(jnl_ring_write(ring, file, memory, BLOCK, 0, 0, BLOCK,
					NULL), -EIO);
	teardown();
}
END_TEST

START_TEST(what_the_kernel_has_seen_is_waited_for)
{
	start();
	/* entered, and said to have failed */
	fault_set(&f, FAULT_RING_ENTER, 1, 1, -EIO);
	f.after = true;
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), 0);
	is_written(0, BLOCK);
	teardown();
}
END_TEST

START_TEST(a_ring_that_is_released_holds_nothing_and_starts_nothing)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	start();
	ck_assert_int_eq(fcntl(lock_fd, F_OFD_SETLK, &fl), 0);
	close(lock_fd);
	lock_fd = -1;
	/* with something in flight it keeps what it has */
	put(0, BLOCK, 1);
	jnl_ring_release(ring);
	ck_assert(is_locked());
	ck_assert_int_eq(finish(), 0);
	jnl_ring_release(ring);
	ck_assert(!is_locked());
	ck_assert_int_lt(jnl_ring_write(ring, file, memory, BLOCK, 0, 0, BLOCK,
					NULL), 0);
	teardown();
}
END_TEST

START_TEST(the_lock_is_held_until_the_ring_is_gone)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	start();
	ck_assert_int_eq(fcntl(lock_fd, F_OFD_SETLK, &fl), 0);
	close(lock_fd);
	lock_fd = -1;
	ck_assert(is_locked());
	put(0, BLOCK, 1);
	ck_assert_int_eq(finish(), 0);
	ck_assert(is_locked());
	jnl_ring_close(ring, true);
	ring = NULL;
	for (int i = 0; is_locked(); i++) {
		ck_assert_int_lt(i, 1000);
		usleep(10000);
	}
	teardown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_ring_has_the_flags_that_the_kernel_has,
		each_flag_that_is_refused_is_a_step_down_and_is_told,
		a_ring_that_is_not_allowed_is_not_asked_for_twice,
		polling_is_an_option_and_falls_back,
		what_cannot_be_registered_is_told_and_only_the_lock_is_needed,
		many_writes_are_in_flight_and_each_comes_back_once,
		a_short_write_goes_on_and_is_never_taken_as_done,
		a_failed_operation_ends_with_its_error,
		a_generation_and_not_a_number_says_which_file_is_meant,
		a_file_that_is_not_kept_is_let_go_of,
		what_the_kernel_has_not_seen_may_be_done_in_another_way,
		what_the_kernel_has_seen_is_waited_for,
		a_ring_that_is_released_holds_nothing_and_starts_nothing,
		the_lock_is_held_until_the_ring_is_gone,
	};

	if (!have_ring())
		return 77;
	return run_suite("ring", tests, sizeof(tests) / sizeof(tests[0]), 60);
}
