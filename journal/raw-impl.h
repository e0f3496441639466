/*
 * journal/raw-impl.h - what the files of journal/raw*.c share.
 */
#ifndef JNL_JOURNAL_RAW_IMPL_H
#define JNL_JOURNAL_RAW_IMPL_H

#include <pthread.h>

#include "journal/raw-table.h"
#include "journal/raw.h"

#define JNL_RAW_HANDLES	64

enum jnl_raw_kind {
	JNL_RAW_IS_UNUSED, JNL_RAW_IS_DIRECTORY, JNL_RAW_IS_PARENT,
	JNL_RAW_IS_LOCK, JNL_RAW_IS_SCRATCH, JNL_RAW_IS_SLOT,
	JNL_RAW_IS_ROOM, JNL_RAW_IS_CHOICE,
};

struct jnl_raw_handle {
	enum jnl_raw_kind kind;
	int fd;
	uint64_t slot;
	uint64_t base, size;	/* where its bytes are */
	bool claimed;		/* the device is held exclusively */
	bool holds;		/* the lock, for reading or writing */
};

struct jnl_raw {
	struct jnl_sys sys;	/* first: a table is its device */
	struct jnl_sys *base;
	int parent;		/* the directory that the node is in */
	char *name;		/* of the node there */
	dev_t device;
	uint8_t *alive;		/* 0 in a child of fork(2) */

	pthread_mutex_t names_lock;
	struct jnl_table table;
	bool loaded;		/* and nobody else can change it */
	bool mine;		/* the lock is held for writing */
	bool shared;		/* the lock is held for reading */
	bool scratch;		/* there is a scratch file with a name */
	struct jnl_slots room;	/* set aside; count 0: none is */
	uint64_t room_file;	/* bytes of each of the two files there */

	pthread_mutex_t handles_lock;
	struct jnl_raw_handle handle[JNL_RAW_HANDLES];
	unsigned int handles;
};

static inline struct jnl_raw *jnl_raw_of(struct jnl_sys *sys)
{
	return (struct jnl_raw *)sys;
}

/* ------------------------------------------------------------------------
 * raw-handle.c
 */

void jnl_raw_enter(struct jnl_raw *raw, pthread_mutex_t *mutex);
void jnl_raw_leave(struct jnl_raw *raw, pthread_mutex_t *mutex);

/* What fd is; JNL_RAW_IS_UNUSED if it is none of ours. */
struct jnl_raw_handle jnl_raw_look(struct jnl_raw *raw, int fd);

/* Take fd in as what h says; fd, or -EMFILE and it is closed. */
int jnl_raw_add(struct jnl_raw *raw, struct jnl_raw_handle h, int fd);

/* The device by another open file; flags are open(2)'s. */
int jnl_raw_open_device(struct jnl_raw *raw, int flags);

/* The same, taken in. */
int jnl_raw_open_handle(struct jnl_raw *raw, struct jnl_raw_handle h,
			int flags);

/* The last one frees raw. */
int jnl_raw_close(struct jnl_sys *sys, int fd);
void jnl_raw_free(struct jnl_raw *raw);

/* The descriptor of the directory, which reads the table. */
int jnl_raw_table_fd(struct jnl_raw *raw);

/* The slots that somebody has open or that are set aside; how many ranges. */
size_t jnl_raw_taken(struct jnl_raw *raw,
		     struct jnl_slots taken[JNL_RAW_HANDLES + 1]);

/* fd has the lock, or has it no more. */
void jnl_raw_holds(struct jnl_raw *raw, int fd, bool holds);

/* ------------------------------------------------------------------------
 * raw-names.c
 */

/* Have the table as it is now; names_lock is held here and for opening. */
int jnl_raw_refresh(struct jnl_raw *raw);
int jnl_raw_open_segment(struct jnl_raw *raw, const char *name, int flags);
int jnl_raw_rename(struct jnl_sys *sys, int dirfd, const char *from,
		   const char *to);
int jnl_raw_unlink(struct jnl_sys *sys, int dirfd, const char *name);
int jnl_raw_list(struct jnl_sys *sys, int dirfd, jnl_list_fn fn, void *arg);

/* The fsync of the directory; heal: as for jnl_table_store(). */
int jnl_raw_sync(struct jnl_raw *raw, bool heal);

/* ------------------------------------------------------------------------
 * raw-room.c
 */

/* A file without a name, in the room that is set aside. */
int jnl_raw_open_room(struct jnl_raw *raw, int flags);

/* The place of the measured choice. */
int jnl_raw_open_choice(struct jnl_raw *raw, int flags);

/* ------------------------------------------------------------------------
 * raw-lock.c
 */

int jnl_raw_open_lock(struct jnl_raw *raw, int flags);
int jnl_raw_lock(struct jnl_sys *sys, int fd, int cmd, struct flock *fl);

/* How long the note is; 0 if there is nothing that could have one. */
int jnl_raw_note_size(struct jnl_raw *raw, int fd, off_t *ret_size);
int jnl_raw_wipe_note(struct jnl_raw *raw, int fd, uint64_t size);

#endif
