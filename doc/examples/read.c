/*
 * read.c - print the records of a journal, from one on.
 *
 *     cc -o read read.c $(pkg-config --cflags --libs libjournal)
 *     ./read notes
 *     ./read notes 4160
 *
 * A program that keeps the LSN of what it has worked through goes on behind it
 * after a restart.  A record that cannot be read back as it was written is an
 * error and never the end: what is printed is complete if the exit status is 0.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <journal.h>

int main(int argc, char **argv)
{
	struct journal_error error = { .code = 0 };
	struct journal_record record;
	journal_reader *reader;
	uint64_t from;
	int ret;

	if (argc < 2 || argc > 3) {
		fputs("Usage: read DIR [LSN]\n", stderr);
		return 2;
	}
	from = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	ret = journal_reader_open(&reader, argv[1], from, &error);
	if (ret < 0) {
		fprintf(stderr, "read: %s\n", error.code ? error.message :
			journal_strerror(ret));
		return ret == -EBADMSG ? 1 : 2;
	}
	while ((ret = journal_reader_next(reader, &record)) == 1) {
		printf("%" PRIu64 "\t", record.lsn);
		fwrite(record.data, 1, record.len, stdout);
		putchar('\n');
	}
	if (ret < 0)
		fprintf(stderr, "read: %s\n",
			journal_reader_error(reader)->message);
	journal_reader_close(reader);
	if (fflush(stdout))
		return 2;
	return ret == -EBADMSG ? 1 : ret < 0 ? 2 : 0;
}
