/*
 * journal/tool-cat.c - records to standard output.
 *
 * What is good is printed, also before damage: the message and status 1 come
 * when everything in front of it is out.
 *
 * With --follow it waits at the end, with everything printed that there is.  A
 * signal then ends it between two records, by that signal; if nobody takes the
 * output, where it stands.  Another one ends it at once.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "journal/tool.h"

static const char help[] =
"Usage: journal-tool cat [OPTION]... DIR\n"
"Print the durable records of the journal in DIR, each on a line.\n"
"\n"
"  --follow    at the end wait for more, until a signal comes\n"
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
	bool json, lsn, follow;
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

/* ------------------------------------------------------------------------
 * Following
 */

static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
static volatile sig_atomic_t came;	/* the signal that ends us */

static void on_signal(int number)
{
	came = number;
}

static void catch_signals(sigset_t *ret_set)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction old;

	/* Without SA_RESTART: it interrupts a write that nobody takes. */
	sa.sa_flags = SA_RESETHAND;
	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* One that is ignored (nohup) stays so. */
		if (sigaction(signals[i], NULL, &old) < 0 ||
		    old.sa_handler == SIG_IGN)
			continue;
		sigaddset(ret_set, signals[i]);
		(void)sigaction(signals[i], &sa, NULL);
	}
}

/* 1: there may be more; 0: it is to end; or an error of the reader. */
static int wait_for_more(struct cat *c, journal_reader *r,
			 const sigset_t *set)
{
	struct pollfd p[2] = {
		{ .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	sigset_t old;
	int ret;

	p[0].fd = journal_reader_fd(r);
	if (p[0].fd < 0)
		return p[0].fd;
	while (!(ret = journal_reader_wait(r, 0)) && !came) {
		/* A signal counts from here on, and not before poll. */
		sigprocmask(SIG_BLOCK, set, &old);
		if (!came)
			(void)ppoll(p, 2, NULL, &old);
		sigprocmask(SIG_SETMASK, &old, NULL);
		if (p[1].revents & (POLLERR | POLLHUP)) {
			c->out.error = -EPIPE;
			return 0;
		}
	}
	return came ? 0 : ret;
}

static void die_by_signal(int number)
{
	signal(number, SIG_DFL);
	raise(number);
}

/* ------------------------------------------------------------------------ */

/* What there is now.  0, or an error of the reader. */
static int print_records(struct cat *c, journal_reader *r)
{
	struct journal_record rec;
	int ret = 0;

	while (!came && !c->out.error &&
	       (ret = journal_reader_next(r, &rec)) > 0)
		print_record(c, &rec);
	jnl_out_flush(&c->out);
	return ret < 0 ? ret : 0;
}

/* Tell a hole, and go on behind it: 1, or why not. */
static int pass_hole(struct cat *c, journal_reader *r, int *ret_code)
{
	const struct journal_error *error = journal_reader_error(r);
	int ret;

	*ret_code = jnl_failed(c->dir, -ENODATA, error);
	ret = journal_reader_seek(r, error->lsn);
	return ret < 0 ? ret : 1;
}

static int run(struct cat *c)
{
	struct journal_error error = { 0 };
	journal_reader *r = NULL;
	int code = JNL_EXIT_DONE;
	sigset_t set;
	int ret;

	ret = journal_reader_open(&r, c->dir, c->from, &error);
	if (ret < 0)
		return jnl_failed(c->dir, ret, &error);
	if (c->follow) {
		catch_signals(&set);
		c->out.stop = &came;
	}
	do {
		ret = print_records(c, r);
		if (ret == -ENODATA)
			ret = pass_hole(c, r, &code);
		else if (!ret && !c->out.error && c->follow)
			ret = wait_for_more(c, r, &set);
	} while (ret > 0);
	if (ret < 0)
		code = jnl_failed(c->dir, ret, journal_reader_error(r));
	journal_reader_close(r);
	return code;
}

static bool parse_options(struct cat *c, int argc, char **argv, int *ret_code)
{
	static const struct option longopts[] = {
		{ "follow", no_argument, NULL, 'F' },
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
		case 'F':
			c->follow = true;
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
	code = jnl_out_finish(&c.out, code);
	if (came)
		die_by_signal(came);
	return code;
}
