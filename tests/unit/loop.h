/*
 * tests/unit/loop.h - a journal under an event loop, for the tests of it.
 */
#ifndef TESTS_UNIT_LOOP_H
#define TESTS_UNIT_LOOP_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "journal/core.h"
#include "lib/ring.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL		65536u
#define PATIENCE_MS	20000
#define TEXT_MAX	700

static char *dir, *path;
static struct fault f;

static inline void setup_at(bool on_disk)
{
	dir = scratch_make(on_disk);
	path = scratch_path(dir, "journal");
	fault_init(&f, jnl_sys_linux());
}

static inline void setup(void)
{
	setup_at(false);
}

static inline void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static const struct jnl_choice *const choices[] = {
	&choice_dsync, &choice_flush, &choice_buffered,
};

static inline int try_open(journal **j, const struct jnl_choice *choice,
			   const char *carrier, bool no_helper)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &f.sys, .choice = choice,
			       .no_helper = no_helper };

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.driver = "loop";
	o.carrier = carrier;
	return jnl_open(j, path, &o, &env);
}

static inline journal *open_loop(const struct jnl_choice *choice,
				 const char *carrier)
{
	journal *j;

	ck_assert_int_eq(try_open(&j, choice, carrier, false), 0);
	return j;
}

static inline struct journal_info info_of(journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	return info;
}

static inline bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		ret = poll(&p, 1, timeout_ms);
	} while (ret < 0 && errno == EINTR);
	return ret == 1;
}

/* What is durable now. */
static inline uint64_t look(journal *j)
{
	uint64_t frontier = 0;

	ck_assert_int_eq(journal_durable(j, &frontier), 0);
	return frontier;
}

/* One turn of a loop: wait for the descriptor, and look. */
static inline uint64_t turn(journal *j)
{
	ck_assert(readable(journal_eventfd(j), PATIENCE_MS));
	return look(j);
}

/* The n-th record. */
static inline size_t payload(char text[TEXT_MAX], int n)
{
	return (size_t)snprintf(text, TEXT_MAX, "%d%*s", n, n * 37 % 600, "");
}

static inline int append(journal *j, int n, uint64_t *ret_lsn)
{
	char text[TEXT_MAX];
	struct iovec iov = { text, payload(text, n) };

	return journal_append(j, &iov, 1, ret_lsn);
}

/* Records 0 to at least - 1 are there, in order, and at most most. */
static inline int check_between(int at_least, int most)
{
	struct journal_record rec;
	journal_reader *r;
	char text[TEXT_MAX];
	int n = 0, ret;

	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		ck_assert_uint_eq(rec.len, payload(text, n));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_ge(n, at_least);
	ck_assert_int_le(n, most);
	journal_reader_close(r);
	return n;
}

static inline void check_records(int count)
{
	(void)check_between(count, count);
}

/* How to wait until there is something to see; false: too long. */
typedef bool (*wait_fn)(int event_fd, void *arg);

static inline bool wait_poll(int event_fd, void *arg)
{
	(void)arg;
	return readable(event_fd, PATIENCE_MS);
}

/*
 * Append records 0 to count - 1, no more than window of them not yet durable,
 * and see each become durable.
 */
static inline void run_loop(journal *j, int count, int window, wait_fn wait,
			    void *arg)
{
	uint64_t *lsn = calloc((size_t)count, sizeof(*lsn)), frontier;
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
		ck_assert(wait(journal_eventfd(j), arg));
		frontier = look(j);
		while (acked < appended && lsn[acked] < frontier)
			acked++;
	}
	free(lsn);
}

/* Whether this kernel lets us have a ring at all; says why not. */
static inline bool have_ring(void)
{
	struct jnl_ring_config cfg = { .entries = 1, .lock_fd = 0 };
	struct jnl_ring_report report;
	struct jnl_ring *ring;
	int ret = jnl_ring_open(&ring, jnl_sys_linux(), &cfg, &report);

	if (!ret)
		jnl_ring_close(ring, true);
	else
		fprintf(stderr, "no io_uring here: %s\n", strerror(-ret));
	return !ret;
}

#endif
