/*
 * journal/replace.h - a new file in the place of a failed segment.
 */
#ifndef JNL_JOURNAL_REPLACE_H
#define JNL_JOURNAL_REPLACE_H

#include <stddef.h>
#include <stdint.h>

#include "journal/segment.h"

/* A batch's image, and where in the segment it goes. */
struct jnl_piece {
	const uint8_t *image;
	uint64_t offset;
	uint32_t size;
};

/*
 * Put a new file in the place of segment number, to which a write or flush
 * has failed: what the old one holds below keep (an offset, 0 for nothing;
 * read from the medium and verified), then the pieces, in order and without a
 * gap, then zeros.  Durable when it returns 0; any failure is final.  The old
 * file goes with its last descriptor.
 */
int jnl_segment_replace(struct jnl_dir *dir, uint64_t number, uint64_t keep,
			const struct jnl_piece *piece, size_t pieces);

#endif
