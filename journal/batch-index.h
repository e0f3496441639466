/*
 * journal/batch-index.h - which batch holds a position.
 *
 * An LSN does not say where its batch begins; the chain of headers does, from
 * the first block of its segment on.  The index remembers what it has walked,
 * so that a position below that costs no I/O.
 *
 * Invariants
 *   - Every entry's header was good, sane and linked to the one before it in
 *     its segment; bodies were not looked at.
 *   - It is bounded: a segment has at most segment_max entries (of longer
 *     chains every second, fourth ... batch is kept, and the rest walked to),
 *     all of them total_max or one segment's; beyond that the segment that was
 *     asked for longest ago is forgotten.
 *   - What was found stays right as long as the file holds that segment: below
 *     a journal's end nothing is written again.  Who reads a batch compares its
 *     sum, and has the segment forgotten if it differs.
 *
 * Not for several threads at a time.
 */
#ifndef JNL_JOURNAL_BATCH_INDEX_H
#define JNL_JOURNAL_BATCH_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/recover.h"
#include "journal/view.h"

struct jnl_batch_place {
	uint64_t lsn;		/* where it begins */
	uint64_t sum;		/* its header's */
	uint64_t size;		/* padding included; of a hole all of it */
	bool hole;		/* JNL_BATCH_HOLE */
	bool skip;		/* JNL_BATCH_SKIP: behind it lies none */
};

struct jnl_index_segment;

struct jnl_index {
	struct jnl_index_segment **segment;	/* in no order */
	uint32_t count, room;
	uint32_t entries;	/* of all of them */
	uint32_t segment_max;	/* even */
	uint32_t total_max;
	uint64_t clock;		/* counts questions */
};

void jnl_index_init(struct jnl_index *x, uint32_t segment_max,
		    uint32_t total_max);
void jnl_index_fini(struct jnl_index *x);
void jnl_index_forget(struct jnl_index *x, uint64_t number);

/*
 * The batch that lsn lies in, which is below rec->end and at or above
 * rec->first; headers are read through view.
 *   0          *ret_place
 *   -EINVAL    it lies in no batch
 *   -ENODATA   it lies in a hole
 *   -EBADMSG   the chain of headers does not lead there
 *   -ENOMEM    or as reading says
 */
int jnl_index_find(struct jnl_index *x, struct jnl_view *view,
		   const struct jnl_recovery *rec, uint64_t lsn,
		   struct jnl_batch_place *ret_place);

#endif
