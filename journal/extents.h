/*
 * journal/extents.h - where a segment's bytes lie, as far as FIEMAP tells.
 */
#ifndef JNL_JOURNAL_EXTENTS_H
#define JNL_JOURNAL_EXTENTS_H

#include <stdint.h>

#include "journal/segment.h"

struct jnl_extents {
	/*
	 * A power of two: every extent begins at a multiple of it in the file,
	 * and at the same place modulo it on the device, counted from start.
	 * So what is aligned to as much or less in the file is so on the
	 * device too, and in one piece.
	 */
	uint64_t alignment;
};

/*
 * Look at the extents of a file up to size; start: where its file system begins
 * on the device.  0 if every byte lies in a written extent that no other file
 * shares.  What is not known is no: -EUCLEAN if an extent is anything else,
 * -EFBIG if there are too many, or what FIEMAP said.
 *
 * Only an fsync before it makes the answer hold after a crash: FIEMAP calls an
 * extent written whose conversion is not committed yet.
 */
int jnl_extents_look(const struct jnl_dir *dir, int fd, uint64_t size,
		     uint64_t start, struct jnl_extents *ret_extents);

#endif
