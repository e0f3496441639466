/*
 * event-loop.c - a journal in an epoll loop: no call here waits for the disk.
 *
 *     cc -o event-loop event-loop.c $(pkg-config --cflags --libs libjournal)
 *     (echo one; echo two) | ./event-loop notes
 *
 * Appends the lines that come in on standard input (a pipe, a socket, a
 * terminal) and prints each one's LSN when it is durable.  Three calls make it
 * a loop: journal_submit() at the end of every pass, journal_eventfd() among
 * the descriptors, journal_durable() when that one is readable.  When the
 * journal is full, journal_append() says -EAGAIN: then stop reading, until the
 * descriptor says that there is room.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <journal.h>

#define WAITING_MAX	4096	/* lines appended and not yet durable */

static char input[65536];
static size_t input_len;
static uint64_t waiting[WAITING_MAX];
static unsigned int first, count;

static _Noreturn void fail(const char *what, int err)
{
	fprintf(stderr, "event-loop: %s: %s\n", what, journal_strerror(err));
	exit(2);
}

/* Append the whole lines of input; with end, what is left too. */
static int append_lines(journal *j, bool end)
{
	char *line = input, *stop = input + input_len, *newline;
	int ret = 0;

	while (line < stop && count < WAITING_MAX) {
		newline = memchr(line, '\n', (size_t)(stop - line));
		if (!newline && !end && input_len < sizeof(input))
			break;
		if (!newline)
			newline = stop;
		ret = journal_append(j, &(struct iovec){ line,
				     (size_t)(newline - line) }, 1,
				     &waiting[(first + count) % WAITING_MAX]);
		if (ret < 0)
			break;
		count++;
		line = newline < stop ? newline + 1 : stop;
	}
	input_len = (size_t)(stop - line);
	memmove(input, line, input_len);
	return ret == -EAGAIN ? 0 : ret;
}

static void acknowledge(uint64_t frontier)
{
	while (count && waiting[first] < frontier) {
		printf("%" PRIu64 "\n", waiting[first]);
		first = (first + 1) % WAITING_MAX;
		count--;
	}
	if (fflush(stdout))
		fail("standard output", -errno);
}

/* False at the end of the input. */
static bool read_some(void)
{
	ssize_t got = read(STDIN_FILENO, input + input_len,
			   sizeof(input) - input_len);

	if (got < 0 && errno != EINTR && errno != EAGAIN)
		fail("standard input", -errno);
	input_len += got > 0 ? (size_t)got : 0;
	return got;
}

/* Watch fd or not.  An idle one has to go: a hangup is always reported. */
static void watch(int epoll_fd, int fd, bool yes)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll_fd, yes ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd,
		      &event))
		fail("epoll (a file cannot be polled, a pipe can)", -errno);
}

static void run(journal *j)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), n, ret = 0;
	bool reading = false, end = false, room;
	struct epoll_event events[2];
	uint64_t frontier;

	watch(epoll_fd, journal_eventfd(j), true);
	while (!end || input_len || count) {
		room = !end && input_len < sizeof(input);
		if (room != reading)
			watch(epoll_fd, STDIN_FILENO, room);
		reading = room;
		n = epoll_wait(epoll_fd, events, 2, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == STDIN_FILENO) {
				end = !read_some();
				continue;
			}
			ret = journal_durable(j, &frontier);
			if (ret < 0)
				fail("the journal", ret);
			acknowledge(frontier);
		}
		ret = append_lines(j, end);
		if (!ret)
			ret = journal_submit(j);
		if (ret < 0)
			fail("the journal", ret);
	}
	close(epoll_fd);
}

int main(int argc, char **argv)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { .code = 0 };
	journal *j;
	int ret;

	if (argc != 2) {
		fputs("Usage: event-loop DIR\n", stderr);
		return 2;
	}
	options.flags = JOURNAL_CREATE;
	options.driver = "loop";
	options.error = &error;
	ret = journal_open(&j, argv[1], &options);
	if (ret < 0)
		fail(error.code ? error.message : argv[1], ret);
	run(j);
	ret = journal_close(j);
	if (ret < 0)
		fail(argv[1], ret);
	return 0;
}
