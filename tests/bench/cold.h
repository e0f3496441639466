/*
 * tests/bench/cold.h - what a device gives when it is read from one end to the
 * other, for floors.c.
 */
#ifndef TESTS_BENCH_COLD_H
#define TESTS_BENCH_COLD_H

#include <stdint.h>

#define COLD_DEPTH_MAX	4u

/* Read a file that is open with O_DIRECT, 1 MiB at a time, depth of them in
 * flight; how many bytes it had. */
uint64_t read_all(int fd, unsigned int depth);

#endif
