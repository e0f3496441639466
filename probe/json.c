/*
 * probe/json.c - a probe as one JSON object; the keys are in journal-probe(1).
 */
#include "config.h"

#include <string.h>

#include "probe/show.h"

#define REPLACEMENT "\\ufffd"

size_t jnl_utf8(const char *s, uint32_t *ret_char)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s;
	size_t len, i;
	uint32_t c;

	len = u[0] < 0x80 ? 1 : u[0] < 0xc0 ? 0 : u[0] < 0xe0 ? 2 :
	      u[0] < 0xf0 ? 3 : u[0] < 0xf8 ? 4 : 0;
	if (!len || !u[0])
		return 0;
	c = len == 1 ? u[0] : u[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		/* A NUL is no continuation either: this ends there. */
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_char = c;
	return len;
}

static void string(FILE *out, const char *s)
{
	uint32_t c;
	size_t len;

	putc('"', out);
	while (*s) {
		len = jnl_utf8(s, &c);
		if (!len) {
			fputs(REPLACEMENT, out);
			s++;
			continue;
		}
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			fprintf(out, "\\u%04x", (unsigned int)c);
		else
			fwrite(s, 1, len, out);
		s += len;
	}
	putc('"', out);
}

static void member(FILE *out, const char *key, const char *value)
{
	fprintf(out, ", \"%s\": ", key);
	if (value)
		string(out, value);
	else
		fputs("null", out);
}

static const char *state_name(enum journal_fact_state state)
{
	switch (state) {
	case JOURNAL_FACT_REPORTED:
		return "reported";
	case JOURNAL_FACT_TRIED:
		return "tried";
	default:
		return "unknown";
	}
}

static void show_fact(FILE *out, const struct journal_fact *f)
{
	const char *name = f->error ? strerrorname_np(-f->error) : NULL;

	fputs("    {\"name\": ", out);
	string(out, f->name);
	member(out, "state", state_name(f->state));
	if (f->state == JOURNAL_FACT_UNKNOWN || f->text)
		member(out, "value", f->text);
	else
		fprintf(out, ", \"value\": %llu",
			(unsigned long long)f->value);
	member(out, "source", f->source);
	fprintf(out, ", \"errno\": %d", -f->error);
	member(out, "error", name);
	putc('}', out);
}

static void show_method(FILE *out, const struct journal_probe_method *m)
{
	fputs("    {\"name\": ", out);
	string(out, m->name);
	fprintf(out, ", \"usable\": %s, \"chosen\": %s",
		m->usable ? "true" : "false", m->chosen ? "true" : "false");
	member(out, "fact", m->usable ? NULL : m->fact);
	member(out, "reason", m->reason);
	member(out, "carrier", m->usable ? m->carrier : NULL);
	member(out, "barrier", m->usable ? m->barrier : NULL);
	putc('}', out);
}

void jnl_show_json(FILE *out, const journal_probe *p, const char *path)
{
	struct journal_probe_method m;
	struct journal_fact f;
	const char *chosen = NULL;
	size_t i;

	fputs("{\n  \"version\": ", out);
	string(out, PACKAGE_VERSION);
	fputs(",\n  \"path\": ", out);
	string(out, path);
	fputs(",\n  \"facts\": [\n", out);
	for (i = 0; journal_probe_fact_at(p, i, &f) == 0; i++) {
		fputs(i ? ",\n" : "", out);
		show_fact(out, &f);
	}
	fputs("\n  ],\n  \"methods\": [\n", out);
	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++) {
		fputs(i ? ",\n" : "", out);
		show_method(out, &m);
		if (m.chosen)
			chosen = m.name;
	}
	fputs("\n  ],\n  \"chosen\": ", out);
	if (chosen)
		string(out, chosen);
	else
		fputs("null", out);
	fputs("\n}\n", out);
}
