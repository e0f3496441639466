/*
 * lib/ring.h - an io_uring: writes, flushes and reads in flight.
 *
 * There are two kinds.  The sync ring has one owner: one thread makes it ready,
 * another (or the same) enables it and is its owner from then on; nobody else
 * may call anything but jnl_ring_close().  The owner sleeps in jnl_ring_wait().
 *
 * The async ring belongs to nobody: any thread may call anything, one at a time
 * (under a lock).  It rings an eventfd when something has ended, and nothing
 * but jnl_ring_sleep() ever waits.  So it never has SINGLE_ISSUER, and neither
 * DEFER_TASKRUN nor COOP_TASKRUN: with those a completion can lie in wait
 * until its submitter enters the kernel, which in an event loop it never does.
 *
 * Invariants
 *   - The writer's lock is registered as a fixed file before anything else:
 *     as long as a write can still land, also after the death of the process,
 *     nobody else gets the lock.  A ring that refuses it is not used.  One that
 *     only reads has none.
 *   - Files are known by a generation, never by descriptor number: a number
 *     that was closed and given out again cannot be written to by mistake.
 *   - A buffer belongs to the ring from the operation's start until its end
 *     was reaped.
 *   - A short write or read goes on, EINTR and EAGAIN start again (bounded; on
 *     the async ring they are left to others: JNL_RING_UNDONE); no other failure
 *     is repeated, and nothing of a flush.
 *
 * How it fails: an operation ends with its own error.  When the kernel refuses
 * to be entered, what it has not seen ends with JNL_RING_UNDONE, what it has
 * seen is waited for; if that cannot be done either the ring is lost: its
 * buffers must live as long as the process.
 */
#ifndef JNL_LIB_RING_H
#define JNL_LIB_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sys.h"

/* Nothing of the operation was done: it may be carried out in another way. */
#define JNL_RING_UNDONE	1

/* A drive's completion status, which is not 0, is told with this added. */
#define JNL_RING_STATUS	0x10000

#define JNL_RING_STEPS	8

/* What became of a ring, for people and for tests. */
struct jnl_ring_report {
	/* Every set of flags that was tried, best first; the last one was
	 * taken if its err is 0.  Steps that only the commands to a device
	 * needed are not among them. */
	struct {
		uint32_t flags;
		int err;
	} step[JNL_RING_STEPS];
	uint32_t steps;
	uint32_t flags;		/* of the ring, as the kernel returned them */
	uint32_t features;	/* IORING_FEAT_* */
	int buffers_err;	/* why the buffers are not registered, or 0 */
	int device_err;		/* why no command goes to the device, or 0 */
	/* The call that made the ring unusable and its error; NULL: none. */
	const char *refused;
	int err;
};

struct jnl_ring_config {
	uint32_t entries;	/* most operations in flight, 1 to 1024 */
	bool sqpoll;		/* a kernel thread takes the submissions */
	bool async;		/* the async ring */
	int event_fd;		/* async: the eventfd to ring */
	int lock_fd;		/* kept open by the ring until it is dead; -1:
				 * for a ring that will only read */
	/* Whether there is an NVMe namespace's generic device to flush by
	 * jnl_ring_device_flush().  Kept open by the ring too. */
	bool device;
	int device_fd;
	/* Where buffers of writes lie; registered if the kernel lets us. */
	void *memory;
	size_t memory_len;
};

struct jnl_ring;

/* A file to write to; a generation is never used for a second file. */
struct jnl_ring_file {
	int fd;
	uint64_t generation;	/* not 0 */
};

/*
 * Make a ring, disabled.  0, or a negative errno with the reason in *ret_report
 * (which is filled in either way).
 */
int jnl_ring_open(struct jnl_ring **ret_ring, struct jnl_sys *sys,
		  const struct jnl_ring_config *cfg,
		  struct jnl_ring_report *ret_report);

/*
 * Become the owner (of a sync ring) and try the ring out; an async ring rings
 * its eventfd from now on.  -errno: not usable, close it.
 */
int jnl_ring_enable(struct jnl_ring *ring, struct jnl_ring_report *report);

/*
 * Start an operation; at most cfg.entries may be started and not reaped.
 * align: as for jnl_write_full().  tag comes back when it is reaped.  0, or a
 * negative errno: nothing was started.
 */
int jnl_ring_write(struct jnl_ring *ring, struct jnl_ring_file file,
		   const void *buf, size_t len, uint64_t offset, int rwf,
		   size_t align, void *tag);
int jnl_ring_flush(struct jnl_ring *ring, struct jnl_ring_file file,
		   bool data_only, void *tag);

/* As a write.  -EIO also if the file ends before offset + len. */
int jnl_ring_read(struct jnl_ring *ring, struct jnl_ring_file file, void *buf,
		  size_t len, uint64_t offset, size_t align, void *tag);

/*
 * The NVMe command Flush for namespace nsid, on cfg.device_fd.  As above, and
 * -EOPNOTSUPP where the ring takes no commands (report.device_err).  It ends
 * with 0, JNL_RING_STATUS and a status, or a negative errno.
 */
int jnl_ring_device_flush(struct jnl_ring *ring, uint32_t nsid, void *tag);

/*
 * Let go of every file but these: a registered file is open, and keeps its
 * space when it is removed.  Files of operations in flight are kept.  What a
 * thread of the kernel has just carried may hold its file until the ring is
 * entered again.
 */
void jnl_ring_keep(struct jnl_ring *ring, const uint64_t *generation, size_t n);

/*
 * The sync ring: submit what was started and wait until an operation can be
 * reaped.  Must not be called with nothing in flight.  Negative: the ring is
 * lost.
 */
int jnl_ring_wait(struct jnl_ring *ring);

/*
 * The async ring: submit what was started, without waiting.  What the kernel
 * does not take can be reaped, undone.  Negative: the ring is lost.
 */
int jnl_ring_submit(struct jnl_ring *ring);

/*
 * The async ring: take what the kernel has completed, without entering it.
 * What is to go on was started again: there may be something to submit.
 */
void jnl_ring_look(struct jnl_ring *ring);
bool jnl_ring_unsubmitted(const struct jnl_ring *ring);

/*
 * The async ring: sleep until there is a completion that nobody has taken, or
 * kick_fd is readable; may return at any time.  Without the lock: the ring
 * must only not be closed meanwhile.
 */
void jnl_ring_sleep(const struct jnl_ring *ring, int kick_fd);

/*
 * The next operation that has ended: its tag, and 0, a negative errno or
 * JNL_RING_UNDONE.  False if there is none.
 */
bool jnl_ring_reap(struct jnl_ring *ring, void **ret_tag, int *ret_err);

/* How many operations were started and not reaped. */
uint32_t jnl_ring_in_flight(const struct jnl_ring *ring);

/* 0, or the error for which the kernel would not be entered any more. */
int jnl_ring_broken(const struct jnl_ring *ring);

/*
 * The owner's last call, if nothing is in flight: the files are let go of now,
 * the lock among them.  Closing a ring alone lets go of them some time later,
 * and keeps a device or a mount busy meanwhile.  No operation can be started
 * any more.
 */
void jnl_ring_release(struct jnl_ring *ring);

/*
 * Close it, from any thread.  With operations in flight the kernel goes on
 * with them and keeps the lock meanwhile.  mapped: false in a child of
 * fork(2), where the ring's memory is not.
 */
void jnl_ring_close(struct jnl_ring *ring, bool mapped);

#endif
