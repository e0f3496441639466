/*
 * journal-probe.h - what makes a write durable in a directory, and why.
 *
 * A probe looks at the kernel, the file system and the drive under a path and
 * ranks the methods of libjournal by what it finds.  journal_open() uses this
 * very ranking.  Nothing that is not known is ever taken for yes or for zero.
 *
 * A probe is for one thread at a time.  Functions return 0 or a negative
 * errno; strings belong to the probe and live until journal_probe_close().
 */
#ifndef JOURNAL_PROBE_H
#define JOURNAL_PROBE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct journal_probe journal_probe;

/* How a fact is known. */
enum journal_fact_state {
	JOURNAL_FACT_UNKNOWN	= 0,	/* not known; error may say why */
	JOURNAL_FACT_REPORTED	= 1,	/* somebody says so: see source */
	JOURNAL_FACT_TRIED	= 2,	/* it was tried here */
};

struct journal_fact {
	const char *name;	/* "fs.type", "device.write_cache", ... */
	enum journal_fact_state state;
	int32_t error;		/* negative errno of the attempt, or 0 */
	uint64_t value;		/* number, or 0/1; 0 if text is given */
	const char *text;	/* value as text, or NULL for a number */
	const char *source;	/* a file, a system call, "" if unknown */
};

struct journal_probe_method {
	const char *name;	/* "direct", ... */
	int32_t usable;		/* 1 usable here, 0 refused */
	int32_t chosen;		/* 1 for the best usable one */
	const char *fact;	/* refused: the name of the fact, else "" */
	const char *reason;	/* one line: why, and what would help */
	const char *carrier;	/* usable: who carries a write */
	const char *barrier;	/* usable: what makes it durable */
};

/*
 * Probe the directory path.  Tries direct I/O, RWF_DSYNC and fdatasync on a
 * file without a name there (or a short-lived "probe-<pid>.tmp" where the file
 * system has no O_TMPFILE); a directory that cannot be written to leaves those
 * facts unknown.  -ENOENT, -ENOTDIR, -EACCES: the directory cannot be opened.
 */
int journal_probe_open(journal_probe **ret_p, const char *path);

/* The i-th fact, or -ENOENT past the last. */
int journal_probe_fact_at(const journal_probe *p, size_t i,
			  struct journal_fact *ret_fact);

/* The fact of this name, or -ENOENT. */
int journal_probe_fact(const journal_probe *p, const char *name,
		       struct journal_fact *ret_fact);

/* The i-th method in order of preference, or -ENOENT past the last. */
int journal_probe_method_at(const journal_probe *p, size_t i,
			    struct journal_probe_method *ret_method);

/* NULL is allowed. */
void journal_probe_close(journal_probe *p);

#ifdef __cplusplus
}
#endif

#endif
