/*
 * probe/needs.h - what methods need, judged by facts.
 */
#ifndef JNL_PROBE_NEEDS_H
#define JNL_PROBE_NEEDS_H

#include "probe/facts.h"

enum jnl_verdict { JNL_YES, JNL_NO, JNL_UNKNOWN };

/*
 * NULL: usable, and *ret_fact is left alone.  Else why not, the caller's to
 * free (NULL also if there was no memory), and *ret_fact is what said so.
 * waived: needs that are not looked at.
 */
char *jnl_needs_why_not(journal_probe *p, const struct jnl_method *m,
			unsigned int waived, enum jnl_fact *ret_fact);

/* "; not verified: ..." about these needs, or NULL.  The caller's to free. */
char *jnl_needs_doubts(journal_probe *p, unsigned int wanted);

/* An errno in words. */
const char *jnl_why(int error);

#endif
