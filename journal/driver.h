/*
 * journal/driver.h - what the drivers share that have a thread of the library:
 * thread (journal/thread.c) and loop (journal/loop.c).
 *
 * Everything here is guarded by the journal's lock.
 */
#ifndef JNL_JOURNAL_DRIVER_H
#define JNL_JOURNAL_DRIVER_H

#include "journal/core.h"
#include "lib/ring.h"

/* An action that the ring carries; kind JNL_ACT_NONE: the slot is free. */
struct jnl_flight {
	struct jnl_action act;
	uint64_t began_ns;
	bool by_drive;		/* a flush of the drive, past the file */
};

struct jnl_committer {
	pthread_t thread;
	bool running;		/* there is a thread to join */
	pthread_cond_t work;	/* there may be something to do */
	bool asleep;
	bool stop;
	bool ready;		/* the ring is enabled, or given up */
	bool lost;		/* operations are in flight for ever */
	struct jnl_ring *ring;	/* NULL: pwritev2 */
	struct jnl_ring_report report;
	uint64_t generation;	/* files were looked through up to here */
	uint32_t slots;
	struct jnl_flight *flying;	/* one for each slot */
};

/* flight.c */

/* Start an action on the ring.  False: it has to go another way. */
bool jnl_take_off(journal *j, const struct jnl_action *act);

/* How a flight has ended, from what the ring says; JNL_RING_UNDONE: it has to
 * be carried out in another way. */
int jnl_landed(journal *j, const struct jnl_flight *slot, int err);

/* How many actions the ring has. */
uint32_t jnl_in_flight(const struct jnl_committer *c);

/* Let go of files that the journal has closed. */
void jnl_keep_files(journal *j);

/* The ring has broken, and nothing is in flight on it: on by pwritev2. */
void jnl_give_up_ring(journal *j);

/* thread.c */

void *jnl_committer_main(void *arg);

#endif
