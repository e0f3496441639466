/*
 * snapshot.h - the table in a file, written while the server goes on.
 *
 * A snapshot at LSN s says what the table was before the record at s; with the
 * records from s on it is the table of today.  The loop walks through the
 * table in slices; keys that change before their turn are left out, since a
 * record from s on says what became of them.  So a slice costs the loop no
 * more than copying SNAPSHOT_SLICE bytes or one entry, and no copy of the
 * table is made.
 *
 * A thread of its own writes the slices, because write(2) and fsync(2) block.
 * The file gets its name only when it is on the disk and every record below s
 * is durable: a snapshot must not know more than the journal.
 *
 *     header     "kvsnap01", u8[16] uuid of the journal, u64 s
 *     entries    u32 length, the record that sets the key (store.h)
 *     trailer    u32 0xffffffff, u64 number of entries,
 *                u64 XXH3 of everything before it
 */
#ifndef KV_SNAPSHOT_H
#define KV_SNAPSHOT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "store.h"

#define SNAPSHOT_SLICE	65536

struct snapshot {
	struct store *store;
	int event_fd;		/* readable when the writer has news */
	bool running;
	uint64_t lsn;
	uint64_t count;		/* entries walked through */
	pthread_t thread;

	/* Between loop and writer; slice belongs to the one that full names. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	uint8_t *slice;
	size_t slice_len, slice_room;
	bool full;		/* a slice waits to be written */
	bool last;		/* and none follows */
	int abandon;		/* -errno: why to give up */
	bool done;
	int error;
};

/* 0 or -errno.  One at a time. */
int snapshot_init(struct snapshot *sn, struct store *st);
void snapshot_free(struct snapshot *sn);

/* Begin one of everything appended so far.  0 or -errno. */
int snapshot_start(struct snapshot *sn);

/*
 * Go on by a slice.  Call it when event_fd is readable and when the frontier
 * has moved.  1: finished, the records below sn->lsn are no longer needed;
 * 0: not yet; -errno: failed, and the snapshot of before is still the one.
 */
int snapshot_step(struct snapshot *sn);

/* The LSN of the snapshot in the directory, 0 if there is none; or -errno. */
int snapshot_peek(int dir_fd, uint64_t *ret_lsn);

/*
 * Fill the store's table, if there is a snapshot, and set what the store says
 * of it.  0; -EBADMSG for a file that is damaged, -EXDEV for one of another
 * journal, or as the system says.
 */
int snapshot_load(struct store *st);

#endif
