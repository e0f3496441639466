/*
 * journal/raw-lock.c - the lock of a journal on a raw device.
 *
 * It is an open file description lock on the node, as that on the file "lock"
 * in a directory; a writer's is on the open file that has the device for
 * itself, so that both are there as long as that is.  The process number is a
 * note on the device.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "journal/raw-impl.h"

#define CLAIM_TRIES	40
#define CLAIM_PAUSE_NS	5000000L

static const struct jnl_raw_handle lock_handle = {
	.kind = JNL_RAW_IS_LOCK, .base = JNL_RAW_NOTE, .size = JNL_RAW_NOTE_LEN,
};

/* 1 if somebody has the lock for writing, 0 if not, or -errno. */
static int is_locked(struct jnl_raw *raw, int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ret = raw->base->lock(raw->base, fd, F_OFD_GETLK, &fl);

	return ret < 0 ? ret : fl.l_type == F_WRLCK;
}

/*
 * For a writer the device, exclusively.  Where it cannot be had, but a writer
 * has the lock, an open file without it, so that the lock can be asked who
 * that is and be waited for.  Those who look a device over, as udev does, may
 * have it for a moment.
 */
int jnl_raw_open_lock(struct jnl_raw *raw, int flags)
{
	static const struct timespec pause = { .tv_nsec = CLAIM_PAUSE_NS };
	struct jnl_raw_handle claimed = lock_handle;
	int fd, ret, tries = 0;

	claimed.claimed = true;
	flags &= O_ACCMODE;
	if (flags == O_RDONLY)
		return jnl_raw_open_handle(raw, lock_handle, flags);
	for (;;) {
		fd = jnl_raw_open_device(raw, flags | O_EXCL);
		if (fd >= 0)
			return jnl_raw_add(raw, claimed, fd);
		if (fd != -EBUSY)
			return fd;
		fd = jnl_raw_open_device(raw, flags);
		if (fd < 0)
			return fd;
		ret = is_locked(raw, fd);
		if (ret == 1)
			return jnl_raw_add(raw, lock_handle, fd);
		(void)raw->base->close(raw->base, fd);
		if (ret < 0)
			return ret;
		if (++tries == CLAIM_TRIES)
			return -EBUSY;
		(void)nanosleep(&pause, NULL);
	}
}

/* fd has the lock now, or has it no more: what was read no longer counts. */
static void held(struct jnl_raw *raw, int fd, short type)
{
	jnl_raw_holds(raw, fd, type != F_UNLCK);
	jnl_raw_enter(raw, &raw->names_lock);
	raw->mine = type == F_WRLCK;
	raw->shared = type == F_RDLCK;
	raw->loaded = false;
	/* What is wrong with it is said to whoever asks for names. */
	if (raw->mine)
		(void)jnl_raw_refresh(raw);
	jnl_raw_leave(raw, &raw->names_lock);
}

int jnl_raw_lock(struct jnl_sys *sys, int fd, int cmd, struct flock *fl)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);
	struct flock back = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	int ret;

	if (h.kind != JNL_RAW_IS_LOCK)
		return -EBADF;
	ret = raw->base->lock(raw->base, fd, cmd, fl);
	if (ret || cmd != F_OFD_SETLK)
		return ret;
	/* Whoever had the device has given it up since: from the start. */
	if (fl->l_type == F_WRLCK && !h.claimed) {
		(void)raw->base->lock(raw->base, fd, F_OFD_SETLK, &back);
		return -ESTALE;
	}
	held(raw, fd, fl->l_type);
	return 0;
}

/* How long the note is; 0 if there is nothing that could have one. */
int jnl_raw_note_size(struct jnl_raw *raw, int fd, off_t *ret_size)
{
	char text[JNL_RAW_NOTE_LEN];
	ssize_t n;

	*ret_size = 0;
	if (!raw->table.formatted)
		return 0;
	n = raw->base->pread(raw->base, fd, text, sizeof(text), JNL_RAW_NOTE, 0);
	if (n > 0)
		*ret_size = (off_t)strnlen(text, (size_t)n);
	return n < 0 ? (int)n : 0;
}

/* Only 0: the number is taken out. */
int jnl_raw_wipe_note(struct jnl_raw *raw, int fd, uint64_t size)
{
	static const char zeros[JNL_RAW_NOTE_LEN];
	ssize_t n;

	if (size)
		return -EINVAL;
	if (!raw->mine || !raw->table.formatted)
		return 0;
	n = raw->base->pwrite(raw->base, fd, zeros, sizeof(zeros), JNL_RAW_NOTE,
			      0);
	return n < 0 ? (int)n : 0;
}
