/*
 * tests/format/xxh3_vectors.c - checksums for the Python reader to meet.
 *
 * Prints "length seed sum", in hexadecimal but the length, for every length
 * up to 1100 (each way that XXH3 has for short inputs, and the first block of
 * the long one with its edges), then for some longer ones.  The input's byte
 * i is (i * 2654435761 mod 2^32) / 2^24, so that no two places look alike.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "journal/format.h"

#define LEN_MAX 66000u

static const uint64_t seeds[] = {
	0, 1, 0x0123456789abcdefull, 0xffffffffffffffffull, 0x80000000ull,
};

static uint8_t input[LEN_MAX];

static void print_sums(size_t len)
{
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		printf("%zu %" PRIx64 " %" PRIx64 "\n", len, seeds[i],
		       jnl_checksum(input, len, seeds[i]));
}

int main(void)
{
	static const size_t longer[] = {
		2047, 2048, 2049, 3071, 3072, 3073, 4031, 4032, 4096, 5000,
		8128, 16383, 16384, 16385, 65471, 65472, 65536, 66000,
	};

	for (uint32_t i = 0; i < LEN_MAX; i++)
		input[i] = (uint8_t)(i * 2654435761u >> 24);
	for (size_t len = 0; len <= 1100; len++)
		print_sums(len);
	for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++)
		print_sums(longer[i]);
	return 0;
}
