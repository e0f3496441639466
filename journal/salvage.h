/*
 * journal/salvage.h - what the files of salvage share.
 *
 * Three steps: the source reads what is left of a journal and says what lies
 * at a place (salvage-source.c); from that come runs, stretches of batches
 * that link, and which of them are proven (salvage-runs.c); those are copied
 * (salvage.c).
 */
#ifndef JNL_JOURNAL_SALVAGE_H
#define JNL_JOURNAL_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/core.h"

/* ------------------------------------------------------------------------
 * The old journal
 */

/* What is known of a segment file. */
struct jnl_source_file {
	enum journal_finding finding;	/* JOURNAL_SOUND, or what is wrong */
	uint64_t bytes;			/* its length, 0 if it cannot be opened */
	uint64_t number;		/* that its header says, if that is good */
	/* Something lies there that is neither zeros nor a batch, nor what
	 * the file held under a former number. */
	bool junk;
};

struct jnl_source {
	struct jnl_sys *sys;
	int dirfd;
	int lock_fd;
	struct jnl_names names;
	struct jnl_source_file *file;	/* one for each name */
	struct jnl_segment_header geometry;
	uint64_t seed;

	int fd;				/* of the open segment, or -1 */
	uint64_t number;
	bool direct;
	uint8_t *window;
	size_t window_len;		/* allocated */
	uint64_t from;			/* offset of window[0] */
	size_t have;
	unsigned int guesses;		/* at broken headers, in this segment */

	journal_progress_fn *on_progress;
	void *arg;
	uint64_t seen, total;		/* bytes, for progress */
};

/* What lies at a block boundary. */
enum jnl_spot_kind {
	JNL_SPOT_ZERO,		/* a block of zeros */
	JNL_SPOT_JUNK,		/* something */
	JNL_SPOT_STALE,		/* a batch of the file's former number */
	JNL_SPOT_BROKEN,	/* a batch's header in its place; it is damaged */
	JNL_SPOT_GOOD,		/* a batch that is whole and in its place */
};

struct jnl_spot {
	enum jnl_spot_kind kind;
	struct jnl_batch_header h;	/* GOOD, STALE */
	const uint8_t *p;		/* GOOD: the batch; until the next call */
	uint64_t len;			/* bytes that need no look of their own */
	uint64_t durable;		/* that a good header says, or 0 */
};

/* Open the old journal, keep writers out.  -errno, and *error says more. */
int jnl_source_open(struct jnl_source *s, struct jnl_sys *sys,
		    const char *path, struct journal_error *error);
void jnl_source_close(struct jnl_source *s);

/* The file of a segment, NULL if it has none. */
struct jnl_source_file *jnl_source_file(const struct jnl_source *s,
					uint64_t number);

/*
 * What lies at lsn.  What cannot be read from the medium, or is beyond the
 * end of a file, or in none, is junk.  -errno if reading failed otherwise.
 */
int jnl_source_look(struct jnl_source *s, uint64_t lsn, struct jnl_spot *ret);

/* ------------------------------------------------------------------------
 * Runs
 */

/* Batches of which each links to the one before, in their places. */
struct jnl_run {
	uint64_t first;		/* position of the first */
	uint64_t last;		/* of the last */
	uint64_t end;		/* behind it */
	uint64_t prev_sum;	/* that the first links to */
	uint64_t last_sum;
	uint64_t durable;	/* largest that one of them says */
	uint64_t trim;		/* of the last */
	uint64_t batches;
	bool proven;
};

struct jnl_runs {
	struct jnl_run *run;	/* ascending */
	size_t count;
	uint64_t watermark;	/* largest durable of any good header */
	uint64_t begin;		/* the first segment worth having */
	uint64_t given;		/* trim of the last proven batch */
	uint64_t trim;		/* the same, or where begin begins */
	uint64_t end;		/* where the journal ended */
	uint64_t remains;	/* batches that are not proven */
};

/* Read everything, and say what is proven.  0, -ENOMEM, or reading failed. */
int jnl_runs_find(struct jnl_source *s, struct jnl_runs *ret_runs);
void jnl_runs_free(struct jnl_runs *runs);

/* journal_salvage(), with other surroundings for old and new. */
int jnl_salvage(const char *path, const char *new_path,
		struct journal_salvage_report *report,
		const struct jnl_env *from, const struct jnl_env *to);

#endif
