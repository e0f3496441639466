/*
 * journal/core.h - the open journal, and what tests put in its place.
 */
#ifndef JNL_JOURNAL_CORE_H
#define JNL_JOURNAL_CORE_H

#include <stdbool.h>

#include "journal/journal.h"
#include "lib/sys.h"
#include "probe/probe.h"

/* The surroundings of a journal.  A zeroed one means: the real ones. */
struct jnl_env {
	/* NULL: jnl_sys_linux() */
	struct jnl_sys *sys;
	/* Not NULL: take this choice, do not probe. */
	const struct jnl_choice *choice;
	/* No helper thread: the caller runs jnl_helper_step() itself. */
	bool no_helper;
};

/* journal_open() and its like in surroundings of the caller's choice. */
int jnl_open(journal **ret_j, const char *path,
	     const struct journal_options *options, const struct jnl_env *env);
int jnl_reader_open(journal_reader **ret_r, const char *path, uint64_t lsn,
		    struct journal_error *error, const struct jnl_env *env);
int jnl_verify(const char *path, struct journal_report *report,
	       const struct jnl_env *env);

/*
 * One piece of the background work: fill a chunk of segment 0, make the next
 * segment, or (if idle) write a watermark.  True if there was something to do.
 */
bool jnl_helper_step(journal *j, bool idle);

#endif
