/*
 * lib/sys.c - the system-call table that asks the kernel.
 *
 * The only file of the library that makes system calls on a journal's files.
 * Each function is one call and turns errno into a negative return value.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/sys.h"

static_assert(sizeof(struct nvme_passthru_cmd) == 72 &&
	      offsetof(struct nvme_passthru_cmd, nsid) == 4,
	      "struct nvme_passthru_cmd is kernel ABI");

static int linux_openat(struct jnl_sys *sys, int dirfd, const char *name,
			int flags, mode_t mode)
{
	int fd = openat(dirfd, name, flags, mode);

	(void)sys;
	return fd < 0 ? -errno : fd;
}

static int linux_close(struct jnl_sys *sys, int fd)
{
	(void)sys;
	return close(fd) < 0 ? -errno : 0;
}

static ssize_t linux_pread(struct jnl_sys *sys, int fd, void *buf, size_t len,
			   uint64_t offset, int rwf)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	ssize_t n = rwf ? preadv2(fd, &iov, 1, (off_t)offset, rwf) :
			  pread(fd, buf, len, (off_t)offset);

	(void)sys;
	return n < 0 ? -errno : n;
}

static ssize_t linux_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			    size_t len, uint64_t offset, int rwf)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	ssize_t n = pwritev2(fd, &iov, 1, (off_t)offset, rwf);

	(void)sys;
	return n < 0 ? -errno : n;
}

static int linux_fsync(struct jnl_sys *sys, int fd)
{
	(void)sys;
	return fsync(fd) < 0 ? -errno : 0;
}

static int linux_fdatasync(struct jnl_sys *sys, int fd)
{
	(void)sys;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int linux_fallocate(struct jnl_sys *sys, int fd, int mode,
			   uint64_t offset, uint64_t len)
{
	(void)sys;
	/* Not posix_fallocate(): glibc would write where the kernel cannot. */
	return fallocate(fd, mode, (off_t)offset, (off_t)len) < 0 ? -errno : 0;
}

static int linux_ftruncate(struct jnl_sys *sys, int fd, uint64_t size)
{
	(void)sys;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int linux_fadvise(struct jnl_sys *sys, int fd, uint64_t offset,
			 uint64_t len, int advice)
{
	(void)sys;
	return -posix_fadvise(fd, (off_t)offset, (off_t)len, advice);
}

static int linux_rename(struct jnl_sys *sys, int dirfd, const char *from,
			const char *to)
{
	(void)sys;
	return renameat(dirfd, from, dirfd, to) < 0 ? -errno : 0;
}

static int linux_unlink(struct jnl_sys *sys, int dirfd, const char *name)
{
	(void)sys;
	return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
}

static int linux_mkdir(struct jnl_sys *sys, const char *path, mode_t mode)
{
	(void)sys;
	return mkdir(path, mode) < 0 ? -errno : 0;
}

static int linux_list(struct jnl_sys *sys, int dirfd, jnl_list_fn fn, void *arg)
{
	struct dirent *de;
	int ret = 0;
	DIR *dir;
	int fd;

	(void)sys;
	/* A descriptor of its own: the stream takes it over, and its position
	 * is not shared with other listings. */
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		ret = -errno;
		(void)close(fd);
		return ret;
	}
	for (;;) {
		errno = 0;
		de = readdir(dir);
		if (!de) {
			ret = -errno;
			break;
		}
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		ret = fn(arg, de->d_name);
		if (ret)
			break;
	}
	(void)closedir(dir);
	return ret;
}

static int linux_fstat(struct jnl_sys *sys, int fd, struct stat *ret_st)
{
	(void)sys;
	return fstat(fd, ret_st) < 0 ? -errno : 0;
}

static int linux_statx(struct jnl_sys *sys, int fd, unsigned int mask,
		       struct statx *ret_stx)
{
	(void)sys;
	return statx(fd, "", AT_EMPTY_PATH, mask, ret_stx) < 0 ? -errno : 0;
}

static int linux_fstatfs(struct jnl_sys *sys, int fd, struct statfs *ret_fs)
{
	(void)sys;
	return fstatfs(fd, ret_fs) < 0 ? -errno : 0;
}

static int linux_lock(struct jnl_sys *sys, int fd, int cmd, struct flock *fl)
{
	(void)sys;
	return fcntl(fd, cmd, fl) < 0 ? -errno : 0;
}

static int linux_get_flags(struct jnl_sys *sys, int fd, int *ret_flags)
{
	(void)sys;
	return ioctl(fd, FS_IOC_GETFLAGS, ret_flags) < 0 ? -errno : 0;
}

static int linux_set_flags(struct jnl_sys *sys, int fd, int flags)
{
	(void)sys;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

static int linux_clone(struct jnl_sys *sys, int fd, int from_fd)
{
	(void)sys;
	return ioctl(fd, FICLONE, from_fd) < 0 ? -errno : 0;
}

static int linux_fiemap(struct jnl_sys *sys, int fd, struct fiemap *map)
{
	(void)sys;
	return ioctl(fd, FS_IOC_FIEMAP, map) < 0 ? -errno : 0;
}

static int linux_nvme_id(struct jnl_sys *sys, int fd)
{
	int ret = ioctl(fd, NVME_IOCTL_ID);

	(void)sys;
	if (ret < 0)
		return -errno;
	return ret ? ret : -ENODEV;
}

/* drivers/nvme/host/ioctl.c: a status of the drive is returned as it is. */
static int linux_nvme_flush(struct jnl_sys *sys, int fd, uint32_t nsid)
{
	struct nvme_passthru_cmd cmd = {
		.opcode = JNL_NVME_FLUSH,
		.nsid = nsid,
	};
	int ret = ioctl(fd, NVME_IOCTL_IO_CMD, &cmd);

	(void)sys;
	return ret < 0 ? -errno : ret;
}

static int linux_device_size(struct jnl_sys *sys, int fd, uint64_t *ret_size)
{
	uint64_t size;

	(void)sys;
	if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		return -errno;
	*ret_size = size;
	return 0;
}

/*
 * inotify(7).  There is no call that takes a descriptor, and the path may have
 * become another directory's: the link in /proc leads to the one that is open.
 */
static int linux_watch(struct jnl_sys *sys, int dirfd)
{
	uint32_t events = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO |
			  IN_DELETE | IN_DELETE_SELF;
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), ret;
	char path[32];

	(void)sys;
	if (fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	if (inotify_add_watch(fd, path, events) < 0) {
		ret = -errno;
		(void)close(fd);
		return ret;
	}
	return fd;
}

static int linux_random(struct jnl_sys *sys, void *buf, size_t len)
{
	size_t done = 0;

	(void)sys;
	while (done < len) {
		ssize_t n = getrandom((uint8_t *)buf + done, len - done, 0);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		done += (size_t)n;
	}
	return 0;
}

/* By number: older C libraries and liburing 2.3 have no functions for them. */
static int linux_ring_setup(struct jnl_sys *sys, unsigned int entries,
			    struct io_uring_params *p)
{
	long ret = syscall(__NR_io_uring_setup, entries, p);

	(void)sys;
	return ret < 0 ? -errno : (int)ret;
}

static int linux_ring_enter(struct jnl_sys *sys, int fd, unsigned int submit,
			    unsigned int wait, unsigned int flags)
{
	long ret = syscall(__NR_io_uring_enter, fd, submit, wait, flags, NULL,
			   0);

	(void)sys;
	return ret < 0 ? -errno : (int)ret;
}

static int linux_ring_register(struct jnl_sys *sys, int fd,
			       unsigned int opcode, const void *arg,
			       unsigned int n)
{
	long ret = syscall(__NR_io_uring_register, fd, opcode, arg, n);

	(void)sys;
	return ret < 0 ? -errno : (int)ret;
}

static int linux_ring_result(struct jnl_sys *sys, int opcode, int res)
{
	(void)sys;
	(void)opcode;
	return res;
}

static const struct jnl_sys linux_table = {
	.openat = linux_openat,
	.close = linux_close,
	.pread = linux_pread,
	.pwrite = linux_pwrite,
	.fsync = linux_fsync,
	.fdatasync = linux_fdatasync,
	.fallocate = linux_fallocate,
	.ftruncate = linux_ftruncate,
	.fadvise = linux_fadvise,
	.rename = linux_rename,
	.unlink = linux_unlink,
	.mkdir = linux_mkdir,
	.list = linux_list,
	.fstat = linux_fstat,
	.statx = linux_statx,
	.fstatfs = linux_fstatfs,
	.lock = linux_lock,
	.get_flags = linux_get_flags,
	.set_flags = linux_set_flags,
	.clone = linux_clone,
	.fiemap = linux_fiemap,
	.nvme_id = linux_nvme_id,
	.nvme_flush = linux_nvme_flush,
	.device_size = linux_device_size,
	.watch = linux_watch,
	.random = linux_random,
	.ring_setup = linux_ring_setup,
	.ring_enter = linux_ring_enter,
	.ring_register = linux_ring_register,
	.ring_result = linux_ring_result,
};

struct jnl_sys *jnl_sys_linux(void)
{
	/* Never written through: the pointer is not const for the sake of
	 * tables that keep state behind it. */
	return (struct jnl_sys *)&linux_table;
}
