/*
 * journal/tool-trim.c - give back the records below an LSN.
 *
 * The journal is opened for writing and closed again: closing makes the trim
 * durable and removes the files.  What became of it is then looked up, and
 * said.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool trim [OPTION]... DIR LSN\n"
"Give back the records below LSN, which is at most the frontier that\n"
"'journal-tool info' prints.  They cannot be read any more, and the segment\n"
"files that lie wholly below it are removed.  Waits until that is durable.\n"
"\n"
"  --help  print this and exit\n"
"\n"
"A program that has the journal open for writing calls journal_trim() itself:\n"
"beside it this command fails with status 2.\n";

struct trim {
	const char *dir;
	uint64_t lsn;
	uint64_t was;		/* where it began before */
};

static int open_journal(const struct trim *t, uint64_t flags, journal **ret_j,
			struct journal_info *ret_info)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	int ret;

	options.flags = flags;
	options.error = &error;
	ret = journal_open(ret_j, t->dir, &options);
	if (ret < 0)
		return jnl_failed(t->dir, ret, &error);
	ret = journal_info(*ret_j, ret_info);
	if (!ret)
		return JNL_EXIT_DONE;
	(void)journal_close(*ret_j);
	return jnl_failed(t->dir, ret, NULL);
}

static int give_back(struct trim *t)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	journal *j = NULL;
	int code, ret, closed;

	code = open_journal(t, 0, &j, &info);
	if (code != JNL_EXIT_DONE)
		return code;
	t->was = info.first_lsn;
	ret = journal_trim(j, t->lsn);
	closed = journal_close(j);
	if (ret == -EINVAL) {
		jnl_complain(t->dir, "LSN %" PRIu64 " is above the frontier, "
			     "%" PRIu64 ": nothing was given back", t->lsn,
			     info.frontier);
		return JNL_EXIT_ERROR;
	}
	if (!ret)
		ret = closed;
	return ret < 0 ? jnl_failed(t->dir, ret, NULL) : JNL_EXIT_DONE;
}

/* Whether a file of the segments from..below-1 is still there. */
static bool any_left(const char *dir, uint64_t from, uint64_t below)
{
	char path[4096];

	for (uint64_t n = from; n < below; n++) {
		int len = snprintf(path, sizeof(path), "%s/%016" PRIx64 ".seg",
				   dir, n);

		if (len < (int)sizeof(path) && !access(path, F_OK))
			return true;
	}
	return false;
}

static int look(struct jnl_out *out, const struct trim *t)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	uint64_t from, below;
	journal *j = NULL;
	int code;

	code = open_journal(t, JOURNAL_READ_ONLY, &j, &info);
	if (code != JNL_EXIT_DONE)
		return code;
	(void)journal_close(j);
	if (info.first_lsn < t->lsn) {
		jnl_complain(t->dir, "there was no room to write down that "
			     "records are given back: make some and try again");
		return JNL_EXIT_ERROR;
	}
	from = t->was / info.segment_size;
	below = info.first_lsn / info.segment_size;
	if (any_left(t->dir, from, below)) {
		jnl_complain(t->dir, "the records are given back, but not all "
			     "of their files could be removed: the next open "
			     "for writing tries again");
		return JNL_EXIT_ERROR;
	}
	jnl_out_format(out, "first lsn: %" PRIu64 "\n", info.first_lsn);
	jnl_out_format(out, "freed:     %" PRIu64 " bytes in %" PRIu64
		       " segments\n", (below - from) * info.segment_size,
		       below - from);
	return JNL_EXIT_DONE;
}

/* DIR LSN, or false with the message out. */
static bool operands(struct trim *t, int argc, char **argv)
{
	if (argc - optind != 2) {
		jnl_usage_error(argv[0], "a directory and an LSN are needed");
		return false;
	}
	t->dir = argv[optind];
	if (jnl_parse_u64(argv[optind + 1], &t->lsn))
		return true;
	jnl_usage_error(argv[0], "'%s' is not an LSN", argv[optind + 1]);
	return false;
}

int jnl_command_trim(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int code = JNL_EXIT_ERROR, opt;
	struct trim t = { 0 };
	struct jnl_out out;

	if (jnl_out_init(&out) < 0) {
		jnl_complain("memory", "not enough of it");
		return JNL_EXIT_ERROR;
	}
	opt = jnl_getopt(argc, argv, longopts);
	if (opt == 'h') {
		jnl_out_text(&out, help);
		code = JNL_EXIT_DONE;
	} else if (opt == -1 && operands(&t, argc, argv)) {
		code = give_back(&t);
		if (code == JNL_EXIT_DONE)
			code = look(&out, &t);
	}
	return jnl_out_finish(&out, code);
}
