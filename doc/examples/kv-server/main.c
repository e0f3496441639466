/*
 * kv-server - a key-value server that confirms a write when it is durable.
 *
 *     cc -o kv-server *.c $(pkg-config --cflags --libs libjournal) -lpthread
 *     ./kv-server --dir data
 *     redis-cli -p 7379 set key value
 *
 * It needs xxhash.h (libxxhash-dev) to build.  What is where:
 *
 *     main.c        the command line
 *     listen.c      the sockets
 *     server.c      the loop
 *     client.c      one connection: buffers, and replies that wait
 *     resp.c        what clients send
 *     command.c     what they may ask for
 *     table.c       keys and values
 *     store.c       their history in the journal
 *     snapshot.c    the table in a file, so that the journal can be short
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "server.h"

#define CLIENTS_MAX	100000u
#define OTHER_FILES	64	/* descriptors that are no clients */

static const char usage[] =
"Usage: kv-server --dir DIR [OPTION]...\n"
"Keep keys and values in memory and in a journal in DIR; speak RESP2, the\n"
"protocol of Redis.  A write is confirmed when it is durable.\n"
"\n"
"  --dir DIR             where everything is kept; made if it is not there\n"
"  --port N              TCP port (default 7379); 0: none\n"
"  --bind ADDRESS        numeric address to listen at (default 127.0.0.1);\n"
"                        there is no password\n"
"  --unix SOCKET         listen at a socket file, too\n"
"  --max-clients N       connections at a time (default 1000)\n"
"  --record-max SIZE     largest key and value together (default 1M, or what\n"
"                        fits into a segment)\n"
"  --segment-size SIZE   of a new journal's files (default 64M)\n"
"  --snapshot-size SIZE  write a snapshot whenever the journal has grown by\n"
"                        so much (default 256M)\n"
"  --method NAME, --carrier NAME\n"
"                        as journal_open(3) knows them\n"
"  --verbose             say on standard error what happens\n"
"  --help, --version\n"
"\n"
"SIZE is a number of bytes, or one with K, M or G behind it.\n"
"\n"
"Commands: SET key value, GET, INCR, DEL, DBSIZE, FLUSHALL, PING, ECHO, INFO,\n"
"CONFIG GET, COMMAND, QUIT.\n"
"\n"
"Exit status: 0 after SIGTERM or SIGINT; 1 if the journal is damaged or has\n"
"failed; 2 for a usage error, or if the server cannot start.\n";

__attribute__((noreturn, format(printf, 1, 2)))
static void wrong(const char *format, ...)
{
	va_list ap;

	fputs("kv-server: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputs("; try --help\n", stderr);
	exit(2);
}

/* A number with K, M or G behind it, if units is set. */
static uint64_t number(const char *option, const char *text, bool units,
		       uint64_t least, uint64_t most)
{
	uint64_t n = 0, unit = 1;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
			n = UINT64_MAX;
	}
	if (units && at > text && *at && strchr("KMG", *at)) {
		unit = *at == 'K' ? 1u << 10 : *at == 'M' ? 1u << 20 : 1u << 30;
		at++;
	}
	if (at == text || *at || __builtin_mul_overflow(n, unit, &n) ||
	    n < least || n > most)
		wrong("--%s wants a number from %" PRIu64 " to %" PRIu64
		      ", not '%s'", option, least, most, text);
	return n;
}

/* Descriptors for as many clients as may come, or else fewer clients. */
static void make_descriptors(struct server_options *o)
{
	rlim_t need = o->clients_max + OTHER_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= need)
		return;
	limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
	if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= need)
		return;
	o->clients_max = limit.rlim_cur > OTHER_FILES ?
			 (unsigned int)limit.rlim_cur - OTHER_FILES : 1;
	fprintf(stderr, "kv-server: at most %u clients: ulimit -n is %ju\n",
		o->clients_max, (uintmax_t)limit.rlim_max);
}

enum {
	OPT_DIR = 256, OPT_PORT, OPT_BIND, OPT_UNIX, OPT_CLIENTS, OPT_RECORD,
	OPT_SEGMENT, OPT_SNAPSHOT, OPT_METHOD, OPT_CARRIER, OPT_VERBOSE,
	OPT_HELP, OPT_VERSION,
};

static const struct option names[] = {
	{ "dir",		required_argument, NULL, OPT_DIR },
	{ "port",		required_argument, NULL, OPT_PORT },
	{ "bind",		required_argument, NULL, OPT_BIND },
	{ "unix",		required_argument, NULL, OPT_UNIX },
	{ "max-clients",	required_argument, NULL, OPT_CLIENTS },
	{ "record-max",		required_argument, NULL, OPT_RECORD },
	{ "segment-size",	required_argument, NULL, OPT_SEGMENT },
	{ "snapshot-size",	required_argument, NULL, OPT_SNAPSHOT },
	{ "method",		required_argument, NULL, OPT_METHOD },
	{ "carrier",		required_argument, NULL, OPT_CARRIER },
	{ "verbose",		no_argument, NULL, OPT_VERBOSE },
	{ "help",		no_argument, NULL, OPT_HELP },
	{ "version",		no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void take_option(struct server_options *o, int option, const char *arg)
{
	switch (option) {
	case OPT_DIR:
		o->store.dir = arg;
		break;
	case OPT_PORT:
		o->port = number("port", arg, false, 0, 65535) ? arg : NULL;
		break;
	case OPT_BIND:
		o->bind = arg;
		break;
	case OPT_UNIX:
		o->unix_path = arg;
		break;
	case OPT_CLIENTS:
		o->clients_max = (unsigned int)number("max-clients", arg, false,
						      1, CLIENTS_MAX);
		break;
	case OPT_RECORD:
		o->store.record_max = (uint32_t)number("record-max", arg, true,
						       64, 64u << 20);
		break;
	case OPT_SEGMENT:
		o->store.segment_size = number("segment-size", arg, true,
					       65536, 1ull << 40);
		break;
	case OPT_SNAPSHOT:
		o->snapshot_bytes = number("snapshot-size", arg, true, 65536,
					   1ull << 50);
		break;
	case OPT_METHOD:
		o->store.method = arg;
		break;
	case OPT_CARRIER:
		o->store.carrier = arg;
		break;
	case OPT_VERBOSE:
		o->verbose = true;
		break;
	case OPT_HELP:
		exit(fputs(usage, stdout) < 0 || fflush(stdout) ? 2 : 0);
	case OPT_VERSION:
		exit(printf("kv-server, an example of libjournal %s\n",
			    journal_version()) < 0 || fflush(stdout) ? 2 : 0);
	}
}

static void take_options(struct server_options *o, int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", names, NULL)) != -1) {
		if (option == ':')
			wrong("%s wants a value", argv[optind - 1]);
		if (option == '?')
			wrong("there is no option %s", argv[optind - 1]);
		take_option(o, option, optarg);
	}
	if (optind < argc)
		wrong("what is '%s'?", argv[optind]);
	if (!o->store.dir)
		wrong("where? --dir DIR is missing");
	if (!o->port && !o->unix_path)
		wrong("--port 0 wants a socket file: --unix SOCKET");
}

/* Whether what was found says that the journal has lost something. */
static bool damage(int ret)
{
	return ret == -EBADMSG || ret == -ENODATA || ret == -EXDEV;
}

static void say_ready(const struct server *s)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	if (journal_info(s->store.j, &info) == 0)
		fprintf(stderr, "kv-server: ready: %zu keys (%" PRIu64 " from "
			"the snapshot, then %" PRIu64 " records); %s by %s, "
			"%s, %s\n", s->table.count, s->store.loaded,
			s->store.replayed, info.method, info.barrier,
			info.driver, info.carrier);
}

int main(int argc, char **argv)
{
	struct server_options o = {
		.bind = "127.0.0.1", .port = "7379", .clients_max = 1000,
		.snapshot_bytes = 256u << 20,
	};
	char message[1024];
	struct server *s;
	int ret, closed, status = 0;

	take_options(&o, argc, argv);
	make_descriptors(&o);
	(void)signal(SIGPIPE, SIG_IGN);
	s = malloc(sizeof(*s));
	if (!s)
		wrong("there is no memory");
	ret = server_open(s, &o, message, sizeof(message));
	if (ret < 0) {
		status = damage(ret) ? 1 : 2;
	} else {
		if (o.verbose)
			say_ready(s);
		ret = server_run(s, message, sizeof(message));
		status = ret < 0;
	}
	if (ret < 0)
		fprintf(stderr, "kv-server: %s\n", message);
	closed = server_close(s);
	if (closed < 0 && ret == 0) {
		fprintf(stderr, "kv-server: %s/journal: %s\n", o.store.dir,
			journal_strerror(closed));
		status = 1;
	}
	free(s);
	return status;
}
