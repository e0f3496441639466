/*
 * probe/signature.h - what is on a block device, by the signatures that file
 * systems, partition tables and others leave there.
 */
#ifndef JNL_PROBE_SIGNATURE_H
#define JNL_PROBE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Look the device over that fd has open for reading, not with O_DIRECT.  True
 * if something is known to be there: text says what ("ext4", "gpt", ...).
 * False if nothing is, or if nobody can tell: libblkid(3) is not installed, or
 * cannot read the device.  Loads the library for as long as that takes.
 */
bool jnl_signature(int fd, char *text, size_t size);

#endif
