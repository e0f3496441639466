/*
 * journal/tool-cat.c - records to standard output.
 *
 * What is good is printed, also before damage: the message and status 1 come
 * when everything in front of it is out.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool cat [OPTION]... DIR\n"
"Print the durable records of the journal in DIR, each on a line.\n"
"\n"
"  --from LSN  begin with the first record at LSN or behind it\n"
"  --json      one object a line: {\"lsn\":N,\"data\":TEXT}, or \"base64\" in\n"
"              place of \"data\" for a record that is not UTF-8\n"
"  --lsn       print the LSN and a tab before each record\n"
"  --null      end records with a zero byte, not with a newline\n"
"  --help      print this and exit\n"
"\n"
"At damage it stops with status 1; what it printed until then is good.  At a\n"
"hole of a salvaged journal it says so, goes on behind it, and ends with\n"
"status 1.\n";

struct cat {
	const char *dir;
	uint64_t from;
	bool json, lsn;
	char delimiter;
	struct jnl_out out;
};

static void print_json(struct jnl_out *out, const struct journal_record *rec)
{
	jnl_out_text(out, "{\"lsn\":");
	jnl_out_u64(out, rec->lsn);
	if (jnl_utf8_valid(rec->data, rec->len)) {
		jnl_out_text(out, ",\"data\":");
		jnl_out_json_string(out, rec->data, rec->len);
	} else {
		jnl_out_text(out, ",\"base64\":\"");
		jnl_out_base64(out, rec->data, rec->len);
		jnl_out_text(out, "\"");
	}
	jnl_out_text(out, "}");
}

static void print_record(struct cat *c, const struct journal_record *rec)
{
	if (c->json) {
		print_json(&c->out, rec);
	} else {
		if (c->lsn) {
			jnl_out_u64(&c->out, rec->lsn);
			jnl_out_put(&c->out, "\t", 1);
		}
		jnl_out_put(&c->out, rec->data, rec->len);
	}
	jnl_out_put(&c->out, &c->delimiter, 1);
}

static int run(struct cat *c)
{
	struct journal_error error = { 0 };
	struct journal_record rec;
	journal_reader *r = NULL;
	int code = JNL_EXIT_DONE;
	int ret, hole;

	ret = journal_reader_open(&r, c->dir, c->from, &error);
	if (ret < 0)
		return jnl_failed(c->dir, ret, &error);
	do {
		while ((ret = journal_reader_next(r, &rec)) > 0 &&
		       !c->out.error)
			print_record(c, &rec);
		jnl_out_flush(&c->out);
		if (ret < 0)
			code = jnl_failed(c->dir, ret,
					  journal_reader_error(r));
		/* A hole is told, and what lies behind it is printed. */
		hole = ret == -ENODATA;
		if (hole)
			ret = journal_reader_seek(r,
						  journal_reader_error(r)->lsn);
		if (hole && ret < 0)
			code = jnl_failed(c->dir, ret,
					  journal_reader_error(r));
	} while (hole && !ret);
	journal_reader_close(r);
	return code;
}

static bool parse_options(struct cat *c, int argc, char **argv, int *ret_code)
{
	static const struct option longopts[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "lsn", no_argument, NULL, 'l' },
		{ "null", no_argument, NULL, '0' },
		{ 0 },
	};
	int opt;

	*ret_code = JNL_EXIT_ERROR;
	while ((opt = jnl_getopt(argc, argv, longopts)) != -1) {
		switch (opt) {
		case 'f':
			if (!jnl_parse_u64(optarg, &c->from)) {
				jnl_usage_error(argv[0], "--from '%s' is not "
						"an LSN", optarg);
				return false;
			}
			break;
		case 'h':
			jnl_out_text(&c->out, help);
			*ret_code = JNL_EXIT_DONE;
			return false;
		case 'j':
			c->json = true;
			break;
		case 'l':
			c->lsn = true;
			break;
		case '0':
			c->delimiter = '\0';
			break;
		default:
			return false;
		}
	}
	if (c->json && (c->lsn || !c->delimiter)) {
		jnl_usage_error(argv[0], "--json does not go with --lsn or "
				"--null");
		return false;
	}
	c->dir = jnl_operand_dir(argc, argv);
	return c->dir != NULL;
}

int jnl_command_cat(int argc, char **argv)
{
	struct cat c = { .delimiter = '\n' };
	int code;

	if (jnl_out_init(&c.out) < 0) {
		jnl_complain("memory", "not enough of it");
		return JNL_EXIT_ERROR;
	}
	if (parse_options(&c, argc, argv, &code))
		code = run(&c);
	return jnl_out_finish(&c.out, code);
}
