/*
 * append.c - make the lines of standard input durable, many at a time.
 *
 *     cc -o append append.c $(pkg-config --cflags --libs libjournal)
 *     printf 'one\ntwo\n' | ./append notes
 *
 * journal_append() only takes a record in; journal_sync() makes it, and every
 * record before it, durable.  One sync for many records costs as much as one
 * for a single record, so this program asks for one every BATCH lines, and
 * says how far it has come only behind it.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <journal.h>

#define BATCH	100

static int fail(const char *what, int err)
{
	fprintf(stderr, "append: %s: %s\n", what, journal_strerror(err));
	return 2;
}

int main(int argc, char **argv)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { .code = 0 };
	uint64_t lsn = 0, count = 0, synced = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	journal *j;
	int ret;

	if (argc != 2) {
		fputs("Usage: append DIR < LINES\n", stderr);
		return 2;
	}
	options.flags = JOURNAL_CREATE;
	options.error = &error;
	ret = journal_open(&j, argv[1], &options);
	if (ret < 0) {
		fprintf(stderr, "append: %s\n", error.code ? error.message :
			journal_strerror(ret));
		return 2;
	}
	while (!ret && (len = getline(&line, &room, stdin)) >= 0) {
		struct iovec iov = { line, (size_t)len };

		if (line[len - 1] == '\n')
			iov.iov_len--;
		ret = journal_append(j, &iov, 1, &lsn);
		if (!ret && ++count % BATCH == 0) {
			ret = journal_sync(j, lsn);
			synced = ret ? synced : count;
		}
	}
	if (!ret && count > synced) {
		ret = journal_sync(j, lsn);
		synced = ret ? synced : count;
	}
	free(line);
	/* Safe whatever happens next, even if the end was an error. */
	printf("%" PRIu64 " lines are durable\n", synced);
	if (ret < 0) {
		(void)journal_close(j);
		return fail(argv[1], ret);
	}
	ret = journal_close(j);
	return ret < 0 ? fail(argv[1], ret) : 0;
}
