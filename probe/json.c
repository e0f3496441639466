/*
 * probe/json.c - a probe as one JSON object; the keys are in journal-probe(1).
 */
#include "config.h"

#include <string.h>

#include "probe/show.h"

/* Moves if a key goes or changes its meaning; keys may be added to it. */
#define SCHEMA		1

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

static void show_carrier(FILE *out, const struct journal_probe_carrier *c)
{
	fputs("    {\"name\": ", out);
	string(out, c->name);
	fprintf(out, ", \"usable\": %s", c->usable ? "true" : "false");
	member(out, "fact", c->usable ? NULL : c->fact);
	member(out, "reason", c->reason);
	putc('}', out);
}

static void show_histogram(FILE *out, const struct jnl_histogram *h)
{
	const char *comma = "";

	fputs(", \"histogram\": [", out);
	for (size_t i = 0; i < JNL_HISTOGRAM_BUCKETS; i++) {
		if (!h->bucket[i])
			continue;
		fprintf(out, "%s[%llu, %llu]", comma,
			(unsigned long long)jnl_histogram_from_ns(i),
			(unsigned long long)h->bucket[i]);
		comma = ", ";
	}
	putc(']', out);
}

static void number_or_null(FILE *out, const char *key, bool known,
			   uint64_t value)
{
	if (known)
		fprintf(out, ", \"%s\": %llu", key, (unsigned long long)value);
	else
		fprintf(out, ", \"%s\": null", key);
}

static void show_pair(FILE *out, const struct jnl_measure_pair *pair)
{
	const struct jnl_histogram *h = &pair->histogram;
	const char *name = pair->err ? strerrorname_np(-pair->err) : NULL;
	bool known = !pair->err && h->count;

	fputs("      {\"method\": ", out);
	string(out, pair->method);
	member(out, "carrier", pair->carrier);
	member(out, "barrier", pair->barrier);
	fprintf(out, ", \"depth\": %u, \"errno\": %d", pair->depth,
		-pair->err);
	member(out, "error", name);
	member(out, "failed", pair->failed);
	number_or_null(out, "appends", known, h->count);
	number_or_null(out, "ns", known, pair->ns);
	number_or_null(out, "p50_ns", known,
		       jnl_histogram_percentile_ns(h, 50000));
	number_or_null(out, "p99_ns", known,
		       jnl_histogram_percentile_ns(h, 99000));
	number_or_null(out, "p999_ns", known,
		       jnl_histogram_percentile_ns(h, 99900));
	number_or_null(out, "max_ns", known, h->max_ns);
	if (known)
		show_histogram(out, h);
	else
		fputs(", \"histogram\": null", out);
	putc('}', out);
}

static void show_measurement(FILE *out, const struct jnl_measure *m)
{
	const struct jnl_measure_pair *pair;
	struct jnl_measured best;

	fprintf(out, "{\n    \"append_bytes\": %u", jnl_measure_block(m));
	number_or_null(out, "hop_ns", jnl_measure_hop_ns(m) > 0,
		       jnl_measure_hop_ns(m));
	fputs(",\n    \"pairs\": [\n", out);
	for (size_t i = 0; (pair = jnl_measure_at(m, i)); i++) {
		fputs(i ? ",\n" : "", out);
		show_pair(out, pair);
	}
	fputs("\n    ],\n    \"best\": ", out);
	if (jnl_measure_judge(m, JNL_MEASURE_QUEUE, &best) < 0) {
		fputs("null\n  }", out);
		return;
	}
	fputs("{\"method\": ", out);
	string(out, best.method);
	member(out, "driver", best.driver);
	member(out, "carrier", best.carrier);
	number_or_null(out, "alone_ns", true, best.alone_ns);
	number_or_null(out, "many_ns", true, best.many_ns);
	fputs("}\n  }", out);
}

void jnl_show_json(FILE *out, const journal_probe *p, const char *path,
		   const struct jnl_measure *measure)
{
	struct journal_probe_carrier c;
	struct journal_probe_method m;
	struct journal_fact f;
	const char *chosen = NULL;
	size_t i;

	fprintf(out, "{\n  \"schema\": %d,\n  \"version\": ", SCHEMA);
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
	fputs(",\n  \"carriers\": [\n", out);
	for (i = 0; journal_probe_carrier_at(p, i, &c) == 0; i++) {
		fputs(i ? ",\n" : "", out);
		show_carrier(out, &c);
	}
	fputs("\n  ],\n  \"measurement\": ", out);
	if (measure)
		show_measurement(out, measure);
	else
		fputs("null", out);
	fputs("\n}\n", out);
}
