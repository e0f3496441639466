/*
 * probe/timing-screen.c - a measurement as a table with a chart.
 *
 * One line for each way.  The charts share one logarithmic scale, so that they
 * can be compared by eye; each one's highest column is full.  What is longer
 * than the scale (a few in a thousand) counts in the last column.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "probe/look.h"
#include "probe/timing.h"

#define CHART_MIN	16u
#define CHART_MAX	48u
#define LABEL_LEN	9u	/* "io_uring " */

struct chart {
	FILE *out;
	const struct jnl_look *look;
	bool unicode;
	size_t columns;
	/* The scale in eighths of a doubling: from, and how many of them. */
	uint32_t from, span;
	size_t method_width;
};

void jnl_timing_text(char text[TIMING_TEXT_LEN], uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	uint64_t scale = 1;
	size_t unit = 0;

	/* Three digits: what would round up to 1000 is one of the next. */
	while (unit < 3 && ns >= scale * 1000 - scale / 2) {
		scale *= 1000;
		unit++;
	}
	if (unit == 0 || ns >= 100 * scale - scale / 2)
		(void)snprintf(text, TIMING_TEXT_LEN, "%llu%s",
			       (unsigned long long)((ns + scale / 2) / scale),
			       units[unit]);
	else
		(void)snprintf(text, TIMING_TEXT_LEN, "%.*f%s",
			       ns >= 10 * scale - scale / 20 ? 1 : 2,
			       (double)ns / (double)scale, units[unit]);
}

/* Eighths of a doubling below ns: 8 * log2(ns), near enough, and monotonic. */
static uint32_t eighths(uint64_t ns)
{
	uint32_t e;

	if (ns < 8)
		return 0;
	e = 63 - (uint32_t)__builtin_clzll(ns);
	return 8 * e + (uint32_t)(ns >> (e - 3) & 7);
}

static bool measured(const struct jnl_measure_pair *pair)
{
	return !pair->err && pair->histogram.count;
}

static void find_scale(struct chart *c, const struct jnl_measure *m)
{
	const struct jnl_measure_pair *pair;
	uint32_t from = UINT32_MAX, to = 0, e;

	for (size_t i = 0; (pair = jnl_measure_at(m, i)); i++) {
		size_t first = 0;

		if (strlen(pair->method) > c->method_width)
			c->method_width = strlen(pair->method);
		if (!measured(pair))
			continue;
		while (!pair->histogram.bucket[first])
			first++;
		e = eighths(jnl_histogram_from_ns(first));
		from = e < from ? e : from;
		e = eighths(jnl_histogram_percentile_ns(&pair->histogram,
							99500));
		to = e > to ? e : to;
	}
	c->from = from;
	/* At least two doublings: one column is no chart. */
	c->span = to < from + 16 ? 16 : to - from + 1;
}

static size_t column_of(const struct chart *c, uint64_t ns)
{
	uint32_t e = eighths(ns);
	size_t column;

	if (e < c->from)
		return 0;
	column = (size_t)(e - c->from) * c->columns / c->span;
	return column < c->columns ? column : c->columns - 1;
}

static void draw(struct chart *c, const struct jnl_histogram *h)
{
	static const char *const blocks[] = {
		" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
	};
	static const char *const ascii[] = {
		" ", ".", ":", "-", "=", "+", "*", "#", "@",
	};
	uint64_t sum[CHART_MAX] = { 0 }, most = 0;
	size_t last = 0;

	for (size_t i = 0; i < JNL_HISTOGRAM_BUCKETS; i++)
		sum[column_of(c, jnl_histogram_from_ns(i))] += h->bucket[i];
	for (size_t i = 0; i < c->columns; i++) {
		most = sum[i] > most ? sum[i] : most;
		last = sum[i] ? i : last;
	}
	for (size_t i = 0; i <= last; i++) {
		/* What is there at all is seen. */
		size_t level = sum[i] ? 1 + (size_t)(sum[i] * 7 / most) : 0;

		fputs(c->unicode ? blocks[level] : ascii[level], c->out);
	}
}

/* A mark and its name, if there is room and a space before it. */
static size_t draw_mark(const struct chart *c, char *line, size_t used,
			uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	char text[TIMING_TEXT_LEN];
	uint32_t e = eighths(ns);
	size_t at, unit = 0;

	if (e < c->from || e >= c->from + c->span)
		return used;
	at = column_of(c, ns);
	/* Round numbers: no digits behind the point. */
	for (; ns >= 1000 && unit < 3; ns /= 1000)
		unit++;
	(void)snprintf(text, sizeof(text), "%llu%s", (unsigned long long)ns,
		       units[unit]);
	if (at < used + (used > 0) || at + 1 + strlen(text) > c->columns)
		return used;
	memset(line + used, ' ', at - used);
	return at + (size_t)sprintf(line + at, "|%s", text);
}

static void draw_scale(struct chart *c)
{
	char line[CHART_MAX + TIMING_TEXT_LEN + 1];
	size_t used = 0;

	for (uint64_t ns = 1; ns <= 1000000000000u; ns *= 10) {
		used = draw_mark(c, line, used, ns);
		used = draw_mark(c, line, used, 2 * ns);
		used = draw_mark(c, line, used, 5 * ns);
	}
	line[used] = '\0';
	fputs(line, c->out);
}

/* Method and carrier take the same columns in every line. */
static void begin_line(struct chart *c, const struct jnl_measure_pair *pair,
		       bool chosen)
{
	char depth[16] = "";

	if (pair->depth > 1)
		(void)snprintf(depth, sizeof(depth), "x%u", pair->depth);
	fprintf(c->out, "%s%s %-*s  %-*s%-4s", chosen ? c->look->good : "",
		chosen ? "*" : " ", (int)c->method_width, pair->method,
		(int)LABEL_LEN, pair->carrier, depth);
}

static void show_pair(struct chart *c, const struct jnl_measure_pair *pair,
		      bool chosen)
{
	static const uint32_t percentiles[] = { 50000, 99000, 99900 };
	char text[TIMING_TEXT_LEN];

	begin_line(c, pair, chosen);
	if (!measured(pair)) {
		fprintf(c->out, "%s  failed: %s: %s%s\n", c->look->bad,
			pair->err ? pair->failed : "no append ended in time",
			pair->err ? strerrordesc_np(-pair->err) : "",
			c->look->plain);
		return;
	}
	fprintf(c->out, "%8.0f", (double)pair->histogram.count * 1e9 /
				 (double)pair->ns);
	for (size_t i = 0; i < 3; i++) {
		jnl_timing_text(text, jnl_histogram_percentile_ns(
					&pair->histogram, percentiles[i]));
		fprintf(c->out, "%8s", text);
	}
	fprintf(c->out, "%s  ", chosen ? c->look->plain : "");
	draw(c, &pair->histogram);
	putc('\n', c->out);
}

static void show_verdict(struct chart *c, const struct jnl_measured *v)
{
	char *line;
	char alone[TIMING_TEXT_LEN], many[TIMING_TEXT_LEN];

	jnl_timing_text(alone, v->alone_ns);
	jnl_timing_text(many, v->many_ns);
	if (asprintf(&line, "Best here: %s, driver %s, carrier %s: %s for a "
		     "commit alone, about %s among many.", v->method, v->driver,
		     v->carrier, alone, many) < 0)
		return;
	putc('\n', c->out);
	jnl_paragraph(c->look, line, 0);
	free(line);
}

void jnl_timing_show(FILE *out, const struct jnl_measure *m, bool colour,
		     size_t width, bool unicode)
{
	struct jnl_look look;
	struct chart c = {
		.out = out,
		.look = &look,
		.unicode = unicode,
		.method_width = strlen("WAY"),
	};
	const struct jnl_measure_pair *pair;
	struct jnl_measured verdict = { 0 };
	size_t left;

	if (!jnl_measure_at(m, 0)) {
		fprintf(out, "\nThere is no usable method to measure.\n");
		return;
	}
	jnl_look_init(&look, out, colour, width);
	find_scale(&c, m);
	left = 2 + c.method_width + 2 + LABEL_LEN + 4 + 4 * 8 + 2;
	c.columns = width > left + CHART_MIN ? width - left : CHART_MIN;
	if (!width || c.columns > CHART_MAX)
		c.columns = width ? CHART_MAX : 24;
	(void)jnl_measure_judge(m, JNL_MEASURE_QUEUE, &verdict);

	fprintf(out, "\n%s%-*s%8s%8s%8s%8s  ", look.bold,
		(int)(left - 4 * 8 - 2), "MEASURED", "PER S", "P50", "P99",
		"P99.9");
	draw_scale(&c);
	fprintf(out, "%s\n", look.plain);
	for (size_t i = 0; (pair = jnl_measure_at(m, i)); i++)
		show_pair(&c, pair, verdict.method &&
			  !strcmp(pair->method, verdict.method) &&
			  !strcmp(pair->carrier, verdict.carrier));
	fprintf(out, "%sAppends of %u bytes, one after the other or (x4) so "
		"many in flight.%s\n", look.dim, jnl_measure_block(m), look.plain);
	if (verdict.method)
		show_verdict(&c, &verdict);
}
