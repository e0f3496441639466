/*
 * journal/lock.h - one writer at a time.
 *
 * The file "lock" in the journal's directory carries an open-file-description
 * lock (fcntl(2), F_OFD_SETLK): it belongs to the descriptor, so closing
 * another descriptor of the same file does not drop it, and it goes when the
 * last user of the descriptor goes.  Its content is the writer's process
 * number, for people.
 */
#ifndef JNL_JOURNAL_LOCK_H
#define JNL_JOURNAL_LOCK_H

#include <sys/types.h>

#include "lib/sys.h"

/*
 * Take the writer's lock, making the file if need be.  A descriptor that
 * holds it, -EBUSY if another writer does, or -errno.  A reader that recovers
 * the journal holds it shared as long as that takes: it is waited for half a
 * minute, then -EUSERS.  A dead writer's ring holds it until the last write
 * has landed: five seconds, then -EBUSY.
 */
int jnl_lock_write(struct jnl_sys *sys, int dirfd);

/* Put the process number into the lock file. */
int jnl_lock_sign(struct jnl_sys *sys, int fd);

/* Take the number out and give the lock up, whoever has the descriptor too. */
void jnl_lock_drop(struct jnl_sys *sys, int fd);

/*
 * Keep writers out.  A descriptor, -EBUSY beside a writer (a dead one is
 * waited for as above), -ENOENT if there never was one, or -errno.
 */
int jnl_lock_read(struct jnl_sys *sys, int dirfd);

/* 0 and the writer's number (0 if it has not signed), -ENOENT if none. */
int jnl_lock_holder(struct jnl_sys *sys, int dirfd, pid_t *ret_pid);

#endif
