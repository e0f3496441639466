/*
 * command.c - what clients may ask for.
 *
 * A command that changes something appends its record first and touches the
 * table only if that went well, so the table is what the journal says.  What is
 * not supported is refused and never ignored.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

#define TEXT_MAX	512	/* bytes of a reply without values */

struct command {
	const char *name;
	int args_min, args_max;		/* the name included; -1: any */
	int (*run)(struct server *s, struct client *c);
	const char *flag;
	int first_key, last_key;
};

/* ------------------------------------------------------------------------
 * Replies
 */

__attribute__((format(printf, 2, 3)))
static void text(struct client *c, const char *format, ...)
{
	char line[TEXT_MAX];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	client_reply(c, line, (size_t)n);
}

/* False if there is no memory, and then the client is dead. */
static bool bulk(struct client *c, const void *data, size_t len)
{
	if (!client_reserve(c, len + TEXT_MAX))
		return false;
	text(c, "$%zu\r\n", len);
	client_reply(c, data, len);
	client_reply(c, "\r\n", 2);
	return true;
}

/* Text of a client's, short and printable, for an error. */
static const char *shown(const struct resp_arg *arg, char buffer[65])
{
	size_t n = arg->len < 64 ? arg->len : 64;

	for (size_t i = 0; i < n; i++)
		buffer[i] = arg->data[i] < ' ' || arg->data[i] > '~' ? '?' :
			    arg->data[i];
	buffer[n] = 0;
	return buffer;
}

static bool is(const struct resp_arg *arg, const char *word)
{
	return arg->len == strlen(word) &&
	       !strncasecmp(arg->data, word, arg->len);
}

static int done(struct server *s, struct client *c, uint64_t lsn)
{
	client_hold(c, lsn < s->store.frontier ? 0 : lsn, s->turn);
	return 0;
}

/* A record was not appended. */
static int refused(struct server *s, struct client *c, int ret)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	if (ret == -EAGAIN)
		return ret;
	if (journal_info(s->store.j, &info) < 0 || info.failed)
		return ret;
	s->refused++;
	if (ret == -EMSGSIZE)
		text(c, "-ERR too large: a key and its value may have %"
		     PRIu32 " bytes here\r\n",
		     s->store.record_max - STORE_SET_HEADER);
	else
		text(c, "-ERR not stored: %s\r\n", journal_strerror(ret));
	return done(s, c, 0);
}

/* ------------------------------------------------------------------------
 * Keys
 */

static uint64_t *mark_of(struct server *s, uint64_t hash)
{
	/* Not the bits that choose the bucket: no matter, but no worse. */
	return &s->marks[(hash >> 32) % SERVER_MARKS];
}

/* The newest record that may have changed a key. */
static uint64_t changed(struct server *s, uint64_t hash)
{
	uint64_t mark = *mark_of(s, hash);

	return mark > s->cleared ? mark : s->cleared;
}

/* Takes e over. */
static int set(struct server *s, struct entry *e, uint64_t *ret_lsn)
{
	int ret = store_set(&s->store, e, ret_lsn);

	if (ret < 0) {
		free(e);
		return ret;
	}
	*mark_of(s, e->hash) = *ret_lsn;
	table_put(&s->table, e);
	return 0;
}

static int no_memory(struct server *s, struct client *c)
{
	s->refused++;
	text(c, "-ERR not stored: no memory\r\n");
	return done(s, c, 0);
}

static int run_set(struct server *s, struct client *c)
{
	const struct resp_arg *key = &s->request.args[1], *value = key + 1;
	struct entry *e;
	uint64_t lsn;
	int ret;

	if (s->request.count > 3) {
		text(c, "-ERR SET takes a key and a value; its options are not "
		     "supported here\r\n");
		return done(s, c, 0);
	}
	e = entry_new(table_hash(&s->table, key->data, key->len), key->data,
		      key->len, value->data, value->len);
	if (!e)
		return no_memory(s, c);
	ret = set(s, e, &lsn);
	if (ret < 0)
		return refused(s, c, ret);
	text(c, "+OK\r\n");
	return done(s, c, lsn);
}

static int run_get(struct server *s, struct client *c)
{
	const struct resp_arg *key = &s->request.args[1];
	uint64_t hash = table_hash(&s->table, key->data, key->len);
	const struct entry *e = table_find(&s->table, hash, key->data,
					   key->len);

	if (!e)
		text(c, "$-1\r\n");
	else if (!bulk(c, e->bytes + e->key_len, e->value_len))
		return 0;
	return done(s, c, changed(s, hash));
}

static int run_incr(struct server *s, struct client *c)
{
	const struct resp_arg *key = &s->request.args[1];
	uint64_t hash = table_hash(&s->table, key->data, key->len), lsn;
	struct entry *e = table_find(&s->table, hash, key->data, key->len);
	int64_t n = 0;
	char digits[24];
	int len, ret;

	if (e && !resp_number(e->bytes + e->key_len, e->value_len, &n)) {
		text(c, "-ERR value is not an integer or out of range\r\n");
		return done(s, c, changed(s, hash));
	}
	if (n == INT64_MAX) {
		text(c, "-ERR increment or decrement would overflow\r\n");
		return done(s, c, changed(s, hash));
	}
	len = snprintf(digits, sizeof(digits), "%" PRId64, n + 1);
	e = entry_new(hash, key->data, key->len, digits, (size_t)len);
	if (!e)
		return no_memory(s, c);
	ret = set(s, e, &lsn);
	if (ret < 0)
		return refused(s, c, ret);
	text(c, ":%s\r\n", digits);
	return done(s, c, lsn);
}

static int run_del(struct server *s, struct client *c)
{
	const struct resp_arg *keys = &s->request.args[1];
	int count = s->request.count - 1, removed = 0, ret;
	uint64_t lsn = 0, hash;
	struct entry *e = NULL;

	for (int i = 0; i < count; i++) {
		hash = table_hash(&s->table, keys[i].data, keys[i].len);
		if (changed(s, hash) > lsn)
			lsn = changed(s, hash);
		if (!e)
			e = table_find(&s->table, hash, keys[i].data,
				       keys[i].len);
	}
	if (!e) {
		text(c, ":0\r\n");
		return done(s, c, lsn);
	}
	ret = store_delete(&s->store, keys, count, &lsn);
	if (ret < 0)
		return refused(s, c, ret);
	for (int i = 0; i < count; i++) {
		hash = table_hash(&s->table, keys[i].data, keys[i].len);
		e = table_find(&s->table, hash, keys[i].data, keys[i].len);
		if (!e)
			continue;
		*mark_of(s, hash) = lsn;
		table_remove(&s->table, e);
		removed++;
	}
	text(c, ":%d\r\n", removed);
	return done(s, c, lsn);
}

static int run_dbsize(struct server *s, struct client *c)
{
	text(c, ":%zu\r\n", s->table.count);
	return done(s, c, s->store.appended);
}

static int run_flushall(struct server *s, struct client *c)
{
	uint64_t lsn;
	int ret = store_clear(&s->store, &lsn);

	if (ret < 0)
		return refused(s, c, ret);
	s->cleared = lsn;
	table_clear(&s->table);
	text(c, "+OK\r\n");
	return done(s, c, lsn);
}

/* ------------------------------------------------------------------------
 * The rest
 */

static int run_ping(struct server *s, struct client *c)
{
	const struct resp_arg *message = &s->request.args[1];

	if (s->request.count == 1)
		text(c, "+PONG\r\n");
	else if (!bulk(c, message->data, message->len))
		return 0;
	return done(s, c, 0);
}

static int run_echo(struct server *s, struct client *c)
{
	const struct resp_arg *message = &s->request.args[1];

	return bulk(c, message->data, message->len) ? done(s, c, 0) : 0;
}

static int run_quit(struct server *s, struct client *c)
{
	text(c, "+OK\r\n");
	c->ending = true;
	return done(s, c, 0);
}

/* redis-benchmark asks for two and shows them. */
static int run_config(struct server *s, struct client *c)
{
	const struct resp_arg *args = s->request.args;

	if (s->request.count < 3 || !is(&args[1], "get"))
		text(c, "-ERR CONFIG knows GET only here\r\n");
	else if (s->request.count == 3 && is(&args[2], "save"))
		text(c, "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
	else if (s->request.count == 3 && is(&args[2], "appendonly"))
		text(c, "*2\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n");
	else
		text(c, "*0\r\n");
	return done(s, c, 0);
}

/* One part of INFO; a line that does not fit is left out as a whole. */
struct page {
	char *text;
	size_t len, room;
};

__attribute__((format(printf, 2, 3)))
static void add(struct page *p, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(p->text + p->len, p->room - p->len, format, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < p->room - p->len)
		p->len += (size_t)n;
}

static void add_persistence(struct page *p, const struct server *s)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_stats stats = JOURNAL_STATS_INIT;

	add(p, "# Persistence\r\n");
	if (journal_info(s->store.j, &info) < 0 ||
	    journal_stats(s->store.j, &stats) < 0)
		return;
	add(p, "journal_method:%s\r\njournal_barrier:%s\r\n"
	    "journal_driver:%s\r\njournal_carrier:%s\r\n", info.method,
	    info.barrier, info.driver, info.carrier);
	add(p, "journal_first_lsn:%" PRIu64 "\r\njournal_frontier:%" PRIu64
	    "\r\njournal_end:%" PRIu64 "\r\njournal_segments:%" PRIu64 "\r\n",
	    info.first_lsn, info.frontier, info.end, info.segments);
	add(p, "journal_records:%" PRIu64 "\r\njournal_batches:%" PRIu64
	    "\r\njournal_flushes:%" PRIu64 "\r\njournal_replacements:%" PRIu64
	    "\r\njournal_full:%" PRIu64 "\r\n", stats.records, stats.batches,
	    stats.flushes, stats.replacements, s->stalls);
	add(p, "replayed_records:%" PRIu64 "\r\nloaded_keys:%" PRIu64
	    "\r\nsnapshot_lsn:%" PRIu64 "\r\nsnapshot_in_progress:%d\r\n"
	    "snapshots_failed:%" PRIu64 "\r\n", s->store.replayed,
	    s->store.loaded, s->store.snapshot_lsn, s->snapshot.running,
	    s->snapshots_failed);
}

static int run_info(struct server *s, struct client *c)
{
	struct timespec now;
	char buffer[4096];
	struct page p = { buffer, 0, sizeof(buffer) };

	clock_gettime(CLOCK_MONOTONIC, &now);
	add(&p, "# Server\r\nkv_server_version:%s\r\nprocess_id:%ld\r\n"
	    "uptime_in_seconds:%" PRIu64 "\r\n", journal_version(),
	    (long)getpid(), (uint64_t)now.tv_sec - s->started_s);
	add(&p, "# Clients\r\nconnected_clients:%u\r\nmaxclients:%u\r\n",
	    s->clients, s->options->clients_max);
	add_persistence(&p, s);
	add(&p, "# Stats\r\ntotal_connections_received:%" PRIu64
	    "\r\ntotal_commands_processed:%" PRIu64 "\r\nrefused_writes:%"
	    PRIu64 "\r\nloop_pass_max_us:%" PRIu64 "\r\n", s->accepted,
	    s->commands, s->refused, s->pass_max_ns / 1000);
	add(&p, "# Keyspace\r\ndb0:keys=%zu,expires=0,bytes=%" PRIu64 "\r\n",
	    s->table.count, s->table.bytes);
	return bulk(c, p.text, p.len) ? done(s, c, 0) : 0;
}

static int run_command(struct server *s, struct client *c);

static const struct command commands[] = {
	{ "set",	3, -1, run_set,		"write",	1, 1 },
	{ "get",	2, 2, run_get,		"readonly",	1, 1 },
	{ "incr",	2, 2, run_incr,		"write",	1, 1 },
	{ "del",	2, -1, run_del,		"write",	1, -1 },
	{ "dbsize",	1, 1, run_dbsize,	"readonly",	0, 0 },
	{ "flushall",	1, 1, run_flushall,	"write",	0, 0 },
	{ "ping",	1, 2, run_ping,		"fast",		0, 0 },
	{ "echo",	2, 2, run_echo,		"fast",		0, 0 },
	{ "info",	1, 1, run_info,	"fast",		0, 0 },
	{ "config",	2, -1, run_config,	"fast",		0, 0 },
	{ "command",	1, -1, run_command,	"fast",		0, 0 },
	{ "quit",	1, 1, run_quit,	"fast",		0, 0 },
};

#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

/* The list, and what redis-cli asks for when it starts. */
static int run_command(struct server *s, struct client *c)
{
	const struct resp_arg *args = s->request.args;
	const struct command *d;

	if (s->request.count > 1 && is(&args[1], "count")) {
		text(c, ":%zu\r\n", COMMANDS);
	} else if (s->request.count > 1 && is(&args[1], "docs")) {
		text(c, "*0\r\n");
	} else if (s->request.count > 1) {
		text(c, "-ERR COMMAND knows COUNT and DOCS only here\r\n");
	} else {
		if (!client_reserve(c, COMMANDS * 128 + TEXT_MAX))
			return 0;
		text(c, "*%zu\r\n", COMMANDS);
		for (d = commands; d < commands + COMMANDS; d++)
			text(c, "*6\r\n$%zu\r\n%s\r\n:%d\r\n*1\r\n+%s\r\n"
			     ":%d\r\n:%d\r\n:%d\r\n", strlen(d->name), d->name,
			     d->args_max == d->args_min ? d->args_min :
			     -d->args_min, d->flag, d->first_key, d->last_key,
			     d->first_key);
	}
	return done(s, c, 0);
}

int command_run(struct server *s, struct client *c)
{
	const struct resp_request *rq = &s->request;
	const struct command *d;
	char name[65];

	if (!rq->count)
		return 0;
	if (!client_reserve(c, TEXT_MAX))
		return 0;
	for (d = commands; d < commands + COMMANDS; d++) {
		if (!is(&rq->args[0], d->name))
			continue;
		if (rq->count >= d->args_min &&
		    (d->args_max < 0 || rq->count <= d->args_max))
			return d->run(s, c);
		text(c, "-ERR wrong number of arguments for '%s' command\r\n",
		     d->name);
		return done(s, c, 0);
	}
	text(c, "-ERR unknown command '%s'\r\n", shown(&rq->args[0], name));
	return done(s, c, 0);
}
