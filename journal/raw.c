/*
 * journal/raw.c - a raw block device or partition as a journal's directory.
 *
 * See journal/raw.h for the invariants.  Here are the table of calls and what
 * is asked of a device as a whole; names, lock and descriptors have files of
 * their own.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/raw-impl.h"
#include "journal/segment.h"
#include "lib/compat.h"
#include "lib/file.h"
#include "probe/signature.h"

#define INO_LOCK	1
#define INO_SCRATCH	2
#define INO_CHOICE	3
#define INO_ROOM	4	/* and the next one */
#define INO_SLOT	16

static const struct jnl_raw_handle directory_handle = {
	.kind = JNL_RAW_IS_DIRECTORY,
};
static const struct jnl_raw_handle parent_handle = {
	.kind = JNL_RAW_IS_PARENT,
};
static const struct jnl_raw_handle scratch_handle = {
	.kind = JNL_RAW_IS_SCRATCH,
	.base = JNL_RAW_SCRATCH, .size = JNL_RAW_SCRATCH_LEN,
};

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
	return jnl_raw_open_handle(raw, scratch_handle, flags);
}

static int raw_openat(struct jnl_sys *sys, int dirfd, const char *name,
		      int flags, mode_t mode)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, dirfd);
	int ret;

	if (h.kind == JNL_RAW_IS_UNUSED)
		return raw->base->openat(raw->base, dirfd, name, flags, mode);
	if (h.kind != JNL_RAW_IS_DIRECTORY)
		return -ENOTDIR;
	if (!strcmp(name, ".."))
		return jnl_raw_open_handle(raw, parent_handle, O_RDONLY);
	if (flags & O_DIRECTORY && (flags & O_TMPFILE) != O_TMPFILE)
		return -EOPNOTSUPP;
	if (!strcmp(name, "lock"))
		return jnl_raw_open_lock(raw, flags);
	jnl_raw_enter(raw, &raw->names_lock);
	if ((flags & O_TMPFILE) == O_TMPFILE)
		ret = jnl_raw_open_room(raw, flags);
	else if (!strcmp(name, JNL_CHOICE_NAME))
		ret = jnl_raw_open_choice(raw, flags);
	else if (!strncmp(name, "probe-", 6) && jnl_is_tmp(name))
		ret = open_scratch(raw, flags);
	else
		ret = jnl_raw_open_segment(raw, name, flags);
	jnl_raw_leave(raw, &raw->names_lock);
	return ret;
}

static ssize_t raw_pread(struct jnl_sys *sys, int fd, void *buf, size_t len,
			 uint64_t offset, int rwf)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);

	if (!h.size)
		return -EBADF;
	if (offset >= h.size)
		return 0;
	if (len > h.size - offset)
		len = (size_t)(h.size - offset);
	return raw->base->pread(raw->base, fd, buf, len, h.base + offset, rwf);
}

static ssize_t raw_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			  size_t len, uint64_t offset, int rwf)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);

	if (!h.size)
		return -EBADF;
	if (h.kind == JNL_RAW_IS_SCRATCH && !raw->mine)
		return -ENOSPC;
	/* A device that is nobody's is not written to. */
	if (h.kind == JNL_RAW_IS_LOCK && !raw->table.formatted)
		return -EROFS;
	if (offset > h.size || len > h.size - offset)
		return -EFBIG;
	return raw->base->pwrite(raw->base, fd, buf, len, h.base + offset, rwf);
}

static int raw_fsync(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);

	if (h.kind == JNL_RAW_IS_DIRECTORY)
		return jnl_raw_sync(raw, false);
	/* The node's directory is none of ours. */
	if (h.kind == JNL_RAW_IS_PARENT)
		return 0;
	return raw->base->fsync(raw->base, fd);
}

static int raw_fdatasync(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->fdatasync(raw->base, fd);
}

static bool in_slots(const struct jnl_raw_handle *h)
{
	return h->kind == JNL_RAW_IS_SLOT || h->kind == JNL_RAW_IS_ROOM;
}

/* A slot has its blocks. */
static int raw_fallocate(struct jnl_sys *sys, int fd, int mode,
			 uint64_t offset, uint64_t len)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);

	if (!in_slots(&h) || mode)
		return -EOPNOTSUPP;
	return offset > h.size || len > h.size - offset ? -EFBIG : 0;
}

static int raw_ftruncate(struct jnl_sys *sys, int fd, uint64_t size)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);

	if (h.kind == JNL_RAW_IS_LOCK)
		return jnl_raw_wipe_note(raw, fd, size);
	return in_slots(&h) && size == h.size ? 0 : -EINVAL;
}

static int raw_fadvise(struct jnl_sys *sys, int fd, uint64_t offset,
		       uint64_t len, int advice)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);

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
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->mkdir(raw->base, path, mode);
}

/* For a file in the room: which of the two it is. */
static ino_t inode(const struct jnl_raw_handle *h)
{
	switch (h->kind) {
	case JNL_RAW_IS_LOCK:
		return INO_LOCK;
	case JNL_RAW_IS_SCRATCH:
		return INO_SCRATCH;
	case JNL_RAW_IS_CHOICE:
		return INO_CHOICE;
	case JNL_RAW_IS_ROOM:
		return INO_ROOM + (ino_t)h->slot;
	default:
		return INO_SLOT + (ino_t)h->slot;
	}
}

static int raw_fstat(struct jnl_sys *sys, int fd, struct stat *ret_st)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);
	off_t note = 0;
	int ret;

	ret = raw->base->fstat(raw->base, fd, ret_st);
	if (!ret && h.kind == JNL_RAW_IS_LOCK)
		ret = jnl_raw_note_size(raw, fd, &note);
	if (ret < 0)
		return ret;
	/* What all this is on is the device, and not what its node is on. */
	ret_st->st_dev = raw->device;
	if (!h.size)
		return 0;
	ret_st->st_mode = S_IFREG | (ret_st->st_mode & 07777);
	ret_st->st_rdev = 0;
	ret_st->st_nlink = 1;
	ret_st->st_ino = inode(&h);
	ret_st->st_size = h.kind == JNL_RAW_IS_LOCK ? note : (off_t)h.size;
	ret_st->st_blocks = (blkcnt_t)(h.size / 512);
	return 0;
}

static int raw_statx(struct jnl_sys *sys, int fd, unsigned int mask,
		     struct statx *ret_stx)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
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
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = jnl_raw_look(raw, fd);

	if (h.kind != JNL_RAW_IS_SLOT && h.kind != JNL_RAW_IS_SCRATCH)
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
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->device_size(raw->base, fd, ret_size);
}

static int raw_nvme_id(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->nvme_id(raw->base, fd);
}

static int raw_watch(struct jnl_sys *sys, int dirfd)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->watch(raw->base, dirfd);
}

static int raw_nvme_flush(struct jnl_sys *sys, int fd, uint32_t nsid)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->nvme_flush(raw->base, fd, nsid);
}

static int raw_random(struct jnl_sys *sys, void *buf, size_t len)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->random(raw->base, buf, len);
}

static int raw_ring_setup(struct jnl_sys *sys, unsigned int entries,
			  struct io_uring_params *p)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->ring_setup(raw->base, entries, p);
}

static int raw_ring_enter(struct jnl_sys *sys, int fd, unsigned int submit,
			  unsigned int wait, unsigned int flags)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->ring_enter(raw->base, fd, submit, wait, flags);
}

static int raw_ring_register(struct jnl_sys *sys, int fd, unsigned int opcode,
			     const void *arg, unsigned int n)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->ring_register(raw->base, fd, opcode, arg, n);
}

static int raw_ring_result(struct jnl_sys *sys, int opcode, int res)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	return raw->base->ring_result(raw->base, opcode, res);
}

static const struct jnl_sys raw_table = {
	.openat = raw_openat,
	.close = jnl_raw_close,
	.pread = raw_pread,
	.pwrite = raw_pwrite,
	.fsync = raw_fsync,
	.fdatasync = raw_fdatasync,
	.fallocate = raw_fallocate,
	.ftruncate = raw_ftruncate,
	.fadvise = raw_fadvise,
	.rename = jnl_raw_rename,
	.unlink = jnl_raw_unlink,
	.mkdir = raw_mkdir,
	.list = jnl_raw_list,
	.fstat = raw_fstat,
	.statx = raw_statx,
	.fstatfs = raw_fstatfs,
	.lock = jnl_raw_lock,
	.get_flags = raw_flags,
	.set_flags = raw_set_flags,
	.clone = raw_clone,
	.fiemap = raw_fiemap,
	.nvme_id = raw_nvme_id,
	.watch = raw_watch,
	.nvme_flush = raw_nvme_flush,
	.device_size = raw_device_size,
	.random = raw_random,
	.ring_setup = raw_ring_setup,
	.ring_enter = raw_ring_enter,
	.ring_register = raw_ring_register,
	.ring_result = raw_ring_result,
};
/* Whoever adds a call to the table has to say here what it does. */
static_assert(sizeof(struct jnl_sys) == 30 * sizeof(void (*)(void)),
	      "every call of the table is above");

/* ------------------------------------------------------------------------ */

bool jnl_is_raw(const struct jnl_sys *sys)
{
	return sys->openat == raw_openat;
}

uint64_t jnl_raw_base(struct jnl_sys *sys, int fd)
{
	return jnl_is_raw(sys) ? jnl_raw_look(jnl_raw_of(sys), fd).base : 0;
}

uint64_t jnl_raw_slots(struct jnl_sys *sys)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	uint64_t slots;

	if (!jnl_is_raw(sys))
		return 0;
	jnl_raw_enter(raw, &raw->names_lock);
	slots = raw->table.slots;
	jnl_raw_leave(raw, &raw->names_lock);
	return slots;
}

int jnl_raw_blank(struct jnl_sys *sys, char *text, size_t size)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	bool known;
	int fd, ret;

	*text = '\0';
	if (!jnl_is_raw(sys) || raw->table.formatted)
		return 0;
	ret = jnl_table_blank(raw->base, jnl_raw_table_fd(raw));
	if (ret < 0)
		return ret;
	fd = jnl_raw_open_device(raw, O_RDONLY);
	if (fd < 0)
		return fd;
	known = jnl_signature(fd, text, size);
	(void)raw->base->close(raw->base, fd);
	return ret && !known ? 0 : -EEXIST;
}

int jnl_raw_format(struct jnl_sys *sys, const struct jnl_segment_header *g,
		   bool wipe)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	int fd, ret;

	if (!jnl_is_raw(sys))
		return 0;
	assert(raw->mine);
	fd = jnl_raw_open_device(raw, O_RDWR | O_DIRECT);
	if (fd < 0)
		return fd;
	jnl_raw_enter(raw, &raw->names_lock);
	ret = jnl_table_format(&raw->table, raw->base, fd, g, wipe);
	raw->loaded = true;
	jnl_raw_leave(raw, &raw->names_lock);
	(void)raw->base->close(raw->base, fd);
	return ret;
}

void jnl_raw_heal(struct jnl_sys *sys)
{
	if (jnl_is_raw(sys))
		(void)jnl_raw_sync(jnl_raw_of(sys), true);
}

int jnl_raw_check(struct jnl_sys *sys, const struct jnl_segment_header *g)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

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
	const struct jnl_raw *raw = jnl_raw_of(sys);

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
		ret = jnl_raw_open_handle(raw, directory_handle,
					  O_RDONLY | O_DIRECT);
	if (ret < 0) {
		jnl_raw_free(raw);
		return ret;
	}
	*sys = &raw->sys;
	return ret;
}
