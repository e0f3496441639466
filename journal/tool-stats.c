/*
 * journal/tool-stats.c - what a journal's writer is doing, seen from outside.
 *
 * It reads the file that the writer keeps, and touches neither the journal nor
 * the writer.  A percentile comes from a histogram of powers of two: what is
 * printed is the bound that so many stay below, not a measured value.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool stats [OPTION]... DIR\n"
"Say what the writer of the journal in DIR has done since it opened it, or the\n"
"last writer, if none is at work.  Nothing is changed.\n"
"\n"
"  --count N     with --interval: end after N lines\n"
"  --interval S  print a line with what was done in each S seconds (0.1 to\n"
"                86400), until interrupted\n"
"  --json        print one JSON object, with --interval one a line\n"
"  --help        print this and exit\n";

#define NS_PER_S	1000000000ull
#define INTERVAL_MIN	100u	/* ms */
#define INTERVAL_MAX	86400000u

struct options {
	bool json;
	uint64_t interval_ms;	/* 0: once */
	uint64_t count;		/* 0: no end */
};

struct figures {
	struct journal_snapshot snap;
	struct journal_stats stats;
};

/* ------------------------------------------------------------------------
 * Figures
 */

/* What share (per cent) of the values stays below; 0: there are no values. */
static uint64_t bound_of(const uint64_t *histogram, size_t n, uint64_t share)
{
	uint64_t total = 0, below = 0;

	for (size_t i = 0; i < n; i++)
		total += histogram[i];
	for (size_t i = 0; i < n && total; i++) {
		below += histogram[i];
		if (below >= total - total / 100 * (100 - share) -
			     total % 100 * (100 - share) / 100)
			return (uint64_t)1 << (i + 1);
	}
	return 0;
}

/* now less before: what was done in between. */
static void subtract(struct journal_stats *now,
		     const struct journal_stats *before)
{
	now->records -= before->records;
	now->payload -= before->payload;
	now->in_place -= before->in_place;
	now->late -= before->late;
	now->batches -= before->batches;
	now->flushes -= before->flushes;
	now->replacements -= before->replacements;
	now->stalls_queue -= before->stalls_queue;
	now->stalls_segment -= before->stalls_segment;
	now->stalls_device -= before->stalls_device;
	now->failures -= before->failures;
	now->events_dropped -= before->events_dropped;
	for (size_t i = 0; i < 40; i++)
		now->action_ns[i] -= before->action_ns[i];
	for (size_t i = 0; i < 24; i++)
		now->batch_records[i] -= before->batch_records[i];
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = {
		"unknown", "fallback", "stall", "stall-end", "segment",
		"replacement", "failure",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : names[0];
}

static const char *writer_name(const struct journal_snapshot *s)
{
	if (s->writer == JOURNAL_WRITER_AT_WORK)
		return "at-work";
	return s->writer == JOURNAL_WRITER_OTHER ? "other" : "none";
}

static void format_time(uint64_t ns, char text[32])
{
	time_t t = (time_t)(ns / NS_PER_S);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		text[0] = '\0';
}

/* ------------------------------------------------------------------------
 * For people
 */

static void print_duration(struct jnl_out *out, uint64_t ns)
{
	if (ns < 1000000)
		jnl_out_format(out, "%.1f us", (double)ns / 1e3);
	else if (ns < NS_PER_S)
		jnl_out_format(out, "%.1f ms", (double)ns / 1e6);
	else
		jnl_out_format(out, "%.1f s", (double)ns / 1e9);
}

static void print_below(struct jnl_out *out, const uint64_t *histogram,
			uint64_t share)
{
	uint64_t bound = bound_of(histogram, 40, share);

	if (!bound) {
		jnl_out_text(out, "-");
		return;
	}
	jnl_out_text(out, "< ");
	print_duration(out, bound);
}

static void print_writer(struct jnl_out *out, const struct journal_snapshot *s)
{
	char opened[32], updated[32];

	format_time(s->opened_ns, opened);
	format_time(s->updated_ns, updated);
	if (s->writer == JOURNAL_WRITER_AT_WORK) {
		jnl_out_format(out, "writer:        pid %" PRId64 ", since %s\n",
			       s->pid, opened);
		return;
	}
	if (s->writer == JOURNAL_WRITER_NONE)
		jnl_out_text(out, "writer:        no writer at work\n");
	else
		jnl_out_text(out, "writer:        one at work that keeps no "
			     "figures (yet)\n");
	jnl_out_format(out, "figures of:    pid %" PRId64 ", %s to %s, which "
		       "%s\n", s->pid, opened, updated, s->closed ?
		       "closed the journal" : "ended without closing it");
}

static void print_events(struct jnl_out *out, const struct journal_snapshot *s)
{
	char when[32];

	jnl_out_format(out, "events:        %" PRIu64 "\n", s->events);
	for (uint64_t i = 0; i < JOURNAL_PAST_EVENTS && i < s->events; i++) {
		format_time(s->event[i].time_ns, when);
		jnl_out_format(out, "  %s %s: ", when,
			       kind_name(s->event[i].kind));
		jnl_out_plain(out, s->event[i].reason);
		jnl_out_text(out, "\n");
	}
}

static void print_text(struct jnl_out *out, const struct figures *f)
{
	const struct journal_snapshot *s = &f->snap;
	const struct journal_stats *c = &f->stats;

	print_writer(out, s);
	jnl_out_text(out, "method:        ");
	jnl_out_plain(out, s->method);
	jnl_out_text(out, ", ");
	jnl_out_plain(out, s->barrier);
	jnl_out_text(out, "\ndriver:        ");
	jnl_out_plain(out, s->driver);
	jnl_out_text(out, ", ");
	jnl_out_plain(out, s->carrier);
	jnl_out_format(out, "\nfirst lsn:     %" PRIu64 "\n", s->first_lsn);
	jnl_out_format(out, "frontier:      %" PRIu64 "\n", s->frontier);
	jnl_out_format(out, "end:           %" PRIu64 "\n", s->end);
	jnl_out_format(out, "segments:      %" PRIu64 " of %" PRIu64 " bytes\n",
		       s->segments, s->segment_size);
	jnl_out_format(out, "records:       %" PRIu64 ", %" PRIu64 " bytes\n",
		       c->records, c->payload);
	jnl_out_format(out, "batches:       %" PRIu64 ", half of them < %"
		       PRIu64 " records\n", c->batches,
		       bound_of(c->batch_records, 24, 50));
	jnl_out_format(out, "flushes:       %" PRIu64 "\n", c->flushes);
	jnl_out_text(out, "write, flush:  p50 ");
	print_below(out, c->action_ns, 50);
	jnl_out_text(out, ", p99 ");
	print_below(out, c->action_ns, 99);
	jnl_out_text(out, ", longest ");
	print_duration(out, c->action_max_ns);
	jnl_out_format(out, "\nunder way:     %" PRIu32, s->outstanding);
	if (s->outstanding) {
		jnl_out_text(out, ", the oldest for ");
		print_duration(out, s->oldest_ns);
	}
	jnl_out_format(out, "\nstalls:        %" PRIu64 " device, %" PRIu64
		       " queue, %" PRIu64 " segment\n", c->stalls_device,
		       c->stalls_queue, c->stalls_segment);
	jnl_out_format(out, "failures:      %" PRIu64 " making a segment, %"
		       PRIu64 " segments replaced\n", c->failures,
		       c->replacements);
	if (s->failed)
		jnl_out_format(out, "failed:        %s\n",
			       journal_strerror(s->failed));
	print_events(out, s);
}

static void print_line(struct jnl_out *out, const struct figures *f,
		       double seconds)
{
	const struct journal_stats *c = &f->stats;

	if (f->snap.writer != JOURNAL_WRITER_AT_WORK)
		jnl_out_text(out, "no writer at work: ");
	jnl_out_format(out, "%.0f records/s, %.1f MB/s, %.0f batches/s, %.0f "
		       "flushes/s, p50 ", (double)c->records / seconds,
		       (double)c->payload / 1e6 / seconds,
		       (double)c->batches / seconds,
		       (double)c->flushes / seconds);
	print_below(out, c->action_ns, 50);
	jnl_out_text(out, ", p99 ");
	print_below(out, c->action_ns, 99);
	jnl_out_format(out, ", %" PRIu64 " stalls", c->stalls_device);
	if (f->snap.outstanding) {
		jnl_out_text(out, ", under way for ");
		print_duration(out, f->snap.oldest_ns);
	}
	jnl_out_text(out, "\n");
}

/* ------------------------------------------------------------------------
 * For programs
 */

static void json_text(struct jnl_out *out, const char *name, const char *text)
{
	jnl_out_format(out, ",\"%s\":", name);
	jnl_out_json_string(out, text, strlen(text));
}

static void json_number(struct jnl_out *out, const char *name, uint64_t value)
{
	jnl_out_format(out, ",\"%s\":%" PRIu64, name, value);
}

static void json_histogram(struct jnl_out *out, const char *name,
			   const uint64_t *histogram, size_t n)
{
	jnl_out_format(out, ",\"%s\":[", name);
	for (size_t i = 0; i < n; i++)
		jnl_out_format(out, "%s%" PRIu64, i ? "," : "",
			       histogram[i]);
	jnl_out_text(out, "]");
}

static void json_counts(struct jnl_out *out, const struct journal_stats *c)
{
	json_number(out, "records", c->records);
	json_number(out, "payload", c->payload);
	json_number(out, "in_place", c->in_place);
	json_number(out, "late", c->late);
	json_number(out, "batches", c->batches);
	json_number(out, "flushes", c->flushes);
	json_number(out, "replacements", c->replacements);
	json_number(out, "stalls_queue", c->stalls_queue);
	json_number(out, "stalls_segment", c->stalls_segment);
	json_number(out, "stalls_device", c->stalls_device);
	json_number(out, "failures", c->failures);
	json_number(out, "events_dropped", c->events_dropped);
	json_number(out, "action_max_ns", c->action_max_ns);
	json_number(out, "action_p50_below_ns", bound_of(c->action_ns, 40, 50));
	json_number(out, "action_p99_below_ns", bound_of(c->action_ns, 40, 99));
	json_histogram(out, "action_ns", c->action_ns, 40);
	json_histogram(out, "batch_records", c->batch_records, 24);
}

static void json_events(struct jnl_out *out, const struct journal_snapshot *s)
{
	json_number(out, "events", s->events);
	jnl_out_text(out, ",\"newest_events\":[");
	for (uint64_t i = 0; i < JOURNAL_PAST_EVENTS && i < s->events; i++) {
		const struct journal_event *ev = &s->event[i];

		jnl_out_format(out, "%s{\"kind\":\"%s\",\"time_ns\":%" PRIu64
			       ",\"code\":%" PRId32, i ? "," : "",
			       kind_name(ev->kind), ev->time_ns, ev->code);
		if (ev->lsn == JOURNAL_LSN_NONE)
			jnl_out_text(out, ",\"lsn\":null");
		else
			json_number(out, "lsn", ev->lsn);
		json_number(out, "duration_ns", ev->duration_ns);
		json_text(out, "reason", ev->reason);
		jnl_out_text(out, "}");
	}
	jnl_out_text(out, "]");
}

/* seconds 0: counted since the journal was opened. */
static void print_json(struct jnl_out *out, const struct figures *f,
		       double seconds)
{
	const struct journal_snapshot *s = &f->snap;

	jnl_out_format(out, "{\"writer\":\"%s\",\"pid\":%" PRId64
		       ",\"closed\":%s,\"failed\":%" PRId32, writer_name(s),
		       s->pid, s->closed ? "true" : "false", s->failed);
	if (seconds > 0)
		jnl_out_format(out, ",\"seconds\":%.3f", seconds);
	json_number(out, "opened_ns", s->opened_ns);
	json_number(out, "updated_ns", s->updated_ns);
	json_text(out, "method", s->method);
	json_text(out, "barrier", s->barrier);
	json_text(out, "driver", s->driver);
	json_text(out, "carrier", s->carrier);
	json_number(out, "first_lsn", s->first_lsn);
	json_number(out, "frontier", s->frontier);
	json_number(out, "end", s->end);
	json_number(out, "segments", s->segments);
	json_number(out, "segment_size", s->segment_size);
	json_number(out, "outstanding", s->outstanding);
	json_number(out, "oldest_ns", s->oldest_ns);
	json_counts(out, &f->stats);
	json_events(out, s);
	jnl_out_text(out, "}\n");
}

/* ------------------------------------------------------------------------ */

static int complain(const char *dir, int err)
{
	switch (err) {
	case -ENODATA:
		jnl_complain(dir, "there are no figures: no journal, or its "
			     "writer keeps none (JOURNAL_NO_STATS, or an older "
			     "version): see journal-tool info");
		break;
	case -EOPNOTSUPP:
		jnl_complain(dir, "a block device has no room for figures: ask "
			     "the program that writes the journal "
			     "(journal_stats)");
		break;
	case -EINVAL:
		jnl_complain(dir, "the file \"stats\" is something else: move "
			     "it away");
		break;
	case -EUCLEAN:
		jnl_complain(dir, "the file \"stats\" is not whole: the next "
			     "writer makes it anew");
		break;
	case -EPROTONOSUPPORT:
		jnl_complain(dir, "the file \"stats\" is of a newer version: "
			     "use that version's journal-tool");
		break;
	default:
		return jnl_failed(dir, err, NULL), JNL_EXIT_ERROR;
	}
	return JNL_EXIT_ERROR;
}

static int get(const char *dir, struct figures *f)
{
	f->snap = (struct journal_snapshot)JOURNAL_SNAPSHOT_INIT;
	f->stats = (struct journal_stats)JOURNAL_STATS_INIT;
	return journal_stats_at(dir, &f->snap, &f->stats);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int repeat(struct jnl_out *out, const char *dir,
		  const struct options *o, struct figures *before)
{
	struct timespec pause = {
		.tv_sec = (time_t)(o->interval_ms / 1000),
		.tv_nsec = (long)(o->interval_ms % 1000 * 1000000),
	};
	uint64_t before_ns = now_ns();

	for (uint64_t i = 0; !o->count || i < o->count; i++) {
		struct figures now, done;
		uint64_t at_ns;
		int ret;

		(void)nanosleep(&pause, NULL);
		ret = get(dir, &now);
		if (ret < 0)
			return complain(dir, ret);
		at_ns = now_ns();
		done = now;
		/* Another life counts from zero. */
		if (now.snap.opened_ns == before->snap.opened_ns)
			subtract(&done.stats, &before->stats);
		if (o->json)
			print_json(out, &done,
				   (double)(at_ns - before_ns) / 1e9);
		else
			print_line(out, &done,
				   (double)(at_ns - before_ns) / 1e9);
		if (jnl_out_flush(out) < 0)
			return JNL_EXIT_DONE;
		*before = now;
		before_ns = at_ns;
	}
	return JNL_EXIT_DONE;
}

static int run(struct jnl_out *out, const char *dir, const struct options *o)
{
	struct figures f;
	int ret = get(dir, &f);

	if (ret < 0)
		return complain(dir, ret);
	if (o->interval_ms)
		return repeat(out, dir, o, &f);
	if (o->json)
		print_json(out, &f, 0);
	else
		print_text(out, &f);
	return JNL_EXIT_DONE;
}

/* Seconds, with up to three digits behind a point. */
static bool parse_interval(const char *text, uint64_t *ret_ms)
{
	uint64_t ms = 0, unit = 1000;
	bool point = false;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text == '.' && !point) {
			point = true;
			continue;
		}
		if (*text < '0' || *text > '9' || (point && unit == 1))
			return false;
		if (point)
			ms += (uint64_t)(*text - '0') * (unit /= 10);
		else
			ms = ms * 10 + (uint64_t)(*text - '0') * 1000;
		if (ms > INTERVAL_MAX)
			return false;
	}
	*ret_ms = ms;
	return ms >= INTERVAL_MIN;
}

static bool take_option(int opt, struct options *o)
{
	switch (opt) {
	case 'j':
		o->json = true;
		return true;
	case 'i':
		if (parse_interval(optarg, &o->interval_ms))
			return true;
		jnl_usage_error("stats", "--interval: 0.1 to 86400 seconds");
		return false;
	default:
		if (jnl_parse_u64(optarg, &o->count) && o->count)
			return true;
		jnl_usage_error("stats", "--count: a number from 1 on");
		return false;
	}
}

static const char *arguments(int argc, char **argv, struct options *o,
			     bool *ret_help)
{
	static const struct option longopts[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "interval", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int opt;

	while ((opt = jnl_getopt(argc, argv, longopts)) != -1) {
		*ret_help = opt == 'h';
		if (*ret_help || opt == '?' || opt == ':' ||
		    !take_option(opt, o))
			return NULL;
	}
	if (o->count && !o->interval_ms) {
		jnl_usage_error("stats", "--count needs --interval");
		return NULL;
	}
	return jnl_operand_dir(argc, argv);
}

int jnl_command_stats(int argc, char **argv)
{
	struct options o = { 0 };
	bool show_help = false;
	struct jnl_out out;
	const char *dir;
	int code;

	if (jnl_out_init(&out) < 0) {
		jnl_complain("memory", "not enough of it");
		return JNL_EXIT_ERROR;
	}
	dir = arguments(argc, argv, &o, &show_help);
	if (show_help)
		jnl_out_text(&out, help);
	code = dir ? run(&out, dir, &o) :
	       show_help ? JNL_EXIT_DONE : JNL_EXIT_ERROR;
	return jnl_out_finish(&out, code);
}
