/*
 * journal/recycle.h - what becomes of segments that have been given back.
 */
#ifndef JNL_JOURNAL_RECYCLE_H
#define JNL_JOURNAL_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/segment.h"

/*
 * Whether the file of segment number may hold another segment: known to be a
 * whole one, written everywhere, with no other name and no extent that another
 * file shares.  What is not known is no.
 */
bool jnl_segment_recyclable(const struct jnl_dir *dir, uint64_t number);

/*
 * Make segment to of the file of segment from, durably.  -errno; then segment
 * from may be there or not, and to is not, but if *ret_final is set: then
 * nobody can know, and nothing may be retried.
 */
int jnl_segment_recycle(struct jnl_dir *dir, uint64_t from, uint64_t to,
			bool *ret_final);

/*
 * Remove the segments from..below-1, lowest first, and make that durable.  A
 * name that is not there is no error.  *ret_next is the lowest that is left;
 * *ret_final as above.
 */
int jnl_segments_remove(struct jnl_dir *dir, uint64_t from, uint64_t below,
			uint64_t *ret_next, bool *ret_final);

#endif
