/*
 * tests/fuzz/main.c - fuzzing without a fuzzer, or one input at a time.
 *
 *     FILE...                       each once: to see a finding again, and for
 *                                   a fuzzer that runs a program on a file
 *     --seconds=N [--rounds=M] [--seed=S] FILE...
 *                                   changes to these files for that long, and
 *                                   no more than M of them: what a faster
 *                                   machine finds is found where it is made
 *     --seed=S --round=R FILE...    one round of that again
 *
 * The seed is 1 if none is given, and one of the clock if it is "random".  A
 * round depends on the seed, its number and the files, on nothing else.  A
 * crash, a broken rule or a round of more than ROUND_LIMIT_S seconds leaves the
 * input in fuzz-finding, and says how to see it again.
 */
#include "config.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/sanitized.h"

#define ROUND_LIMIT_S	60
#define MEMORY_LIMIT	((rlim_t)1 << 30)
#define FINDING		"fuzz-finding"

/* What a signal handler can say about the round that is running. */
static struct text now;
static char hint[128];

#if SANITIZED
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

static void keep_finding(void)
{
	static const char said[] = "the input is in " FINDING "\n";
	int fd;

	if (!now.bytes)
		return;
	fd = open(FINDING, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && write(fd, now.bytes, now.len) == (ssize_t)now.len &&
	    write(STDERR_FILENO, hint, strlen(hint)) > 0 &&
	    write(STDERR_FILENO, said, sizeof(said) - 1) > 0)
		now.bytes = NULL;
	if (fd >= 0)
		close(fd);
}

static void on_signal(int number)
{
	keep_finding();
	signal(number == SIGALRM ? SIGABRT : number, SIG_DFL);
	raise(number == SIGALRM ? SIGABRT : number);
}

static void guard(void)
{
	struct rlimit memory = { MEMORY_LIMIT, MEMORY_LIMIT };

	signal(SIGALRM, on_signal);
	signal(SIGABRT, on_signal);
#if SANITIZED
	__sanitizer_set_death_callback(keep_finding);
#else
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	if (setrlimit(RLIMIT_AS, &memory) < 0)
		perror("setrlimit");
#endif
	(void)memory;
}

static void run(struct text t)
{
	now = t;
	alarm(ROUND_LIMIT_S);
	fuzz_one((const uint8_t *)t.bytes, t.len);
	alarm(0);
	now.bytes = NULL;
}

static struct text read_file(const char *name)
{
	struct text t = { NULL, 0 };
	size_t room = 0, n;
	FILE *in = fopen(name, "r");

	if (!in) {
		perror(name);
		exit(2);
	}
	do {
		if (room - t.len < 4096) {
			room = room ? 2 * room : 65536;
			t.bytes = realloc(t.bytes, room);
			if (!t.bytes)
				abort();
		}
		n = fread(t.bytes + t.len, 1, room - t.len - 1, in);
		t.len += n;
	} while (n);
	t.bytes[t.len] = '\0';
	fclose(in);
	return t;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void one_round(const struct text *texts, size_t n, uint64_t seed,
		      uint64_t round)
{
	struct text t = mutate(texts, n, seed, round);

	snprintf(hint, sizeof(hint), "seed %llu, round %llu: ",
		 (unsigned long long)seed, (unsigned long long)round);
	run(t);
	free(t.bytes);
}

static uint64_t number(const char *s)
{
	char *end;
	unsigned long long value = strtoull(s, &end, 10);

	if (!*s || *end) {
		fprintf(stderr, "'%s' is no number\n", s);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 'S' },
		{ "round", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t for_s = 0, seed = 1, round = 0, rounds = 0;
	uint64_t most = UINT64_MAX;
	bool one = false;
	struct text *texts;
	double end;
	size_t i, n;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		if (c == 's')
			for_s = number(optarg);
		if (c == 'm')
			most = number(optarg);
		if (c == 'S')
			seed = strcmp(optarg, "random") ?
			       number(optarg) : (uint64_t)time(NULL);
		if (c == 'r') {
			round = number(optarg);
			one = true;
		}
	}
	n = (size_t)(argc - optind);
	if (!n) {
		fputs("no FILE to begin with\n", stderr);
		return 2;
	}
	texts = calloc(n, sizeof(*texts));
	if (!texts)
		abort();
	guard();
	for (i = 0; i < n; i++) {
		texts[i] = read_file(argv[optind + (int)i]);
		if (!one)
			run(texts[i]);
	}
	if (one)
		one_round(texts, n, seed, round);
	end = seconds() + (double)for_s;
	for (; for_s && rounds < most && seconds() < end; rounds++)
		one_round(texts, n, seed, rounds);
	if (for_s)
		printf("%llu rounds from %zu files, seed %llu\n",
		       (unsigned long long)rounds, n,
		       (unsigned long long)seed);
	for (i = 0; i < n; i++)
		free(texts[i].bytes);
	free(texts);
	return 0;
}
