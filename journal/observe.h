/*
 * journal/observe.h - what happens to a journal: watched, kept and told.
 *
 * Everything here is called with the journal's lock held unless it says
 * otherwise, costs no system call on the way of an append, and never waits
 * for the application.
 */
#ifndef JNL_JOURNAL_OBSERVE_H
#define JNL_JOURNAL_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/journal.h"

struct jnl_observer;

/*
 * Something under way that may come to take too long: an action on the device,
 * or an append that waits.  It lies where its owner has it, and is in the
 * journal's list from its beginning to its end.
 */
struct jnl_watch {
	struct jnl_watch *next, *prev;
	uint64_t began_ns;	/* CLOCK_MONOTONIC */
	uint64_t lsn;
	enum journal_stall stall;	/* what it is if it takes too long */
	bool told;
};

/* The events of a journal, and what may become some. */
struct jnl_observed {
	struct jnl_watch *first, *last;	/* by their beginning */
	uint64_t begun;		/* watches, ever */
	uint64_t stall_ns;	/* too long; UINT64_MAX: nothing is */
	uint64_t stalls_device;	/* actions that took too long and have ended */
	uint64_t events;	/* raised, ever */
	uint64_t dropped;	/* for want of room in the queue, ever */
	/* The n-th event ever has place n modulo JOURNAL_PAST_EVENTS. */
	struct journal_event past[JOURNAL_PAST_EVENTS];
	bool failure_told;
	struct jnl_observer *observer;	/* NULL: nobody wants to be told */
};

struct jnl_action;

/* An action of the engine begins. */
void jnl_watch_action(journal *j, struct jnl_watch *w,
		      const struct jnl_action *act);

/* An append begins to wait. */
void jnl_watch_wait(journal *j, struct jnl_watch *w, enum journal_stall stall);

/* It has ended, with err (0 or a negative errno); how long it took. */
uint64_t jnl_watch_end(journal *j, struct jnl_watch *w, int err);

/* It has not taken place. */
void jnl_watch_drop(journal *j, struct jnl_watch *w);

/* Actions on the device that take too long now. */
uint64_t jnl_watch_late(const journal *j);

/* Actions on the device that are outstanding; *ret_oldest_ns is when the
 * oldest began (CLOCK_MONOTONIC), if there is one. */
uint32_t jnl_watch_count(const journal *j, uint64_t *ret_oldest_ns);

/* Add a line to the trail: method, carrier or driver steps down. */
void jnl_step_down(journal *j, const char *line);

/* The next segment is there. */
void jnl_raise_segment(journal *j, uint64_t number, bool recycled);

/* A new file has taken the place of a segment's that failed with fault. */
void jnl_raise_replacement(journal *j, uint64_t number, int fault);

/* The journal has ended; told once. */
void jnl_raise_failure(journal *j, int err);

/*
 * Take over what the options say.  Before anything is raised; without the
 * lock.  -EINVAL or -E2BIG for what is no observer, -ENOMEM.
 */
int jnl_observe_init(journal *j, const struct journal_options *o);

/*
 * The thread that tells the observer, if there is one.  Without the lock.
 * Stopping tells what is left.  jnl_observe_free() with the thread stopped,
 * or in a child of fork, where it is not.
 */
int jnl_observe_start(journal *j);
void jnl_observe_stop(journal *j);
void jnl_observe_free(journal *j);

/* What the thread does between two rests, for a journal without one: look for
 * what takes too long, tell what there is.  Without the lock. */
void jnl_observe_step(journal *j);

#endif
