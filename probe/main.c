/*
 * probe/main.c - journal-probe: what makes a write durable in a directory.
 *
 * Exit status: 0 a durable method, 1 none, 2 usage or I/O error.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "probe/journal-probe.h"
#include "probe/main-dump.h"
#include "probe/show.h"
#include "probe/timing.h"

#define EXIT_DURABLE	0
#define EXIT_NONE	1
#define EXIT_TROUBLE	2

#define WIDTH_MIN	80

static const char help[] =
	"Usage: journal-probe [OPTION]... [PATH]\n"
	"Say what makes a write durable in the directory PATH (default: .),\n"
	"and which method libjournal would use there.\n"
	"\n"
	"  -a, --all                show every fact, also if it is unknown or\n"
	"                           nothing special\n"
	"  -j, --json               print one JSON object\n"
	"  -m, --measure[=SECONDS]  time every usable method, for SECONDS each\n"
	"                           (0.1 to 60, default 1)\n"
	"      --dump=FILE          also write what the machine answered to FILE,\n"
	"                           for a report; with - print that instead\n"
	"      --replay=FILE        probe the machine that was dumped to FILE (-\n"
	"                           is standard input) instead of this one\n"
	"      --serials            tell serial numbers; else they are masked\n"
	"  -h, --help               print this help and exit\n"
	"  -V, --version            print the version and exit\n"
	"\n"
	"At most 256 KiB are written to PATH, to files without a name; with\n"
	"--measure 256 MiB for each method, carrier and second.\n"
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
	bool json, all, serials;
	const char *dump, *replay;	/* files, or NULL */
	uint64_t measure_ns;		/* for one way; 0: do not measure */
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

static bool utf8_terminal(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static void show(const journal_probe *p, const struct request *r,
		 const struct jnl_measure *m)
{
	const char *path = journal_probe_path(p);

	if (r->json) {
		jnl_show_json(stdout, p, path, m);
		return;
	}
	jnl_show_screen(stdout, p, path, want_colour(), screen_width(), r->all);
	if (m)
		jnl_timing_show(stdout, m, want_colour(), screen_width(),
				utf8_terminal());
}

static int probe(const struct request *r)
{
	struct jnl_measure *m = NULL;
	journal_probe *p;
	int status;

	if (!open_probe(&p, r))
		return EXIT_TROUBLE;
	status = durable(p) ? EXIT_DURABLE : EXIT_NONE;
	if (r->measure_ns) {
		m = jnl_timing_run(p, r->path, r->measure_ns);
		if (!m)
			status = EXIT_TROUBLE;
	}
	if (r->dump && !jnl_dump_file(p, r->dump))
		status = EXIT_TROUBLE;
	else if (!r->dump || strcmp(r->dump, "-"))
		show(p, r, m);
	jnl_measure_free(m);
	journal_probe_close(p);
	return finish(status);
}

/* What does not go together; NULL: all of it does. */
static const char *contradiction(const struct request *r, int paths)
{
	if (paths > 1)
		return "one PATH at a time";
	if (paths && r->replay)
		return "--replay has its PATH in the dump: leave one of them "
		       "out";
	if (r->measure_ns && r->replay)
		return "--measure needs this machine: leave --replay out";
	if (r->measure_ns && r->dump && !strcmp(r->dump, "-"))
		return "--measure has nowhere to show its result: dump to a "
		       "file";
	return NULL;
}

int main(int argc, char **argv)
{
	enum { DUMP = 256, REPLAY, SERIALS };
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "measure", optional_argument, NULL, 'm' },
		{ "dump", required_argument, NULL, DUMP },
		{ "replay", required_argument, NULL, REPLAY },
		{ "serials", no_argument, NULL, SERIALS },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct request r = { .path = "." };
	const char *wrong;
	int c;

	(void)setlocale(LC_CTYPE, "");
	while ((c = getopt_long(argc, argv, "ajm::hV", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			r.all = true;
			break;
		case 'j':
			r.json = true;
			break;
		case 'm':
			if (jnl_timing_parse(optarg ? optarg : "1",
					     &r.measure_ns))
				break;
			fprintf(stderr, "journal-probe: --measure=%s: give a "
				"number of seconds from 0.1 to 60\n", optarg);
			return usage();
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
	wrong = contradiction(&r, argc - optind);
	if (wrong) {
		fprintf(stderr, "journal-probe: %s\n", wrong);
		return usage();
	}
	if (optind < argc)
		r.path = argv[optind];
	return probe(&r);
}
