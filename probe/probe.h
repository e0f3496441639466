/*
 * probe/probe.h - the probe as journal/ uses it.
 */
#ifndef JNL_PROBE_PROBE_H
#define JNL_PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/file.h"
#include "lib/method.h"
#include "lib/sys.h"
#include "probe/journal-probe.h"

/*
 * What kernel, file system and drive together promise of a write with
 * RWF_ATOMIC: it is on the medium whole or not at all, also if the power goes,
 * if it has a power of two of bytes from min to max, begins at a multiple of
 * its length on the namespace and crosses no multiple of boundary there.
 */
struct jnl_untorn {
	uint32_t min, max;	/* max 0: nothing is promised */
	uint32_t boundary;	/* 0: none */
	/* Where the file system, or the raw place, begins on the namespace. */
	uint64_t start;
};

/* What a journal needs to know once the ranking is done. */
struct jnl_choice {
	const struct jnl_method *method;
	struct jnl_way way;
	/* max(4096, logical and physical block, file system block, direct I/O
	 * alignment), a power of two; 4096 where nothing is known. */
	uint32_t block_size;
	bool nocow;		/* btrfs: ask for NOCOW on new files */
	/* JNL_NEED_PASSTHROUGH: the generic device's path and number. */
	char generic[32];
	uint32_t generic_major, generic_minor;
	struct jnl_untorn untorn;
};

/*
 * Probe the directory that dirfd has open (not taken over).  path is what
 * messages call it.
 */
int jnl_probe_dir(journal_probe **ret_p, struct jnl_sys *sys, int dirfd,
		  const char *path);

/*
 * The best usable method, or the one called name if name is not NULL.  With
 * allow_volatile JNL_NEED_STABLE is waived.  -EOPNOTSUPP: none; *ret_reason is
 * then a line that belongs to the probe.  -EINVAL: no method has that name.
 */
int jnl_probe_choose(journal_probe *p, const char *name, bool allow_volatile,
		     struct jnl_choice *ret_choice, const char **ret_reason);

/* fs.type of a place that is a block device, and whether it is one. */
#define JNL_RAW_TYPE	"none (raw device)"
bool jnl_probe_is_raw(const journal_probe *p);

/*
 * Whether the place is an NVMe namespace itself, all of it, and not a file on
 * it or a partition of it: then whoever may write to the place may write to
 * the whole namespace, and a command to it gives him no more.
 */
bool jnl_probe_whole_namespace(const journal_probe *p);

/*
 * Why there is no ring, after call ("io_uring_setup", ...) was refused with
 * error, in the words that the probe uses itself; good until the next time.
 */
const char *jnl_probe_ring_refused(journal_probe *p, const char *call,
				   int error);

/* One line for each method: chosen, usable, or refused and why.  The text
 * belongs to the probe. */
const char *jnl_probe_trail(const journal_probe *p);

#endif
