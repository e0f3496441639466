/*
 * journal/raw-table.h - which slot of a raw device holds which segment.
 *
 * The table is in memory; what is done to it counts for this process at once
 * and for a crash from the next jnl_table_store() on.  So it is a directory,
 * as a file system has one.
 *
 * Invariants
 *   - A slot is given out only if neither the table in memory nor the one on
 *     the device has a segment in it, and nobody has it open.
 *   - The copy that is written next is never the only one that is known to be
 *     whole and durable; each is flushed before the other one is touched.
 *   - After a failed store nobody can know which table is on the device:
 *     nothing is changed any more.
 *
 * None of these functions takes a lock: journal/raw.c has one around them.
 */
#ifndef JNL_JOURNAL_RAW_TABLE_H
#define JNL_JOURNAL_RAW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/raw-format.h"
#include "lib/sys.h"

/* In memory a word may also stand for a half-made segment. */
#define JNL_TABLE_TMP	(1ull << 63)

/* Slots that lie side by side. */
struct jnl_slots {
	uint64_t first, count;
};

struct jnl_table {
	bool formatted;			/* there is a superblock */
	struct jnl_raw_header h;	/* as loaded or stored last */
	uint64_t slots;			/* h.slots, or more: it has grown */
	uint64_t *now;			/* slots words: as it is in memory */
	uint64_t *disk;			/* ... and on the device */
	unsigned int whole;		/* bit i: copy i says what h does */
	bool settled;			/* and is known to be durable */
	int error;			/* of a failed store */
	uint8_t *buf;			/* to read into, kept */
	size_t buf_len;
	/* Why the last load has failed, or "". */
	char trouble[200];
};

/*
 * Read the table from the device that fd has open with O_DIRECT; what is in
 * memory is forgotten, also on failure.  A device without a superblock is not
 * an error: not formatted, no slots.
 *
 *   -EBADMSG          damaged, or a segment lies behind the device's end
 *   -EPROTONOSUPPORT  of a newer version
 *   other             as the system says; *t has it in words too
 */
int jnl_table_load(struct jnl_table *t, struct jnl_sys *sys, int fd);

/* mapped: false in a child of fork(2), where the buffer is not. */
void jnl_table_fini(struct jnl_table *t, bool mapped);

/* Whether memory and device differ. */
bool jnl_table_dirty(const struct jnl_table *t);

/*
 * Make the table in memory the one on the device, durably: fd as above, open
 * for writing.  It should be fresh: an fsync tells an open file of what has
 * failed since it was opened, for whomever.  If they are the same nothing is
 * written, but with heal a copy that is not whole.  0 or the first failure.
 */
int jnl_table_store(struct jnl_table *t, struct jnl_sys *sys, int fd,
		    bool heal);

/*
 * Make an empty table of g's shape, on a device that may hold anything.  With
 * wipe the area before the slots, and the last MiB of the device, where others
 * have their signatures, are made zero first.  -ENOSPC: less than two slots.
 */
int jnl_table_format(struct jnl_table *t, struct jnl_sys *sys, int fd,
		     const struct jnl_segment_header *g, bool wipe);

/* 1 if the places where signatures are hold nothing but zeros, 0 if not, or
 * -errno. */
int jnl_table_blank(struct jnl_sys *sys, int fd);

/* As many slots as the device has room for now, if it has grown. */
int jnl_table_grow(struct jnl_table *t, struct jnl_sys *sys, int fd);

/* The slot of a word, or UINT64_MAX. */
uint64_t jnl_table_find(const struct jnl_table *t, uint64_t word);

/*
 * Slots that hold nothing, in memory and on the device, and are not among the
 * n ranges taken: the first want side by side, or the most there are (count 0:
 * none).
 */
struct jnl_slots jnl_table_free(const struct jnl_table *t,
				const struct jnl_slots *taken, size_t n,
				uint64_t want);

#endif
