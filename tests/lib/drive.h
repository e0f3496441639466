/*
 * tests/lib/drive.h - the kernel's table, with an NVMe namespace's generic
 * device that is not there.
 *
 * DRIVE_NODE opens, and is /dev/null; its
 * namespace is DRIVE_NSID.  A Flush, by ioctl or as a command on a ring, ends
 * as the test says.  Writes, flushes of files and Flushes are counted in the
 * order in which they ended.
 */
#ifndef TESTS_LIB_DRIVE_H
#define TESTS_LIB_DRIVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/sys.h"

#define DRIVE_NODE	"/dev/ng0n1"
#define DRIVE_NSID	7
#define DRIVE_MAJOR	1	/* of /dev/null */
#define DRIVE_MINOR	3

struct drive {
	struct jnl_sys sys;	/* first: what the library is given */
	struct jnl_sys *base;
	pthread_mutex_t lock;

	int opens;		/* 0, or how opening the node fails */
	int by_ioctl;		/* how a Flush ends, from now on */
	int by_ring;
	int nsid;		/* what the device says */
	/* 0: RWF_ATOMIC is taken, and is a plain write; else the error. */
	int takes_atomic;
	uint32_t atomic_max;	/* what statx says of it; 0: nothing */
	unsigned long atomic;	/* such writes */

	unsigned long ioctls, commands;	/* Flushes that were asked for */
	unsigned long flushes;		/* of those, and succeeded */
	unsigned long files;		/* fsync and fdatasync of a file */
	/* Writes that have ended since the last flush of either kind. */
	unsigned long uncovered;
};

void drive_init(struct drive *d);

#endif
