/*
 * Waiting at a reader's end: what a writer says is durable comes, once and in
 * order, and nothing else does; writers come, die and give back meanwhile.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/reader.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u
#define SOON_MS	20000	/* a wait that is expected to end before */

static char *dir, *path;
static struct fault fault;	/* the reader's table, and the writer's */
static int appended;		/* records, over all writers */

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

static journal *open_with(const struct jnl_choice *choice)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = {
		.sys = &fault.sys, .choice = choice, .no_helper = true,
	};
	journal *j;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	return j;
}

static journal *open_journal(void)
{
	return open_with(&choice_dsync);
}

static void payload(char *text, size_t size, int i)
{
	(void)snprintf(text, size, "%d %*s", i, i * 617 % 9000, "");
}

static uint64_t put(journal *j, int count)
{
	static char text[9100];
	struct iovec iov = { text, 0 };
	uint64_t lsn = 0;
	int ret;

	while (count--) {
		payload(text, sizeof(text), appended);
		iov.iov_len = strlen(text);
		ret = journal_commit(j, &iov, 1, &lsn);
		ck_assert_int_eq(ret, 0);
		appended++;
	}
	return lsn;
}

/* What the helper does when the journal has been idle: a watermark. */
static void idle(journal *j)
{
	while (jnl_helper_step(j, true))
		;
}

static journal_reader *open_reader(uint64_t lsn)
{
	struct jnl_env env = { .sys = &fault.sys };
	journal_reader *r;

	ck_assert_int_eq(jnl_reader_open(&r, path, lsn, NULL, &env), 0);
	return r;
}

/* Everything there is now: the records n, n + 1, ...; the next one's number. */
static int take(journal_reader *r, int n)
{
	struct journal_record rec;
	static char text[9100];
	int ret;

	while ((ret = journal_reader_next(r, &rec)) == 1) {
		payload(text, sizeof(text), n);
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	return n;
}

/* As far as there is something without waiting. */
static int take_all(journal_reader *r, int n)
{
	int ret;

	n = take(r, n);
	while ((ret = journal_reader_wait(r, 0)) == 1)
		n = take(r, n);
	ck_assert_int_eq(ret, 0);
	return n;
}

static void scratch_empty(const char *gone)
{
	char *command;

	ck_assert_int_ge(asprintf(&command, "rm -f '%s'/*", gone), 0);
	ck_assert_int_eq(system(command), 0);
	free(command);
}

/* ------------------------------------------------------------------------
 * A writer in a process of its own, which can die without a word.
 */

struct writer {
	pid_t pid;
	int to, from;
};

static void write_and_wait(int in, int out)
{
	journal *j = open_journal();
	int count;

	while (read(in, &count, sizeof(count)) == sizeof(count)) {
		if (count)
			put(j, count);
		else
			idle(j);
		if (write(out, &count, sizeof(count)) != sizeof(count))
			break;
	}
	_exit(0);
}

static void tell_writer(struct writer *w, int count)
{
	int back;

	ck_assert_int_eq(write(w->to, &count, sizeof(count)), sizeof(count));
	ck_assert_int_eq(read(w->from, &back, sizeof(back)), sizeof(back));
	appended += count;
}

static void start_writer(struct writer *w)
{
	int to[2], from[2];

	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	w->pid = fork();
	if (!w->pid) {
		(void)close(to[1]);
		write_and_wait(to[0], from[1]);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	w->to = to[1];
	w->from = from[0];
}

static void end_writer(struct writer *w)
{
	int status;

	ck_assert_int_eq(kill(w->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(w->pid, &status, 0), w->pid);
	(void)close(w->to);
	(void)close(w->from);
}

/* ------------------------------------------------------------------------ */

START_TEST(only_what_a_header_says_is_durable_is_given_out)
{
	journal_reader *r;
	journal *j;
	int n;

	setup();
	j = open_journal();
	r = open_reader(0);
	n = take_all(r, 0);
	ck_assert_int_eq(n, 0);
	for (int i = 1; i < 100; i++) {
		put(j, 1);
		/* the last one's own watermark is the next one's to give */
		n = take_all(r, n);
		ck_assert_int_eq(n, i - 1);
	}
	idle(j);
	n = take_all(r, n);
	ck_assert_int_eq(n, appended);
	ck_assert_int_eq(journal_reader_wait(r, 0), 0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(take_all(r, n), appended);
	journal_reader_close(r);
	teardown();
}
END_TEST

START_TEST(following_reads_what_is_new_and_does_not_recover)
{
	unsigned long preads, lists;
	journal_reader *r;
	journal *j;
	int n;

	setup();
	j = open_journal();
	put(j, 200);
	idle(j);
	r = open_reader(0);
	n = take_all(r, 0);
	ck_assert_int_eq(n, appended);
	for (int i = 0; i < 100; i++) {
		put(j, 1);
		preads = fault.calls[FAULT_PREAD];
		lists = fault.calls[FAULT_LIST];
		n = take_all(r, n);
		/* a look that finds, the batch, a look that finds nothing */
		ck_assert_uint_le(fault.calls[FAULT_PREAD] - preads, 10);
		/* only for a segment that is not there yet */
		ck_assert_uint_le(fault.calls[FAULT_LIST] - lists, 1);
	}
	ck_assert_int_eq(n, appended - 1);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(waiting_ends_in_time_when_nothing_comes)
{
	journal_reader *r;
	uint64_t began;
	journal *j;

	setup();
	j = open_journal();
	idle(j);
	r = open_reader(0);
	ck_assert_int_eq(take_all(r, 0), 0);
	began = jnl_now_ns();
	ck_assert_int_eq(journal_reader_wait(r, 300), 0);
	ck_assert_uint_ge(jnl_now_ns() - began, 290000000u);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/* The writer goes on when the reader waits already. */
static void follow_another_process(int err)
{
	struct pollfd p = { .events = POLLIN };
	struct writer w;
	journal_reader *r;
	int n = 0;

	setup();
	start_writer(&w);
	tell_writer(&w, 1);
	fault_set(&fault, FAULT_WATCH, 1, err ? 1 : 0, err);
	r = open_reader(0);
	p.fd = journal_reader_fd(r);
	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(fault.hit, err ? 1 : 0);
	/* readable at once: nobody has looked since it was watched */
	ck_assert_int_eq(poll(&p, 1, SOON_MS), 1);
	n = take_all(r, n);
	for (int i = 0; i < 30; i++) {
		tell_writer(&w, 1);
		ck_assert_int_eq(poll(&p, 1, SOON_MS), 1);
		if (journal_reader_wait(r, SOON_MS) == 1)
			n = take(r, n);
	}
	tell_writer(&w, 0);
	while (n < appended) {
		ck_assert_int_eq(journal_reader_wait(r, SOON_MS), 1);
		n = take(r, n);
	}
	journal_reader_close(r);
	end_writer(&w);
	teardown();
}

START_TEST(the_descriptor_tells_of_another_process)
{
	follow_another_process(0);
}
END_TEST

START_TEST(where_no_watch_is_to_be_had_a_timer_tells)
{
	static const int errors[] = { -ENOSPC, -EMFILE, -ENOSYS };

	for (size_t i = 0; i < 3; i++)
		follow_another_process(errors[i]);
}
END_TEST

START_TEST(a_dead_writers_last_records_come_and_so_do_the_next_ones)
{
	struct writer w;
	journal_reader *r = NULL;
	int n = 0;

	setup();
	for (int life = 0; life < 6; life++) {
		start_writer(&w);
		tell_writer(&w, 1 + life * 7);
		if (!r)
			r = open_reader(0);
		n = take_all(r, n);
		ck_assert_int_lt(n, appended);
		end_writer(&w);
		while (n < appended) {
			ck_assert_int_eq(journal_reader_wait(r, SOON_MS), 1);
			n = take(r, n);
		}
		ck_assert_int_eq(journal_reader_wait(r, 0), 0);
	}
	journal_reader_close(r);
	teardown();
}
END_TEST

START_TEST(a_dead_writers_journal_is_recovered_once)
{
	unsigned long lists, fsyncs;
	struct writer w;
	journal_reader *r;
	int n;

	setup();
	start_writer(&w);
	tell_writer(&w, 20);
	r = open_reader(0);
	n = take_all(r, 0);
	end_writer(&w);
	n = take_all(r, n);
	ck_assert_int_eq(n, appended);
	lists = fault.calls[FAULT_LIST];
	fsyncs = fault.calls[FAULT_FSYNC];
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(journal_reader_wait(r, 0), 0);
	ck_assert_uint_eq(fault.calls[FAULT_LIST], lists);
	ck_assert_uint_eq(fault.calls[FAULT_FSYNC], fsyncs);
	journal_reader_close(r);
	teardown();
}
END_TEST

/* Spoil the body of the last batch and of what lies behind it. */
static void tear(uint64_t lsn)
{
	char *file, noise[64];
	FILE *f;

	memset(noise, 'x', sizeof(noise));
	ck_assert_int_ge(asprintf(&file, "%s/%016llx.seg", path,
				  (unsigned long long)lsn / SMALL), 0);
	f = fopen(file, "r+");
	ck_assert_ptr_nonnull(f);
	/* Behind the length word. */
	ck_assert_int_eq(fseek(f, (long)(lsn % SMALL + 8), SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(noise, 1, sizeof(noise), f), sizeof(noise));
	ck_assert_int_eq(fclose(f), 0);
	free(file);
}

START_TEST(a_torn_batch_at_the_end_is_looked_at_once_and_then_written_over)
{
	struct journal_record rec;
	unsigned long lists;
	struct writer w;
	journal_reader *r;
	uint64_t last = 0;
	journal *j;
	int n;

	setup();
	start_writer(&w);
	tell_writer(&w, 4);
	end_writer(&w);
	r = open_reader(0);
	while (journal_reader_next(r, &rec) == 1)
		last = rec.lsn;
	journal_reader_close(r);
	tear(last);
	appended--;

	r = open_reader(0);
	n = take_all(r, 0);
	ck_assert_int_eq(n, appended);
	lists = fault.calls[FAULT_LIST];
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(journal_reader_wait(r, 0), 0);
	ck_assert_uint_eq(fault.calls[FAULT_LIST], lists);
	j = open_journal();
	put(j, 30);
	idle(j);
	ck_assert_int_eq(take_all(r, n), appended);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/*
 * Read without a writer, above the last watermark; the next writer's open
 * batch has the old one.
 */
START_TEST(the_end_never_goes_back_when_the_next_writer_opens)
{
	struct journal_record rec;
	journal_reader *r, *resumed;
	uint64_t last = 0;
	struct writer w;
	journal *j;
	int n = 0;

	setup();
	start_writer(&w);
	tell_writer(&w, 5);
	end_writer(&w);
	r = open_reader(0);
	while (journal_reader_next(r, &rec) == 1) {
		last = rec.lsn;
		n++;
	}
	ck_assert_int_eq(n, appended);
	j = open_journal();
	ck_assert_int_eq(take_all(r, n), n);
	/* nor is the place that was reached outside the journal */
	resumed = open_reader(last + 1);
	ck_assert_int_eq(take_all(resumed, n), n);
	ck_assert_int_eq(journal_reader_seek(r, last + 1), 0);
	ck_assert_int_eq(journal_reader_seek(r, last + SMALL), -ERANGE);
	ck_assert_int_eq(journal_reader_seek(r, last + 1), 0);
	put(j, 40);
	idle(j);
	ck_assert_int_eq(take_all(r, n), appended);
	ck_assert_int_eq(take_all(resumed, n), appended);
	journal_reader_close(r);
	journal_reader_close(resumed);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/* Nobody seems to have the lock for writing, until somebody wants it. */
static int no_holder(struct jnl_sys *sys, int fd, int cmd, struct flock *fl)
{
	int ret = fault.base->lock(fault.base, fd, cmd, fl);

	(void)sys;
	if (cmd == F_OFD_GETLK)
		fl->l_type = F_UNLCK;
	return ret;
}

START_TEST(the_end_never_goes_back_when_a_writer_comes_while_it_recovers)
{
	struct writer w;
	journal_reader *r;
	uint64_t end;
	journal *j;
	int n;

	setup();
	start_writer(&w);
	tell_writer(&w, 5);
	end_writer(&w);
	r = open_reader(0);
	n = take_all(r, 0);
	ck_assert_int_eq(n, appended);
	j = open_journal();
	fault.sys.lock = no_holder;
	end = r->at.rec.end;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(take_all(r, n), n);
		/* below it the reader has been, and it may be given back */
		ck_assert_uint_ge(r->at.rec.end, end);
	}
	put(j, 30);
	idle(j);
	ck_assert_int_eq(take_all(r, n), appended);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/*
 * A drive that has lost what was written shows what was there before: batches
 * in their place, and not of this chain.
 */
START_TEST(batches_of_another_life_are_not_followed)
{
	static char before[SMALL], after[SMALL];
	journal_reader *r;
	uint64_t end;
	journal *j;
	char *file;
	int fd, n;

	setup();
	file = scratch_path(path, "0000000000000000.seg");
	j = open_journal();
	put(j, 2);
	ck_assert_int_eq(journal_close(j), 0);
	fd = open(file, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, before, SMALL, 0), SMALL);
	j = open_journal();
	put(j, 4);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(pread(fd, after, SMALL, 0), SMALL);
	ck_assert_int_eq(pwrite(fd, before, SMALL, 0), SMALL);
	appended = 2;

	r = open_reader(0);
	n = take_all(r, 0);
	ck_assert_int_eq(n, 2);
	end = r->at.rec.end;
	/* Its open batch is as long as that of the other life. */
	j = open_journal();
	end += r->at.rec.geometry.block_size;
	ck_assert_int_eq(pwrite(fd, after + end, SMALL - end, (off_t)end),
			 (ssize_t)(SMALL - end));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(take_all(r, n), 2);
	put(j, 1);
	ck_assert_int_eq(take_all(r, n), 2);
	put(j, 30);
	idle(j);
	ck_assert_int_eq(take_all(r, n), appended);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	(void)close(fd);
	free(file);
	teardown();
}
END_TEST

/* Give back all but the last records; files go and are used again. */
static void rotate(journal *j, int count, int keep)
{
	uint64_t lsn[64];

	for (int i = 0; i < count; i++) {
		lsn[i % 64] = put(j, 1);
		if (i >= keep && i % 5 == 0)
			ck_assert_int_eq(journal_trim(j, lsn[(i - keep) % 64]),
					 0);
		idle(j);
	}
}

START_TEST(who_is_overtaken_by_a_trim_is_told_where_to_go_on)
{
	journal_reader *r;
	uint64_t first;
	journal *j;

	/* the end lies in the middle of a segment, and just behind one */
	for (int before = 3; before < 30; before++) {
		struct journal_record rec;

		setup();
		j = open_journal();
		put(j, before);
		idle(j);
		r = open_reader(0);
		ck_assert_int_eq(take_all(r, 0), before);
		rotate(j, 200, 20);
		ck_assert_int_eq(journal_reader_wait(r, 0), -ERANGE);
		ck_assert_int_eq(journal_reader_wait(r, SOON_MS), -ERANGE);
		ck_assert_int_eq(journal_reader_next(r, &rec), -ERANGE);
		first = journal_reader_error(r)->lsn;
		ck_assert_int_eq(journal_reader_seek(r, 8), -ERANGE);
		ck_assert_uint_eq(journal_reader_error(r)->lsn, first);
		ck_assert_int_eq(journal_reader_seek(r, first), 0);
		ck_assert_int_eq(journal_reader_next(r, &rec), 1);
		ck_assert_uint_ge(rec.lsn, first);
		ck_assert_int_eq(take_all(r, atoi(rec.data) + 1), appended);
		journal_reader_close(r);
		ck_assert_int_eq(journal_close(j), 0);
		teardown();
	}
}
END_TEST

START_TEST(files_that_are_used_again_are_followed)
{
	journal_reader *r;
	journal *j;
	int n = 0;

	setup();
	j = open_journal();
	r = open_reader(0);
	for (int i = 0; i < 60; i++) {
		rotate(j, 10, 8);
		n = take_all(r, n);
		ck_assert_int_eq(n, appended);
	}
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(a_file_that_took_a_failed_ones_place_is_followed)
{
	journal_reader *r;
	journal *j;
	int n;

	setup();
	j = open_with(&choice_flush);
	put(j, 3);
	idle(j);
	r = open_reader(0);
	n = take_all(r, 0);
	for (int i = 0; i < 8; i++) {
		fault_set(&fault, FAULT_FDATASYNC, 1, 1, -EIO);
		put(j, 2);
		ck_assert_uint_eq(fault.hit, 1);
		put(j, 3);
		idle(j);
		n = take_all(r, n);
		ck_assert_int_eq(n, appended);
	}
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(another_journal_in_its_place_is_not_followed)
{
	struct journal_record rec;
	journal_reader *r;
	char *aside;
	journal *j;

	for (int other = 0; other < 2; other++) {
		setup();
		aside = scratch_path(dir, "aside");
		j = open_journal();
		put(j, 3);
		ck_assert_int_eq(journal_close(j), 0);
		r = open_reader(0);
		ck_assert_int_eq(take_all(r, 0), 3);
		ck_assert_int_eq(rename(path, aside), 0);
		/* The old one is still there for who has it open. */
		ck_assert_int_eq(journal_reader_wait(r, 0), 0);
		scratch_empty(aside);
		if (other) {
			j = open_journal();
			put(j, 5);
			ck_assert_int_eq(journal_close(j), 0);
		}
		ck_assert_int_eq(journal_reader_wait(r, 0),
				 other ? -EXDEV : -ENOENT);
		ck_assert_int_eq(journal_reader_next(r, &rec),
				 other ? -EXDEV : -ENOENT);
		ck_assert_int_ne(journal_reader_error(r)->message[0], 0);
		journal_reader_close(r);
		free(aside);
		teardown();
	}
}
END_TEST

START_TEST(a_failure_to_read_is_told_and_stays_until_the_next_seek)
{
	static const struct {
		enum fault_call call;
		int err, want;
	} cases[] = {
		{ FAULT_PREAD, -EIO, -EIO },
		{ FAULT_OPENAT, -EACCES, -EACCES },
		{ FAULT_OPENAT, -EMFILE, -EMFILE },
		{ FAULT_LOCK, -ENOLCK, -ENOLCK },
	};
	struct journal_record rec;
	journal_reader *r;
	journal *j;
	int n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup();
		j = open_journal();
		put(j, 3);
		idle(j);
		r = open_reader(0);
		n = take_all(r, 0);
		fault_set(&fault, cases[i].call, 1, 100, cases[i].err);
		ck_assert_int_eq(journal_reader_wait(r, 0), cases[i].want);
		ck_assert_uint_ge(fault.hit, 1);
		ck_assert_int_eq(journal_reader_error(r)->code, cases[i].want);
		ck_assert_int_ne(journal_reader_error(r)->message[0], 0);
		fault_clear(&fault);
		ck_assert_int_eq(journal_reader_wait(r, 0), cases[i].want);
		ck_assert_int_eq(journal_reader_next(r, &rec), cases[i].want);
		ck_assert_int_eq(journal_reader_seek(r, 0), 0);
		put(j, 30);
		idle(j);
		ck_assert_int_eq(take_all(r, 0), n + 30);
		journal_reader_close(r);
		ck_assert_int_eq(journal_close(j), 0);
		teardown();
	}
}
END_TEST

START_TEST(a_child_of_fork_cannot_wait)
{
	journal_reader *r;
	int status;
	journal *j;
	pid_t pid;

	setup();
	j = open_journal();
	put(j, 3);
	r = open_reader(0);
	(void)take_all(r, 0);
	pid = fork();
	if (!pid) {
		bool ok = journal_reader_wait(r, -1) == -EOWNERDEAD &&
			  journal_reader_fd(r) == -EOWNERDEAD;

		journal_reader_close(r);
		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	put(j, 3);
	idle(j);
	ck_assert_int_eq(take_all(r, 2), 6);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

RUN_SUITE("follow", 120,
	  only_what_a_header_says_is_durable_is_given_out,
	  following_reads_what_is_new_and_does_not_recover,
	  waiting_ends_in_time_when_nothing_comes,
	  the_descriptor_tells_of_another_process,
	  where_no_watch_is_to_be_had_a_timer_tells,
	  a_dead_writers_last_records_come_and_so_do_the_next_ones,
	  a_dead_writers_journal_is_recovered_once,
	  a_torn_batch_at_the_end_is_looked_at_once_and_then_written_over,
	  the_end_never_goes_back_when_the_next_writer_opens,
	  the_end_never_goes_back_when_a_writer_comes_while_it_recovers,
	  batches_of_another_life_are_not_followed,
	  who_is_overtaken_by_a_trim_is_told_where_to_go_on,
	  files_that_are_used_again_are_followed,
	  a_file_that_took_a_failed_ones_place_is_followed,
	  another_journal_in_its_place_is_not_followed,
	  a_failure_to_read_is_told_and_stays_until_the_next_seek,
	  a_child_of_fork_cannot_wait)
