/*
 * lib/ring-impl.h - what the files of the ring share: lib/ring.c carries
 * operations, lib/ring-setup.c makes rings ready and closes them.
 */
#ifndef JNL_LIB_RING_IMPL_H
#define JNL_LIB_RING_IMPL_H

#include <liburing.h>

/* Neither valgrind nor TSan sees what a ring does to memory. */
#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(p, n) ((void)(p), (void)(n), 0)
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#else
#define __tsan_acquire(p) ((void)(p))
#define __tsan_release(p) ((void)(p))
#endif

#include "lib/ring.h"

/* Flags that the headers of older kernels lack; the values are ABI. */
#define SETUP_SQPOLL		(1u << 1)
#define SETUP_R_DISABLED	(1u << 6)
#define SETUP_SUBMIT_ALL	(1u << 7)
#define SETUP_COOP_TASKRUN	(1u << 8)
#define SETUP_SQE128		(1u << 10)
#define SETUP_CQE32		(1u << 11)
#define SETUP_SINGLE_ISSUER	(1u << 12)
#define SETUP_DEFER_TASKRUN	(1u << 13)

#define SELF_TEST	UINT64_MAX	/* user data that is no operation */

enum jnl_op_state {
	OP_FREE,
	OP_STARTED,	/* an entry is in the queue, or the kernel has it */
	OP_AGAIN,	/* to be queued again */
	OP_ENDED,	/* to be reaped */
};

struct jnl_op {
	enum jnl_op_state state;
	uint8_t opcode;
	uint32_t slot;
	const uint8_t *buf;
	size_t len, done, align;
	uint64_t offset;
	int rwf;
	unsigned int fsync_flags;
	uint32_t nsid;
	unsigned int tries, shorts;
	int err;
	void *tag;
};

struct jnl_ring {
	struct jnl_sys *sys;
	struct io_uring uring;
	uint32_t entries;
	bool async;
	int event_fd;
	bool fixed_buffers;
	const uint8_t *memory;
	size_t memory_len;
	int broken;
	uint32_t used;		/* operations that are not free */
	struct jnl_op *op;	/* entries of them */
	/* Fixed files: slot 0 is the lock; 0: nobody's. */
	uint64_t *generation;	/* 1 + entries of them */
	uint32_t device_slot;	/* behind them; 0: no device */
};

/* Entries of twice the size: what commands to a device need. */
static inline struct io_uring_sqe *jnl_ring_sqe(const struct jnl_ring *ring,
						unsigned int i)
{
	const struct io_uring_sq *sq = &ring->uring.sq;

	return &sq->sqes[(i & *sq->kring_mask) <<
			 !!(ring->uring.flags & SETUP_SQE128)];
}

static inline struct io_uring_cqe *jnl_ring_cqe(const struct jnl_ring *ring,
						unsigned int i)
{
	const struct io_uring_cq *cq = &ring->uring.cq;

	return &cq->cqes[(i & *cq->kring_mask) <<
			 !!(ring->uring.flags & SETUP_CQE32)];
}

static inline bool jnl_ring_has_completions(const struct jnl_ring *ring)
{
	const struct io_uring_cq *cq = &ring->uring.cq;

	return io_uring_smp_load_acquire(cq->ktail) != *cq->khead;
}

/*
 * Hand over every entry, and wait for a completion if asked to.  -EINTR,
 * -EAGAIN (no memory now) and -EBUSY (completions are to be taken first) are
 * tried again, a bounded number of times.
 */
int jnl_ring_enter(struct jnl_ring *ring, bool wait);

/* End what the kernel has not taken: it never will. */
void jnl_ring_take_back(struct jnl_ring *ring);

/* Rest for a moment before the next try; false: there were enough. */
bool jnl_ring_pause(unsigned int *tries);

#endif
