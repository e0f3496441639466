/*
 * tests/sim/sys.c - a system-call table over a simulated disk (see sys.h).
 *
 * The name space is "/", SIM_DIR in it, and files in that; or SIM_DIR is a
 * block device.
 */
#include "config.h"

#include "lib/compat.h"
#include "tests/sim/sys.h"

#include <assert.h>
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#define FS_MAGIC_EXT4	0xef53

static struct sim *sim_of(struct jnl_sys *sys)
{
	return (struct sim *)sys;
}

static void step(struct sim *s)
{
	s->changes++;
	if (s->step)
		s->step(s->arg);
}

static int fault(struct sim *s, enum sim_call call, const char *name)
{
	return s->fault ? s->fault(s->arg, call, name) : 0;
}

struct sim_fd *sim_fd_of(struct sim *s, int fd)
{
	if (fd < SIM_FD_BASE || fd >= SIM_FD_BASE + SIM_FDS ||
	    s->fd[fd - SIM_FD_BASE].kind == SIM_CLOSED)
		return NULL;
	return &s->fd[fd - SIM_FD_BASE];
}

int sim_open_fds(const struct sim *s)
{
	int n = 0;

	for (int i = 0; i < SIM_FDS; i++)
		n += s->fd[i].kind != SIM_CLOSED;
	return n;
}

/* ------------------------------------------------------------------------
 * Names
 */

/*
 * What path means, seen from dirfd: SIM_ROOT, SIM_DIRECTORY (there or not), or
 * SIM_FILE with its name; SIM_CLOSED if it leads nowhere.
 */
static int resolve(struct sim *s, int dirfd, const char *path,
		   char name[SIM_NAME])
{
	int at = SIM_ROOT;

	if (*path != '/' && dirfd != AT_FDCWD) {
		struct sim_fd *f = sim_fd_of(s, dirfd);

		if (!f || f->kind == SIM_FILE)
			return SIM_CLOSED;
		at = f->kind;
	}
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n && at == SIM_FILE)
			return SIM_CLOSED;
		if (n == 2 && !strncmp(path, "..", 2)) {
			at = SIM_ROOT;
		} else if (n && !(n == 1 && *path == '.')) {
			if (n >= SIM_NAME)
				return SIM_CLOSED;
			if (at == SIM_DIRECTORY) {
				memcpy(name, path, n);
				name[n] = 0;
				at = SIM_FILE;
			} else if (n == strlen(SIM_DIR) - 1 &&
				   !strncmp(path, &SIM_DIR[1], n)) {
				at = SIM_DIRECTORY;
			} else {
				return SIM_CLOSED;
			}
		}
		path += n + (path[n] == '/');
	}
	return at;
}

static int new_fd(struct sim *s)
{
	for (int i = 0; i < SIM_FDS; i++)
		if (s->fd[i].kind == SIM_CLOSED)
			return i;
	return -EMFILE;
}

static int open_file(struct sim *s, struct sim_fd *f, const char *name,
		     int flags)
{
	int file = sim_lookup(s->disk, name);

	if (flags & O_DIRECTORY)
		return file < 0 ? -ENOENT : -ENOTDIR;
	if (file >= 0 && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (file < 0 && !(flags & O_CREAT))
		return -ENOENT;
	if ((flags & O_DIRECT) && s->no_direct)
		return -EINVAL;
	if (file < 0) {
		file = sim_create(s->disk, name);
		step(s);
	} else if (flags & O_TRUNC) {
		sim_resize(s->disk, file, 0);
		step(s);
	}
	f->file = file;
	f->direct = flags & O_DIRECT;
	f->writes = (flags & O_ACCMODE) != O_RDONLY;
	f->failures = s->disk->file[file]->failures;
	strcpy(f->name, name);
	return 0;
}

/* Whether somebody has the device for himself. */
static bool claimed(const struct sim *s)
{
	for (int i = 0; i < SIM_FDS; i++)
		if (s->fd[i].kind != SIM_CLOSED && s->fd[i].claims)
			return true;
	return false;
}

static int open_device(struct sim *s, int flags)
{
	struct sim_fd f = { .kind = SIM_FILE };
	int i, ret;

	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	ret = fault(s, SIM_CALL_OPEN, SIM_DEVICE);
	if (ret)
		return ret;
	if (flags & O_EXCL && claimed(s))
		return -EBUSY;
	i = new_fd(s);
	if (i < 0)
		return i;
	ret = open_file(s, &f, SIM_DEVICE, flags & ~(O_EXCL | O_CREAT));
	if (ret < 0)
		return ret;
	f.claims = flags & O_EXCL;
	s->fd[i] = f;
	return SIM_FD_BASE + i;
}

static int open_node(struct sim *s)
{
	int i = new_fd(s), ret = fault(s, SIM_CALL_OPEN, SIM_NG);

	if (i < 0 || ret)
		return ret ? ret : i;
	s->fd[i] = (struct sim_fd){ .kind = SIM_NODE };
	return SIM_FD_BASE + i;
}

static int do_openat(struct jnl_sys *sys, int dirfd, const char *path,
		     int flags, mode_t mode)
{
	struct sim *s = sim_of(sys);
	struct sim_fd f = { 0 };
	char name[SIM_NAME];
	int at, ret, i;

	(void)mode;
	if (s->dead)
		return -EIO;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return -EOPNOTSUPP;
	if (!strcmp(path, SIM_NG))
		return open_node(s);
	at = resolve(s, dirfd, path, name);
	if (at == SIM_DIRECTORY && s->disk->raw)
		return open_device(s, flags);
	if (at == SIM_CLOSED || (at != SIM_ROOT && !s->disk->dir))
		return -ENOENT;
	if (at != SIM_FILE && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	ret = fault(s, SIM_CALL_OPEN, at == SIM_FILE ? name : "");
	if (ret)
		return ret;
	i = new_fd(s);
	if (i < 0)
		return i;
	if (at == SIM_FILE) {
		ret = open_file(s, &f, name, flags);
		if (ret < 0)
			return ret;
	}
	f.kind = at;
	s->fd[i] = f;
	return SIM_FD_BASE + i;
}

static int do_close(struct jnl_sys *sys, int fd)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	int n = 0;

	if (!f)
		return -EBADF;
	f->kind = SIM_CLOSED;
	for (int i = 0; i < s->locks; i++)
		if (s->lock[i].fd != fd)
			s->lock[n++] = s->lock[i];
	s->locks = n;
	return 0;
}

static int do_rename(struct jnl_sys *sys, int dirfd, const char *from,
		     const char *to)
{
	struct sim *s = sim_of(sys);
	char a[SIM_NAME], b[SIM_NAME];
	int ret;

	if (s->dead)
		return -EIO;
	if (resolve(s, dirfd, from, a) != SIM_FILE ||
	    resolve(s, dirfd, to, b) != SIM_FILE || sim_lookup(s->disk, a) < 0)
		return -ENOENT;
	ret = fault(s, SIM_CALL_RENAME, b);
	if (ret)
		return ret;
	sim_rename(s->disk, a, b);
	step(s);
	return 0;
}

static int do_unlink(struct jnl_sys *sys, int dirfd, const char *path)
{
	struct sim *s = sim_of(sys);
	char name[SIM_NAME];

	if (s->dead)
		return -EIO;
	if (resolve(s, dirfd, path, name) != SIM_FILE ||
	    sim_lookup(s->disk, name) < 0)
		return -ENOENT;
	sim_unlink(s->disk, name);
	step(s);
	return 0;
}

static int do_mkdir(struct jnl_sys *sys, const char *path, mode_t mode)
{
	struct sim *s = sim_of(sys);
	char name[SIM_NAME];

	(void)mode;
	if (s->dead)
		return -EIO;
	if (resolve(s, AT_FDCWD, path, name) != SIM_DIRECTORY)
		return -ENOENT;
	if (s->disk->dir)
		return -EEXIST;
	s->disk->dir = true;
	step(s);
	return 0;
}

static int do_list(struct jnl_sys *sys, int dirfd, jnl_list_fn fn, void *arg)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, dirfd);
	char name[SIM_NAMES][SIM_NAME];
	int n = s->disk->names, ret;

	if (s->dead)
		return -EIO;
	if (!f || f->kind == SIM_FILE)
		return -ENOTDIR;
	if (f->kind == SIM_ROOT)
		return fn(arg, &SIM_DIR[1]);
	/* The function may change the directory. */
	for (int i = 0; i < n; i++)
		strcpy(name[i], s->disk->name[i].name);
	for (int i = 0; i < n; i++) {
		ret = fn(arg, name[i]);
		if (ret)
			return ret;
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * Bytes
 */

/* Of what is asked for without waiting the cache never has all. */
static ssize_t do_pread(struct jnl_sys *sys, int fd, void *buf, size_t len,
			uint64_t offset, int rwf)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_FILE)
		return -EBADF;
	if (f->direct && (offset | len | (uintptr_t)buf) % SIM_SECTOR)
		return -EINVAL;
	if (rwf == RWF_NOWAIT)
		len /= 2;
	else if (rwf)
		return -EOPNOTSUPP;
	return (ssize_t)sim_read(s->disk, f->file, buf, len, offset,
				 f->direct);
}

static ssize_t do_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			 size_t len, uint64_t offset, int rwf)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	enum sim_how how;
	int slot, ret;

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_FILE || !f->writes)
		return -EBADF;
	if (f->direct && (offset | len | (uintptr_t)buf) % SIM_SECTOR)
		return -EINVAL;
	if (rwf & ~(RWF_DSYNC | RWF_ATOMIC) ||
	    (rwf & RWF_ATOMIC && (!f->direct || !s->untorn)))
		return -EOPNOTSUPP;
	if (rwf & RWF_ATOMIC && (len & (len - 1) || len > s->untorn ||
				 len < SIM_BLOCK || offset % len))
		return -EINVAL;
	if (!len)
		return 0;
	how = !f->direct ? SIM_TO_PAGE :
	      rwf & RWF_DSYNC ? SIM_TO_MEDIUM : SIM_TO_DRIVE;
	slot = sim_write_begin(s->disk, f->file, buf, len, offset, how);
	if (rwf & RWF_ATOMIC && !s->tears)
		sim_write_whole(s->disk, slot);
	step(s);
	ret = fault(s, SIM_CALL_WRITE, f->name);
	if (ret < 0) {
		sim_write_fail(s->disk, slot, &s->chance);
		step(s);
		return ret;
	}
	sim_write_end(s->disk, slot);
	step(s);
	if (how == SIM_TO_PAGE && rwf & RWF_DSYNC) {
		ret = sys->fdatasync(sys, fd);
		if (ret < 0)
			return ret;
	}
	return (ssize_t)len;
}

static int flush(struct sim *s, struct sim_fd *f)
{
	struct sim_flush fl;
	int ret = 0;

	sim_flush_begin(s->disk, f->file, &fl);
	if (fl.needed) {
		step(s);
		ret = fault(s, SIM_CALL_FLUSH, f->name);
	}
	if (ret < 0)
		sim_flush_fail(s->disk, &fl, &s->chance);
	else
		sim_flush_end(s->disk, &fl);
	/* It is the drive's cache that failed: with a file in the making goes
	 * what was written of others, and nobody tells those. */
	if (ret < 0 && strstr(f->name, ".tmp"))
		sim_device_flush_fail(s->disk, fl.seq, &s->chance);
	step(s);
	/* Reported once for each open file, whoever asked first. */
	if (f->failures != s->disk->file[f->file]->failures) {
		f->failures = s->disk->file[f->file]->failures;
		return ret ? ret : -EIO;
	}
	return ret;
}

static int do_fsync(struct jnl_sys *sys, int fd)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	int ret;

	if (s->dead)
		return -EIO;
	if (!f)
		return -EBADF;
	if (f->kind == SIM_FILE)
		return flush(s, f);
	ret = fault(s, SIM_CALL_DIRSYNC, f->kind == SIM_ROOT ? "/" : SIM_DIR);
	if (ret)
		return ret;
	if (f->kind == SIM_ROOT)
		s->disk->dir_disk = s->disk->dir;
	else
		sim_dirsync(s->disk);
	step(s);
	return 0;
}

static int do_fallocate(struct jnl_sys *sys, int fd, int mode,
			uint64_t offset, uint64_t len)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	int ret;

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_FILE || !f->writes)
		return -EBADF;
	if (mode & ~FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	ret = fault(s, SIM_CALL_ALLOCATE, f->name);
	if (ret)
		return ret;
	sim_reserve(s->disk, f->file, offset, len, mode & FALLOC_FL_KEEP_SIZE);
	step(s);
	return 0;
}

static int do_ftruncate(struct jnl_sys *sys, int fd, uint64_t size)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	int ret;

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_FILE || !f->writes)
		return -EBADF;
	ret = fault(s, SIM_CALL_ALLOCATE, f->name);
	if (ret)
		return ret;
	sim_resize(s->disk, f->file, size);
	step(s);
	return 0;
}

static int do_fadvise(struct jnl_sys *sys, int fd, uint64_t offset,
		      uint64_t len, int advice)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);

	(void)offset;
	(void)len;
	if (!f || f->kind != SIM_FILE)
		return -EBADF;
	if (advice == POSIX_FADV_DONTNEED && !s->dead)
		sim_forget(s->disk, f->file);
	return 0;
}

/* ------------------------------------------------------------------------
 * Answers about files
 */

static int do_fstat(struct jnl_sys *sys, int fd, struct stat *ret_st)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);

	if (s->dead)
		return -EIO;
	if (!f)
		return -EBADF;
	memset(ret_st, 0, sizeof(*ret_st));
	ret_st->st_dev = 8;
	ret_st->st_nlink = 1;
	ret_st->st_blksize = SIM_BLOCK;
	if (f->kind == SIM_NODE) {
		ret_st->st_mode = S_IFCHR | 0600;
		ret_st->st_rdev = makedev(SIM_NG_MAJOR, SIM_NG_MINOR);
		return 0;
	}
	if (f->kind != SIM_FILE) {
		ret_st->st_mode = S_IFDIR | 0750;
		ret_st->st_ino = f->kind == SIM_ROOT ? 2 : 3;
		return 0;
	}
	ret_st->st_mode = S_IFREG | 0640;
	if (s->disk->raw) {
		ret_st->st_mode = S_IFBLK | 0660;
		ret_st->st_rdev = makedev(8, 1);
	}
	ret_st->st_ino = (ino_t)f->file + 10;
	ret_st->st_size = (off_t)s->disk->file[f->file]->size;
	ret_st->st_blocks = s->disk->file[f->file]->blocks * 8;
	return 0;
}

static int do_statx(struct jnl_sys *sys, int fd, unsigned int mask,
		    struct statx *ret_stx)
{
	struct stat st;
	uint32_t atomic[2] = { SIM_BLOCK, sim_of(sys)->untorn };
	int ret = do_fstat(sys, fd, &st);

	if (ret < 0)
		return ret;
	memset(ret_stx, 0, sizeof(*ret_stx));
	ret_stx->stx_mask = STATX_BASIC_STATS;
	ret_stx->stx_blksize = SIM_BLOCK;
	ret_stx->stx_nlink = 1;
	ret_stx->stx_mode = (uint16_t)st.st_mode;
	ret_stx->stx_ino = st.st_ino;
	ret_stx->stx_size = (uint64_t)st.st_size;
	ret_stx->stx_blocks = (uint64_t)st.st_blocks;
	if (!(mask & STATX_WRITE_ATOMIC) || !atomic[1])
		return 0;
	ret_stx->stx_mask |= STATX_WRITE_ATOMIC;
	/* struct statx: stx_atomic_write_unit_min and _max */
	memcpy((char *)ret_stx + 0xa8, atomic, sizeof(atomic));
	return 0;
}

static int do_fstatfs(struct jnl_sys *sys, int fd, struct statfs *ret_fs)
{
	struct sim *s = sim_of(sys);

	if (s->dead)
		return -EIO;
	if (!sim_fd_of(s, fd))
		return -EBADF;
	memset(ret_fs, 0, sizeof(*ret_fs));
	ret_fs->f_type = FS_MAGIC_EXT4;
	ret_fs->f_bsize = ret_fs->f_frsize = SIM_BLOCK;
	ret_fs->f_blocks = ret_fs->f_bfree = ret_fs->f_bavail = 1u << 20;
	ret_fs->f_namelen = SIM_NAME - 1;
	return 0;
}

static int do_get_flags(struct jnl_sys *sys, int fd, int *ret_flags)
{
	if (!sim_fd_of(sim_of(sys), fd))
		return -EBADF;
	*ret_flags = 0;
	return 0;
}

static int do_set_flags(struct jnl_sys *sys, int fd, int flags)
{
	(void)flags;
	return sim_fd_of(sim_of(sys), fd) ? 0 : -EBADF;
}

/* As the running system sees it, and not the medium; no two share blocks. */
static bool all_written(const struct sim_file *f)
{
	for (uint32_t i = 0; i < f->blocks; i++)
		if (f->cell[i].flags & SIM_UNW)
			return false;
	return true;
}

static int do_fiemap(struct jnl_sys *sys, int fd, struct fiemap *map)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_FILE)
		return -EBADF;
	map->fm_mapped_extents = 1;
	map->fm_extents[0] = (struct fiemap_extent){
		.fe_physical = (uint64_t)f->file << 32,
		.fe_length = s->disk->file[f->file]->size,
		.fe_flags = FIEMAP_EXTENT_LAST |
			    (all_written(s->disk->file[f->file]) ? 0 :
			     FIEMAP_EXTENT_UNWRITTEN),
	};
	return 0;
}

/* Nobody waits in here: whoever follows looks. */
static int do_watch(struct jnl_sys *sys, int dirfd)
{
	(void)sys;
	(void)dirfd;
	return -ENOSYS;
}

static int do_nvme_id(struct jnl_sys *sys, int fd)
{
	struct sim_fd *f = sim_fd_of(sim_of(sys), fd);

	return f && f->kind == SIM_NODE ? SIM_NG_NSID : -ENOTTY;
}

/* The drive's own Flush knows nothing of files. */
static int do_nvme_flush(struct jnl_sys *sys, int fd, uint32_t nsid)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	uint64_t seq;
	int ret;

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_NODE || nsid != SIM_NG_NSID)
		return -EINVAL;
	sim_device_flush_begin(s->disk, &seq);
	step(s);
	ret = fault(s, SIM_CALL_FLUSH, "");
	if (ret < 0)
		sim_device_flush_fail(s->disk, seq, &s->chance);
	else
		sim_device_flush_end(s->disk, seq);
	step(s);
	return ret;
}

static int do_device_size(struct jnl_sys *sys, int fd, uint64_t *ret_size)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_FILE || !s->disk->raw)
		return -ENOTTY;
	*ret_size = s->disk->file[f->file]->size;
	return 0;
}

static int do_random(struct jnl_sys *sys, void *buf, size_t len)
{
	struct sim *s = sim_of(sys);
	uint8_t *p = buf;

	while (len--)
		*p++ = (uint8_t)sim_random(&s->random);
	return 0;
}

/* ------------------------------------------------------------------------
 * Locks belong to an open file; this process opens each file once more to
 * play another process.
 */

static int do_lock(struct jnl_sys *sys, int fd, int cmd, struct flock *fl)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	uint64_t from = (uint64_t)fl->l_start;
	uint64_t to = fl->l_len ? from + (uint64_t)fl->l_len : UINT64_MAX;
	int n = 0;

	if (s->dead)
		return -EIO;
	if (!f || f->kind != SIM_FILE)
		return -EBADF;
	if (fl->l_whence != SEEK_SET || (cmd != F_OFD_SETLK &&
					 cmd != F_OFD_GETLK))
		return -EINVAL;
	for (int i = 0; i < s->locks; i++) {
		const struct sim_lock *l = &s->lock[i];

		if (l->file != f->file || l->fd == fd || l->from >= to ||
		    from >= l->to || fl->l_type == F_UNLCK ||
		    (l->type == F_RDLCK && fl->l_type == F_RDLCK))
			continue;
		if (cmd == F_OFD_SETLK)
			return -EAGAIN;
		fl->l_type = (short)l->type;
		fl->l_pid = -1;
		return 0;
	}
	if (cmd == F_OFD_GETLK) {
		fl->l_type = F_UNLCK;
		return 0;
	}
	for (int i = 0; i < s->locks; i++)
		if (s->lock[i].fd != fd || s->lock[i].from >= to ||
		    from >= s->lock[i].to)
			s->lock[n++] = s->lock[i];
	s->locks = n;
	if (fl->l_type != F_UNLCK) {
		assert(s->locks < SIM_LOCKS);
		s->lock[s->locks++] = (struct sim_lock){
			.file = f->file, .fd = fd, .type = fl->l_type,
			.from = from, .to = to,
		};
	}
	return 0;
}

/* The disk has no ring: whoever asks for one goes on without. */
static int do_ring_setup(struct jnl_sys *sys, unsigned int entries,
			 struct io_uring_params *p)
{
	(void)sys;
	(void)entries;
	(void)p;
	return -ENOSYS;
}

void sim_table(struct jnl_sys *sys)
{
	*sys = (struct jnl_sys){
		.openat = do_openat, .close = do_close, .pread = do_pread,
		.pwrite = do_pwrite, .fsync = do_fsync, .fdatasync = do_fsync,
		.fallocate = do_fallocate, .ftruncate = do_ftruncate,
		.fadvise = do_fadvise, .rename = do_rename,
		.unlink = do_unlink, .mkdir = do_mkdir, .list = do_list,
		.fstat = do_fstat, .statx = do_statx, .fstatfs = do_fstatfs,
		.lock = do_lock, .get_flags = do_get_flags,
		.set_flags = do_set_flags, .fiemap = do_fiemap,
		.watch = do_watch, .nvme_id = do_nvme_id, .nvme_flush = do_nvme_flush,
		.device_size = do_device_size,
		.random = do_random, .ring_setup = do_ring_setup,
	};
}

void sim_init(struct sim *s, struct sim_disk *disk, uint64_t seed)
{
	memset(s, 0, offsetof(struct sim, random));
	s->disk = disk;
	sim_table(&s->sys);
	sim_pick_seed(&s->random, seed);
	sim_pick_seed(&s->chance, ~seed);
	memset(s->fd, 0, sizeof(*s) - offsetof(struct sim, fd));
}
