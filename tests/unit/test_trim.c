/*
 * Giving records back: what goes, what stays, which file is used again, and
 * what a reader sees of it.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/core.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u
#define MANY	4000

static char *dir, *path;
static struct fault fault;
static uint64_t lsn_of[MANY];
static int appended;

/* In memory; every file looks as if it could be used again. */
static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
	fault_init(&fault, jnl_sys_linux());
	fault.solid = true;
	appended = 0;
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static journal *open_with(const struct jnl_choice *choice, bool helper)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = {
		.sys = &fault.sys, .choice = choice, .no_helper = !helper,
	};
	journal *j;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	return j;
}

static journal *open_journal(void)
{
	return open_with(&choice_flush, false);
}

static void payload(char *text, size_t size, int i)
{
	(void)snprintf(text, size, "%d %*s", i, i * 617 % 9000, "");
}

static int try_put(journal *j)
{
	static char text[9100];
	struct iovec iov = { text, 0 };
	int ret;

	payload(text, sizeof(text), appended);
	iov.iov_len = strlen(text);
	ret = journal_commit(j, &iov, 1, &lsn_of[appended]);
	if (!ret)
		appended++;
	return ret;
}

static void put(journal *j, int count)
{
	while (count--)
		ck_assert_int_eq(try_put(j), 0);
}

static void steps(journal *j, bool idle)
{
	while (jnl_helper_step(j, idle))
		;
}

static struct journal_info info_of(journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	return info;
}

/* Whether segment number has a name, and the inode that is behind it. */
static bool there(uint64_t number, ino_t *ret_inode)
{
	struct stat st;
	bool found;
	char *file;

	if (asprintf(&file, "%s/%016llx.seg", path,
		     (unsigned long long)number) < 0)
		abort();
	found = stat(file, &st) == 0;
	if (found && ret_inode)
		*ret_inode = st.st_ino;
	free(file);
	return found;
}

/* Every record from first on, and nothing else, is read; and it is sound. */
static void check_from(int first)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	struct journal_record rec;
	static char text[9100];
	journal_reader *r;
	int n = first, ret;

	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		ck_assert_int_lt(n, appended);
		ck_assert_uint_eq(rec.lsn, lsn_of[n]);
		payload(text, sizeof(text), n);
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(n, appended);
	journal_reader_close(r);
	ck_assert_int_eq(journal_verify(path, &rep), 0);
	ck_assert_int_eq(rep.finding, JOURNAL_SOUND);
	ck_assert_uint_eq(rep.records, (uint64_t)(appended - first));
}

START_TEST(what_is_given_back_goes_and_stays_away)
{
	journal *j;

	setup();
	fault.solid = false;
	j = open_journal();
	put(j, 60);
	ck_assert_uint_gt(lsn_of[30] / SMALL, 2);
	ck_assert_int_eq(journal_trim(j, lsn_of[30]), 0);
	steps(j, true);
	ck_assert_uint_eq(info_of(j).first_lsn, lsn_of[30]);
	for (uint64_t n = 0; n < lsn_of[30] / SMALL; n++)
		ck_assert(!there(n, NULL));
	ck_assert(there(lsn_of[30] / SMALL, NULL));
	for (int life = 0; life < 3; life++) {
		put(j, 5);
		ck_assert_int_eq(journal_close(j), 0);
		/* into the middle of a segment: what is below is hidden */
		check_from(30);
		j = open_journal();
		ck_assert_uint_eq(info_of(j).first_lsn, lsn_of[30]);
		ck_assert_uint_eq(info_of(j).segments,
				  j->engine.segments - lsn_of[30] / SMALL);
	}
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(closing_carries_a_trim_and_keeps_no_file_for_later)
{
	journal *j;

	setup();
	j = open_journal();
	put(j, 60);
	ck_assert_int_eq(journal_trim(j, lsn_of[40]), 0);
	ck_assert_int_eq(journal_close(j), 0);
	for (uint64_t n = 0; n < lsn_of[40] / SMALL; n++)
		ck_assert(!there(n, NULL));
	check_from(40);
	teardown();
}
END_TEST

START_TEST(everything_can_be_given_back)
{
	struct journal_record rec;
	journal_reader *r;
	journal *j;

	setup();
	j = open_journal();
	/* everywhere in a segment, its last block among them */
	for (int i = 0; i < 100; i++) {
		put(j, 1);
		ck_assert_int_eq(journal_trim(j, info_of(j).frontier), 0);
		steps(j, i % 3);
		ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
		if (i % 3)
			ck_assert_int_eq(journal_reader_next(r, &rec), 0);
		journal_reader_close(r);
		if (i % 10 == 9) {
			ck_assert_int_eq(journal_close(j), 0);
			check_from(appended);
			j = open_journal();
		}
	}
	ck_assert_int_eq(journal_close(j), 0);
	check_from(appended);
	teardown();
}
END_TEST

START_TEST(a_trim_above_the_frontier_is_refused_and_never_goes_back)
{
	struct iovec iov = { "x", 1 };
	journal *j;
	uint64_t lsn;

	setup();
	j = open_journal();
	put(j, 20);
	ck_assert_int_eq(journal_append(j, &iov, 1, &lsn), 0);
	ck_assert_int_eq(journal_trim(j, lsn), -EINVAL);
	ck_assert_int_eq(journal_trim(j, UINT64_MAX), -EINVAL);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	ck_assert_int_eq(journal_trim(j, lsn_of[12]), 0);
	ck_assert_int_eq(journal_trim(j, lsn_of[3]), 0);
	steps(j, true);
	ck_assert_uint_eq(info_of(j).first_lsn, lsn_of[12]);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(nothing_goes_before_the_trim_is_durable)
{
	journal *j;

	setup();
	fault.solid = false;
	j = open_journal();
	put(j, 40);
	steps(j, true);
	ck_assert_int_eq(journal_trim(j, lsn_of[35]), 0);
	steps(j, false);
	ck_assert(there(0, NULL));
	ck_assert_uint_eq(info_of(j).first_lsn, 0);
	put(j, 1);
	steps(j, false);
	ck_assert(!there(0, NULL));
	ck_assert_uint_eq(info_of(j).first_lsn, lsn_of[35]);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(35);
	teardown();
}
END_TEST

/* Append and give back in turn; how many segments came from an old file. */
static int rotate(journal *j, int count, int keep)
{
	uint64_t made = 0, segments = j->engine.segments;
	ino_t seen[3] = { 0 }, inode;
	int again = 0;

	while (count--) {
		put(j, 1);
		if (appended > keep)
			ck_assert_int_eq(journal_trim(j,
						      lsn_of[appended - keep]),
					 0);
		for (uint64_t n = j->oldest; n < j->oldest + 3; n++) {
			if (there(n, &inode))
				seen[n % 3] = inode;
		}
		steps(j, false);
		for (; segments < j->engine.segments; segments++, made++) {
			ck_assert(there(segments, &inode));
			for (int i = 0; i < 3; i++)
				again += seen[i] == inode;
		}
	}
	ck_assert_uint_gt(made, 0);
	steps(j, true);
	return again;
}

static const struct jnl_choice *const choices[] = {
	&choice_dsync, &choice_flush, &choice_buffered,
};

START_TEST(a_file_is_used_again_and_the_journal_reads_back_right)
{
	unsigned long files, segments;
	journal *j;
	int again;

	for (int c = 0; c < 3; c++) {
		setup();
		j = open_with(choices[c], false);
		again = rotate(j, 150, 20);
		ck_assert_int_gt(again, 5);
		for (int life = 0; life < 4; life++) {
			/* before the end lies what the file held before */
			check_from(appended - 20);
			ck_assert_int_eq(journal_close(j), 0);
			check_from(appended - 20);
			j = open_with(choices[c], false);
			/* remains of nothing are reported */
			ck_assert_uint_eq(info_of(j).tail_bytes, 0);
			again += rotate(j, 60, 20);
		}
		/* once it runs, most segments are made of old files */
		files = fault.calls[FAULT_FALLOCATE];
		segments = j->engine.segments;
		rotate(j, 200, 20);
		files = fault.calls[FAULT_FALLOCATE] - files;
		segments = j->engine.segments - segments;
		ck_assert_uint_gt(segments, 10);
		ck_assert_uint_lt(files, segments / 2);
		ck_assert_int_eq(journal_close(j), 0);
		check_from(appended - 20);
		teardown();
	}
}
END_TEST

START_TEST(a_file_with_another_name_is_not_used_again)
{
	char *file, *other;
	struct stat st;
	journal *j;

	setup();
	j = open_journal();
	put(j, 30);
	file = scratch_path(path, "0000000000000001.seg");
	other = scratch_path(dir, "link");
	ck_assert_int_eq(link(file, other), 0);
	ck_assert_int_eq(journal_trim(j, 2 * SMALL), 0);
	steps(j, true);
	/* it was the one to keep */
	ck_assert(!there(0, NULL));
	ck_assert(!there(1, NULL));
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_int_eq(st.st_nlink, 1);
	ck_assert_int_eq(journal_close(j), 0);
	free(file);
	free(other);
	teardown();
}
END_TEST

START_TEST(a_file_linked_after_it_was_chosen_is_left_alone)
{
	unsigned long made;
	char *file, *other;
	struct stat st;
	journal *j;

	setup();
	j = open_journal();
	put(j, 30);
	steps(j, false);
	ck_assert_int_eq(journal_trim(j, 2 * SMALL), 0);
	while (j->helper.kept == JNL_NO_SEGMENT)
		ck_assert(jnl_helper_step(j, true) ||
			  j->helper.kept != JNL_NO_SEGMENT);
	ck_assert(there(1, NULL));
	file = scratch_path(path, "0000000000000001.seg");
	other = scratch_path(dir, "link");
	ck_assert_int_eq(link(file, other), 0);
	made = fault.calls[FAULT_FALLOCATE];
	put(j, 30);
	steps(j, false);
	ck_assert_uint_gt(fault.calls[FAULT_FALLOCATE], made);
	ck_assert(!there(1, NULL));
	/* it lost its name in the journal, and got no other */
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_int_eq(st.st_size, SMALL);
	ck_assert_int_eq(st.st_nlink, 1);
	ck_assert_int_eq(journal_close(j), 0);
	free(file);
	free(other);
	teardown();
}
END_TEST

START_TEST(what_is_not_known_of_extents_is_no)
{
	journal *j;

	setup();
	fault_set(&fault, FAULT_FIEMAP, 1, ~0ul, -EOPNOTSUPP);
	j = open_journal();
	ck_assert_int_eq(rotate(j, 100, 20), 0);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(appended - 20);
	teardown();
}
END_TEST

START_TEST(without_room_a_trim_lets_an_append_go_on_at_once)
{
	struct journal_info info;
	journal *j;

	/* wherever in a segment it comes to an end */
	for (int extra = 0; extra < 24; extra++) {
		setup();
		j = open_journal();
		put(j, extra + 30);
		fault_set(&fault, FAULT_FALLOCATE, 1, ~0ul, -ENOSPC);
		while (!try_put(j))
			steps(j, appended % 2);
		ck_assert_int_eq(try_put(j), -ENOSPC);
		steps(j, true);
		info = info_of(j);
		ck_assert_int_eq(journal_trim(j, info.frontier), 0);
		ck_assert_int_eq(try_put(j), 0);
		ck_assert_int_eq(journal_close(j), 0);
		check_from(appended - 1);
		teardown();
	}
}
END_TEST

START_TEST(a_reader_is_told_that_its_place_was_given_back)
{
	const struct journal_error *error;
	struct journal_record rec;
	journal_reader *r[2];
	journal *j;

	for (int live = 0; live < 2; live++) {
		setup();
		j = open_journal();
		put(j, 60);
		if (!live)
			ck_assert_int_eq(journal_close(j), 0);
		else
			steps(j, true);
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(journal_reader_open(&r[i], path, 0,
							     NULL), 0);
			ck_assert_int_eq(journal_reader_next(r[i], &rec), 1);
		}
		if (!live)
			j = open_journal();
		/* files go, and others are used again, under their feet */
		rotate(j, 100, 20);
		put(j, 1);
		for (int i = 0; i < 2; i++) {
			int n = 1, ret;

			while ((ret = journal_reader_next(r[i], &rec)) == 1)
				ck_assert_uint_eq(rec.lsn, lsn_of[n++]);
			ck_assert_int_eq(ret, -ERANGE);
			ck_assert_int_eq(journal_reader_next(r[i], &rec),
					 -ERANGE);
			error = journal_reader_error(r[i]);
			ck_assert_int_eq(error->code, -ERANGE);
			ck_assert_ptr_nonnull(strstr(error->message,
						     "given back"));
			ck_assert_int_eq(journal_reader_seek(r[i], error->lsn),
					 0);
			ck_assert_int_eq(journal_reader_next(r[i], &rec), 1);
			ck_assert_uint_eq(rec.lsn, error->lsn);
			ck_assert_int_eq(journal_reader_seek(r[i], lsn_of[2]),
					 -ERANGE);
			journal_reader_close(r[i]);
		}
		ck_assert_int_eq(journal_close(j), 0);
		teardown();
	}
}
END_TEST

START_TEST(a_segment_that_is_lost_is_not_taken_for_a_trim)
{
	journal_reader *r;
	char *file;
	journal *j;

	setup();
	j = open_journal();
	put(j, 60);
	ck_assert_int_eq(journal_trim(j, 2 * SMALL + 9), 0);
	ck_assert_int_eq(journal_close(j), 0);
	file = scratch_path(path, "0000000000000002.seg");
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), -ENODATA);
	free(file);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Failures
 */

struct run {
	int acked;		/* the first so many were acknowledged */
	int asked;		/* trims were asked up to this record */
	uint64_t durable;	/* largest first_lsn that was seen */
	int failed;
};

static void look(journal *j, struct run *run)
{
	struct journal_info info = info_of(j);

	ck_assert_uint_ge(info.first_lsn, run->durable);
	run->durable = info.first_lsn;
}

static void work(struct run *run, const struct jnl_choice *choice, int count)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = {
		.sys = &fault.sys, .choice = choice, .no_helper = true,
	};
	journal *j;
	int ret;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	if (jnl_open(&j, path, &o, &env) < 0)
		return;
	while (count--) {
		ret = try_put(j);
		if (!ret)
			run->acked = appended;
		if (ret < 0 && ret != -ENOSPC && ret != -EMFILE)
			run->failed = ret;
		if (run->failed)
			break;
		if (appended > 8 && appended % 3 == 0 &&
		    !journal_trim(j, lsn_of[appended - 8]))
			run->asked = appended - 8;
		for (int i = 0; i < 20 && jnl_helper_step(j, count % 4 == 0);
		     i++)
			;
		look(j, run);
	}
	(void)journal_close(j);
}

/* With nothing failing any more. */
static void check(const struct run *run)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	struct journal_record rec;
	static char text[9100];
	journal_reader *r;
	int n = -1, ret;

	fault_clear(&fault);
	ret = journal_reader_open(&r, path, 0, NULL);
	if (ret == -ENOENT) {
		ck_assert_int_eq(run->acked, 0);
		return;
	}
	ck_assert_int_eq(ret, 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		if (n < 0) {
			ck_assert_int_eq(sscanf(rec.data, "%d", &n), 1);
			ck_assert_int_le(n, run->asked);
			ck_assert_uint_ge(rec.lsn, run->durable);
		}
		payload(text, sizeof(text), n);
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	if (n >= 0)
		ck_assert_int_ge(n, run->acked);
	else
		ck_assert_int_eq(run->acked, 0);
	journal_reader_close(r);
	ck_assert_int_eq(journal_verify(path, &rep), 0);
	ck_assert(rep.finding == JOURNAL_SOUND || rep.finding == JOURNAL_TAIL);
}

static unsigned long history(const struct jnl_choice *choice,
			     enum fault_call call, unsigned long at,
			     unsigned long times, int err)
{
	struct run run = { 0 };
	unsigned long hit;

	setup();
	fault_set(&fault, call, at, times, err);
	work(&run, choice, 60);
	hit = fault.hit;
	check(&run);
	/* and it goes on, in another life */
	if (!run.failed && run.acked == appended) {
		work(&run, choice, 30);
		ck_assert_int_eq(run.failed, 0);
		check(&run);
	}
	teardown();
	return hit;
}

static unsigned long stride(void)
{
	return getenv("JOURNAL_TEST_VALGRIND") ? 41 : 1;
}

START_TEST(no_failure_loses_a_record_that_was_not_given_back)
{
	static const struct {
		enum fault_call call;
		int err[3];
	} kinds[] = {
		{ FAULT_RENAME, { -EIO, -ENOSPC } },
		{ FAULT_FSYNC, { -EIO, -ENOSPC } },
		{ FAULT_UNLINK, { -EIO, -EROFS } },
		{ FAULT_FIEMAP, { -EIO, -EOPNOTSUPP } },
		{ FAULT_FSTAT, { -EIO } },
		{ FAULT_OPENAT, { -EMFILE, -EIO } },
		{ FAULT_CLOSE, { -EIO } },
		{ FAULT_PWRITE, { -EIO, -ENOSPC } },
		{ FAULT_FALLOCATE, { -ENOSPC } },
	};
	unsigned long uses[FAULT_CALLS], hits = 0;
	struct run run = { 0 };

	for (int c = 0; c < 2; c++) {
		setup();
		work(&run, choices[c], 60);
		ck_assert_int_eq(run.acked, 60);
		memcpy(uses, fault.calls, sizeof(uses));
		check(&run);
		teardown();
		memset(&run, 0, sizeof(run));
		for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
			enum fault_call call = kinds[k].call;

			/* a sweep over nothing proves nothing */
			ck_assert_uint_gt(uses[call], 0);
			for (unsigned long at = 1; at <= uses[call];
			     at += stride())
				for (int i = 0; kinds[k].err[i]; i++) {
					hits += history(choices[c], call, at,
							1, kinds[k].err[i]);
					hits += history(choices[c], call, at,
							~0ul,
							kinds[k].err[i]);
				}
		}
	}
	ck_assert_uint_gt(hits, 0);
}
END_TEST

/* ------------------------------------------------------------------------
 * Readers beside a writer that is in a hurry
 */

struct watcher {
	pthread_t thread;
	bool verify;
	bool stop;
	unsigned long rounds, overtaken, records;
	char wrong[600];
};

static void watch_read(struct watcher *w)
{
	struct journal_error error = { 0 };
	struct journal_record rec;
	static char text[9100];
	journal_reader *r;
	int n = -1, ret;

	ret = journal_reader_open(&r, path, 0, &error);
	if (ret < 0) {
		(void)snprintf(w->wrong, sizeof(w->wrong), "open: %d %s", ret,
			       error.message);
		return;
	}
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		if (n < 0)
			(void)sscanf(rec.data, "%d", &n);
		payload(text, sizeof(text), n);
		if (rec.len != strlen(text) || memcmp(rec.data, text, rec.len))
			(void)snprintf(w->wrong, sizeof(w->wrong),
				       "%d: not what was appended", n);
		n++;
		w->records++;
	}
	if (ret == -ERANGE)
		w->overtaken++;
	else if (ret < 0)
		(void)snprintf(w->wrong, sizeof(w->wrong), "next: %s",
			       journal_reader_error(r)->message);
	journal_reader_close(r);
}

static void watch_verify(struct watcher *w)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	int ret = journal_verify(path, &rep);

	if (ret == -ERANGE)
		w->overtaken++;
	else if (ret < 0 || rep.finding)
		(void)snprintf(w->wrong, sizeof(w->wrong), "verify: %d %s",
			       ret, rep.message);
	else
		w->records += rep.records;
}

static void *watch_main(void *arg)
{
	struct watcher *w = arg;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED) && !w->wrong[0]) {
		(w->verify ? watch_verify : watch_read)(w);
		w->rounds++;
	}
	return NULL;
}

START_TEST(readers_beside_a_hurried_writer_see_no_gap_and_no_damage)
{
	struct watcher w[2] = { { .verify = false }, { .verify = true } };
	time_t end;
	journal *j;

	for (int c = 0; c < 3; c++) {
		setup();
		j = open_with(choices[c], true);
		put(j, 30);
		for (int i = 0; i < 2; i++) {
			w[i].stop = false;
			ck_assert_int_eq(pthread_create(&w[i].thread, NULL,
							watch_main, &w[i]), 0);
		}
		end = time(NULL) + 3;
		while (time(NULL) < end && appended < MANY) {
			put(j, 1);
			if (appended % 3 == 0)
				ck_assert_int_eq(journal_trim(j,
						lsn_of[appended - 20]), 0);
		}
		for (int i = 0; i < 2; i++) {
			__atomic_store_n(&w[i].stop, true, __ATOMIC_RELAXED);
			pthread_join(w[i].thread, NULL);
			ck_assert_str_eq(w[i].wrong, "");
			ck_assert_uint_gt(w[i].rounds, 0);
		}
		ck_assert_int_eq(journal_close(j), 0);
		teardown();
	}
	ck_assert_uint_gt(w[0].records, 0);
}
END_TEST

RUN_SUITE("trim", 300,
	  what_is_given_back_goes_and_stays_away,
	  closing_carries_a_trim_and_keeps_no_file_for_later,
	  everything_can_be_given_back,
	  a_trim_above_the_frontier_is_refused_and_never_goes_back,
	  nothing_goes_before_the_trim_is_durable,
	  a_file_is_used_again_and_the_journal_reads_back_right,
	  a_file_with_another_name_is_not_used_again,
	  a_file_linked_after_it_was_chosen_is_left_alone,
	  what_is_not_known_of_extents_is_no,
	  without_room_a_trim_lets_an_append_go_on_at_once,
	  a_reader_is_told_that_its_place_was_given_back,
	  a_segment_that_is_lost_is_not_taken_for_a_trim,
	  no_failure_loses_a_record_that_was_not_given_back,
	  readers_beside_a_hurried_writer_see_no_gap_and_no_damage)
