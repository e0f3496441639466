/*
 * tests/bench/fill.c - what filling in place saves, and what it costs others.
 *
 *     tests/bench/fill [--seconds S] [--rounds N] DIR
 *
 * Round after round, in turn, medians with their spread:
 *
 *   records of 64 KiB, made by one thread and by four, a commit every 8 of a
 *   thread:
 *     append    made in a buffer of its own, then journal_append()
 *     reserve   made where it will be written from
 *
 *   how long a commit of 128 B takes beside
 *     nothing     no reservation at all
 *     one         one of 64 KiB that is open all the time
 *     many        one of 64 KiB every 2 ms, each open for a second
 *
 * Exit status: 0, or 2 for a usage or I/O error.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/journal.h"
#include "lib/file.h"

#define LEN		65536u
#define ROUNDS_MAX	51
#define SAMPLES		400000
#define HELD		500	/* a second's worth */

static double seconds = 1;
static int rounds = 5;
static journal *j;

static void die(const char *what, int err)
{
	fprintf(stderr, "fill: %s: %s\n", what, strerror(-err));
	exit(2);
}

static void must(const char *what, int ret)
{
	if (ret < 0)
		die(what, ret);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* ------------------------------------------------------------------------ */

struct maker {
	pthread_t thread;
	bool in_place;
	uint64_t end_ns, records;
};

/* What a serializer does: every byte is written, none is read. */
static void make(uint8_t *to, uint64_t n)
{
	for (uint32_t i = 0; i < LEN; i += 8, n += 0x9e3779b97f4a7c15ull)
		memcpy(to + i, &n, 8);
}

static uint64_t add(struct maker *m, uint8_t *own)
{
	struct journal_reservation r;
	struct iovec iov = { own, LEN };
	uint64_t lsn;

	if (!m->in_place) {
		make(own, m->records);
		must("append", journal_append(j, &iov, 1, &lsn));
		return lsn;
	}
	must("reserve", journal_reserve(j, LEN, &r));
	make(r.data, m->records);
	must("publish", journal_publish(j, &r, LEN, &lsn));
	return lsn;
}

static void *maker_main(void *arg)
{
	struct maker *m = arg;
	uint8_t *own = malloc(LEN);
	uint64_t lsn;

	if (!own)
		die("memory", -ENOMEM);
	while (now_ns() < m->end_ns) {
		lsn = add(m, own);
		if (++m->records % 8 == 0)
			must("sync", journal_sync(j, lsn));
	}
	free(own);
	return NULL;
}

/* MiB per second of processor time, and of any time. */
static void makers(int n, bool in_place, uint64_t *ret_cpu, uint64_t *ret_wall)
{
	uint64_t end = now_ns() + (uint64_t)(seconds * 1e9), records = 0;
	struct maker m[4] = { { 0 } };
	clock_t cpu = clock();
	struct journal_info info = JOURNAL_INFO_INIT;

	for (int i = 0; i < n; i++) {
		m[i].in_place = in_place;
		m[i].end_ns = end;
		if (pthread_create(&m[i].thread, NULL, maker_main, &m[i]))
			die("thread", -EAGAIN);
	}
	for (int i = 0; i < n; i++) {
		(void)pthread_join(m[i].thread, NULL);
		records += m[i].records;
	}
	cpu = clock() - cpu;
	*ret_cpu = (uint64_t)((double)records * CLOCKS_PER_SEC / 16 /
			      (double)(cpu ? cpu : 1));
	*ret_wall = (uint64_t)((double)records / 16 / seconds);
	must("info", journal_info(j, &info));
	must("trim", journal_trim(j, info.frontier));
}

static void spread(const char *what, uint64_t v[2][ROUNDS_MAX])
{
	for (int i = 0; i < 2; i++)
		qsort(v[i], (size_t)rounds, sizeof(**v), compare);
	printf("  %-10s %6llu MiB/s of processor time (%llu to %llu), %6llu "
	       "MiB/s (%llu to %llu)\n", what,
	       (unsigned long long)v[0][rounds / 2],
	       (unsigned long long)v[0][0],
	       (unsigned long long)v[0][rounds - 1],
	       (unsigned long long)v[1][rounds / 2],
	       (unsigned long long)v[1][0],
	       (unsigned long long)v[1][rounds - 1]);
}

static void compare_makers(int n)
{
	uint64_t append[2][ROUNDS_MAX], reserve[2][ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		makers(n, false, &append[0][i], &append[1][i]);
		makers(n, true, &reserve[0][i], &reserve[1][i]);
	}
	printf("records of 64 KiB, %d thread%s\n", n, n > 1 ? "s" : "");
	spread("append", append);
	spread("reserve", reserve);
}

/* ------------------------------------------------------------------------ */

static uint64_t *sample;

/* Reservations in a ring: each is open for as long as there are HELD. */
static void commits(int held, uint64_t each_ns, size_t *ret_n)
{
	uint64_t end = now_ns() + (uint64_t)(seconds * 2e9), t, next = 0;
	static struct journal_reservation r[HELD];
	char text[128] = { 0 };
	struct iovec iov = { text, sizeof(text) };
	uint64_t opened = 0;
	size_t n = 0;

	for (t = now_ns(); t < end && n < SAMPLES; n++) {
		if (held && t >= next && (each_ns || !opened)) {
			struct journal_reservation *s = &r[opened++ %
							   (uint64_t)held];

			if (s->id)
				must("publish", journal_publish(j, s, 8, NULL));
			must("reserve", journal_reserve(j, LEN, s));
			memset(s->data, 'x', LEN);
			next = t + each_ns;
		}
		t = now_ns();
		must("commit", journal_commit(j, &iov, 1, NULL));
		sample[n] = now_ns() - t;
	}
	for (int i = 0; i < held; i++) {
		if (r[i].id)
			must("abandon", journal_abandon(j, &r[i]));
	}
	qsort(sample, n, sizeof(*sample), compare);
	*ret_n = n;
}

static void compare_commits(void)
{
	static const struct {
		const char *name;
		int held;
		uint64_t each_ns;
	} beside[] = {
		{ "nothing", 0, 0 }, { "one", 1, 0 }, { "many", HELD, 2000000 },
	};
	uint64_t p50[3][ROUNDS_MAX], p99[3][ROUNDS_MAX];
	size_t n;

	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < 3; k++) {
			commits(beside[k].held, beside[k].each_ns, &n);
			p50[k][i] = sample[n / 2];
			p99[k][i] = sample[n * 99 / 100];
		}
	}
	printf("a commit of 128 B beside open reservations of 64 KiB\n");
	for (int k = 0; k < 3; k++) {
		qsort(p50[k], (size_t)rounds, sizeof(**p50), compare);
		qsort(p99[k], (size_t)rounds, sizeof(**p99), compare);
		printf("  %-10s p50 %.1f us (%.1f to %.1f), p99 %.1f us (%.1f "
		       "to %.1f)\n", beside[k].name,
		       (double)p50[k][rounds / 2] / 1e3,
		       (double)p50[k][0] / 1e3,
		       (double)p50[k][rounds - 1] / 1e3,
		       (double)p99[k][rounds / 2] / 1e3,
		       (double)p99[k][0] / 1e3,
		       (double)p99[k][rounds - 1] / 1e3);
	}
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "s:r:", longopts, NULL)) >= 0) {
		if (c == 's')
			seconds = atof(optarg);
		else if (c == 'r')
			rounds = atoi(optarg);
		else
			return 2;
	}
	if (optind != argc - 1 || seconds <= 0 || rounds < 1 ||
	    rounds > ROUNDS_MAX) {
		fputs("Usage: fill [--seconds S] [--rounds N] DIR\n", stderr);
		return 2;
	}
	sample = calloc(SAMPLES, sizeof(*sample));
	o.flags = JOURNAL_CREATE;
	o.error = &error;
	if (!sample || journal_open(&j, argv[optind], &o) < 0) {
		fprintf(stderr, "fill: %s\n", error.message);
		return 2;
	}
	compare_makers(1);
	compare_makers(4);
	compare_commits();
	must("close", journal_close(j));
	free(sample);
	return 0;
}
