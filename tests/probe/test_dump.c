/*
 * tests/probe/test_dump.c - machines as a text: kept, written, read.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/dump.h"
#include "probe/facts.h"
#include "probe/record.h"
#include "probe/replay.h"
#include "tests/lib/suite.h"

#define HEAD	"libjournal machine 1\npath /a\n"

static struct jnl_answers answers;
static char *path;
static uint64_t line;

static void add(enum jnl_question kind, const char *subject, const char *text)
{
	ck_assert_int_eq(jnl_answers_add(&answers, kind, subject, 0, text,
					 strlen(text)), 0);
}

static int read_text(const char *text, size_t len)
{
	int ret;

	jnl_answers_free(&answers);
	free(path);
	path = NULL;
	ret = jnl_dump_read(text, len, &answers, &path, &line);
	if (ret < 0)
		jnl_answers_free(&answers);
	return ret;
}

static int read_string(const char *text)
{
	return read_text(text, strlen(text));
}

static char *written(const char *of)
{
	size_t len;
	char *text;
	FILE *out;

	out = open_memstream(&text, &len);
	jnl_dump_write(out, of, &answers);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static void done(void)
{
	jnl_answers_free(&answers);
	free(path);
	path = NULL;
}

/* Is every byte of text something that any mailer leaves alone? */
static void assert_harmless(const char *text)
{
	for (const char *s = text; *s; s++) {
		ck_assert_msg(*s == '\n' || (*s >= 0x20 && *s < 0x7f),
			      "byte %#x", (unsigned char)*s);
		ck_assert_msg(*s != '\n' || s == text || s[-1] != ' ',
			      "a blank at a line's end: %.40s", s - 20);
	}
}

START_TEST(what_is_written_is_read_back)
{
	static const char *const texts[] = {
		"", "\n", "one", "one\n", "one\ntwo", "\n\n", " \n", "a \n b ",
		"\\", "\\x41\n", "= x\n! EIO\nend\n", "#\n", "\r\n",
		"\033[1m\001\177\200\377\xc3\xbc", "end",
	};
	char *first, *second, subject[32];
	struct jnl_answers was;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(subject, sizeof(subject), "/sys/%zu \\\n \377 ", i);
		add(JNL_ASK_FILE, subject, texts[i]);
	}
	ck_assert_int_eq(jnl_answers_add(&answers, JNL_ASK_LIST, "/x", 0,
					 "a\0b\0", 4), 0);
	ck_assert_int_eq(jnl_answers_add(&answers, JNL_ASK_CALL, "fstat",
					 -EOPNOTSUPP, NULL, 0), 0);
	/* One that has no name. */
	ck_assert_int_eq(jnl_answers_add(&answers, JNL_ASK_TRY, "write 4096",
					 -4095, NULL, 0), 0);
	first = written("/srv/a b \n");
	assert_harmless(first);

	was = answers;
	jnl_answers_init(&answers);
	ck_assert_int_eq(read_string(first), 0);
	ck_assert_str_eq(path, "/srv/a b \n");
	ck_assert_uint_eq(answers.count, was.count);
	ck_assert_uint_eq(answers.bytes, was.bytes);
	for (size_t i = 0; i < was.count; i++) {
		const struct jnl_kept *a = was.kept[i], *b = answers.kept[i];

		ck_assert_int_eq(a->kind, b->kind);
		ck_assert_str_eq(a->subject, b->subject);
		ck_assert_int_eq(a->error, b->error);
		ck_assert_uint_eq(a->len, b->len);
		if (!a->error)
			ck_assert_mem_eq(a->data, b->data, a->len + 1);
	}
	second = written("/srv/a b \n");
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
	jnl_answers_free(&was);
	done();
}
END_TEST

START_TEST(pages_of_every_length_are_read_back)
{
	static const size_t lengths[] = { 0, 1, 15, 16, 17, 512, 4096 };
	char page[4096], subject[32], *text;
	const struct jnl_kept *k;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(page, 0, sizeof(page));
		if (lengths[i])
			page[lengths[i] - 1] = (char)0xfe;
		page[lengths[i] / 3] = 1;
		snprintf(subject, sizeof(subject), "feature %zu", i);
		ck_assert_int_eq(jnl_answers_add(&answers, JNL_ASK_NVME,
						 subject, 0, page, lengths[i]),
				 0);
	}
	text = written("/");
	ck_assert_int_eq(read_string(text), 0);
	free(text);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(page, 0, sizeof(page));
		if (lengths[i])
			page[lengths[i] - 1] = (char)0xfe;
		page[lengths[i] / 3] = 1;
		snprintf(subject, sizeof(subject), "feature %zu", i);
		k = jnl_answers_find(&answers, JNL_ASK_NVME, subject);
		ck_assert_ptr_nonnull(k);
		ck_assert_uint_eq(k->len, lengths[i]);
		ck_assert_mem_eq(k->data, page, k->len);
	}
	done();
}
END_TEST

START_TEST(comments_empty_lines_and_carriage_returns_mean_nothing)
{
	ck_assert_int_eq(read_string("# one\r\n\r\nlibjournal machine 1\r\n"
				     "#two\r\npath /a\r\n\r\nfile /x\r\n"
				     "# three\r\n= y\r\n\r\nend\r\n\r\n# four"),
			 0);
	ck_assert_str_eq(path, "/a");
	ck_assert_uint_eq(answers.count, 1);
	ck_assert_str_eq(answers.kept[0]->data, "y\n");
	done();
}
END_TEST

START_TEST(what_is_no_dump_or_a_newer_one_is_refused)
{
	static const char *const texts[] = {
		"", "\n", "# only\n", "libjournal machine 2\npath /\nend\n",
		"libjournal machine 1 \npath /\nend\n", "libjournal machine\n",
		"libjournal machine 11\npath /\nend\n", ("\x7f" "ELF"), "end\n",
		"path /\nlibjournal machine 1\nend\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(read_string(texts[i]) == -EPROTONOSUPPORT,
			      "%s", texts[i]);
	done();
}
END_TEST

START_TEST(a_dump_that_was_cut_off_anywhere_is_refused)
{
	static const char whole[] = HEAD
		"file /x\n= one\n~ two\n\ncall fstat\n! EIO\n"
		"nvme feature x 6\nbytes 20\n: 0000 01 02\n: 0010 03\nend";

	ck_assert_int_eq(read_string(whole), 0);
	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		ck_assert_msg(read_text(whole, len) < 0, "%zu bytes", len);
	/* Lines that are whole: the loss is told for what it is. */
	ck_assert_int_eq(read_string(HEAD "file /x\n= one\n"), -ENODATA);
	ck_assert_int_eq(read_string(HEAD), -ENODATA);
	ck_assert_int_eq(read_string("libjournal machine 1\n"), -ENODATA);
	done();
}
END_TEST

START_TEST(a_line_that_makes_no_sense_is_named)
{
	static const struct {
		uint64_t line;
		const char *text;
	} bad[] = {
		{ 2, "libjournal machine 1\nfile /x\nend\n" },
		{ 2, "libjournal machine 1\npath \nend\n" },
		{ 2, "libjournal machine 1\npath a\\x00\nend\n" },
		{ 3, HEAD "files /x\n= y\nend\n" },
		{ 3, HEAD "file\n= y\nend\n" },
		{ 3, HEAD "file \n= y\nend\n" },
		{ 3, HEAD "= y\nend\n" },
		{ 3, HEAD "path /b\nend\n" },
		{ 4, HEAD "file /x\nend\n" },
		{ 4, HEAD "file /x\nfile /y\n= z\nend\n" },
		{ 4, HEAD "file /x\n=y\nend\n" },
		{ 4, HEAD "file /x\n= \\y\nend\n" },
		{ 4, HEAD "file /x\n= \\x4\nend\n" },
		{ 4, HEAD "file /x\n= \\xAB\nend\n" },
		{ 4, HEAD "file /x\n= a\tb\nend\n" },
		{ 4, HEAD "file /x\n= a\xc3\xbc\nend\n" },
		{ 4, HEAD "file /x\n!\nend\n" },
		{ 4, HEAD "file /x\n! \nend\n" },
		{ 4, HEAD "file /x\n! EWHAT\nend\n" },
		{ 4, HEAD "file /x\n! 0\nend\n" },
		{ 4, HEAD "file /x\n! -5\nend\n" },
		{ 4, HEAD "file /x\n! 5x\nend\n" },
		{ 4, HEAD "file /x\n! 99999\nend\n" },
		{ 4, HEAD "file /x\n: 0000 01\nend\n" },
		{ 4, HEAD "file /x\nbytes -1\nend\n" },
		{ 4, HEAD "file /x\nbytes 0x10\nend\n" },
		{ 4, HEAD "file /x\nbytes \nend\n" },
		{ 5, HEAD "file /x\n~ y\n= z\nend\n" },
		{ 5, HEAD "file /x\n~ y\n~ z\nend\n" },
		{ 5, HEAD "file /x\n! EIO\n= y\nend\n" },
		{ 5, HEAD "file /x\n= y\n! EIO\nend\n" },
		{ 5, HEAD "file /x\n! EIO\n! EIO\nend\n" },
		{ 5, HEAD "file /x\n= y\nbytes 4\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n= y\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\nbytes 4\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 0000\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 0 01\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 0000 1\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 0000 01  02\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 0000 0A\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 0003 01 02\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 0004 01\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: ffffffff 01\nend\n" },
		{ 5, HEAD "file /x\nbytes 4\n: 100000000 01\nend\n" },
		{ 6, HEAD "file /x\nbytes 4\n: 0001 01\n: 0001 02\nend\n" },
		{ 6, HEAD "file /x\nbytes 4\n: 0002 01\n: 0000 02\nend\n" },
		{ 4, HEAD "end\nfile /x\n= y\nend\n" },
		{ 4, HEAD "end\nend\n" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(read_string(bad[i].text) == -EINVAL, "%s",
			      bad[i].text);
		ck_assert_msg(line == bad[i].line, "line %d: %s", (int)line,
			      bad[i].text);
	}
	ck_assert_int_eq(read_text(HEAD "file /x\n= a\0b\nend\n",
				   sizeof(HEAD) + 19), -EINVAL);
	done();
}
END_TEST

START_TEST(a_question_is_answered_once)
{
	ck_assert_int_eq(read_string(HEAD "file /x\n= 1\nfile /x\n= 1\nend\n"),
			 -EEXIST);
	ck_assert_int_eq(read_string(HEAD "file /x\n= 1\nlink /x\n~ 1\nend\n"),
			 0);
	done();
}
END_TEST

START_TEST(enormous_sizes_take_no_memory)
{
	static const char *const sizes[] = {
		"67108865", "4294967296", "18446744073709551616",
		"99999999999999999999999999999999999999",
	};
	char text[8192], *at = text;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(text, sizeof(text), HEAD "file /x\nbytes %s\nend\n",
			 sizes[i]);
		ck_assert_int_eq(read_string(text), -EFBIG);
	}
	/* Many that are not too large each: together they are. */
	at += sprintf(at, HEAD);
	for (int i = 0; i < 100; i++)
		at += sprintf(at, "file /%d\nbytes 4194304\n", i);
	sprintf(at, "end\n");
	ck_assert_int_eq(read_string(text), -EFBIG);
	done();
}
END_TEST

START_TEST(a_million_lines_are_read_or_refused)
{
	/* Under valgrind there is no time for all of them. */
	int lines = getenv("JOURNAL_TEST_VALGRIND") ? 10000 : 1000000;
	size_t len = 0, room = 32u << 20;
	char *text = malloc(room);

	/* One answer of a million lines. */
	len += (size_t)sprintf(text, HEAD "file /proc/self/mountinfo\n");
	for (int i = 0; i < lines; i++)
		len += (size_t)sprintf(text + len, "= %d\n", i);
	sprintf(text + len, "end\n");
	ck_assert_int_eq(read_string(text), 0);
	ck_assert_uint_eq(answers.count, 1);

	/* And more answers than there may be. */
	len = (size_t)sprintf(text, HEAD);
	for (int i = 0; i <= (int)JNL_ANSWERS_MAX; i++)
		len += (size_t)sprintf(text + len, "file /%d\n= 1\n", i);
	sprintf(text + len, "end\n");
	ck_assert_int_eq(read_string(text), -EFBIG);
	free(text);
	done();
}
END_TEST

START_TEST(what_is_too_long_for_a_dump_is_not_read)
{
	size_t len = JNL_DUMP_MAX_BYTES + 1;
	char *text = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(text, MAP_FAILED);
	memcpy(text, HEAD, sizeof(HEAD) - 1);
	ck_assert_int_eq(read_text(text, len), -EFBIG);
	ck_assert_uint_eq(line, 0);
	munmap(text, len);
}
END_TEST

/* ------------------------------------------------------------------------
 * Recording and replaying
 */

/* Counts how often it was asked, which is also its answer. */
struct counting {
	struct jnl_machine machine;
	int asked;
	int error;		/* of what is asked next */
};

static void count(struct jnl_machine *m, enum jnl_question kind,
		  const char *subject, size_t max, struct jnl_answer *ret_a)
{
	struct counting *c = (struct counting *)m;

	(void)kind;
	(void)subject;
	(void)max;
	memset(ret_a, 0, sizeof(*ret_a));
	c->asked++;
	ret_a->error = c->error;
	if (!c->error)
		ret_a->len = (size_t)asprintf(&ret_a->data, "%d", c->asked);
}

static void asks(struct jnl_machine *m, enum jnl_question kind, int error,
		 const char *want)
{
	struct jnl_answer a;

	m->ask(m, kind, "x", 100, &a);
	ck_assert_int_eq(a.error, error);
	if (!error)
		ck_assert_str_eq(a.data, want);
	free(a.data);
}

START_TEST(what_is_asked_twice_has_one_answer)
{
	struct counting c = { .machine.ask = count };
	struct jnl_record r;

	jnl_record_init(&r, &c.machine, &answers);
	asks(&r.machine, JNL_ASK_FILE, 0, "1");
	asks(&r.machine, JNL_ASK_FILE, 0, "1");
	asks(&r.machine, JNL_ASK_LINK, 0, "2");
	ck_assert_int_eq(c.asked, 2);
	ck_assert_uint_eq(answers.count, 2);
	ck_assert_int_eq(r.error, 0);
	done();
}
END_TEST

START_TEST(tries_are_carried_out_each_time_and_the_worst_is_kept)
{
	struct counting c = { .machine.ask = count };
	struct jnl_record r;
	struct jnl_replay p;

	jnl_record_init(&r, &c.machine, &answers);
	jnl_replay_init(&p, &answers);
	asks(&r.machine, JNL_ASK_TRY, 0, "1");
	asks(&p.machine, JNL_ASK_TRY, 0, "1");
	c.error = -EIO;
	asks(&r.machine, JNL_ASK_TRY, -EIO, NULL);
	asks(&p.machine, JNL_ASK_TRY, -EIO, NULL);
	c.error = 0;
	asks(&r.machine, JNL_ASK_TRY, 0, "3");
	asks(&p.machine, JNL_ASK_TRY, -EIO, NULL);
	ck_assert_uint_eq(answers.bytes, 1);
	done();
}
END_TEST

START_TEST(a_replay_answers_nothing_that_it_does_not_have)
{
	struct jnl_replay r;
	struct jnl_answer a;

	add(JNL_ASK_FILE, "/proc/sys/kernel/osrelease", "9.9.9\n");
	jnl_replay_init(&r, &answers);
	r.machine.ask(&r.machine, JNL_ASK_FILE, "/proc/self/mountinfo", 100,
		      &a);
	ck_assert_int_eq(a.error, JNL_UNANSWERED);
	r.machine.ask(&r.machine, JNL_ASK_LINK, "/proc/sys/kernel/osrelease",
		      100, &a);
	ck_assert_int_eq(a.error, JNL_UNANSWERED);
	r.machine.ask(&r.machine, JNL_ASK_FILE, "/proc/sys/kernel/osrelease",
		      5, &a);
	ck_assert_int_eq(a.error, -EFBIG);
	done();
}
END_TEST

START_TEST(answers_can_be_replaced_within_the_limits)
{
	size_t most = JNL_ANSWERS_MAX_BYTES;
	char *much = calloc(1, most);

	add(JNL_ASK_FILE, "/x", "one");
	ck_assert_int_eq(jnl_answers_replace(&answers, 0, 0, "three", 5), 0);
	ck_assert_str_eq(answers.kept[0]->data, "three");
	ck_assert_uint_eq(answers.bytes, 7);
	ck_assert_int_eq(jnl_answers_replace(&answers, 0, 0, much, most - 1),
			 -EFBIG);
	ck_assert_str_eq(answers.kept[0]->data, "three");
	/* Full to the last byte. */
	ck_assert_int_eq(jnl_answers_replace(&answers, 0, 0, much, most - 2),
			 0);
	ck_assert_int_eq(jnl_answers_add(&answers, JNL_ASK_FILE, "/y", 0, "",
					 0), -EFBIG);
	ck_assert_int_eq(jnl_answers_replace(&answers, 0, -EIO, NULL, 0), 0);
	ck_assert_uint_eq(answers.bytes, 2);
	ck_assert_int_eq(jnl_answers_add(&answers, JNL_ASK_FILE, "/y", 0, much,
					 most - 3), -EFBIG);
	ck_assert_uint_eq(answers.count, 1);
	free(much);
	done();
}
END_TEST

/* ------------------------------------------------------------------------
 * The public functions
 */

START_TEST(options_are_checked)
{
	struct {
		struct journal_probe_options o;
		uint64_t later;
	} o = { .o = JOURNAL_PROBE_OPTIONS_INIT };
	journal_probe *p;

	o.o.size = sizeof(o.o) - 1;
	ck_assert_int_eq(journal_probe_open(&p, "/", &o.o), -EINVAL);
	ck_assert_int_eq(journal_probe_replay(&p, -1, &o.o, NULL), -EINVAL);
	o.o.size = sizeof(o);
	o.later = 1;
	ck_assert_int_eq(journal_probe_open(&p, "/", &o.o), -E2BIG);
	o.o.size = SIZE_MAX;
	ck_assert_int_eq(journal_probe_open(&p, "/", &o.o), -E2BIG);
	o.o = (struct journal_probe_options)JOURNAL_PROBE_OPTIONS_INIT;
	o.o.flags = (uint64_t)1 << 63;
	ck_assert_int_eq(journal_probe_open(&p, "/", &o.o), -E2BIG);
	o.o.flags = 0;
	o.o.size = sizeof(o);
	o.later = 0;
	ck_assert_int_eq(journal_probe_open(&p, "/", &o.o), 0);
	ck_assert_str_eq(journal_probe_path(p), "/");
	/* It was not asked to keep anything. */
	ck_assert_int_eq(journal_probe_dump(p, -1), -EINVAL);
	journal_probe_close(p);
}
END_TEST

START_TEST(errors_of_the_descriptor_are_handed_on)
{
	struct journal_probe_options o = JOURNAL_PROBE_OPTIONS_INIT;
	uint64_t at = 77;
	journal_probe *p;

	ck_assert_int_eq(journal_probe_replay(&p, -1, NULL, &at), -EBADF);
	ck_assert_uint_eq(at, 0);
	o.flags = JOURNAL_PROBE_RECORD;
	ck_assert_int_eq(journal_probe_open(&p, "/", &o), 0);
	ck_assert_int_eq(journal_probe_dump(p, -1), -EBADF);
	journal_probe_close(p);
	ck_assert_int_eq(journal_probe_dump(NULL, 1), -EINVAL);
	ck_assert_ptr_null(journal_probe_path(NULL));
}
END_TEST

/* A machine whose answers are more than a dump can hold. */
static void chatter(struct jnl_machine *m, enum jnl_question kind,
		    const char *subject, size_t max, struct jnl_answer *ret_a)
{
	(void)m;
	(void)kind;
	(void)subject;
	memset(ret_a, 0, sizeof(*ret_a));
	if (max < 32u << 20) {
		ret_a->error = -EIO;
		return;
	}
	/* Each of these is four in a dump. */
	ret_a->len = JNL_DUMP_MAX_BYTES / 4;
	ret_a->data = malloc(ret_a->len + 1);
	memset(ret_a->data, 1, ret_a->len);
	ret_a->data[ret_a->len] = '\0';
}

START_TEST(a_dump_that_nobody_could_read_is_not_written)
{
	struct jnl_machine m = { .ask = chatter };
	journal_probe *p;

	/* It would take valgrind a minute. */
	if (getenv("JOURNAL_TEST_VALGRIND"))
		return;
	ck_assert_int_eq(jnl_probe_machine(&p, &m, "/", JOURNAL_PROBE_RECORD),
			 0);
	ck_assert_int_eq(journal_probe_dump(p, -1), -EFBIG);
	journal_probe_close(p);
}
END_TEST

RUN_SUITE("dump", 60, what_is_written_is_read_back,
	  pages_of_every_length_are_read_back,
	  comments_empty_lines_and_carriage_returns_mean_nothing,
	  what_is_no_dump_or_a_newer_one_is_refused,
	  a_dump_that_was_cut_off_anywhere_is_refused,
	  a_line_that_makes_no_sense_is_named,
	  a_question_is_answered_once,
	  enormous_sizes_take_no_memory,
	  a_million_lines_are_read_or_refused,
	  what_is_too_long_for_a_dump_is_not_read,
	  what_is_asked_twice_has_one_answer,
	  tries_are_carried_out_each_time_and_the_worst_is_kept,
	  a_replay_answers_nothing_that_it_does_not_have,
	  answers_can_be_replaced_within_the_limits,
	  options_are_checked,
	  errors_of_the_descriptor_are_handed_on,
	  a_dump_that_nobody_could_read_is_not_written)
