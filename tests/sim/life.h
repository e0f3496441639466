/*
 * tests/sim/life.h - a process of a world, and what its drivers share.
 */
#ifndef JNL_SIM_LIFE_H
#define JNL_SIM_LIFE_H

#include "tests/sim/crash.h"

/* More than the engine ever hands out at a time. */
#define FLIGHTS		16

struct flight {
	bool used;
	struct jnl_action act;
	int slot;		/* of the write */
	struct sim_flush flush;
	bool told;		/* a broken driver: done before it is done */
	bool by_drive;		/* a flush past the file system */
	uint64_t seq;
};

#define FILLERS		4

struct process {
	journal *j;
	struct journal_reservation open[FILLERS];
	uint8_t letter;		/* what is put there */
	int whole;		/* what is in this one stays: it is published */
	bool bare;		/* the engine is called, not the journal */
	struct flight flight[FLIGHTS];
	int flying;
	uint8_t *buf;
	uint32_t limit;		/* records in the journal when life ends */
	bool needed;		/* an append waits for the helper */
	uint64_t ready_end;	/* a broken driver: the true one, or 0 */
	bool loop;		/* in an event loop: nothing waits for room */
	uint64_t told;		/* the frontier that journal_durable() told */
	/* Another process at the end of the journal, or NULL, the number of
	 * the record that it is to see next, and where the last one was. */
	journal_reader *follower;
	uint32_t seen;
	uint64_t seen_lsn;
};

/* ------------------------------------------------------------------------
 * life.c
 */

/* The disk as it is now, to be crashed. */
void add_point(struct world *w);
/* What lies below lsn is a promise now. */
void acknowledge(struct world *w, uint64_t lsn);
/* 0, or the error with which the call is to end. */
int on_fault(void *arg, enum sim_call call, const char *name);
/*
 * A step of the helper.  The broken driver that lets batches pass ready_end
 * has it fill from where it should have stopped.
 */
bool helper_step(struct world *w, struct process *p, bool idle);

/* ------------------------------------------------------------------------
 * calls.c: what returns bool is false when the journal is of no more use
 */

/* No slot is left on a device that is small: no failure. */
bool is_full(const struct world *w, int ret);
void check_error(struct world *w, const char *call, int ret);
/*
 * Nothing was appended, and nothing is wrong: there is no room on the device,
 * or none now, in an event loop.
 */
bool is_refused(const struct world *w, struct process *p, int ret, bool waits);
bool append(struct world *w, struct process *p, bool commit);
/* Two or three records that are there together or not at all. */
bool append_group(struct world *w, struct process *p);
bool sync_some(struct world *w, struct process *p);
/* Give back what lies below some place that is durable. */
void give_back(struct world *w, struct process *p);
void look_at_trim(struct world *w, struct process *p);
/* Another process reads beside the writer: durable records, no others. */
void read_live(struct world *w);
/*
 * Somebody moves the blocks of the newest segment while nothing is in it.  And
 * a broken driver takes every segment for settled.
 */
void meddle(struct world *w, struct process *p);
void run_caller(struct world *w, struct process *p);

/* ------------------------------------------------------------------------
 * fill.c
 */

/* Now and then: reserve, publish or abandon. */
bool fill_some(struct world *w, struct process *p);
/* Whoever has a reservation writes to it. */
void scribble(struct process *p);

/* ------------------------------------------------------------------------
 * follow.c
 */

/* The follower begins, or looks; at the end of the life it goes. */
void follow(struct world *w, struct process *p);
void follow_end(struct world *w, struct process *p, bool clean);

/* ------------------------------------------------------------------------
 * engine.c
 */

void run_engine(struct world *w, struct process *p);
/* Finish what is under way, so that the journal can be closed in order. */
void land(struct world *w, struct process *p);
/* The process is dead: what it had begun is the disk's affair. */
void abandon(struct process *p);

/* ------------------------------------------------------------------------
 * loop.c
 */

void run_loop(struct world *w, struct process *p);

/* ------------------------------------------------------------------------
 * ring.c: lib/ring.h, on the simulated disk
 */

/* The process that opens next is of this world. */
void ring_use(struct world *w);
/* An operation that is under way ends, whichever.  False: none is. */
bool ring_complete(void);

#endif
