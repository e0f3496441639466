/*
 * probe/show.h - what journal-probe prints, and how.
 *
 * Paths and mount options are other people's bytes: neither form lets a
 * control character or broken UTF-8 through.  Write errors stay in the stream
 * for the caller to find.
 */
#ifndef JNL_PROBE_SHOW_H
#define JNL_PROBE_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "probe/journal-probe.h"
#include "probe/measure.h"

/*
 * For people.  width: columns of the terminal, at least 80; 0: no limit.  all:
 * every fact, also those that are unknown or as usual.
 */
void jnl_show_screen(FILE *out, const journal_probe *p, const char *path,
		     bool colour, size_t width, bool all);

/* Its part with the facts. */
struct jnl_look;
void jnl_show_facts(const struct jnl_look *l, const journal_probe *p, bool all);

/* For programs: one JSON object (RFC 8259) and a newline.  measure may be
 * NULL. */
void jnl_show_json(FILE *out, const journal_probe *p, const char *path,
		   const struct jnl_measure *measure);

/*
 * The bytes of the UTF-8 character at s (1 to 4) and its number, or 0 if
 * there is none.
 */
size_t jnl_utf8(const char *s, uint32_t *ret_char);

#endif
