/*
 * lookup.c - read records from anywhere, many at a time, by their LSNs.
 *
 *     cc -o lookup lookup.c $(pkg-config --cflags --libs libjournal)
 *     printf 'apple red\nplum blue\napple green\n' | ./append fruit
 *     ./lookup fruit plum apple
 *
 * Each record is a key, a space and a value; the last one of a key counts.  The
 * journal is read once to learn where those are: a program like this keeps an
 * index of LSNs in memory, and its values stay on disk.  Then one call reads
 * all that were asked for, side by side, which is as fast as the drive is with
 * many reads at a time.
 *
 * Records are checked like those that are read in order.  Each has an error of
 * its own: the others are there all the same.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <journal.h>

/* Where the last record of a key is. */
struct place {
	uint64_t lsn;
	size_t len;		/* 0: there is none */
};

static int is_of(const struct journal_record *record, const char *key)
{
	size_t len = strlen(key);
	const char *text = record->data;

	return record->len > len && !memcmp(text, key, len) &&
	       text[len] == ' ';
}

/* Read everything in order, and remember where each key was last. */
static int find_places(journal_reader *reader, char **key, size_t keys,
		       struct place *place)
{
	struct journal_record record;
	int ret;

	while ((ret = journal_reader_next(reader, &record)) == 1) {
		for (size_t i = 0; i < keys; i++) {
			if (!is_of(&record, key[i]))
				continue;
			place[i].lsn = record.lsn;
			place[i].len = record.len;
		}
	}
	if (ret < 0)
		fprintf(stderr, "lookup: %s\n",
			journal_reader_error(reader)->message);
	return ret;
}

/* Read all of them at once, and print each, in the order of the keys. */
static int print_values(journal_reader *reader, char **key, size_t keys,
			const struct place *place, struct journal_read *read)
{
	int ret, status = 0;
	size_t n = 0;

	for (size_t i = 0; i < keys; i++) {
		if (!place[i].len)
			continue;
		read[n].lsn = place[i].lsn;
		read[n].cap = place[i].len;
		read[n].buf = malloc(read[n].cap);
		if (!read[n++].buf)
			return 2;
	}
	ret = journal_read_many(reader, read, n);
	if (ret < 0) {
		fprintf(stderr, "lookup: %s\n", journal_strerror(ret));
		return 2;
	}
	n = 0;
	for (size_t i = 0; i < keys; i++) {
		const struct journal_read *r = &read[n];

		if (!place[i].len) {
			fprintf(stderr, "lookup: %s: there is none\n", key[i]);
			status = status ? status : 1;
			continue;
		}
		n++;
		if (r->err) {
			fprintf(stderr, "lookup: %s, at %" PRIu64 ": %s\n",
				key[i], r->lsn, journal_strerror(r->err));
			status = 2;
			continue;
		}
		fwrite(r->buf, 1, r->len, stdout);
		putchar('\n');
	}
	return status;
}

int main(int argc, char **argv)
{
	struct journal_error error = { .code = 0 };
	size_t keys = argc > 2 ? (size_t)argc - 2 : 0;
	struct journal_read *read;
	journal_reader *reader;
	struct place *place;
	int ret, status = 2;

	if (!keys) {
		fputs("Usage: lookup DIR KEY...\n", stderr);
		return 2;
	}
	ret = journal_reader_open(&reader, argv[1], 0, &error);
	if (ret < 0) {
		fprintf(stderr, "lookup: %s\n", error.code ? error.message :
			journal_strerror(ret));
		return 2;
	}
	place = calloc(keys, sizeof(*place));
	read = calloc(keys, sizeof(*read));
	if (place && read && find_places(reader, argv + 2, keys, place) == 0)
		status = print_values(reader, argv + 2, keys, place, read);
	for (size_t i = 0; read && i < keys; i++)
		free(read[i].buf);
	free(read);
	free(place);
	journal_reader_close(reader);
	return fflush(stdout) ? 2 : status;
}
