/*
 * tests/fuzz/fuzz_replay.c - a dump of a machine, written by an enemy.
 *
 * Whatever the bytes are, they are refused or probed without a crash, and then
 *
 *   - no fact is known that no answer stands for;
 *   - without any answer nothing is known and no method is usable;
 *   - what is shown cannot move a cursor and keeps to its width;
 *   - what was read is written and read back as it was, also when masked.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/dump.h"
#include "probe/facts.h"
#include "probe/mask.h"
#include "probe/replay.h"
#include "probe/show.h"
#include "tests/fuzz/fuzz.h"

#define WIDTH	80

/* assert() says where; this also says what. */
#define MUST(rule, ...) \
	do { \
		if (!(rule)) { \
			fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
			fprintf(stderr, __VA_ARGS__); \
			putc('\n', stderr); \
			abort(); \
		} \
	} while (0)

static bool is_path(enum jnl_question kind)
{
	return kind == JNL_ASK_FILE || kind == JNL_ASK_LINK ||
	       kind == JNL_ASK_LIST;
}

/* Is there an answer of such a kind at all?  A try that failed is one. */
static bool any_answer(const struct jnl_answers *a, bool path)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if (is_path(a->kept[i]->kind) == path &&
		    (!a->kept[i]->error || a->kept[i]->kind == JNL_ASK_TRY))
			return true;
	return false;
}

/* A source that is a file or a directory must be one that was answered, or
 * have something in it that was; that there is no such file is an answer. */
static bool stands_for(const struct jnl_answers *a, const char *source)
{
	size_t len = strlen(source), i;

	if (source[0] != '/')
		return any_answer(a, false) || any_answer(a, true);
	for (i = 0; i < a->count; i++) {
		const struct jnl_kept *k = a->kept[i];

		if ((!k->error || k->error == -ENOENT) && is_path(k->kind) &&
		    !strncmp(k->subject, source, len) &&
		    (!k->subject[len] || k->subject[len] == '/'))
			return true;
	}
	return false;
}

static void check_fact(const struct jnl_answers *a,
		       const struct journal_fact *f)
{
	MUST(f->error <= 0 && f->source, "%s: error %d", f->name, f->error);
	if (f->state == JOURNAL_FACT_UNKNOWN) {
		MUST(!f->value && !f->text, "%s: unknown and yet known",
		     f->name);
		return;
	}
	MUST(f->state == JOURNAL_FACT_REPORTED ||
	     f->state == JOURNAL_FACT_TRIED, "%s: state %d", f->name,
	     (int)f->state);
	MUST(!f->text || !f->value, "%s: a number and a text", f->name);
	MUST(*f->source, "%s: known from nowhere", f->name);
	MUST(stands_for(a, f->source), "%s: known from %s, which did not answer",
	     f->name, f->source);
}

static void check_method(const struct journal_probe_method *m)
{
	MUST(m->name && *m->name, "a method without a name");
	MUST(!m->chosen || m->usable, "%s: chosen and not usable", m->name);
	MUST(m->usable ? *m->barrier && *m->carrier && !*m->fact : !!*m->fact,
	     "%s: usable %d by '%s', '%s', fact '%s'", m->name, m->usable,
	     m->barrier, m->carrier, m->fact);
}

/* Returns how many facts are known and methods usable. */
static size_t check_probe(const struct jnl_answers *a, const journal_probe *p)
{
	struct journal_probe_method m;
	struct journal_fact f;
	size_t i, known = 0;

	for (i = 0; journal_probe_fact_at(p, i, &f) == 0; i++) {
		check_fact(a, &f);
		known += f.state != JOURNAL_FACT_UNKNOWN;
	}
	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++) {
		check_method(&m);
		known += m.usable != 0;
	}
	return known;
}

/* Columns, if each character takes one. */
static void check_screen(const char *text, size_t len, size_t width)
{
	size_t i, column = 0;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		MUST(c == '\n' || (c >= 0x20 && c != 0x7f), "byte %#x shown",
		     c);
		if (c == '\n')
			column = 0;
		else if ((c & 0xc0) != 0x80)
			column++;
		MUST(!width || column <= width, "a line wider than the screen");
	}
}

static void check_shown(const journal_probe *p)
{
	static const size_t widths[] = { 0, WIDTH };
	const char *path = journal_probe_path(p);
	char *text;
	size_t len;
	FILE *out;

	for (size_t i = 0; i < 2 * (sizeof(widths) / sizeof(widths[0])); i++) {
		size_t width = widths[i / 2];

		out = open_memstream(&text, &len);
		MUST(out, "no memory");
		jnl_show_screen(out, p, path, false, width, i & 1);
		MUST(fclose(out) == 0, "no memory");
		check_screen(text, len, width);
		free(text);
	}
	out = open_memstream(&text, &len);
	MUST(out, "no memory");
	jnl_show_json(out, p, path, NULL);
	MUST(fclose(out) == 0, "no memory");
	check_screen(text, len, 0);
	free(text);
}

static size_t probe(const struct jnl_answers *a, const char *path)
{
	struct jnl_replay r;
	journal_probe *p;
	size_t known;
	int ret;

	jnl_replay_init(&r, a);
	ret = jnl_probe_machine(&p, &r.machine, path, 0);
	if (ret == -ENOMEM)
		return 0;
	MUST(ret == 0, "jnl_probe_machine: %d", ret);
	known = check_probe(a, p);
	check_shown(p);
	journal_probe_close(p);
	return known;
}

static void check_same(const struct jnl_answers *a, const struct jnl_answers *b)
{
	size_t i;

	MUST(a->count == b->count && a->bytes == b->bytes,
	     "%zu answers read back as %zu", a->count, b->count);
	for (i = 0; i < a->count; i++) {
		const struct jnl_kept *x = a->kept[i], *y = b->kept[i];

		MUST(x->kind == y->kind && !strcmp(x->subject, y->subject) &&
		     x->error == y->error && x->len == y->len &&
		     (x->error || !memcmp(x->data, y->data, x->len)),
		     "'%s' is read back as something else", x->subject);
	}
}

static void check_written(const struct jnl_answers *a, const char *path)
{
	struct jnl_answers again;
	char *text, *path_again;
	uint64_t line;
	size_t len;
	FILE *out;
	int ret;

	out = open_memstream(&text, &len);
	MUST(out, "no memory");
	jnl_dump_write(out, path, a);
	MUST(fclose(out) == 0, "no memory");
	jnl_answers_init(&again);
	ret = jnl_dump_read(text, len, &again, &path_again, &line);
	MUST(ret == 0, "not read back: %d in line %llu", ret,
	     (unsigned long long)line);
	MUST(!strcmp(path, path_again), "another path is read back");
	check_same(a, &again);
	jnl_answers_free(&again);
	free(path_again);
	free(text);
}

static void check_masked(const struct jnl_answers *a, char *path)
{
	struct jnl_answers masked;

	jnl_answers_init(&masked);
	/* Two that differ in case alone are one behind the mask. */
	if (jnl_mask_answers(a, path, &masked) == 0) {
		MUST(masked.count == a->count && masked.bytes == a->bytes,
		     "masking changed more than letters");
		check_written(&masked, path);
		probe(&masked, path);
	}
	jnl_answers_free(&masked);
}

static void check_nothing_is_known_of_nothing(const char *path)
{
	struct jnl_answers none;

	jnl_answers_init(&none);
	MUST(probe(&none, path) == 0, "known without an answer");
	jnl_answers_free(&none);
}

void fuzz_one(const uint8_t *data, size_t len)
{
	struct jnl_answers answers;
	uint64_t line = 0;
	char *path;

	jnl_answers_init(&answers);
	if (jnl_dump_read((const char *)data, len, &answers, &path,
			  &line) == 0) {
		check_nothing_is_known_of_nothing(path);
		probe(&answers, path);
		check_written(&answers, path);
		check_masked(&answers, path);
		free(path);
	}
	jnl_answers_free(&answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_one(data, len);
	return 0;
}
