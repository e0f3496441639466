/*
 * journal/recover.h - finding the end of a journal, and telling it from damage.
 *
 * Recovery reads; it changes nothing but what fsync changes.  It answers with
 * where the journal ends, or with damage; it never shortens a journal below a
 * position that a surviving header says was durable.
 */
#ifndef JNL_JOURNAL_RECOVER_H
#define JNL_JOURNAL_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/format.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "journal/view.h"

enum jnl_recover_mode {
	/* The writer's lock is held: sync what is read, read past the cache. */
	JNL_RECOVER_LOCKED,
	/* The same for a reader that keeps writers out. */
	JNL_RECOVER_SHARED,
	/* A writer is at work: end at the newest watermark, sync nothing. */
	JNL_RECOVER_LIVE,
};

struct jnl_recovery {
	struct jnl_segment_header geometry;	/* of the newest segment */
	uint64_t seed;
	uint64_t oldest;	/* a: lowest of the run of good segments */
	uint64_t newest;	/* b */
	uint64_t watermark;	/* D: largest durable in the newest headers */
	uint64_t end;		/* x: behind the last batch that counts */
	uint64_t last_sum;	/* header_sum of that batch, 0 if none */
	uint64_t last_durable;	/* its watermark */
	uint64_t trim;		/* its trim */
	uint64_t first;		/* first LSN that may hold a record */
	uint64_t tail_bytes;	/* in blocks behind x that are not zero */
	uint32_t tail_batches;	/* headers with a good checksum there */
};

/* What kind of thing is wrong; journal_verify() reports it. */
struct jnl_damage {
	enum journal_finding finding;
	uint64_t lsn;
	uint64_t bytes;		/* how much it covers, 0 if not known */
	uint64_t segments;	/* files that were listed */
	char file[JNL_SEGMENT_NAME_LEN];	/* "" for the directory */
	char message[400];
};

/*
 * Recover the journal whose segments names lists.  view is initialised, reads
 * past the cache, and afterwards knows the geometry.
 *
 * 0 and *ret_rec; -EBADMSG, -ENODATA, -EXDEV or -EPROTONOSUPPORT and *ret_damage;
 * or what the system says.
 */
int jnl_recover(struct jnl_view *view, const struct jnl_names *names,
		enum jnl_recover_mode mode,
		struct jnl_recovery *ret_rec, struct jnl_damage *ret_damage);

/* Where the batch after one that ends at end begins. */
static inline uint64_t jnl_next_place(uint64_t end, uint64_t segment_size,
				      uint32_t block_size)
{
	return end % segment_size ? end : end + block_size;
}

/*
 * The batch at lsn, judged.  prev: the sum it must link to, NULL if any.
 *   1   it counts: *ret_h and, for all of it, *ret_p (in the view)
 *   0   nothing that links lies there
 *   2   it links, and its body is not what was written: a torn tail, or damage
 *   -EBADMSG   it links, and no sound writer wrote it so
 *   other      as reading says
 */
int jnl_batch_at(struct jnl_view *view, uint64_t lsn, uint64_t seed,
		 const uint64_t *prev, struct jnl_batch_header *ret_h,
		 const uint8_t **ret_p);

#endif
