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
	"  -j, --json     print one JSON object\n"
	"  -h, --help     print this help and exit\n"
	"  -V, --version  print the version and exit\n"
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

static int probe(const char *path, bool json)
{
	journal_probe *p;
	int ret, status;

	ret = journal_probe_open(&p, path);
	if (ret < 0) {
		fprintf(stderr, "journal-probe: %s: %s%s\n", path,
			strerror(-ret), advice(ret));
		return EXIT_TROUBLE;
	}
	if (json)
		jnl_show_json(stdout, p, path);
	else
		jnl_show_screen(stdout, p, path, want_colour(),
				screen_width());
	status = durable(p) ? EXIT_DURABLE : EXIT_NONE;
	journal_probe_close(p);
	return finish(status);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "jhV", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
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
	return probe(optind < argc ? argv[optind] : ".", json);
}
