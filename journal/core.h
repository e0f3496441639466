/*
 * journal/core.h - the open journal: what the files of journal/ share, and the
 * surroundings that tests put around it.
 */
#ifndef JNL_JOURNAL_CORE_H
#define JNL_JOURNAL_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "journal/choice.h"
#include "journal/engine.h"
#include "journal/journal.h"
#include "journal/observe.h"
#include "journal/recover.h"
#include "journal/segment.h"
#include "lib/nvme.h"
#include "lib/sys.h"
#include "probe/probe.h"

/* The surroundings of a journal.  A zeroed one means: the real ones. */
struct jnl_env {
	/* NULL: jnl_sys_linux() */
	struct jnl_sys *sys;
	/* Not NULL: take this choice, do not probe. */
	const struct jnl_choice *choice;
	/* How long JOURNAL_MEASURE takes; 0: as journal.h says. */
	uint64_t measure_ns;
	/* No thread of the library: the caller runs jnl_helper_step() itself,
	 * and, with the loop driver, jnl_loop_step(). */
	bool no_helper;
	/* With sys: keep the file "stats" all the same, as a journal in real
	 * surroundings does. */
	bool stats;
};

struct jnl_segment_file {
	uint64_t number;
	uint64_t generation;	/* unlike fd, never used again */
	int fd;
	bool settled;		/* a flush of the drive covers its batches */
	uint64_t base;		/* where the file begins on what fd has open,
				 * for a ring: a slot of a raw device */
};

/* The method nvme-flush: flushes past the file system (journal/barrier.c). */
struct jnl_drive {
	struct jnl_nvme nvme;
	bool on;		/* false too once it was given up */
	bool no_ring;		/* a ring's command was refused */
};

/* A text that somebody may still read when a newer one has replaced it. */
struct jnl_text {
	struct jnl_text *older;
	char line[];
};

#define JNL_NO_SEGMENT	UINT64_MAX

struct jnl_bell;
struct jnl_stats_file;
struct jnl_committer;

/* The background work and what there is to know about it. */
struct jnl_helper {
	pthread_t thread;
	bool running;		/* there is a thread */
	bool stop;
	bool parked;		/* sleeps until somebody appends */
	bool called;		/* was woken, has not looked yet */
	int fill_fd;		/* segment 0, for filling; -1 if none */
	/* A segment that was given back and waits to be used again; with
	 * JNL_NO_SEGMENT there is none. */
	uint64_t kept;
	uint64_t leave_below;	/* removing these has failed: no more tries */
	/* A failed piece of work is left until an append needs it. */
	bool blocked;
	int error;		/* why the last piece failed */
	uint64_t failures;	/* how many pieces failed ... */
	uint64_t called_off;	/* ... because the journal was closed */
	uint64_t successes;	/* how many did not */
	uint64_t seen;		/* commits + records at the last look */
};

/* A measured choice (journal/measured.c). */
struct jnl_advice {
	/* What is followed.  method or driver NULL: not that part. */
	struct jnl_kept_choice kept;
	char *line;		/* what became of it, or NULL */
	char *text;		/* to be kept with the journal, or NULL */
	char against[96];	/* what else was measured, and how, or "" */
	bool lost;		/* with a ring, which may yet write there */
};

/* What journal_stats() tells beside what the engine counts. */
struct jnl_counters {
	uint64_t stalls_queue, stalls_segment;
	uint64_t action_max_ns;
	uint64_t action_ns[40];
};

/*
 * One open journal.  lock guards everything below it that changes; it is not
 * held across a write, a flush or the making of a segment.
 */
struct journal {
	struct jnl_dir dir;
	int lock_fd;
	bool read_only;
	bool writer;		/* read-only: somebody else writes */
	journal_probe *probe;	/* NULL if read-only or not probed */
	const char *method;
	struct jnl_advice advice;
	struct jnl_recovery recovered;
	uint64_t segments;	/* read-only: files there are */
	uint64_t slots;		/* read-only: as in journal_info() */
	/* One page that reads as zero in a child of fork(2). */
	uint8_t *alive;

	pthread_mutex_t lock;
	pthread_cond_t progress;	/* an action or a piece of work ended */
	pthread_cond_t wake;		/* for the helper */
	struct jnl_engine engine;
	uint64_t oldest;		/* lowest segment that is there */
	bool carrying;			/* a thread carries an action out */
	struct jnl_segment_file *files;	/* open for writing */
	size_t nfiles;
	uint64_t generation;		/* of the file opened last */
	struct jnl_committer *committer;	/* NULL: the caller driver */
	bool loop;			/* the loop driver */
	const char *carrier;
	struct jnl_drive drive;
	struct jnl_untorn untorn;	/* what the drive promises */
	struct jnl_text *trail;		/* how all this was chosen */
	struct jnl_bell *bell;		/* one for each place in the queue */
	_Atomic uint64_t durable;	/* the engine's frontier, without lock */
	uint64_t told;			/* engine.passed at the last telling */
	uint32_t away;			/* woken, and not back yet */
	struct jnl_helper helper;
	struct jnl_counters counters;
	struct jnl_observed observed;
	struct jnl_stats_file *stats_file;	/* NULL: none is kept */
};

/* journal_open() and its like in surroundings of the caller's choice. */
int jnl_open(journal **ret_j, const char *path,
	     const struct journal_options *options, const struct jnl_env *env);
int jnl_reader_open(journal_reader **ret_r, const char *path, uint64_t lsn,
		    struct journal_error *error, const struct jnl_env *env);
int jnl_verify(const char *path, struct journal_report *report,
	       const struct jnl_env *env);

int jnl_stats_at(struct jnl_sys *sys, const char *path,
		 struct journal_snapshot *snapshot,
		 struct journal_stats *stats);

/*
 * One piece of the background work: fill a part of segment 0, remove segments
 * that were given back, make the next one, or (if idle) write a watermark.
 * True if there was something to do.
 */
bool jnl_helper_step(journal *j, bool idle);

/* What the loop driver's thread would do next.  False: nothing. */
bool jnl_loop_step(journal *j);

/*
 * Take and give back the lock, with cancellation off: a thread that is
 * cancelled in the middle of a write would leave the journal locked and the
 * write's fate unknown.  The result of one goes to the other.
 */
int jnl_enter(journal *j);
void jnl_leave(journal *j, int state);

/* Cancellation off alone: nothing that is half open or half read is left. */
int jnl_cancel_off(void);
void jnl_cancel_restore(int state);

/* Below: between the files of journal/; the lock is held. */

/* Take over fd as the one to write to segment number with; -ENOMEM closes it. */
int jnl_file_add(journal *j, uint64_t number, int fd);

/* Close fd, which is no longer among j->files.  Gives the lock up meanwhile. */
void jnl_file_close(journal *j, int fd);

/*
 * Do what step does with the engine, as an append does: where it is refused
 * for want of room, wait for that, or get -EAGAIN in an event loop.  Gives the
 * lock up meanwhile.
 */
int jnl_put_through(journal *j, int (*step)(struct jnl_engine *e, void *arg),
		    void *arg);

/*
 * What every driver offers: bring the engine on by a step, or wait until
 * somebody has done so.  Gives the lock up meanwhile.  Only with something
 * wanted that is not durable, or every image in use.
 */
void jnl_push_on(journal *j);

/*
 * Carry out the next action, giving the lock up meanwhile.  False if there is
 * none.  Nobody else may be carrying one.
 */
bool jnl_carry(journal *j);

/* Write or flush as act says, by plain system calls and without the lock. */
int jnl_carry_out(journal *j, const struct jnl_action *act);

/* What journal_info() and journal_stats() tell. */
void jnl_fill_info(journal *j, struct journal_info *info);
void jnl_fill_stats(journal *j, struct journal_stats *stats);

/* How long an action took, for journal_stats(). */
uint64_t jnl_now_ns(void);
void jnl_count_action(journal *j, uint64_t ns);

/* The file that an action goes to. */
const struct jnl_segment_file *jnl_file_of(const journal *j, uint64_t number);

/* After an action: tell those who wait and see to what comes next. */
void jnl_carried(journal *j);

/* The flags of pwritev2 that a batch is to be written with. */
int jnl_write_flags(const struct jnl_batch *b);

/* Add a line to the trail, where it stays until the journal is closed. */
void jnl_say(journal *j, const char *line);

/*
 * How a flush is carried (journal/barrier.c).  jnl_barrier_open() gets at the
 * drive, for the method nvme-flush: 0 or why not.  jnl_barrier_by_drive():
 * whether a flush of this segment is one of the drive.  jnl_barrier_carry()
 * carries it out, giving the lock up meanwhile.  jnl_barrier_landed() takes
 * how a flush of the drive by a ring has ended; JNL_RING_UNDONE: carry it out.
 */
int jnl_barrier_open(journal *j, const struct jnl_choice *choice);
bool jnl_barrier_by_drive(const journal *j, uint64_t segment);
int jnl_barrier_carry(journal *j, uint64_t segment);
int jnl_barrier_landed(journal *j, int err);

/* Carry JNL_ACT_REPLACE out: put a new file in the place of a segment's. */
int jnl_replace(journal *j, uint64_t number);

/* One piece of work; may give the lock up meanwhile. */
bool jnl_helper_work(journal *j, bool idle);

/*
 * Remove segments that have been given back.  With keep, the last of them
 * stays, if it can become the next segment.  False if there is none to remove.
 */
bool jnl_helper_remove(journal *j, bool keep);
int jnl_helper_start(journal *j);
void jnl_helper_stop(journal *j);	/* without the lock */
void jnl_helper_call(journal *j);

/*
 * Waiting for a batch (journal/wake.c).  jnl_tell() follows every change that
 * somebody may wait for, and may give the lock up.  jnl_wait() sleeps until
 * the batch of lsn is durable or something else calls for a look; true: it
 * is durable, and the lock was given up for good.  jnl_pass_on() gives the
 * lock up and, if nobody carries what others wait for, wakes one of them to
 * do it.  jnl_gather() lets those append who are about to.
 */
int jnl_bells_init(journal *j);
void jnl_tell(journal *j);
bool jnl_wait(journal *j, uint64_t lsn);
void jnl_pass_on(journal *j);
void jnl_gather(journal *j);

/*
 * The drivers with a thread.  jnl_driver_start() chooses driver and carrier
 * and says in j->trail why; jnl_committer_call() wakes their thread if it
 * sleeps, with the lock held; jnl_committer_stop() drains it.
 */
int jnl_driver_start(journal *j, const struct journal_options *o,
		     bool no_thread);
void jnl_committer_call(journal *j);
void jnl_committer_stop(journal *j);

/*
 * The loop driver (journal/loop.c).  jnl_loop_drive() reaps and hands out, and
 * never blocks; true if something had ended.  jnl_loop_refused() says what an
 * append gets that the engine refused with -EAGAIN or -EBUSY.  jnl_loop_tell()
 * is its part of jnl_tell(), jnl_loop_push() of jnl_push_on().
 * jnl_loop_carry() carries one action out that would block; false: none is
 * left to do.
 */
bool jnl_loop_drive(journal *j);
int jnl_loop_refused(journal *j, int ret);
void jnl_loop_tell(journal *j);
void jnl_loop_push(journal *j);
bool jnl_loop_carry(journal *j);

/* True if a ring was lost: the images must live on, and so must the lock. */
bool jnl_committer_free(journal *j, bool alive);

/* NULL: no memory. */
journal *jnl_journal_new(struct jnl_sys *sys);

/* Frees everything; any part may be missing. */
void jnl_journal_free(journal *j);

/* ------------------------------------------------------------------------
 * Getting at a journal on disk: what opening, reading and verifying share.
 */

struct jnl_attached {
	struct jnl_sys *sys;
	int dirfd;
	int lock_fd;		/* -1: beside a writer, or none was needed */
	bool live;		/* a writer is at work */
	struct jnl_names names;
	struct jnl_recovery rec;
	struct jnl_damage damage;	/* if recovery failed */
};

/*
 * Open the directory and recover for reading.  The lock is held shared while
 * recovery reads and then let go.  On failure *ret_at is empty but for damage.
 */
int jnl_attach(struct jnl_sys *sys, const char *path,
	       struct jnl_attached *ret_at, struct journal_error *error);
void jnl_detach(struct jnl_attached *at);

/*
 * Whether the file that had lsn, below the end when rec was made, is gone or
 * holds something else since: a writer has given it back.  1, and *ret_first is
 * where the journal begins now; 0 if not, as far as can be seen; or why it
 * cannot be looked at now.
 */
int jnl_given_back(struct jnl_sys *sys, const char *path,
		    const struct jnl_recovery *rec, uint64_t lsn,
		    uint64_t *ret_first);

/*
 * The directory's descriptor, or -errno; and that in words.  For a block
 * device *sys becomes a table over the one that it was (journal/raw.h): from
 * then on use that one, until the last of its descriptors is closed.
 */
int jnl_open_dir(struct jnl_sys **sys, const char *path);
int jnl_dir_error(struct journal_error *error, int ret, const char *path);

/* Put a failed recovery into words. */
int jnl_damage_error(struct journal_error *error, int code, const char *path,
		     const struct jnl_damage *damage);

#endif
