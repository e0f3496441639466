/*
 * journal/sum-avx2.c - XXH3-64 for processors with AVX2.
 *
 * xxhash.h chooses its vectors when it is compiled, by what the compiler may
 * use: so this file is compiled with -mavx2, and nothing else is.  Whatever is
 * added here may run only after __builtin_cpu_supports("avx2") said yes.
 */
#include "config.h"

#ifndef __AVX2__
#error this file has to be compiled with -mavx2
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "journal/sum-avx2.h"

uint64_t jnl_sum_avx2(const void *data, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, len, seed);
}
