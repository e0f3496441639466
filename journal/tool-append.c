/*
 * journal/tool-append.c - records from standard input.
 *
 * Invariants
 *   - An LSN is printed only after journal_sync() said that the record is
 *     durable, in the order of the input, and goes out at once.
 *   - However it ends (end of input, a record too large, a full disk, a
 *     signal): what was appended before is synced and printed first, unless
 *     the journal itself has failed.
 *   - A part of a record is never appended: a line that was cut off by an
 *     error or by a signal is left out.
 *   - Memory is bounded by record_max and by the batch.
 *
 * SIGHUP, SIGINT and SIGTERM are blocked and taken from a descriptor, so that
 * none of them falls into the middle of a commit; the process then ends by
 * the signal, as one that had not caught it.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "journal/tool.h"

#define READ_SIZE	((size_t)256 * 1024)
#define BATCH_MAX	1048576u
/* Large batches look for a signal in between. */
#define SIGNAL_EVERY	1024u

static const char help[] =
"Usage: journal-tool append [OPTION]... DIR\n"
"Append each line of standard input to the journal in DIR, as one record\n"
"without its newline; make the journal if there is none.  Each record's LSN\n"
"is printed on a line of its own as soon as the record is durable.\n"
"\n"
"  --batch N            make N records durable at a time (default 1)\n"
"  --carrier NAME       only this carrier: pwritev2 or io_uring\n"
"  --driver NAME        who carries commits: caller or thread\n"
"  --measure            measure for a second which method, driver and carrier\n"
"                       are fastest here; use that and keep it for later\n"
"  --method NAME        only this method: direct or buffered\n"
"  --no-ack             print no LSNs\n"
"  --null               records end with a zero byte, not with a newline\n"
"  --overwrite          DIR is a block device: make a new journal on it, and\n"
"                       give up whatever it holds\n"
"  --record-max SIZE    largest record (default 1M)\n"
"  --segment-size SIZE  segment size of a new journal (default 64M)\n"
"  --help               print this and exit\n"
"\n"
"SIZE is a number of bytes, or one with K, M, G or T behind it.\n"
"\n"
"A record that is too large, or a full disk, ends it with status 2; every\n"
"record whose LSN was printed is durable.\n";

struct append {
	const char *dir;
	struct journal_options options;
	uint64_t batch;
	bool ack;
	char delimiter;

	journal *j;
	uint32_t record_max;
	struct jnl_out out;
	struct jnl_progress progress;
	int signal_fd;
	int signal;		/* the one that ends us, or 0 */

	uint64_t *pending;	/* LSNs appended and not acknowledged */
	size_t pending_n;
	uint64_t records;	/* appended */
	uint64_t bytes;		/* of input, delimiters included */
	uint64_t durable;	/* records known durable */

	/* Input not yet appended: buf[start..end), of which the first scanned
	 * bytes hold no delimiter. */
	uint8_t *buf;
	size_t size, start, end, scanned;
};

/* ------------------------------------------------------------------------
 * Signals
 */

static const int signals[] = { SIGHUP, SIGINT, SIGTERM };

/* Before journal_open(): the library's threads inherit the mask. */
static int catch_signals(struct append *a)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction sa;

		/* One that is ignored (nohup) stays so. */
		if (sigaction(signals[i], NULL, &sa) == 0 &&
		    sa.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signal_fd < 0 ? -errno : 0;
}

/* Wait for input or a signal, or only look; true if a signal ends us. */
static bool interrupted(struct append *a, bool wait)
{
	struct pollfd p[2] = {
		{ a->signal_fd, POLLIN, 0 },
		{ STDIN_FILENO, POLLIN, 0 },
	};
	struct signalfd_siginfo info;

	if (a->signal)
		return true;
	(void)poll(p, wait ? 2 : 1, wait ? -1 : 0);
	if (p[0].revents &&
	    read(a->signal_fd, &info, sizeof(info)) == sizeof(info))
		a->signal = (int)info.ssi_signo;
	return a->signal != 0;
}

static void die_by_signal(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ------------------------------------------------------------------------
 * Records
 */

/* Says what a failure of the journal leaves behind. */
static int journal_failed(struct append *a, int err)
{
	jnl_progress_clear(&a->progress);
	if (err == -ENOSPC || err == -EDQUOT)
		jnl_complain(a->dir, "%s: %" PRIu64 " records are durable; "
			     "free some space and append the rest again",
			     journal_strerror(err), a->durable);
	else
		jnl_complain(a->dir, "%s: %" PRIu64 " records are durable, "
			     "those after them are not known to be: look at "
			     "the kernel's messages about the device, then "
			     "open the journal again",
			     journal_strerror(err), a->durable);
	return jnl_exit_code(err);
}

/* Make what is pending durable and print its LSNs. */
static int acknowledge(struct append *a)
{
	int ret;

	if (!a->pending_n)
		return JNL_EXIT_DONE;
	ret = journal_sync(a->j, a->pending[a->pending_n - 1]);
	if (ret < 0) {
		a->pending_n = 0;
		return journal_failed(a, ret);
	}
	a->durable += a->pending_n;
	for (size_t i = 0; a->ack && i < a->pending_n; i++) {
		jnl_out_u64(&a->out, a->pending[i]);
		jnl_out_put(&a->out, "\n", 1);
	}
	a->pending_n = 0;
	if (jnl_out_flush(&a->out) < 0)
		return JNL_EXIT_ERROR;
	jnl_progress_show(&a->progress, a->durable, a->bytes);
	return JNL_EXIT_DONE;
}

/* For what ends the run although the journal is sound: first what is there. */
static int refuse_large(struct append *a)
{
	int code = acknowledge(a);

	if (code != JNL_EXIT_DONE)
		return code;
	jnl_progress_clear(&a->progress);
	jnl_complain(a->dir, "standard input: %s %" PRIu64 " is longer than %"
		     PRIu32 " bytes: split it or give a larger --record-max; "
		     "the %" PRIu64 " before it are durable",
		     a->delimiter ? "line" : "record", a->records + 1,
		     a->record_max, a->durable);
	return JNL_EXIT_ERROR;
}

static int refuse_input(struct append *a, int err)
{
	int code = acknowledge(a);

	if (code != JNL_EXIT_DONE)
		return code;
	jnl_progress_clear(&a->progress);
	jnl_complain(a->dir, "standard input: %s: give something that can be "
		     "read; the %" PRIu64 " records before that are durable",
		     strerror(err), a->durable);
	return JNL_EXIT_ERROR;
}

static int append_record(struct append *a, uint8_t *data, size_t len)
{
	struct iovec iov = { data, len };
	int code = JNL_EXIT_DONE;
	int ret;

	if (len > a->record_max)
		return refuse_large(a);
	ret = journal_append(a->j, &iov, 1, &a->pending[a->pending_n]);
	if (ret == -ENOSPC || ret == -EDQUOT)
		code = acknowledge(a);
	if (code != JNL_EXIT_DONE)
		return code;
	if (ret < 0)
		return journal_failed(a, ret);
	a->records++;
	a->bytes += len + 1;
	if (++a->pending_n == a->batch)
		code = acknowledge(a);
	if (code == JNL_EXIT_DONE &&
	    (a->pending_n == 0 || a->records % SIGNAL_EVERY == 0))
		(void)interrupted(a, false);
	return code;
}

/* The whole records in the buffer. */
static int append_buffered(struct append *a)
{
	while (!a->signal) {
		uint8_t *from = a->buf + a->start;
		size_t held = a->end - a->start;
		uint8_t *stop = memchr(from + a->scanned, a->delimiter,
				       held - a->scanned);
		int code;

		if (!stop) {
			a->scanned = held;
			/* No need to read on to know that it is too large. */
			return held > a->record_max ? refuse_large(a) :
						      JNL_EXIT_DONE;
		}
		code = append_record(a, from, (size_t)(stop - from));
		if (code != JNL_EXIT_DONE)
			return code;
		a->start += (size_t)(stop - from) + 1;
		a->scanned = 0;
	}
	return JNL_EXIT_DONE;
}

/* 1 if there is more, 0 at the end or for a signal, -errno. */
static int read_more(struct append *a)
{
	ssize_t n;

	if (a->size - a->end < READ_SIZE) {
		memmove(a->buf, a->buf + a->start, a->end - a->start);
		a->end -= a->start;
		a->start = 0;
	}
	do {
		if (interrupted(a, true))
			return 0;
		n = read(STDIN_FILENO, a->buf + a->end, READ_SIZE);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return -errno;
	a->end += (size_t)n;
	return n > 0;
}

static int append_input(struct append *a)
{
	int code;
	int ret;

	while ((ret = read_more(a)) > 0) {
		code = append_buffered(a);
		if (code != JNL_EXIT_DONE)
			return code;
	}
	if (ret < 0)
		return refuse_input(a, -ret);
	/* A last line without a newline is a record too. */
	if (!a->signal && a->end > a->start) {
		code = append_record(a, a->buf + a->start, a->end - a->start);
		if (code != JNL_EXIT_DONE)
			return code;
	}
	return acknowledge(a);
}

/* ------------------------------------------------------------------------
 * The command
 */

static int open_journal(struct append *a)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_error error = { 0 };
	int ret;

	a->options.flags |= JOURNAL_CREATE;
	a->options.error = &error;
	ret = journal_open(&a->j, a->dir, &a->options);
	a->options.error = NULL;
	if (ret < 0)
		return jnl_failed(a->dir, ret, &error);
	ret = journal_info(a->j, &info);
	if (ret < 0)
		return jnl_failed(a->dir, ret, NULL);
	a->record_max = info.record_max;
	return JNL_EXIT_DONE;
}

static int out_of_memory(void)
{
	jnl_complain("memory", "not enough: give a smaller --record-max or "
		     "--batch");
	return JNL_EXIT_ERROR;
}

static int run(struct append *a)
{
	int code, ret;

	ret = catch_signals(a);
	if (ret < 0) {
		jnl_complain("signals", "%s", strerror(-ret));
		return JNL_EXIT_ERROR;
	}
	code = open_journal(a);
	if (code != JNL_EXIT_DONE)
		return code;

	/* A record that is just allowed, and a whole read behind it. */
	a->size = (size_t)a->record_max + 1 + READ_SIZE;
	a->buf = malloc(a->size);
	a->pending = calloc(a->batch, sizeof(*a->pending));
	if (!a->buf || !a->pending)
		return out_of_memory();
	jnl_progress_init(&a->progress, STDIN_FILENO);
	return append_input(a);
}

static bool parse_options(struct append *a, int argc, char **argv,
			  int *ret_code)
{
	static const struct option longopts[] = {
		{ "batch", required_argument, NULL, 'b' },
		{ "carrier", required_argument, NULL, 'c' },
		{ "driver", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "measure", no_argument, NULL, 'M' },
		{ "method", required_argument, NULL, 'm' },
		{ "no-ack", no_argument, NULL, 'n' },
		{ "null", no_argument, NULL, '0' },
		{ "overwrite", no_argument, NULL, 'o' },
		{ "record-max", required_argument, NULL, 'r' },
		{ "segment-size", required_argument, NULL, 's' },
		{ 0 },
	};
	const char *name = argv[0];
	uint64_t value;
	int opt;

	*ret_code = JNL_EXIT_ERROR;
	while ((opt = jnl_getopt(argc, argv, longopts)) != -1) {
		switch (opt) {
		case 'b':
			if (!jnl_parse_u64(optarg, &a->batch) || !a->batch ||
			    a->batch > BATCH_MAX) {
				jnl_usage_error(name, "--batch '%s' is not a "
						"number from 1 to %u", optarg,
						BATCH_MAX);
				return false;
			}
			break;
		case 'h':
			jnl_out_text(&a->out, help);
			*ret_code = JNL_EXIT_DONE;
			return false;
		case 'c':
			a->options.carrier = optarg;
			break;
		case 'd':
			/* This program has no event loop. */
			if (!strcmp(optarg, "loop")) {
				jnl_usage_error(name, "--driver 'loop' is for "
						"programs with an event loop: "
						"take caller or thread");
				return false;
			}
			a->options.driver = optarg;
			break;
		case 'M':
			a->options.flags |= JOURNAL_MEASURE;
			break;
		case 'm':
			a->options.method = optarg;
			break;
		case 'n':
			a->ack = false;
			break;
		case 'o':
			a->options.flags |= JOURNAL_OVERWRITE;
			break;
		case '0':
			a->delimiter = '\0';
			break;
		case 'r':
			if (!jnl_parse_size(optarg, &value) || !value ||
			    value > UINT32_MAX) {
				jnl_usage_error(name, "--record-max '%s' is "
						"not a size from 1 to %u",
						optarg, UINT32_MAX);
				return false;
			}
			a->options.record_max = (uint32_t)value;
			break;
		case 's':
			if (!jnl_parse_size(optarg, &value) || !value) {
				jnl_usage_error(name, "--segment-size '%s' is "
						"not a size like 64K or 16M",
						optarg);
				return false;
			}
			a->options.segment_size = value;
			break;
		default:
			return false;
		}
	}
	a->dir = jnl_operand_dir(argc, argv);
	return a->dir != NULL;
}

int jnl_command_append(int argc, char **argv)
{
	struct append a = {
		.options = JOURNAL_OPTIONS_INIT,
		.batch = 1,
		.ack = true,
		.delimiter = '\n',
		.signal_fd = -1,
	};
	int code, ret;

	if (jnl_out_init(&a.out) < 0)
		return out_of_memory();
	if (parse_options(&a, argc, argv, &code))
		code = run(&a);

	/* After a failure it has been said; a second one adds nothing. */
	ret = journal_close(a.j);
	if (ret < 0 && code == JNL_EXIT_DONE)
		code = journal_failed(&a, ret);
	jnl_progress_clear(&a.progress);
	code = jnl_out_finish(&a.out, code);
	if (a.signal_fd >= 0)
		close(a.signal_fd);
	free(a.pending);
	free(a.buf);
	if (a.signal && code == JNL_EXIT_DONE)
		die_by_signal(a.signal);
	return code;
}
