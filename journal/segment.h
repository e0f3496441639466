/*
 * journal/segment.h - a journal's directory and its segment files.
 *
 * A segment is made under a .tmp name: space reserved, zeros written, header,
 * fsync; then it gets its name, and the directory is fsynced; only then may
 * a batch be written to it.  So a name stands for extents that are written
 * and inside a durable size, and a crash on the way leaves a .tmp file that
 * means nothing.
 */
#ifndef JNL_JOURNAL_SEGMENT_H
#define JNL_JOURNAL_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/format.h"
#include "journal/journal.h"
#include "lib/file.h"
#include "lib/sys.h"

#define JNL_SEGMENT_NAME_LEN	21	/* 16 digits, ".seg", NUL */
#define JNL_CHOICE_NAME	"choice"
#define JNL_CHOICE_TMP	"choice.tmp"
#define JNL_FIRST_FILL		(1024u * 1024)

struct jnl_dir {
	struct jnl_sys *sys;
	int fd;
	struct jnl_segment_header geometry;	/* number is not used */
	uint64_t seed;
	struct jnl_way way;		/* writers only */
	bool nocow;
	/* Set by another thread: give up making with -ECANCELED. */
	atomic_bool cancel;
	/*
	 * Renames and the fsync that makes them durable, one at a time: of
	 * two that sync a directory together one gets the error, and the
	 * other a 0 that means nothing.  names_error is the first failure;
	 * after it nobody can know which names will be there.
	 */
	pthread_mutex_t names_lock;
	int names_error;
};

/*
 * Rename from to to, and make that durable.  -errno; *ret_final is set if
 * nothing may be retried.
 */
int jnl_dir_publish(struct jnl_dir *dir, const char *from, const char *to,
		    bool *ret_final);

void jnl_segment_name(char name[JNL_SEGMENT_NAME_LEN], uint64_t number);

/* Whether name is a segment's, exactly. */
bool jnl_segment_parse(const char *name, uint64_t *ret_number);

/* A half-made file that a crash left: a segment, a choice, a probe's. */
bool jnl_is_tmp(const char *name);

/* The numbers of the segments that have a name, ascending. */
struct jnl_names {
	uint64_t *number;
	size_t count;
	size_t tmp;	/* half-made files */
	/* entries that are neither, but "lock", "choice", "stats" */
	size_t other;
};

/* 0, -ENOMEM or what listing said. */
int jnl_names_read(struct jnl_sys *sys, int dirfd, struct jnl_names *ret_names);
void jnl_names_free(struct jnl_names *names);
bool jnl_names_have(const struct jnl_names *names, uint64_t number);

/*
 * Make segment number, durably.  With fill_to below the segment's size only
 * so much is filled: the first segment of a new journal.  -errno; a file that
 * did not get its name is removed.  *ret_final is set if the failure leaves
 * the directory in a state that nobody can know: nothing may be retried.
 */
int jnl_segment_make(struct jnl_dir *dir, uint64_t number, uint64_t fill_to,
		     bool *ret_final);

/*
 * The steps of making one.  A half-made file has its space reserved and
 * nothing else: jnl_tmp_create() gives its descriptor.  jnl_tmp_finish() takes
 * it over, with what writing the content came to (err), and gives the file
 * its header and, durably, its name; a failure removes the file.
 */
void jnl_tmp_name(char tmp[JNL_SEGMENT_NAME_LEN], uint64_t number);
int jnl_tmp_create(const struct jnl_dir *dir, const char *tmp);
int jnl_tmp_finish(struct jnl_dir *dir, int fd, uint64_t number,
		   const char *tmp, int err, bool *ret_final);

/* Zeros in [from, to), not yet durable; *cancel (may be NULL) ends it. */
int jnl_segment_zeros(const struct jnl_dir *dir, int fd, uint64_t from,
		      uint64_t to, const atomic_bool *cancel);

/* What offsets and lengths of writes have to be a multiple of. */
size_t jnl_dir_alignment(const struct jnl_dir *dir);

/* Open for writing as the way says, or (buffered) through the page cache. */
int jnl_segment_open(const struct jnl_dir *dir, uint64_t number, bool buffered);

/* Remove every half-made file and every segment below number below. */
int jnl_dir_tidy(const struct jnl_dir *dir, uint64_t below);

#endif
