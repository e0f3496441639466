/*
 * Records that are filled in place, through the public calls: by every driver,
 * by many threads, and past the end of some of them.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/format.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

static char *dir, *path;

static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static const char *const drivers[] = { "caller", "thread", "loop" };

static journal *open_env(const char *driver, uint64_t segment_size,
			 struct jnl_env env)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	journal *j;

	env.choice = &choice_flush;
	o.flags = JOURNAL_CREATE;
	o.segment_size = segment_size;
	o.driver = driver;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	return j;
}

static journal *open_by(const char *driver, uint64_t segment_size,
			struct jnl_sys *sys)
{
	return open_env(driver, segment_size, (struct jnl_env){ .sys = sys });
}

static void wait_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&ts, NULL);
}

/* With a loop: until there is room. */
static int retry(journal *j, int ret)
{
	struct pollfd p = { .fd = journal_eventfd(j), .events = POLLIN };
	uint64_t frontier;

	if (ret != -EAGAIN)
		return 0;
	ck_assert_int_ge(p.fd, 0);
	(void)poll(&p, 1, 1000);
	(void)journal_durable(j, &frontier);
	return 1;
}

static struct journal_reservation reserve(journal *j, size_t len)
{
	struct journal_reservation r;
	int ret;

	while (retry(j, ret = journal_reserve(j, len, &r)))
		;
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(r.len, len);
	return r;
}

static uint64_t publish(journal *j, struct journal_reservation *r, size_t used)
{
	uint64_t lsn;
	int ret;

	while (retry(j, ret = journal_publish(j, r, used, &lsn)))
		;
	ck_assert_int_eq(ret, 0);
	ck_assert_ptr_eq(r->data, NULL);
	return lsn;
}

static uint64_t put(journal *j, const char *text)
{
	struct journal_reservation r = reserve(j, strlen(text));

	memcpy(r.data, text, strlen(text));
	return publish(j, &r, strlen(text));
}

static void check_next(journal_reader *r, const char *text, uint64_t lsn)
{
	struct journal_record rec;

	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	ck_assert_uint_eq(rec.lsn, lsn);
	ck_assert_uint_eq(rec.len, strlen(text));
	ck_assert_mem_eq(rec.data, text, rec.len);
}

static void check_end(journal_reader *r)
{
	struct journal_report report = JOURNAL_REPORT_INIT;
	struct journal_record rec;

	ck_assert_int_eq(journal_reader_next(r, &rec), 0);
	journal_reader_close(r);
	ck_assert_int_eq(journal_verify(path, &report), 0);
	ck_assert_msg(report.finding == JOURNAL_SOUND, "%s", report.message);
}

static journal_reader *reader_at(uint64_t lsn)
{
	journal_reader *r;

	ck_assert_int_eq(journal_reader_open(&r, path, lsn, NULL), 0);
	return r;
}

START_TEST(what_is_published_is_read_back_in_the_order_of_its_places)
{
	struct iovec iov = { "two", 3 };
	struct journal_reservation one, three;
	struct journal_stats stats = JOURNAL_STATS_INIT;
	uint64_t a, b, c, d, late;
	journal_reader *r;
	journal *j;

	setup();
	/* A watermark between would make it a late one. */
	j = open_env(drivers[_i], 0, (struct jnl_env){ .no_helper = true });
	one = reserve(j, 100);
	ck_assert_int_eq(journal_append(j, &iov, 1, &b), 0);
	three = reserve(j, 5);
	memcpy(three.data, "three", 5);
	memcpy(one.data, "one", 3);
	c = publish(j, &three, 5);
	a = publish(j, &one, 3);
	ck_assert_uint_lt(a, b);
	ck_assert_uint_lt(b, c);
	/* late: behind what was committed meanwhile */
	one = reserve(j, 70000);
	d = put(j, "four");
	ck_assert_int_eq(journal_sync(j, d), 0);
	memcpy(one.data, "five", 4);
	late = publish(j, &one, 4);
	ck_assert_uint_gt(late, d);
	ck_assert_int_eq(journal_sync(j, late), 0);
	ck_assert_int_eq(journal_stats(j, &stats), 0);
	ck_assert_uint_eq(stats.records, 5);
	ck_assert_uint_eq(stats.in_place, 3);
	ck_assert_uint_eq(stats.late, 1);
	ck_assert_int_eq(journal_close(j), 0);
	r = reader_at(0);
	check_next(r, "one", a);
	check_next(r, "two", b);
	check_next(r, "three", c);
	check_next(r, "four", d);
	check_next(r, "five", late);
	check_end(r);
	/* from inside a void: the record behind it */
	r = reader_at(a + 24);
	check_next(r, "two", b);
	journal_reader_close(r);
	teardown();
}
END_TEST

START_TEST(what_is_not_published_is_not_there)
{
	struct journal_reservation r[3];
	journal_reader *reader;
	uint64_t a;
	journal *j;

	setup();
	j = open_by(drivers[_i], 0, NULL);
	for (int i = 0; i < 3; i++) {
		r[i] = reserve(j, 1000);
		memset(r[i].data, 's', 1000);
	}
	a = put(j, "record");
	ck_assert_int_eq(journal_abandon(j, &r[1]), 0);
	ck_assert_uint_eq(r[1].id, 0);
	ck_assert_int_eq(journal_sync(j, a), 0);
	ck_assert_int_eq(journal_abandon(j, &r[0]), 0);
	/* r[2] goes with the journal */
	ck_assert_int_eq(journal_close(j), 0);
	reader = reader_at(0);
	check_next(reader, "record", a);
	check_end(reader);
	/* nor are the bytes that were put there */
	j = open_by(drivers[_i], 0, NULL);
	r[0] = reserve(j, 1000);
	ck_assert_int_eq(journal_close(j), 0);
	reader = reader_at(0);
	check_next(reader, "record", a);
	check_end(reader);
	teardown();
}
END_TEST

START_TEST(a_journal_is_closed_whatever_is_reserved_where)
{
	static const size_t lens[] = { 10, 30000, 55000 };
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_reservation r;
	char text[20000] = { 0 };
	struct iovec iov = { text, sizeof(text) };
	journal *j;

	setup();
	j = open_by(drivers[_i], 65536, NULL);
	for (int i = 0; i < 12; i++) {
		int ret;

		while (retry(j, ret = journal_append(j, &iov, 1, NULL)))
			;
		ck_assert_int_eq(ret, 0);
		/* the larger ones lie in the next segment */
		r = reserve(j, lens[i % 3]);
		memset(r.data, 'r', r.len);
		ck_assert_int_eq(journal_close(j), 0);
		j = open_by(drivers[_i], 65536, NULL);
		ck_assert_int_eq(journal_info(j, &info), 0);
		ck_assert_uint_eq(info.tail_bytes, 0);
	}
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_handle_that_has_ended_is_refused)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_reservation r, copy, zero = { 0 };
	uint64_t lsn;
	journal *j;

	setup();
	j = open_by("caller", 0, NULL);
	ck_assert_int_eq(journal_abandon(j, &zero), -EINVAL);
	r = copy = reserve(j, 10);
	ck_assert_int_eq(journal_publish(j, &r, 11, &lsn), -EINVAL);
	ck_assert_uint_eq(r.id, copy.id);
	ck_assert_int_eq(journal_publish(j, &r, 10, NULL), 0);
	ck_assert_int_eq(journal_publish(j, &copy, 10, &lsn), -EINVAL);
	ck_assert_int_eq(journal_abandon(j, &copy), -EINVAL);
	ck_assert_int_eq(journal_reserve(j, (1u << 20) + 1, &r), -EMSGSIZE);
	ck_assert_int_eq(journal_reserve(j, SIZE_MAX, &r), -EMSGSIZE);
	/* an empty record is one too */
	r = reserve(j, 0);
	ck_assert_int_eq(journal_publish(j, &r, 0, &lsn), 0);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	ck_assert_int_eq(journal_close(j), 0);
	o.flags = JOURNAL_READ_ONLY;
	ck_assert_int_eq(journal_open(&j, path, &o), 0);
	ck_assert_int_eq(journal_reserve(j, 1, &r), -EROFS);
	ck_assert_int_eq(journal_publish(j, &copy, 1, NULL), -EROFS);
	ck_assert_int_eq(journal_abandon(j, &copy), -EROFS);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/* What somebody does with a copy of a handle while it waits for room. */
static struct {
	struct fault fault;
	journal *j;
	struct journal_reservation copy;
} other;

static ssize_t on_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			 size_t len, uint64_t offset, int rwf)
{
	struct jnl_sys *base = other.fault.base;

	(void)sys;
	if (other.copy.id)
		ck_assert_int_eq(journal_abandon(other.j, &other.copy), 0);
	return base->pwrite(base, fd, buf, len, offset, rwf);
}

START_TEST(a_handle_that_ends_while_it_waits_for_room_is_refused)
{
	static uint8_t large[40000];
	struct iovec iov = { large, sizeof(large) };
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush, .no_helper = true };
	struct journal_reservation r;
	uint64_t lsn;

	setup();
	fault_init(&other.fault, jnl_sys_linux());
	env.sys = &other.fault.sys;
	o.flags = JOURNAL_CREATE;
	o.queue_depth = 1;
	o.record_max = sizeof(large);
	ck_assert_int_eq(jnl_open(&other.j, path, &o, &env), 0);
	r = reserve(other.j, sizeof(large));
	memset(r.data, 'r', sizeof(large));
	/* A commit that cannot wait for it; then every image is in use. */
	ck_assert_int_eq(journal_commit(other.j, &iov, 1, &lsn), 0);
	ck_assert_int_eq(journal_append(other.j, &iov, 1, NULL), 0);
	ck_assert_int_eq(journal_append(other.j, &iov, 1, NULL), 0);
	other.copy = r;
	other.fault.sys.pwrite = on_pwrite;
	ck_assert_int_eq(journal_publish(other.j, &r, sizeof(large), &lsn),
			 -EINVAL);
	/* It did wait, and the copy has ended. */
	ck_assert_uint_eq(other.copy.id, 0);
	ck_assert_int_eq(journal_close(other.j), 0);
	teardown();
}
END_TEST

START_TEST(a_child_has_no_reservations)
{
	struct journal_reservation r, more;
	journal *j;
	int status;
	pid_t pid;

	setup();
	j = open_by("caller", 0, NULL);
	r = reserve(j, 10);
	pid = fork();
	if (!pid) {
		_exit(journal_publish(j, &r, 1, NULL) != -EOWNERDEAD ||
		      journal_abandon(j, &r) != -EOWNERDEAD ||
		      journal_reserve(j, 1, &more) != -EOWNERDEAD ||
		      journal_close(j) != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	memset(r.data, 'a', 10);
	ck_assert_int_eq(journal_publish(j, &r, 10, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_loop_s_late_record_is_told_to_come_again)
{
	struct journal_reservation r;
	char large[30000] = { 0 };
	struct iovec iov = { large, sizeof(large) };
	uint64_t lsn;
	journal *j;
	int ret;

	setup();
	j = open_by("loop", 65536, NULL);
	r = reserve(j, 100);
	/* until there is no room for another one */
	while (!(ret = journal_append(j, &iov, 1, &lsn)))
		ck_assert_int_eq(journal_submit(j), 0);
	ck_assert_int_eq(ret, -EAGAIN);
	memset(r.data, 'a', 100);
	lsn = publish(j, &r, 100);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_failed_journal_publishes_nothing_and_closes)
{
	struct journal_reservation in_place, late;
	struct iovec iov = { "x", 1 };
	struct fault f;
	journal *j;
	int ret;

	setup();
	fault_init(&f, jnl_sys_linux());
	/* The commit is to fail, and not what a helper does before it. */
	j = open_env("caller", 0, (struct jnl_env){ .sys = &f.sys,
						   .no_helper = true });
	late = reserve(j, 100);
	ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
	in_place = reserve(j, 100);
	fault_set(&f, FAULT_ANY, 1, 1000000, -EIO);
	ret = journal_commit(j, &iov, 1, NULL);
	ck_assert_int_lt(ret, 0);
	ck_assert_int_eq(journal_publish(j, &late, 1, NULL), ret);
	ck_assert_int_eq(journal_publish(j, &in_place, 1, NULL), ret);
	ck_assert_uint_ne(late.id, 0);
	ck_assert_int_eq(journal_reserve(j, 1, &late), ret);
	ck_assert_int_eq(journal_abandon(j, &in_place), 0);
	ck_assert_int_eq(journal_close(j), ret);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------ */

#define FILLERS	6
#define ROUNDS	300

struct filler {
	pthread_t thread;
	journal *j;
	int who;
	int published, dead;
};

/* A record says whose it is and which, and is as long as that says. */
static size_t text_len(int who, int i)
{
	return 16 + (size_t)(who * 7919 + i * 104729) % 30000;
}

static void fill(char *p, int who, int i)
{
	size_t len = text_len(who, i);

	memset(p, 'A' + who, len);
	(void)snprintf(p, 16, "%d %d", who, i);
}

static void *fill_main(void *arg)
{
	struct filler *f = arg;
	struct journal_reservation r;
	uint64_t lsn, last = 0;

	for (int i = 0; i < ROUNDS; i++) {
		r = reserve(f->j, text_len(f->who, f->published) + i % 100);
		/* more than will be there, and slowly now and then */
		memset(r.data, '?', r.len);
		if (i % 50 == f->who)
			wait_ms(5);
		if (i % 11 == 0) {
			ck_assert_int_eq(journal_abandon(f->j, &r), 0);
			continue;
		}
		fill(r.data, f->who, f->published);
		lsn = publish(f->j, &r, text_len(f->who, f->published));
		f->published++;
		ck_assert_uint_gt(lsn, last);
		last = lsn;
		if (i % 3 == 0)
			ck_assert_int_eq(journal_sync(f->j, lsn), 0);
	}
	/* and one dies in the middle of it */
	r = reserve(f->j, 1000);
	memset(r.data, '!', 1000);
	f->dead = 1;
	pthread_exit(NULL);
}

START_TEST(many_threads_fill_and_die_and_each_one_s_order_is_kept)
{
	struct filler f[FILLERS] = { 0 };
	struct journal_record rec;
	int next[FILLERS] = { 0 }, ret, total = 0;
	char text[32000];
	journal_reader *r;
	journal *j;

	setup();
	j = open_by(drivers[_i], 1 << 20, NULL);
	for (int i = 0; i < FILLERS; i++) {
		f[i].j = j;
		f[i].who = i;
		ck_assert_int_eq(pthread_create(&f[i].thread, NULL, fill_main,
						&f[i]), 0);
	}
	for (int i = 0; i < FILLERS; i++)
		ck_assert_int_eq(pthread_join(f[i].thread, NULL), 0);
	ck_assert_int_eq(journal_close(j), 0);
	r = reader_at(0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		int who = ((const char *)rec.data)[0] - '0';

		ck_assert(who >= 0 && who < FILLERS);
		fill(text, who, next[who]);
		ck_assert_uint_eq(rec.len, text_len(who, next[who]));
		ck_assert_mem_eq(rec.data, text, rec.len);
		next[who]++;
		total++;
	}
	ck_assert_int_eq(ret, 0);
	journal_reader_close(r);
	for (int i = 0; i < FILLERS; i++) {
		ck_assert(f[i].dead);
		ck_assert_int_eq(next[i], f[i].published);
	}
	ck_assert_int_gt(total, FILLERS * ROUNDS * 3 / 4);
	teardown();
}
END_TEST

/*
 * A reservation that stays open holds up nobody: it is there for the whole of
 * a run that would otherwise not end.
 */
START_TEST(a_reservation_that_is_never_published_holds_up_nobody)
{
	struct journal_reservation r[8];
	char text[20000] = { 0 };
	struct iovec iov = { text, sizeof(text) };
	uint64_t lsn;
	journal *j;
	int ret;

	setup();
	j = open_by(drivers[_i], 1 << 20, NULL);
	/* several segments of records that nobody waits for ... */
	for (int i = 0; i < 400; i++) {
		if (i < 8)
			r[i] = reserve(j, 1000);
		while (retry(j, ret = journal_append(j, &iov, 1, &lsn)))
			;
		ck_assert_int_eq(ret, 0);
	}
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	/* ... and some that somebody does */
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
	for (int i = 0; i < 8; i++) {
		memset(r[i].data, 'z', 1000);
		publish(j, &r[i], 1000);
	}
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fill");
	TCase *tc = tcase_create("fill");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, PATIENCE_TIMES * 60);
#define EACH_DRIVER(test) tcase_add_loop_test(tc, test, 0, 3)
	EACH_DRIVER(what_is_published_is_read_back_in_the_order_of_its_places);
	EACH_DRIVER(what_is_not_published_is_not_there);
	EACH_DRIVER(a_journal_is_closed_whatever_is_reserved_where);
	tcase_add_test(tc, a_handle_that_has_ended_is_refused);
	tcase_add_test(tc,
		       a_handle_that_ends_while_it_waits_for_room_is_refused);
	tcase_add_test(tc, a_child_has_no_reservations);
	tcase_add_test(tc, a_loop_s_late_record_is_told_to_come_again);
	tcase_add_test(tc, a_failed_journal_publishes_nothing_and_closes);
	EACH_DRIVER(many_threads_fill_and_die_and_each_one_s_order_is_kept);
	EACH_DRIVER(a_reservation_that_is_never_published_holds_up_nobody);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
