/*
 * tests/lib/fault.h - a system-call table that counts, and fails on demand.
 *
 * It stands before another table.  One kind of call, or any, can be made to
 * fail from its k-th use on, a number of times or for good; a write can be cut
 * short instead.  A failed write or flush is not passed on, but when `after` is
 * set: then it is done and reported as failed.
 */
#ifndef TESTS_LIB_FAULT_H
#define TESTS_LIB_FAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/sys.h"

enum fault_call {
	FAULT_OPENAT, FAULT_CLOSE, FAULT_PREAD, FAULT_PWRITE, FAULT_FSYNC,
	FAULT_FDATASYNC, FAULT_FALLOCATE, FAULT_FTRUNCATE, FAULT_FADVISE,
	FAULT_RENAME, FAULT_UNLINK, FAULT_MKDIR, FAULT_LIST, FAULT_FSTAT,
	FAULT_STATX, FAULT_FSTATFS, FAULT_LOCK, FAULT_GET_FLAGS,
	FAULT_SET_FLAGS, FAULT_CLONE, FAULT_FIEMAP, FAULT_NVME_ID,
	FAULT_NVME_FLUSH, FAULT_DEVICE_SIZE, FAULT_WATCH, FAULT_RANDOM, FAULT_RING_SETUP,
	FAULT_RING_ENTER, FAULT_RING_REGISTER, FAULT_RING_RESULT, FAULT_CALLS,
	FAULT_ANY,
};

struct fault {
	struct jnl_sys sys;		/* first: what the library is given */
	struct jnl_sys *base;
	pthread_mutex_t lock;

	unsigned long calls[FAULT_CALLS];
	unsigned long total;
	uint64_t bytes_written;

	enum fault_call call;		/* which kind fails */
	unsigned long at;		/* from this use on, 1 is the first */
	unsigned long times;		/* how often; 0 never */
	int err;			/* negative errno */
	size_t short_to;		/* pwrite, ring_result: not err, but a
					 * short count */
	bool after;			/* do it, then fail */
	bool solid;			/* fiemap: all written, not shared ... */
	uint32_t extent_flags;		/* ... but for these FIEMAP_EXTENT_* */
	uint64_t physical;		/* ... and from there on the device */
	unsigned long hit;		/* how often it failed ... */
	unsigned long hit_behind;	/* ... in another thread than the one
					 * that asked for it */
	pthread_t asker;
};

void fault_init(struct fault *f, struct jnl_sys *base);

/*
 * Fail the at-th call of this kind from now on, and times - 1 after it.  Calls
 * of all threads count: a journal's helper makes some as soon as the journal is
 * open.  What was hit stands still after fault_clear() and not before.
 */
void fault_set(struct fault *f, enum fault_call call, unsigned long at,
	       unsigned long times, int err);
void fault_clear(struct fault *f);

const char *fault_name(enum fault_call call);

#endif
