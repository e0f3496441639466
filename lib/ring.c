/*
 * lib/ring.c - an io_uring for one owner thread.
 *
 * See lib/ring.h for the invariants.  liburing maps the ring and prepares the
 * entries; the calls themselves go through the system-call table, and so
 * does every result, so that tests can make any of them fail.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

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
#define SETUP_SINGLE_ISSUER	(1u << 12)
#define SETUP_DEFER_TASKRUN	(1u << 13)

#define SQPOLL_IDLE_MS	50
#define LOCK_SLOT	0
#define ENTRIES_MAX	1024
/* EAGAIN means that nothing was done; after a second it is an answer. */
#define AGAIN_TRIES	1000
#define AGAIN_PAUSE_NS	1000000L
#define SHORT_MAX	16
#define SELF_TEST	UINT64_MAX

enum op_state {
	OP_FREE,
	OP_STARTED,	/* an entry is in the queue, or the kernel has it */
	OP_AGAIN,	/* to be queued again */
	OP_ENDED,	/* to be reaped */
};

struct op {
	enum op_state state;
	uint8_t opcode;
	uint32_t slot;
	const uint8_t *buf;
	size_t len, done, align;
	uint64_t offset;
	int rwf;
	unsigned int fsync_flags;
	unsigned int tries, shorts;
	int err;
	void *tag;
};

struct jnl_ring {
	struct jnl_sys *sys;
	struct io_uring uring;
	uint32_t entries;
	bool fixed_buffers;
	const uint8_t *memory;
	size_t memory_len;
	int broken;
	uint32_t used;		/* operations that are not free */
	struct op *op;		/* entries of them */
	/* Fixed files: slot 0 is the lock; 0: nobody's. */
	uint64_t *generation;	/* 1 + entries of them */
};

/* ------------------------------------------------------------------------
 * Making one
 */

/* The sets of flags, best first; a kernel that lacks one says EINVAL. */
static const uint32_t ladder[] = {
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

static_assert(sizeof(ladder) / sizeof(ladder[0]) <= JNL_RING_STEPS,
	      "the report has room for every step");

static int refuse(struct jnl_ring_report *report, const char *call, int err)
{
	report->refused = call;
	report->err = err;
	return err;
}

static int climb(struct jnl_ring *ring, bool sqpoll,
		 struct jnl_ring_report *report, struct io_uring_params *ret_p)
{
	int fd = -EINVAL;

	for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
		bool poll = ladder[i] & SETUP_SQPOLL;

		if (poll && !sqpoll)
			continue;
		memset(ret_p, 0, sizeof(*ret_p));
		ret_p->flags = ladder[i];
		ret_p->sq_thread_idle = poll ? SQPOLL_IDLE_MS : 0;
		fd = ring->sys->ring_setup(ring->sys, ring->entries, ret_p);
		report->step[report->steps].flags = ladder[i];
		report->step[report->steps++].err = fd < 0 ? fd : 0;
		/* Polling is an option: whatever is against it, go on. */
		if (fd >= 0 || (fd != -EINVAL && !poll))
			break;
	}
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
static int register_files(struct jnl_ring *ring, int lock_fd)
{
	int32_t fd[ENTRIES_MAX + 1];

	for (uint32_t i = 0; i <= ring->entries; i++)
		fd[i] = -1;
	fd[LOCK_SLOT] = lock_fd;
	return ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
					IORING_REGISTER_FILES, fd,
					ring->entries + 1);
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
	ring->memory = cfg->memory;
	ring->memory_len = cfg->memory_len;
	ring->uring.ring_fd = -1;
	ring->op = calloc(cfg->entries, sizeof(*ring->op));
	ring->generation = calloc(cfg->entries + 1, sizeof(*ring->generation));
	if (!ring->op || !ring->generation) {
		ret = refuse(ret_report, "malloc", -ENOMEM);
		goto fail;
	}
	ret = climb(ring, cfg->sqpoll, ret_report, &p);
	if (ret < 0) {
		(void)refuse(ret_report, "io_uring_setup", ret);
		goto fail;
	}
	ret_report->flags = p.flags;
	ret_report->features = p.features;
	ret = map(ring, ret, &p);
	if (ret < 0) {
		(void)refuse(ret_report, "mmap of the ring", ret);
		goto fail;
	}
	ret = register_files(ring, cfg->lock_fd);
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

/* ------------------------------------------------------------------------
 * Entering the kernel
 */

static unsigned int sq_head(const struct jnl_ring *ring)
{
	return io_uring_smp_load_acquire(ring->uring.sq.khead);
}

/* Entries that the kernel has not taken. */
static unsigned int untaken(const struct jnl_ring *ring)
{
	return ring->uring.sq.sqe_tail - sq_head(ring);
}

static bool completions_ready(const struct jnl_ring *ring)
{
	const struct io_uring_cq *cq = &ring->uring.cq;

	return io_uring_smp_load_acquire(cq->ktail) != *cq->khead;
}

static bool pause_again(unsigned int *tries)
{
	static const struct timespec pause = { .tv_nsec = AGAIN_PAUSE_NS };

	if (++*tries > AGAIN_TRIES)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

/*
 * Hand over every entry, and wait for a completion if asked to.  -EINTR,
 * -EAGAIN (no memory now) and -EBUSY (completions are to be taken first) are
 * tried again, a bounded number of times.
 */
static int enter(struct jnl_ring *ring, bool wait)
{
	struct io_uring *u = &ring->uring;
	bool poll = u->flags & SETUP_SQPOLL;
	unsigned int flags, tries = 0;
	int ret;

	__tsan_release(u->sq.ktail);
	io_uring_smp_store_release(u->sq.ktail, u->sq.sqe_tail);
	u->sq.sqe_head = u->sq.sqe_tail;
	for (;;) {
		flags = wait ? IORING_ENTER_GETEVENTS : 0;
		if (poll) {
			/* The tail above must be seen before the flag: a
			 * read that writes orders them, and TSan knows it. */
			if (__atomic_fetch_or(u->sq.kflags, 0,
					      __ATOMIC_SEQ_CST) &
			    IORING_SQ_NEED_WAKEUP)
				flags |= IORING_ENTER_SQ_WAKEUP;
			if (!flags)
				return 0;
		}
		ret = ring->sys->ring_enter(ring->sys, u->ring_fd,
					    untaken(ring), wait, flags);
		if (ret >= 0 && (poll || !untaken(ring)))
			return 0;
		/* It stopped at an entry, whose completion says why. */
		if (ret > 0)
			continue;
		if (!ret)
			ret = -EAGAIN;
		if (ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			return ret;
		if (completions_ready(ring))
			return 0;
		if (!pause_again(&tries))
			return ret;
	}
}

/* End what the kernel has not taken: it never will. */
static void take_back(struct jnl_ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	unsigned int head = sq_head(ring);

	if (ring->uring.flags & SETUP_SQPOLL)
		return;
	for (unsigned int i = head; i != sq->sqe_tail; i++) {
		uint64_t id = sq->sqes[i & *sq->kring_mask].user_data;

		if (id == SELF_TEST)
			continue;
		assert(id < ring->entries &&
		       ring->op[id].state == OP_STARTED);
		ring->op[id].state = OP_ENDED;
		/* A part of it may be there: then its fate is not nothing. */
		ring->op[id].err = ring->op[id].done ? ring->broken :
						       JNL_RING_UNDONE;
	}
	sq->sqe_tail = sq->sqe_head = head;
	io_uring_smp_store_release(sq->ktail, head);
}

/* ------------------------------------------------------------------------
 * Operations
 */

static bool in_memory(const struct jnl_ring *ring, const struct op *op)
{
	return ring->fixed_buffers && op->buf >= ring->memory &&
	       op->buf + op->len <= ring->memory + ring->memory_len;
}

/* Queue an operation, or the rest of it. */
static void queue(struct jnl_ring *ring, struct op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
	const uint8_t *buf = op->buf + op->done;
	unsigned int len = (unsigned int)(op->len - op->done);
	uint64_t offset = op->offset + op->done;

	/* There are as many entries as operations. */
	assert(sqe);
	if (op->opcode == IORING_OP_FSYNC)
		io_uring_prep_fsync(sqe, (int)op->slot, op->fsync_flags);
	else if (in_memory(ring, op))
		io_uring_prep_write_fixed(sqe, (int)op->slot, buf, len, offset,
					  0);
	else
		io_uring_prep_write(sqe, (int)op->slot, buf, len, offset);
	if (op->opcode != IORING_OP_FSYNC)
		sqe->rw_flags = op->rwf;
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = (uint64_t)(op - ring->op);
	op->state = OP_STARTED;
	/* Everything written to the buffer so far happens before. */
	__tsan_release(op);
}

static struct op *free_op(struct jnl_ring *ring)
{
	for (uint32_t i = 0; i < ring->entries; i++) {
		if (ring->op[i].state == OP_FREE)
			return &ring->op[i];
	}
	assert(!"more operations than entries");
	return NULL;
}

static bool slot_in_use(const struct jnl_ring *ring, uint32_t slot)
{
	for (uint32_t i = 0; i < ring->entries; i++) {
		if (ring->op[i].state != OP_FREE && ring->op[i].slot == slot)
			return true;
	}
	return false;
}

static int update_slot(struct jnl_ring *ring, uint32_t slot, int fd)
{
	int32_t value = fd;
	struct io_uring_files_update update = {
		.offset = slot,
		.fds = (uint64_t)(uintptr_t)&value,
	};
	int ret = ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
					   IORING_REGISTER_FILES_UPDATE,
					   &update, 1);

	return ret < 0 ? ret : 0;
}

/* The slot of a file: the one it has, or the oldest that nobody uses. */
static int slot_of(struct jnl_ring *ring, struct jnl_ring_file file,
		   uint32_t *ret_slot)
{
	uint32_t victim = 0;
	int ret;

	assert(file.generation);
	for (uint32_t i = 1; i <= ring->entries; i++) {
		if (ring->generation[i] == file.generation) {
			*ret_slot = i;
			return 0;
		}
		if ((!victim ||
		     ring->generation[i] < ring->generation[victim]) &&
		    !slot_in_use(ring, i))
			victim = i;
	}
	/* There are as many slots as operations, and one of those is free. */
	assert(victim);
	ring->generation[victim] = 0;
	ret = update_slot(ring, victim, file.fd);
	if (ret < 0)
		return ret;
	ring->generation[victim] = file.generation;
	*ret_slot = victim;
	return 0;
}

static bool among(uint64_t generation, const uint64_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == generation)
			return true;
	}
	return false;
}

void jnl_ring_keep(struct jnl_ring *ring, const uint64_t *generation, size_t n)
{
	for (uint32_t i = 1; i <= ring->entries; i++) {
		if (!ring->generation[i] || slot_in_use(ring, i) ||
		    among(ring->generation[i], generation, n))
			continue;
		/* If it fails the file stays open until the slot is needed. */
		if (!update_slot(ring, i, -1))
			ring->generation[i] = 0;
	}
}

static int start(struct jnl_ring *ring, struct jnl_ring_file file,
		 const struct op *proto)
{
	struct op *op;
	uint32_t slot;
	int ret;

	if (ring->broken)
		return ring->broken;
	ret = slot_of(ring, file, &slot);
	if (ret < 0)
		return ret;
	op = free_op(ring);
	*op = *proto;
	op->slot = slot;
	ring->used++;
	queue(ring, op);
	return 0;
}

int jnl_ring_write(struct jnl_ring *ring, struct jnl_ring_file file,
		   const void *buf, size_t len, uint64_t offset, int rwf,
		   size_t align, void *tag)
{
	assert(len && len <= INT32_MAX && align && !(align & (align - 1)));
	return start(ring, file, &(struct op){
		.opcode = IORING_OP_WRITE, .buf = buf, .len = len,
		.align = align, .offset = offset, .rwf = rwf, .tag = tag });
}

int jnl_ring_flush(struct jnl_ring *ring, struct jnl_ring_file file,
		   bool data_only, void *tag)
{
	return start(ring, file, &(struct op){
		.opcode = IORING_OP_FSYNC, .tag = tag,
		.fsync_flags = data_only ? IORING_FSYNC_DATASYNC : 0 });
}

static void end(struct op *op, int err)
{
	op->state = OP_ENDED;
	op->err = err;
}

/* A write that the kernel took so much of. */
static void written(struct op *op, size_t n)
{
	if (n >= op->len - op->done) {
		end(op, 0);
		return;
	}
	/* As in jnl_write_full(): on from a block boundary. */
	if (n < op->align && ++op->shorts > SHORT_MAX) {
		end(op, -EIO);
		return;
	}
	op->done += n & ~(op->align - 1);
	op->state = OP_AGAIN;
}

static void completed(struct jnl_ring *ring, struct op *op, int res)
{
	assert(op->state == OP_STARTED);
	__tsan_acquire(op);
	res = ring->sys->ring_result(ring->sys, op->opcode, res);
	if (res >= 0 && op->opcode == IORING_OP_FSYNC)
		end(op, 0);
	else if (res >= 0)
		written(op, (size_t)res);
	/* A flush that was interrupted says nothing about the pages. */
	else if ((res == -EINTR || res == -EAGAIN) &&
		 op->opcode != IORING_OP_FSYNC && pause_again(&op->tries))
		op->state = OP_AGAIN;
	else
		end(op, res);
}

/* Take every completion.  True if an operation has ended or goes on. */
static bool collect(struct jnl_ring *ring)
{
	struct io_uring_cq *cq = &ring->uring.cq;
	unsigned int head = *cq->khead;
	unsigned int tail = io_uring_smp_load_acquire(cq->ktail);
	bool any = head != tail;

	for (; head != tail; head++) {
		const struct io_uring_cqe *cqe =
			&cq->cqes[head & *cq->kring_mask];

		(void)VALGRIND_MAKE_MEM_DEFINED(cqe, sizeof(*cqe));
		if (cqe->user_data == SELF_TEST)
			continue;
		assert(cqe->user_data < ring->entries);
		completed(ring, &ring->op[cqe->user_data], cqe->res);
	}
	io_uring_smp_store_release(cq->khead, head);
	for (uint32_t i = 0; i < ring->entries; i++) {
		if (ring->op[i].state != OP_AGAIN)
			continue;
		if (ring->broken)
			end(&ring->op[i], ring->broken);
		else
			queue(ring, &ring->op[i]);
	}
	return any;
}

static bool any_ended(const struct jnl_ring *ring)
{
	for (uint32_t i = 0; i < ring->entries; i++) {
		if (ring->op[i].state == OP_ENDED)
			return true;
	}
	return false;
}

int jnl_ring_wait(struct jnl_ring *ring)
{
	int ret;

	assert(ring->used);
	while (!any_ended(ring)) {
		ret = enter(ring, true);
		if (!collect(ring) && ret < 0) {
			/* Twice in a row without progress: it is lost. */
			if (ring->broken)
				return ret;
			ring->broken = ret;
			take_back(ring);
		}
	}
	return 0;
}

bool jnl_ring_reap(struct jnl_ring *ring, void **ret_tag, int *ret_err)
{
	for (uint32_t i = 0; i < ring->entries; i++) {
		struct op *op = &ring->op[i];

		if (op->state != OP_ENDED)
			continue;
		*ret_tag = op->tag;
		*ret_err = op->err;
		op->state = OP_FREE;
		ring->used--;
		return true;
	}
	return false;
}

uint32_t jnl_ring_in_flight(const struct jnl_ring *ring)
{
	return ring->used;
}

int jnl_ring_broken(const struct jnl_ring *ring)
{
	return ring->broken;
}

/* ------------------------------------------------------------------------ */

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
		ret = enter(ring, true);
		if (ret < 0) {
			take_back(ring);
			return ret;
		}
		if (completions_ready(ring))
			break;
	} while (pause_again(&tries));
	if (!completions_ready(ring))
		return -ETIME;
	cqe = &cq->cqes[*cq->khead & *cq->kring_mask];
	(void)VALGRIND_MAKE_MEM_DEFINED(cqe, sizeof(*cqe));
	ret = cqe->user_data == SELF_TEST ? cqe->res : -EIO;
	io_uring_smp_store_release(cq->khead, *cq->khead + 1);
	return ring->sys->ring_result(ring->sys, IORING_OP_NOP, ret);
}

int jnl_ring_enable(struct jnl_ring *ring, struct jnl_ring_report *report)
{
	int ret;

	/* By the call itself: liburing 2.3 declares its own function for it
	 * and does not export it. */
	ret = ring->sys->ring_register(ring->sys, ring->uring.ring_fd,
				       IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (ret < 0)
		return refuse(report, "enabling the ring", ret);
	ret = self_test(ring);
	if (ret < 0)
		return refuse(report, "a NOP on the ring", ret);
	return 0;
}

static void unmap(struct io_uring *u)
{
	(void)munmap(u->sq.sqes,
		     *u->sq.kring_entries * sizeof(struct io_uring_sqe));
	if (u->cq.ring_ptr != u->sq.ring_ptr)
		(void)munmap(u->cq.ring_ptr, u->cq.ring_sz);
	(void)munmap(u->sq.ring_ptr, u->sq.ring_sz);
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
