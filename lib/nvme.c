/*
 * lib/nvme.c - an NVMe namespace's generic device, opened for Flush.
 */
#include "config.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "lib/nvme.h"

static int look_at(struct jnl_nvme *nvme, struct jnl_sys *sys, uint32_t major,
		   uint32_t minor)
{
	struct stat st;
	int ret;

	ret = sys->fstat(sys, nvme->fd, &st);
	if (ret < 0)
		return ret;
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != major ||
	    minor(st.st_rdev) != minor)
		return -ENODEV;
	ret = sys->nvme_id(sys, nvme->fd);
	if (ret < 0)
		return ret;
	nvme->nsid = (uint32_t)ret;
	return 0;
}

int jnl_nvme_open(struct jnl_nvme *ret_nvme, struct jnl_sys *sys,
		  const char *path, uint32_t major, uint32_t minor)
{
	struct jnl_nvme nvme = { .fd = -1 };
	int ret;

	/* For writing: the kernel asks it of whoever is not root. */
	nvme.fd = sys->openat(sys, AT_FDCWD, path,
			      O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
	if (nvme.fd < 0)
		return nvme.fd;
	ret = look_at(&nvme, sys, major, minor);
	if (ret < 0) {
		jnl_nvme_close(&nvme, sys);
		return ret;
	}
	*ret_nvme = nvme;
	return 0;
}

void jnl_nvme_close(struct jnl_nvme *nvme, struct jnl_sys *sys)
{
	/* Nothing was written through it. */
	if (nvme->fd >= 0)
		(void)sys->close(sys, nvme->fd);
	nvme->fd = -1;
}

int jnl_nvme_flush(const struct jnl_nvme *nvme, struct jnl_sys *sys)
{
	return sys->nvme_flush(sys, nvme->fd, nvme->nsid);
}

bool jnl_nvme_refused(int err)
{
	switch (-err) {
	case EACCES:
	case EPERM:
	case ENOTTY:
	case ENOSYS:
	case EOPNOTSUPP:
	case EINVAL:
	case EBADF:
		return true;
	default:
		return false;
	}
}
