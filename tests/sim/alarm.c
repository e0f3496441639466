/*
 * tests/sim/alarm.c - a world that hangs says which one it is.
 *
 * A driver that waits for what never comes stops everything, and the program
 * that runs the tests ends it without a word.  So each step of a world sets
 * the alarm anew, and the alarm prints what was prepared for it.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/crash.h"

/* A step takes milliseconds; a machine can be slow, valgrind more so. */
#define PATIENCE_S		60u
#define PATIENCE_VALGRIND_S	600u

static char words[256];
static unsigned int patience_s;

/* Nothing but what a signal handler may call. */
static void ring(int number)
{
	ssize_t n = write(STDERR_FILENO, words, strlen(words));

	(void)number;
	_exit(n < 0 ? 2 : 1);
}

void alarm_init(void)
{
	struct sigaction action = { .sa_handler = ring };

	patience_s = getenv("JOURNAL_TEST_VALGRIND") ? PATIENCE_VALGRIND_S :
						       PATIENCE_S;
	(void)sigaction(SIGALRM, &action, NULL);
}

void alarm_world(uint64_t seed, const char *again)
{
	(void)alarm(0);
	(void)snprintf(words, sizeof(words), "world %llu hangs\n%s",
		       (unsigned long long)seed, again);
}

void alarm_step(void)
{
	if (patience_s)
		(void)alarm(patience_s);
}
