/*
 * journal/options.h - options of journal_open(): what they may be, and what
 * comes of them.
 */
#ifndef JNL_JOURNAL_OPTIONS_H
#define JNL_JOURNAL_OPTIONS_H

#include "journal/core.h"

/* Copy what the caller was compiled with; o may be NULL.  -EINVAL, -E2BIG. */
int jnl_options_copy(struct journal_options *ret_o,
		     const struct journal_options *o);

/* Each option by itself and beside the others.  -EINVAL, -E2BIG. */
int jnl_options_check(const struct journal_options *o);

/* -EINVAL, saying what. */
int jnl_bad_option(const struct journal_options *o, const char *what);

/* The segment size of a new journal. */
uint64_t jnl_options_segment_size(const struct journal_options *o);

/* -EINVAL if record_max does not fit a journal of this geometry. */
int jnl_options_record_max(const struct journal_options *o,
			   const struct jnl_segment_header *g);

/*
 * What is certain about a record_max before anything is made: a refused
 * option leaves no trace.
 */
int jnl_options_fresh(const struct journal_options *o);

/* Make the engine as the options and the journal want it. */
int jnl_options_engine(struct jnl_engine *e, const struct journal_options *o,
		       const struct jnl_dir *dir, bool dsync);

#endif
