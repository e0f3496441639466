/*
 * journal/tool-salvage.c - a new journal of what is left of a damaged one.
 *
 * What was lost goes to standard output, for people or as one JSON object; the
 * status is 1 if anything was.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool salvage [OPTION]... DIR NEWDIR\n"
"Make a new journal in NEWDIR, which must not exist or be empty, of everything\n"
"in the damaged journal in DIR, a directory or a block device, that can still\n"
"be read and is known to belong to it.  Each record keeps its LSN, what is lost\n"
"is marked as a hole and printed; appends go on behind the old end.  DIR is not\n"
"changed.\n"
"\n"
"  --json  print one JSON object\n"
"  --help  print this and exit\n"
"\n"
"Status 0: all is saved; 1: something was lost, and the rest is saved; 2: there\n"
"is no new journal.\n";

static void print_text(struct jnl_out *out,
		       const struct journal_salvage_report *rep,
		       const struct jnl_watch *watch)
{
	jnl_holes_text(out, watch);
	jnl_out_format(out, "holes:     %" PRIu64 "\n", rep->holes);
	jnl_out_format(out, "lost:      %" PRIu64 " bytes\n", rep->lost_bytes);
	jnl_out_format(out, "segments:  %" PRIu64 ", damaged %" PRIu64 "\n",
		       rep->segments, rep->bad_segments);
	jnl_out_format(out, "batches:   %" PRIu64 "\n", rep->batches);
	jnl_out_format(out, "records:   %" PRIu64 "\n", rep->records);
	jnl_out_format(out, "payload:   %" PRIu64 "\n", rep->payload);
	jnl_out_format(out, "first lsn: %" PRIu64 "\n", rep->first_lsn);
	jnl_out_format(out, "end:       %" PRIu64 "\n", rep->end);
	if (rep->remains)
		jnl_out_format(out, "left out:  %" PRIu64 " batches, never "
			       "acknowledged as far as is known\n",
			       rep->remains);
}

static void print_json(struct jnl_out *out,
		       const struct journal_salvage_report *rep,
		       const struct jnl_watch *watch)
{
	jnl_out_text(out, "{\"holes\":");
	jnl_holes_json(out, watch);
	jnl_out_format(out, ",\"lost_bytes\":%" PRIu64 ",\"segments\":%" PRIu64
		       ",\"bad_segments\":%" PRIu64 ",\"batches\":%" PRIu64
		       ",\"records\":%" PRIu64 ",\"payload\":%" PRIu64,
		       rep->lost_bytes, rep->segments, rep->bad_segments,
		       rep->batches, rep->records, rep->payload);
	jnl_out_format(out, ",\"first_lsn\":%" PRIu64 ",\"end\":%" PRIu64
		       ",\"remains\":%" PRIu64 "}\n", rep->first_lsn, rep->end,
		       rep->remains);
}

static int run(struct jnl_out *out, const struct jnl_asked *asked)
{
	const char *dir = asked->operand[0], *new_dir = asked->operand[1];
	struct journal_salvage_report rep = JOURNAL_SALVAGE_INIT;
	struct jnl_watch watch = { 0 };
	int ret, code;

	jnl_progress_init_total(&watch.progress);
	rep.on_hole = jnl_holes_add;
	rep.on_progress = jnl_watch_progress;
	rep.arg = &watch;
	ret = journal_salvage(dir, new_dir, &rep);
	jnl_progress_clear(&watch.progress);
	if (ret < 0) {
		const char *where = ret == -EEXIST ? new_dir : dir;

		jnl_complain_file(where, rep.file, rep.message[0] ?
				  rep.message : journal_strerror(ret));
		code = JNL_EXIT_ERROR;
	} else {
		(asked->json ? print_json : print_text)(out, &rep, &watch);
		code = rep.holes ? JNL_EXIT_DAMAGE : JNL_EXIT_DONE;
	}
	if (!ret && watch.error) {
		jnl_complain("memory", "not enough of it to list all holes: "
			     "'journal-tool verify' lists them");
		code = JNL_EXIT_ERROR;
	} else if (!ret && rep.holes) {
		jnl_out_flush(out);
		jnl_complain(dir, "%" PRIu64 " bytes of the journal are lost "
			     "in %" PRIu64 " holes; the rest is in %s",
			     rep.lost_bytes, rep.holes, new_dir);
	}
	jnl_watch_fini(&watch);
	return code;
}

int jnl_command_salvage(int argc, char **argv)
{
	static const struct jnl_report_command command = {
		.help = help, .takes_two = true, .run = run,
	};

	return jnl_report_main(argc, argv, &command);
}
