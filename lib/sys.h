/*
 * lib/sys.h - the system-call table.
 *
 * Every call that touches a journal's data, names or locks goes through
 * one of these pointers, so that a test can put a simulated disk in the
 * kernel's place or make any single call fail.  A table is handed down from
 * whoever opens a journal; there is no global one.
 *
 * Every function returns 0 or a count on success and a negative errno on
 * failure; errno itself is left alone.  EINTR and short counts are passed on
 * as they come: lib/file.c deals with them.  All functions may be called from
 * several threads at a time.
 */
#ifndef JNL_LIB_SYS_H
#define JNL_LIB_SYS_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>

struct fiemap;
struct io_uring_params;
struct statx;

/* Called once per directory entry but "." and ".."; non-zero ends the list. */
typedef int (*jnl_list_fn)(void *arg, const char *name);

struct jnl_sys {
	/* dirfd may be AT_FDCWD; flags are open(2)'s. */
	int (*openat)(struct jnl_sys *sys, int dirfd, const char *name,
		      int flags, mode_t mode);
	int (*close)(struct jnl_sys *sys, int fd);
	/* rwf: 0, or RWF_NOWAIT for what the page cache has (preadv2(2)). */
	ssize_t (*pread)(struct jnl_sys *sys, int fd, void *buf, size_t len,
			 uint64_t offset, int rwf);
	/* rwf: 0, or of RWF_DSYNC and RWF_ATOMIC (pwritev2(2)). */
	ssize_t (*pwrite)(struct jnl_sys *sys, int fd, const void *buf,
			  size_t len, uint64_t offset, int rwf);
	int (*fsync)(struct jnl_sys *sys, int fd);
	int (*fdatasync)(struct jnl_sys *sys, int fd);
	int (*fallocate)(struct jnl_sys *sys, int fd, int mode,
			 uint64_t offset, uint64_t len);
	int (*ftruncate)(struct jnl_sys *sys, int fd, uint64_t size);
	int (*fadvise)(struct jnl_sys *sys, int fd, uint64_t offset,
		       uint64_t len, int advice);
	/* Both names are relative to dirfd. */
	int (*rename)(struct jnl_sys *sys, int dirfd, const char *from,
		      const char *to);
	int (*unlink)(struct jnl_sys *sys, int dirfd, const char *name);
	int (*mkdir)(struct jnl_sys *sys, const char *path, mode_t mode);
	int (*list)(struct jnl_sys *sys, int dirfd, jnl_list_fn fn, void *arg);
	int (*fstat)(struct jnl_sys *sys, int fd, struct stat *ret_st);
	int (*statx)(struct jnl_sys *sys, int fd, unsigned int mask,
		     struct statx *ret_stx);
	int (*fstatfs)(struct jnl_sys *sys, int fd, struct statfs *ret_fs);
	/* cmd: F_OFD_SETLK or F_OFD_GETLK (fcntl_locking(2)). */
	int (*lock)(struct jnl_sys *sys, int fd, int cmd, struct flock *fl);
	/* FS_IOC_GETFLAGS and FS_IOC_SETFLAGS (ioctl_iflags(2)). */
	int (*get_flags)(struct jnl_sys *sys, int fd, int *ret_flags);
	int (*set_flags)(struct jnl_sys *sys, int fd, int flags);
	/* FICLONE (ioctl_ficlonerange(2)): fd's bytes become from_fd's, in
	 * shared blocks. */
	int (*clone)(struct jnl_sys *sys, int fd, int from_fd);
	/* FS_IOC_FIEMAP: where the file's extents are, and of what kind. */
	int (*fiemap)(struct jnl_sys *sys, int fd, struct fiemap *map);
	/* Of an NVMe namespace's block or generic device: its number, above 0
	 * (NVME_IOCTL_ID). */
	int (*nvme_id)(struct jnl_sys *sys, int fd);
	/*
	 * The NVMe command Flush for namespace nsid, on its generic device: it
	 * covers every write that had completed before.  0, a negative errno,
	 * or, if the drive says no, its completion status, which is positive.
	 */
	int (*nvme_flush)(struct jnl_sys *sys, int fd, uint32_t nsid);
	/* BLKGETSIZE64: how many bytes the block device has. */
	int (*device_size)(struct jnl_sys *sys, int fd, uint64_t *ret_size);
	/*
	 * A descriptor for poll(2), not blocking, that becomes readable when a
	 * file in the directory dirfd (or the device that it is) was written
	 * to, closed by somebody who could write, made, renamed or removed;
	 * what it reads means no more than that.  Nothing tells of writes by
	 * another machine.  -errno where there is none: look from time to time.
	 */
	int (*watch)(struct jnl_sys *sys, int dirfd);
	/* Fills buf whole or fails. */
	int (*random)(struct jnl_sys *sys, void *buf, size_t len);
	/*
	 * The three calls of io_uring(7).  A table without a ring answers
	 * -ENOSYS to ring_setup; the others are then never used.
	 */
	int (*ring_setup)(struct jnl_sys *sys, unsigned int entries,
			  struct io_uring_params *p);
	int (*ring_enter)(struct jnl_sys *sys, int fd, unsigned int submit,
			  unsigned int wait, unsigned int flags);
	int (*ring_register)(struct jnl_sys *sys, int fd, unsigned int opcode,
			     const void *arg, unsigned int n);
	/* Each result that a ring delivers (opcode: IORING_OP_*) passes
	 * through here: what is returned counts. */
	int (*ring_result)(struct jnl_sys *sys, int opcode, int res);
};

/*
 * The table that asks the kernel.  It holds no state: one constant object
 * serves every journal of a process.
 */
struct jnl_sys *jnl_sys_linux(void);

#endif
