/*
 * probe/measure-inner.h - between the files of the measurement.
 */
#ifndef JNL_PROBE_MEASURE_INNER_H
#define JNL_PROBE_MEASURE_INNER_H

#include "probe/measure.h"

/* The file that one kind of way writes to: direct or through the cache. */
struct jnl_measure_file {
	bool made;		/* or failed to be */
	int fd;			/* -1 if there is none */
	uint64_t size;		/* so much of it is filled */
	uint64_t generation;	/* for rings; not 0 */
	uint64_t base;		/* for rings: where it begins */
	int err;
	const char *failed;	/* the call */
};

struct jnl_measure {
	struct jnl_sys *sys;
	int dirfd;
	struct jnl_measure_config cfg;
	uint32_t block;
	uint8_t *memory;	/* JNL_MEASURE_DEPTH_MAX blocks to write */
	bool memory_lost;	/* a ring may still read it */
	struct jnl_measure_file file[2];	/* buffered, direct */
	uint64_t generation;
	uint64_t hop_ns;

	size_t pairs;
	struct jnl_measure_pair *pair;
	struct jnl_choice *choice;		/* one for each pair */
	uint64_t *place;			/* where its next append goes */
	size_t done;				/* steps */
};

/* Make it: a file for the way of choice, filled.  Never fails: f->err. */
void jnl_measure_file_make(struct jnl_measure *m,
			   const struct jnl_choice *choice,
			   struct jnl_measure_file *f);
void jnl_measure_file_close(struct jnl_measure *m, struct jnl_measure_file *f);

/* Time one pair for so long.  What fails is noted in the pair. */
void jnl_measure_slice(struct jnl_measure *m, size_t i, uint64_t ns,
		       uint64_t bytes);

#define JNL_MEASURE_HOP_NS	20000000u	/* at most about so long */

/* Median time of handing over to another thread and back; 0: unknown. */
uint64_t jnl_measure_hop(void);

uint64_t jnl_measure_now_ns(void);

#endif
