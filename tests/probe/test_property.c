/*
 * tests/probe/test_property.c - no answer that is lost makes a promise larger.
 *
 * Every answer of a machine is taken away or spoilt, one at a time, in each of
 * the ways below.  Then
 *
 *   - no unit is larger and nothing more is forced to be durable by itself,
 *   - a method that speaks to the drive is usable only if it was,
 *   - any other method is usable only if it was; or it was refused by something
 *     that nobody can try, and now its reason says that this is not verified.
 *
 * The machines: the golden ones in tests/probe/machines, and those made here.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/dump.h"
#include "probe/needs.h"
#include "tests/probe/fake.h"
#include "tests/probe/synth.h"

struct promise {
	uint64_t untorn_bytes;
	uint32_t untorn_max;
	bool everything, ring;
	bool dsync[JNL_METHODS_MAX];
	int usable[JNL_METHODS_MAX];
	bool sure[JNL_METHODS_MAX];	/* nothing is left unverified */
	const char *fact[JNL_METHODS_MAX];
};

static struct promise promise_of(journal_probe *p)
{
	struct promise r = { .everything = !*refused_by(p) };
	struct journal_probe_carrier carrier;
	struct journal_probe_method m;
	struct jnl_choice c;
	const char *reason;
	size_t i;

	r.untorn_bytes = fact(p, "drive.untorn_bytes").value;
	ck_assert_int_eq(journal_probe_carrier_at(p, 1, &carrier), 0);
	r.ring = carrier.usable;
	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++) {
		r.usable[i] = m.usable;
		r.sure[i] = m.usable && !strstr(m.reason, "not verified");
		r.fact[i] = m.fact;
		if (jnl_probe_choose(p, m.name, false, &c, &reason) < 0)
			continue;
		r.dsync[i] = c.way.dsync;
		if (c.untorn.max > r.untorn_max)
			r.untorn_max = c.untorn.max;
	}
	return r;
}

/* Can only be asked, never tried: then a method is let through with a word. */
static bool may_be_unknown(const char *name)
{
	return !strcmp(name, "fs.barrier") || !strcmp(name, "fs.stable") ||
	       !strcmp(name, "device.write_cache");
}

static void check(const struct promise *was, journal_probe *p,
		  const char *what, const char *subject)
{
	struct promise is = promise_of(p);
	struct journal_probe_method m;
	size_t i;

	ck_assert_msg(is.untorn_bytes <= was->untorn_bytes,
		      "%s, %s: drive.untorn_bytes grew to %llu", subject, what,
		      (unsigned long long)is.untorn_bytes);
	ck_assert_msg(is.untorn_max <= was->untorn_max,
		      "%s, %s: untorn.max grew to %u", subject, what,
		      is.untorn_max);
	ck_assert_msg(is.everything <= was->everything,
		      "%s, %s: the drive may be spoken to", subject, what);
	ck_assert_msg(is.ring <= was->ring, "%s, %s: a ring", subject, what);
	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++) {
		ck_assert_msg(is.sure[i] <= was->sure[i],
			      "%s, %s: %s is verified now", subject, what,
			      m.name);
		if (was->usable[i])
			ck_assert_msg(is.dsync[i] <= was->dsync[i],
				      "%s, %s: %s is durable by itself now",
				      subject, what, m.name);
		if (!is.usable[i] || was->usable[i])
			continue;
		ck_assert_msg(may_be_unknown(was->fact[i]) &&
			      strstr(m.reason, "not verified"),
			      "%s, %s: %s is usable now, and was refused by "
			      "%s", subject, what, m.name, was->fact[i]);
	}
}

static const struct {
	const char *what;
	int error;
	const char *bytes;	/* NULL: cut to half */
	size_t len;
} spoils[] = {
	{ "missing", -ENODATA, "", 0 },
	{ "not asked", JNL_UNANSWERED, "", 0 },
	{ "forbidden", -EACCES, "", 0 },
	{ "failed", -EIO, "", 0 },
	{ "no memory", -ENOMEM, "", 0 },
	{ "empty", 0, "", 0 },
	{ "a newline", 0, "\n", 1 },
	{ "binary", 0, "\0\377\0\377\n", 5 },
	{ "noise", 0, "\377\376~\001\n", 5 },
	{ "a long number", 0, "99999999999999999999999\n", 24 },
	{ "a sign", 0, "-1\n", 3 },
	{ "half", 0, NULL, 0 },
};

static void spoil(struct jnl_answers *a, const struct promise *was, size_t i,
		  bool thorough)
{
	const struct jnl_kept *kept = a->kept[i];
	char *data = malloc(kept->len + 1);
	int error = kept->error;
	size_t len = kept->len, k;
	journal_probe *p;

	memcpy(data, kept->data ? kept->data : "", len);
	for (k = 0; k < sizeof(spoils) / sizeof(spoils[0]); k++) {
		const char *bytes = spoils[k].bytes ? spoils[k].bytes : data;
		size_t n = spoils[k].bytes ? spoils[k].len : len / 2;

		/* Half of one line may be another number. */
		if (!spoils[k].bytes && kept->kind == JNL_ASK_FILE &&
		    !memchr(data, '\n', n))
			continue;
		/* That would be an answer where there was none. */
		if (error && !spoils[k].error)
			continue;
		if (!thorough && k && spoils[k].bytes)
			continue;
		ck_assert_int_eq(jnl_answers_replace(a, i, spoils[k].error,
						     bytes, n), 0);
		p = replay_of(a, 0);
		check(was, p, spoils[k].what, kept->subject);
		journal_probe_close(p);
	}
	ck_assert_int_eq(jnl_answers_replace(a, i, error, data, len), 0);
	free(data);
}

/* thorough: in all ways, else only lost and cut off: it takes a while. */
static void check_machine(struct jnl_answers *a, bool thorough)
{
	journal_probe *p = replay_of(a, 0);
	struct promise was = promise_of(p);
	size_t i;

	for (i = 0; i < a->count; i++)
		spoil(a, &was, i, thorough);
	journal_probe_close(p);
}

static void nobarrier(void)
{
	say(JNL_ASK_FILE, "/proc/self/mountinfo", "20 1 259:2 / /data rw - "
	    "ext4 /dev/nvme0n1p2 rw,nobarrier\n");
}

static void two_controllers(void)
{
	say(JNL_ASK_LIST, SYSTEM, "model\nnvme0\nnvme1\nsubsysnqn\nuevent\n");
	say(JNL_ASK_FILE, SYSTEM "/nvme1/cntlid", "2\n");
}

static void write_through(void)
{
	say(JNL_ASK_FILE, DISK "/queue/write_cache", "write through\n");
}

static void no_ring(void)
{
	say(JNL_ASK_FILE, "/proc/sys/kernel/io_uring_disabled", "2\n");
	say_error(JNL_ASK_TRY, "io_uring 0x0", -EPERM);
}

static void no_dsync(void)
{
	say_error(JNL_ASK_TRY, "rwf_dsync 4096 direct", -EOPNOTSUPP);
}

static void data_journal(void)
{
	say(JNL_ASK_FILE, "/proc/fs/ext4/nvme0n1p2/options",
	    "rw\ndata=journal\n");
}

static void boundary(void)
{
#ifdef HAVE_LIBNVME
	namespace.nabo = 0x0100;
	namespace.nabspf = 0x3f00;
	synth_pages();
#endif
}

static void controllers_number(void)
{
#ifdef HAVE_LIBNVME
	namespace.nsfeat = 0;
	controller.awupf = 0x0700;
	synth_pages();
#endif
}

static void on_mapper(void)
{
	synth_dm("nvme0n1p2");
}

static void on_memory(void)
{
	synth_dm("zram0");
}

static void nothing(void)
{
}

static void (*const changes[])(void) = {
	nothing, nobarrier, two_controllers, write_through, no_ring, no_dsync,
	data_journal, boundary, controllers_number, on_mapper, on_memory,
};

START_TEST(a_lost_or_spoilt_answer_never_promises_more)
{
	synth_nvme();
	changes[_i]();
	check_machine(&answers, true);
	synth_free();
}
END_TEST

static void check_file(const char *folder, const char *name)
{
	char path[512], *where, *text;
	struct jnl_answers a;
	uint64_t line;
	FILE *f;
	long len;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	len = ftell(f);
	rewind(f);
	text = malloc((size_t)len + 1);
	ck_assert_uint_eq(fread(text, 1, (size_t)len, f), (size_t)len);
	fclose(f);
	jnl_answers_init(&a);
	ck_assert_int_eq(jnl_dump_read(text, (size_t)len, &a, &where, &line),
			 0);
	check_machine(&a, false);
	jnl_answers_free(&a);
	free(where);
	free(text);
}

START_TEST(no_golden_machine_does_either)
{
	const char *srcdir = getenv("srcdir");
	struct dirent *de;
	char folder[256];
	int count = 0;
	DIR *d;

	/* As make check exports it. */
	snprintf(folder, sizeof(folder), "%.200s/tests/probe/machines",
		 srcdir ? srcdir : ".");
	d = opendir(folder);
	ck_assert_ptr_nonnull(d);
	while ((de = readdir(d))) {
		const char *dot = strrchr(de->d_name, '.');

		if (!dot || strcmp(dot, ".machine"))
			continue;
		check_file(folder, de->d_name);
		count++;
	}
	closedir(d);
	ck_assert_int_gt(count, 0);
}
END_TEST

void add_property_tests(TCase *t)
{
	tcase_add_loop_test(t, a_lost_or_spoilt_answer_never_promises_more, 0,
			    COUNT(changes));
	tcase_add_test(t, no_golden_machine_does_either);
}
