/*
 * probe/screen.c - a probe on one screen, for people.
 *
 * Columns: name, value, how it is known, source.  On a terminal they share its
 * width: a long value is folded, up to a few lines, and of a long source the
 * end is shown.  Elsewhere a fact is one line, whatever its length.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "probe/show.h"

#define GAP		2
#define KNOWN_WIDTH	8	/* "reported" */
#define FOLD_LINES	4
#define CUT		"..."
#define UNLIMITED	((size_t)1 << 20)

struct look {
	FILE *out;
	const char *bold, *good, *bad, *dim, *plain;
	size_t width;
	size_t name_width, value_width, source_width;
};

/* A copy with nothing in it that could move a cursor; NULL without memory. */
static char *printable(const char *s)
{
	char *copy = malloc(strlen(s) + 1), *to = copy;
	uint32_t c;
	size_t len;

	if (!copy)
		return NULL;
	while (*s) {
		len = jnl_utf8(s, &c);
		if (!len || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			*to++ = '?';
			s += len ? len : 1;
			continue;
		}
		memcpy(to, s, len);
		to += len;
		s += len;
	}
	*to = '\0';
	return copy;
}

/* Columns that s takes, if each character takes one. */
static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			n++;
	return n;
}

/* How many bytes of s to put on a line of so many columns. */
static size_t fold(const char *s, size_t width)
{
	size_t bytes = 0, used = 0, good = 0;

	if (columns(s) <= width)
		return strlen(s);
	for (; s[bytes]; bytes++) {
		if (((unsigned char)s[bytes] & 0xc0) == 0x80)
			continue;
		if (used++ == width)
			break;
		if (bytes && strchr("/, ", s[bytes - 1]))
			good = bytes;
	}
	if (strchr("/, ", s[bytes - 1]))
		good = bytes;
	return good ? good : bytes;
}

static void pad(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

static size_t print(FILE *out, const char *s, size_t bytes)
{
	size_t i, used = 0;

	for (i = 0; i < bytes; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			used++;
	fwrite(s, 1, bytes, out);
	return used;
}

/*
 * One line of a value: moves *s on, to NULL when nothing is left.  Returns the
 * columns used.
 */
static size_t print_value(struct look *l, const char **s, bool last)
{
	const char *value = *s;
	size_t bytes;

	/* With no width to keep to, nothing is folded. */
	if (!l->width)
		bytes = strlen(value);
	else if (last && columns(value) > l->value_width)
		bytes = fold(value, l->value_width - strlen(CUT));
	else
		bytes = fold(value, l->value_width);
	*s = value[bytes] && !last ? value + bytes : NULL;
	if (value[bytes] && last)
		return print(l->out, value, bytes) +
		       print(l->out, CUT, strlen(CUT));
	return print(l->out, value, bytes);
}

/* The end of a path says more than its beginning. */
static void print_source(struct look *l, const char *source)
{
	size_t width = l->source_width, room = columns(source);

	if (l->width && room > width) {
		fputs(CUT, l->out);
		for (width -= strlen(CUT); room > width; source++)
			if (((unsigned char)source[1] & 0xc0) != 0x80)
				room--;
	}
	fputs(source, l->out);
}

static void row(struct look *l, const char *name, const char *value,
		const char *known, const char *colour, const char *source)
{
	size_t used;
	int line;

	for (line = 1; value; line++) {
		fputs(name, l->out);
		pad(l->out, l->name_width - strlen(name) + GAP);
		fputs(colour, l->out);
		used = print_value(l, &value, line == FOLD_LINES);
		fputs(*colour ? l->plain : "", l->out);
		if (line == 1) {
			pad(l->out, used < l->value_width ?
				l->value_width - used + GAP : GAP);
			fprintf(l->out, "%s%s", l->dim, known);
			if (*source) {
				pad(l->out, KNOWN_WIDTH - strlen(known) + GAP);
				print_source(l, source);
			}
			fputs(l->plain, l->out);
		}
		putc('\n', l->out);
		name = "";
	}
}

static bool is_yes_or_no(const char *name)
{
	static const char *const names[] = {
		"kernel.rwf_dsync", "fs.barrier", "fs.stable", "fs.direct_io",
		"device.fua", "device.rotational",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* These decide: their no is worth a colour. */
static bool decides(const char *name)
{
	return !strcmp(name, "fs.barrier") || !strcmp(name, "fs.stable") ||
	       !strcmp(name, "fs.direct_io") || !strcmp(name, "fs.flush") ||
	       !strcmp(name, "kernel.rwf_dsync");
}

static void format_value(const struct journal_fact *f, char *buf, size_t len)
{
	if (f->state == JOURNAL_FACT_UNKNOWN)
		snprintf(buf, len, "-");
	else if (f->text)
		snprintf(buf, len, "%s", f->text);
	else if (is_yes_or_no(f->name))
		snprintf(buf, len, "%s", f->value ? "yes" : "no");
	else if (f->state == JOURNAL_FACT_TRIED && f->error)
		snprintf(buf, len, "none");
	else
		snprintf(buf, len, "%llu", (unsigned long long)f->value);
}

/* Both strings are the caller's to free, also if one is NULL. */
static bool format_fact(const struct journal_fact *f, char **ret_value,
			char **ret_source)
{
	size_t len = (f->text ? strlen(f->text) : 0) + 32;
	char *value = malloc(len), *source = NULL;

	*ret_value = *ret_source = NULL;
	if (!value)
		return false;
	format_value(f, value, len);
	*ret_value = printable(value);
	free(value);
	if (asprintf(&source, "%s%s%s", f->source,
		     f->error && *f->source ? ": " : "",
		     f->error ? strerrordesc_np(-f->error) : "") < 0)
		return false;
	*ret_source = printable(source);
	free(source);
	return *ret_value && *ret_source;
}

static void show_fact(struct look *l, const struct journal_fact *f)
{
	static const char *const known[] = { "unknown", "reported", "tried" };
	const char *colour = "";
	char *value, *source;

	if (decides(f->name) && f->state != JOURNAL_FACT_UNKNOWN)
		colour = f->value || f->text ? l->good : l->bad;
	if (format_fact(f, &value, &source))
		row(l, f->name, value, known[f->state], colour, source);
	free(value);
	free(source);
}

/* The widest there is of names and values decides the columns. */
static void measure(struct look *l, const journal_probe *p)
{
	struct journal_fact f;
	char *value, *source;
	size_t i, rest;

	for (i = 0; journal_probe_fact_at(p, i, &f) == 0; i++) {
		if (strlen(f.name) > l->name_width)
			l->name_width = strlen(f.name);
		if (format_fact(&f, &value, &source) &&
		    columns(value) > l->value_width)
			l->value_width = columns(value);
		free(value);
		free(source);
	}
	if (l->value_width < strlen("VALUE"))
		l->value_width = strlen("VALUE");
	if (!l->width) {
		/* One fact far longer than the rest would push every source
		 * out of sight. */
		l->value_width = l->value_width > 24 ? 24 : l->value_width;
		return;
	}
	rest = l->width - l->name_width - KNOWN_WIDTH - 3 * GAP;
	if (l->value_width > rest / 2)
		l->value_width = rest / 2;
	l->source_width = rest - l->value_width;
}

/* Words folded at the width, every line but the first indented. */
static void paragraph(struct look *l, const char *text, size_t indent)
{
	size_t width = l->width ? l->width - indent : UNLIMITED;
	char *copy = printable(text);
	const char *s = copy;

	while (s && *s) {
		size_t bytes = fold(s, width), end = bytes;

		while (end && s[end - 1] == ' ')
			end--;
		pad(l->out, s == copy ? 0 : indent);
		fprintf(l->out, "%.*s\n", (int)end, s);
		s += bytes;
	}
	free(copy);
}

static const char *text_of(const journal_probe *p, const char *name)
{
	struct journal_fact f;

	if (journal_probe_fact(p, name, &f) < 0 ||
	    f.state == JOURNAL_FACT_UNKNOWN)
		return NULL;
	return f.text;
}

static void show_place(struct look *l, const journal_probe *p,
		       const char *path)
{
	const char *type = text_of(p, "fs.type");
	const char *point = text_of(p, "fs.mount_point");
	const char *name = text_of(p, "device.name");
	const char *kind = text_of(p, "device.kind");
	const char *cache = text_of(p, "device.write_cache");
	char *line;

	if (asprintf(&line, "%s: %s%s%s%s%s%s%s%s%s%s%s", path,
		     type ? type : "an unknown file system",
		     name ? " on " : "", name ? name : "",
		     name && kind ? " (" : "", name && kind ? kind : "",
		     name && kind && cache ? ", cache: " : "",
		     name && kind && cache ? cache : "",
		     name && kind ? ")" : "",
		     point ? ", mounted at " : "", point ? point : "",
		     name ? "" : ", on no single device that is known") < 0)
		return;
	paragraph(l, line, 2);
	free(line);
}

static void show_method(struct look *l, const struct journal_probe_method *m,
			size_t name_width)
{
	const char *verdict = !m->usable ? "refused" :
			      m->chosen ? "chosen" : "usable";
	const char *colour = m->chosen ? l->good : m->usable ? "" : l->bad;
	size_t indent = 2 + name_width + GAP + strlen("refused") + GAP;
	char *line;

	fprintf(l->out, "%s%s %s", colour, m->chosen ? "*" : " ", m->name);
	pad(l->out, name_width - strlen(m->name) + GAP);
	fprintf(l->out, "%s%s", verdict, *colour ? l->plain : "");
	pad(l->out, strlen("refused") - strlen(verdict) + GAP);
	if (asprintf(&line, "%s%s%s%s%s", m->usable ? m->barrier : "",
		     m->usable ? " by " : "", m->usable ? m->carrier : "",
		     m->usable ? ": " : "", m->reason) < 0)
		return;
	paragraph(l, line, indent);
	free(line);
}

static void show_methods(struct look *l, const journal_probe *p)
{
	struct journal_probe_method m;
	size_t i, name_width = 0;
	bool chosen = false;

	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++) {
		if (strlen(m.name) > name_width)
			name_width = strlen(m.name);
		chosen |= m.chosen;
	}
	fprintf(l->out, "%sMETHODS%s\n", l->bold, l->plain);
	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++)
		show_method(l, &m, name_width);
	if (!chosen)
		fprintf(l->out, "%sNo method makes a record durable here.%s\n",
			l->bad, l->plain);
}

void jnl_show_screen(FILE *out, const journal_probe *p, const char *path,
		     bool colour, size_t width)
{
	struct look l = {
		.out = out,
		.bold = colour ? "\033[1m" : "",
		.good = colour ? "\033[32m" : "",
		.bad = colour ? "\033[31m" : "",
		.dim = colour ? "\033[2m" : "",
		.plain = colour ? "\033[0m" : "",
		.width = width,
	};
	struct journal_fact f;
	size_t i;

	measure(&l, p);
	show_place(&l, p, path);
	fprintf(out, "\n%s", l.bold);
	/* The heading is bold as a whole: no colours within. */
	fprintf(out, "%-*s%-*s%-*sSOURCE%s\n", (int)(l.name_width + GAP),
		"FACT", (int)(l.value_width + GAP), "VALUE",
		KNOWN_WIDTH + GAP, "KNOWN", l.plain);
	for (i = 0; journal_probe_fact_at(p, i, &f) == 0; i++)
		show_fact(&l, &f);
	putc('\n', out);
	show_methods(&l, p);
}
