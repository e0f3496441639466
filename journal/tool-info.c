/*
 * journal/tool-info.c - what is known about a journal, without changing it.
 *
 * Beside a writer the frontier is the last watermark on disk: it may lag
 * behind what the writer has acknowledged.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool info [OPTION]... DIR\n"
"Say what is known about the journal in DIR.  Nothing is changed.\n"
"\n"
"  --holes  read the whole journal, and list what was lost before it was\n"
"           salvaged\n"
"  --json   print one JSON object\n"
"  --help   print this and exit\n";

/* The holes of a salvaged journal: no header tells of them before it is read,
 * so they are known only where that was asked for. */
struct found {
	struct journal_report rep;
	struct jnl_watch watch;
};

/* The writer: -ENOENT is nobody, other errors leave the number unknown. */
struct writer {
	bool at_work;
	pid_t pid;		/* 0: unknown */
};

static struct writer find_writer(const char *dir,
				 const struct journal_info *info)
{
	struct writer w = { info->writer != 0, 0 };
	pid_t pid;

	if (journal_lock_holder(dir, &pid) == 0) {
		w.at_work = true;
		w.pid = pid;
	}
	return w;
}

static void format_uuid(const uint8_t uuid[16], char text[37])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = hex[uuid[i] >> 4];
		*text++ = hex[uuid[i] & 15];
	}
	*text = '\0';
}

static void print_text(struct jnl_out *out, const char *uuid,
		       const struct journal_info *info,
		       const struct writer *w, const struct found *found)
{
	jnl_out_format(out, "uuid:          %s\n", uuid);
	jnl_out_format(out, "format:        %" PRIu32 "\n", info->format);
	jnl_out_format(out, "block size:    %" PRIu32 "\n", info->block_size);
	jnl_out_format(out, "segment size:  %" PRIu64 "\n",
		       info->segment_size);
	jnl_out_format(out, "segments:      %" PRIu64 "\n", info->segments);
	if (info->slots)
		jnl_out_format(out, "slots:         %" PRIu64 "\n",
			       info->slots);
	jnl_out_format(out, "first lsn:     %" PRIu64 "\n", info->first_lsn);
	jnl_out_format(out, "frontier:      %" PRIu64 "\n", info->frontier);
	if (info->tail_batches || info->tail_bytes)
		jnl_out_format(out, "tail:          %" PRIu64 " bytes, %" PRIu32
			       " batches at %" PRIu64 ", never acknowledged\n",
			       info->tail_bytes, info->tail_batches,
			       info->recovered_lsn);
	else
		jnl_out_text(out, "tail:          none\n");
	if (!w->at_work)
		jnl_out_text(out, "writer:        none\n");
	else if (w->pid)
		jnl_out_format(out, "writer:        pid %ld\n", (long)w->pid);
	else
		jnl_out_text(out, "writer:        at work, pid unknown\n");
	if (*info->measured)
		jnl_out_format(out, "measured:      %s\n", info->measured);
	if (!found)
		return;
	if (found->rep.holes)
		jnl_out_format(out, "holes:         %" PRIu64 ", %" PRIu64
			       " bytes\n", found->rep.holes,
			       found->rep.hole_bytes);
	else
		jnl_out_text(out, "holes:         none\n");
	jnl_holes_text(out, &found->watch);
}

static void print_json(struct jnl_out *out, const char *uuid,
		       const struct journal_info *info,
		       const struct writer *w, const struct found *found)
{
	jnl_out_format(out, "{\"uuid\":\"%s\",\"format\":%" PRIu32
		       ",\"block_size\":%" PRIu32 ",\"segment_size\":%" PRIu64
		       ",\"segments\":%" PRIu64, uuid, info->format,
		       info->block_size, info->segment_size, info->segments);
	if (info->slots)
		jnl_out_format(out, ",\"slots\":%" PRIu64, info->slots);
	jnl_out_format(out, ",\"first_lsn\":%" PRIu64 ",\"frontier\":%" PRIu64
		       ",\"recovered_lsn\":%" PRIu64 ",\"tail_bytes\":%" PRIu64
		       ",\"tail_batches\":%" PRIu32, info->first_lsn,
		       info->frontier, info->recovered_lsn, info->tail_bytes,
		       info->tail_batches);
	jnl_out_format(out, ",\"writer\":%s", w->at_work ? "true" : "false");
	if (w->pid)
		jnl_out_format(out, ",\"writer_pid\":%ld", (long)w->pid);
	else
		jnl_out_text(out, ",\"writer_pid\":null");
	jnl_out_text(out, ",\"measured\":");
	if (*info->measured)
		jnl_out_json_string(out, info->measured,
				    strlen(info->measured));
	else
		jnl_out_text(out, "null");
	jnl_out_text(out, ",\"holes\":");
	if (found)
		jnl_holes_json(out, &found->watch);
	else
		jnl_out_text(out, "null");
	jnl_out_text(out, ",\"hole_bytes\":");
	if (found)
		jnl_out_u64(out, found->rep.hole_bytes);
	else
		jnl_out_text(out, "null");
	jnl_out_text(out, "}\n");
}

/* Damage that is met on the way hides what lies behind it. */
static int find_holes(const char *dir, struct found *found)
{
	struct journal_report *rep = &found->rep;
	int ret = jnl_watch_verify(&found->watch, dir, rep);

	if (ret < 0 && !rep->message[0])
		return jnl_failed(dir, ret, NULL);
	if (!ret && !jnl_finding_damage(rep->finding))
		return JNL_EXIT_DONE;
	jnl_complain_file(dir, rep->file, rep->message[0] ? rep->message :
			  jnl_finding_name(rep->finding));
	return ret < 0 ? jnl_exit_code(ret) : JNL_EXIT_DAMAGE;
}

static int print(struct jnl_out *out, const char *dir, journal *j,
		 const struct jnl_asked *asked)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct found found = { 0 };
	struct writer writer;
	int code = JNL_EXIT_DONE, ret;
	char uuid[37];

	ret = journal_info(j, &info);
	if (ret < 0)
		return jnl_failed(dir, ret, NULL);
	if (asked->holes)
		code = find_holes(dir, &found);
	writer = find_writer(dir, &info);
	format_uuid(info.uuid, uuid);
	(asked->json ? print_json : print_text)(out, uuid, &info, &writer,
		asked->holes && code == JNL_EXIT_DONE ? &found : NULL);
	jnl_watch_fini(&found.watch);
	return code;
}

static int run(struct jnl_out *out, const struct jnl_asked *asked)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	const char *dir = asked->operand[0];
	journal *j = NULL;
	int code, ret;

	options.flags = JOURNAL_READ_ONLY;
	options.error = &error;
	ret = journal_open(&j, dir, &options);
	if (ret < 0)
		return jnl_failed(dir, ret, &error);
	code = print(out, dir, j, asked);
	ret = journal_close(j);
	if (ret < 0 && code == JNL_EXIT_DONE)
		code = jnl_failed(dir, ret, NULL);
	return code;
}

int jnl_command_info(int argc, char **argv)
{
	static const struct jnl_report_command command = {
		.help = help, .takes_holes = true, .run = run,
	};

	return jnl_report_main(argc, argv, &command);
}
