/*
 * probe/text.h - small text files of /proc and /sys, below a prefix.
 *
 * These files are not journal data and are read with plain system calls.  What
 * is in them is never trusted: a file that is empty, too large, binary or out
 * of range is an error, not a value.
 */
#ifndef JNL_PROBE_TEXT_H
#define JNL_PROBE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Read the whole file sysroot + path, at most max bytes, into memory that the
 * caller frees.  -ENODATA: empty; -EFBIG: more than max; -EINVAL: binary;
 * -ENOMEM; otherwise as open(2) and read(2) say.
 */
int jnl_text_read(const char *sysroot, const char *path, size_t max,
		  char **ret_text);

/* One line without its newline; -EINVAL if there are more, or it is empty. */
int jnl_text_line(const char *sysroot, const char *path, char **ret_line);

/* One decimal number and nothing else; -EINVAL, -ERANGE. */
int jnl_text_number(const char *sysroot, const char *path,
		    uint64_t *ret_value);

/* Undo the octal escapes (\040) of mountinfo, in place. */
void jnl_text_unescape(char *s);

#endif
