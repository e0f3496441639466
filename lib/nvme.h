/*
 * lib/nvme.h - an NVMe namespace's generic device, opened for one command:
 * Flush, which makes every write to the namespace durable that had completed
 * when it was sent (NVM Express, NVM Command Set, "Flush command").
 *
 * The generic device and not the block device: what may be sent to the latter
 * depends on the kernel, and a ring takes commands for the former only.  Who
 * may open it may read and write the whole namespace.
 *
 * How it fails: a command that never left the kernel has not failed, it was
 * refused (jnl_nvme_refused()), and another way may be taken.  Any other error
 * says that it may have reached the drive: then nobody knows what is durable,
 * and asking again would get an answer that means nothing.
 */
#ifndef JNL_LIB_NVME_H
#define JNL_LIB_NVME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sys.h"

struct jnl_nvme {
	int fd;			/* -1: not open */
	uint32_t nsid;
};

/*
 * Open the character device at path, which must have this number.  0, -ENODEV
 * if it is something else, or what the system said.
 */
int jnl_nvme_open(struct jnl_nvme *ret_nvme, struct jnl_sys *sys,
		  const char *path, uint32_t major, uint32_t minor);
void jnl_nvme_close(struct jnl_nvme *nvme, struct jnl_sys *sys);

/* 0, a negative errno, or the drive's completion status, which is positive. */
int jnl_nvme_flush(const struct jnl_nvme *nvme, struct jnl_sys *sys);

/* Whether the error says that nothing was sent to the drive. */
bool jnl_nvme_refused(int err);

#endif
