/*
 * tests/lib/device.c - a table for which one file is a block device.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/lib/device.h"

static struct jnl_sys *base(void)
{
	return jnl_sys_linux();
}

static bool is_device(const struct device *d, int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_ino == d->ino &&
	       st.st_dev == d->dev;
}

static int d_openat(struct jnl_sys *s, int dirfd, const char *name, int flags,
		    mode_t mode)
{
	struct device *d = (struct device *)s;
	bool claims = flags & O_EXCL && !(flags & O_CREAT);
	int fd;

	fd = base()->openat(base(), dirfd, name,
			    claims ? flags & ~O_EXCL : flags, mode);
	if (!claims || !is_device(d, fd))
		return fd;
	if (d->held || d->claimed >= 0) {
		(void)close(fd);
		return -EBUSY;
	}
	d->claimed = fd;
	return fd;
}

static int d_close(struct jnl_sys *s, int fd)
{
	struct device *d = (struct device *)s;

	if (fd == d->claimed)
		d->claimed = -1;
	return base()->close(base(), fd);
}

static int d_fstat(struct jnl_sys *s, int fd, struct stat *st)
{
	const struct device *d = (struct device *)s;
	int ret = base()->fstat(base(), fd, st);

	if (ret || !is_device(d, fd))
		return ret;
	st->st_mode = S_IFBLK | 0660;
	st->st_rdev = makedev(8, 1);
	return 0;
}

static int d_device_size(struct jnl_sys *s, int fd, uint64_t *size)
{
	struct stat st;

	(void)s;
	if (fstat(fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}

void device_init(struct device *d, const char *path, uint64_t size)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC |
		      (size ? O_TRUNC : 0), 0600);

	if (fd < 0 || (size && ftruncate(fd, (off_t)size) < 0) ||
	    fstat(fd, &st) < 0)
		abort();
	(void)close(fd);
	d->sys = *base();
	d->sys.openat = d_openat;
	d->sys.close = d_close;
	d->sys.fstat = d_fstat;
	d->sys.device_size = d_device_size;
	d->ino = st.st_ino;
	d->dev = st.st_dev;
	d->claimed = -1;
	d->held = false;
}
