/*
 * journal/lock.c - one writer at a time.
 *
 * See journal/lock.h.  Never a POSIX lock: those go when any descriptor of
 * the file is closed anywhere in the process.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal/journal.h"
#include "journal/lock.h"

#define LOCK_NAME	"lock"
#define READER_TRIES	6000
#define READER_PAUSE_NS	5000000L
#define DEAD_TRIES	1000

static int open_lock(struct jnl_sys *sys, int dirfd, int flags)
{
	struct stat st;
	int fd, ret;

	fd = sys->openat(sys, dirfd, LOCK_NAME,
			 flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (fd < 0)
		return fd;
	ret = sys->fstat(sys, fd, &st);
	if (!ret && !S_ISREG(st.st_mode))
		ret = -EINVAL;
	if (ret < 0) {
		(void)sys->close(sys, fd);
		return ret;
	}
	return fd;
}

static int set_lock(struct jnl_sys *sys, int fd, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET };
	int ret = sys->lock(sys, fd, F_OFD_SETLK, &fl);

	return ret == -EACCES ? -EAGAIN : ret;
}

/* The type of the lock in the way of a lock of this type: F_UNLCK if none. */
static int get_lock(struct jnl_sys *sys, int fd, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET };
	int ret = sys->lock(sys, fd, F_OFD_GETLK, &fl);

	return ret < 0 ? ret : fl.l_type;
}

/*
 * Whether the writer that signed is dead: then the lock is there only until
 * the last of its writes has landed, which it had under way when it died.
 */
static bool holder_is_dead(struct jnl_sys *sys, int fd)
{
	char text[32] = "";
	ssize_t n = sys->pread(sys, fd, text, sizeof(text) - 1, 0, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* Whether the file that is locked is still the one of that name. */
static int still_named(struct jnl_sys *sys, int dirfd, int fd)
{
	struct stat mine, named;
	int other, ret;

	ret = sys->fstat(sys, fd, &mine);
	if (ret < 0)
		return ret;
	other = open_lock(sys, dirfd, O_RDONLY);
	if (other == -ENOENT)
		return 0;
	if (other < 0)
		return other;
	ret = sys->fstat(sys, other, &named);
	(void)sys->close(sys, other);
	return ret < 0 ? ret : mine.st_ino == named.st_ino;
}

/* What a dead writer left would name an innocent process. */
static void wipe(struct jnl_sys *sys, int fd)
{
	struct stat st;

	if (!sys->fstat(sys, fd, &st) && st.st_size)
		(void)sys->ftruncate(sys, fd, 0);
}

static int lock_once(struct jnl_sys *sys, int dirfd)
{
	static const struct timespec pause = { .tv_nsec = READER_PAUSE_NS };
	int fd, ret;

	fd = open_lock(sys, dirfd, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd;
	for (int tries = 0;; tries++) {
		ret = set_lock(sys, fd, F_WRLCK);
		if (ret != -EAGAIN)
			break;
		ret = get_lock(sys, fd, F_WRLCK);
		if (ret < 0)
			break;
		if (ret == F_WRLCK && tries < DEAD_TRIES &&
		    holder_is_dead(sys, fd))
			ret = F_RDLCK;
		if (ret == F_WRLCK || tries == READER_TRIES) {
			ret = ret == F_WRLCK ? -EBUSY : -EUSERS;
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	if (!ret) {
		ret = still_named(sys, dirfd, fd);
		/* Somebody removed it: lock the one that is there now. */
		if (!ret) {
			(void)sys->close(sys, fd);
			return -ESTALE;
		}
	}
	if (ret < 0) {
		(void)sys->close(sys, fd);
		return ret;
	}
	wipe(sys, fd);
	return fd;
}

int jnl_lock_write(struct jnl_sys *sys, int dirfd)
{
	int fd, tries = 0;

	do {
		fd = lock_once(sys, dirfd);
	} while (fd == -ESTALE && ++tries < 10);
	return fd;
}

void jnl_lock_drop(struct jnl_sys *sys, int fd)
{
	wipe(sys, fd);
	(void)set_lock(sys, fd, F_UNLCK);
}

int jnl_lock_sign(struct jnl_sys *sys, int fd)
{
	char text[32];
	ssize_t n;
	int ret;

	ret = sys->ftruncate(sys, fd, 0);
	if (ret < 0)
		return ret;
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	n = sys->pwrite(sys, fd, text, (size_t)n, 0, 0);
	return n < 0 ? (int)n : 0;
}

int jnl_lock_read(struct jnl_sys *sys, int dirfd)
{
	static const struct timespec pause = { .tv_nsec = READER_PAUSE_NS };
	int fd, ret;

	fd = open_lock(sys, dirfd, O_RDONLY);
	if (fd < 0)
		return fd;
	for (int tries = 0;; tries++) {
		ret = set_lock(sys, fd, F_RDLCK);
		if (ret != -EAGAIN || tries == DEAD_TRIES ||
		    !holder_is_dead(sys, fd))
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (ret < 0) {
		(void)sys->close(sys, fd);
		return ret == -EAGAIN ? -EBUSY : ret;
	}
	return fd;
}

int jnl_lock_holder(struct jnl_sys *sys, int dirfd, pid_t *ret_pid)
{
	char text[32] = "";
	ssize_t n;
	int fd, ret;

	fd = open_lock(sys, dirfd, O_RDONLY);
	if (fd < 0)
		return fd;
	/* Only a writer is in the way of a reader's lock. */
	ret = get_lock(sys, fd, F_RDLCK);
	if (ret == F_WRLCK) {
		n = sys->pread(sys, fd, text, sizeof(text) - 1, 0, 0);
		ret = n < 0 ? (int)n : 0;
		if (!ret)
			*ret_pid = (pid_t)strtol(text, NULL, 10);
	} else if (ret >= 0) {
		ret = -ENOENT;
	}
	(void)sys->close(sys, fd);
	return ret;
}
