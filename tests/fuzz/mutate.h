/*
 * tests/fuzz/mutate.h - changes to lines of text, by chance.
 */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes;
	size_t len;
};

/*
 * A changed copy of one of the texts; the same for the same numbers.  The
 * caller frees its bytes.
 */
struct text mutate(const struct text *texts, size_t n, uint64_t seed,
		   uint64_t round);

#endif
