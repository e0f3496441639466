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
"  --json  print one JSON object\n"
"  --help  print this and exit\n";

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
		       const struct writer *w)
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
}

static void print_json(struct jnl_out *out, const char *uuid,
		       const struct journal_info *info,
		       const struct writer *w)
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
	jnl_out_text(out, "}\n");
}

static int run(struct jnl_out *out, const char *dir, bool json)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_error error = { 0 };
	struct writer writer;
	journal *j = NULL;
	char uuid[37];
	int code = JNL_EXIT_DONE;
	int ret;

	options.flags = JOURNAL_READ_ONLY;
	options.error = &error;
	ret = journal_open(&j, dir, &options);
	if (ret < 0)
		return jnl_failed(dir, ret, &error);
	ret = journal_info(j, &info);
	if (ret < 0)
		code = jnl_failed(dir, ret, NULL);
	if (code == JNL_EXIT_DONE) {
		writer = find_writer(dir, &info);
		format_uuid(info.uuid, uuid);
		(json ? print_json : print_text)(out, uuid, &info, &writer);
	}
	ret = journal_close(j);
	if (ret < 0 && code == JNL_EXIT_DONE)
		code = jnl_failed(dir, ret, NULL);
	return code;
}

int jnl_command_info(int argc, char **argv)
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
