/*
 * The superblock of a raw device, as bytes: what is written is read, and
 * nothing else is taken for one.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/raw-format.h"
#include "tests/lib/suite.h"

#define SLOTS 1000

static uint8_t copy[JNL_RAW_COPY_MAX];
static uint64_t entry[JNL_RAW_SLOTS_MAX], back[JNL_RAW_SLOTS_MAX];

static const struct jnl_raw_header sample = {
	.version = 1, .block_size = 4096, .slot_size = 65536, .slots = SLOTS,
	.sequence = 77, .uuid = "raw-device-uuid",
};

static void encode(struct jnl_raw_header h)
{
	for (uint64_t i = 0; i < h.slots; i++)
		entry[i] = i % 3 ? jnl_raw_entry(i * 7) : JNL_RAW_FREE;
	jnl_raw_encode(copy, 0, &h, entry);
}

/* What the copy is worth as a whole. */
static int decode(struct jnl_raw_header *h)
{
	int ret = jnl_raw_decode(copy, 0, h);

	return ret ? ret : jnl_raw_decode_table(copy, h, back);
}

/* Give it a right checksum again, whatever it says. */
static void seal(void)
{
	struct jnl_raw_disk *d = (struct jnl_raw_disk *)copy;

	jnl_put64(d->header_sum,
		  jnl_checksum(copy, offsetof(struct jnl_raw_disk, header_sum),
			       jnl_seed(d->uuid)));
}

START_TEST(what_is_written_is_read)
{
	struct jnl_raw_header h;

	encode(sample);
	ck_assert_int_eq(decode(&h), 0);
	ck_assert_uint_eq(h.block_size, sample.block_size);
	ck_assert_uint_eq(h.slot_size, sample.slot_size);
	ck_assert_uint_eq(h.slots, SLOTS);
	ck_assert_uint_eq(h.sequence, 77);
	ck_assert_mem_eq(h.uuid, sample.uuid, sizeof(h.uuid));
	ck_assert_mem_eq(back, entry, SLOTS * sizeof(*entry));
}
END_TEST

START_TEST(a_copy_in_the_place_of_the_other_is_none)
{
	struct jnl_raw_header h;

	encode(sample);
	ck_assert_int_eq(jnl_raw_decode(copy, 1, &h), -ENOENT);
	ck_assert_int_eq(jnl_raw_decode(copy, 0, &h), 0);
}
END_TEST

START_TEST(the_largest_table_fits_its_area)
{
	struct jnl_raw_header h = sample;

	h.slots = JNL_RAW_SLOTS_MAX;
	ck_assert_uint_le(jnl_raw_copy_size(h.slots), JNL_RAW_COPY_MAX);
	encode(h);
	ck_assert_int_eq(decode(&h), 0);
	ck_assert_mem_eq(back, entry, sizeof(entry));
}
END_TEST

START_TEST(every_byte_that_changes_is_noticed)
{
	size_t used = JNL_RAW_HEADER + SLOTS * JNL_RAW_ENTRY;
	struct jnl_raw_header h;

	encode(sample);
	for (size_t i = 0; i < used; i++) {
		copy[i] ^= 1u << i % 8;
		ck_assert_msg(decode(&h) < 0, "byte %zu", i);
		copy[i] ^= 1u << i % 8;
	}
	ck_assert_int_eq(decode(&h), 0);
}
END_TEST

START_TEST(what_is_no_superblock_is_none)
{
	struct jnl_raw_header h;
	uint32_t x = 1;

	memset(copy, 0, sizeof(copy));
	ck_assert_int_eq(jnl_raw_decode(copy, 0, &h), -ENOENT);
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < JNL_RAW_HEADER; i++) {
			x = x * 1664525 + 1013904223;
			copy[i] = (uint8_t)(x >> 24);
		}
		ck_assert_int_lt(jnl_raw_decode(copy, 0, &h), 0);
		memcpy(copy, JNL_RAW_MAGIC, 8);
		ck_assert_int_eq(jnl_raw_decode(copy, 0, &h), -EBADMSG);
	}
}
END_TEST

/* Each field, out of its limits, under a checksum that is right. */
START_TEST(a_field_out_of_its_limits_is_damage)
{
	static const struct {
		size_t at, width;
		uint64_t value;
		int ret;
	} bad[] = {
		{ offsetof(struct jnl_raw_disk, version), 4, 0, -EBADMSG },
		{ offsetof(struct jnl_raw_disk, version), 4, 2,
		  -EPROTONOSUPPORT },
		{ offsetof(struct jnl_raw_disk, incompat), 4, 1,
		  -EPROTONOSUPPORT },
		{ offsetof(struct jnl_raw_disk, compat), 4, 4, 0 },
		{ offsetof(struct jnl_raw_disk, block_size), 4, 0, -EBADMSG },
		{ offsetof(struct jnl_raw_disk, block_size), 4, 2048,
		  -EBADMSG },
		{ offsetof(struct jnl_raw_disk, block_size), 4, 12288,
		  -EBADMSG },
		{ offsetof(struct jnl_raw_disk, block_size), 4, 131072,
		  -EBADMSG },
		{ offsetof(struct jnl_raw_disk, block_size), 4, 65536,
		  -EBADMSG },	/* one block only in a slot */
		{ offsetof(struct jnl_raw_disk, slot_size), 8, 0, -EBADMSG },
		{ offsetof(struct jnl_raw_disk, slot_size), 8, 65537,
		  -EBADMSG },
		{ offsetof(struct jnl_raw_disk, slot_size), 8,
		  (1ull << 40) + 65536, -EBADMSG },
		{ offsetof(struct jnl_raw_disk, first_slot), 8, 4096,
		  -EBADMSG },
		{ offsetof(struct jnl_raw_disk, slots), 8,
		  JNL_RAW_SLOTS_MAX + 1, -EBADMSG },
		{ offsetof(struct jnl_raw_disk, slots), 8, UINT64_MAX,
		  -EBADMSG },
		{ offsetof(struct jnl_raw_disk, copy), 4, 1, -ENOENT },
		{ offsetof(struct jnl_raw_disk, copy), 4, 2, -ENOENT },
		{ offsetof(struct jnl_raw_disk, reserved), 4, 1, -EBADMSG },
		{ sizeof(struct jnl_raw_disk), 8, 1, -EBADMSG },
	};
	struct jnl_raw_header h;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		encode(sample);
		if (bad[i].width == 4)
			jnl_put32(copy + bad[i].at, (uint32_t)bad[i].value);
		else
			jnl_put64(copy + bad[i].at, bad[i].value);
		seal();
		ck_assert_msg(jnl_raw_decode(copy, 0, &h) == bad[i].ret,
			      "case %zu", i);
	}
}
END_TEST

/* A table that is sealed and makes no sense. */
static int table_with(uint64_t a, uint64_t b)
{
	struct jnl_raw_header h = sample;

	h.slots = 3;
	jnl_raw_encode(copy, 0, &h, (uint64_t[]){ a, JNL_RAW_FREE, b });
	return decode(&h);
}

START_TEST(a_segment_in_two_slots_is_damage)
{
	ck_assert_int_eq(table_with(5, 6), 0);
	ck_assert_int_eq(table_with(5, 5), -EBADMSG);
	ck_assert_int_eq(table_with(JNL_RAW_FREE, JNL_RAW_FREE), 0);
}
END_TEST

START_TEST(a_segment_beyond_every_lsn_is_damage)
{
	ck_assert_int_eq(table_with(JNL_LSN_MAX / 65536, 1), 0);
	ck_assert_int_eq(table_with(JNL_LSN_MAX / 65536 + 1, 1), -EBADMSG);
	ck_assert_int_eq(table_with(UINT64_MAX, 1), -EBADMSG);
}
END_TEST

START_TEST(slots_are_what_lies_whole_behind_the_area)
{
	uint64_t area = JNL_RAW_FIRST_SLOT;

	ck_assert_uint_eq(jnl_raw_slots_for(0, 65536), 0);
	ck_assert_uint_eq(jnl_raw_slots_for(area, 65536), 0);
	ck_assert_uint_eq(jnl_raw_slots_for(area + 65535, 65536), 0);
	ck_assert_uint_eq(jnl_raw_slots_for(area + 65536 * 3 + 512, 65536), 3);
	ck_assert_uint_eq(jnl_raw_slots_for(UINT64_MAX, 65536),
			  JNL_RAW_SLOTS_MAX);
}
END_TEST

RUN_SUITE("raw_format", 60, what_is_written_is_read,
	  a_copy_in_the_place_of_the_other_is_none,
	  the_largest_table_fits_its_area, every_byte_that_changes_is_noticed,
	  what_is_no_superblock_is_none, a_field_out_of_its_limits_is_damage,
	  a_segment_in_two_slots_is_damage,
	  a_segment_beyond_every_lsn_is_damage,
	  slots_are_what_lies_whole_behind_the_area)
