/*
 * follow.c - print the records of a journal as they become durable, and go on
 * after a restart behind the last one that was printed.
 *
 *     cc -o follow follow.c $(pkg-config --cflags --libs libjournal)
 *     ./follow notes place
 *
 * The file place keeps the LSN to go on at.  It is written after what lies
 * before it was printed: whoever kills this program gets records twice and
 * never misses one.  (Who must not get them twice keeps the LSN together with
 * what is made of the record.)
 *
 * It waits for its input and for the journal at the same time, as a server
 * would, and ends when its input does.  If the writer gives records back before
 * they are printed it says so and goes on at the first that is left.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <journal.h>

static const char *place;

static uint64_t place_read(void)
{
	FILE *f = fopen(place, "r");
	uint64_t lsn = 0;

	if (f) {
		if (fscanf(f, "%" SCNu64, &lsn) != 1)
			lsn = 0;
		fclose(f);
	}
	return lsn;
}

/* Another file, renamed: there is always a whole one. */
static int place_write(uint64_t lsn)
{
	char other[4096];
	FILE *f;
	int n;

	n = snprintf(other, sizeof(other), "%s.new", place);
	if (n < 0 || (size_t)n >= sizeof(other))
		return -ENAMETOOLONG;
	f = fopen(other, "w");
	if (!f)
		return -errno;
	if (fprintf(f, "%" PRIu64 "\n", lsn) < 0 || fclose(f) ||
	    rename(other, place))
		return -errno;
	return 0;
}

/* Everything there is now.  0, or an error. */
static int print_records(journal_reader *reader)
{
	struct journal_record record;
	uint64_t next = 0;
	int ret;

	while ((ret = journal_reader_next(reader, &record)) == 1) {
		fwrite(record.data, 1, record.len, stdout);
		putchar('\n');
		next = record.lsn + 1;
	}
	if (fflush(stdout))
		return -EIO;
	if (next && place_write(next))
		return -EIO;
	return ret;
}

/* The writer was faster: go on at what is left. */
static int skip_lost(journal_reader *reader)
{
	const struct journal_error *error = journal_reader_error(reader);

	fprintf(stderr, "follow: %s\n", error->message);
	return journal_reader_seek(reader, error->lsn);
}

/* 1 when input has ended, 0 when there may be more to print, or an error. */
static int wait_for_either(journal_reader *reader)
{
	struct pollfd p[2] = {
		{ .fd = journal_reader_fd(reader), .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	char ignored[4096];
	int ret;

	if (p[0].fd < 0)
		return p[0].fd;
	for (;;) {
		/* It looks, and makes the descriptor quiet again. */
		ret = journal_reader_wait(reader, 0);
		if (ret)
			return ret < 0 ? ret : 0;
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents && read(STDIN_FILENO, ignored,
					 sizeof(ignored)) <= 0)
			return 1;
	}
}

int main(int argc, char **argv)
{
	struct journal_error error = { .code = 0 };
	journal_reader *reader;
	int ret;

	if (argc != 3) {
		fputs("Usage: follow DIR FILE\n", stderr);
		return 2;
	}
	place = argv[2];
	ret = journal_reader_open(&reader, argv[1], place_read(), &error);
	/* What came next was given back while we were away. */
	if (ret == -ERANGE) {
		fprintf(stderr, "follow: %s\n", error.message);
		ret = journal_reader_open(&reader, argv[1], error.lsn, &error);
	}
	if (ret < 0) {
		fprintf(stderr, "follow: %s\n", error.code ? error.message :
			journal_strerror(ret));
		return ret == -EBADMSG ? 1 : 2;
	}
	do {
		ret = print_records(reader);
		if (!ret)
			ret = wait_for_either(reader);
		if (ret == -ERANGE)
			ret = skip_lost(reader);
	} while (!ret);
	if (ret < 0)
		fprintf(stderr, "follow: %s\n",
			journal_reader_error(reader)->code == ret ?
			journal_reader_error(reader)->message :
			journal_strerror(ret));
	journal_reader_close(reader);
	return ret == -EBADMSG ? 1 : ret < 0 ? 2 : 0;
}
