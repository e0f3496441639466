/*
 * journal/sum-avx2.h - the checksum of format 1, built for AVX2.
 *
 * The same function as jnl_checksum() has without it, bit for bit, in about
 * half the instructions.  Only where configure found that the compiler can
 * (BUILD_AVX2), and to be called only where the processor can.
 */
#ifndef JNL_JOURNAL_SUM_AVX2_H
#define JNL_JOURNAL_SUM_AVX2_H

#include <stddef.h>
#include <stdint.h>

uint64_t jnl_sum_avx2(const void *data, size_t len, uint64_t seed);

#endif
