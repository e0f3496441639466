/*
 * probe/timing.h - journal-probe --measure: run it, and show what came of it.
 */
#ifndef JNL_PROBE_TIMING_H
#define JNL_PROBE_TIMING_H

#include <stdbool.h>
#include <stdio.h>

#include "probe/measure.h"

#define TIMING_SECONDS_MIN	0.1
#define TIMING_SECONDS_MAX	60.0

/* "0.5" as nanoseconds; false if it is not a number within the limits. */
bool jnl_timing_parse(const char *text, uint64_t *ret_ns);

/*
 * Measure in the directory path for so long each; with a progress bar where
 * standard error is a terminal.  Ends the process by the signal if SIGHUP,
 * SIGINT or SIGTERM comes.  NULL: what went wrong was said.
 */
struct jnl_measure *jnl_timing_run(journal_probe *p, const char *path,
				   uint64_t pair_ns);

/*
 * For people.  width: columns, or 0 for no limit.  chart: blocks of Unicode,
 * or ASCII.
 */
void jnl_timing_show(FILE *out, const struct jnl_measure *m, bool colour,
		     size_t width, bool unicode);

/* "812us", "1.21ms", ...: six columns below a thousand seconds. */
#define TIMING_TEXT_LEN	24
void jnl_timing_text(char text[TIMING_TEXT_LEN], uint64_t ns);

#endif
