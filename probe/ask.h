/*
 * probe/ask.h - questions to the machine, and making sense of the answers.
 *
 * What is in an answer is never trusted: one that is empty, too large, binary
 * or out of range is an error, not a value.  Everything returns 0 or a
 * negative errno; what is returned is the caller's to free.
 */
#ifndef JNL_PROBE_ASK_H
#define JNL_PROBE_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "probe/machine.h"

/*
 * A text of at most max bytes.  -ENODATA: empty; -EFBIG: more than max;
 * -EINVAL: binary; -ENOMEM; otherwise the answer's error.
 */
int jnl_ask_text(struct jnl_machine *m, enum jnl_question kind,
		 const char *subject, size_t max, char **ret_text);

/* A file of one line, without its newline; -EINVAL if there are more, or it
 * is empty. */
int jnl_ask_line(struct jnl_machine *m, const char *path, char **ret_line);

/* A file of one decimal number and nothing else; -EINVAL, -ERANGE. */
int jnl_ask_number(struct jnl_machine *m, const char *path,
		   uint64_t *ret_value);

/*
 * "key value" lines, for jnl_key_number(); may be an empty text.  max is a
 * page.
 */
int jnl_ask_keys(struct jnl_machine *m, enum jnl_question kind,
		 const char *subject, char **ret_keys);

/* Something that is done and answers with no more than how it ended. */
int jnl_ask_try(struct jnl_machine *m, const char *subject);

/* The decimal number s and nothing else; -EINVAL, -ERANGE. */
int jnl_number(const char *s, uint64_t *ret_value);

/* The number behind key in "key value" lines; -ENODATA, -EINVAL, -ERANGE. */
int jnl_key_number(const char *keys, const char *key, uint64_t *ret_value);

/* The same as text, to the end of the line; -ENODATA, -ENOMEM. */
int jnl_key_text(const char *keys, const char *key, char **ret_text);

#endif
