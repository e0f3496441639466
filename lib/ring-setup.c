/*
 * lib/ring-setup.c - making an io_uring ready, trying it out, closing it.
 *
 * A kernel that lacks a flag is asked again without it; one that refuses the
 * ring, or the registration of the lock, is not asked twice.  Every refusal
 * is in the report.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "lib/ring-impl.h"

#define SQPOLL_IDLE_MS	50
#define LOCK_SLOT	0
#define ENTRIES_MAX	1024

/* The sets of flags, best first; a kernel that lacks one says EINVAL. */
static const uint32_t sync_ladder[] = {
	/* Not with DEFER_TASKRUN or COOP_TASKRUN: the kernel's thread enters
	 * for us. */
	SETUP_SQPOLL | SETUP_SINGLE_ISSUER | SETUP_SUBMIT_ALL |
		SETUP_R_DISABLED,
	SETUP_SQPOLL | SETUP_R_DISABLED,
	SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | SETUP_COOP_TASKRUN |
		SETUP_SUBMIT_ALL | SETUP_R_DISABLED,
	SETUP_SINGLE_ISSUER | SETUP_COOP_TASKRUN | SETUP_SUBMIT_ALL |
		SETUP_R_DISABLED,
	SETUP_COOP_TASKRUN | SETUP_SUBMIT_ALL | SETUP_R_DISABLED,
	SETUP_SUBMIT_ALL | SETUP_R_DISABLED,
	SETUP_R_DISABLED,
};

/* Nobody enters the kernel to fetch a completion: lib/ring.h says why. */
static const uint32_t async_ladder[] = {
	SETUP_SQPOLL | SETUP_SUBMIT_ALL,
	SETUP_SQPOLL,
	SETUP_SUBMIT_ALL,
	0,
};

#define NEVER_ASYNC	(SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | \
			 SETUP_COOP_TASKRUN)

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static_assert(COUNT(sync_ladder) <= JNL_RING_STEPS &&
	      COUNT(async_ladder) <= JNL_RING_STEPS,
	      "the report has room for every step");

static int refuse(struct jnl_ring_report *report, const char *call, int err)
{
	report->refused = call;
	report->err = err;
	return err;
}

static int climb(struct jnl_ring *ring, bool sqpoll, uint32_t extra,
		 struct jnl_ring_report *report, struct io_uring_params *ret_p)
{
	const uint32_t *ladder = ring->async ? async_ladder : sync_ladder;
	size_t steps = ring->async ? COUNT(async_ladder) : COUNT(sync_ladder);
	int fd = -EINVAL;

	report->steps = 0;
	for (size_t i = 0; i < steps; i++) {
		bool poll = ladder[i] & SETUP_SQPOLL;

		if (poll && !sqpoll)
			continue;
		memset(ret_p, 0, sizeof(*ret_p));
		ret_p->flags = ladder[i] | extra;
		ret_p->sq_thread_idle = poll ? SQPOLL_IDLE_MS : 0;
		fd = ring->sys->ring_setup(ring->sys, ring->entries, ret_p);
		report->step[report->steps].flags = ladder[i] | extra;
		report->step[report->steps++].err = fd < 0 ? fd : 0;
		/* Polling is an option: whatever is against it, go on. */
		if (fd >= 0 || (fd != -EINVAL && !poll))
			break;
	}
	return fd;
}

/* Commands to a device are an option: without them if they are refused. */
static int set_up(struct jnl_ring *ring, const struct jnl_ring_config *cfg,
		  struct jnl_ring_report *report, struct io_uring_params *ret_p)
{
	int fd = -EINVAL;

	if (cfg->device) {
		fd = climb(ring, cfg->sqpoll, SETUP_SQE128 | SETUP_CQE32,
			   report, ret_p);
		report->device_err = fd < 0 ? fd : 0;
		if (fd >= 0)
			ring->device_slot = ring->entries + 1;
	}
	if (fd == -EINVAL)
		fd = climb(ring, cfg->sqpoll, 0, report, ret_p);
	return fd;
}

static int map(struct jnl_ring *ring, int fd, struct io_uring_params *p)
{
	int ret = io_uring_queue_mmap(fd, p, &ring->uring);

	if (ret < 0) {
		(void)ring->sys->close(ring->sys, fd);
		ring->uring.ring_fd = -1;
		return ret;
	}
	ring->uring.ring_fd = ring->uring.enter_ring_fd = fd;
	ring->uring.flags = p->flags;
	/* Entries are queued in the order they lie in. */
	for (unsigned int i = 0; i < p->sq_entries; i++)
		ring->uring.sq.array[i] = i;
	/* A child of fork would share the queues with us. */
	return io_uring_ring_dontfork(&ring->uring);
}

/* The lock first: without it the ring may not write. */
static int register_files(struct jnl_ring *ring,
			  const struct jnl_ring_config *cfg)
{
	uint32_t n = ring->entries + 1 + !!ring->device_slot;
	int32_t fd[ENTRIES_MAX + 2];

	for (uint32_t i = 0; i < n; i++)
		fd[i] = -1;
	fd[LOCK_SLOT] = cfg->lock_fd;
	if (ring->device_slot)
		fd[ring->device_slot] = cfg->device_fd;
	return ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
					IORING_REGISTER_FILES, fd, n);
}

static int register_buffers(struct jnl_ring *ring)
{
	struct iovec iov = {
		.iov_base = (void *)ring->memory,
		.iov_len = ring->memory_len,
	};

	return ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
					IORING_REGISTER_BUFFERS, &iov, 1);
}

int jnl_ring_open(struct jnl_ring **ret_ring, struct jnl_sys *sys,
		  const struct jnl_ring_config *cfg,
		  struct jnl_ring_report *ret_report)
{
	struct io_uring_params p;
	struct jnl_ring *ring;
	int ret;

	assert(cfg->entries && cfg->entries <= ENTRIES_MAX);
	memset(ret_report, 0, sizeof(*ret_report));
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return refuse(ret_report, "malloc", -ENOMEM);
	ring->sys = sys;
	ring->entries = cfg->entries;
	ring->async = cfg->async;
	ring->event_fd = cfg->event_fd;
	ring->memory = cfg->memory;
	ring->memory_len = cfg->memory_len;
	ring->uring.ring_fd = -1;
	ring->op = calloc(cfg->entries, sizeof(*ring->op));
	ring->generation = calloc(cfg->entries + 1, sizeof(*ring->generation));
	if (!ring->op || !ring->generation) {
		ret = refuse(ret_report, "malloc", -ENOMEM);
		goto fail;
	}
	ret = set_up(ring, cfg, ret_report, &p);
	if (ret < 0) {
		(void)refuse(ret_report, "io_uring_setup", ret);
		goto fail;
	}
	assert(!ring->async || !(p.flags & NEVER_ASYNC));
	ret_report->flags = p.flags;
	ret_report->features = p.features;
	ret = map(ring, ret, &p);
	if (ret < 0) {
		(void)refuse(ret_report, "mmap of the ring", ret);
		goto fail;
	}
	ret = register_files(ring, cfg);
	if (ret < 0) {
		(void)refuse(ret_report, "registering the lock", ret);
		goto fail;
	}
	if (cfg->memory)
		ret_report->buffers_err = register_buffers(ring);
	ring->fixed_buffers = cfg->memory && !ret_report->buffers_err;
	*ret_ring = ring;
	return 0;
fail:
	jnl_ring_close(ring, true);
	return ret;
}

/* Something goes in and comes out again. */
static int self_test(struct jnl_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
	struct io_uring_cq *cq = &ring->uring.cq;
	const struct io_uring_cqe *cqe;
	unsigned int tries = 0;
	int ret;

	if (!sqe)
		return -EIO;
	io_uring_prep_nop(sqe);
	sqe->user_data = SELF_TEST;
	do {
		ret = jnl_ring_enter(ring, true);
		if (ret < 0) {
			jnl_ring_take_back(ring);
			return ret;
		}
		if (jnl_ring_has_completions(ring))
			break;
	} while (jnl_ring_pause(&tries));
	if (!jnl_ring_has_completions(ring))
		return -ETIME;
	cqe = jnl_ring_cqe(ring, *cq->khead);
	(void)VALGRIND_MAKE_MEM_DEFINED(cqe, sizeof(*cqe));
	ret = cqe->user_data == SELF_TEST ? cqe->res : -EIO;
	io_uring_smp_store_release(cq->khead, *cq->khead + 1);
	return ring->sys->ring_result(ring->sys, IORING_OP_NOP, ret);
}

/* After the test, so that it rings nobody. */
static int register_event(struct jnl_ring *ring)
{
	return ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
					IORING_REGISTER_EVENTFD,
					&ring->event_fd, 1);
}

int jnl_ring_enable(struct jnl_ring *ring, struct jnl_ring_report *report)
{
	int ret = 0;

	/* By the call itself: liburing 2.3 declares its own function for it
	 * and does not export it. */
	if (ring->uring.flags & SETUP_R_DISABLED)
		ret = ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
					       IORING_REGISTER_ENABLE_RINGS,
					       NULL, 0);
	if (ret < 0)
		return refuse(report, "enabling the ring", ret);
	ret = self_test(ring);
	if (ret < 0)
		return refuse(report, "a NOP on the ring", ret);
	ret = ring->async ? register_event(ring) : 0;
	if (ret < 0)
		return refuse(report, "registering the eventfd", ret);
	return 0;
}

static void unmap(struct io_uring *u)
{
	(void)munmap(u->sq.sqes, (size_t)*u->sq.kring_entries *
		     sizeof(struct io_uring_sqe) <<
		     !!(u->flags & SETUP_SQE128));
	if (u->cq.ring_ptr != u->sq.ring_ptr)
		(void)munmap(u->cq.ring_ptr, u->cq.ring_sz);
	(void)munmap(u->sq.ring_ptr, u->sq.ring_sz);
}

void jnl_ring_release(struct jnl_ring *ring)
{
	if (ring->used)
		return;
	/* Without the lock it may not write. */
	if (!ring->broken)
		ring->broken = -EBADF;
	(void)ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
				       IORING_UNREGISTER_FILES, NULL, 0);
}

void jnl_ring_close(struct jnl_ring *ring, bool mapped)
{
	if (!ring)
		return;
	if (ring->uring.ring_fd >= 0) {
		/* As io_uring_queue_exit() does, but for the descriptor,
		 * which is closed by way of the table. */
		if (mapped)
			unmap(&ring->uring);
		(void)ring->sys->close(ring->sys, ring->uring.ring_fd);
	}
	free(ring->op);
	free(ring->generation);
	free(ring);
}
