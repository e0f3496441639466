/*
 * tests/lib/device.h - a system-call table for which one file is a block
 * device, so that nobody needs root to have one.
 *
 * O_EXCL claims it, as long as the open file lives; BLKGETSIZE64 is the file's
 * size; fstat(2) says that it is a device.  Everything else is the file's own.
 */
#ifndef TESTS_LIB_DEVICE_H
#define TESTS_LIB_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sys.h"

struct device {
	struct jnl_sys sys;	/* first: what the library is given */
	ino_t ino;
	dev_t dev;
	int claimed;		/* by this descriptor, or -1 */
	bool held;		/* by somebody else */
};

/*
 * Make the file path, of size zero bytes, that is a device for the table; size
 * 0: it is there already, and stays as it is.
 */
void device_init(struct device *d, const char *path, uint64_t size);

#endif
