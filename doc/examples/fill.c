/*
 * fill.c - threads that write their records where they will be written from.
 *
 *     cc -o fill fill.c $(pkg-config --cflags --libs libjournal) -lpthread
 *     ./fill notes 8 1000
 *
 * Eight threads make a thousand records each.  journal_reserve() gives each of
 * them a place in the journal's own buffer, which it fills while the others
 * fill theirs: nothing is copied, and no lock is held.  How long a record will
 * be need not be known beforehand, only how long it can be.
 *
 * journal_publish() makes it a record.  A commit takes what is published by
 * then and waits for nobody: a thread that comes too late has its record
 * behind the others, by a copy, and needs to know nothing of that.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <journal.h>

#define LINE_MAX_LEN	512
#define BATCH		50	/* records of a thread that share a sync */

struct worker {
	pthread_t thread;
	journal *j;
	int number, records;
	int err;
};

/* Anything that can write to memory will do: a serializer, read(2), recv(2). */
static size_t render(char *to, size_t room, const struct worker *w, int i)
{
	int len = snprintf(to, room, "worker %d, record %d: %*s", w->number, i,
			   i % 300, "");

	return (size_t)len < room ? (size_t)len : room - 1;
}

static int add(struct worker *w, int i, uint64_t *ret_lsn)
{
	struct journal_reservation place;
	size_t len;
	int ret;

	ret = journal_reserve(w->j, LINE_MAX_LEN, &place);
	if (ret < 0)
		return ret;
	len = render(place.data, place.len, w, i);
	ret = journal_publish(w->j, &place, len, ret_lsn);
	/* What is not published has to be abandoned. */
	if (ret < 0)
		(void)journal_abandon(w->j, &place);
	return ret;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t lsn;

	for (int i = 0; i < w->records && !w->err; i++) {
		w->err = add(w, i, &lsn);
		if (!w->err && (i % BATCH == BATCH - 1 || i == w->records - 1))
			w->err = journal_sync(w->j, lsn);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { .code = 0 };
	int workers = argc == 4 ? atoi(argv[2]) : 0, ret, closed, started = 0;
	struct worker *w;
	journal *j;

	if (workers < 1 || workers > 1000) {
		fputs("Usage: fill DIR WORKERS RECORDS\n", stderr);
		return 2;
	}
	options.flags = JOURNAL_CREATE;
	options.error = &error;
	ret = journal_open(&j, argv[1], &options);
	if (ret < 0) {
		fprintf(stderr, "fill: %s\n", error.code ? error.message :
			journal_strerror(ret));
		return 2;
	}
	w = calloc((size_t)workers, sizeof(*w));
	for (; w && started < workers; started++) {
		w[started].j = j;
		w[started].number = started;
		w[started].records = atoi(argv[3]);
		if (pthread_create(&w[started].thread, NULL, work, &w[started]))
			break;
	}
	ret = started < workers ? -1 : 0;
	if (ret)
		fputs("fill: cannot start every worker\n", stderr);
	for (int i = 0; i < started; i++) {
		(void)pthread_join(w[i].thread, NULL);
		if (w[i].err < 0)
			fprintf(stderr, "fill: worker %d: %s\n", i,
				journal_strerror(w[i].err));
		else
			printf("worker %d: %d records are durable\n", i,
			       w[i].records);
		ret = ret ? ret : w[i].err;
	}
	free(w);
	closed = journal_close(j);
	if (closed < 0)
		fprintf(stderr, "fill: %s: %s\n", argv[1],
			journal_strerror(closed));
	return ret < 0 || closed < 0 ? 2 : 0;
}
