/*
 * journal/measured.h - opening with a measured choice.
 */
#ifndef JNL_JOURNAL_MEASURED_H
#define JNL_JOURNAL_MEASURED_H

#include "journal/core.h"

/*
 * Choose a way to write here, j->probe being there: as the options ask, else
 * as was measured (now, with JOURNAL_MEASURE, or once, if that still holds),
 * else by the method that JOURNAL_PASSTHROUGH allows, if it is to be had, else
 * as the ranking has it.  What was measured is followed only where the
 * ranking has the method usable and its blocks are at most block_max.  Errors
 * and *ret_reason as jnl_probe_choose().
 */
int jnl_measured_choose(journal *j, const struct journal_options *o,
			const struct jnl_env *env, uint32_t block_max,
			struct jnl_choice *ret_choice,
			const char **ret_reason);

/*
 * Keep what was measured, if anything was.  What cannot be kept is only said;
 * negative: nobody knows which names the directory has.
 */
int jnl_measured_keep(journal *j);

/* For reading: what is kept in the directory, in words. */
void jnl_measured_look(journal *j, struct jnl_sys *sys, int dirfd);

void jnl_measured_free(journal *j);

#endif
