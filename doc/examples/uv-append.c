/*
 * uv-append.c - event-loop.c under libuv.
 *
 *     cc -o uv-append uv-append.c \
 *         $(pkg-config --cflags --libs libjournal libuv)
 *     (echo one; echo two) | ./uv-append notes
 *
 * Appends the lines that come in on standard input (a pipe, a socket) and
 * prints each one's LSN when it is durable.  The journal's descriptor is a
 * uv_poll_t; a uv_prepare_t hands over what was appended, once per turn of the
 * loop, before it sleeps.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <journal.h>
#include <uv.h>

#define WAITING_MAX	4096	/* lines appended and not yet durable */

static journal *j;
static uv_pipe_t input;
static uv_poll_t durable;
static uv_prepare_t submit;
static int paused, end;

static char text[65536];
static size_t text_len;
static uint64_t waiting[WAITING_MAX];
static unsigned int first, count;

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "uv-append: %s: %s\n", what, why);
	exit(2);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	(void)handle;
	(void)size;
	*buf = uv_buf_init(text + text_len,
			   (unsigned int)(sizeof(text) - text_len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

/* Append what there is; read on only if all of it had room. */
static void append_lines(void)
{
	char *line = text, *stop = text + text_len, *newline;
	int full = 0, ret;

	while (line < stop) {
		newline = memchr(line, '\n', (size_t)(stop - line));
		if (!newline && !end && text_len < sizeof(text))
			break;
		if (!newline)
			newline = stop;
		ret = count == WAITING_MAX ? -EAGAIN :
		      journal_append(j, &(struct iovec){ line,
				     (size_t)(newline - line) }, 1,
				     &waiting[(first + count) % WAITING_MAX]);
		full = ret == -EAGAIN;
		if (full)
			break;
		if (ret < 0)
			fail("append", journal_strerror(ret));
		count++;
		line = newline < stop ? newline + 1 : stop;
	}
	text_len = (size_t)(stop - line);
	memmove(text, line, text_len);
	if (full && !paused)
		uv_read_stop((uv_stream_t *)&input);
	else if (!full && paused && !end)
		uv_read_start((uv_stream_t *)&input, on_alloc, on_read);
	paused = full;
}

static void finish_if_done(void)
{
	if (!end || text_len || count)
		return;
	uv_close((uv_handle_t *)&input, NULL);
	uv_close((uv_handle_t *)&durable, NULL);
	uv_close((uv_handle_t *)&submit, NULL);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
	(void)buf;
	if (got < 0 && got != UV_EOF)
		fail("standard input", uv_strerror((int)got));
	if (got == UV_EOF) {
		uv_read_stop(stream);
		end = 1;
	} else {
		text_len += (size_t)got;
	}
	append_lines();
	finish_if_done();
}

static void on_durable(uv_poll_t *handle, int status, int events)
{
	uint64_t frontier;
	int ret = journal_durable(j, &frontier);

	(void)handle;
	(void)events;
	if (status < 0 || ret < 0)
		fail("the journal", status < 0 ? uv_strerror(status) :
		     journal_strerror(ret));
	while (count && waiting[first] < frontier) {
		printf("%" PRIu64 "\n", waiting[first]);
		first = (first + 1) % WAITING_MAX;
		count--;
	}
	if (fflush(stdout))
		fail("standard output", strerror(errno));
	append_lines();
	finish_if_done();
}

static void on_prepare(uv_prepare_t *handle)
{
	int ret = journal_submit(j);

	(void)handle;
	if (ret < 0)
		fail("submit", journal_strerror(ret));
}

int main(int argc, char **argv)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { .code = 0 };
	uv_loop_t *loop = uv_default_loop();
	int ret;

	if (argc != 2) {
		fputs("Usage: uv-append DIR\n", stderr);
		return 2;
	}
	if (uv_guess_handle(0) != UV_NAMED_PIPE)
		fail("standard input", "it has to be a pipe");
	options.flags = JOURNAL_CREATE;
	options.driver = "loop";
	options.error = &error;
	ret = journal_open(&j, argv[1], &options);
	if (ret < 0)
		fail(argv[1], error.code ? error.message :
		     journal_strerror(ret));
	uv_pipe_init(loop, &input, 0);
	ret = uv_pipe_open(&input, 0);
	if (!ret)
		ret = uv_read_start((uv_stream_t *)&input, on_alloc, on_read);
	if (ret)
		fail("standard input", uv_strerror(ret));
	uv_poll_init(loop, &durable, journal_eventfd(j));
	uv_poll_start(&durable, UV_READABLE, on_durable);
	uv_prepare_init(loop, &submit);
	uv_prepare_start(&submit, on_prepare);
	uv_run(loop, UV_RUN_DEFAULT);
	ret = journal_close(j);
	if (ret < 0)
		fail(argv[1], journal_strerror(ret));
	return uv_loop_close(loop) ? 2 : 0;
}
