/*
 * journal/reader.h - the reader: what reader.c, read-many.c and whatever waits
 * at a reader's end share.
 *
 * Invariants
 *   - pos is behind the current batch, prev its header_sum (if linked).  The
 *     next batch lies at jnl_next_place(pos) and links to prev.
 *   - Nothing at or above at.rec.end is given out; the batch that ends there
 *     has at.rec.last_sum.
 *   - A failure stays (error_code) until the next seek.
 *   - body, body_lsn, body_len and body_off are the rest of the current batch,
 *     in the view, judged: good until the view is asked for something else.
 *   - *ready is body_len, or 0: what lies below it may be given out with no
 *     further look.  It is 0 in a child of fork(2), where the view is not, and
 *     while records below from are to be passed over.
 */
#ifndef JNL_JOURNAL_READER_H
#define JNL_JOURNAL_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/core.h"
#include "journal/view.h"

struct journal_reader {
	struct jnl_sys *sys;
	char *path;
	uint8_t *alive;			/* 0 in a child of fork(2) */
	uint32_t *ready;		/* in the same memory */
	struct jnl_attached at;
	struct jnl_view view;
	bool stale;			/* what recovery found has been given back */
	int error_code;			/* 0, or what next() returns */
	struct journal_error error;

	uint64_t pos;			/* behind the current batch */
	uint64_t prev;			/* its header_sum */
	bool linked;			/* prev is known */
	uint64_t from;			/* give out no record below it */
	/* The rest of the current batch, in the view. */
	const uint8_t *body;
	uint64_t body_lsn;
	uint32_t body_len, body_off;
	bool alike;			/* all its records are as the first */
	uint64_t usual;			/* a length that recurs, as its word */
	uint32_t usual_size;		/* what such a record takes in a body */
	struct jnl_many *many;		/* of journal_read_many(), or NULL */
	struct jnl_tail *tail;		/* for waiting at the end, or NULL */
};

/* Keep code as what the reader returns until the next seek; returns code. */
int jnl_reader_failed(journal_reader *r, int code);

/*
 * Recover anew: at and view are those of now, where the reader stands is left
 * alone.  0, or an error that is kept.
 */
int jnl_reader_attach(journal_reader *r);

/* Free what journal_read_many() has kept.  mapped: false in a child of fork(2),
 * where its buffers are not. */
void jnl_many_free(journal_reader *r, bool mapped);

/* A writer has given back what was to come next: -ERANGE, kept.  first is
 * where the journal begins now. */
int jnl_reader_overtaken(journal_reader *r, uint64_t first);

/* The system's error at lsn, kept. */
int jnl_reader_system_error(journal_reader *r, int code, uint64_t lsn);

/* ------------------------------------------------------------------------
 * journal/follow.c
 */

/*
 * Whether batches that link lie between the end that is known and lsn: the
 * writer at work has not said yet that they are durable.
 */
bool jnl_tail_reaches(journal_reader *r, uint64_t lsn);

/* Drop what is open of the segments; they are about to be attached anew. */
void jnl_tail_forget(journal_reader *r);
void jnl_tail_free(journal_reader *r);

/*
 * Look once whether the journal has grown, and move the end on.  1, 0 or an
 * error that is kept.  Only with everything below the end read.
 */
int jnl_tail_look(journal_reader *r);

#endif
