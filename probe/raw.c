/*
 * probe/raw.c - a block device in the place of a directory: no file system.
 *
 * What file systems are asked for is answered here: the fsync of a block device
 * flushes its cache, always (blkdev_fsync() in the kernel's block/fops.c), and
 * no option of a mount can keep it from that.  What is overwritten there is
 * overwritten where it lies.
 *
 * And the table of calls for a device that is looked at and belongs to nobody
 * here: nothing is ever written to it.  Its scratch file is the device itself,
 * opened for reading, with no room in it; so flushes are tried, and of direct
 * I/O it is known what the kernel reports.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/compat.h"
#include "probe/ask.h"
#include "probe/facts.h"
#include "probe/raw.h"

void jnl_prober_raw(journal_probe *p)
{
	static const char source[] = "fstat(2)";
	char *keys, *kind = NULL;

	if (jnl_ask_keys(p->machine, JNL_ASK_CALL, "fstat", &keys) < 0)
		return;
	if (!jnl_key_text(keys, "kind", &kind) && !strcmp(kind, "block")) {
		jnl_fact_text(p, JNL_FS_TYPE, JOURNAL_FACT_REPORTED,
			      JNL_RAW_TYPE, source);
		jnl_fact_number(p, JNL_FS_BARRIER, JOURNAL_FACT_REPORTED, 1,
				source);
		jnl_fact_number(p, JNL_FS_IN_PLACE, JOURNAL_FACT_REPORTED, 1,
				source);
		/* Written, its own, and nobody can move them. */
		jnl_fact_number(p, JNL_FS_EXTENTS, JOURNAL_FACT_REPORTED, 1,
				source);
	}
	free(kind);
	free(keys);
}

/* ------------------------------------------------------------------------ */

static struct jnl_sys *base(void)
{
	return jnl_sys_linux();
}

static int raw_openat(struct jnl_sys *sys, int dirfd, const char *name,
		      int flags, mode_t mode)
{
	struct jnl_raw_probe *raw = (struct jnl_raw_probe *)sys;

	(void)mode;
	if (dirfd != raw->fd)
		return base()->openat(base(), dirfd, name, flags, mode);
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return -EOPNOTSUPP;
	return base()->openat(base(), AT_FDCWD, raw->path, O_RDONLY |
			      O_CLOEXEC | (flags & O_DIRECT), 0);
}

static int raw_unlink(struct jnl_sys *sys, int dirfd, const char *name)
{
	(void)sys;
	(void)dirfd;
	(void)name;
	return 0;
}

static ssize_t raw_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			  size_t len, uint64_t offset, int rwf)
{
	(void)sys;
	(void)fd;
	(void)buf;
	(void)len;
	(void)offset;
	(void)rwf;
	return -ENOSPC;
}

static int raw_fallocate(struct jnl_sys *sys, int fd, int mode,
			 uint64_t offset, uint64_t len)
{
	(void)sys;
	(void)fd;
	(void)mode;
	(void)offset;
	(void)len;
	return -EOPNOTSUPP;
}

/* Everything is on the device, and not on what its node is on. */
static int raw_fstat(struct jnl_sys *sys, int fd, struct stat *ret_st)
{
	int ret = base()->fstat(base(), fd, ret_st);

	(void)sys;
	if (!ret && S_ISBLK(ret_st->st_mode))
		ret_st->st_dev = ret_st->st_rdev;
	return ret;
}

static int raw_statx(struct jnl_sys *sys, int fd, unsigned int mask,
		     struct statx *ret_stx)
{
	int ret = base()->statx(base(), fd, mask, ret_stx);

	(void)sys;
	if (!ret)
		ret_stx->stx_mask &= ~STATX_MNT_ID;
	return ret;
}

static int raw_fstatfs(struct jnl_sys *sys, int fd, struct statfs *ret_fs)
{
	(void)sys;
	(void)fd;
	(void)ret_fs;
	return -EOPNOTSUPP;
}

int jnl_raw_probe_open(struct jnl_raw_probe *raw, const char *path)
{
	struct stat st;
	int fd, ret;

	/* Opening a node for real may do anything to it. */
	fd = base()->openat(base(), AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = base()->fstat(base(), fd, &st);
	(void)base()->close(base(), fd);
	if (ret < 0)
		return ret;
	if (!S_ISBLK(st.st_mode))
		return -ENOTDIR;
	raw->sys = *base();
	raw->sys.openat = raw_openat;
	raw->sys.unlink = raw_unlink;
	raw->sys.pwrite = raw_pwrite;
	raw->sys.fallocate = raw_fallocate;
	raw->sys.fstat = raw_fstat;
	raw->sys.statx = raw_statx;
	raw->sys.fstatfs = raw_fstatfs;
	raw->path = path;
	raw->fd = base()->openat(base(), AT_FDCWD, path, O_RDONLY | O_CLOEXEC,
				 0);
	return raw->fd;
}
