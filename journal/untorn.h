/*
 * journal/untorn.h - which writes to a segment cannot tear.
 *
 * A batch that is written whole or not at all, and says so, is damage when it
 * is found in part: then nobody need take it for one that never was.  That
 * rests on three promises, and the smallest counts: the drive's, for a power
 * cut (struct jnl_untorn, from the probe); the kernel's and the file system's,
 * that RWF_ATOMIC is one command; and that what is aligned in the file is so
 * on the namespace, which only the extents tell.
 *
 * It is tried before anything is marked: a batch that was sealed as untorn
 * cannot be written in another way.
 */
#ifndef JNL_JOURNAL_UNTORN_H
#define JNL_JOURNAL_UNTORN_H

#include <stdint.h>

#include "journal/core.h"

/*
 * For a segment's file, filled and fsynced, in which nothing is or will be
 * written from offset on until this returns: the power of two of bytes up to
 * which a write with RWF_DSYNC and RWF_ATOMIC cannot tear, at a multiple of
 * its length, or 0; *ret_why then says why in words.  Writes zeros there.
 */
uint32_t jnl_untorn_look(const struct jnl_dir *dir,
			 const struct jnl_untorn *promise, int fd,
			 uint64_t offset, const char **ret_why);

/*
 * For a journal that has just been opened, whose open batch ends at end: what
 * cannot tear in the segments that are there (filled: all of them to their
 * ends).  Says so in the trail.
 */
void jnl_untorn_begin(journal *j, uint64_t end, bool filled);

#endif
