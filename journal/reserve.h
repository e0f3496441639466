/*
 * journal/reserve.h - places in the gathering batch that are filled later.
 *
 * A reservation is space in the image of a batch, taken as an append takes it:
 * what comes behind it has its LSN already.  Whoever has it fills it without
 * the lock, while the batch gathers on, and then publishes or abandons it.
 *
 * Nobody waits for one.  A batch that is handed out while a reservation in it
 * is open is copied: its open places become voids in the copy, which is what
 * is written; the old image stays with the reservations, which are late now.
 * A late one is appended, by copy, when it is published.
 *
 * Invariants
 *   - An image that is handed out has no open reservation: its bytes never
 *     change while they are summed or written.
 *   - Space behind the last record of a gathering batch is no promise to
 *     anybody: the batch ends before it when it is handed out.
 *   - For every batch in the queue with open reservations there is a free
 *     image that nothing else takes (kept >= booked), so a copy can always be
 *     made; and the queue's own images are as many as without reservations.
 *   - A closed batch with open reservations is handed out only if something in
 *     it or behind it is wanted, or an append needs its image.
 *   - At most JNL_SPARES images are with late reservations.  Where no image
 *     can be kept for another copy, a reservation has memory of its own.
 *
 * How it fails: memory that is refused refuses the reservation.  A journal
 * that has failed publishes nothing; abandoning always works.
 */
#ifndef JNL_JOURNAL_RESERVE_H
#define JNL_JOURNAL_RESERVE_H

#include "journal/engine.h"

/* Images beside those of the queue, each allocated when it is first needed. */
#define JNL_SPARES		4u
/* Open reservations. */
#define JNL_RESERVED_MAX	1024u

struct jnl_detached;

struct jnl_reserved {
	uint64_t id;			/* 0: nobody has it */
	uint8_t *data;
	uint32_t len;
	uint32_t offset;		/* of its length word in the image */
	struct jnl_batch *batch;	/* NULL: it is late, or never was in one */
	struct jnl_detached *image;	/* late: where it lies */
	/* Those of one batch in the order of offset; next: of those that
	 * nobody has. */
	struct jnl_reserved *prev, *next;
};

/*
 * Reserve a place for a record of up to len bytes.  0 and the reservation, or
 * as jnl_engine_append(), and
 *   -ENOBUFS   JNL_RESERVED_MAX are open
 *   -ENOMEM
 */
int jnl_reserve(struct jnl_engine *e, uint64_t len,
		struct jnl_reserved **ret_r);

/* The open reservation with this id, or NULL. */
struct jnl_reserved *jnl_reserve_find(const struct jnl_engine *e, uint64_t id);

/*
 * Make the first used bytes (at most r->len) a record.  0 and its LSN, and r is
 * no more; or as jnl_engine_append(), which it is if r is late: then r is open
 * as before.
 */
int jnl_reserve_publish(struct jnl_engine *e, struct jnl_reserved *r,
			uint64_t used, uint64_t *ret_lsn);

/* r is no more: a void, or space that is free again. */
void jnl_reserve_abandon(struct jnl_engine *e, struct jnl_reserved *r);

/* Abandon every one, before the journal is closed. */
void jnl_reserve_abandon_all(struct jnl_engine *e);

/* Free the memory; mapped: the images are, and are not somebody else's. */
void jnl_reserve_fini(struct jnl_engine *e, bool mapped);

/* ------------------------------------------------------------------------
 * For the engine
 */

/* Before b is sealed, if reservations in it are open. */
void jnl_reserve_detach(struct jnl_engine *e, struct jnl_batch *b);

/*
 * Take b, in which nothing but open reservations lie, from them: its image
 * stays with them, and it has none.
 */
void jnl_reserve_evict(struct jnl_engine *e, struct jnl_batch *b);

/* Whether a batch in the queue has open reservations. */
bool jnl_reserve_holds(const struct jnl_engine *e);

#endif
