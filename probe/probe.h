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

/* What a journal needs to know once the ranking is done. */
struct jnl_choice {
	const struct jnl_method *method;
	struct jnl_way way;
	/* max(4096, logical and physical block, file system block, direct I/O
	 * alignment), a power of two; 4096 where nothing is known. */
	uint32_t block_size;
	bool nocow;		/* btrfs: ask for NOCOW on new files */
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

/* One line for each method: chosen, usable, or refused and why.  The text
 * belongs to the probe. */
const char *jnl_probe_trail(const journal_probe *p);

#endif
