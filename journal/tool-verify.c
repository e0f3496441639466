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
"acknowledged behind the end (which is said); 1: damage or loss; 2: it could\n"
"not be judged.\n";

static const char *finding_name(uint32_t finding)
{
	switch (finding) {
	case JOURNAL_SOUND:
		return "sound";
	case JOURNAL_TAIL:
		return "tail";
	case JOURNAL_BAD_SEGMENT:
		return "bad-segment";
	case JOURNAL_BAD_BATCH:
		return "bad-batch";
	case JOURNAL_LOST:
		return "lost";
	case JOURNAL_MISSING:
		return "missing";
	case JOURNAL_FOREIGN:
		return "foreign";
	default:
		/* Of a newer library: certainly not "sound". */
		return "unknown";
	}
}

static bool damaged(const struct journal_report *rep)
{
	return rep->finding != JOURNAL_SOUND && rep->finding != JOURNAL_TAIL;
}

static void print_text(struct jnl_out *out, const struct journal_report *rep)
{
	jnl_out_format(out, "finding:   %s\n", finding_name(rep->finding));
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
}

static void print_json(struct jnl_out *out, const struct journal_report *rep)
{
	jnl_out_format(out, "{\"finding\":\"%s\",\"damaged\":%s,\"code\":%d",
		       finding_name(rep->finding),
		       damaged(rep) ? "true" : "false", rep->code);
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
		       ",\"writer\":%s}\n", rep->first_lsn, rep->end,
		       rep->writer ? "true" : "false");
}

static int run(struct jnl_out *out, const char *dir, bool json)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	int ret;

	ret = journal_verify(dir, &rep);
	if (ret < 0 && !rep.message[0])
		return jnl_failed(dir, ret, NULL);
	if (ret < 0) {
		jnl_complain_file(dir, rep.file, rep.message);
		return jnl_exit_code(ret);
	}
	if (json)
		print_json(out, &rep);
	else
		print_text(out, &rep);
	jnl_out_flush(out);
	if (!damaged(&rep))
		return JNL_EXIT_DONE;
	jnl_complain_file(dir, rep.file, rep.message[0] ? rep.message :
			  finding_name(rep.finding));
	return JNL_EXIT_DAMAGE;
}

int jnl_command_verify(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct jnl_out out;
	bool json = false;
	const char *dir;
	int code, opt;

	if (jnl_out_init(&out) < 0) {
		jnl_complain("memory", "not enough of it");
		return JNL_EXIT_ERROR;
	}
	while ((opt = jnl_getopt(argc, argv, longopts)) == 'j')
		json = true;
	if (opt == 'h') {
		jnl_out_text(&out, help);
		code = JNL_EXIT_DONE;
	} else {
		dir = opt == -1 ? jnl_operand_dir(argc, argv) : NULL;
		code = dir ? run(&out, dir, json) : JNL_EXIT_ERROR;
	}
	return jnl_out_finish(&out, code);
}
