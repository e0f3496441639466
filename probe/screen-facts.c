/*
 * probe/screen-facts.c - the facts on a screen, in groups.
 *
 * Columns: name, value, how it is known, source.  On a terminal they share its
 * width: a long value is folded, up to a few lines, and of a long source the
 * end is shown.  Elsewhere a fact is one line, whatever its length.
 *
 * Most facts are as they always are, or unknown, and only shown on request.  A
 * fact that is not in the table here is one of them.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "probe/look.h"
#include "probe/show.h"

#define GAP		2
#define KNOWN_WIDTH	8	/* "reported" */
#define FOLD_LINES	4
#define CUT		"..."
/* A value far longer than the rest would push every source out of sight. */
#define VALUE_WIDTH_MAX	24

enum unit { PLAIN, YES_NO, BYTES };

/* Shown without being asked for, unless the value is the one in `usual`. */
#define NEWS		NULL	/* no value is */
#define NO_NEWS		"*"	/* every value is */

static const struct manner {
	const char *name;	/* with a dot at the end: all that begin so */
	enum unit unit;
	const char *usual;
} manners[] = {
	{ "kernel.release",		PLAIN,	NEWS },
	{ "kernel.seccomp",		PLAIN,	"off" },
	{ "kernel.memlock_bytes",	BYTES,	NO_NEWS },
	{ "kernel.io_uring_disabled",	PLAIN,	"0" },
	{ "kernel.io_uring",		YES_NO,	NEWS },
	{ "kernel.io_uring.",		YES_NO,	"yes" },
	{ "kernel.rwf_dsync",		YES_NO,	NEWS },
	{ "kernel.rwf_atomic",		YES_NO,	"no" },
	{ "fs.barrier",			YES_NO,	NEWS },
	{ "fs.stable",			YES_NO,	NEWS },
	{ "fs.free_bytes",		BYTES,	NEWS },
	{ "fs.direct_io",		YES_NO,	NEWS },
	{ "fs.flush",			PLAIN,	NEWS },
	{ "fs.data_journal",		YES_NO,	"no" },
	{ "fs.reflink",			YES_NO,	"no" },
	{ "fs.in_place",		YES_NO,	"yes" },
	{ "fs.extents",			YES_NO,	"yes" },
	{ "fs.counts_links",		YES_NO,	"yes" },
	{ "fs.write_zeroes",		YES_NO,	"no" },
	{ "fs.atomic_unit_max",		BYTES,	"0" },
	{ "device.start_bytes",		BYTES,	NO_NEWS },
	{ "device.size_bytes",		BYTES,	NEWS },
	{ "device.write_cache",		PLAIN,	NEWS },
	{ "device.fua",			YES_NO,	NEWS },
	{ "device.logical_block_size",	PLAIN,	NEWS },
	{ "device.physical_block_size",	PLAIN,	NEWS },
	{ "device.rotational",		YES_NO,	"no" },
	{ "device.max_hw_bytes",	BYTES,	NO_NEWS },
	{ "device.atomic_unit_max",	BYTES,	"0" },
	{ "device.atomic_boundary",	BYTES,	"0" },
	{ "drive.straight",		YES_NO,	NO_NEWS },
	{ "drive.model",		PLAIN,	NEWS },
	{ "drive.firmware",		PLAIN,	NEWS },
	{ "drive.serial",		PLAIN,	NO_NEWS },
	{ "drive.transport",		PLAIN,	"pcie" },
	{ "drive.controllers",		PLAIN,	"1" },
	{ "drive.multi_controller",	YES_NO,	"no" },
	{ "drive.shared",		YES_NO,	"no" },
	{ "drive.node_opens",		YES_NO,	NEWS },
	{ "drive.flush",		YES_NO,	NEWS },
	{ "drive.volatile_cache",	YES_NO,	NEWS },
	{ "drive.cache_enabled",	YES_NO,	"yes" },
	{ "drive.untorn_bytes",		BYTES,	NEWS },
};

static const struct {
	const char *prefix, *title;
} groups[] = {
	{ "kernel.", "KERNEL" },
	{ "fs.", "FILE SYSTEM" },
	{ "device.", "DEVICE" },
	{ "drive.", "DRIVE" },
};

struct table {
	const struct jnl_look *look;
	bool all;
	size_t name_width, value_width, source_width;
	size_t shown, hidden;
	const char *title;	/* of the group that was begun last */
};

static const struct manner *manner_of(const char *name)
{
	static const struct manner other = { "", PLAIN, NO_NEWS };

	for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
		const char *m = manners[i].name;
		size_t len = strlen(m);

		if (!strcmp(m, name) ||
		    (m[len - 1] == '.' && !strncmp(m, name, len)))
			return &manners[i];
	}
	return &other;
}

/* ------------------------------------------------------------------------
 * Values
 */

static void format_bytes(uint64_t bytes, char *buf, size_t len)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double scaled = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024 || (bytes < 1024 * 1024 && bytes % 1024)) {
		(void)snprintf(buf, len, "%llu", (unsigned long long)bytes);
		return;
	}
	while (scaled >= 1024 && unit < 3) {
		scaled /= 1024;
		unit++;
	}
	/* One digit where it says something. */
	(void)snprintf(buf, len, "%.*f %s",
		       scaled < 100 && scaled != (double)(uint64_t)scaled,
		       scaled, units[unit]);
}

static void format_value(const struct journal_fact *f, char *buf, size_t len)
{
	enum unit unit = manner_of(f->name)->unit;

	if (f->state == JOURNAL_FACT_UNKNOWN)
		(void)snprintf(buf, len, "-");
	else if (f->text)
		(void)snprintf(buf, len, "%s", f->text);
	else if (unit == YES_NO)
		(void)snprintf(buf, len, "%s", f->value ? "yes" : "no");
	else if (f->state == JOURNAL_FACT_TRIED && f->error)
		(void)snprintf(buf, len, "none");
	else if (unit == BYTES)
		format_bytes(f->value, buf, len);
	else
		(void)snprintf(buf, len, "%llu", (unsigned long long)f->value);
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
	*ret_value = jnl_printable(value);
	free(value);
	if (asprintf(&source, "%s%s%s", f->source,
		     f->error && *f->source ? ": " : "",
		     f->error ? strerrordesc_np(-f->error) : "") < 0)
		return false;
	*ret_source = jnl_printable(source);
	free(source);
	return *ret_value && *ret_source;
}

/* ------------------------------------------------------------------------
 * Rows
 */

/*
 * One line of a value: moves *s on, to NULL when nothing is left.  Returns the
 * columns used.
 */
static size_t print_value(const struct table *t, const char **s, bool last)
{
	FILE *out = t->look->out;
	const char *value = *s;
	size_t bytes;

	/* With no width to keep to, nothing is folded. */
	if (!t->look->width)
		bytes = strlen(value);
	else if (last && jnl_columns(value) > t->value_width)
		bytes = jnl_fold(value, t->value_width - strlen(CUT));
	else
		bytes = jnl_fold(value, t->value_width);
	*s = value[bytes] && !last ? value + bytes : NULL;
	if (value[bytes] && last)
		return jnl_print(out, value, bytes) +
		       jnl_print(out, CUT, strlen(CUT));
	return jnl_print(out, value, bytes);
}

/* The end of a path says more than its beginning. */
static void print_source(const struct table *t, const char *source)
{
	size_t width = t->source_width, room = jnl_columns(source);
	FILE *out = t->look->out;

	if (t->look->width && room > width) {
		fputs(CUT, out);
		for (width -= strlen(CUT); room > width; source++)
			if (((unsigned char)source[1] & 0xc0) != 0x80)
				room--;
	}
	fputs(source, out);
}

static void row(const struct table *t, const char *name, const char *value,
		const char *known, const char *colour, const char *source)
{
	const struct jnl_look *l = t->look;
	size_t used;
	int line;

	for (line = 1; value; line++) {
		fputs(name, l->out);
		jnl_pad(l->out, t->name_width - strlen(name) + GAP);
		fputs(colour, l->out);
		used = print_value(t, &value, line == FOLD_LINES);
		fputs(*colour ? l->plain : "", l->out);
		if (line == 1) {
			jnl_pad(l->out, used < t->value_width ?
				t->value_width - used + GAP : GAP);
			fprintf(l->out, "%s%s", l->dim, known);
			if (*source) {
				jnl_pad(l->out,
					KNOWN_WIDTH - strlen(known) + GAP);
				print_source(t, source);
			}
			fputs(l->plain, l->out);
		}
		putc('\n', l->out);
		name = "";
	}
}

/* The first title stands in the heading. */
static void begin_group(struct table *t, const char *name)
{
	const struct jnl_look *l = t->look;
	const char *title = "OTHER";
	bool first = !t->title;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (!strncmp(groups[i].prefix, name, strlen(groups[i].prefix)))
			title = groups[i].title;
	}
	if (t->title == title)
		return;
	t->title = title;
	if (first)
		/* Bold as a whole: no colours within. */
		fprintf(l->out, "%s%-*s%-*s%-*sSOURCE%s\n", l->bold,
			(int)(t->name_width + GAP), title,
			(int)(t->value_width + GAP), "VALUE",
			KNOWN_WIDTH + GAP, "KNOWN", l->plain);
	else
		fprintf(l->out, "%s%s%s\n", l->bold, title, l->plain);
}

/* These decide: their no is worth a colour. */
static bool decides(const char *name)
{
	return !strcmp(name, "fs.barrier") || !strcmp(name, "fs.stable") ||
	       !strcmp(name, "fs.direct_io") || !strcmp(name, "fs.flush") ||
	       !strcmp(name, "kernel.rwf_dsync");
}

static bool wanted(const struct table *t, const struct journal_fact *f,
		   const char *value)
{
	const char *usual = manner_of(f->name)->usual;

	if (t->all)
		return true;
	if (f->state == JOURNAL_FACT_UNKNOWN)
		return false;
	return !usual || (strcmp(usual, NO_NEWS) && strcmp(usual, value));
}

static void show_fact(struct table *t, const struct journal_fact *f)
{
	static const char *const known[] = { "unknown", "reported", "tried" };
	const char *colour = "";
	char *value, *source;

	if (decides(f->name) && f->state != JOURNAL_FACT_UNKNOWN)
		colour = f->value || f->text ? t->look->good : t->look->bad;
	if (format_fact(f, &value, &source) && wanted(t, f, value)) {
		begin_group(t, f->name);
		row(t, f->name, value, known[f->state], colour, source);
	}
	free(value);
	free(source);
}

/* The widest there is of names and values decides the columns. */
static void measure(struct table *t, const journal_probe *p)
{
	struct journal_fact f;
	char *value, *source;
	size_t i, rest;

	for (i = 0; journal_probe_fact_at(p, i, &f) == 0; i++) {
		if (!format_fact(&f, &value, &source) ||
		    !wanted(t, &f, value)) {
			t->hidden++;
		} else {
			t->shown++;
			if (strlen(f.name) > t->name_width)
				t->name_width = strlen(f.name);
			if (jnl_columns(value) > t->value_width)
				t->value_width = jnl_columns(value);
		}
		free(value);
		free(source);
	}
	if (t->value_width < strlen("VALUE"))
		t->value_width = strlen("VALUE");
	if (!t->look->width) {
		if (t->value_width > VALUE_WIDTH_MAX)
			t->value_width = VALUE_WIDTH_MAX;
		return;
	}
	rest = t->look->width - t->name_width - KNOWN_WIDTH - 3 * GAP;
	if (t->value_width > rest / 2)
		t->value_width = rest / 2;
	t->source_width = rest - t->value_width;
}

void jnl_show_facts(const struct jnl_look *l, const journal_probe *p, bool all)
{
	struct table t = {
		.look = l,
		.all = all,
		.name_width = strlen("FILE SYSTEM"),
	};
	struct journal_fact f;
	size_t i;

	measure(&t, p);
	if (t.shown)
		putc('\n', l->out);
	for (i = 0; journal_probe_fact_at(p, i, &f) == 0; i++)
		show_fact(&t, &f);
	if (t.hidden)
		fprintf(l->out, "%s%zu more facts are as usual, or unknown: "
			"--all shows them.%s\n", l->dim, t.hidden, l->plain);
}
