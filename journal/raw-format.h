/*
 * journal/raw-format.h - the superblock of a raw device: pure bytes, no I/O.
 *
 * A journal on a block device without a file system has its segments in slots
 * of one size, behind an area of 2 MiB:
 *
 *   0         copy 0 of the superblock and its table of slots
 *   960 KiB   a note: the writer's process number, for people
 *   976 KiB   what was measured to be fastest here (journal/choice.h), as text
 *             and zeros behind it; it counts for nothing else
 *   1 MiB     copy 1
 *   1984 KiB  scratch for what is tried before the journal is opened
 *   2 MiB     slot 0, slot 1, ...
 *
 * A copy is a header block and, behind it, one word for each slot: 0 if it is
 * free, else the number of its segment and 1.  Both copies say the same but
 * while they are written, one after the other; of two that differ the one with
 * the higher sequence is the newer.  So the loss of either takes nothing away.
 *
 * A copy counts if and only if
 *   (1) magic and header_sum are right, the rest of the header block is zero,
 *       and it is the copy that belongs in this place: a partition that begins
 *       at 1 MiB has its copy 0 where its disk would have copy 1,
 *   (2) each value is within its limits,
 *   (3) table_sum is right, and no segment is in two slots.
 *
 * doc/journal-format.5 is the same for people who write a reader.
 */
#ifndef JNL_JOURNAL_RAW_FORMAT_H
#define JNL_JOURNAL_RAW_FORMAT_H

#include "journal/format.h"

#define JNL_RAW_VERSION		1u
#define JNL_RAW_MAGIC		"\x89JNLRAW\n"
#define JNL_RAW_COPIES		2
#define JNL_RAW_COPY_STRIDE	(1024u * 1024)
#define JNL_RAW_COPY_MAX	(960u * 1024)
#define JNL_RAW_NOTE		(960u * 1024)
#define JNL_RAW_NOTE_LEN	64u
#define JNL_RAW_CHOICE		(976u * 1024)
#define JNL_RAW_CHOICE_LEN	8192u
#define JNL_RAW_SCRATCH		(1984u * 1024)
#define JNL_RAW_SCRATCH_LEN	(64u * 1024)
#define JNL_RAW_FIRST_SLOT	(2048u * 1024)
/* What a copy is read and written in: the largest logical block there is. */
#define JNL_RAW_UNIT		(64u * 1024)
#define JNL_RAW_HEADER		4096u
#define JNL_RAW_ENTRY		8u
#define JNL_RAW_SLOTS_MAX	((JNL_RAW_COPY_MAX - JNL_RAW_HEADER) / \
				 JNL_RAW_ENTRY)

struct jnl_raw_disk {
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t compat[4];		/* unknown bits may be ignored */
	uint8_t incompat[4];		/* unknown bits: do not touch */
	uint8_t block_size[4];
	uint8_t uuid[JNL_UUID_LEN];	/* the journal's */
	uint8_t slot_size[8];		/* the segment size */
	uint8_t first_slot[8];
	uint8_t slots[8];		/* words in the table */
	uint8_t sequence[8];
	uint8_t table_sum[8];		/* XXH3-64 of the table */
	uint8_t copy[4];		/* which one this is: 0 or 1 */
	uint8_t reserved[36];		/* zero, if no compat bit says more */
	uint8_t header_sum[8];		/* XXH3-64 of the 120 bytes before it */
};
static_assert(sizeof(struct jnl_raw_disk) == 128, "superblock");
static_assert(offsetof(struct jnl_raw_disk, uuid) == 24, "uuid");
static_assert(offsetof(struct jnl_raw_disk, slot_size) == 40, "slot_size");
static_assert(offsetof(struct jnl_raw_disk, slots) == 56, "slots");
static_assert(offsetof(struct jnl_raw_disk, table_sum) == 72, "table_sum");
static_assert(offsetof(struct jnl_raw_disk, copy) == 80, "copy");
static_assert(offsetof(struct jnl_raw_disk, header_sum) == 120, "sum");
/* One sector, so that a torn write cannot tear it. */
static_assert(sizeof(struct jnl_raw_disk) <= 512, "a sector");
static_assert(JNL_RAW_COPY_MAX % JNL_RAW_UNIT == 0 &&
	      JNL_RAW_NOTE >= JNL_RAW_COPY_MAX &&
	      JNL_RAW_NOTE + JNL_RAW_UNIT <= JNL_RAW_COPY_STRIDE &&
	      JNL_RAW_CHOICE >= JNL_RAW_NOTE + JNL_RAW_NOTE_LEN &&
	      JNL_RAW_CHOICE + JNL_RAW_CHOICE_LEN <= JNL_RAW_COPY_STRIDE &&
	      JNL_RAW_SCRATCH >= JNL_RAW_COPY_STRIDE + JNL_RAW_COPY_MAX &&
	      JNL_RAW_SCRATCH + JNL_RAW_SCRATCH_LEN <= JNL_RAW_FIRST_SLOT,
	      "the areas do not overlap, and share no page");
static_assert(JNL_RAW_FIRST_SLOT % JNL_BLOCK_MAX == 0 &&
	      JNL_SEGMENT_MIN % JNL_BLOCK_MAX == 0, "slots are aligned");

struct jnl_raw_header {
	uint32_t version;
	uint32_t compat, incompat;
	uint32_t block_size;
	uint8_t uuid[JNL_UUID_LEN];
	uint64_t slot_size;
	uint64_t slots;
	uint64_t sequence;
};

/* A word of the table, and what it stands for. */
#define JNL_RAW_FREE	0
static inline uint64_t jnl_raw_entry(uint64_t number)
{
	return number + 1;
}

/* Bytes of a copy with so many slots, in whole units. */
static inline uint64_t jnl_raw_copy_size(uint64_t slots)
{
	uint64_t n = JNL_RAW_HEADER + slots * JNL_RAW_ENTRY;

	return (n + JNL_RAW_UNIT - 1) / JNL_RAW_UNIT * JNL_RAW_UNIT;
}

/* Where slot i begins. */
static inline uint64_t jnl_raw_place(uint64_t slot_size, uint64_t i)
{
	return JNL_RAW_FIRST_SLOT + i * slot_size;
}

/* How many slots a device of size bytes has room for. */
uint64_t jnl_raw_slots_for(uint64_t size, uint64_t slot_size);

/* Fill jnl_raw_copy_size(h->slots) bytes at p, as copy 0 or 1. */
void jnl_raw_encode(uint8_t *p, unsigned int copy,
		    const struct jnl_raw_header *h, const uint64_t *entry);

/*
 * Read the header of copy 0 or 1 from JNL_RAW_HEADER bytes at p.
 *   -ENOENT           no magic, or the other copy: there is no superblock
 *   -EBADMSG          a damaged one
 *   -EPROTONOSUPPORT  a sound one of a newer version or with incompat flags
 */
int jnl_raw_decode(const uint8_t *p, unsigned int copy,
		   struct jnl_raw_header *ret_h);

/*
 * Read the table from the copy at p, all of it, into entry (h->slots words).
 * -EBADMSG if it is damaged, or -ENOMEM.
 */
int jnl_raw_decode_table(const uint8_t *p, const struct jnl_raw_header *h,
			 uint64_t *entry);

#endif
