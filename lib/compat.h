/*
 * lib/compat.h - kernel interfaces that the headers at hand may lack.
 *
 * The values are the kernel's ABI and never change; fields that struct statx
 * gained over time are read at their ABI offsets, so that a library built
 * with old headers still sees what a new kernel says.
 */
#ifndef JNL_LIB_COMPAT_H
#define JNL_LIB_COMPAT_H

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#ifndef STATX_MNT_ID
#define STATX_MNT_ID	0x00001000U
#endif
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN	0x00002000U
#endif
#ifndef STATX_WRITE_ATOMIC
#define STATX_WRITE_ATOMIC	0x00010000U
#endif
#ifndef RWF_DSYNC
#define RWF_DSYNC	0x00000002
#endif
#ifndef RWF_ATOMIC
#define RWF_ATOMIC	0x00000040
#endif

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES	0x80
#endif

/* NVM Express, NVM Command Set: the opcode of Flush. */
#define JNL_NVME_FLUSH	0x00

static_assert(sizeof(struct statx) == 0x100, "struct statx is kernel ABI");

/* Valid only with STATX_MNT_ID in stx_mask. */
static inline uint64_t jnl_statx_mnt_id(const struct statx *stx)
{
	uint64_t id;

	memcpy(&id, (const char *)stx + 0x90, sizeof(id));
	return id;
}

/* Both are valid only with STATX_DIOALIGN in stx_mask; 0: no direct I/O. */
static inline uint32_t jnl_statx_dio_mem_align(const struct statx *stx)
{
	uint32_t align;

	memcpy(&align, (const char *)stx + 0x98, sizeof(align));
	return align;
}

static inline uint32_t jnl_statx_dio_offset_align(const struct statx *stx)
{
	uint32_t align;

	memcpy(&align, (const char *)stx + 0x9c, sizeof(align));
	return align;
}

/* In bytes; both are valid only with STATX_WRITE_ATOMIC in stx_mask. */
static inline uint32_t jnl_statx_atomic_min(const struct statx *stx)
{
	uint32_t unit;

	memcpy(&unit, (const char *)stx + 0xa8, sizeof(unit));
	return unit;
}

static inline uint32_t jnl_statx_atomic_max(const struct statx *stx)
{
	uint32_t unit;

	memcpy(&unit, (const char *)stx + 0xac, sizeof(unit));
	return unit;
}

#endif
