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
	struct jnl_watch watch;
	bool by_drive;		/* a flush of the drive, past the file */
	bool left;		/* loop: not on the ring, but for the thread */
};

/* Whether the loop driver lets a turn's records gather (loop.c). */
enum jnl_regroup {
	JNL_REGROUP_TIMED,	/* where it is quicker */
	JNL_REGROUP_ALWAYS,	/* for tests, which have no say over time */
	JNL_REGROUP_NEVER,
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
	uint64_t generation;	/* thread: files were looked through up to it */
	uint32_t slots;
	struct jnl_flight *flying;	/* one for each slot */

	/* The loop driver's. */
	int event_fd;		/* the application watches it */
	int kick_fd;		/* wakes whoever sleeps on the ring */
	bool sleeping;		/* somebody does */
	uint32_t left;		/* flights for the thread, or with it */
	bool failure_told;	/* event_fd was rung for it */
	/* An append was refused for want of a segment.  What the helper had
	 * failed to do then; if it fails again before another record goes in,
	 * the next append is told. */
	bool asked;
	uint64_t asked_records, asked_failures;
	/* event_fd is to be rung when the helper has done something since. */
	bool starved;
	uint64_t starved_pieces;
	struct jnl_watch starving;	/* as long as starved */
	/* What has gathered is left to gather on, for the rest of this turn. */
	enum jnl_regroup regroup;
	bool gathering;
	uint64_t told_ns;	/* when journal_durable() last told something,
				 * until journal_submit(); or 0 */
	/* Running means; 0: not known. */
	uint64_t turn_ns;	/* from there to journal_submit() */
	uint64_t action_ns;	/* what the ring carries */
};

/* flight.c */

/* A slot that no action has; there is one for each that can be handed out. */
struct jnl_flight *jnl_free_flight(struct jnl_committer *c);

/* Start an action on the ring.  False: it has to go another way. */
bool jnl_take_off(journal *j, const struct jnl_action *act);

/* How a flight has ended, from what the ring says; JNL_RING_UNDONE: it has to
 * be carried out in another way. */
int jnl_landed(journal *j, const struct jnl_flight *slot, int err);

/* How many actions the ring has. */
uint32_t jnl_in_flight(const struct jnl_committer *c);

/* Have the ring let go of files that are no longer among j->files. */
void jnl_keep_files(journal *j);

/* The ring has broken, and nothing is in flight on it: on by pwritev2. */
void jnl_give_up_ring(journal *j);

/* What the threads run. */
void *jnl_committer_main(void *arg);	/* thread.c */
void *jnl_loop_main(void *arg);		/* loop.c */

/* loop.c: make the descriptors, close them. */
int jnl_loop_init(struct jnl_committer *c);
void jnl_loop_fini(struct jnl_committer *c);

/* loop.c: wait until nothing is in flight, before the end. */
void jnl_loop_drain(journal *j);

#endif
