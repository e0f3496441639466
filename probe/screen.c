/*
 * probe/screen.c - a probe on one screen, for people.
 *
 * From the answer to its reasons: what lies under the path, what is promised
 * there, which method does it and why not the others, the facts.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "probe/look.h"
#include "probe/show.h"

#define GAP	2

static const char *text_of(const journal_probe *p, const char *name)
{
	struct journal_fact f;

	if (journal_probe_fact(p, name, &f) < 0 ||
	    f.state == JOURNAL_FACT_UNKNOWN)
		return NULL;
	return f.text;
}

/* Unknown is no number. */
static bool number_of(const journal_probe *p, const char *name,
		      uint64_t *ret_value)
{
	struct journal_fact f;

	if (journal_probe_fact(p, name, &f) < 0 ||
	    f.state == JOURNAL_FACT_UNKNOWN || f.text)
		return false;
	*ret_value = f.value;
	return true;
}

static bool chosen_method(const journal_probe *p,
			  struct journal_probe_method *ret_method)
{
	for (size_t i = 0; journal_probe_method_at(p, i, ret_method) == 0; i++)
		if (ret_method->chosen)
			return true;
	return false;
}

/* ------------------------------------------------------------------------
 * What lies under it
 */

/*
 * "; cache on, no FUA", as far as anybody says.  The kernel does not know that
 * a drive's cache was switched off, and flushes it all the same.
 */
static void add_cache(FILE *out, const journal_probe *p)
{
	const char *cache = text_of(p, "device.write_cache");
	uint64_t fua, on;

	if (!cache)
		return;
	if (!strcmp(cache, "write back") &&
	    number_of(p, "drive.cache_enabled", &on) && !on)
		cache = "cache switched off";
	fprintf(out, "; %s", !strcmp(cache, "write back") ? "cache on" :
		!strcmp(cache, "write through") ? "no cache" : cache);
	if (number_of(p, "device.fua", &fua))
		fputs(fua ? ", FUA" : ", no FUA", out);
}

static void show_place(const struct jnl_look *l, const journal_probe *p,
		       const char *path)
{
	const char *type = text_of(p, "fs.type");
	const char *point = text_of(p, "fs.mount_point");
	const char *name = text_of(p, "device.name");
	const char *stack = text_of(p, "device.stack");
	const char *model = text_of(p, "drive.model");
	const char *firmware = text_of(p, "drive.firmware");
	char *line = NULL;
	size_t len;
	FILE *out = open_memstream(&line, &len);

	if (!out)
		return;
	fprintf(out, "%s: ", path);
	if (type || !name)
		fputs(type ? type : "an unknown file system", out);
	if (stack || name)
		fprintf(out, "%s%s", type ? " on " : "", stack ? stack : name);
	else
		fputs(", on no single device that is known", out);
	add_cache(out, p);
	if (model)
		fprintf(out, "; %s%s%s", model, firmware ? ", firmware " : "",
			firmware ? firmware : "");
	if (point)
		fprintf(out, "; mounted at %s", point);
	if (fclose(out) == 0)
		jnl_paragraph(l, line, 2);
	free(line);
}

/* ------------------------------------------------------------------------
 * What is promised
 */

/* How the kernel goes about it, as far as anybody says. */
static const char *how_durable(const journal_probe *p, bool dsync)
{
	const char *cache = text_of(p, "device.write_cache");
	uint64_t fua;

	if (!cache || !number_of(p, "device.fua", &fua))
		return "";
	if (!strcmp(cache, "write through"))
		return "; the kernel flushes no cache, as the drive is said to "
		       "have none";
	if (!dsync)
		return "; the drive's cache is flushed";
	return fua ? "; past the drive's cache (FUA)" :
		     "; the drive's cache is flushed after each";
}

static void show_durable(const struct jnl_look *l, const journal_probe *p)
{
	struct journal_probe_method m;
	const char *what;
	char *line;
	bool dsync;

	if (!chosen_method(p, &m)) {
		fprintf(l->out, "  durable     %sNo method makes a record "
			"durable here.%s\n", l->bad, l->plain);
		return;
	}
	dsync = !strcmp(m.barrier, "RWF_DSYNC");
	what = dsync ? "a write is durable when it returns" :
		       "writes are durable when it returns";
	fprintf(l->out, "  durable     ");
	if (asprintf(&line, "by %s: %s%s", m.barrier, what,
		     how_durable(p, dsync)) < 0)
		return;
	jnl_paragraph(l, line, 14);
	free(line);
}

/*
 * The largest write that kernel, file system and drive together keep whole; 0
 * if one of them does not say so.
 */
static uint64_t untorn(const journal_probe *p)
{
	static const char *const parts[] = {
		"fs.atomic_unit_max", "device.atomic_unit_max",
		"drive.untorn_bytes",
	};
	uint64_t least, value;

	if (!number_of(p, "kernel.rwf_atomic", &value) || !value)
		return 0;
	least = UINT64_MAX;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!number_of(p, parts[i], &value))
			return 0;
		least = value < least ? value : least;
	}
	return least;
}

static void show_untorn(const struct jnl_look *l, const journal_probe *p)
{
	uint64_t whole = untorn(p), drive;
	char *line;
	int ret;

	if (whole)
		ret = asprintf(&line, "writes of up to %llu bytes, by "
			       "RWF_ATOMIC", (unsigned long long)whole);
	else if (number_of(p, "drive.untorn_bytes", &drive) && drive)
		ret = asprintf(&line, "%llu bytes by the drive, but nothing "
			       "through kernel and file system; a commit that "
			       "is torn is found and dropped",
			       (unsigned long long)drive);
	else
		ret = asprintf(&line, "nothing is promised; a commit that is "
			       "torn is found and dropped");
	if (ret < 0)
		return;
	fprintf(l->out, "  never torn  ");
	jnl_paragraph(l, line, 14);
	free(line);
}

/* ------------------------------------------------------------------------
 * Methods and carriers
 */

/* name, verdict and the rest, folded behind them. */
static void show_verdict(const struct jnl_look *l, const char *name,
			 size_t name_width, bool usable, bool chosen,
			 const char *rest)
{
	const char *verdict = !usable ? "refused" : chosen ? "chosen" :
			      "usable";
	const char *colour = chosen ? l->good : usable ? "" : l->bad;

	fprintf(l->out, "%s%s %s", colour, chosen ? "*" : " ", name);
	jnl_pad(l->out, name_width - strlen(name) + GAP);
	fprintf(l->out, "%s%s", verdict, *colour ? l->plain : "");
	jnl_pad(l->out, strlen("refused") - strlen(verdict) + GAP);
	jnl_paragraph(l, *rest ? rest : "-",
		      2 + name_width + GAP + strlen("refused") + GAP);
}

static void show_method(const struct jnl_look *l,
			const struct journal_probe_method *m,
			size_t name_width)
{
	char *line;

	if (asprintf(&line, "%s%s%s%s%s", m->usable ? m->barrier : "",
		     m->usable ? " by " : "", m->usable ? m->carrier : "",
		     m->usable ? ": " : "", m->reason) < 0)
		return;
	show_verdict(l, m->name, name_width, m->usable, m->chosen, line);
	free(line);
}

static void show_methods(const struct jnl_look *l, const journal_probe *p)
{
	struct journal_probe_method m;
	size_t i, name_width = strlen("pwritev2");

	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++)
		if (strlen(m.name) > name_width)
			name_width = strlen(m.name);
	fprintf(l->out, "\n%sMETHODS%s\n", l->bold, l->plain);
	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++)
		show_method(l, &m, name_width);
}

/* One that is refused is news. */
static void show_carriers(const struct jnl_look *l, const journal_probe *p,
			  bool all)
{
	struct journal_probe_carrier c;
	bool title = false;

	for (size_t i = 0; journal_probe_carrier_at(p, i, &c) == 0; i++) {
		if (c.usable && !all)
			continue;
		if (!title)
			fprintf(l->out, "\n%sCARRIERS%s\n", l->bold, l->plain);
		title = true;
		show_verdict(l, c.name, strlen("pwritev2"), c.usable, false,
			     c.reason);
	}
}

void jnl_show_screen(FILE *out, const journal_probe *p, const char *path,
		     bool colour, size_t width, bool all)
{
	struct jnl_look l;

	jnl_look_init(&l, out, colour, width);
	show_place(&l, p, path);
	fprintf(out, "\n%sPROMISE%s\n", l.bold, l.plain);
	show_durable(&l, p);
	show_untorn(&l, p);
	show_methods(&l, p);
	show_carriers(&l, p, all);
	jnl_show_facts(&l, p, all);
}
