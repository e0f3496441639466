/*
 * Readers beside a writer that gives back, at any of their calls, what they are
 * about to read, removes it and uses it again: in a directory and on a device.
 * Nothing of that may look like damage, or like no journal.
 */
#include "config.h"

#include <malloc.h>

#include "tests/unit/raw.h"

/* What the writer does when the reader comes to a call, and to how many. */
static struct {
	journal *j;
	long at, times;		/* counted down; at 0: not at all */
	unsigned long calls;	/* the reader's */
	bool busy;
	bool ends;		/* and the next one goes on */
	long starves;		/* then the reader opens so many files more */
} writer;

static struct jnl_sys *real(void)
{
	return jnl_sys_linux();
}

/* Give back all but the last, and use what it was in again. */
static void go_on(void)
{
	writer.busy = true;
	if (writer.ends) {
		ck_assert_int_eq(journal_close(writer.j), 0);
		writer.j = open_journal();
	}
	ck_assert_int_eq(journal_trim(writer.j, lsn_of[appended - 1]), 0);
	put(writer.j, 9);
	writer.busy = false;
}

static void step(void)
{
	if (writer.busy || !writer.j)
		return;
	writer.calls++;
	if (!writer.at || --writer.at)
		return;
	writer.at = --writer.times > 0;
	go_on();
}

static ssize_t on_pread(struct jnl_sys *sys, int fd, void *buf, size_t len,
			uint64_t offset, int rwf)
{
	(void)sys;
	step();
	return real()->pread(real(), fd, buf, len, offset, rwf);
}

static int on_list(struct jnl_sys *sys, int dirfd, jnl_list_fn fn, void *arg)
{
	(void)sys;
	step();
	return real()->list(real(), dirfd, fn, arg);
}

static int (*device_openat)(struct jnl_sys *, int, const char *, int, mode_t);

static int on_openat(struct jnl_sys *sys, int dirfd, const char *name,
		     int flags, mode_t mode)
{
	step();
	/* Then a process has as many open as it may. */
	if (writer.starves && !writer.busy && !writer.at && !--writer.starves) {
		writer.starves = 1;
		return -EMFILE;
	}
	return device_openat(sys, dirfd, name, flags, mode);
}

/* Some segments, all of them with watermarks above. */
static void begin(bool raw)
{
	memset(&writer, 0, sizeof(writer));
	make(4);
	if (!raw) {
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	device_openat = device.sys.openat;
	device.sys.openat = on_openat;
	device.sys.pread = on_pread;
	device.sys.list = on_list;
	writer.busy = true;
	writer.j = open_journal();
	put(writer.j, 20);
	while (jnl_helper_step(writer.j, true))
		;
	writer.busy = false;
}

static void end(bool raw)
{
	journal *j = writer.j;

	writer.j = NULL;
	ck_assert_int_eq(journal_close(j), 0);
	if (raw)
		return;
	scratch_remove(strdup(path));
}

/* ------------------------------------------------------------------------ */

/* For want of descriptors: as it is, not as what else it might look like. */
static bool may_fail(int ret)
{
	return ret == -EMFILE && writer.starves;
}

static journal_reader *open_reader(void)
{
	struct jnl_env env = { .sys = &device.sys };
	journal_reader *r;
	int ret = jnl_reader_open(&r, path, 0, &error, &env);

	if (may_fail(ret))
		return NULL;
	ck_assert_msg(!ret, "%d: %s", ret, error.message);
	return r;
}

static void judges(void)
{
	struct jnl_env env = { .sys = &device.sys };
	struct journal_report rep = JOURNAL_REPORT_INIT;
	int ret = jnl_verify(path, &rep, &env);

	if (may_fail(ret))
		return;
	ck_assert_msg(!ret && rep.finding <= JOURNAL_TAIL, "%d, %u: %s", ret,
		      rep.finding, rep.message);
}

static void check_record(const struct journal_record *rec)
{
	static char text[9100];
	int n = appended;

	while (n && lsn_of[n - 1] != rec->lsn)
		n--;
	ck_assert_int_gt(n, 0);
	payload(text, sizeof(text), n - 1);
	ck_assert_uint_eq(rec->len, strlen(text));
	ck_assert_mem_eq(rec->data, text, rec->len);
}

static void read_on(journal_reader *r)
{
	struct journal_record rec;
	int ret;

	for (;;) {
		ret = journal_reader_next(r, &rec);
		if (ret == 1) {
			check_record(&rec);
			continue;
		}
		if (ret != -ERANGE)
			break;
		ret = journal_reader_seek(r, journal_reader_error(r)->lsn);
		if (ret && ret != -ERANGE)
			break;
	}
	ck_assert_msg(!ret || may_fail(ret), "%d: %s", ret,
		      journal_reader_error(r)->message);
}

static void reads(void)
{
	journal_reader *r = open_reader();

	if (r)
		read_on(r);
	journal_reader_close(r);
}

static void follows(void)
{
	journal_reader *r = open_reader();
	int ret;

	for (int i = 0; r && i < 4; i++) {
		read_on(r);
		ret = journal_reader_wait(r, 0);
		if (ret == -ERANGE)
			ret = journal_reader_seek(
				r, journal_reader_error(r)->lsn);
		ck_assert_msg(ret >= 0 || ret == -ERANGE || may_fail(ret),
			      "%d: %s", ret, journal_reader_error(r)->message);
		if (ret == -ERANGE) {
			ret = journal_reader_seek(r, 0);
			ck_assert(!ret || may_fail(ret));
		}
	}
	journal_reader_close(r);
}

static void picks(void)
{
	static char buf[20][9100];
	struct journal_read ask[20];
	journal_reader *r = open_reader();

	for (int round = 0; r && round < 3; round++) {
		int ret;

		for (int i = 0; i < 20; i++)
			ask[i] = (struct journal_read){
				.lsn = lsn_of[i + 9 * round], .buf = buf[i],
				.cap = sizeof(buf[i]),
			};
		ret = journal_read_many(r, ask, 20);
		ck_assert(ret >= 0 || may_fail(ret));
		for (int i = 0; i < 20; i++) {
			struct journal_record rec = { ask[i].lsn, buf[i],
						      ask[i].len };

			if (!ask[i].err)
				check_record(&rec);
			else
				ck_assert_msg(ask[i].err == -ERANGE ||
					      may_fail(ask[i].err), "%d: %s",
					      ask[i].err,
					      journal_reader_error(r)->message);
		}
		/* So that the last ones lie beyond the end that is known. */
		if (appended < 20 + 9 * (round + 1))
			go_on();
	}
	journal_reader_close(r);
}

/* At each of the reader's calls, and at some of them one after the other. */
static void sweep_through(void (*reader)(void), bool raw, long times,
			  bool ends, long starves)
{
	for (long k = 1;; k++) {
		begin(raw);
		writer.at = k;
		writer.times = times;
		writer.ends = ends;
		writer.starves = starves;
		reader();
		end(raw);
		if (writer.at)
			break;
	}
	ck_assert_uint_gt(writer.calls, 10);
}

static void sweep(void (*reader)(void))
{
	for (int raw = 0; raw < 2; raw++) {
		sweep_through(reader, raw, 1, false, 0);
		sweep_through(reader, raw, 3, false, 0);
		sweep_through(reader, raw, 1, true, 0);
		for (long n = 1; n <= 3 && !raw; n++)
			sweep_through(reader, raw, 1, false, n);
	}
}

START_TEST(verifying_finds_no_damage)
{
	sweep(judges);
}
END_TEST

START_TEST(reading_in_order_finds_no_damage)
{
	sweep(reads);
}
END_TEST

START_TEST(following_finds_no_damage)
{
	sweep(follows);
}
END_TEST

START_TEST(reading_many_finds_no_damage)
{
	/* What is freed is no pointer any more: a device's table goes when the
	 * reader looks for a new end, and its ring stays. */
	(void)mallopt(M_PERTURB, 0xa5);
	sweep(picks);
}
END_TEST

RUN_SUITE_WITH("overtaken", 120, setup, teardown,
	verifying_finds_no_damage,
	reading_in_order_finds_no_damage,
	following_finds_no_damage,
	reading_many_finds_no_damage)
