/*
 * The ring of journal_read_many(): lost in the middle, and on a block device.
 *
 * A read that never comes back is one of a pipe that nobody writes to, which is
 * registered in the place of a segment.
 */
#include "config.h"

#include <liburing.h>
#include <sys/mman.h>

#include "tests/unit/raw.h"

#define RECORDS	120
#define LONGEST	9100

static char text[RECORDS][LONGEST];
static struct journal_read asked[RECORDS];

/* What becomes of the ring, once it is armed. */
static struct {
	bool armed;
	int stuck_from;		/* files, from this one on; 1 is the first */
	int files;
	unsigned int fails_from; /* calls of io_uring_enter(2), likewise */
	unsigned int enters;
	bool taken;		/* ... the kernel having taken what there is */
	int err;
	int pipe[2];
	uint8_t *into;		/* where the reads were told to put it */
} lose;

static int stuck_register(struct jnl_sys *s, int fd, unsigned int opcode,
			  const void *arg, unsigned int n)
{
	struct jnl_sys *to = ((struct fault *)s)->base;
	struct io_uring_files_update u;
	int32_t value;

	if (opcode != IORING_REGISTER_FILES_UPDATE || !lose.armed)
		return to->ring_register(to, fd, opcode, arg, n);
	memcpy(&u, arg, sizeof(u));
	memcpy(&value, (const void *)(uintptr_t)u.fds, sizeof(value));
	if (value < 0 || ++lose.files < lose.stuck_from)
		return to->ring_register(to, fd, opcode, arg, n);
	value = lose.pipe[0];
	u.fds = (uint64_t)(uintptr_t)&value;
	return to->ring_register(to, fd, opcode, &u, n);
}

/* The lowest address that a read in the ring's memory is for. */
static uint8_t *find_buffer(int fd)
{
	size_t len = 64 * sizeof(struct io_uring_sqe);
	struct io_uring_sqe *sqe = mmap(NULL, len, PROT_READ, MAP_SHARED, fd,
					IORING_OFF_SQES);
	uint64_t low = 0;

	ck_assert_ptr_ne(sqe, MAP_FAILED);
	for (int i = 0; i < 64; i++) {
		if (sqe[i].opcode == IORING_OP_READ &&
		    (!low || sqe[i].addr < low))
			low = sqe[i].addr;
	}
	ck_assert_int_eq(munmap(sqe, len), 0);
	return (uint8_t *)(uintptr_t)low;
}

static int failing_enter(struct jnl_sys *s, int fd, unsigned int submit,
			 unsigned int wait, unsigned int flags)
{
	struct fault *f = (struct fault *)s;
	struct jnl_sys *to = f->base;

	f->calls[FAULT_RING_ENTER]++;
	if (!lose.armed)
		return to->ring_enter(to, fd, submit, wait, flags);
	if (!lose.enters)
		lose.into = find_buffer(fd);
	if (++lose.enters < lose.fails_from)
		return to->ring_enter(to, fd, submit, wait, flags);
	if (lose.taken && submit)
		(void)to->ring_enter(to, fd, submit, 0, 0);
	return lose.err;
}

static void use_directory(void)
{
	ck_assert_int_eq(unlink(path), 0);
	fault_init(&fault, jnl_sys_linux());
}

static void begin(void)
{
	setup();
	make(32);
	memset(&lose, 0, sizeof(lose));
	lose.pipe[0] = lose.pipe[1] = -1;
}

static void end(void)
{
	for (int i = 0; i < 2; i++) {
		if (lose.pipe[i] >= 0)
			(void)close(lose.pipe[i]);
	}
	teardown();
}

static journal_reader *open_reader(void)
{
	struct jnl_env env = { .sys = &fault.sys };
	journal_reader *r;

	ck_assert_int_eq(jnl_reader_open(&r, path, 0, &error, &env), 0);
	return r;
}

/* All of them, the last one first; from the first-th on they are there. */
static void read_all(journal_reader *r, int first)
{
	char expected[LONGEST];

	for (int i = 0; i < appended; i++) {
		asked[i] = (struct journal_read){
			.lsn = lsn_of[appended - 1 - i], .buf = text[i],
			.cap = sizeof(text[i]),
		};
	}
	ck_assert_int_eq(journal_read_many(r, asked, (size_t)appended),
			 appended - first);
	for (int i = 0; i < appended; i++) {
		int n = appended - 1 - i;

		ck_assert_int_eq(asked[i].err, n < first ? -ERANGE : 0);
		if (n < first)
			continue;
		payload(expected, sizeof(expected), n);
		ck_assert_uint_eq(asked[i].len, strlen(expected));
		ck_assert_mem_eq(text[i], expected, asked[i].len);
	}
}

/* ------------------------------------------------------------------------ */

/* Of the call in which the ring fails. */
static const struct {
	const char *what;
	int stuck_from;
	unsigned int fails_from;
	bool taken, lost;
	int err;
} losses[] = {
	{ "nothing is taken", 0, 1, false, false, -EBADR },
	{ "all is taken, nothing comes back", 1, 1, true, true, -EBADR },
	{ "some come back, others do not", 2, 2, false, true, -EBADR },
	{ "some come back, and the call is refused", 2, 2, false, true,
	  -EPERM },
};
#define LOSSES (int)(sizeof(losses) / sizeof(losses[0]))

static bool is_mapped(uint8_t *p)
{
	unsigned char in_core;

	return !mincore((void *)((uintptr_t)p & ~(uintptr_t)4095), 1,
			&in_core);
}

static void lose_ring(int i)
{
	unsigned long setups;
	journal_reader *r;
	int fds;

	ck_assert_int_eq(pipe2(lose.pipe, O_CLOEXEC), 0);
	fds = open_fds();
	r = open_reader();
	fault.sys.ring_register = stuck_register;
	fault.sys.ring_enter = failing_enter;
	read_all(r, 0);
	if (!fault.calls[FAULT_RING_ENTER]) {
		printf("test_read_ring: there is no ring to lose here\n");
		journal_reader_close(r);
		return;
	}
	setups = fault.calls[FAULT_RING_SETUP];
	lose.stuck_from = losses[i].stuck_from ? losses[i].stuck_from :
			  RECORDS;
	lose.fails_from = losses[i].fails_from;
	lose.taken = losses[i].taken;
	lose.err = losses[i].err;
	lose.armed = true;
	read_all(r, 0);
	lose.armed = false;
	ck_assert_uint_ge(lose.enters, lose.fails_from);
	/* Nobody asks for another one. */
	read_all(r, 0);
	ck_assert_uint_eq(fault.calls[FAULT_RING_SETUP], setups);
	journal_reader_close(r);
	ck_assert_int_eq(open_fds(), fds);
	/* The kernel may write there yet. */
	if (losses[i].lost)
		ck_assert_msg(is_mapped(lose.into), "%s", losses[i].what);
}

START_TEST(a_lost_ring_costs_no_record_and_keeps_its_memory)
{
	journal *j;

	if (_i >= LOSSES)
		use_directory();
	j = open_journal();
	put(j, 60);
	ck_assert_int_eq(journal_close(j), 0);
	lose_ring(_i % LOSSES);
}
END_TEST

/* ------------------------------------------------------------------------
 * On a block device
 */

START_TEST(records_of_a_device_are_read_with_and_without_a_ring)
{
	unsigned long by_calls = 0;
	journal_reader *r;
	journal *j;

	j = open_journal();
	put(j, RECORDS);
	ck_assert_int_eq(journal_close(j), 0);
	for (int ring = 0; ring < 2; ring++) {
		fault_init(&fault, &device.sys);
		if (!ring)
			fault_set(&fault, FAULT_RING_SETUP, 1, 1000, -ENOSYS);
		r = open_reader();
		read_all(r, 0);
		if (!ring)
			by_calls = fault.calls[FAULT_PREAD];
		/* Each record is a batch, and what the ring brings is it. */
		else if (fault.calls[FAULT_RING_ENTER])
			ck_assert_uint_le(fault.calls[FAULT_PREAD] + RECORDS,
					  by_calls);
		journal_reader_close(r);
	}
}
END_TEST

START_TEST(beside_the_writer_of_a_device_the_rest_is_told)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	journal_reader *r;
	int first = 0;
	journal *j;

	/* Slots are used again, so that a segment lies anywhere. */
	make(12);
	j = open_journal();
	put(j, 40);
	r = open_reader();
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(journal_trim(j, lsn_of[appended - 20]), 0);
		put(j, 20);
		/* What is durable is known by the next batch. */
		appended--;
		ck_assert_int_eq(journal_info(j, &info), 0);
		while (lsn_of[first] < info.first_lsn)
			first++;
		ck_assert_int_gt(first, 0);
		read_all(r, first);
		appended++;
	}
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("read_ring");
	TCase *tc = tcase_create("read_ring");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_loop_test(tc,
			    a_lost_ring_costs_no_record_and_keeps_its_memory, 0,
			    2 * LOSSES);
	tcase_add_test(tc,
		       records_of_a_device_are_read_with_and_without_a_ring);
	tcase_add_test(tc, beside_the_writer_of_a_device_the_rest_is_told);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
