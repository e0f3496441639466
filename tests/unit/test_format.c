/*
 * Format 1: what counts, and what does not.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "journal/format.h"
#include "journal/sum-avx2.h"
#include "tests/lib/suite.h"

#define SEED 0x0123456789abcdefull
#define BLOCK 4096u
#define SEGMENT 65536u

static struct jnl_segment_header segment_header(void)
{
	struct jnl_segment_header h = {
		.version = 1, .block_size = BLOCK, .number = 3,
		.segment_size = SEGMENT,
	};

	memset(h.uuid, 0xa5, sizeof(h.uuid));
	return h;
}

/* A batch of two records (5 bytes and none) in one block at lsn. */
static struct jnl_batch_header make_batch(uint8_t *block, uint64_t lsn)
{
	struct jnl_batch_header h = {
		.lsn = lsn, .prev_sum = 7, .durable = 4096, .trim = 0,
		.body_len = 24, .count = 2,
	};

	memset(block, 0, BLOCK);
	jnl_put64(block + 64, 5);
	memcpy(block + 72, "hello", 5);
	jnl_put64(block + 80, 0);
	h.body_sum = jnl_checksum(block + 64, 24, SEED);
	jnl_batch_encode(block, &h, SEED);
	return h;
}

/* XXH3 as this file has it: for what the compiler may use anywhere. */
static void check_sum(const uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t sum = XXH3_64bits_withSeed(p, len, seed);

	ck_assert_uint_eq(jnl_checksum(p, len, seed), sum);
#ifdef BUILD_AVX2
	if (__builtin_cpu_supports("avx2"))
		ck_assert_uint_eq(jnl_sum_avx2(p, len, seed), sum);
#endif
}

START_TEST(a_checksum_is_the_same_on_every_processor)
{
	static const uint64_t seeds[] = { 0, 1, SEED, UINT64_MAX };
	static const size_t longer[] = {
		2048, 2049, 4031, 4032, 4096, 16384, 34816, 65535,
	};
	static uint8_t input[65536 + 8];

	for (uint32_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)(i * 2654435761u >> 24);
	for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
		for (size_t len = 0; len <= 1100; len++)
			check_sum(input, len, seeds[s]);
		/* off any vector's alignment */
		for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++)
			check_sum(input + 8, longer[i], seeds[s]);
	}
}
END_TEST

START_TEST(a_segment_header_reads_back_as_it_was_written)
{
	struct jnl_segment_header h = segment_header(), r;
	uint8_t block[BLOCK];

	jnl_segment_encode(block, &h);
	ck_assert_int_eq(jnl_segment_decode(block, &r), 0);
	ck_assert_mem_eq(&h, &r, sizeof(h));
	ck_assert(jnl_segment_padding_good(block, BLOCK));
}
END_TEST

START_TEST(any_flipped_bit_of_a_segment_header_makes_it_bad)
{
	struct jnl_segment_header h = segment_header(), r;
	uint8_t block[BLOCK];

	jnl_segment_encode(block, &h);
	for (int bit = 0; bit < 64 * 8; bit++) {
		block[bit / 8] ^= 1 << bit % 8;
		ck_assert_int_eq(jnl_segment_decode(block, &r), -EBADMSG);
		block[bit / 8] ^= 1 << bit % 8;
	}
	block[BLOCK - 1] = 1;
	ck_assert(!jnl_segment_padding_good(block, BLOCK));
}
END_TEST

START_TEST(a_newer_version_is_told_from_damage)
{
	struct jnl_segment_header h = segment_header(), r;
	uint8_t block[BLOCK];

	h.version = 2;
	jnl_segment_encode(block, &h);
	ck_assert_int_eq(jnl_segment_decode(block, &r), -EPROTONOSUPPORT);
	h.version = 1;
	h.incompat = 1;
	jnl_segment_encode(block, &h);
	ck_assert_int_eq(jnl_segment_decode(block, &r), -EPROTONOSUPPORT);
	h.incompat = 0;
	h.compat = 0x80000000u;
	jnl_segment_encode(block, &h);
	ck_assert_int_eq(jnl_segment_decode(block, &r), 0);
}
END_TEST

START_TEST(a_segment_header_with_impossible_geometry_is_bad)
{
	static const struct { uint32_t block; uint64_t size, number; } bad[] = {
		{ 0, SEGMENT, 0 }, { 512, SEGMENT, 0 }, { 4097, SEGMENT, 0 },
		{ 131072, 1 << 20, 0 }, { 65536, 65536, 0 },
		{ BLOCK, 0, 0 }, { BLOCK, 65535, 0 }, { BLOCK, 65537, 0 },
		{ BLOCK, 1ull << 41, 0 }, { BLOCK, SEGMENT, 1ull << 47 },
		{ BLOCK, SEGMENT, UINT64_MAX },
	};
	uint8_t block[131072];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct jnl_segment_header h = segment_header(), r;

		h.block_size = BLOCK;
		jnl_segment_encode(block, &h);
		/* Encode by hand: the encoder clears block_size bytes. */
		jnl_put32(block + 20, bad[i].block);
		jnl_put64(block + 40, bad[i].number);
		jnl_put64(block + 48, bad[i].size);
		jnl_put64(block + 56, jnl_checksum(block, 56,
						   jnl_seed(h.uuid)));
		ck_assert_int_eq(jnl_segment_decode(block, &r), -EBADMSG);
	}
}
END_TEST

START_TEST(zeros_never_decode_as_a_batch)
{
	static const uint8_t zeros[64];
	struct jnl_batch_header h;

	for (uint64_t seed = 0; seed < 1000; seed++)
		ck_assert(!jnl_batch_decode(zeros, seed, &h));
}
END_TEST

START_TEST(a_batch_reads_back_as_it_was_written)
{
	struct jnl_batch_header h, r;
	uint8_t block[BLOCK];

	h = make_batch(block, SEGMENT + BLOCK);
	ck_assert(jnl_batch_decode(block, SEED, &r));
	ck_assert_uint_eq(r.header_sum, h.header_sum);
	ck_assert_uint_eq(r.lsn, h.lsn);
	ck_assert_uint_eq(r.prev_sum, h.prev_sum);
	ck_assert_uint_eq(r.durable, h.durable);
	ck_assert_uint_eq(r.trim, h.trim);
	ck_assert_uint_eq(r.body_sum, h.body_sum);
	ck_assert_uint_eq(r.body_len, h.body_len);
	ck_assert_uint_eq(r.count, h.count);
	ck_assert_uint_eq(r.flags, h.flags);
	ck_assert(jnl_batch_sane(&r, BLOCK, SEGMENT));
	ck_assert(jnl_batch_body_good(block, &r, BLOCK, SEED));
	ck_assert(jnl_records_good(block + 64, r.body_len, r.count, &r.each));
	ck_assert_uint_eq(jnl_batch_end(&r, BLOCK, SEGMENT),
			  SEGMENT + 2 * BLOCK);
}
END_TEST

START_TEST(any_flipped_bit_of_a_batch_s_blocks_is_seen)
{
	struct jnl_batch_header h;
	uint8_t block[BLOCK];

	make_batch(block, BLOCK);
	for (uint32_t bit = 0; bit < BLOCK * 8; bit++) {
		block[bit / 8] ^= 1 << bit % 8;
		ck_assert(!jnl_batch_decode(block, SEED, &h) ||
			  !jnl_batch_body_good(block, &h, BLOCK, SEED));
		block[bit / 8] ^= 1 << bit % 8;
	}
}
END_TEST

START_TEST(another_journal_s_batch_does_not_decode)
{
	struct jnl_batch_header h;
	uint8_t block[BLOCK];

	make_batch(block, BLOCK);
	ck_assert(!jnl_batch_decode(block, SEED + 1, &h));
}
END_TEST

START_TEST(a_skip_batch_stands_for_the_rest_of_its_segment)
{
	struct jnl_batch_header h = {
		.lsn = 5 * (uint64_t)SEGMENT + 3 * BLOCK,
		.flags = JNL_BATCH_SKIP,
	};

	ck_assert(jnl_batch_sane(&h, BLOCK, SEGMENT));
	ck_assert_uint_eq(jnl_batch_size(&h, BLOCK), BLOCK);
	ck_assert_uint_eq(jnl_batch_end(&h, BLOCK, SEGMENT),
			  6 * (uint64_t)SEGMENT);
}
END_TEST

START_TEST(a_hole_stands_for_its_blocks_and_stays_in_its_segment)
{
	const struct jnl_batch_header good = {
		.lsn = 5 * (uint64_t)SEGMENT + 3 * BLOCK,
		.count = SEGMENT / BLOCK - 3,
		.flags = JNL_BATCH_HOLE,
	};
	struct jnl_batch_header h = good;

	ck_assert(jnl_batch_sane(&h, BLOCK, SEGMENT));
	ck_assert(!jnl_batch_records(&h));
	ck_assert_uint_eq(jnl_batch_size(&h, BLOCK), BLOCK);
	ck_assert_uint_eq(jnl_batch_end(&h, BLOCK, SEGMENT),
			  6 * (uint64_t)SEGMENT);
	h.count++;
	ck_assert(!jnl_batch_sane(&h, BLOCK, SEGMENT));
	h.count = 0;
	ck_assert(!jnl_batch_sane(&h, BLOCK, SEGMENT));
	h.count = 1;
	ck_assert_uint_eq(jnl_batch_end(&h, BLOCK, SEGMENT), h.lsn + BLOCK);
	h.body_len = 8;
	ck_assert(!jnl_batch_sane(&h, BLOCK, SEGMENT));
	h = good;
	h.flags |= JNL_BATCH_SKIP;
	ck_assert(!jnl_batch_sane(&h, BLOCK, SEGMENT));
}
END_TEST

START_TEST(headers_that_make_no_sense_are_not_sane)
{
	struct jnl_batch_header good, h;
	uint8_t block[BLOCK];

	good = make_batch(block, SEGMENT + BLOCK);
#define BAD(change) do { \
		h = good; \
		change; \
		ck_assert_msg(!jnl_batch_sane(&h, BLOCK, SEGMENT), #change); \
	} while (0)
	BAD(h.lsn = SEGMENT);			/* the header block */
	BAD(h.lsn += 8);			/* not on a boundary */
	BAD(h.lsn = JNL_LSN_MAX + BLOCK);
	BAD(h.lsn = 2 * SEGMENT - BLOCK; h.body_len = BLOCK);
	BAD(h.body_len = UINT32_MAX - 7);
	BAD(h.body_len = 23);
	BAD(h.count = 0; h.body_len = 0);
	BAD(h.count = 4);			/* 4 words do not fit 24 */
	BAD(h.durable = h.lsn + 1);
	BAD(h.trim = h.lsn + 1);
	BAD(h.flags = 16);
	BAD(h.flags = JNL_BATCH_OPEN);		/* with records */
	BAD(h.flags = JNL_BATCH_SKIP);
	BAD(h.flags = JNL_BATCH_OPEN | JNL_BATCH_MARK; h.count = 0);
#undef BAD
	h = good;
	h.flags = JNL_BATCH_UNTORN;
	ck_assert(jnl_batch_sane(&h, BLOCK, SEGMENT));
	h = good;
	h.count = 0;				/* voids */
	ck_assert(jnl_batch_sane(&h, BLOCK, SEGMENT));
}
END_TEST

START_TEST(records_that_do_not_fit_their_body_are_refused)
{
	uint8_t body[64] = { 0 };
	uint32_t offset = 0, len, each;
	const uint8_t *data;

	/* longer than the body, by one and by 2^32 */
	jnl_put64(body, 57);
	ck_assert(!jnl_record_next(body, 64, &offset, &data, &len));
	jnl_put64(body, 0x100000001ull);
	ck_assert(!jnl_record_next(body, 64, &offset, &data, &len));
	jnl_put64(body, UINT32_MAX);
	ck_assert(!jnl_record_next(body, 64, &offset, &data, &len));
	/* padding that is not zero */
	jnl_put64(body, 1);
	body[9] = 1;
	ck_assert(!jnl_record_next(body, 64, &offset, &data, &len));
	ck_assert_uint_eq(offset, 0);
	body[9] = 0;
	ck_assert(jnl_record_next(body, 64, &offset, &data, &len));
	ck_assert_uint_eq(offset, 16);
	/* one more or fewer than the header says */
	memset(body, 0, sizeof(body));
	ck_assert(jnl_records_good(body, 64, 8, &each));
	ck_assert_uint_eq(each, 8);
	ck_assert(!jnl_records_good(body, 64, 7, &each));
	ck_assert(!jnl_records_good(body, 64, 9, &each));
}
END_TEST

START_TEST(voids_are_passed_over_wherever_they_lie)
{
	uint8_t body[80] = { 0 };
	uint32_t offset = 0, len, each;
	const uint8_t *data;

	/* a void of 24, a record, two voids of 8, a record, a void of 16 */
	memset(body, 0xff, 24);
	jnl_void_put(body, 24);
	jnl_put64(body + 24, 5);
	memcpy(body + 32, "hello", 5);
	jnl_void_put(body + 40, 8);
	jnl_void_put(body + 48, 8);
	jnl_void_put(body + 64, 16);
	ck_assert(jnl_record_next(body, 80, &offset, &data, &len));
	ck_assert_uint_eq(jnl_record_offset(body, data), 24);
	ck_assert_uint_eq(len, 5);
	ck_assert_uint_eq(offset, 40);
	ck_assert(jnl_record_next(body, 80, &offset, &data, &len));
	ck_assert_uint_eq(jnl_record_offset(body, data), 56);
	ck_assert_uint_eq(len, 0);
	ck_assert(!jnl_record_next(body, 80, &offset, &data, &len));
	ck_assert(jnl_records_good(body, 80, 2, &each));
	ck_assert(!jnl_records_good(body, 80, 1, &each));
	ck_assert(!jnl_records_good(body, 80, 3, &each));
	/* nothing else */
	ck_assert(jnl_records_good(body, 24, 0, &each));
	ck_assert_uint_eq(each, 0);
	ck_assert(!jnl_records_good(body, 24, 1, &each));
}
END_TEST

START_TEST(a_void_that_is_not_zero_or_does_not_fit_is_none)
{
	uint8_t body[32];
	uint32_t each;

	jnl_void_put(body, 32);
	ck_assert_uint_eq(jnl_void_size(body, 32), 32);
	ck_assert_uint_eq(jnl_void_size(body, 24), 0);
	ck_assert_uint_eq(jnl_void_size(body, 0), 0);
	for (int i = 8; i < 32; i++) {
		body[i] = 1;
		ck_assert_uint_eq(jnl_void_size(body, 32), 0);
		ck_assert(!jnl_records_good(body, 32, 0, &each));
		body[i] = 0;
	}
	jnl_put32(body, 20);			/* not whole words */
	ck_assert(!jnl_records_good(body, 32, 0, &each));
	jnl_put32(body, UINT32_MAX - 7);
	ck_assert(!jnl_records_good(body, 32, 0, &each));
	jnl_void_put(body, 32);
	jnl_put32(body + 4, 2);			/* another upper half */
	ck_assert(!jnl_records_good(body, 32, 0, &each));
}
END_TEST

RUN_SUITE("format", 20,
	  voids_are_passed_over_wherever_they_lie,
	  a_void_that_is_not_zero_or_does_not_fit_is_none,
	  a_checksum_is_the_same_on_every_processor,
	  a_segment_header_reads_back_as_it_was_written,
	  any_flipped_bit_of_a_segment_header_makes_it_bad,
	  a_newer_version_is_told_from_damage,
	  a_segment_header_with_impossible_geometry_is_bad,
	  zeros_never_decode_as_a_batch,
	  a_batch_reads_back_as_it_was_written,
	  any_flipped_bit_of_a_batch_s_blocks_is_seen,
	  another_journal_s_batch_does_not_decode,
	  a_skip_batch_stands_for_the_rest_of_its_segment,
	  a_hole_stands_for_its_blocks_and_stays_in_its_segment,
	  headers_that_make_no_sense_are_not_sane,
	  records_that_do_not_fit_their_body_are_refused)
