/*
 * tests/sim/crash.h - histories of a journal on the simulated disk.
 *
 * A world is a journal's history of several lives, each a process that opens
 * the journal, appends and dies.  While a life runs, every step leaves a point:
 * the disk as it is then, with what has been acknowledged.  From a point any
 * number of crash states are made and judged:
 *
 *   P1  what was acknowledged, or found by an open that succeeded, is read
 *   P2  what is read is a prefix of what was appended, and of a group all or
 *       nothing
 *   P3  without damage nothing says damage
 *   P4  with damage: what a surviving header says was durable is never lost
 *       silently, and never more acknowledged batches than the queue is deep,
 *       and one more for each further batch that the damage hits
 *   P5  what was given back durably does not reappear, and nothing is given
 *       back that was not asked
 *   P6  what is left of the file "stats" is never taken for a writer's at work,
 *       and what it says was durable is read
 *
 * The n-th record of a journal always has the same payload, in every life:
 * an application that retries after a crash, which makes lives hard to tell
 * apart.  Only a record that is filled in place, whose place among the others
 * is known when it is published, moves those behind it.
 */
#ifndef JNL_SIM_CRASH_H
#define JNL_SIM_CRASH_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "journal/core.h"
#include "journal/format.h"
#include "journal/raw-format.h"
#include "tests/sim/disk.h"
#include "tests/sim/sys.h"

#define MAX_RECORDS	512
#define MAX_POINTS	8192
#define MAX_DEPTH	4u
#define LSN_UNKNOWN	UINT64_MAX

/* PAST: nvme-flush */
enum { DIRECT_DSYNC, DIRECT_FLUSH, BUFFERED, PAST, METHODS };

struct world;

/* How far records have been given back: an LSN between the two. */
struct trim {
	uint64_t durable, asked;
};

/* One rule switched off, so that a violation has to be found. */
struct rule {
	const char *name;
	const char *what;
	/* Change the process's table, after sim_init() and again once the
	 * journal is open. */
	void (*table)(struct world *w, struct sim *s, bool opening);
	/* Narrow the world to where it shows. */
	int methods[3];		/* of the lives; the last repeats; -1: any */
	bool engine_only;	/* only the simulator as driver */
	bool caller_only;
	bool loop_only;
	bool ack_early;		/* done is told before it is true */
	bool ack_unordered;	/* any complete batch is taken for durable */
	bool ready_early;	/* ready_end is moved before the filling */
	bool group_split;	/* a group is appended one by one */
	bool opens_only;	/* later lives only open */
	bool flush_fails;	/* the first life has a flush that fails */
	bool young;		/* a segment 0 that is filled in chunks */
	bool damage;		/* shows only with damage at rest */
	bool trims;		/* records are given back, files used again */
	bool raw;		/* on a block device */
	bool trim_early;	/* files go before the trim is durable */
	bool untorn;		/* the drive says that it does not tear ... */
	bool tears;		/* ... and does */
	bool moves;		/* somebody moves the blocks of spares */
	bool settle_early;	/* a Flush counts for a new segment at once */
	bool told_early;	/* what was handed out is taken for durable */
	bool ring_silent;	/* completions do not ring */
	bool fills;		/* records are filled in place ... */
	bool fills_late;	/* ... also while they are written */
};

struct point {
	struct sim_disk *disk;
	uint32_t acked, appended;
	struct trim trim;
	bool created;
};

/* Counts over all worlds of a process. */
struct counts {
	uint64_t states;	/* distinct images judged */
	uint64_t judged, opened, verified;
	uint64_t worlds, lives, points, cuts, kills;
	uint64_t damages, reported, harmless, silent;
	uint64_t faults, exhaustive, live, followed, groups;
	uint64_t reserved, late;	/* places; published too late for them */
	uint64_t raw;		/* of the states, those of a block device */
	uint64_t loop;		/* ... and those of an event loop */
	/* Pages of figures that a crash left whole, and those it tore. */
	uint64_t pages, torn_pages;
	/* Operations of its ring: completed, in part, not taken, and begun
	 * while others were under way. */
	uint64_t completed, shorts, undone, beside;
};

struct seen {
	uint64_t *slot;
	uint64_t room, used;
};

struct world {
	uint64_t seed;
	const struct rule *rule;
	struct sim_pick pick;
	uint64_t segment_size;
	uint32_t record_max;
	uint32_t depth;
	unsigned int unit;	/* what a torn write is made of */
	int life;
	int method;
	bool no_direct;		/* the file system refuses O_DIRECT */
	bool young;		/* segment 0 is filled in chunks */
	bool harsh;		/* many failures, many segments */
	bool making;		/* what fails is making segments */
	bool small;		/* few records, for going through all states */
	bool trims;		/* records are given back */
	bool raw;		/* on a block device */
	bool tight;		/* ... which may be full */
	bool moves;		/* the blocks of spares are moved */
	bool fills;		/* records are filled in place */
	bool stats;		/* the file "stats" is kept */
	uint32_t untorn;	/* bytes that the drive does not tear */

	struct sim_disk *disk;	/* between lives */
	bool created;
	uint32_t acked, appended;
	uint64_t lsn[MAX_RECORDS];
	/* Which payload the n-th record has: every number once. */
	uint32_t what[MAX_RECORDS];
	struct trim trim;
	uint32_t first;		/* the first that was read last */
	bool joined[MAX_RECORDS];	/* in one group with the one before */

	/* The life that runs. */
	struct sim sim;
	struct process *process;
	bool opening;
	int fail_after;		/* calls until one fails; 0: none does */
	bool fail_open;		/* while opening, else afterwards */
	int faults;
	bool failed;		/* so that the journal may have ended */
	bool unwatched;		/* so that it may have no figures any more */
	struct point *point;
	int points;

	struct counts *counts;
	uint64_t enough;	/* counted states after which to stop */
	struct seen *images, *verdicts;
	struct emit *emit;
	bool verbose;
	bool always_raw, always_loop;
	bool loop;		/* the driver of the life */
	const struct sim_disk *judged;
	char violation[600];
	jmp_buf stop;
};

/* Ends the world with what went wrong. */
void violated(struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
void note(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* True if value was not there yet. */
bool seen_add(struct seen *s, uint64_t value);
void seen_free(struct seen *s);

/* ------------------------------------------------------------------------
 * records.c: what is appended
 */

uint32_t record_len(const struct world *w, uint32_t n);
void record_fill(const struct world *w, uint32_t n, uint8_t *p);
bool record_good(const struct world *w, uint32_t n, const void *p, size_t len);
/* How many of the records known lie below lsn. */
uint32_t records_below(const struct world *w, uint64_t lsn);

/* ------------------------------------------------------------------------
 * judge.c: what a crash left
 */

void choice_of(const struct world *w, int method, struct jnl_choice *ret);
/* A process on disk with the world's table. */
void process(struct world *w, struct sim *s, struct sim_disk *disk);

/*
 * Read everything.  0 or the error of opening or of reading, with what was
 * read before in *ret_count, compared with what was appended.
 */
int read_process(struct world *w, struct sim *s, uint32_t *ret_count,
		 uint64_t *ret_lsn);
int read_back(struct world *w, struct sim_disk *disk, uint32_t *ret_count,
	      uint64_t *ret_lsn);

/* Make a crash state of the point; the caller owns it. */
struct sim_disk *crash(struct world *w, const struct point *p,
		       struct sim_pick *pick, bool kill);

/* Judge a crash state (owned by the caller; may be changed).  True if it had
 * not been judged before. */
bool judge(struct world *w, const struct point *p, struct sim_disk *disk,
	   bool kill, unsigned int effort);

/* Damage a power-cut image at rest, and judge what is said about it. */
void judge_damage(struct world *w, const struct point *p,
		  const struct sim_disk *disk);

/* ------------------------------------------------------------------------
 * life.c (see life.h): what processes do
 */

/* One life on w->disk; leaves its points. */
void live(struct world *w);
void points_free(struct world *w);

/* ------------------------------------------------------------------------
 * image.c: the bytes, read by somebody else
 */

struct link {
	struct jnl_batch_header h;
	uint64_t lsn, end;
	uint32_t blocks;
};

#define MAX_SLOTS	128

struct image {
	const struct sim_disk *disk;
	/* Of a block device: the table, of no slots if there is none. */
	struct jnl_raw_header device;
	uint64_t slot[MAX_SLOTS];
	int copies;		/* of it that say so */
	uint64_t segment_size, seed;
	uint64_t newest;
	bool sound;		/* segment 0 has a good header */
	bool unchained;		/* asked for: links are not looked at */
	struct link chain[1024];
	int links;
	uint64_t end;		/* behind the last that links */
};

/* The chain from segment 0 on, as far as it goes. */
void image_walk(struct image *im, const struct sim_disk *disk);
const uint8_t *image_block(const struct image *im, uint64_t lsn);
/* Have the names of the disk, or the table, in mind. */
void image_names(struct image *im, const struct sim_disk *disk);
/* Where a segment is: its file, or -1, and its first block there. */
int image_place(const struct image *im, uint64_t number, uint32_t *ret_block);

/* ------------------------------------------------------------------------
 * broken.c, emit.c
 */

const struct rule *rule_at(int i);
const struct rule *rule_find(const char *name);

struct emit;
struct emit *emit_open(const char *path, uint32_t images, bool falsify);
bool emit_full(const struct emit *e);
void emit_image(struct emit *e, struct world *w, const struct sim_disk *disk);
int emit_close(struct emit *e);

/* ------------------------------------------------------------------------
 * alarm.c: alarm_world() when a world begins (again is the line that says how
 * to have it again), alarm_step() before each step of it.
 */

void alarm_init(void);
void alarm_world(uint64_t seed, const char *again);
void alarm_step(void);

#endif
