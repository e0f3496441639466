/*
 * probe/main-dump.h - journal-probe's --dump and --replay.
 *
 * What goes wrong is said on standard error, with what to do about it.
 */
#ifndef JNL_PROBE_MAIN_DUMP_H
#define JNL_PROBE_MAIN_DUMP_H

#include <stdbool.h>

#include "probe/journal-probe.h"

/* The machine in file ("-": standard input), as of that place. */
bool jnl_replay_file(journal_probe **ret_p, const char *file,
		     const struct journal_probe_options *options);

/*
 * To file ("-": standard output): either all of it is there under that name,
 * or what was there before.
 */
bool jnl_dump_file(const journal_probe *p, const char *file);

#endif
