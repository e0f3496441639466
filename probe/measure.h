/*
 * probe/measure.h - how fast the usable methods are here, measured.
 *
 * Every usable method is timed with each carrier as a journal would use it:
 * appends of one block, each known durable before it counts, into a file of
 * this measurement's own that is zero-filled and synced first, as segments
 * are.
 *
 * Invariants
 *   - Nothing is written but files of the measurement: without a name (on a
 *     raw device the table of calls has room for those, or none), or
 *     (where the file system cannot do that) with one that is removed before
 *     the first write.  They go with their descriptors.
 *   - Time and bytes are bounded: a pair stops at the first append that ends
 *     after its time, or at its last byte; but it does two appends in every
 *     round.  How long one append may take is the device's affair.
 *   - Pairs take turns in rounds, in another order each round: what else
 *     happens on the machine meets all of them.
 *   - The first failure ends the pair that met it and no other.  What a pair
 *     measured before it failed does not count.
 *
 * A measurement is for one thread.
 */
#ifndef JNL_PROBE_MEASURE_H
#define JNL_PROBE_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sys.h"
#include "probe/histogram.h"
#include "probe/probe.h"

#define JNL_MEASURE_PAIRS_MAX	16
#define JNL_MEASURE_DEPTHS_MAX	3
#define JNL_MEASURE_DEPTH_MAX	64u
/* A journal's queue_depth where nobody says another one. */
#define JNL_MEASURE_QUEUE	4u

struct jnl_measure_config {
	uint64_t pair_ns;	/* for one pair, over all rounds; or */
	uint64_t total_ns;	/* for all of it; 0: pair_ns counts */
	uint64_t pair_bytes;	/* most that one pair writes; 0: no limit */
	uint64_t fill_ns;	/* for filling one file; then it is used as
				 * far as it got */
	uint64_t file_bytes;	/* size of one file, at least 1 MiB */
	uint32_t rounds;	/* at least 1 */
	/* Appends in flight on a ring; 0 ends the list. */
	uint32_t depths[JNL_MEASURE_DEPTHS_MAX];
	/* Where a file begins on what its descriptor has open, for rings;
	 * NULL: at 0. */
	uint64_t (*base)(struct jnl_sys *sys, int fd);
	/* Holds the room: registered in every ring, as a writer's lock is, so
	 * that after the death of the process nobody gets the room while a
	 * write may still land there.  Where holds is false files do that. */
	bool holds;
	int hold_fd;
	bool allow_volatile;	/* as in jnl_probe_choose() */
	/* What is only used on request is measured too; it may also be
	 * concluded (then it is measured). */
	bool requested_too;
	bool on_request;
};

/* One method on one carrier. */
struct jnl_measure_pair {
	const char *method;
	const char *carrier;	/* "pwritev2", "io_uring" */
	const char *barrier;	/* what made each append durable */
	uint32_t depth;		/* appends in flight */
	/* 0, or why nothing was measured, and the call that said so. */
	int err;
	const char *failed;
	uint64_t ns;		/* how long it was at it */
	struct jnl_histogram histogram;
};

/* What follows for a journal. */
struct jnl_measured {
	const char *method;
	const char *driver, *carrier;
	uint64_t alone_ns;	/* median of one append on its own */
	uint64_t many_ns;	/* what it comes to among many, estimated */
};

struct jnl_measure;

/*
 * Prepare: what is usable by the probe p is to be measured in the directory
 * that dirfd has open.  sys, dirfd and p have to outlive the measurement.
 * -ENOMEM.
 */
int jnl_measure_new(struct jnl_measure **ret_m, struct jnl_sys *sys, int dirfd,
		    journal_probe *p, const struct jnl_measure_config *cfg);

/* The longest it is meant to take, and the most it writes; 0: no limit. */
uint64_t jnl_measure_time_ns(const struct jnl_measure *m);
uint64_t jnl_measure_bytes(const struct jnl_measure *m);

/* The next step; false when there is none.  Steps take about equally long. */
bool jnl_measure_step(struct jnl_measure *m);
size_t jnl_measure_steps_done(const struct jnl_measure *m);
size_t jnl_measure_steps(const struct jnl_measure *m);

/* The i-th pair, or NULL past the last.  Belongs to m. */
const struct jnl_measure_pair *jnl_measure_at(const struct jnl_measure *m,
					      size_t i);

/* Bytes of one append. */
uint32_t jnl_measure_block(const struct jnl_measure *m);

/*
 * Median time that handing something over to another thread and getting the
 * answer takes; 0 if it could not be measured.
 */
uint64_t jnl_measure_hop_ns(const struct jnl_measure *m);

/*
 * What a journal with so many batches in flight at most should use, once all
 * steps are done.  -ENODATA: too little was measured.
 */
int jnl_measure_judge(const struct jnl_measure *m, uint32_t queue_depth,
		      struct jnl_measured *ret);

/* The same of the method of that name alone. */
int jnl_measure_judge_method(const struct jnl_measure *m, uint32_t queue_depth,
			     const char *method, struct jnl_measured *ret);

/* Whether a ring was lost: writes may land for as long as the process lives. */
bool jnl_measure_lost(const struct jnl_measure *m);

/* NULL is allowed. */
void jnl_measure_free(struct jnl_measure *m);

#endif
