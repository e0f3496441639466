/*
 * journal/raw.h - a raw block device or partition as a journal's directory.
 *
 * A table of system calls over another one: openat, rename, unlink, list and
 * the fsync of the directory work on the device's table of slots
 * (journal/raw-table.h), everything else goes to the device at the slot's
 * base, within its bounds.  So whatever is above knows nothing of devices, and
 * the order of steps that holds on a file system holds here.
 *
 * Invariants
 *   - Each descriptor that is given out is an open file of its own on the
 *     device: what is locked, registered in a ring, or told once about a failed
 *     flush, is what it would be with files.
 *   - Nothing is written before the lock is held for writing, and with it the
 *     device, exclusively (O_EXCL: no mount, no other such opener).  Both stay
 *     as long as that one open file does, so also with a dead writer's ring.
 *   - A slot that anybody has open is not given out again: a descriptor of a
 *     removed segment means what it held, as with files.
 *
 *   - What a measurement writes lies in slots that hold nothing, and they stay
 *     set aside for as long as a write of it may still be under way.
 *
 * What it does not have: names but segments, "lock", "choice" and the probe's
 * scratch files; files of another size than a slot's; ftruncate.
 */
#ifndef JNL_JOURNAL_RAW_H
#define JNL_JOURNAL_RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/format.h"
#include "journal/recover.h"
#include "lib/sys.h"

/*
 * Open the block device path.  Returns a descriptor that stands for the
 * directory, and puts a table of its own over *sys, which lives until the last
 * descriptor that it gave out is closed.  -ENOTDIR if path is no block device,
 * else what the system says; *sys is left alone then.
 */
int jnl_raw_open(struct jnl_sys **sys, const char *path);

/* The functions below are for any table; of another one the answer is that of
 * a journal in a directory. */

bool jnl_is_raw(const struct jnl_sys *sys);

/* Where the file begins on what fd has open; for whoever hands fd to a ring. */
uint64_t jnl_raw_base(struct jnl_sys *sys, int fd);

/*
 * Whether a device that holds no journal holds something else: 0 if not,
 * -EEXIST if it does, and text says what if that is known ("" if not).  The
 * lock must be held.
 */
int jnl_raw_blank(struct jnl_sys *sys, char *text, size_t size);

/*
 * Make the device an empty journal of g's shape; the lock must be held.  wipe:
 * whatever it holds.  -ENOSPC: less than two segments have room.
 */
int jnl_raw_format(struct jnl_sys *sys, const struct jnl_segment_header *g,
		   bool wipe);

/*
 * Make both copies of the superblock whole again, if a crash has left one that
 * is not.  Opening does it once the journal is found sound.  A failure shows
 * when the next segment is made.
 */
void jnl_raw_heal(struct jnl_sys *sys);

/* -EXDEV if the segments (g: the newest one's header) are not the device's. */
int jnl_raw_check(struct jnl_sys *sys, const struct jnl_segment_header *g);

/*
 * Set room aside for a measurement: two files without a name (O_TMPFILE), one
 * with O_DIRECT and one without, each of the returned size, a multiple of
 * 1 MiB and at most most.  0: too few slots are free, or none can be taken as
 * the lock is not held for writing.
 */
uint64_t jnl_raw_room(struct jnl_sys *sys, uint64_t most);

/* Its slots may be used again: nothing is under way to them any more. */
void jnl_raw_room_end(struct jnl_sys *sys);

/* How many slots there are, 0 in a directory. */
uint64_t jnl_raw_slots(struct jnl_sys *sys);

/* If the superblock is what is damaged: that, in words. */
void jnl_raw_explain(struct jnl_sys *sys, struct jnl_damage *damage);

#endif
