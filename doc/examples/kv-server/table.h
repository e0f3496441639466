/*
 * table.h - keys and values in memory.
 *
 * A hash table that grows by one bucket at a time, and a list of all entries,
 * newest first, for walking through them in slices while others change them.
 * No call takes time in proportion to the number of entries.
 */
#ifndef KV_TABLE_H
#define KV_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
	struct entry *chain;		/* in its bucket */
	struct entry *newer, *older;	/* in the list of all */
	uint64_t hash;
	uint32_t key_len;
	uint32_t value_len;
	char bytes[];			/* the key, then the value */
};

struct table {
	uint64_t seed;
	struct entry **buckets;
	size_t room;		/* buckets there is memory for */
	size_t size;		/* buckets in use, from base to 2 * base - 1 */
	size_t base;		/* a power of two */
	size_t count;
	uint64_t bytes;		/* of keys and values */
	struct entry *newest, *oldest;
	struct entry *walker;	/* what table_walk() returns next */
	struct entry *garbage;	/* cleared, and not freed yet */
};

/* 0 or -ENOMEM.  seed: something that clients do not know. */
int table_init(struct table *t, uint64_t seed);
void table_free(struct table *t);

uint64_t table_hash(const struct table *t, const void *key, size_t len);

/* NULL if it is not there. */
struct entry *table_find(const struct table *t, uint64_t hash, const void *key,
			 size_t len);

/* One that is in no table yet; for free(3).  NULL: no memory. */
struct entry *entry_new(uint64_t hash, const void *key, size_t key_len,
			const void *value, size_t value_len);

/* Takes e over, in the place of the one with the same key.  Cannot fail. */
void table_put(struct table *t, struct entry *e);

/* e is in t. */
void table_remove(struct table *t, struct entry *e);

/* Remove all of them; their memory is given back by table_sweep(). */
void table_clear(struct table *t);

/* Free some of what was cleared; true if there is more. */
bool table_sweep(struct table *t);

/*
 * Walk through what is there now.  What is put later is not met, and neither
 * is what was removed or replaced before its turn.
 */
void table_walk_start(struct table *t);
struct entry *table_walk(struct table *t);	/* NULL: that was the last */
void table_walk_stop(struct table *t);

#endif
