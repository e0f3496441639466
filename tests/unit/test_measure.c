/*
 * The measurement: its histogram, what it keeps to, what each failing call
 * does to it, and what is concluded from it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probe/facts.h"
#include "probe/measure-inner.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define MIB		(1024u * 1024)
#define PAIR_NS		2000000u

static char *dir;
static int dirfd_;
static struct fault f;
static journal_probe *probe;

/* Not a word about memory: what does RWF_DSYNC where there is none. */
static ssize_t no_dsync(struct jnl_sys *sys, int fd, const void *buf,
			size_t len, uint64_t offset, int rwf)
{
	struct jnl_sys *base = ((struct fault *)sys)->base;

	return rwf ? -EOPNOTSUPP : base->pwrite(base, fd, buf, len, offset, 0);
}

static void setup(bool dsync)
{
	dir = scratch_make(true);
	fault_init(&f, jnl_sys_linux());
	if (!dsync)
		f.sys.pwrite = no_dsync;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd_, 0);
	ck_assert_int_eq(jnl_probe_dir(&probe, &f.sys, dirfd_, dir), 0);
}

static void teardown(void)
{
	journal_probe_close(probe);
	close(dirfd_);
	scratch_remove(dir);
}

static struct jnl_measure *make(uint64_t pair_ns, uint32_t rounds)
{
	struct jnl_measure_config cfg = {
		.pair_ns = pair_ns, .pair_bytes = MIB, .fill_ns = PAIR_NS,
		.file_bytes = MIB, .rounds = rounds, .depths = { 1, 4 },
		.allow_volatile = true,
	};
	struct jnl_measure *m;

	ck_assert_int_eq(jnl_measure_new(&m, &f.sys, dirfd_, probe, &cfg), 0);
	return m;
}

static struct jnl_measure *run(uint64_t pair_ns, uint32_t rounds)
{
	struct jnl_measure *m = make(pair_ns, rounds);
	size_t steps = 0;

	while (jnl_measure_step(m))
		steps++;
	ck_assert_uint_eq(steps, jnl_measure_steps(m));
	return m;
}

static size_t entries(void)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static size_t descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static const struct jnl_measure_pair *find(const struct jnl_measure *m,
					   const char *method,
					   const char *carrier, uint32_t depth)
{
	const struct jnl_measure_pair *p;

	for (size_t i = 0; (p = jnl_measure_at(m, i)); i++) {
		if (!strcmp(p->method, method) &&
		    !strcmp(p->carrier, carrier) && p->depth == depth)
			return p;
	}
	return NULL;
}

/* All steps but its own; NULL: there is no such pair here. */
static const struct jnl_measure_pair *step_up_to_depth_4(struct jnl_measure *m)
{
	const struct jnl_measure_pair *p = find(m, "direct", "io_uring", 4);

	/* the hop, the files, the pairs before it */
	while (p && jnl_measure_steps_done(m) < 3u + (size_t)(p - m->pair))
		ck_assert(jnl_measure_step(m));
	return p;
}

/* ------------------------------------------------------------------------ */

START_TEST(a_histogram_is_never_more_than_a_thirtysecond_off)
{
	static struct jnl_histogram h;

	for (uint64_t v = 1; v < 1ull << 40; v += v / 7 + 1) {
		uint64_t p;

		memset(&h, 0, sizeof(h));
		jnl_histogram_add(&h, v);
		jnl_histogram_add(&h, UINT64_MAX);
		p = jnl_histogram_percentile_ns(&h, 50000);
		ck_assert_uint_ge(p, v);
		ck_assert_uint_le(p, v + v / 32);
	}
	ck_assert_uint_eq(h.max_ns, UINT64_MAX);
	ck_assert_uint_eq(jnl_histogram_percentile_ns(&h, 100000), UINT64_MAX);
}
END_TEST

START_TEST(percentiles_count_from_below_and_round_up)
{
	static struct jnl_histogram h;

	memset(&h, 0, sizeof(h));
	ck_assert_uint_eq(jnl_histogram_percentile_ns(&h, 50000), 0);
	for (uint64_t v = 1; v <= 20; v++)
		jnl_histogram_add(&h, v);
	ck_assert_uint_eq(jnl_histogram_percentile_ns(&h, 0), 1);
	ck_assert_uint_eq(jnl_histogram_percentile_ns(&h, 50000), 10);
	ck_assert_uint_eq(jnl_histogram_percentile_ns(&h, 50001), 11);
	ck_assert_uint_eq(jnl_histogram_percentile_ns(&h, 99900), 20);
}
END_TEST

START_TEST(buckets_follow_each_other_without_a_gap)
{
	for (size_t i = 0; i + 1 < JNL_HISTOGRAM_BUCKETS; i++) {
		static struct jnl_histogram h;

		memset(&h, 0, sizeof(h));
		jnl_histogram_add(&h, jnl_histogram_from_ns(i));
		jnl_histogram_add(&h, jnl_histogram_from_ns(i + 1) - 1);
		ck_assert_uint_eq(h.bucket[i], 2);
	}
}
END_TEST

START_TEST(every_usable_method_is_timed_with_each_carrier)
{
	const struct jnl_measure_pair *p;
	struct jnl_measure *m;

	setup(true);
	m = run(20000000, 2);
	ck_assert_ptr_nonnull(find(m, "buffered", "pwritev2", 1));
	ck_assert_ptr_null(find(m, "buffered", "io_uring", 1));
	for (size_t i = 0; (p = jnl_measure_at(m, i)); i++) {
		if (p->err && !strcmp(p->carrier, "io_uring"))
			continue;
		ck_assert_msg(!p->err, "%s %s: %s", p->method, p->carrier,
			      p->failed);
		ck_assert_uint_gt(p->histogram.count, 0);
		ck_assert_uint_gt(p->ns, 0);
		ck_assert_uint_ge(p->ns * p->depth, p->histogram.max_ns);
	}
	ck_assert_uint_gt(jnl_measure_hop_ns(m), 0);
	ck_assert_uint_eq(entries(), 0);
	jnl_measure_free(m);
	teardown();
}
END_TEST

START_TEST(an_append_without_rwf_dsync_counts_after_its_flush)
{
	struct jnl_measure *m;
	const struct jnl_measure_pair *p;
	unsigned long flushes;

	setup(false);
	flushes = f.calls[FAULT_FDATASYNC];
	m = run(20000000, 2);
	p = find(m, "direct", "pwritev2", 1);
	if (p) {
		ck_assert_str_eq(p->barrier, "fdatasync");
		ck_assert_int_eq(p->err, 0);
		flushes = f.calls[FAULT_FDATASYNC] - flushes;
		ck_assert_uint_ge(flushes, p->histogram.count);
	}
	jnl_measure_free(m);
	/* on a ring: loads of four at most, each with its flush */
	m = make(20000000, 1);
	p = step_up_to_depth_4(m);
	if (p) {
		flushes = f.calls[FAULT_RING_RESULT];
		ck_assert(jnl_measure_step(m));
		flushes = f.calls[FAULT_RING_RESULT] - flushes -
			  p->histogram.count;
		ck_assert(p->err || p->histogram.count > 0);
		ck_assert(p->err || flushes >= p->histogram.count / 4);
	}
	jnl_measure_free(m);
	teardown();
}
END_TEST

START_TEST(no_more_bytes_are_written_than_was_said)
{
	struct jnl_measure *m;
	const struct jnl_measure_pair *p;
	uint64_t before, all = 0;

	setup(true);
	before = f.bytes_written;
	m = run(2000000000, 2);
	for (size_t i = 0; (p = jnl_measure_at(m, i)); i++) {
		ck_assert_uint_le(p->histogram.count * jnl_measure_block(m),
				  MIB);
		all += p->histogram.count * jnl_measure_block(m);
	}
	/* the time was enough: the bytes ended it */
	ck_assert_uint_ge(all, MIB);
	ck_assert_uint_le(f.bytes_written - before, jnl_measure_bytes(m));
	jnl_measure_free(m);
	teardown();
}
END_TEST

START_TEST(time_ends_a_measurement)
{
	uint64_t begin, took, limit;
	struct jnl_measure *m;
	int tries = 0;

	/* A disk may have a bad moment, and not each time. */
	do {
		ck_assert_int_lt(tries++, 4);
		setup(true);
		m = make(50000000, 5);
		begin = jnl_measure_now_ns();
		while (jnl_measure_step(m))
			;
		took = jnl_measure_now_ns() - begin;
		/* appends, files and a hop are short here */
		limit = jnl_measure_time_ns(m) + 2000000000u;
		jnl_measure_free(m);
		teardown();
	} while (took > limit);
}
END_TEST

/* ------------------------------------------------------------------------
 * Failing calls
 */

static const enum fault_call calls[] = {
	FAULT_OPENAT, FAULT_CLOSE, FAULT_PWRITE, FAULT_FSYNC, FAULT_FDATASYNC,
	FAULT_FALLOCATE, FAULT_FTRUNCATE, FAULT_UNLINK, FAULT_RING_SETUP,
	FAULT_RING_ENTER, FAULT_RING_REGISTER, FAULT_RING_RESULT,
};

static const int errors[] = { -EIO, -ENOSPC, -ENOMEM, -EPERM, -EOPNOTSUPP };

static const unsigned long places[] = { 1, 3, 40 };

/* What failed says so and counts nothing; everything else was measured. */
static void judge_faulted(const struct jnl_measure *m, const char *what,
			  bool once)
{
	const struct jnl_measure_pair *p;
	size_t failed = 0, good = 0;

	for (size_t i = 0; (p = jnl_measure_at(m, i)); i++) {
		if (!p->err) {
			good += p->histogram.count > 0;
			continue;
		}
		failed++;
		ck_assert_msg(p->failed && *p->failed, "%s: no call", what);
		ck_assert_int_lt(p->err, 0);
	}
	/* A file that cannot be had is missing to all who need it. */
	if (once && failed > 1)
		ck_assert_msg(good > 0, "%s: %zu failed", what, failed);
	ck_assert_uint_eq(entries(), 0);
}

static void sweep(bool dsync, unsigned long times)
{
	size_t before;
	char what[64];

	setup(dsync);
	before = descriptors();
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++)
	for (size_t at = 0; at < sizeof(places) / sizeof(places[0]); at++) {
		struct jnl_measure *m;

		snprintf(what, sizeof(what), "%s at %lu: %s",
			 fault_name(calls[c]), places[at],
			 strerror(-errors[e]));
		fault_set(&f, calls[c], places[at], times, errors[e]);
		m = run(PAIR_NS / 2, 2);
		judge_faulted(m, what, times == 1);
		jnl_measure_free(m);
		fault_clear(&f);
		ck_assert_msg(descriptors() == before, "%s: descriptors", what);
	}
	teardown();
}

START_TEST(a_call_that_fails_once_fails_its_pair_only)
{
	sweep(true, 1);
}
END_TEST

START_TEST(a_call_that_always_fails_leaves_what_needs_it_unmeasured)
{
	sweep(false, 1000000);
}
END_TEST

START_TEST(a_refused_ring_leaves_the_other_carriers)
{
	struct jnl_measure *m;
	const struct jnl_measure_pair *p;

	setup(true);
	fault_set(&f, FAULT_RING_SETUP, 1, 1000, -EPERM);
	m = run(20000000, 2);
	for (size_t i = 0; (p = jnl_measure_at(m, i)); i++) {
		if (strcmp(p->carrier, "io_uring")) {
			ck_assert_int_eq(p->err, 0);
			continue;
		}
		ck_assert_int_eq(p->err, -EPERM);
		ck_assert_str_eq(p->failed, "io_uring_setup");
		ck_assert_uint_eq(p->histogram.count, 0);
	}
	jnl_measure_free(m);
	teardown();
}
END_TEST

START_TEST(a_write_that_failed_after_some_spoils_the_whole_pair)
{
	struct jnl_measure *m;
	struct jnl_measured best;

	setup(true);
	/* from here on: the files are filled, every append fails */
	m = make(20000000, 2);
	for (size_t i = 0; i < 3; i++)
		ck_assert(jnl_measure_step(m));
	fault_set(&f, FAULT_PWRITE, 9, 1000000, -EIO);
	while (jnl_measure_step(m))
		;
	ck_assert_uint_gt(find(m, "buffered", "pwritev2", 1)->histogram.count +
			  find(m, "direct", "pwritev2", 1)->histogram.count, 0);
	/* the rings do not write by pwritev2, and a hop is known */
	if (!jnl_measure_judge(m, 4, &best))
		ck_assert_str_eq(best.carrier, "io_uring");
	jnl_measure_free(m);
	teardown();
}
END_TEST

START_TEST(a_ring_starts_nothing_after_a_failure)
{
	const struct jnl_measure_pair *p;
	struct jnl_measure *m;
	unsigned long before;

	setup(true);
	m = make(200000000, 1);
	p = step_up_to_depth_4(m);
	if (p) {
		fault_set(&f, FAULT_RING_RESULT, 9, 1, -EIO);
		before = f.calls[FAULT_RING_RESULT];
		ck_assert(jnl_measure_step(m));
		ck_assert(!f.hit || p->err == -EIO);
		if (f.hit)
			ck_assert_uint_le(f.calls[FAULT_RING_RESULT] - before,
					  9 + 4);
	}
	jnl_measure_free(m);
	teardown();
}
END_TEST

static unsigned long drive_flushes;
static int drive_answer;

static int one_namespace(struct jnl_sys *sys, int fd)
{
	(void)sys;
	(void)fd;
	return 1;
}

static int flush_drive(struct jnl_sys *sys, int fd, uint32_t nsid)
{
	(void)sys;
	(void)fd;
	ck_assert_uint_eq(nsid, 1);
	drive_flushes++;
	return drive_answer;
}

/* As if a method went by the Flush of a drive, whose device is /dev/null. */
static struct jnl_measure *make_by_drive(void)
{
	struct jnl_measure *m = make(PAIR_NS, 2);

	f.sys.nvme_id = one_namespace;
	f.sys.nvme_flush = flush_drive;
	drive_flushes = 0;
	for (size_t i = 0; jnl_measure_at(m, i); i++) {
		if (!m->choice[i].way.direct)
			continue;
		m->choice[i].method = jnl_method_find("nvme-flush");
		strcpy(m->choice[i].generic, "/dev/null");
		m->choice[i].generic_major = 1;
		m->choice[i].generic_minor = 3;
	}
	return m;
}

START_TEST(by_the_drive_an_append_counts_after_its_flush)
{
	const struct jnl_measure_pair *p;
	struct jnl_measure *m;

	setup(true);
	m = make_by_drive();
	drive_answer = 0;
	while (jnl_measure_step(m))
		;
	p = find(m, "direct", "pwritev2", 1);
	if (p) {
		ck_assert_int_eq(p->err, 0);
		ck_assert_uint_gt(p->histogram.count, 0);
		ck_assert_uint_eq(drive_flushes, p->histogram.count);
		/* newer kernels take any command for /dev/null, from a ring */
		p = find(m, "direct", "io_uring", 1);
		ck_assert((p->err < 0) == !p->histogram.count);
	}
	ck_assert_int_eq(find(m, "buffered", "pwritev2", 1)->err, 0);
	jnl_measure_free(m);
	teardown();
}
END_TEST

START_TEST(a_status_of_the_drive_is_a_failed_flush)
{
	const struct jnl_measure_pair *p;
	struct jnl_measure *m;

	setup(true);
	m = make_by_drive();
	drive_answer = 0x281;
	while (jnl_measure_step(m))
		;
	p = find(m, "direct", "pwritev2", 1);
	if (p) {
		ck_assert_int_eq(p->err, -EIO);
		ck_assert_str_eq(p->failed, "NVMe Flush");
		ck_assert_uint_eq(p->histogram.count, 0);
	}
	ck_assert_int_eq(find(m, "buffered", "pwritev2", 1)->err, 0);
	jnl_measure_free(m);
	teardown();
}
END_TEST

static int no_tmpfile(struct jnl_sys *sys, int fd, const char *name, int flags,
		      mode_t mode)
{
	struct jnl_sys *base = ((struct fault *)sys)->base;

	if ((flags & O_TMPFILE) == O_TMPFILE)
		return -EOPNOTSUPP;
	return base->openat(base, fd, name, flags, mode);
}

START_TEST(without_unnamed_files_the_name_goes_before_the_first_write)
{
	struct jnl_measure *m;

	setup(true);
	f.sys.openat = no_tmpfile;
	m = make(PAIR_NS, 1);
	while (jnl_measure_step(m))
		ck_assert_uint_eq(entries(), 0);
	ck_assert_int_eq(find(m, "buffered", "pwritev2", 1)->err, 0);
	jnl_measure_free(m);
	/* a name that cannot be removed is no place to write to */
	fault_set(&f, FAULT_UNLINK, 1, 2, -EIO);
	f.bytes_written = 0;
	m = run(PAIR_NS, 1);
	ck_assert_int_eq(find(m, "buffered", "pwritev2", 1)->err, -EIO);
	ck_assert_str_eq(find(m, "buffered", "pwritev2", 1)->failed, "unlink");
	ck_assert_uint_eq(f.bytes_written, 0);
	jnl_measure_free(m);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Conclusions
 */

static struct jnl_measure_pair made[8];
static struct jnl_measure conclusion = { .pair = made, .hop_ns = 20000 };

static void pair(const char *method, const char *carrier, uint32_t depth,
		 uint64_t ns)
{
	struct jnl_measure_pair *p = &made[conclusion.pairs++];

	memset(p, 0, sizeof(*p));
	p->method = method;
	p->carrier = carrier;
	p->depth = depth;
	for (int i = 0; i < 100; i++)
		jnl_histogram_add(&p->histogram, ns);
}

static struct jnl_measured conclude(void)
{
	struct jnl_measured best = { 0 };

	ck_assert_int_eq(jnl_measure_judge(&conclusion, 4, &best), 0);
	return best;
}

START_TEST(what_is_equal_stays_with_the_ranking)
{
	conclusion.pairs = 0;
	pair("direct", "pwritev2", 1, 1000000);
	pair("direct", "io_uring", 1, 980000);
	pair("direct", "io_uring", 4, 1450000);
	pair("buffered", "pwritev2", 1, 950000);
	ck_assert_str_eq(conclude().method, "direct");
	ck_assert_str_eq(conclude().driver, "caller");
	ck_assert_str_eq(conclude().carrier, "pwritev2");
}
END_TEST

START_TEST(a_clearly_faster_method_is_taken)
{
	conclusion.pairs = 0;
	pair("direct", "pwritev2", 1, 1000000);
	pair("buffered", "pwritev2", 1, 500000);
	ck_assert_str_eq(conclude().method, "buffered");
	ck_assert_str_eq(conclude().driver, "caller");
}
END_TEST

START_TEST(a_ring_is_taken_where_it_keeps_several_in_flight_for_free)
{
	conclusion.pairs = 0;
	pair("direct", "pwritev2", 1, 1000000);
	pair("direct", "io_uring", 1, 1010000);
	pair("direct", "io_uring", 4, 1050000);
	ck_assert_str_eq(conclude().driver, "thread");
	ck_assert_str_eq(conclude().carrier, "io_uring");
	/* but not where the hop costs more than that gains */
	conclusion.hop_ns = 200000;
	ck_assert_str_eq(conclude().driver, "caller");
	/* or is not known */
	conclusion.hop_ns = 0;
	ck_assert_str_eq(conclude().driver, "caller");
	conclusion.hop_ns = 20000;
}
END_TEST

START_TEST(what_is_only_used_on_request_is_concluded_on_request)
{
	conclusion.pairs = 0;
	pair("direct", "pwritev2", 1, 1000000);
	pair("nvme-flush", "pwritev2", 1, 100000);
	ck_assert_str_eq(conclude().method, "direct");
	conclusion.cfg.on_request = true;
	ck_assert_str_eq(conclude().method, "nvme-flush");
	conclusion.cfg.on_request = false;
}
END_TEST

START_TEST(what_needs_a_permission_is_measured_only_with_it)
{
	struct jnl_measure_config cfg = {
		.pair_ns = PAIR_NS, .file_bytes = MIB, .rounds = 1,
		.depths = { 1, 4 },
	};
	struct jnl_measure *m;

	setup(true);
	/* As though this were a drive of its own. */
	for (size_t i = 0; jnl_method_at(i); i++)
		probe->strict.methods[i].usable = 1;
	for (int i = 0; i < 4; i++) {
		cfg.requested_too = i & 1;
		cfg.on_request = i & 2;
		ck_assert_int_eq(jnl_measure_new(&m, &f.sys, dirfd_, probe,
						 &cfg), 0);
		ck_assert_ptr_nonnull(find(m, "direct", "pwritev2", 1));
		ck_assert(!find(m, "nvme-flush", "pwritev2", 1) == !i);
		jnl_measure_free(m);
	}
	teardown();
}
END_TEST

START_TEST(what_failed_is_never_taken)
{
	struct jnl_measured best;

	conclusion.pairs = 0;
	pair("direct", "pwritev2", 1, 1000000);
	pair("buffered", "pwritev2", 1, 100000);
	made[1].err = -EIO;
	ck_assert_str_eq(conclude().method, "direct");
	made[0].err = -EIO;
	ck_assert_int_eq(jnl_measure_judge(&conclusion, 4, &best), -ENODATA);
	made[0].err = 0;
	made[0].histogram.count = 7;
	ck_assert_int_eq(jnl_measure_judge(&conclusion, 4, &best), -ENODATA);
}
END_TEST

RUN_SUITE("measure", 120,
	a_histogram_is_never_more_than_a_thirtysecond_off,
	percentiles_count_from_below_and_round_up,
	buckets_follow_each_other_without_a_gap,
	every_usable_method_is_timed_with_each_carrier,
	an_append_without_rwf_dsync_counts_after_its_flush,
	no_more_bytes_are_written_than_was_said,
	time_ends_a_measurement,
	a_call_that_fails_once_fails_its_pair_only,
	a_call_that_always_fails_leaves_what_needs_it_unmeasured,
	a_refused_ring_leaves_the_other_carriers,
	a_write_that_failed_after_some_spoils_the_whole_pair,
	a_ring_starts_nothing_after_a_failure,
	by_the_drive_an_append_counts_after_its_flush,
	a_status_of_the_drive_is_a_failed_flush,
	without_unnamed_files_the_name_goes_before_the_first_write,
	what_is_equal_stays_with_the_ranking,
	a_clearly_faster_method_is_taken,
	a_ring_is_taken_where_it_keeps_several_in_flight_for_free,
	what_is_only_used_on_request_is_concluded_on_request,
	what_needs_a_permission_is_measured_only_with_it,
	what_failed_is_never_taken)
