/*
 * tests/fuzz/fuzz.h - what a fuzzer calls.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input, whatever it is.  Aborts if a rule is broken. */
void fuzz_one(const uint8_t *data, size_t len);

#endif
