/*
 * The loop driver: an event loop that nothing blocks, with a ring and without,
 * and an eventfd that rings whenever there is something to see.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/core.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u
#define PATIENCE_MS 20000

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

static const struct jnl_choice *const choices[] = {
	&choice_dsync, &choice_flush, &choice_buffered,
};

static journal *open_loop(const struct jnl_choice *choice, const char *carrier)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	struct jnl_env env = { .sys = &f.sys, .choice = choice };
	journal *j;
	int ret;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.driver = "loop";
	o.carrier = carrier;
	o.error = &error;
	ret = jnl_open(&j, path, &o, &env);
	ck_assert_msg(!ret, "%d: %s", ret, error.message);
	return j;
}

static struct journal_info info_of(journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	return info;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		ret = poll(&p, 1, timeout_ms);
	} while (ret < 0 && errno == EINTR);
	return ret == 1;
}

/* One turn of a loop: wait for the descriptor, and look. */
static uint64_t turn(journal *j)
{
	uint64_t frontier;

	ck_assert(readable(journal_eventfd(j), PATIENCE_MS));
	ck_assert_int_eq(journal_durable(j, &frontier), 0);
	return frontier;
}

/* The n-th record. */
static size_t payload(char text[700], int n)
{
	return (size_t)snprintf(text, 700, "%d%*s", n, n * 37 % 600, "");
}

static int append(journal *j, int n, uint64_t *ret_lsn)
{
	char text[700];
	struct iovec iov = { text, payload(text, n) };

	return journal_append(j, &iov, 1, ret_lsn);
}

/* Records 0 to count - 1 are there, and no others. */
static void check_records(int count)
{
	struct journal_record rec;
	journal_reader *r;
	char text[700];
	int n = 0, ret;

	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		ck_assert_uint_eq(rec.len, payload(text, n));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(n, count);
	journal_reader_close(r);
}

/*
 * Append count records, no more than window of them not yet durable, and see
 * each become durable.
 */
static void run_loop(journal *j, int count, int window)
{
	uint64_t *lsn = calloc((size_t)count, sizeof(*lsn)), frontier = 0;
	int appended = 0, acked = 0, ret;

	while (acked < count) {
		while (appended < count && appended - acked < window) {
			ret = append(j, appended, &lsn[appended]);
			if (ret == -EAGAIN)
				break;
			ck_assert_int_eq(ret, 0);
			appended++;
		}
		ck_assert_int_eq(journal_submit(j), 0);
		frontier = turn(j);
		while (acked < appended && lsn[acked] < frontier)
			acked++;
	}
	free(lsn);
}

START_TEST(everything_becomes_durable_over_many_segments)
{
	static const char *const carriers[] = { NULL, "pwritev2" };
	static const int windows[] = { 1, 7, 300 };

	for (int c = 0; c < 3; c++) {
		for (int k = 0; k < 2; k++) {
			for (int w = 0; w < 3; w++) {
				journal *j;

				setup();
				j = open_loop(choices[c], carriers[k]);
				run_loop(j, 700, windows[w]);
				ck_assert_int_eq(journal_close(j), 0);
				check_records(700);
				teardown();
			}
		}
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
	teardown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		everything_becomes_durable_over_many_segments,
		the_carrier_is_the_ring_for_direct_writes_and_said,
	};

	return run_suite("loop", tests, sizeof(tests) / sizeof(tests[0]), 120);
}
