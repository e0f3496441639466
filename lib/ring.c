/*
 * lib/ring.c - operations of an io_uring, and entering the kernel.
 *
 * See lib/ring.h for the invariants.  liburing maps the ring and prepares the
 * entries; the calls themselves go through the system-call table, and so
 * does every result, so that tests can make any of them fail.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "lib/compat.h"
#include "lib/ring-impl.h"

/* EAGAIN means that nothing was done; after a second it is an answer. */
#define AGAIN_TRIES	1000
#define AGAIN_PAUSE_NS	1000000L
#define SHORT_MAX	16
/* Nobody may be kept waiting by the async ring. */
#define SUBMIT_TRIES	16
/* Where a command begins in its entry of 128 bytes; it goes to the end. */
#define SQE_COMMAND	48

static_assert(sizeof(struct nvme_uring_cmd) == 72 &&
	      offsetof(struct nvme_uring_cmd, nsid) == 4 &&
	      sizeof(struct nvme_uring_cmd) + SQE_COMMAND <= 128,
	      "struct nvme_uring_cmd is kernel ABI");
static_assert(sizeof(struct io_uring_sqe) == 64, "an entry is kernel ABI");

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

bool jnl_ring_pause(unsigned int *tries)
{
	static const struct timespec pause = { .tv_nsec = AGAIN_PAUSE_NS };

	if (++*tries > AGAIN_TRIES)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

/* Let the kernel see every entry. */
static void publish(struct jnl_ring *ring)
{
	struct io_uring *u = &ring->uring;

	__tsan_release(u->sq.ktail);
	io_uring_smp_store_release(u->sq.ktail, u->sq.sqe_tail);
	u->sq.sqe_head = u->sq.sqe_tail;
}

/* Whether the thread that polls sleeps.  The tail must be seen before the flag
 * is read: a read that writes orders them, and TSan knows it. */
static unsigned int wake_poller(const struct jnl_ring *ring)
{
	if (__atomic_fetch_or(ring->uring.sq.kflags, 0, __ATOMIC_SEQ_CST) &
	    IORING_SQ_NEED_WAKEUP)
		return IORING_ENTER_SQ_WAKEUP;
	return 0;
}

int jnl_ring_enter(struct jnl_ring *ring, bool wait)
{
	struct io_uring *u = &ring->uring;
	bool poll = u->flags & SETUP_SQPOLL;
	unsigned int flags, tries = 0;
	int ret;

	publish(ring);
	for (;;) {
		flags = wait ? IORING_ENTER_GETEVENTS : 0;
		if (poll) {
			flags |= wake_poller(ring);
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
		if (jnl_ring_has_completions(ring))
			return 0;
		if (!jnl_ring_pause(&tries))
			return ret;
	}
}

void jnl_ring_take_back(struct jnl_ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;
	unsigned int head = sq_head(ring);

	if (ring->uring.flags & SETUP_SQPOLL)
		return;
	for (unsigned int i = head; i != sq->sqe_tail; i++) {
		uint64_t id = jnl_ring_sqe(ring, i)->user_data;

		if (id == SELF_TEST)
			continue;
		assert(id < ring->entries &&
		       ring->op[id].state == OP_STARTED);
		ring->op[id].state = OP_ENDED;
		/* A part of it may be there: then its fate is not nothing. */
		if (!ring->op[id].done)
			ring->op[id].err = JNL_RING_UNDONE;
		else
			ring->op[id].err = ring->broken ? ring->broken :
							  -EAGAIN;
	}
	sq->sqe_tail = sq->sqe_head = head;
	io_uring_smp_store_release(sq->ktail, head);
}

/* ------------------------------------------------------------------------
 * Operations
 */

static bool in_memory(const struct jnl_ring *ring, const struct jnl_op *op)
{
	return ring->fixed_buffers && op->buf >= ring->memory &&
	       op->buf + op->len <= ring->memory + ring->memory_len;
}

static void prepare_write(const struct jnl_ring *ring, const struct jnl_op *op,
			  struct io_uring_sqe *sqe)
{
	const uint8_t *buf = op->buf + op->done;
	unsigned int len = (unsigned int)(op->len - op->done);
	uint64_t offset = op->offset + op->done;

	/* An atomic write from a registered buffer is refused (fs/read_write.c,
	 * generic_atomic_write_valid()). */
	if (in_memory(ring, op) && !(op->rwf & RWF_ATOMIC))
		io_uring_prep_write_fixed(sqe, (int)op->slot, buf, len, offset,
					  0);
	else
		io_uring_prep_write(sqe, (int)op->slot, buf, len, offset);
	sqe->rw_flags = op->rwf;
}

/* A read's buffer is the caller's to change. */
static void prepare_read(const struct jnl_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_read(sqe, (int)op->slot, (void *)(op->buf + op->done),
			   (unsigned int)(op->len - op->done),
			   op->offset + op->done);
}

/* All of the entry: what is not set has to be zero. */
static void prepare_command(const struct jnl_op *op, struct io_uring_sqe *sqe)
{
	const struct nvme_uring_cmd cmd = {
		.opcode = JNL_NVME_FLUSH,
		.nsid = op->nsid,
	};

	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = (int)op->slot;
	sqe->cmd_op = NVME_URING_CMD_IO;
	memcpy((uint8_t *)sqe + SQE_COMMAND, &cmd, sizeof(cmd));
}

/* Queue an operation, or the rest of it. */
static void queue(struct jnl_ring *ring, struct jnl_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	/* There are as many entries as operations. */
	assert(sqe);
	if (op->opcode == IORING_OP_FSYNC)
		io_uring_prep_fsync(sqe, (int)op->slot, op->fsync_flags);
	else if (op->opcode == IORING_OP_URING_CMD)
		prepare_command(op, sqe);
	else if (op->opcode == IORING_OP_READ)
		prepare_read(op, sqe);
	else
		prepare_write(ring, op, sqe);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = (uint64_t)(op - ring->op);
	op->state = OP_STARTED;
	/* Everything written to the buffer so far happens before. */
	__tsan_release(op);
}

static struct jnl_op *free_op(struct jnl_ring *ring)
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

static void start_at(struct jnl_ring *ring, uint32_t slot,
		     const struct jnl_op *proto)
{
	struct jnl_op *op = free_op(ring);

	*op = *proto;
	op->slot = slot;
	ring->used++;
	queue(ring, op);
}

static int start(struct jnl_ring *ring, struct jnl_ring_file file,
		 const struct jnl_op *proto)
{
	uint32_t slot;
	int ret;

	if (ring->broken)
		return ring->broken;
	ret = slot_of(ring, file, &slot);
	if (ret < 0)
		return ret;
	start_at(ring, slot, proto);
	return 0;
}

int jnl_ring_write(struct jnl_ring *ring, struct jnl_ring_file file,
		   const void *buf, size_t len, uint64_t offset, int rwf,
		   size_t align, void *tag)
{
	assert(len && len <= INT32_MAX && align && !(align & (align - 1)));
	return start(ring, file, &(struct jnl_op){
		.opcode = IORING_OP_WRITE, .buf = buf, .len = len,
		.align = align, .offset = offset, .rwf = rwf, .tag = tag });
}

int jnl_ring_read(struct jnl_ring *ring, struct jnl_ring_file file, void *buf,
		  size_t len, uint64_t offset, size_t align, void *tag)
{
	assert(len && len <= INT32_MAX && align && !(align & (align - 1)));
	return start(ring, file, &(struct jnl_op){
		.opcode = IORING_OP_READ, .buf = buf, .len = len,
		.align = align, .offset = offset, .tag = tag });
}

int jnl_ring_flush(struct jnl_ring *ring, struct jnl_ring_file file,
		   bool data_only, void *tag)
{
	return start(ring, file, &(struct jnl_op){
		.opcode = IORING_OP_FSYNC, .tag = tag,
		.fsync_flags = data_only ? IORING_FSYNC_DATASYNC : 0 });
}

int jnl_ring_device_flush(struct jnl_ring *ring, uint32_t nsid, void *tag)
{
	if (ring->broken)
		return ring->broken;
	if (!ring->device_slot)
		return -EOPNOTSUPP;
	start_at(ring, ring->device_slot, &(struct jnl_op){
		.opcode = IORING_OP_URING_CMD, .nsid = nsid, .tag = tag });
	return 0;
}

static void end(struct jnl_op *op, int err)
{
	op->state = OP_ENDED;
	op->err = err;
}

/* A write that the kernel took so much of, or a read that it gave. */
static void transferred(struct jnl_op *op, size_t n)
{
	if (op->opcode == IORING_OP_READ)
		(void)VALGRIND_MAKE_MEM_DEFINED(op->buf + op->done, n);
	if (n >= op->len - op->done) {
		end(op, 0);
		return;
	}
	/* The file ends before what was asked for. */
	if (op->opcode == IORING_OP_READ && !n) {
		end(op, -EIO);
		return;
	}
	/* As in jnl_write_full(): on from a block boundary, but not where
	 * all or nothing was asked for. */
	if (op->rwf & RWF_ATOMIC ||
	    (n < op->align && ++op->shorts > SHORT_MAX)) {
		end(op, -EIO);
		return;
	}
	op->done += n & ~(op->align - 1);
	op->state = OP_AGAIN;
}

/* Whether starting it once more does no harm. */
static bool repeatable(const struct jnl_op *op)
{
	return op->opcode == IORING_OP_WRITE || op->opcode == IORING_OP_READ;
}

/*
 * Whether the result says that nothing was done: a write that could not be
 * begun, or an operation whose thread ended before it was (ECANCELED).
 */
static bool not_done(const struct jnl_op *op, int res)
{
	if (op->done)
		return false;
	if (res == -ECANCELED)
		return true;
	return repeatable(op) &&
	       (res == -EINTR || res == -EAGAIN);
}

static void completed(struct jnl_ring *ring, struct jnl_op *op, int res)
{
	assert(op->state == OP_STARTED);
	__tsan_acquire(op);
	res = ring->sys->ring_result(ring->sys, op->opcode, res);
	if (res >= 0 && op->opcode == IORING_OP_FSYNC)
		end(op, 0);
	else if (res >= 0 && op->opcode == IORING_OP_URING_CMD)
		end(op, res ? JNL_RING_STATUS + res : 0);
	else if (res >= 0)
		transferred(op, (size_t)res);
	else if (ring->async && not_done(op, res))
		end(op, JNL_RING_UNDONE);
	/* A flush that was interrupted says nothing about what it covers. */
	else if ((res == -EINTR || res == -EAGAIN) && !ring->async &&
		 repeatable(op) && jnl_ring_pause(&op->tries))
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
		const struct io_uring_cqe *cqe = jnl_ring_cqe(ring, head);

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
		ret = jnl_ring_enter(ring, true);
		if (!collect(ring) && ret < 0) {
			/* Twice in a row without progress: it is lost. */
			if (ring->broken)
				return ret;
			ring->broken = ret;
			jnl_ring_take_back(ring);
		}
	}
	return 0;
}

/* Without the polling thread: what is not taken is taken back. */
static int submit(struct jnl_ring *ring)
{
	unsigned int tries = 0;
	int ret;

	while (untaken(ring)) {
		ret = ring->sys->ring_enter(ring->sys, ring->uring.ring_fd,
					    untaken(ring), 0, 0);
		if (ret > 0 || (ret == -EINTR && ++tries < SUBMIT_TRIES))
			continue;
		/* No memory now is no reason to give it up. */
		if (ret && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			ring->broken = ret;
		break;
	}
	jnl_ring_take_back(ring);
	return 0;
}

bool jnl_ring_unsubmitted(const struct jnl_ring *ring)
{
	return ring->uring.sq.sqe_head != ring->uring.sq.sqe_tail;
}

int jnl_ring_submit(struct jnl_ring *ring)
{
	unsigned int flags, tries = 0;
	int ret;

	if (!jnl_ring_unsubmitted(ring))
		return 0;
	publish(ring);
	if (!(ring->uring.flags & SETUP_SQPOLL))
		return submit(ring);
	flags = wake_poller(ring);
	if (!flags)
		return 0;
	do {
		ret = ring->sys->ring_enter(ring->sys, ring->uring.ring_fd, 0,
					    0, flags);
	} while ((ret == -EINTR || ret == -EAGAIN || ret == -EBUSY) &&
		 ++tries < SUBMIT_TRIES);
	/* Nobody knows what a thread that does not wake has taken. */
	if (ret < 0)
		ring->broken = ret;
	return ret < 0 ? ret : 0;
}

void jnl_ring_look(struct jnl_ring *ring)
{
	(void)collect(ring);
}

void jnl_ring_sleep(const struct jnl_ring *ring, int kick_fd)
{
	struct pollfd fd[] = {
		{ .fd = ring->uring.ring_fd, .events = POLLIN },
		{ .fd = kick_fd, .events = POLLIN },
	};

	(void)poll(fd, 2, -1);
}

bool jnl_ring_reap(struct jnl_ring *ring, void **ret_tag, int *ret_err)
{
	for (uint32_t i = 0; i < ring->entries; i++) {
		struct jnl_op *op = &ring->op[i];

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
