/*
 * journal/tool-verify.c - read everything and judge it.
 *
 * The verdict goes to standard output, for people or as one JSON object;
 * damage is said on standard error too.  The status is 1 for every finding
 * that means that acknowledged records cannot be read back.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool verify [OPTION]... DIR\n"
"Read the whole journal in DIR and say whether everything reads back as it\n"
"was written.  Nothing is changed.\n"
"\n"
"  --json  print one JSON object\n"
"  --help  print this and exit\n"
"\n"
"Status 0: sound, or sound with the remains of writes that were never\n"
"acknowledged behind the end (which is said), or with the holes of a salvaged\n"
"journal (which are listed); 1: damage or loss; 2: it could not be judged.\n";

static void print_text(struct jnl_out *out, const struct journal_report *rep,
		       const struct jnl_watch *watch)
{
	jnl_out_format(out, "finding:   %s\n", jnl_finding_name(rep->finding));
	if (rep->message[0])
		jnl_out_format(out, "           %s\n", rep->message);
	if (rep->finding != JOURNAL_SOUND) {
		if (rep->file[0])
			jnl_out_format(out, "file:      %s\n", rep->file);
		if (rep->lsn != JOURNAL_LSN_NONE)
			jnl_out_format(out, "lsn:       %" PRIu64 "\n",
				       rep->lsn);
		jnl_out_format(out, "bytes:     %" PRIu64 "\n", rep->bytes);
	}
	if (rep->finding == JOURNAL_TAIL)
		jnl_out_format(out, "remains:   %" PRIu32 " batches, never "
			       "acknowledged\n", rep->tail_batches);
	jnl_out_format(out, "segments:  %" PRIu64 "\n", rep->segments);
	jnl_out_format(out, "batches:   %" PRIu64 "\n", rep->batches);
	jnl_out_format(out, "records:   %" PRIu64 "\n", rep->records);
	jnl_out_format(out, "payload:   %" PRIu64 "\n", rep->payload);
	jnl_out_format(out, "first lsn: %" PRIu64 "\n", rep->first_lsn);
	jnl_out_format(out, "end:       %" PRIu64 "\n", rep->end);
	jnl_out_format(out, "writer:    %s\n", rep->writer ? "at work" : "none");
	if (rep->holes)
		jnl_out_format(out, "holes:     %" PRIu64 ", %" PRIu64
			       " bytes\n", rep->holes, rep->hole_bytes);
	jnl_holes_text(out, watch);
}

static void print_json(struct jnl_out *out, const struct journal_report *rep,
		       const struct jnl_watch *watch)
{
	jnl_out_format(out, "{\"finding\":\"%s\",\"damaged\":%s,\"code\":%d",
		       jnl_finding_name(rep->finding),
		       jnl_finding_damage(rep->finding) ? "true" : "false", rep->code);
	jnl_out_text(out, ",\"message\":");
	jnl_out_json_string(out, rep->message, strlen(rep->message));
	jnl_out_text(out, ",\"file\":");
	jnl_out_json_string(out, rep->file, strlen(rep->file));
	if (rep->finding == JOURNAL_SOUND || rep->lsn == JOURNAL_LSN_NONE)
		jnl_out_text(out, ",\"lsn\":null");
	else
		jnl_out_format(out, ",\"lsn\":%" PRIu64, rep->lsn);
	jnl_out_format(out, ",\"bytes\":%" PRIu64 ",\"tail_batches\":%" PRIu32,
		       rep->bytes, rep->tail_batches);
	jnl_out_format(out, ",\"segments\":%" PRIu64 ",\"batches\":%" PRIu64
		       ",\"records\":%" PRIu64 ",\"payload\":%" PRIu64,
		       rep->segments, rep->batches, rep->records,
		       rep->payload);
	jnl_out_format(out, ",\"first_lsn\":%" PRIu64 ",\"end\":%" PRIu64
		       ",\"writer\":%s,\"holes\":", rep->first_lsn, rep->end,
		       rep->writer ? "true" : "false");
	jnl_holes_json(out, watch);
	jnl_out_format(out, ",\"hole_bytes\":%" PRIu64 "}\n", rep->hole_bytes);
}

static int complain(const char *dir, const struct journal_report *rep, int ret)
{
	jnl_complain_file(dir, rep->file, rep->message);
	return jnl_exit_code(ret);
}

static int print(struct jnl_out *out, const char *dir,
		 const struct journal_report *rep,
		 const struct jnl_watch *watch, bool json)
{
	(json ? print_json : print_text)(out, rep, watch);
	jnl_out_flush(out);
	if (!jnl_finding_damage(rep->finding))
		return JNL_EXIT_DONE;
	jnl_complain_file(dir, rep->file, rep->message[0] ? rep->message :
			  jnl_finding_name(rep->finding));
	return JNL_EXIT_DAMAGE;
}

static int run(struct jnl_out *out, const struct jnl_asked *asked)
{
	const char *dir = asked->operand[0];
	struct journal_report rep;
	struct jnl_watch watch;
	int ret, code;

	ret = jnl_watch_verify(&watch, dir, &rep);
	if (ret < 0 && !rep.message[0])
		code = jnl_failed(dir, ret, NULL);
	else if (ret < 0)
		code = complain(dir, &rep, ret);
	else
		code = print(out, dir, &rep, &watch, asked->json);
	jnl_watch_fini(&watch);
	return code;
}

int jnl_command_verify(int argc, char **argv)
{
	static const struct jnl_report_command command = {
		.help = help, .run = run,
	};

	return jnl_report_main(argc, argv, &command);
}
