/*
 * probe/dump.c - the answers of a machine, written as a text.
 *
 * Only printable ASCII and newlines come out: a path or a mount option of
 * somebody's choosing can neither end a line nor move a cursor, and no mailer
 * changes what stands there.  Blanks at the end of a line are escaped, too.
 */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "probe/dump-text.h"
#include "probe/dump.h"

static const char hint[] =
	"# What a machine answered to journal-probe (libjournal "
	PACKAGE_VERSION ").\n"
	"# journal-probe --replay shows it; journal-machine(5) explains it.\n";

/* Printable, and no backslash: it stands for itself. */
static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '\\';
}

static void escaped(FILE *out, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (plain(c) && !(c == ' ' && i + 1 == len))
			putc(c, out);
		else
			fprintf(out, "\\x%02x", c);
	}
}

static void write_line(FILE *out, char mark, const char *bytes, size_t len)
{
	putc(mark, out);
	if (len)
		putc(' ', out);
	escaped(out, bytes, len);
	putc('\n', out);
}

static void write_text(FILE *out, const struct jnl_kept *k)
{
	const char *at = k->data, *end = k->data + k->len, *newline;

	while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
		write_line(out, JNL_DUMP_LINE, at, (size_t)(newline - at));
		at = newline + 1;
	}
	/* Nothing at all is an answer as well. */
	if (at < end || !k->len)
		write_line(out, JNL_DUMP_REST, at, (size_t)(end - at));
}

static bool all_zero(const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static void write_bytes(FILE *out, const struct jnl_kept *k)
{
	size_t at, i, n;

	fprintf(out, "bytes %zu\n", k->len);
	for (at = 0; at < k->len; at += n) {
		n = k->len - at < JNL_DUMP_ROW ? k->len - at : JNL_DUMP_ROW;
		if (all_zero(k->data + at, n))
			continue;
		fprintf(out, "%c %04zx", JNL_DUMP_BYTES, at);
		for (i = at; i < at + n; i++)
			fprintf(out, " %02x", (unsigned char)k->data[i]);
		putc('\n', out);
	}
}

static void write_error(FILE *out, int error)
{
	const char *name = strerrorname_np(-error);

	if (name)
		fprintf(out, "%c %s\n", JNL_DUMP_ERROR, name);
	else
		fprintf(out, "%c %d\n", JNL_DUMP_ERROR, -error);
}

static void write_answer(FILE *out, const struct jnl_kept *k)
{
	fprintf(out, "\n%s ", jnl_dump_kinds[k->kind]);
	escaped(out, k->subject, strlen(k->subject));
	putc('\n', out);
	if (k->error)
		write_error(out, k->error);
	else if (k->kind == JNL_ASK_NVME)
		write_bytes(out, k);
	else
		write_text(out, k);
}

void jnl_dump_write(FILE *out, const char *path, const struct jnl_answers *a)
{
	size_t i;

	fprintf(out, "%s\n%s\npath ", JNL_DUMP_MAGIC, hint);
	escaped(out, path, strlen(path));
	putc('\n', out);
	for (i = 0; i < a->count; i++)
		write_answer(out, a->kept[i]);
	fputs("\nend\n", out);
}
