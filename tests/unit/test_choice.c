/*
 * The measured choice: kept with the journal, used while the machine is the
 * one it was measured on, ignored otherwise; and never more than advice.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal/core.h"
#include "probe/facts.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL		65536u
#define MEASURE_NS	60000000u

static char *dir, *path, *file;
static struct fault f;

static void setup(void)
{
	dir = scratch_make(true);
	path = scratch_path(dir, "journal");
	file = scratch_path(path, "choice");
	fault_init(&f, jnl_sys_linux());
}

static void teardown(void)
{
	free(file);
	free(path);
	scratch_remove(dir);
}

static struct journal_error error;

static int open_with(journal **j, uint64_t flags, const char *method,
		     const char *driver)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .sys = &f.sys, .measure_ns = MEASURE_NS };

	o.flags = flags;
	o.segment_size = SMALL;
	o.method = method;
	o.driver = driver;
	o.error = &error;
	return jnl_open(j, path, &o, &env);
}

static journal *open_good(uint64_t flags)
{
	journal *j;

	ck_assert_msg(!open_with(&j, flags, NULL, NULL), "%s", error.message);
	return j;
}

static struct journal_info info_of(journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	return info;
}

static void says(journal *j, const char *what)
{
	struct journal_info info = info_of(j);

	ck_assert_msg(strstr(info.measured, what), "'%s' is not in '%s'", what,
		      info.measured);
	/* what is said there is in the trail too, if somebody writes */
	ck_assert(!*info.method || strstr(info.trail, info.measured));
}

static void append(journal *j)
{
	struct iovec iov = { "record", 6 };

	ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
}

static int records(void)
{
	struct journal_record r;
	journal_reader *reader;
	int n = 0;

	ck_assert_int_eq(journal_reader_open(&reader, path, 0, NULL), 0);
	while (journal_reader_next(reader, &r) == 1)
		n++;
	journal_reader_close(reader);
	return n;
}

static size_t read_file(char text[JNL_CHOICE_MAX + 1])
{
	FILE *in = fopen(file, "r");
	size_t n;

	ck_assert_ptr_nonnull(in);
	n = fread(text, 1, JNL_CHOICE_MAX, in);
	fclose(in);
	text[n] = '\0';
	return n;
}

static void write_file(const char *text, size_t len)
{
	FILE *out = fopen(file, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
}

/* With a good sum: text up to its line of that name. */
static size_t seal(char *text)
{
	char *sum = strstr(text, "\nsum ");
	size_t len = sum ? (size_t)(sum + 1 - text) : strlen(text);

	return len + (size_t)sprintf(text + len, "sum %016llx\n",
		(unsigned long long)jnl_checksum(text, len, 0));
}

/* A good text with another value for key. */
static size_t forge(char *text, const char *key, const char *value)
{
	char rest[JNL_CHOICE_MAX + 1], *at = strstr(text, key), *end;

	ck_assert_ptr_nonnull(at);
	at += strlen(key) + 1;
	end = strchr(at, '\n');
	strcpy(rest, end);
	at = stpcpy(at, value);
	strcpy(at, rest);
	return seal(text);
}

static bool there(const char *name)
{
	char *p = scratch_path(path, name);
	bool is = access(p, F_OK) == 0;

	free(p);
	return is;
}

/* A journal with a kept choice, and its text. */
static size_t make_kept(char text[JNL_CHOICE_MAX + 1])
{
	journal *j = open_good(JOURNAL_CREATE | JOURNAL_MEASURE);

	append(j);
	ck_assert_int_eq(journal_close(j), 0);
	return read_file(text);
}

/* ------------------------------------------------------------------------ */

START_TEST(a_measured_choice_is_kept_and_used)
{
	struct journal_report report = JOURNAL_REPORT_INIT;
	journal *j;

	setup();
	j = open_good(JOURNAL_CREATE | JOURNAL_MEASURE);
	says(j, ": used");
	append(j);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert(there("choice"));
	j = open_good(0);
	says(j, ": used");
	ck_assert_ptr_nonnull(strstr(info_of(j).trail, "as measured"));
	append(j);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(records(), 2);
	ck_assert_int_eq(journal_verify(path, &report), 0);
	teardown();
}
END_TEST

START_TEST(nothing_is_measured_unasked)
{
	unsigned long writes;
	journal *j;

	setup();
	j = open_good(JOURNAL_CREATE);
	ck_assert_str_eq(info_of(j).measured, "");
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert(!there("choice"));
	writes = f.calls[FAULT_PWRITE];
	j = open_good(0);
	/* the probe's tries, the open batch, zeros */
	ck_assert_uint_lt(f.calls[FAULT_PWRITE] - writes, 12);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_with(&j, JOURNAL_READ_ONLY | JOURNAL_MEASURE,
				   NULL, NULL), -EINVAL);
	teardown();
}
END_TEST

START_TEST(a_choice_for_another_kernel_is_ignored)
{
	char text[2 * JNL_CHOICE_MAX];
	journal *j;

	setup();
	make_kept(text);
	write_file(text, forge(text, "kernel.release", "6.1.0"));
	j = open_good(0);
	says(j, "ignored: it is for kernel 6.1.0 and this is ");
	says(j, ": measure again");
	ck_assert_ptr_null(strstr(info_of(j).trail, "as measured"));
	ck_assert_int_eq(journal_close(j), 0);
	/* measuring again mends it */
	ck_assert_int_eq(journal_close(open_good(JOURNAL_MEASURE)), 0);
	j = open_good(0);
	says(j, ": used");
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(every_key_has_to_match)
{
	static const char *const keys[] = {
		"library", "kernel.release", "fs.type", "fs.mount_source",
		"device.name", "device.stack", "device.size_bytes",
		"device.write_cache", "drive.model", "drive.firmware",
	};
	char good[JNL_CHOICE_MAX + 1], text[2 * JNL_CHOICE_MAX];
	journal *j;

	setup();
	make_kept(good);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		strcpy(text, good);
		write_file(text, forge(text, keys[i], "another\\20one"));
		j = open_good(0);
		says(j, "ignored: it is for");
		says(j, "another\\20one");
		ck_assert_int_eq(journal_close(j), 0);
	}
	teardown();
}
END_TEST

START_TEST(a_machine_that_is_not_known_is_no_match)
{
	static const struct jnl_measured best = {
		.method = "buffered", .driver = "caller",
		.carrier = "pwritev2",
	};
	char text[2 * JNL_CHOICE_MAX], why[JNL_CHOICE_WHY], *made;
	struct jnl_kept_choice kept;
	journal_probe *p;
	size_t len;
	int fd;

	setup();
	make_kept(text);
	len = forge(text, "fs.type", "-");
	/* whatever it is, it reads; but it matches nothing */
	ck_assert_int_eq(jnl_choice_parse(text, len, NULL, &kept, why), 0);
	write_file(text, len);
	says(open_good(0), "ignored: it is for file system -");
	/* nor if it was not known then either */
	fd = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(jnl_probe_dir(&p, &f.sys, fd, path), 0);
	made = jnl_choice_format(p, &best, false);
	ck_assert_int_eq(jnl_choice_parse(made, strlen(made), p, &kept, why),
			 0);
	free(made);
	jnl_fact_unknown(p, JNL_KERNEL_RELEASE, -ENOENT, "");
	made = jnl_choice_format(p, &best, false);
	ck_assert_int_eq(jnl_choice_parse(made, strlen(made), p, &kept, why),
			 -ESTALE);
	ck_assert_str_eq(why, "kernel.release is not known");
	free(made);
	journal_probe_close(p);
	close(fd);
	teardown();
}
END_TEST

START_TEST(any_damage_is_seen)
{
	char good[JNL_CHOICE_MAX + 1], bad[JNL_CHOICE_MAX + 1];
	char why[JNL_CHOICE_WHY];
	struct jnl_kept_choice kept;
	size_t len;

	setup();
	len = make_kept(good);
	ck_assert_int_eq(jnl_choice_parse(good, len, NULL, &kept, why), 0);
	for (size_t i = 0; i < len; i++) {
		ck_assert_int_eq(jnl_choice_parse(good, i, NULL, &kept, why),
				 -EBADMSG);
		for (int bit = 0; bit < 8; bit++) {
			memcpy(bad, good, len);
			bad[i] ^= (char)(1 << bit);
			ck_assert_int_eq(jnl_choice_parse(bad, len, NULL,
							  &kept, why),
					 -EBADMSG);
			ck_assert_str_ne(why, "");
		}
	}
	teardown();
}
END_TEST

START_TEST(a_good_sum_makes_nonsense_no_better)
{
	static const char *const forged[][2] = {
		{ "method", "../../etc" }, { "method", "Direct" },
		{ "driver", "loop" }, { "driver", "thread" },
		{ "carrier", "io_uring" }, { "carrier", "sendmail" },
		{ "alone_ns", "-1" }, { "alone_ns", "1e9" },
		{ "many_ns", "18446744073709551616" }, { "many_ns", "" },
		{ "method", "direct\nmethod direct" },
		{ "drive.firmware", "a b" }, { "drive.model", "\033[2J" },
		{ "many_ns", "1\nmore 1" }, { "library", "" },
		{ "passthrough", "2" }, { "passthrough", "yes" },
	};
	char good[JNL_CHOICE_MAX + 1], text[2 * JNL_CHOICE_MAX];
	journal *j;

	setup();
	make_kept(good);
	forge(good, "method", "direct");
	forge(good, "driver", "caller");
	forge(good, "carrier", "pwritev2");
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		strcpy(text, good);
		write_file(text, forge(text, forged[i][0], forged[i][1]));
		j = open_good(0);
		says(j, "ignored: it is ");
		ck_assert_ptr_null(strchr(info_of(j).measured, '\033'));
		ck_assert_int_eq(journal_close(j), 0);
	}
	teardown();
}
END_TEST

static void replace_file(const char *how)
{
	ck_assert(unlink(file) == 0 || rmdir(file) == 0 || errno == ENOENT);
	if (!strcmp(how, "symlink"))
		ck_assert_int_eq(symlink("/dev/zero", file), 0);
	else if (!strcmp(how, "fifo"))
		ck_assert_int_eq(mkfifo(file, 0600), 0);
	else if (!strcmp(how, "directory"))
		ck_assert_int_eq(mkdir(file, 0700), 0);
	else
		write_file("", 0);
	if (!strcmp(how, "huge"))
		ck_assert_int_eq(truncate(file, 1 << 30), 0);
}

START_TEST(whatever_lies_there_instead_is_ignored_and_opening_goes_on)
{
	static const char *const kinds[] = {
		"symlink", "fifo", "directory", "empty", "huge",
	};
	char text[JNL_CHOICE_MAX + 1];
	journal *j;

	setup();
	make_kept(text);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		replace_file(kinds[i]);
		j = open_good(0);
		says(j, "ignored: ");
		if (i == 1 || i == 2)
			says(j, "not a regular file");
		append(j);
		ck_assert_int_eq(journal_close(j), 0);
		j = open_good(JOURNAL_READ_ONLY);
		says(j, "ignored: ");
		ck_assert_int_eq(journal_close(j), 0);
		/* measured anew: a directory stays, the rest is replaced */
		j = open_good(JOURNAL_MEASURE);
		says(j, strcmp(kinds[i], "directory") ? ": used" :
							"could not be kept");
		ck_assert_int_eq(journal_close(j), 0);
		ck_assert(!there("choice.tmp"));
	}
	ck_assert_int_eq(records(), 6);
	teardown();
}
END_TEST

static int no_direct(struct jnl_sys *sys, int fd, const char *name, int flags,
		     mode_t mode)
{
	struct jnl_sys *base = ((struct fault *)sys)->base;

	if (flags & O_DIRECT)
		return -EINVAL;
	return base->openat(base, fd, name, flags, mode);
}

START_TEST(a_method_that_the_ranking_refuses_is_never_used)
{
	char text[2 * JNL_CHOICE_MAX];
	journal *j;

	setup();
	make_kept(text);
	write_file(text, forge(text, "method", "direct"));
	f.sys.openat = no_direct;
	j = open_good(0);
	says(j, "ignored: that method is refused here");
	ck_assert_str_eq(info_of(j).method, "buffered");
	append(j);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(what_is_asked_for_wins)
{
	char text[2 * JNL_CHOICE_MAX];
	journal *j;

	setup();
	make_kept(text);
	forge(text, "method", "buffered");
	forge(text, "driver", "caller");
	write_file(text, forge(text, "carrier", "pwritev2"));
	j = open_good(0);
	ck_assert_str_eq(info_of(j).method, "buffered");
	ck_assert_str_eq(info_of(j).driver, "caller");
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_with(&j, 0, "direct", NULL), 0);
	says(j, "not used: another method was asked for");
	ck_assert_str_eq(info_of(j).method, "direct");
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_with(&j, 0, NULL, "thread"), 0);
	says(j, "used but for driver and carrier");
	ck_assert_str_eq(info_of(j).method, "buffered");
	ck_assert_str_eq(info_of(j).driver, "thread");
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(what_was_measured_without_passthrough_is_not_for_it)
{
	char text[2 * JNL_CHOICE_MAX];
	journal *j;

	setup();
	make_kept(text);
	j = open_good(JOURNAL_PASSTHROUGH);
	says(j, "ignored: it was measured without JOURNAL_PASSTHROUGH");
	ck_assert_int_eq(journal_close(j), 0);
	write_file(text, forge(text, "passthrough", "1"));
	j = open_good(0);
	says(j, "ignored: it was measured with JOURNAL_PASSTHROUGH");
	ck_assert_int_eq(journal_close(j), 0);
	j = open_good(JOURNAL_PASSTHROUGH);
	says(j, ": used");
	ck_assert_int_eq(journal_close(j), 0);
	/* on request only, and refused here in any case */
	write_file(text, forge(text, "method", "nvme-flush"));
	j = open_good(JOURNAL_PASSTHROUGH);
	says(j, "ignored: that method is refused here");
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(the_measured_carrier_is_used_where_it_is_to_be_had)
{
	char text[2 * JNL_CHOICE_MAX];
	journal *j;

	setup();
	make_kept(text);
	forge(text, "method", "direct");
	forge(text, "driver", "thread");
	write_file(text, forge(text, "carrier", "io_uring"));
	j = open_good(0);
	ck_assert_str_eq(info_of(j).driver, "thread");
	ck_assert_ptr_nonnull(strstr(info_of(j).trail,
				     "driver thread: as measured"));
	append(j);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_with(&j, 0, NULL, "caller"), 0);
	ck_assert_str_eq(info_of(j).driver, "caller");
	ck_assert_int_eq(journal_close(j), 0);
	/* refused today: no failure, as nobody asked for it */
	fault_set(&f, FAULT_RING_SETUP, 1, 1000, -EPERM);
	j = open_good(0);
	ck_assert_str_eq(info_of(j).driver, "thread");
	ck_assert_str_eq(info_of(j).carrier, "pwritev2");
	append(j);
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

START_TEST(reading_shows_it_and_an_unfinished_creation_may_have_it)
{
	char text[JNL_CHOICE_MAX + 1], *name;
	journal *j;

	setup();
	make_kept(text);
	j = open_good(JOURNAL_READ_ONLY);
	says(j, "used at open if nothing has changed");
	ck_assert_int_eq(journal_close(j), 0);
	/* a crash before the first segment got its name */
	name = scratch_path(path, "0000000000000000.seg");
	ck_assert_int_eq(unlink(name), 0);
	free(name);
	name = scratch_path(path, "0000000000000001.seg");
	(void)unlink(name);
	free(name);
	ck_assert_int_eq(open_with(&j, 0, NULL, NULL), -ENOENT);
	j = open_good(JOURNAL_CREATE);
	says(j, ": used");
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}
END_TEST

/* ------------------------------------------------------------------------
 * Failures and crashes
 */

/* The old file, or the new one; and no half. */
static void whole_or_none(bool must_be)
{
	char text[JNL_CHOICE_MAX + 1], why[JNL_CHOICE_WHY];
	struct jnl_kept_choice kept;
	size_t len;

	ck_assert(!there("choice.tmp"));
	if (!there("choice")) {
		ck_assert(!must_be);
		return;
	}
	len = read_file(text);
	ck_assert_msg(!jnl_choice_parse(text, len, NULL, &kept, why), "%s",
		      why);
}

START_TEST(a_choice_that_cannot_be_kept_is_no_failure)
{
	static const enum fault_call calls[] = {
		FAULT_OPENAT, FAULT_PWRITE, FAULT_FSYNC, FAULT_CLOSE,
		FAULT_RENAME, FAULT_UNLINK,
	};
	char text[JNL_CHOICE_MAX + 1];
	struct jnl_dir d = { .sys = &f.sys };
	bool final;
	int ret;

	setup();
	make_kept(text);
	pthread_mutex_init(&d.names_lock, NULL);
	d.fd = open(path, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fault_set(&f, calls[i], 1, 1, -EIO);
		ret = jnl_choice_write(&d, text, &final);
		ck_assert_msg(ret == -EIO && !final, "%s: %d",
			      fault_name(calls[i]), ret);
		fault_clear(&f);
		whole_or_none(true);
	}
	/* two fsyncs, and after the second nobody knows the names */
	fault_set(&f, FAULT_FSYNC, 2, 1, -EIO);
	ck_assert_int_eq(jnl_choice_write(&d, text, &final), -EIO);
	ck_assert(final);
	fault_clear(&f);
	ck_assert_int_eq(jnl_choice_write(&d, text, &final), -EIO);
	close(d.fd);
	pthread_mutex_destroy(&d.names_lock);
	teardown();
}
END_TEST

/*
 * Append to a journal behind whose open a call of its own threads failed: it
 * may have failed too, by then or while it is used.  What it says is durable
 * is, and a record that it does not answer for may be.
 */
static int used_behind_a_failure(journal *j, int err, int had)
{
	struct iovec iov = { "record", 6 };
	int done, closed, now;

	done = journal_commit(j, &iov, 1, NULL);
	closed = journal_close(j);
	ck_assert_msg(!done || done == err, "%d", done);
	ck_assert_msg(!closed || closed == err, "%d", closed);
	now = records();
	ck_assert_int_le(now, had + 1);
	ck_assert_int_ge(now, done ? had : had + 1);
	return now;
}

START_TEST(each_failing_call_leaves_a_journal_that_opens)
{
	static const int errors[] = { -EIO, -EACCES };
	char text[JNL_CHOICE_MAX + 1];
	journal *j;
	int ret, had = 1;

	setup();
	make_kept(text);
	for (size_t c = 0; c < FAULT_CALLS; c++)
	for (size_t e = 0; e < 2; e++)
	for (unsigned long at = 1; at < 64; at++) {
		fault_set(&f, (enum fault_call)c, at, 1, errors[e]);
		ret = open_with(&j, 0, NULL, NULL);
		fault_clear(&f);
		if (!ret && f.hit_behind) {
			had = used_behind_a_failure(j, errors[e], had);
		} else if (!ret) {
			append(j);
			had++;
			ck_assert_int_eq(journal_close(j), 0);
		}
		ck_assert_msg(ret <= 0, "%s at %lu: %d",
			      fault_name((enum fault_call)c), at, ret);
		ck_assert_int_eq(records(), had);
		if (!f.hit)
			break;
	}
	teardown();
}
END_TEST

START_TEST(a_failed_measurement_is_no_failure_of_the_journal)
{
	static const enum fault_call calls[] = {
		FAULT_OPENAT, FAULT_PWRITE, FAULT_FSYNC, FAULT_FDATASYNC,
		FAULT_RENAME, FAULT_UNLINK, FAULT_RING_SETUP,
		FAULT_RING_RESULT, FAULT_FALLOCATE,
	};
	char text[JNL_CHOICE_MAX + 1];
	journal *j;
	int ret;

	setup();
	make_kept(text);
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
	for (unsigned long at = 3; at < 30; at += 13) {
		fault_set(&f, calls[c], at, 1, -ENOSPC);
		ret = open_with(&j, JOURNAL_MEASURE, NULL, NULL);
		fault_clear(&f);
		if (!ret)
			ck_assert_int_eq(journal_close(j), 0);
		else
			ck_assert_int_eq(ret, -ENOSPC);
		ck_assert_int_eq(journal_close(open_good(0)), 0);
		whole_or_none(false);
	}
	ck_assert_int_eq(records(), 1);
	teardown();
}
END_TEST

START_TEST(nothing_measured_is_said_and_nothing_is_kept)
{
	journal *j;

	setup();
	/* the probe has its files; the measurement gets none */
	ck_assert_int_eq(journal_close(open_good(JOURNAL_CREATE)), 0);
	fault_set(&f, FAULT_FALLOCATE, 1, 2, -ENOSPC);
	j = open_good(JOURNAL_MEASURE);
	says(j, "nothing could be measured: fallocate: ");
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert(!there("choice"));
	teardown();
}
END_TEST

START_TEST(a_journal_that_is_killed_while_it_measures_opens_again)
{
	static const char *const left[] = { "choice.tmp", "probe-1-m0.tmp" };
	journal *j;

	setup();
	j = open_good(JOURNAL_CREATE);
	append(j);
	ck_assert_int_eq(journal_close(j), 0);
	for (int i = 0; i < 20; i++) {
		struct timespec ts = { .tv_nsec = (MEASURE_NS + 40000000) /
						  20 * i };
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (!pid) {
			(void)open_with(&j, JOURNAL_MEASURE, NULL, NULL);
			_exit(0);
		}
		nanosleep(&ts, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		/* what a crash in a worse moment leaves */
		for (size_t k = 0; k < 2; k++) {
			char *p = scratch_path(path, left[k]);

			close(open(p, O_CREAT | O_WRONLY, 0600));
			free(p);
		}
		ck_assert_int_eq(records(), 1);
		ck_assert_int_eq(journal_close(open_good(0)), 0);
		ck_assert(!there("probe-1-m0.tmp"));
		whole_or_none(false);
	}
	teardown();
}
END_TEST

START_TEST(measuring_is_over_in_about_a_second)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct timespec a, b;
	int tries = 0;
	journal *j;

	o.flags = JOURNAL_CREATE | JOURNAL_MEASURE;
	o.segment_size = SMALL;
	/* The rest is the device's and the machine's, which may have a bad
	 * moment, and not each time. */
	do {
		ck_assert_int_lt(tries++, 4);
		setup();
		clock_gettime(CLOCK_MONOTONIC, &a);
		ck_assert_int_eq(journal_open(&j, path, &o), 0);
		clock_gettime(CLOCK_MONOTONIC, &b);
		says(j, ": used");
		ck_assert_int_eq(journal_close(j), 0);
		teardown();
	} while (b.tv_sec - a.tv_sec >= 4);
}
END_TEST

RUN_SUITE("choice", 120,
	a_measured_choice_is_kept_and_used,
	nothing_is_measured_unasked,
	a_choice_for_another_kernel_is_ignored,
	every_key_has_to_match,
	a_machine_that_is_not_known_is_no_match,
	any_damage_is_seen,
	a_good_sum_makes_nonsense_no_better,
	whatever_lies_there_instead_is_ignored_and_opening_goes_on,
	a_method_that_the_ranking_refuses_is_never_used,
	what_is_asked_for_wins,
	what_was_measured_without_passthrough_is_not_for_it,
	the_measured_carrier_is_used_where_it_is_to_be_had,
	reading_shows_it_and_an_unfinished_creation_may_have_it,
	a_choice_that_cannot_be_kept_is_no_failure,
	each_failing_call_leaves_a_journal_that_opens,
	a_failed_measurement_is_no_failure_of_the_journal,
	nothing_measured_is_said_and_nothing_is_kept,
	a_journal_that_is_killed_while_it_measures_opens_again,
	measuring_is_over_in_about_a_second)
