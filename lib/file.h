/*
 * lib/file.h - whole reads, whole writes, flushes and aligned buffers.
 *
 * A write either has all its bytes handed over or fails: a short count is
 * resumed from the last block boundary it passed, EINTR starts again, EAGAIN
 * is tried a bounded number of times.  Any other failure is final; nothing
 * here ever repeats a write or a flush that failed.
 */
#ifndef JNL_LIB_FILE_H
#define JNL_LIB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sys.h"

/* How a flush is asked for; decided once, when the place is probed. */
enum jnl_flush {
	JNL_FLUSH_FDATASYNC = 0,
	JNL_FLUSH_FSYNC = 1,
};

/*
 * The way bytes become durable: what a method (lib/method.h) comes down to on
 * the system at hand.
 */
struct jnl_way {
	bool direct;		/* O_DIRECT descriptors */
	bool dsync;		/* RWF_DSYNC: a completed write is durable */
	enum jnl_flush flush;	/* else this makes completed writes durable */
};

/*
 * Write len bytes at offset.  rwf as for pwritev2.  align: a short count is
 * resumed from a multiple of it (a power of two; 1 for buffered writes).
 * Returns 0 or a negative errno; after a failure any part may be written.
 */
int jnl_write_full(struct jnl_sys *sys, int fd, const void *buf, size_t len,
		   uint64_t offset, int rwf, size_t align);

/* Make every completed write to fd durable.  A failure is final. */
int jnl_way_flush(struct jnl_sys *sys, const struct jnl_way *way, int fd);

/*
 * Read up to len bytes at offset; fewer only at the end of the file.
 * Returns the count or a negative errno.
 */
ssize_t jnl_read_full(struct jnl_sys *sys, int fd, void *buf, size_t len,
		      uint64_t offset);

/*
 * Zeroed memory aligned to the page size, not inherited by a child of fork(2)
 * (a direct write in flight must not meet copy-on-write pages).  NULL when
 * there is no memory.
 */
void *jnl_buffer_alloc(size_t len);
void jnl_buffer_free(void *buf, size_t len);

/*
 * A byte that is 1 here and 0 in a child of fork(2), where buffers are not.
 * NULL when there is no memory.
 */
uint8_t *jnl_alive_new(void);
void jnl_alive_free(uint8_t *alive);

#endif
