/*
 * journal/error.h - saying more about a failure than its errno.
 */
#ifndef JNL_JOURNAL_ERROR_H
#define JNL_JOURNAL_ERROR_H

#include "journal/journal.h"

/*
 * Fill in *e (which may be NULL) and return code, so that a failing branch is
 * one statement.  file may be NULL; the format is one line without newline.
 */
int jnl_error(struct journal_error *e, int code, uint64_t lsn,
	      const char *file, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* What the system means by an error, in a few words. */
const char *jnl_system_words(int err);

#endif
