/*
 * tests/lib/drive.c - an NVMe namespace's generic device that is not there.
 */
#include "config.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>

#include "lib/compat.h"
#include "tests/lib/drive.h"

static struct drive *drive_of(struct jnl_sys *sys)
{
	return (struct drive *)sys;
}

static int d_openat(struct jnl_sys *sys, int dirfd, const char *name,
		    int flags, mode_t mode)
{
	struct drive *d = drive_of(sys);

	if (!strcmp(name, DRIVE_NODE)) {
		if (d->opens)
			return d->opens;
		name = "/dev/null";
	}
	return d->base->openat(d->base, dirfd, name, flags, mode);
}

static ssize_t d_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			size_t len, uint64_t offset, int rwf)
{
	struct drive *d = drive_of(sys);
	ssize_t n = rwf & RWF_ATOMIC ? d->takes_atomic : 0;

	if (!n)
		n = d->base->pwrite(d->base, fd, buf, len, offset,
				    rwf & ~RWF_ATOMIC);
	pthread_mutex_lock(&d->lock);
	d->uncovered += !(rwf & RWF_DSYNC);
	d->atomic += !!(rwf & RWF_ATOMIC);
	pthread_mutex_unlock(&d->lock);
	return n;
}

static int covered(struct drive *d, unsigned long *count, int ret)
{
	pthread_mutex_lock(&d->lock);
	++*count;
	if (!ret)
		d->uncovered = 0;
	pthread_mutex_unlock(&d->lock);
	return ret;
}

static int d_fsync(struct jnl_sys *sys, int fd)
{
	struct drive *d = drive_of(sys);

	return covered(d, &d->files, d->base->fsync(d->base, fd));
}

static int d_fdatasync(struct jnl_sys *sys, int fd)
{
	struct drive *d = drive_of(sys);

	return covered(d, &d->files, d->base->fdatasync(d->base, fd));
}

static int d_statx(struct jnl_sys *sys, int fd, unsigned int mask,
		   struct statx *stx)
{
	struct drive *d = drive_of(sys);
	uint32_t limit[2] = { 4096, d->atomic_max };
	int ret = d->base->statx(d->base, fd, mask, stx);

	if (ret < 0 || !d->atomic_max || !(mask & STATX_WRITE_ATOMIC))
		return ret;
	stx->stx_mask |= STATX_WRITE_ATOMIC;
	/* struct statx: stx_atomic_write_unit_min and _max */
	memcpy((char *)stx + 0xa8, limit, sizeof(limit));
	return 0;
}

static int d_nvme_id(struct jnl_sys *sys, int fd)
{
	(void)fd;
	return drive_of(sys)->nsid;
}

static int flushed(struct drive *d, unsigned long *asked, int ret)
{
	pthread_mutex_lock(&d->lock);
	d->flushes += !ret;
	pthread_mutex_unlock(&d->lock);
	return covered(d, asked, ret);
}

static int d_nvme_flush(struct jnl_sys *sys, int fd, uint32_t nsid)
{
	struct drive *d = drive_of(sys);

	(void)fd;
	if (nsid != (uint32_t)d->nsid)
		return -EINVAL;
	return flushed(d, &d->ioctls, d->by_ioctl);
}

static int d_ring_result(struct jnl_sys *sys, int opcode, int res)
{
	struct drive *d = drive_of(sys);

	res = d->base->ring_result(d->base, opcode, res);
	if (opcode == IORING_OP_URING_CMD)
		return flushed(d, &d->commands, d->by_ring);
	if (opcode == IORING_OP_FSYNC)
		return covered(d, &d->files, res);
	pthread_mutex_lock(&d->lock);
	d->uncovered++;
	pthread_mutex_unlock(&d->lock);
	return res;
}

void drive_init(struct drive *d)
{
	memset(d, 0, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
	d->base = jnl_sys_linux();
	d->nsid = DRIVE_NSID;
	/* The kernel's table looks at no state, so its functions will do. */
	d->sys = *d->base;
	d->sys.openat = d_openat;
	d->sys.pwrite = d_pwrite;
	d->sys.fsync = d_fsync;
	d->sys.fdatasync = d_fdatasync;
	d->sys.statx = d_statx;
	d->sys.nvme_id = d_nvme_id;
	d->sys.nvme_flush = d_nvme_flush;
	d->sys.ring_result = d_ring_result;
}
