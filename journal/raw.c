/*
 * journal/raw.c - a raw block device or partition as a journal's directory.
 *
 * See journal/raw.h for the invariants.  Two locks: one around the table, held
 * while it is written, and one around the list of descriptors, held for no
 * call at all, so that no commit waits for a rename.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <linux/fiemap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "journal/raw-table.h"
#include "journal/raw.h"
#include "lib/compat.h"
#include "lib/file.h"

#define HANDLES		64
#define INO_LOCK	1
#define INO_SCRATCH	2
#define INO_SLOT	16
#define CLAIM_TRIES	40
#define CLAIM_PAUSE_NS	5000000L

enum kind { UNUSED, DIRECTORY, PARENT, LOCK, SCRATCH, SLOT };

struct handle {
	enum kind kind;
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

	pthread_mutex_t handles_lock;
	struct handle handle[HANDLES];
	unsigned int handles;
};

static struct jnl_raw *raw_of(struct jnl_sys *sys)
{
	return (struct jnl_raw *)sys;
}

/* In a child of fork another thread may have held it, and is not there. */
static void lock(struct jnl_raw *raw, pthread_mutex_t *mutex)
{
	if (raw->alive[0])
		pthread_mutex_lock(mutex);
}

static void unlock(struct jnl_raw *raw, pthread_mutex_t *mutex)
{
	if (raw->alive[0])
		pthread_mutex_unlock(mutex);
}

/* ------------------------------------------------------------------------
 * Descriptors
 */

static struct handle *find(struct jnl_raw *raw, int fd)
{
	for (int i = 0; i < HANDLES; i++)
		if (raw->handle[i].kind != UNUSED && raw->handle[i].fd == fd)
			return &raw->handle[i];
	return NULL;
}

/* What fd is; UNUSED if it is none of ours. */
static struct handle look(struct jnl_raw *raw, int fd)
{
	struct handle h = { .kind = UNUSED }, *found;

	lock(raw, &raw->handles_lock);
	found = find(raw, fd);
	if (found)
		h = *found;
	unlock(raw, &raw->handles_lock);
	return h;
}

/* Take fd in as what h says; fd, or -EMFILE and it is closed. */
static int add(struct jnl_raw *raw, struct handle h, int fd)
{
	int ret = -EMFILE;

	h.fd = fd;
	lock(raw, &raw->handles_lock);
	for (int i = 0; i < HANDLES; i++) {
		if (raw->handle[i].kind != UNUSED)
			continue;
		raw->handle[i] = h;
		raw->handles++;
		ret = fd;
		break;
	}
	unlock(raw, &raw->handles_lock);
	if (ret < 0)
		(void)raw->base->close(raw->base, fd);
	return ret;
}

/* The device by another open file; flags are open(2)'s. */
static int open_device(struct jnl_raw *raw, int flags)
{
	struct jnl_sys *base = raw->base;
	struct stat st;
	int fd, ret;

	flags &= O_ACCMODE | O_DIRECT | O_EXCL;
	fd = base->openat(base, raw->parent, raw->name, flags | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = base->fstat(base, fd, &st);
	/* The node may have become another device's since. */
	if (!ret && (!S_ISBLK(st.st_mode) || st.st_rdev != raw->device))
		ret = -ENXIO;
	if (!ret)
		return fd;
	(void)base->close(base, fd);
	return ret;
}

static int open_handle(struct jnl_raw *raw, struct handle h, int flags)
{
	int fd = open_device(raw, flags & ~O_EXCL);

	return fd < 0 ? fd : add(raw, h, fd);
}

static struct handle slot_handle(const struct jnl_raw *raw, uint64_t slot)
{
	uint64_t size = raw->table.h.slot_size;

	return (struct handle){
		.kind = SLOT, .slot = slot, .size = size,
		.base = jnl_raw_place(size, slot),
	};
}

static const struct handle directory_handle = { .kind = DIRECTORY };
static const struct handle parent_handle = { .kind = PARENT };
static const struct handle scratch_handle = {
	.kind = SCRATCH, .base = JNL_RAW_SCRATCH, .size = JNL_RAW_SCRATCH_LEN,
};
static const struct handle lock_handle = {
	.kind = LOCK, .base = JNL_RAW_NOTE, .size = JNL_RAW_NOTE_LEN,
};

static void raw_free(struct jnl_raw *raw)
{
	if (raw->parent >= 0)
		(void)raw->base->close(raw->base, raw->parent);
	jnl_table_fini(&raw->table, raw->alive && raw->alive[0]);
	if (raw->alive && raw->alive[0]) {
		pthread_mutex_destroy(&raw->names_lock);
		pthread_mutex_destroy(&raw->handles_lock);
	}
	jnl_alive_free(raw->alive);
	free(raw->name);
	free(raw);
}

static int raw_close(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = { .kind = UNUSED }, *found;
	bool last = false;
	int ret;

	lock(raw, &raw->handles_lock);
	found = find(raw, fd);
	if (found) {
		h = *found;
		found->kind = UNUSED;
		last = !--raw->handles;
	}
	unlock(raw, &raw->handles_lock);
	if (h.holds)
		raw->mine = raw->shared = raw->loaded = false;
	ret = raw->base->close(raw->base, fd);
	if (last)
		raw_free(raw);
	return ret;
}

/* ------------------------------------------------------------------------
 * The table
 */

/* The descriptor of the directory, which reads the table. */
static int table_fd(struct jnl_raw *raw)
{
	int fd = -EBADF;

	lock(raw, &raw->handles_lock);
	for (int i = 0; i < HANDLES; i++) {
		if (raw->handle[i].kind == DIRECTORY) {
			fd = raw->handle[i].fd;
			break;
		}
	}
	unlock(raw, &raw->handles_lock);
	return fd;
}

/* Have the table as it is now.  names_lock is held here and below. */
static int refresh(struct jnl_raw *raw)
{
	int ret;

	if (raw->loaded)
		return 0;
	ret = jnl_table_load(&raw->table, raw->base, table_fd(raw));
	raw->loaded = !ret && (raw->mine || raw->shared);
	return ret;
}

static uint64_t word_of(const char *name)
{
	char digits[17];
	uint64_t number;

	if (jnl_segment_parse(name, &number))
		return number < JNL_LSN_MAX / JNL_SEGMENT_MIN ?
		       jnl_raw_entry(number) : JNL_RAW_FREE;
	if (!jnl_is_tmp(name) || !strncmp(name, "probe-", 6))
		return JNL_RAW_FREE;
	memcpy(digits, name, 16);
	digits[16] = 0;
	number = strtoull(digits, NULL, 16);
	return number < JNL_LSN_MAX / JNL_SEGMENT_MIN ?
	       jnl_raw_entry(number) | JNL_TABLE_TMP : JNL_RAW_FREE;
}

static void name_of(char name[JNL_SEGMENT_NAME_LEN], uint64_t word)
{
	uint64_t number = (word & ~JNL_TABLE_TMP) - 1;

	if (word & JNL_TABLE_TMP)
		jnl_tmp_name(name, number);
	else
		jnl_segment_name(name, number);
}

/* Whether names may be changed now. */
static int may_change(struct jnl_raw *raw)
{
	int ret;

	if (!raw->mine)
		return -EROFS;
	ret = refresh(raw);
	if (ret < 0)
		return ret;
	return raw->table.formatted ? raw->table.error : -EROFS;
}

/*
 * Make the table durable through an open file of its own: it is told of
 * failures since, and not of those that a segment's file is told of already
 * and is replaced for.
 */
static int store(struct jnl_raw *raw, bool heal)
{
	int fd, ret;

	fd = open_device(raw, O_RDWR | O_DIRECT);
	if (fd < 0)
		return fd;
	ret = jnl_table_store(&raw->table, raw->base, fd, heal);
	(void)raw->base->close(raw->base, fd);
	return ret;
}

static uint64_t free_slot(struct jnl_raw *raw)
{
	uint64_t open[HANDLES];
	size_t n = 0;

	lock(raw, &raw->handles_lock);
	for (int i = 0; i < HANDLES; i++)
		if (raw->handle[i].kind == SLOT)
			open[n++] = raw->handle[i].slot;
	unlock(raw, &raw->handles_lock);
	return jnl_table_free_slot(&raw->table, open, n);
}

/*
 * A slot for a new file.  The last resorts: what was removed and is still in
 * the table on the device, and a device that has grown.
 */
static int take_slot(struct jnl_raw *raw, uint64_t *ret_slot)
{
	int ret;

	*ret_slot = free_slot(raw);
	if (*ret_slot == UINT64_MAX && jnl_table_dirty(&raw->table)) {
		ret = store(raw, false);
		if (ret < 0)
			return ret;
		*ret_slot = free_slot(raw);
	}
	if (*ret_slot == UINT64_MAX) {
		ret = jnl_table_grow(&raw->table, raw->base, table_fd(raw));
		if (ret < 0)
			return ret;
		*ret_slot = free_slot(raw);
	}
	return *ret_slot == UINT64_MAX ? -ENOSPC : 0;
}

static int open_segment(struct jnl_raw *raw, const char *name, int flags)
{
	uint64_t word = word_of(name), slot;
	int ret;

	ret = refresh(raw);
	if (ret < 0)
		return ret;
	slot = word == JNL_RAW_FREE ? UINT64_MAX :
	       jnl_table_find(&raw->table, word);
	if (slot != UINT64_MAX && flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (slot != UINT64_MAX)
		return open_handle(raw, slot_handle(raw, slot), flags);
	if (!(flags & O_CREAT))
		return -ENOENT;
	/* A name that the table has no word for. */
	if (word == JNL_RAW_FREE)
		return -EOPNOTSUPP;
	ret = may_change(raw);
	if (!ret)
		ret = take_slot(raw, &slot);
	if (!ret)
		ret = open_handle(raw, slot_handle(raw, slot), flags);
	if (ret >= 0)
		raw->table.now[slot] = word;
	return ret;
}

static int raw_rename(struct jnl_sys *sys, int dirfd, const char *from,
		      const char *to)
{
	struct jnl_raw *raw = raw_of(sys);
	uint64_t a = word_of(from), b = word_of(to), slot, old;
	int ret;

	(void)dirfd;
	if (b == JNL_RAW_FREE)
		return -EOPNOTSUPP;
	lock(raw, &raw->names_lock);
	ret = may_change(raw);
	if (!ret) {
		slot = a == JNL_RAW_FREE ? UINT64_MAX :
		       jnl_table_find(&raw->table, a);
		old = jnl_table_find(&raw->table, b);
		if (slot == UINT64_MAX)
			ret = -ENOENT;
		else if (old != UINT64_MAX)
			raw->table.now[old] = JNL_RAW_FREE;
	}
	if (!ret)
		raw->table.now[slot] = b;
	unlock(raw, &raw->names_lock);
	return ret;
}

static int raw_unlink(struct jnl_sys *sys, int dirfd, const char *name)
{
	struct jnl_raw *raw = raw_of(sys);
	uint64_t word = word_of(name), slot;
	int ret = -ENOENT;

	(void)dirfd;
	lock(raw, &raw->names_lock);
	if (word == JNL_RAW_FREE) {
		if (raw->scratch && jnl_is_tmp(name)) {
			raw->scratch = false;
			ret = 0;
		}
	} else {
		ret = may_change(raw);
		slot = ret ? UINT64_MAX : jnl_table_find(&raw->table, word);
		if (!ret && slot == UINT64_MAX)
			ret = -ENOENT;
		if (!ret)
			raw->table.now[slot] = JNL_RAW_FREE;
	}
	unlock(raw, &raw->names_lock);
	return ret;
}

static int raw_list(struct jnl_sys *sys, int dirfd, jnl_list_fn fn, void *arg)
{
	struct jnl_raw *raw = raw_of(sys);
	char name[JNL_SEGMENT_NAME_LEN];
	uint64_t *now = NULL, slots;
	int ret;

	(void)dirfd;
	/* A copy: fn may change names. */
	lock(raw, &raw->names_lock);
	ret = refresh(raw);
	slots = ret ? 0 : raw->table.slots;
	if (slots) {
		now = malloc(slots * sizeof(*now));
		ret = now ? 0 : -ENOMEM;
	}
	if (now)
		memcpy(now, raw->table.now, slots * sizeof(*now));
	unlock(raw, &raw->names_lock);
	for (uint64_t i = 0; i < slots && !ret; i++) {
		if (now[i] == JNL_RAW_FREE)
			continue;
		name_of(name, now[i]);
		ret = fn(arg, name);
	}
	free(now);
	return ret;
}

static int sync_directory(struct jnl_raw *raw, bool heal)
{
	int ret;

	lock(raw, &raw->names_lock);
	ret = raw->mine ? refresh(raw) : 0;
	if (!ret && raw->mine && raw->table.formatted)
		ret = store(raw, heal);
	unlock(raw, &raw->names_lock);
	return ret;
}

/* ------------------------------------------------------------------------
 * The lock
 */

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
static int open_lock(struct jnl_raw *raw, int flags)
{
	static const struct timespec pause = { .tv_nsec = CLAIM_PAUSE_NS };
	struct handle claimed = lock_handle;
	int fd, ret, tries = 0;

	claimed.claimed = true;
	flags &= O_ACCMODE;
	if (flags == O_RDONLY)
		return open_handle(raw, lock_handle, flags);
	for (;;) {
		fd = open_device(raw, flags | O_EXCL);
		if (fd >= 0)
			return add(raw, claimed, fd);
		if (fd != -EBUSY)
			return fd;
		fd = open_device(raw, flags);
		if (fd < 0)
			return fd;
		ret = is_locked(raw, fd);
		if (ret == 1)
			return add(raw, lock_handle, fd);
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
	struct handle *h;

	lock(raw, &raw->handles_lock);
	h = find(raw, fd);
	if (h)
		h->holds = type != F_UNLCK;
	unlock(raw, &raw->handles_lock);
	lock(raw, &raw->names_lock);
	raw->mine = type == F_WRLCK;
	raw->shared = type == F_RDLCK;
	raw->loaded = false;
	/* What is wrong with it is said to whoever asks for names. */
	if (raw->mine)
		(void)refresh(raw);
	unlock(raw, &raw->names_lock);
}

static int raw_lock(struct jnl_sys *sys, int fd, int cmd, struct flock *fl)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);
	struct flock back = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	int ret;

	if (h.kind != LOCK)
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
static int note_size(struct jnl_raw *raw, int fd, off_t *ret_size)
{
	char text[JNL_RAW_NOTE_LEN];
	ssize_t n;

	*ret_size = 0;
	if (!raw->table.formatted)
		return 0;
	n = raw->base->pread(raw->base, fd, text, sizeof(text), JNL_RAW_NOTE);
	if (n > 0)
		*ret_size = (off_t)strnlen(text, (size_t)n);
	return n < 0 ? (int)n : 0;
}

/* Only 0: the number is taken out. */
static int wipe_note(struct jnl_raw *raw, int fd, uint64_t size)
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

/* ------------------------------------------------------------------------
 * Files
 */

static int open_scratch(struct jnl_raw *raw, int flags)
{
	bool creates = flags & O_CREAT;

	if (creates && flags & O_EXCL && raw->scratch)
		return -EEXIST;
	if (!creates && !raw->scratch)
		return -ENOENT;
	/* Whoever has not the lock may look, and has no room to try. */
	if (!raw->mine)
		flags = (flags & ~O_ACCMODE) | O_RDONLY;
	raw->scratch = true;
	return open_handle(raw, scratch_handle, flags);
}

static int raw_openat(struct jnl_sys *sys, int dirfd, const char *name,
		      int flags, mode_t mode)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, dirfd);
	int ret;

	if (h.kind == UNUSED)
		return raw->base->openat(raw->base, dirfd, name, flags, mode);
	if (h.kind != DIRECTORY)
		return -ENOTDIR;
	if (!strcmp(name, ".."))
		return open_handle(raw, parent_handle, O_RDONLY);
	if (flags & O_DIRECTORY)
		return -EOPNOTSUPP;
	if (!strcmp(name, "lock"))
		return open_lock(raw, flags);
	lock(raw, &raw->names_lock);
	if (!strncmp(name, "probe-", 6) && jnl_is_tmp(name))
		ret = open_scratch(raw, flags);
	else
		ret = open_segment(raw, name, flags);
	unlock(raw, &raw->names_lock);
	return ret;
}

static ssize_t raw_pread(struct jnl_sys *sys, int fd, void *buf, size_t len,
			 uint64_t offset)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);

	if (!h.size)
		return -EBADF;
	if (offset >= h.size)
		return 0;
	if (len > h.size - offset)
		len = (size_t)(h.size - offset);
	return raw->base->pread(raw->base, fd, buf, len, h.base + offset);
}

static ssize_t raw_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			  size_t len, uint64_t offset, int rwf)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);

	if (!h.size)
		return -EBADF;
	if (h.kind == SCRATCH && !raw->mine)
		return -ENOSPC;
	/* A device that is nobody's is not written to. */
	if (h.kind == LOCK && !raw->table.formatted)
		return -EROFS;
	if (offset > h.size || len > h.size - offset)
		return -EFBIG;
	return raw->base->pwrite(raw->base, fd, buf, len, h.base + offset, rwf);
}

static int raw_fsync(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);

	if (h.kind == DIRECTORY)
		return sync_directory(raw, false);
	/* The node's directory is none of ours. */
	if (h.kind == PARENT)
		return 0;
	return raw->base->fsync(raw->base, fd);
}

static int raw_fdatasync(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->fdatasync(raw->base, fd);
}

/* A slot has its blocks. */
static int raw_fallocate(struct jnl_sys *sys, int fd, int mode,
			 uint64_t offset, uint64_t len)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);

	if (h.kind != SLOT || mode)
		return -EOPNOTSUPP;
	return offset > h.size || len > h.size - offset ? -EFBIG : 0;
}

static int raw_ftruncate(struct jnl_sys *sys, int fd, uint64_t size)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);

	if (h.kind == LOCK)
		return wipe_note(raw, fd, size);
	return h.kind == SLOT && size == h.size ? 0 : -EINVAL;
}

static int raw_fadvise(struct jnl_sys *sys, int fd, uint64_t offset,
		       uint64_t len, int advice)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);

	if (!h.size)
		return -EBADF;
	if (offset >= h.size)
		return 0;
	if (!len || len > h.size - offset)
		len = h.size - offset;
	return raw->base->fadvise(raw->base, fd, h.base + offset, len, advice);
}

static int raw_mkdir(struct jnl_sys *sys, const char *path, mode_t mode)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->mkdir(raw->base, path, mode);
}

static int raw_fstat(struct jnl_sys *sys, int fd, struct stat *ret_st)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);
	off_t note = 0;
	int ret;

	ret = raw->base->fstat(raw->base, fd, ret_st);
	if (!ret && h.kind == LOCK)
		ret = note_size(raw, fd, &note);
	if (ret < 0)
		return ret;
	/* What all this is on is the device, and not what its node is on. */
	ret_st->st_dev = raw->device;
	if (!h.size)
		return 0;
	ret_st->st_mode = S_IFREG | (ret_st->st_mode & 07777);
	ret_st->st_rdev = 0;
	ret_st->st_nlink = 1;
	ret_st->st_ino = h.kind == LOCK ? INO_LOCK :
			 h.kind == SCRATCH ? INO_SCRATCH :
			 INO_SLOT + (ino_t)h.slot;
	ret_st->st_size = h.kind == LOCK ? note : (off_t)h.size;
	ret_st->st_blocks = (blkcnt_t)(h.size / 512);
	return 0;
}

static int raw_statx(struct jnl_sys *sys, int fd, unsigned int mask,
		     struct statx *ret_stx)
{
	struct jnl_raw *raw = raw_of(sys);
	int ret = raw->base->statx(raw->base, fd, mask, ret_stx);

	/* The node's mount. */
	if (!ret)
		ret_stx->stx_mask &= ~STATX_MNT_ID;
	return ret;
}

/* There is no file system; that of the node is another one's. */
static int raw_fstatfs(struct jnl_sys *sys, int fd, struct statfs *ret_fs)
{
	(void)sys;
	(void)fd;
	(void)ret_fs;
	return -EOPNOTSUPP;
}

static int raw_flags(struct jnl_sys *sys, int fd, int *ret_flags)
{
	(void)sys;
	(void)fd;
	(void)ret_flags;
	return -EOPNOTSUPP;
}

static int raw_set_flags(struct jnl_sys *sys, int fd, int flags)
{
	(void)flags;
	return raw_flags(sys, fd, NULL);
}

/* Slots share nothing. */
static int raw_clone(struct jnl_sys *sys, int fd, int from_fd)
{
	(void)sys;
	(void)fd;
	(void)from_fd;
	return -EOPNOTSUPP;
}

/* One written extent that nobody shares: the slot. */
static int raw_fiemap(struct jnl_sys *sys, int fd, struct fiemap *map)
{
	struct jnl_raw *raw = raw_of(sys);
	struct handle h = look(raw, fd);

	if (h.kind != SLOT)
		return -EOPNOTSUPP;
	map->fm_mapped_extents = 1;
	if (!map->fm_extent_count)
		return 0;
	map->fm_extents[0] = (struct fiemap_extent){
		.fe_physical = h.base,
		.fe_length = h.size,
		.fe_flags = FIEMAP_EXTENT_LAST,
	};
	return 0;
}

/* ------------------------------------------------------------------------
 * Passed on
 */

static int raw_device_size(struct jnl_sys *sys, int fd, uint64_t *ret_size)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->device_size(raw->base, fd, ret_size);
}

static int raw_nvme_id(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->nvme_id(raw->base, fd);
}

static int raw_nvme_flush(struct jnl_sys *sys, int fd, uint32_t nsid)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->nvme_flush(raw->base, fd, nsid);
}

static int raw_random(struct jnl_sys *sys, void *buf, size_t len)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->random(raw->base, buf, len);
}

static int raw_ring_setup(struct jnl_sys *sys, unsigned int entries,
			  struct io_uring_params *p)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->ring_setup(raw->base, entries, p);
}

static int raw_ring_enter(struct jnl_sys *sys, int fd, unsigned int submit,
			  unsigned int wait, unsigned int flags)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->ring_enter(raw->base, fd, submit, wait, flags);
}

static int raw_ring_register(struct jnl_sys *sys, int fd, unsigned int opcode,
			     const void *arg, unsigned int n)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->ring_register(raw->base, fd, opcode, arg, n);
}

static int raw_ring_result(struct jnl_sys *sys, int opcode, int res)
{
	struct jnl_raw *raw = raw_of(sys);

	return raw->base->ring_result(raw->base, opcode, res);
}

static const struct jnl_sys raw_table = {
	.openat = raw_openat,
	.close = raw_close,
	.pread = raw_pread,
	.pwrite = raw_pwrite,
	.fsync = raw_fsync,
	.fdatasync = raw_fdatasync,
	.fallocate = raw_fallocate,
	.ftruncate = raw_ftruncate,
	.fadvise = raw_fadvise,
	.rename = raw_rename,
	.unlink = raw_unlink,
	.mkdir = raw_mkdir,
	.list = raw_list,
	.fstat = raw_fstat,
	.statx = raw_statx,
	.fstatfs = raw_fstatfs,
	.lock = raw_lock,
	.get_flags = raw_flags,
	.set_flags = raw_set_flags,
	.clone = raw_clone,
	.fiemap = raw_fiemap,
	.nvme_id = raw_nvme_id,
	.nvme_flush = raw_nvme_flush,
	.device_size = raw_device_size,
	.random = raw_random,
	.ring_setup = raw_ring_setup,
	.ring_enter = raw_ring_enter,
	.ring_register = raw_ring_register,
	.ring_result = raw_ring_result,
};
/* Whoever adds a call to the table has to say here what it does. */
static_assert(sizeof(struct jnl_sys) == 29 * sizeof(void (*)(void)),
	      "every call of the table is above");

/* ------------------------------------------------------------------------ */

bool jnl_is_raw(const struct jnl_sys *sys)
{
	return sys->openat == raw_openat;
}

uint64_t jnl_raw_base(struct jnl_sys *sys, int fd)
{
	return jnl_is_raw(sys) ? look(raw_of(sys), fd).base : 0;
}

uint64_t jnl_raw_slots(struct jnl_sys *sys)
{
	struct jnl_raw *raw = raw_of(sys);
	uint64_t slots;

	if (!jnl_is_raw(sys))
		return 0;
	lock(raw, &raw->names_lock);
	slots = raw->table.slots;
	unlock(raw, &raw->names_lock);
	return slots;
}

int jnl_raw_blank(struct jnl_sys *sys)
{
	struct jnl_raw *raw = raw_of(sys);
	int ret;

	if (!jnl_is_raw(sys) || raw->table.formatted)
		return 0;
	ret = jnl_table_blank(raw->base, table_fd(raw));
	return ret < 0 ? ret : ret ? 0 : -EEXIST;
}

int jnl_raw_format(struct jnl_sys *sys, const struct jnl_segment_header *g,
		   bool wipe)
{
	struct jnl_raw *raw = raw_of(sys);
	int fd, ret;

	if (!jnl_is_raw(sys))
		return 0;
	assert(raw->mine);
	fd = open_device(raw, O_RDWR | O_DIRECT);
	if (fd < 0)
		return fd;
	lock(raw, &raw->names_lock);
	ret = jnl_table_format(&raw->table, raw->base, fd, g, wipe);
	raw->loaded = true;
	unlock(raw, &raw->names_lock);
	(void)raw->base->close(raw->base, fd);
	return ret;
}

void jnl_raw_heal(struct jnl_sys *sys)
{
	if (jnl_is_raw(sys))
		(void)sync_directory(raw_of(sys), true);
}

int jnl_raw_check(struct jnl_sys *sys, const struct jnl_segment_header *g)
{
	struct jnl_raw *raw = raw_of(sys);

	if (!jnl_is_raw(sys) ||
	    !memcmp(raw->table.h.uuid, g->uuid, JNL_UUID_LEN))
		return 0;
	(void)snprintf(raw->table.trouble, sizeof(raw->table.trouble),
		       "the newest segment is another journal's: restore the "
		       "device from a copy");
	return -EXDEV;
}

void jnl_raw_explain(struct jnl_sys *sys, struct jnl_damage *damage)
{
	const struct jnl_raw *raw = raw_of(sys);

	if (!jnl_is_raw(sys) || !*raw->table.trouble || damage->finding)
		return;
	memset(damage, 0, sizeof(*damage));
	damage->finding = JOURNAL_BAD_SEGMENT;
	damage->bytes = JNL_RAW_FIRST_SLOT;
	(void)snprintf(damage->file, sizeof(damage->file), "superblock");
	(void)snprintf(damage->message, sizeof(damage->message), "%s",
		       raw->table.trouble);
}

/* ------------------------------------------------------------------------ */

/* 0 if path is a block device, and which one, or -ENOTDIR. */
static int is_device(struct jnl_raw *raw, const char *path)
{
	struct jnl_sys *base = raw->base;
	struct stat st;
	int fd, ret;

	/* Opening a node for real may do anything to it. */
	fd = base->openat(base, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = base->fstat(base, fd, &st);
	(void)base->close(base, fd);
	if (ret < 0)
		return ret;
	raw->device = st.st_rdev;
	return S_ISBLK(st.st_mode) ? 0 : -ENOTDIR;
}

/* Where the node is, so that a change of the working directory is none here. */
static int find_node(struct jnl_raw *raw, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent;

	parent = !slash ? strdup(".") :
		 slash == path ? strdup("/") :
		 strndup(path, (size_t)(slash - path));
	raw->name = strdup(slash ? slash + 1 : path);
	if (!parent || !raw->name) {
		free(parent);
		return -ENOMEM;
	}
	raw->parent = raw->base->openat(raw->base, AT_FDCWD, parent,
					O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	free(parent);
	return raw->parent < 0 ? raw->parent : 0;
}

int jnl_raw_open(struct jnl_sys **sys, const char *path)
{
	struct jnl_raw *raw = calloc(1, sizeof(*raw));
	int ret;

	if (!raw)
		return -ENOMEM;
	raw->sys = raw_table;
	raw->base = *sys;
	raw->parent = -1;
	raw->alive = jnl_alive_new();
	(void)pthread_mutex_init(&raw->names_lock, NULL);
	(void)pthread_mutex_init(&raw->handles_lock, NULL);
	ret = raw->alive ? is_device(raw, path) : -ENOMEM;
	if (!ret)
		ret = find_node(raw, path);
	if (!ret)
		ret = open_handle(raw, directory_handle, O_RDONLY | O_DIRECT);
	if (ret < 0) {
		raw_free(raw);
		return ret;
	}
	*sys = &raw->sys;
	return ret;
}
