/*
 * The file "stats": what others see of a writer, and that nothing rests on it.
 */
#include "config.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/stats-file.h"
#include "tests/unit/observe.h"
#include "tests/unit/settle.h"

static struct journal_snapshot snap;
static struct journal_stats stats;

static int look_at_it(void)
{
	snap = (struct journal_snapshot)JOURNAL_SNAPSHOT_INIT;
	stats = (struct journal_stats)JOURNAL_STATS_INIT;
	return journal_stats_at(path, &snap, &stats);
}

static journal *open_of_size(uint64_t flags, uint64_t segment_size,
			     bool no_helper)
{
	struct journal_options o = options_of("caller", NULL, NULL);
	struct jnl_env env = { .sys = &f.sys, .choice = &choice_dsync,
			       .stats = true, .no_helper = no_helper };
	journal *j;

	o.flags |= flags;
	o.segment_size = segment_size;
	/* However slow the disk is, nothing but segments is an event. */
	o.stall_ms = UINT32_MAX;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	return j;
}

static journal *open_with_stats(uint64_t flags)
{
	return open_of_size(flags, SMALL, false);
}

static const char *trail_of(journal *j)
{
	static char trail[4096];
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	(void)snprintf(trail, sizeof(trail), "%s", info.trail);
	return trail;
}

/* Put something into the file, as others may. */
static void put_file(const char *name, const void *data, size_t len)
{
	char *file = scratch_path(path, name);
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
	free(file);
}

static ssize_t get_file(const char *name, void *data, size_t len)
{
	char *file = scratch_path(path, name);
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -errno : read(fd, data, len);

	if (fd >= 0)
		(void)close(fd);
	free(file);
	return n;
}

START_TEST(what_is_counted_is_seen_from_outside)
{
	struct journal_stats own = JOURNAL_STATS_INIT;
	/* its watermark would come between, and make a late one more */
	journal *j = open_of_size(0, SMALL, true);
	struct journal_reservation late, r;
	uint64_t lsn;

	ck_assert_int_eq(journal_reserve(j, 8, &late), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(journal_reserve(j, 8, &r), 0);
		memset(r.data, 'r', 8);
		ck_assert_int_eq(journal_publish(j, &r, 8, &lsn), 0);
	}
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	memset(late.data, 'l', 8);
	ck_assert_int_eq(journal_publish(j, &late, 8, &lsn), 0);
	ck_assert_int_eq(journal_sync(j, lsn), 0);
	ck_assert_int_eq(journal_stats(j, &own), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(look_at_it(), 0);
	/* Closing writes a watermark; nothing else is counted after that. */
	ck_assert_uint_ge(stats.batches, own.batches);
	own.batches = stats.batches;
	own.flushes = stats.flushes;
	own.action_max_ns = stats.action_max_ns;
	own.stalls_device = stats.stalls_device;
	memcpy(own.action_ns, stats.action_ns, sizeof(own.action_ns));
	ck_assert_uint_eq(own.in_place, 3);
	ck_assert_uint_eq(own.late, 1);
	ck_assert_mem_eq(&own, &stats, sizeof(own));
}
END_TEST

START_TEST(a_writer_is_seen_at_work_and_then_closed)
{
	journal *j = open_with_stats(0);

	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_eq(snap.writer, JOURNAL_WRITER_AT_WORK);
	ck_assert_uint_eq(stats.records, 0);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(commit_bytes(j, 100), 0);
	for (int i = 0; !look_at_it() && stats.records < 10; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	ck_assert_uint_eq(snap.writer, JOURNAL_WRITER_AT_WORK);
	ck_assert_uint_eq(snap.closed, 0);
	ck_assert_int_eq(snap.pid, getpid());
	ck_assert_str_eq(snap.method, "direct");
	ck_assert_str_eq(snap.driver, "caller");
	ck_assert_uint_eq(snap.segment_size, SMALL);
	ck_assert_uint_eq(stats.payload, 1000);
	ck_assert_uint_ge(stats.batch_records[0], 1);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_eq(snap.writer, JOURNAL_WRITER_NONE);
	ck_assert_uint_eq(snap.closed, 1);
	ck_assert_uint_eq(stats.records, 10);
	ck_assert_uint_eq(snap.frontier, snap.end);
}
END_TEST

START_TEST(a_reader_never_sees_half_a_page)
{
	journal *j = open_with_stats(0);
	struct doing d;
	uint64_t changes = 0, last = 0;

	start_commits(&d, j, 100, 3000);
	/* as often as it takes for the page to have changed at all */
	for (int i = 0; i < 20000 || !changes; i++) {
		ck_assert_int_eq(look_at_it(), 0);
		ck_assert_uint_eq(stats.payload, 100 * stats.records);
		ck_assert_uint_ge(stats.records, last);
		changes += stats.records != last;
		last = stats.records;
	}
	ck_assert_int_eq(end_commits(&d), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_uint_gt(changes, 0);
}
END_TEST

START_TEST(what_a_dead_writer_left_is_not_taken_for_a_live_one)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		journal *j = open_with_stats(0);

		_exit(commit_bytes(j, 100) ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_eq(snap.writer, JOURNAL_WRITER_NONE);
	ck_assert_uint_eq(snap.closed, 0);
	ck_assert_uint_eq(snap.outstanding, 0);
	ck_assert_int_eq(snap.pid, pid);
}
END_TEST

START_TEST(figures_of_one_writer_are_not_taken_for_another_s)
{
	journal *j = open_with_stats(0);

	ck_assert_int_eq(journal_close(j), 0);
	j = open_with_stats(JOURNAL_NO_STATS);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_eq(snap.writer, JOURNAL_WRITER_OTHER);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(without_the_file_there_is_nothing_to_see)
{
	journal *j = open_with_stats(JOURNAL_NO_STATS);
	char byte;

	ck_assert_int_eq(commit_bytes(j, 100), 0);
	ck_assert_int_eq(look_at_it(), -ENODATA);
	ck_assert_int_eq(get_file(JNL_STATS_NAME, &byte, 1), -ENOENT);
	ck_assert_int_eq(journal_close(j), 0);
	snap.size = 8;
	ck_assert_int_eq(journal_stats_at(path, &snap, &stats), -EINVAL);
}
END_TEST

static bool is_page(const void *buf, size_t len)
{
	return len == JNL_STATS_LEN &&
	       !memcmp(buf, JNL_STATS_MAGIC, strlen(JNL_STATS_MAGIC));
}

/* The page goes past the gate. */
static ssize_t gated_but_for_pages(struct jnl_sys *s, int fd, const void *buf,
				   size_t len, uint64_t offset, int rwf)
{
	struct fault *fault = (struct fault *)s;

	if (!is_page(buf, len))
		pass();
	return fault->base->pwrite(fault->base, fd, buf, len, offset, rwf);
}

START_TEST(a_write_that_stands_still_is_seen_from_outside)
{
	uint64_t before_ns;
	struct doing d;
	journal *j;

	f.sys.pwrite = gated_but_for_pages;
	j = open_with_stats(0);
	/* who writes the pages is not to stand at the gate */
	(void)settle(j);
	pthread_mutex_lock(&gate);
	start_commits(&d, j, 100, 1);
	for (int i = 0; !look_at_it() && !snap.outstanding; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	before_ns = snap.oldest_ns;
	pause_ms(150);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_eq(snap.outstanding, 1);
	ck_assert_uint_ge(snap.oldest_ns, before_ns + 100000000);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(end_commits(&d), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_eq(snap.outstanding, 0);
}
END_TEST

static pthread_t opener;
static _Atomic(journal *) closing;
static atomic_bool held;

/* The helper's writes take until the journal is being closed. */
static ssize_t held_until_closing(struct jnl_sys *s, int fd, const void *buf,
				  size_t len, uint64_t offset, int rwf)
{
	struct fault *fault = (struct fault *)s;
	journal *j;

	if (!pthread_equal(pthread_self(), opener)) {
		atomic_store(&held, true);
		for (int i = 0; !(j = atomic_load(&closing)) ||
				!atomic_load(&j->dir.cancel); i++) {
			ck_assert_int_lt(i, PATIENCE_MS);
			pause_ms(1);
		}
	}
	return fault->base->pwrite(fault->base, fd, buf, len, offset, rwf);
}

START_TEST(what_closing_calls_off_is_no_failure)
{
	journal *j;

	opener = pthread_self();
	f.sys.pwrite = held_until_closing;
	j = open_of_size(0, 64 << 20, false);
	for (int i = 0; !atomic_load(&held); i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	atomic_store(&closing, j);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_eq(snap.closed, 1);
	ck_assert_uint_eq(stats.failures, 0);
}
END_TEST

static atomic_bool no_room;

static ssize_t no_room_for_pages(struct jnl_sys *s, int fd, const void *buf,
				 size_t len, uint64_t offset, int rwf)
{
	struct fault *fault = (struct fault *)s;

	if (atomic_load(&no_room) && is_page(buf, len))
		return -ENOSPC;
	return fault->base->pwrite(fault->base, fd, buf, len, offset, rwf);
}

START_TEST(a_full_disk_costs_the_figures_and_nothing_else)
{
	char byte;
	journal *j;

	atomic_store(&no_room, true);
	f.sys.pwrite = no_room_for_pages;
	j = open_with_stats(0);
	ck_assert_ptr_nonnull(strstr(trail_of(j), "stats: none: "));
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	ck_assert_int_eq(get_file(JNL_STATS_NAME, &byte, 1), -ENOENT);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(a_disk_that_becomes_full_costs_the_figures_and_nothing_else)
{
	journal *j;

	atomic_store(&no_room, false);
	f.sys.pwrite = no_room_for_pages;
	j = open_with_stats(0);
	atomic_store(&no_room, true);
	for (int i = 0; !strstr(trail_of(j), "stats: none: "); i++) {
		ck_assert_int_eq(commit_bytes(j, 100), 0);
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(somebody_else_s_file_is_left_alone)
{
	char text[16];
	journal *j;

	ck_assert_int_eq(mkdir(path, 0700), 0);
	put_file(JNL_STATS_NAME, "my own figures", 14);
	j = open_with_stats(0);
	ck_assert_ptr_nonnull(strstr(trail_of(j), "move it away"));
	ck_assert_int_eq(commit_bytes(j, 100), 0);
	ck_assert_int_eq(look_at_it(), -EINVAL);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(get_file(JNL_STATS_NAME, text, sizeof(text)), 14);
	ck_assert_mem_eq(text, "my own figures", 14);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
	char *file, text[16];
	journal *j;

	ck_assert_int_eq(mkdir(path, 0700), 0);
	put_file("elsewhere", "", 0);
	file = scratch_path(path, JNL_STATS_NAME);
	ck_assert_int_eq(symlink("elsewhere", file), 0);
	free(file);
	/* a journal's directory holds nothing else */
	file = scratch_path(path, "elsewhere");
	ck_assert_int_eq(unlink(file), 0);
	j = open_with_stats(0);
	ck_assert_ptr_nonnull(strstr(trail_of(j), "stats: none: "));
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(get_file("elsewhere", text, 1), -ENOENT);
	ck_assert_int_eq(look_at_it(), -EINVAL);
	free(file);
}
END_TEST

START_TEST(a_page_that_rots_is_found_and_no_journal_rests_on_it)
{
	struct journal_report report = JOURNAL_REPORT_INIT;
	uint8_t page[JNL_STATS_LEN];
	journal *j = open_with_stats(0);

	ck_assert_int_eq(commit_bytes(j, 100), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(get_file(JNL_STATS_NAME, page, sizeof(page)),
			 JNL_STATS_LEN);
	for (size_t at = 8; at < JNL_STATS_LEN; at += 509) {
		page[at] ^= 0x40;
		put_file(JNL_STATS_NAME, page, sizeof(page));
		ck_assert_int_ne(look_at_it(), 0);
		page[at] ^= 0x40;
	}
	put_file(JNL_STATS_NAME, page, 100);
	ck_assert_int_eq(look_at_it(), -EUCLEAN);
	ck_assert_int_eq(journal_verify(path, &report), 0);
	ck_assert_uint_eq(report.finding, JOURNAL_SOUND);
	/* and the next writer makes it anew */
	j = open_with_stats(0);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(a_page_that_a_crash_left_as_zeros_is_made_anew)
{
	static const uint8_t zeros[JNL_STATS_LEN];
	journal *j = open_with_stats(0);

	ck_assert_int_eq(journal_close(j), 0);
	put_file(JNL_STATS_NAME, zeros, sizeof(zeros));
	ck_assert_int_eq(look_at_it(), -EUCLEAN);
	j = open_with_stats(0);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_int_eq(journal_close(j), 0);
	/* Zeros of another length are somebody else's. */
	put_file(JNL_STATS_NAME, zeros, 100);
	ck_assert_int_eq(look_at_it(), -EINVAL);
	j = open_with_stats(0);
	ck_assert_ptr_nonnull(strstr(trail_of(j), "move it away"));
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(a_newer_page_is_refused)
{
	struct jnl_stats_page page = { .magic = JNL_STATS_MAGIC };
	journal *j = open_with_stats(JOURNAL_NO_STATS);

	page.version = 2;
	put_file(JNL_STATS_NAME, &page, sizeof(page));
	ck_assert_int_eq(look_at_it(), -EPROTONOSUPPORT);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(the_newest_events_are_seen_oldest_first)
{
	journal *j = open_with_stats(0);

	for (int i = 0; i < 24; i++)
		ck_assert_int_eq(commit_bytes(j, 60000), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(look_at_it(), 0);
	ck_assert_uint_ge(snap.events, 20);
	for (int i = 0; i < JOURNAL_PAST_EVENTS; i++) {
		ck_assert_uint_eq(snap.event[i].kind, JOURNAL_EVENT_SEGMENT);
		if (i)
			ck_assert_uint_eq(snap.event[i].lsn,
					  snap.event[i - 1].lsn + SMALL);
	}
	ck_assert_uint_eq(snap.event[7].lsn, snap.events * SMALL);
}
END_TEST

/* ------------------------------------------------------------------------
 * Journals of every driver that tell one observer, each by a thread of its
 * own, and whose figures are read meanwhile.
 */

#define JOURNALS 3

static struct told_of {
	journal *j;
	char *path;
	uint64_t told, dropped;	/* by the one thread that tells of it */
	struct doing appender[2];
	pthread_t watcher;
} told_of[JOURNALS];
static atomic_bool over;

static void ask_it_back(void *arg, const struct journal_event *ev)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct told_of *t = arg;

	t->told++;
	t->dropped += ev->dropped;
	ck_assert_int_eq(journal_info(t->j, &info), 0);
	ck_assert_uint_eq(stats_of(t->j).failures, 0);
}

static void *watch_from_outside(void *arg)
{
	struct journal_snapshot snapshot = JOURNAL_SNAPSHOT_INIT;
	struct journal_stats figures = JOURNAL_STATS_INIT;
	const struct told_of *t = arg;

	while (!atomic_load(&over)) {
		ck_assert_int_eq(journal_stats_at(t->path, &snapshot,
						  &figures), 0);
		ck_assert_uint_eq(figures.payload, 9000 * figures.records);
	}
	return NULL;
}

static void open_told_of(struct told_of *t, const char *driver, int i)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o = options_of(driver, NULL, &told);
	struct jnl_env env = { .sys = &f.sys, .choice = &choice_dsync,
			       .stats = true };
	char name[32];

	(void)snprintf(name, sizeof(name), "journal%d", i);
	*t = (struct told_of){ .path = scratch_path(dir, name) };
	told.event = ask_it_back;
	told.arg = t;
	ck_assert_int_eq(jnl_open(&t->j, t->path, &o, &env), 0);
}

START_TEST(journals_of_every_driver_tell_one_observer_and_are_read_meanwhile)
{
	static const char *const drivers[] = { "caller", "thread", "loop" };
	char *own_path = path;

	atomic_store(&over, false);
	for (int i = 0; i < JOURNALS; i++)
		open_told_of(&told_of[i], drivers[i], i);
	for (int i = 0; i < JOURNALS; i++) {
		struct told_of *t = &told_of[i];

		ck_assert_int_eq(pthread_create(&t->watcher, NULL,
						watch_from_outside, t), 0);
		start_commits(&t->appender[0], t->j, 9000, 40);
		start_commits(&t->appender[1], t->j, 9000, 40);
	}
	for (int i = 0; i < JOURNALS; i++) {
		ck_assert_int_eq(end_commits(&told_of[i].appender[0]), 0);
		ck_assert_int_eq(end_commits(&told_of[i].appender[1]), 0);
	}
	atomic_store(&over, true);
	for (int i = 0; i < JOURNALS; i++) {
		struct told_of *t = &told_of[i];

		pthread_join(t->watcher, NULL);
		ck_assert_int_eq(journal_close(t->j), 0);
		path = t->path;
		ck_assert_int_eq(look_at_it(), 0);
		ck_assert_uint_eq(stats.records, 80);
		ck_assert_uint_gt(t->told, 0);
		ck_assert_uint_ge(t->told + stats.events_dropped, snap.events);
		ck_assert_uint_le(t->dropped, stats.events_dropped);
		free(t->path);
	}
	path = own_path;
}
END_TEST

RUN_SUITE_WITH("stats", 60, setup, teardown,
	what_is_counted_is_seen_from_outside,
	  a_writer_is_seen_at_work_and_then_closed,
	a_reader_never_sees_half_a_page,
	what_a_dead_writer_left_is_not_taken_for_a_live_one,
	figures_of_one_writer_are_not_taken_for_another_s,
	without_the_file_there_is_nothing_to_see,
	a_write_that_stands_still_is_seen_from_outside,
	what_closing_calls_off_is_no_failure,
	a_full_disk_costs_the_figures_and_nothing_else,
	a_disk_that_becomes_full_costs_the_figures_and_nothing_else,
	somebody_else_s_file_is_left_alone,
	a_link_is_not_followed,
	a_page_that_rots_is_found_and_no_journal_rests_on_it,
	a_page_that_a_crash_left_as_zeros_is_made_anew,
	a_newer_page_is_refused,
	the_newest_events_are_seen_oldest_first,
	journals_of_every_driver_tell_one_observer_and_are_read_meanwhile)
