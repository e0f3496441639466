/*
 * tests/bench/loop.h - an event loop's appends, for floors.c.
 */
#ifndef TESTS_BENCH_LOOP_H
#define TESTS_BENCH_LOOP_H

#include "journal/core.h"

#define LOOP_IN_FLIGHT	256

/* floors.c: end the program; seconds on a clock. */
void die(const char *what, int err);
double now(void);

/* Records per second, each acknowledged once it is durable. */
double loop_rate(journal *loop, double seconds);

/* The same if nothing but the writes were needed, to a file that is there:
 * what the way through a ring costs by itself. */
double loop_ring_rate(int fd, uint64_t file_size, void *buf, double seconds);

#endif
