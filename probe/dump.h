/*
 * probe/dump.h - the answers of a machine as a text (journal-machine(5)).
 *
 * Made to be pasted into a report, read, compared line by line, and taken for
 * hostile: whoever reads one relies on nothing in it.  Same answers, same
 * bytes.
 */
#ifndef JNL_PROBE_DUMP_H
#define JNL_PROBE_DUMP_H

#include <stdint.h>
#include <stdio.h>

#include "probe/answers.h"

/* A whole dump; what is longer is not read. */
#define JNL_DUMP_MAX_BYTES	(64u << 20)

/* Write errors stay in the stream for the caller to find. */
void jnl_dump_write(FILE *out, const char *path, const struct jnl_answers *a);

/*
 * Adds what is in text (len bytes, no NUL needed behind them) to a, which is
 * empty, and sets *ret_path, the caller's to free.  Errors, with *ret_line the
 * line, from 1, that is meant (0: none in particular); a is then to be freed
 * all the same:
 *
 *   -EPROTONOSUPPORT	no dump of a machine, or of a later version
 *   -EINVAL		a line makes no sense where it is
 *   -EEXIST		a second answer to a question
 *   -EFBIG		the limits of answers.h
 *   -ENODATA		it ends before its end: something is missing
 *   -ENOMEM
 */
int jnl_dump_read(const char *text, size_t len, struct jnl_answers *a,
		  char **ret_path, uint64_t *ret_line);

#endif
