/*
 * tests/lib/scratch.h - a directory to work in, and a choice without a probe.
 */
#ifndef TESTS_LIB_SCRATCH_H
#define TESTS_LIB_SCRATCH_H

#include "journal/core.h"

/*
 * A new empty directory in memory (/dev/shm) where that is a tmpfs, else below
 * TMPDIR or /var/tmp.  With on_disk never in memory.  Freed and removed, with
 * everything in it, by scratch_remove().
 */
char *scratch_make(bool on_disk);
void scratch_remove(char *path);

/* path + "/" + name; freed by the caller. */
char *scratch_path(const char *path, const char *name);

/* The ways a journal can write, to be given in struct jnl_env. */
extern const struct jnl_choice choice_dsync;	/* O_DIRECT, RWF_DSYNC */
extern const struct jnl_choice choice_flush;	/* O_DIRECT, fdatasync */
/* O_DIRECT, flushes by DRIVE_NODE of tests/lib/drive.h; else as choice_dsync */
extern const struct jnl_choice choice_nvme;
extern const struct jnl_choice choice_buffered;	/* page cache, fdatasync */

#endif
