/*
 * journal/stats-file.h - the file "stats": what a writer is doing, for others.
 *
 * It is for people and monitors, and never read by whoever opens, reads or
 * verifies the journal: a journal is the same without it.  journal-format(5),
 * "Statistics", describes it.
 */
#ifndef JNL_JOURNAL_STATS_FILE_H
#define JNL_JOURNAL_STATS_FILE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "journal/journal.h"

#define JNL_STATS_NAME		"stats"
#define JNL_STATS_MAGIC		"JNLSTATS"
#define JNL_STATS_VERSION	1u
#define JNL_STATS_LEN		4096u

enum jnl_stats_state {
	JNL_STATS_OPEN		= 1,
	JNL_STATS_CLOSED	= 2,
};

/* Every number is 8 bytes, little endian; codes are two's complement. */
struct jnl_stats_event {
	uint64_t kind, stall, code, recycled;
	uint64_t time_ns, lsn, duration_ns, dropped;
	char reason[192];
};

struct jnl_stats_page {
	char magic[8];
	uint64_t sum;		/* XXH3 of all behind it, seed 0 */
	uint64_t version;
	uint64_t state;
	uint8_t uuid[16];
	uint64_t pid;
	uint8_t boot_id[16];	/* zeros: not known */
	uint64_t opened_ns, updated_ns;		/* CLOCK_REALTIME */
	uint64_t updated_mono_ns;		/* CLOCK_MONOTONIC */
	uint64_t failed;
	char method[16], carrier[16], driver[16], barrier[16];
	uint64_t frontier, end, first_lsn, segments, segment_size;
	uint64_t outstanding, oldest_mono_ns;
	uint64_t records, payload, batches, flushes, replacements;
	uint64_t stalls_queue, stalls_segment, failures, action_max_ns;
	uint64_t stalls_device, events_dropped;
	uint64_t events;
	uint64_t action_ns[40];
	uint64_t batch_records[24];
	struct jnl_stats_event event[JOURNAL_PAST_EVENTS];
	uint64_t in_place, late;
	uint8_t zeros[1200];
};

static_assert(sizeof(struct jnl_stats_event) == 256, "on disk");
static_assert(sizeof(struct jnl_stats_page) == JNL_STATS_LEN, "on disk");
static_assert(offsetof(struct jnl_stats_page, sum) == 8, "on disk");
static_assert(offsetof(struct jnl_stats_page, state) == 24, "on disk");
static_assert(offsetof(struct jnl_stats_page, pid) == 48, "on disk");
static_assert(offsetof(struct jnl_stats_page, opened_ns) == 72, "on disk");
static_assert(offsetof(struct jnl_stats_page, failed) == 96, "on disk");
static_assert(offsetof(struct jnl_stats_page, method) == 104, "on disk");
static_assert(offsetof(struct jnl_stats_page, frontier) == 168, "on disk");
static_assert(offsetof(struct jnl_stats_page, outstanding) == 208, "on disk");
static_assert(offsetof(struct jnl_stats_page, records) == 224, "on disk");
static_assert(offsetof(struct jnl_stats_page, events) == 312, "on disk");
static_assert(offsetof(struct jnl_stats_page, action_ns) == 320, "on disk");
static_assert(offsetof(struct jnl_stats_page, batch_records) == 640,
	      "on disk");
static_assert(offsetof(struct jnl_stats_page, event) == 832, "on disk");
static_assert(offsetof(struct jnl_stats_page, in_place) == 2880, "on disk");

/* The numbers between a page in memory and one on disk; the same both ways. */
void jnl_stats_order(struct jnl_stats_page *page);
uint64_t jnl_stats_sum(const struct jnl_stats_page *page);

/*
 * What a crash may leave of a page: the length is there, and zeros where the
 * first bytes were to be.
 */
static inline bool jnl_stats_lost(const char first[8], uint64_t len)
{
	return len == JNL_STATS_LEN && !memcmp(first, (char[8]){ 0 }, 8);
}

/* What a writer keeps of its file; NULL in the journal: there is none. */
struct jnl_stats_file;

/*
 * Make the file, or say in the trail why there is none.  Then look now and
 * then, with the lock held: writes what has changed, giving the lock up
 * meanwhile.  Closing marks it as closed; freeing lets go of it.
 */
void jnl_stats_file_open(journal *j);
void jnl_stats_file_look(journal *j);
void jnl_stats_file_close(journal *j);
void jnl_stats_file_free(journal *j);

#endif
