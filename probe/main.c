/*
 * probe/main.c - journal-probe: what makes a write durable in a directory.
 *
 * Exit status: 0 a durable method, 1 none, 2 usage or I/O error.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "probe/journal-probe.h"
#include "probe/main-dump.h"
#include "probe/show.h"

#define EXIT_DURABLE	0
#define EXIT_NONE	1
#define EXIT_TROUBLE	2

#define WIDTH_MIN	80

static const char help[] =
	"Usage: journal-probe [OPTION]... [PATH]\n"
	"Say what makes a write durable in the directory PATH (default: .),\n"
	"and which method libjournal would use there.\n"
	"\n"
	"  -j, --json         print one JSON object\n"
	"      --dump=FILE    also write what the machine answered to FILE, for\n"
	"                     a report; with - print that instead\n"
	"      --replay=FILE  probe the machine that was dumped to FILE (- is\n"
	"                     standard input) instead of this one\n"
	"      --serials      tell serial numbers; else they are masked\n"
	"  -h, --help         print this help and exit\n"
	"  -V, --version      print the version and exit\n"
	"\n"
	"At most 256 KiB are written to PATH, to files without a name.\n"
	"Exit status: 0 there is a durable method, 1 there is none,\n"
	"2 wrong usage or an I/O error.\n";

static int usage(void)
{
	fputs("journal-probe: see 'journal-probe --help' for how to use it\n",
	      stderr);
	return EXIT_TROUBLE;
}

/* What is on standard output has to have got there. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "journal-probe: cannot write to standard output: %s\n",
		strerror(errno));
	return EXIT_TROUBLE;
}

static bool want_colour(void)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(none && *none) && term &&
	       strcmp(term, "dumb") != 0;
}

static size_t screen_width(void)
{
	struct winsize ws;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col < WIDTH_MIN)
		return WIDTH_MIN;
	return ws.ws_col;
}

static const char *advice(int err)
{
	switch (-err) {
	case ENOENT:
		return "; make the directory first";
	case ENOTDIR:
		return "; give the directory the journal is to be in";
	case EACCES:
	case EPERM:
		return "; run it as the user who will write the journal";
	default:
		return "";
	}
}

static bool durable(const journal_probe *p)
{
	struct journal_probe_method m;
	size_t i;

	for (i = 0; journal_probe_method_at(p, i, &m) == 0; i++)
		if (m.chosen)
			return true;
	return false;
}

/* What the command line asks for. */
struct request {
	const char *path;
	bool json, serials;
	const char *dump, *replay;	/* files, or NULL */
};

static bool open_probe(journal_probe **ret_p, const struct request *r)
{
	struct journal_probe_options o = JOURNAL_PROBE_OPTIONS_INIT;
	int ret;

	o.flags = (r->serials ? JOURNAL_PROBE_SERIALS : 0) |
		  (r->dump ? JOURNAL_PROBE_RECORD : 0);
	if (r->replay)
		return jnl_replay_file(ret_p, r->replay, &o);
	ret = journal_probe_open(ret_p, r->path, &o);
	if (ret < 0)
		fprintf(stderr, "journal-probe: %s: %s%s\n", r->path,
			strerror(-ret), advice(ret));
	return ret == 0;
}

static void show(const journal_probe *p, bool json)
{
	const char *path = journal_probe_path(p);

	if (json)
		jnl_show_json(stdout, p, path);
	else
		jnl_show_screen(stdout, p, path, want_colour(),
				screen_width());
}

static int probe(const struct request *r)
{
	journal_probe *p;
	int status;

	if (!open_probe(&p, r))
		return EXIT_TROUBLE;
	status = durable(p) ? EXIT_DURABLE : EXIT_NONE;
	if (r->dump && !jnl_dump_file(p, r->dump))
		status = EXIT_TROUBLE;
	else if (!r->dump || strcmp(r->dump, "-"))
		show(p, r->json);
	journal_probe_close(p);
	return finish(status);
}

int main(int argc, char **argv)
{
	enum { DUMP = 256, REPLAY, SERIALS };
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "dump", required_argument, NULL, DUMP },
		{ "replay", required_argument, NULL, REPLAY },
		{ "serials", no_argument, NULL, SERIALS },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct request r = { .path = "." };
	int c;

	while ((c = getopt_long(argc, argv, "jhV", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			r.json = true;
			break;
		case DUMP:
			r.dump = optarg;
			break;
		case REPLAY:
			r.replay = optarg;
			break;
		case SERIALS:
			r.serials = true;
			break;
		case 'h':
			fputs(help, stdout);
			return finish(EXIT_DURABLE);
		case 'V':
			puts("journal-probe (libjournal) " PACKAGE_VERSION);
			return finish(EXIT_DURABLE);
		default:
			return usage();
		}
	}
	if (argc - optind > 1) {
		fprintf(stderr, "journal-probe: one PATH at a time, not %d\n",
			argc - optind);
		return usage();
	}
	if (optind < argc && r.replay) {
		fputs("journal-probe: --replay has its PATH in the dump: leave "
		      "one of them out\n", stderr);
		return usage();
	}
	if (optind < argc)
		r.path = argv[optind];
	return probe(&r);
}
