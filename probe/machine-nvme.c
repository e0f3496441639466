/*
 * probe/machine-nvme.c - what an NVMe drive says of itself.
 *
 * Through a node in /dev that this process may open, named by its caller:
 * which one it is has to be checked by number (nvme_node), since anything may
 * stand in /dev.  With a prefix (tests) there are no drives.
 *
 * libnvme brings a cryptographic library along, which a program without such a
 * drive should not have to load: it is loaded for the first page that is asked
 * for (-ELIBACC: it is not there).
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#ifdef HAVE_LIBNVME
#include <dlfcn.h>
#include <libnvme.h>
#endif

#include "probe/machine-impl.h"

#define PAGE_BYTES	4096u
#define NAME_MAX_BYTES	64

static int open_node(struct jnl_machine_linux *l, const char *name, int flags)
{
	char path[NAME_MAX_BYTES + 8];

	if (*l->sysroot)
		return -ENODATA;
	if (strchr(name, '/') || strlen(name) > NAME_MAX_BYTES)
		return -EINVAL;
	snprintf(path, sizeof(path), "/dev/%s", name);
	return l->sys->openat(l->sys, AT_FDCWD, path,
			      flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
}

int jnl_machine_nvme_node(struct jnl_machine_linux *l, const char *name,
			  char **ret_text)
{
	struct stat st;
	int fd, ret;

	fd = open_node(l, name, O_RDWR);
	if (fd < 0)
		return fd;
	ret = l->sys->fstat(l->sys, fd, &st);
	if (ret == 0)
		ret = l->sys->nvme_id(l->sys, fd);
	l->sys->close(l->sys, fd);
	if (ret < 0)
		return ret;
	return jnl_machine_format(ret_text, "kind %s\nrmajor %u\nrminor %u\n"
				  "nsid %d\n",
				  S_ISCHR(st.st_mode) ? "char" :
				  S_ISBLK(st.st_mode) ? "block" : "other",
				  major(st.st_rdev), minor(st.st_rdev), ret);
}

/* "NAME N": the number, and the name cut off before it. */
static int split(const char *what, char name[NAME_MAX_BYTES + 1],
		 unsigned int *ret_number)
{
	static_assert(NAME_MAX_BYTES == 64, "the width below");
	return sscanf(what, "%64s %u", name, ret_number) == 2 ? 0 : -EINVAL;
}

int jnl_machine_nvme_flush(struct jnl_machine_linux *l, const char *what)
{
	char name[NAME_MAX_BYTES + 1];
	unsigned int nsid;
	int fd, ret;

	ret = split(what, name, &nsid);
	if (ret < 0)
		return ret;
	fd = open_node(l, name, O_RDWR);
	if (fd < 0)
		return fd;
	ret = l->sys->nvme_flush(l->sys, fd, nsid);
	l->sys->close(l->sys, fd);
	/* The drive's own word for it has no errno. */
	return ret > 0 ? -EREMOTEIO : ret;
}

#ifdef HAVE_LIBNVME

/* Its ABI, and the header's, is that of version 1. */
#define LIBNVME "libnvme.so.1"

typedef int (*identify_fn)(struct nvme_identify_args *args);
typedef int (*features_fn)(struct nvme_get_features_args *args);

static void *symbol(struct jnl_machine_linux *l, const char *name)
{
	if (!l->libnvme)
		l->libnvme = dlopen(LIBNVME, RTLD_LAZY | RTLD_LOCAL);
	return l->libnvme ? dlsym(l->libnvme, name) : NULL;
}

void jnl_machine_nvme_close(struct jnl_machine_linux *l)
{
	if (l->libnvme)
		(void)dlclose(l->libnvme);
	l->libnvme = NULL;
}

/* 0, -errno, or a positive status of the drive. */
static int status(int ret)
{
	return ret < 0 ? -errno : ret > 0 ? -EREMOTEIO : 0;
}

static int identify(struct jnl_machine_linux *l, int fd,
		    enum nvme_identify_cns cns, unsigned int nsid,
		    struct jnl_answer *a)
{
	identify_fn ask = (identify_fn)symbol(l, "nvme_identify");
	struct nvme_identify_args args = {
		.args_size = sizeof(args),
		.fd = fd,
		.timeout = NVME_DEFAULT_IOCTL_TIMEOUT,
		.data = a->data,
		.cns = cns,
		.csi = NVME_CSI_NVM,
		.nsid = nsid,
		.cntid = NVME_CNTLID_NONE,
		.uuidx = NVME_UUID_NONE,
	};

	if (!ask)
		return -ELIBACC;
	a->len = PAGE_BYTES;
	return status(ask(&args));
}

static int feature(struct jnl_machine_linux *l, int fd, unsigned int fid,
		   struct jnl_answer *a)
{
	features_fn ask = (features_fn)symbol(l, "nvme_get_features");
	__u32 result = 0;
	struct nvme_get_features_args args = {
		.args_size = sizeof(args),
		.fd = fd,
		.timeout = NVME_DEFAULT_IOCTL_TIMEOUT,
		.result = &result,
		.sel = NVME_GET_FEATURES_SEL_CURRENT,
		.fid = (__u8)fid,
		.uuidx = NVME_UUID_NONE,
	};
	int ret, i;

	if (!ask)
		return -ELIBACC;
	ret = status(ask(&args));
	for (i = 0; i < 4; i++)
		a->data[i] = (char)(result >> 8 * i & 0xff);
	a->len = 4;
	return ret;
}

static int page(struct jnl_machine_linux *l, int fd, const char *verb,
		unsigned int number, struct jnl_answer *a)
{
	if (!strcmp(verb, "identify-controller"))
		return identify(l, fd, NVME_IDENTIFY_CNS_CTRL,
				NVME_NSID_NONE, a);
	if (!strcmp(verb, "identify-namespace"))
		return identify(l, fd, NVME_IDENTIFY_CNS_NS, number, a);
	if (!strcmp(verb, "feature") && number <= 0xff)
		return feature(l, fd, number, a);
	return -EOPNOTSUPP;
}

int jnl_machine_nvme_page(struct jnl_machine_linux *l, const char *subject,
			  size_t max, struct jnl_answer *a)
{
	char verb[32], name[NAME_MAX_BYTES + 1];
	unsigned int number = 0;
	int fd, ret;

	if (sscanf(subject, "%31s %64s %u", verb, name, &number) < 2)
		return -EINVAL;
	fd = open_node(l, name, O_RDONLY);
	if (fd < 0)
		return fd;
	/* The kernel writes into it: a page of its own. */
	a->data = aligned_alloc(PAGE_BYTES, 2 * PAGE_BYTES);
	if (a->data) {
		memset(a->data, 0, 2 * PAGE_BYTES);
		ret = page(l, fd, verb, number, a);
	} else {
		ret = -ENOMEM;
	}
	l->sys->close(l->sys, fd);
	return ret == 0 && a->len > max ? -EFBIG : ret;
}

#else

int jnl_machine_nvme_page(struct jnl_machine_linux *l, const char *subject,
			  size_t max, struct jnl_answer *a)
{
	(void)l;
	(void)subject;
	(void)max;
	(void)a;
	/* Built without libnvme. */
	return -EOPNOTSUPP;
}

void jnl_machine_nvme_close(struct jnl_machine_linux *l)
{
	(void)l;
}

#endif
