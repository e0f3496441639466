/*
 * Flush on an NVMe namespace's generic device, by ioctl and by a ring, and
 * writes that are all or nothing: what lib/ does with every answer.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/file.h"
#include "lib/nvme.h"
#include "lib/ring.h"
#include "tests/lib/drive.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define BLOCK	4096u
#define ENTRIES	8u

static struct drive drive;
static struct fault f;
static struct jnl_ring *ring;
static struct jnl_ring_report report;
static struct jnl_ring_file file;
static struct jnl_nvme nvme;
static char *dir, *name;
static uint8_t *memory;

static void setup(void)
{
	drive_init(&drive);
	fault_init(&f, &drive.sys);
	dir = scratch_make(false);
	name = scratch_path(dir, "file");
	file.fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	file.generation = 1;
	ck_assert_int_ge(file.fd, 0);
	memory = jnl_buffer_alloc(BLOCK);
	memset(memory, 0x5a, BLOCK);
	ck_assert_int_eq(jnl_nvme_open(&nvme, &f.sys, DRIVE_NODE, DRIVE_MAJOR,
				       DRIVE_MINOR), 0);
}

static void teardown(void)
{
	jnl_ring_close(ring, true);
	ring = NULL;
	jnl_nvme_close(&nvme, &f.sys);
	jnl_buffer_free(memory, BLOCK);
	close(file.fd);
	free(name);
	scratch_remove(dir);
}

/* How far a refusal of the larger entries goes; 0: none. */
static void open_ring(unsigned long refusals)
{
	struct jnl_ring_config cfg = {
		.entries = ENTRIES, .lock_fd = file.fd, .device = true,
		.device_fd = nvme.fd,
	};

	if (refusals)
		fault_set(&f, FAULT_RING_SETUP, 1, refusals, -EINVAL);
	ck_assert_int_eq(jnl_ring_open(&ring, &f.sys, &cfg, &report), 0);
	ck_assert_int_eq(jnl_ring_enable(ring, &report), 0);
}

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

static int finish(void)
{
	void *tag;
	int err;

	ck_assert_int_eq(jnl_ring_wait(ring), 0);
	ck_assert(jnl_ring_reap(ring, &tag, &err));
	return err;
}

START_TEST(the_device_has_to_be_the_one_that_is_meant)
{
	struct jnl_nvme n = { .fd = 99, .nsid = 99 };
	unsigned long closed;

	setup();
	ck_assert_uint_eq(nvme.nsid, DRIVE_NSID);
	closed = f.calls[FAULT_CLOSE];
	ck_assert_int_eq(jnl_nvme_open(&n, &f.sys, DRIVE_NODE, DRIVE_MAJOR,
				       DRIVE_MINOR + 1), -ENODEV);
	ck_assert_int_eq(jnl_nvme_open(&n, &f.sys, DRIVE_NODE, DRIVE_MAJOR + 1,
				       DRIVE_MINOR), -ENODEV);
	/* a file, and a directory, are no device */
	ck_assert_int_eq(jnl_nvme_open(&n, &f.sys, name, 0, 0), -ENODEV);
	ck_assert_int_eq(jnl_nvme_open(&n, &f.sys, dir, 0, 0), -EISDIR);
	drive.nsid = -ENOTTY;
	ck_assert_int_eq(jnl_nvme_open(&n, &f.sys, DRIVE_NODE, DRIVE_MAJOR,
				       DRIVE_MINOR), -ENOTTY);
	fault_set(&f, FAULT_FSTAT, 1, 1, -EIO);
	ck_assert_int_eq(jnl_nvme_open(&n, &f.sys, DRIVE_NODE, DRIVE_MAJOR,
				       DRIVE_MINOR), -EIO);
	ck_assert_uint_eq(f.calls[FAULT_CLOSE] - closed, 5);
	drive.opens = -EACCES;
	ck_assert_int_eq(jnl_nvme_open(&n, &f.sys, DRIVE_NODE, DRIVE_MAJOR,
				       DRIVE_MINOR), -EACCES);
	ck_assert_int_eq(n.fd, 99);
	ck_assert_uint_eq(n.nsid, 99);
	teardown();
}
END_TEST

START_TEST(the_kernel_says_that_a_file_is_no_namespace)
{
	struct jnl_sys *sys = jnl_sys_linux();
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(sys->nvme_id(sys, fd), -ENOTTY);
	ck_assert_int_eq(sys->nvme_flush(sys, fd, 1), -ENOTTY);
	close(fd);
	ck_assert_int_eq(sys->nvme_flush(sys, fd, 1), -EBADF);
}
END_TEST

START_TEST(only_what_was_never_sent_was_refused)
{
	static const int refused[] = { -EACCES, -EPERM, -ENOTTY, -ENOSYS,
				       -EOPNOTSUPP, -EINVAL, -EBADF };
	/* cancelled, timed out, gone: it may have reached the drive */
	static const int failed[] = { -EINTR, -EIO, -ENODEV, -ENXIO,
				      -ETIMEDOUT, -ENOLINK, -EAGAIN, -ENOMEM,
				      -EREMOTEIO, 0, 1, 0x4004 };

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		ck_assert(jnl_nvme_refused(refused[i]));
	for (size_t i = 0; i < sizeof(failed) / sizeof(*failed); i++)
		ck_assert(!jnl_nvme_refused(failed[i]));
}
END_TEST

START_TEST(commands_go_with_writes_and_flushes_on_one_ring)
{
	unsigned long commands = 0, seen = 0;
	void *tag;
	int err;

	setup();
	open_ring(0);
	if (report.device_err) {
		fprintf(stderr, "no larger entries here: %s\n",
			strerror(-report.device_err));
		teardown();
		return;
	}
	/* often enough for every entry to have been each of them */
	for (uintptr_t i = 0; i < 20 * ENTRIES; i++) {
		if (i % 3 == 0)
			ck_assert_int_eq(jnl_ring_write(ring, file, memory,
				BLOCK, i * BLOCK, 0, BLOCK, (void *)i), 0);
		else if (i % 3 == 1)
			ck_assert_int_eq(jnl_ring_flush(ring, file, true,
							(void *)i), 0);
		else
			ck_assert_int_eq(jnl_ring_device_flush(ring,
				DRIVE_NSID, (void *)i), 0);
		commands += i % 3 == 2;
		if (jnl_ring_in_flight(ring) < 5)
			continue;
		ck_assert_int_eq(jnl_ring_wait(ring), 0);
		while (jnl_ring_reap(ring, &tag, &err)) {
			ck_assert_int_eq(err, 0);
			seen++;
		}
	}
	while (jnl_ring_in_flight(ring)) {
		ck_assert_int_eq(finish(), 0);
		seen++;
	}
	ck_assert_uint_eq(seen, 20 * ENTRIES);
	ck_assert_uint_eq(drive.commands, commands);
	ck_assert_uint_eq(drive.flushes, commands);
	teardown();
}
END_TEST

START_TEST(a_command_ends_with_what_the_drive_said_and_is_not_asked_again)
{
	static const struct { int says, told; } ends[] = {
		{ 0, 0 }, { 1, JNL_RING_STATUS + 1 },
		{ 0x4004, JNL_RING_STATUS + 0x4004 }, { -EIO, -EIO },
		{ -EINTR, -EINTR }, { -EAGAIN, -EAGAIN },
		{ -EOPNOTSUPP, -EOPNOTSUPP }, { -ENODEV, -ENODEV },
	};

	setup();
	open_ring(0);
	for (size_t i = 0; !report.device_err &&
	     i < sizeof(ends) / sizeof(*ends); i++) {
		drive.by_ring = ends[i].says;
		drive.commands = 0;
		ck_assert_int_eq(jnl_ring_device_flush(ring, DRIVE_NSID, NULL),
				 0);
		ck_assert_int_eq(finish(), ends[i].told);
		ck_assert_uint_eq(drive.commands, 1);
	}
	teardown();
}
END_TEST

START_TEST(a_ring_that_takes_no_commands_still_carries_writes)
{
	setup();
	/* the four sets of flags, each with larger entries */
	open_ring(5);
	ck_assert_int_eq(report.device_err, -EINVAL);
	ck_assert_uint_eq(report.steps, 1);
	ck_assert_int_eq(report.step[0].err, 0);
	ck_assert_int_eq(jnl_ring_device_flush(ring, DRIVE_NSID, NULL),
			 -EOPNOTSUPP);
	ck_assert_int_eq(jnl_ring_write(ring, file, memory, BLOCK, 0, 0, BLOCK,
					NULL), 0);
	ck_assert_int_eq(finish(), 0);
	ck_assert_uint_eq(drive.commands, 0);
	teardown();
}
END_TEST

START_TEST(the_flags_of_a_ring_for_commands_are_the_kernels)
{
	setup();
	open_ring(0);
	if (!report.device_err) {
		ck_assert(report.flags & (1u << 10));
		ck_assert(report.flags & (1u << 11));
	}
	teardown();
}
END_TEST

START_TEST(a_part_of_an_atomic_write_is_a_failure)
{
	setup();
	fault_set(&f, FAULT_PWRITE, 1, 1, 0);
	f.short_to = 512;
	ck_assert_int_eq(jnl_write_full(&f.sys, file.fd, memory, BLOCK, 0,
					RWF_DSYNC | RWF_ATOMIC, 512),
			 -EIO);
	ck_assert_uint_eq(f.calls[FAULT_PWRITE], 1);
	teardown();
}
END_TEST

START_TEST(a_part_of_an_atomic_write_on_a_ring_is_a_failure)
{
	setup();
	open_ring(0);
	/* what the kernel says to the flag is overruled */
	f.calls[FAULT_RING_RESULT] = 0;
	fault_set(&f, FAULT_RING_RESULT, 1, ~0ul, 512);
	ck_assert_int_eq(jnl_ring_write(ring, file, memory, BLOCK, 0,
					RWF_DSYNC | RWF_ATOMIC, 512, NULL), 0);
	ck_assert_int_eq(finish(), -EIO);
	ck_assert_uint_eq(f.calls[FAULT_RING_RESULT], 1);
	teardown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_device_has_to_be_the_one_that_is_meant,
		the_kernel_says_that_a_file_is_no_namespace,
		only_what_was_never_sent_was_refused,
		a_part_of_an_atomic_write_is_a_failure,
		a_part_of_an_atomic_write_on_a_ring_is_a_failure,
		commands_go_with_writes_and_flushes_on_one_ring,
		a_command_ends_with_what_the_drive_said_and_is_not_asked_again,
		a_ring_that_takes_no_commands_still_carries_writes,
		the_flags_of_a_ring_for_commands_are_the_kernels,
	};
	/* The first four need no ring. */
	size_t n = have_ring() ? sizeof(tests) / sizeof(tests[0]) : 4;

	return run_suite("nvme", tests, n, 60);
}
