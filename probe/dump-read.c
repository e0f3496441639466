/*
 * probe/dump-read.c - a dump, read back.
 *
 * Whoever wrote it may mean harm, or have lost half of it on the way.  Every
 * line is understood whole or ends the reading; nothing is guessed, and what
 * is missing at the end is noticed by the line "end".  One pass, and memory
 * for no more than the limits of answers.h.
 *
 *   dump    = magic, path, question..., "end"
 *   question = "<kind> <subject>", answer
 *   answer  = "! <errno>" | text | bytes
 *   text    = "= <line>"..., "~ <the last one, without a newline>"
 *   bytes   = "bytes <length>", ": <offset> <byte>..." rising; else 0
 *
 * Empty lines and those that begin with # stand anywhere and mean nothing; a
 * carriage return that something on the way put at a line's end, neither.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "probe/dump-text.h"
#include "probe/dump.h"

#define ERRNO_MAX	4095	/* MAX_ERRNO in the kernel's linux/err.h */

/* What the lines of an answer can still be. */
enum stage {
	NOTHING_YET,		/* any of them */
	IN_TEXT,		/* "=" or "~" */
	IN_BYTES,		/* ":" */
	COMPLETE,
};

struct reader {
	const char *at, *end;
	uint64_t line_no;
	/* The line that was read last; not NUL-terminated. */
	const char *line;
	size_t len;

	struct jnl_answers *answers;
	char *path;
	bool ended;

	/* The question that is being answered; subject NULL: none. */
	enum jnl_question kind;
	char *subject;
	enum stage stage;
	int error;
	char *data;
	size_t data_len, data_room;
	size_t filled;		/* bytes: where the next may begin */
};

/* The next line that means something; false at the end. */
static bool next_line(struct reader *r)
{
	const char *newline;

	while (r->at < r->end) {
		newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
		r->line = r->at;
		r->len = (size_t)((newline ? newline : r->end) - r->at);
		r->at = newline ? newline + 1 : r->end;
		r->line_no++;
		if (r->len && r->line[r->len - 1] == '\r')
			r->len--;
		if (r->len && r->line[0] != '#')
			return true;
	}
	return false;
}

static bool line_is(const struct reader *r, const char *text)
{
	return r->len == strlen(text) && !memcmp(r->line, text, r->len);
}

/* What stands behind "word ", or NULL. */
static const char *behind(const struct reader *r, const char *word,
			  size_t *ret_len)
{
	size_t len = strlen(word);

	if (r->len <= len || memcmp(r->line, word, len) || r->line[len] != ' ')
		return NULL;
	*ret_len = r->len - len - 1;
	return r->line + len + 1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Two digits, or -1. */
static int hex_byte(const char *s, size_t len)
{
	int high, low;

	if (len < 2)
		return -1;
	high = hex_digit(s[0]);
	low = hex_digit(s[1]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Undo the escapes of s into to, which has room for len bytes.  The length, or
 * -EINVAL. */
static ssize_t unescape(char *to, const char *s, size_t len)
{
	size_t i, n = 0;
	int c;

	for (i = 0; i < len; i++) {
		if (s[i] < 0x20 || s[i] >= 0x7f)
			return -EINVAL;
		if (s[i] != '\\') {
			to[n++] = s[i];
			continue;
		}
		if (len - i < 4 || s[i + 1] != 'x')
			return -EINVAL;
		c = hex_byte(s + i + 2, 2);
		if (c < 0)
			return -EINVAL;
		to[n++] = (char)c;
		i += 3;
	}
	return (ssize_t)n;
}

/* A path or a subject: no NUL may come of it. */
static int string(const char *s, size_t len, char **ret_string)
{
	char *to = malloc(len + 1);
	ssize_t n;

	if (!to)
		return -ENOMEM;
	n = unescape(to, s, len);
	if (n <= 0 || memchr(to, '\0', (size_t)n)) {
		free(to);
		return -EINVAL;
	}
	to[n] = '\0';
	*ret_string = to;
	return 0;
}

/* Room for more bytes behind those that are there. */
static int reserve(struct reader *r, size_t more)
{
	size_t want = r->data_len + more, room = r->data_room;
	char *bigger;

	if (more > JNL_ANSWERS_MAX_BYTES - r->data_len)
		return -EFBIG;
	if (want <= room && r->data)
		return 0;
	room = want > 2 * room ? want : 2 * room;
	bigger = realloc(r->data, room + 1);
	if (!bigger)
		return -ENOMEM;
	r->data = bigger;
	r->data_room = room;
	return 0;
}

static int add_text(struct reader *r)
{
	bool whole = r->line[0] == JNL_DUMP_LINE;
	size_t skip = r->len > 1 ? 2 : 1;
	ssize_t n;
	int ret;

	if (r->stage > IN_TEXT || (r->len > 1 && r->line[1] != ' '))
		return -EINVAL;
	ret = reserve(r, r->len - skip + 1);
	if (ret < 0)
		return ret;
	n = unescape(r->data + r->data_len, r->line + skip, r->len - skip);
	if (n < 0)
		return (int)n;
	r->data_len += (size_t)n;
	if (whole)
		r->data[r->data_len++] = '\n';
	r->stage = whole ? IN_TEXT : COMPLETE;
	return 0;
}

static int add_error(struct reader *r)
{
	char name[16];
	size_t len;
	int e;

	if (r->stage != NOTHING_YET || r->len < 3 || r->line[1] != ' ')
		return -EINVAL;
	len = r->len - 2;
	if (len >= sizeof(name))
		return -EINVAL;
	memcpy(name, r->line + 2, len);
	name[len] = '\0';
	if (strlen(name) != len)
		return -EINVAL;
	for (e = 1; e <= ERRNO_MAX; e++) {
		const char *have = strerrorname_np(e);

		if (have && !strcmp(have, name))
			break;
	}
	if (e > ERRNO_MAX && name[0] >= '1' && name[0] <= '9' && len <= 4 &&
	    strspn(name, "0123456789") == len)
		e = atoi(name);
	if (e > ERRNO_MAX)
		return -EINVAL;
	r->error = -e;
	r->stage = COMPLETE;
	return 0;
}

/* "bytes N": they are all zero until told otherwise. */
static int begin_bytes(struct reader *r, const char *s, size_t len)
{
	size_t i, n = 0;
	int ret;

	if (r->stage != NOTHING_YET || !len)
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		n = n * 10 + (size_t)(s[i] - '0');
		/* Before it could overflow, and before any memory. */
		if (n > JNL_ANSWERS_MAX_BYTES - r->answers->bytes)
			return -EFBIG;
	}
	ret = reserve(r, n);
	if (ret < 0)
		return ret;
	memset(r->data, 0, n);
	r->data_len = n;
	r->filled = 0;
	r->stage = IN_BYTES;
	return 0;
}

/* ": OFFSET BYTE...": the offset in hex, four digits or more. */
static int add_bytes(struct reader *r)
{
	const char *s = r->line, *end = r->line + r->len;
	size_t offset = 0, digits = 0;
	int c;

	if (r->stage != IN_BYTES || end - s < 2 || s[1] != ' ')
		return -EINVAL;
	for (s += 2; s < end && *s != ' '; s++) {
		c = hex_digit(*s);
		if (c < 0 || ++digits > 8)
			return -EINVAL;
		offset = offset * 16 + (size_t)c;
	}
	if (digits < 4 || s == end || offset < r->filled)
		return -EINVAL;
	for (; s < end; s += 3) {
		c = *s == ' ' ? hex_byte(s + 1, (size_t)(end - s - 1)) : -1;
		if (c < 0 || offset >= r->data_len)
			return -EINVAL;
		r->data[offset++] = (char)c;
	}
	r->filled = offset;
	return 0;
}

/* The question is answered, or there was none. */
static int finish_question(struct reader *r)
{
	int ret;

	if (!r->subject)
		return 0;
	if (r->stage == NOTHING_YET)
		return -EINVAL;
	ret = jnl_answers_add(r->answers, r->kind, r->subject, r->error,
			      r->data, r->data_len);
	free(r->subject);
	r->subject = NULL;
	return ret;
}

static int begin_question(struct reader *r)
{
	const char *s = NULL;
	size_t i, len;
	int ret;

	for (i = 0; jnl_dump_kinds[i]; i++) {
		s = behind(r, jnl_dump_kinds[i], &len);
		if (s)
			break;
	}
	if (!s)
		return -EINVAL;
	ret = finish_question(r);
	if (ret < 0)
		return ret;
	ret = string(s, len, &r->subject);
	if (ret < 0)
		return ret;
	r->kind = (enum jnl_question)i;
	r->stage = NOTHING_YET;
	r->error = 0;
	r->data_len = 0;
	return 0;
}

static int take_line(struct reader *r)
{
	const char *s;
	size_t len;

	if (r->ended)
		return -EINVAL;
	if (line_is(r, "end")) {
		r->ended = true;
		return finish_question(r);
	}
	if (!r->subject)
		return begin_question(r);
	switch (r->line[0]) {
	case JNL_DUMP_LINE:
	case JNL_DUMP_REST:
		return add_text(r);
	case JNL_DUMP_ERROR:
		return add_error(r);
	case JNL_DUMP_BYTES:
		return add_bytes(r);
	}
	s = behind(r, "bytes", &len);
	return s ? begin_bytes(r, s, len) : begin_question(r);
}

static int read_dump(struct reader *r)
{
	const char *s;
	size_t len;
	int ret;

	if (!next_line(r) || !line_is(r, JNL_DUMP_MAGIC))
		return -EPROTONOSUPPORT;
	if (!next_line(r))
		return -ENODATA;
	s = behind(r, "path", &len);
	ret = s ? string(s, len, &r->path) : -EINVAL;
	while (ret == 0 && next_line(r))
		ret = take_line(r);
	if (ret == 0 && !r->ended)
		ret = -ENODATA;
	return ret;
}

int jnl_dump_read(const char *text, size_t len, struct jnl_answers *a,
		  char **ret_path, uint64_t *ret_line)
{
	struct reader r = {
		.at = text, .end = text + len, .answers = a,
	};
	int ret;

	ret = len > JNL_DUMP_MAX_BYTES ? -EFBIG : read_dump(&r);
	free(r.subject);
	free(r.data);
	if (ret < 0) {
		free(r.path);
		*ret_line = r.line_no;
		return ret;
	}
	*ret_path = r.path;
	return 0;
}
