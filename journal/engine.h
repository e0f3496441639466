/*
 * journal/engine.h - the commit engine: what to do next, without doing it.
 *
 * Records go in; the engine answers with actions (write this image there,
 * flush that segment) and is told how each ended.  It does no I/O, takes no
 * lock and never blocks: a driver holds a lock around it, carries actions out
 * without the lock and wakes who waits.
 *
 * Invariants
 *   - A batch lies behind the one before it, or, after a skip batch, in the
 *     first block of the next segment.  There is never a second place.
 *   - Positions are fixed when a record is appended, headers (prev_sum,
 *     durable, trim) when the batch is handed out for writing, in LSN order.
 *   - The frontier moves in LSN order over batches that are durable: written
 *     with RWF_DSYNC, or written and then covered by a flush of their segment
 *     that was handed out after the write had completed.
 *   - At most queue_depth batches, skip batches not counted, are handed out
 *     and not below the frontier.
 *   - No batch is placed beyond what is ready: an existing segment and, in
 *     segment 0 of a young journal, ready_end.
 *   - At most one flush is outstanding.
 *   - A batch is marked untorn only where its write is durable itself and
 *     whole or nothing, and, once a write or flush has failed, never again.
 *   - Trim never goes back and never beyond the frontier.  Every batch carries
 *     what was asked when it was sealed, and so lies above it; only what a
 *     batch below the frontier carries may free anything.
 *   - While the next segment is not there, the last block of this one is kept
 *     for a watermark that carries a trim: where there is no room for another
 *     segment, giving records back makes some.
 *   - After a failed write or flush nothing is handed out until everything
 *     outstanding has ended; then, lowest first, each segment with a failed
 *     batch is to be replaced by a file that holds the same images.  A failed
 *     replacement ends it: nothing is handed out, no frontier moves, error
 *     keeps the first errno.
 */
#ifndef JNL_JOURNAL_ENGINE_H
#define JNL_JOURNAL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define JNL_DEPTH_DEFAULT	4u
#define JNL_DEPTH_MAX		64u

struct jnl_engine_config {
	uint64_t segment_size;
	uint32_t block_size;
	uint32_t record_max;
	uint32_t queue_depth;
	uint64_t seed;
	bool dsync;		/* a completed write is durable */
};

/* What cannot tear in a segment: jnl_engine_untorn(). */
struct jnl_untorn_batches {
	uint64_t segment;
	uint32_t max;		/* bytes; 0: anything can */
};

enum jnl_batch_state {
	JNL_GATHERING,		/* takes records */
	JNL_CLOSED,		/* position and records fixed, not handed out */
	JNL_WRITING,		/* handed out */
	JNL_WRITTEN,		/* complete, not known durable */
	JNL_FAILED,		/* its write or its flush has failed */
	JNL_DURABLE,		/* durable, but one before it is not */
};

struct jnl_batch {
	enum jnl_batch_state state;
	uint64_t lsn;		/* position */
	uint64_t end;		/* position behind it (skip: segment end) */
	uint32_t flags;		/* JNL_BATCH_* */
	uint32_t count;
	uint32_t body_len;
	uint64_t size_max;	/* gathering: what image and segment hold */
	uint32_t size;		/* bytes to write, block aligned; set at hand-out */
	uint32_t solid;		/* gathering: body up to its last record's end */
	/* Its open reservations (journal/reserve.h); not once it is sealed. */
	struct jnl_reserved *open_first, *open_last;
	uint8_t *image;
	uint32_t flush_id;	/* the outstanding flush that covers it, or 0 */
	uint64_t trim;		/* as its header has it */
	bool dsync;		/* to be written so that it is durable then */
	bool doubtful;		/* a flush has failed since it was handed out */
};

enum jnl_action_kind {
	JNL_ACT_NONE,		/* nothing now */
	JNL_ACT_WRITE,		/* write batch->image, batch->size, at lsn, as
				 * batch->dsync and JNL_BATCH_UNTORN say */
	JNL_ACT_FLUSH,		/* flush the file of segment */
	JNL_ACT_REPLACE,	/* replace segment's file: jnl_engine_image() */
};

struct jnl_action {
	enum jnl_action_kind kind;
	struct jnl_batch *batch;	/* JNL_ACT_WRITE */
	uint64_t segment;		/* all */
	uint64_t offset;		/* JNL_ACT_WRITE: in the segment's file */
	uint32_t flush_id;		/* JNL_ACT_FLUSH */
};

struct jnl_engine {
	struct jnl_engine_config cfg;
	uint64_t frontier;	/* first byte that is not durable */
	uint64_t tail;		/* where the next batch begins (or follows) */
	uint64_t prev_sum;	/* header_sum of the last batch handed out */
	uint64_t trim;		/* asked: every later header carries it */
	uint64_t trim_carried;	/* by the last batch handed out */
	uint64_t trim_durable;	/* by a batch below the frontier */
	bool marked;		/* the last batch handed out is a watermark */
	bool needy;		/* an append was refused for want of a segment */
	uint64_t segments;	/* segments below this number are there */
	uint64_t ready_end;	/* nothing is placed beyond it */
	uint64_t wanted;	/* everything below it is to become durable */
	bool hold;		/* the driver's: let the last batch gather */
	uint32_t batch_max;	/* bytes of an image */
	uint32_t flushing;	/* id of the outstanding flush, or 0 */
	uint32_t flush_seq;
	bool replacing;		/* a replacement is outstanding */
	int fault;		/* why the newest replacement was needed */
	struct jnl_untorn_batches untorn[2];	/* of odd and even segments */
	int error;		/* 0 or the first negative errno */

	/* Batches from the frontier on, in LSN order, a ring. */
	struct jnl_batch *queue;
	uint32_t queue_len;	/* slots */
	uint32_t head;		/* oldest */
	uint32_t used;		/* how many */
	uint64_t passed;	/* how many came below the frontier, ever */
	uint32_t unacked;	/* handed out, not skip */

	/* Memory of the images: free lists of data and skip images. */
	uint8_t *memory;
	size_t memory_len;
	uint8_t **free_data;
	uint32_t free_data_n;
	uint32_t kept;		/* of these, not for the queue: for copies */
	struct jnl_reservations *reservations;	/* NULL: none was ever made */
	uint8_t **free_skip;
	uint32_t free_skip_n;

	/* Counted since the start. */
	uint64_t commits, records, payload, flushes, replacements;
	uint64_t batch_records[24];	/* by their binary logarithm */
};

/* Allocates the images. -ENOMEM, or 0. */
int jnl_engine_init(struct jnl_engine *e, const struct jnl_engine_config *cfg);
void jnl_engine_fini(struct jnl_engine *e);

/*
 * Begin behind a durable open batch: end is its end (the frontier), prev_sum
 * its header_sum, trim as it carried it.  Segments below number segments are
 * there, and nothing lies ready beyond ready_end (UINT64_MAX: no such limit).
 */
void jnl_engine_start(struct jnl_engine *e, uint64_t end, uint64_t prev_sum,
		      uint64_t trim, uint64_t segments, uint64_t ready_end);

/*
 * Append a record of len bytes in iovcnt pieces.  0 and its LSN, or
 *   -EAGAIN    every image is in use: carry actions out, then again
 *   -EBUSY     needs a segment or a part of segment 0 that is not ready
 *   -EMSGSIZE  larger than record_max
 *   -EFBIG     the journal has used up every LSN
 *   e->error   failed for good
 * Nothing changes when it is refused, but that the gathering batch may close.
 */
int jnl_engine_append(struct jnl_engine *e, const struct iovec *iov,
		      int iovcnt, uint64_t len, uint64_t *ret_lsn);

/*
 * Append count records, one a piece, to one batch: all of them are there after
 * a crash, or none.  As jnl_engine_append(); -EMSGSIZE if they are too large
 * together for a batch.  ret_lsn takes count LSNs, or is NULL.
 */
int jnl_engine_append_group(struct jnl_engine *e, const struct iovec *record,
			    int count, uint64_t *ret_lsn);

/*
 * The batch that takes need bytes of records next: the gathering one, or a new
 * one if it is too full.  Refused as jnl_engine_append() is.
 */
int jnl_engine_room(struct jnl_engine *e, uint64_t need,
		    struct jnl_batch **ret_batch);

/* The batch that gathers, or NULL. */
struct jnl_batch *jnl_engine_gathering(struct jnl_engine *e);

/* Take the gathering batch, which has become empty, out of the queue. */
void jnl_engine_drop(struct jnl_engine *e);

/* Ask that everything below lsn becomes durable. */
void jnl_engine_want(struct jnl_engine *e, uint64_t lsn);

/*
 * Give back what lies below lsn.  Less than was given back already changes
 * nothing.  -EINVAL above the frontier, or e->error.
 */
int jnl_engine_trim(struct jnl_engine *e, uint64_t lsn);

/*
 * Segments below this number hold nothing any more and may go.  A segment that
 * holds a batch which is needed to open the journal is never among them.
 */
uint64_t jnl_engine_free_below(const struct jnl_engine *e);

/* Whether segments would be free if the trim that was asked were durable. */
bool jnl_engine_trim_pending(const struct jnl_engine *e);

/*
 * Queue a watermark batch if it is useful: nothing gathers or waits, and the
 * last header carries less than the frontier, or another trim than was asked.
 * False if there is no use, or no room that is ready.  A batch in which
 * nothing but open reservations gather gives way; if it has left a skip batch
 * behind, that is wanted first, and true returned.
 */
bool jnl_engine_mark(struct jnl_engine *e);

/* The next thing to do; kind is JNL_ACT_NONE if there is nothing now. */
void jnl_engine_next(struct jnl_engine *e, struct jnl_action *ret_act);

/*
 * The i-th batch that a replacement of segment has to write, oldest first, or
 * NULL past the last.  They stay as they are until the action is done.
 */
const struct jnl_batch *jnl_engine_image(const struct jnl_engine *e,
					 uint64_t segment, uint32_t i);

/*
 * From the next batch on that is handed out a completed write is durable.
 * Those that are out already still get their flush.
 */
void jnl_engine_dsync(struct jnl_engine *e);

/*
 * In this segment a durable write of a power of two of bytes, at most max, at
 * a multiple of its length, is on the medium whole or not at all: such batches
 * are marked JNL_BATCH_UNTORN.  Of two segments at most this is remembered.
 */
void jnl_engine_untorn(struct jnl_engine *e, uint64_t segment, uint32_t max);

/* What was told of the segment that the next batch goes to, or 0 if batches
 * are not marked there. */
uint32_t jnl_engine_untorn_max(const struct jnl_engine *e);

/* How an action ended: 0 or a negative errno. */
void jnl_engine_done(struct jnl_engine *e, const struct jnl_action *act,
		     int err);

/*
 * Tell that a flush has failed which the engine did not ask for, of any file on
 * the same drive: what rests on a flush is to be written anew, since a later
 * one would say nothing of what the drive lost with this one.
 */
void jnl_engine_doubt(struct jnl_engine *e);

/* End it with err (negative), unless it has ended. */
void jnl_engine_fail(struct jnl_engine *e, int err);

/* Where what was appended ends: the end of the gathering batch's last record,
 * rounded up to its block.  Reservations behind it do not count. */
uint64_t jnl_engine_end(const struct jnl_engine *e);

/*
 * The place in the queue of the batch that lsn lies in, which is not durable
 * (frontier <= lsn < jnl_engine_end()).  The n-th batch ever has place n modulo
 * queue_len; passed is the number of the oldest.
 */
uint32_t jnl_engine_slot(const struct jnl_engine *e, uint64_t lsn);

/*
 * The number of the segment that should be made now, or UINT64_MAX: one spare
 * ahead once the last one is in use by a quarter, at once if one is needed.
 */
uint64_t jnl_engine_wants_segment(const struct jnl_engine *e);

/* Tell that segment number (== e->segments) may take batches. */
void jnl_engine_segment_ready(struct jnl_engine *e, uint64_t number);

/* The binary logarithm of v, rounded down, but below limit: a histogram's
 * element. */
uint32_t jnl_log2(uint64_t v, uint32_t limit);

/* Tell how far segment 0 is filled (UINT64_MAX: to its end). */
void jnl_engine_ready_end(struct jnl_engine *e, uint64_t ready_end);

#endif
