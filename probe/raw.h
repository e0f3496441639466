/*
 * probe/raw.h - a block device that is looked at and never written to.
 */
#ifndef JNL_PROBE_RAW_H
#define JNL_PROBE_RAW_H

#include "lib/sys.h"

struct jnl_raw_probe {
	struct jnl_sys sys;	/* first: a table is its device */
	const char *path;	/* not taken over */
	int fd;			/* stands for the directory */
};

/*
 * Make the table for the block device path, and open it: the descriptor, which
 * is the caller's to close, -ENOTDIR if path is something else, or -errno.
 */
int jnl_raw_probe_open(struct jnl_raw_probe *raw, const char *path);

#endif
