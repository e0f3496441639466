/*
 * journal-probe.h - what makes a write durable in a directory, or on a block
 * device, and why.
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

struct journal_probe_carrier {
	const char *name;	/* "pwritev2", "io_uring" */
	int32_t usable;		/* 1 usable here, 0 refused */
	const char *fact;	/* refused: the name of the fact, else "" */
	const char *reason;	/* one line: why, and what would help */
};

/* Bits of journal_probe_options.flags. */
/* Tell the serial numbers of drives, in facts and in dumps. */
#define JOURNAL_PROBE_SERIALS	((uint64_t)1 << 0)
/* Keep every answer of the machine for journal_probe_dump(). */
#define JOURNAL_PROBE_RECORD	((uint64_t)1 << 1)

struct journal_probe_options {
	size_t size;		/* sizeof(struct journal_probe_options) */
	uint64_t flags;
};

#define JOURNAL_PROBE_OPTIONS_INIT \
	{ .size = sizeof(struct journal_probe_options) }

/*
 * Probe the directory path.  Tries direct I/O, RWF_DSYNC and fdatasync on a
 * file without a name there (or a short-lived "probe-<pid>.tmp" where the file
 * system has no O_TMPFILE); a directory that cannot be written to leaves those
 * facts unknown.  options may be NULL.  -ENOENT, -ENOTDIR, -EACCES: the
 * directory cannot be opened; -EINVAL: options->size is too small; -E2BIG: the
 * options are from a newer version of the library.
 */
int journal_probe_open(journal_probe **ret_p, const char *path,
		       const struct journal_probe_options *options);

/*
 * Write to fd all that the machine was asked for this probe and what it
 * answered: a text, journal-machine(5), that journal_probe_replay() reads on
 * any machine.  For a report from a place that cannot be visited.  It names
 * the mounts of the machine; serial numbers are masked unless the probe was
 * opened with JOURNAL_PROBE_SERIALS.  -EINVAL: it was opened without
 * JOURNAL_PROBE_RECORD; -EFBIG: longer than would be read back; -ENOMEM; else
 * an error of write(2), and fd holds a part.
 */
int journal_probe_dump(const journal_probe *p, int fd);

/*
 * Probe the machine whose dump fd gives to its end; nothing is asked of this
 * one, and what the dump does not answer is unknown (-ENOMSG).  Anybody may have written
 * the dump: it is read with bounds, and believed no more than a machine.
 * options may be NULL.  *ret_line (may be NULL) is set when the dump cannot be
 * used: the line, from 1, or 0.
 *
 *   -EPROTONOSUPPORT	not a dump, or one of a newer version
 *   -EINVAL		this line makes no sense there (or options->size, line 0)
 *   -EEXIST		this line asks what was answered before
 *   -ENODATA		the end is missing
 *   -EFBIG		longer than 64 MiB, or more than 65536 answers
 *   -E2BIG, -ENOMEM; else an error of read(2)
 */
int journal_probe_replay(journal_probe **ret_p, int fd,
			 const struct journal_probe_options *options,
			 uint64_t *ret_line);

/* The path that was probed, as it was given; of a replay, there. */
const char *journal_probe_path(const journal_probe *p);

/* The i-th fact, or -ENOENT past the last. */
int journal_probe_fact_at(const journal_probe *p, size_t i,
			  struct journal_fact *ret_fact);

/* The fact of this name, or -ENOENT. */
int journal_probe_fact(const journal_probe *p, const char *name,
		       struct journal_fact *ret_fact);

/* The i-th method in order of preference, or -ENOENT past the last. */
int journal_probe_method_at(const journal_probe *p, size_t i,
			    struct journal_probe_method *ret_method);

/*
 * The i-th carrier of writes, "pwritev2" first, or -ENOENT past the last.
 * Which one a journal uses is its driver's choice; journal_info() says it.
 */
int journal_probe_carrier_at(const journal_probe *p, size_t i,
			     struct journal_probe_carrier *ret_carrier);

/* NULL is allowed. */
void journal_probe_close(journal_probe *p);

#ifdef __cplusplus
}
#endif

#endif
