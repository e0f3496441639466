/*
 * table.c - keys and values in memory.
 *
 * Linear hashing: there are base buckets and, behind them, those that the
 * first ones were split into.  Each entry that is added splits one bucket, so
 * growing is never a pause.  A bucket array that cannot grow makes the chains
 * longer and nothing else.
 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BASE_MIN	1024
#define SWEEP_COUNT	1000

int table_init(struct table *t, uint64_t seed)
{
	*t = (struct table){
		.seed = seed, .base = BASE_MIN, .size = BASE_MIN,
		.room = BASE_MIN,
	};
	t->buckets = calloc(t->room, sizeof(*t->buckets));
	return t->buckets ? 0 : -ENOMEM;
}

void table_free(struct table *t)
{
	table_clear(t);
	while (table_sweep(t))
		;
	free(t->buckets);
}

uint64_t table_hash(const struct table *t, const void *key, size_t len)
{
	return XXH3_64bits_withSeed(key, len, t->seed);
}

static size_t bucket_of(const struct table *t, uint64_t hash)
{
	size_t i = hash & (2 * t->base - 1);

	return i < t->size ? i : i - t->base;
}

struct entry *table_find(const struct table *t, uint64_t hash, const void *key,
			 size_t len)
{
	struct entry *e = t->buckets[bucket_of(t, hash)];

	while (e && (e->hash != hash || e->key_len != len ||
		     memcmp(e->bytes, key, len)))
		e = e->chain;
	return e;
}

struct entry *entry_new(uint64_t hash, const void *key, size_t key_len,
			const void *value, size_t value_len)
{
	struct entry *e;

	if (key_len > UINT32_MAX || value_len > UINT32_MAX)
		return NULL;
	e = malloc(sizeof(*e) + key_len + value_len);
	if (!e)
		return NULL;
	*e = (struct entry){
		.hash = hash, .key_len = (uint32_t)key_len,
		.value_len = (uint32_t)value_len,
	};
	memcpy(e->bytes, key, key_len);
	memcpy(e->bytes + key_len, value, value_len);
	return e;
}

/* Split one bucket in two. */
static void grow(struct table *t)
{
	struct entry *e, *next, **bucket, **bigger;

	if (t->size == t->room) {
		bigger = realloc(t->buckets, 2 * t->room * sizeof(*bigger));
		if (!bigger)
			return;
		t->buckets = bigger;
		t->room *= 2;
	}
	bucket = &t->buckets[t->size - t->base];
	e = *bucket;
	*bucket = NULL;
	t->buckets[t->size++] = NULL;
	if (t->size == 2 * t->base)
		t->base = t->size;
	for (; e; e = next) {
		next = e->chain;
		bucket = &t->buckets[bucket_of(t, e->hash)];
		e->chain = *bucket;
		*bucket = e;
	}
}

void table_put(struct table *t, struct entry *e)
{
	struct entry *old = table_find(t, e->hash, e->bytes, e->key_len);
	struct entry **bucket;

	if (old)
		table_remove(t, old);
	if (t->count >= t->size)
		grow(t);
	bucket = &t->buckets[bucket_of(t, e->hash)];
	e->chain = *bucket;
	*bucket = e;
	e->newer = NULL;
	e->older = t->newest;
	if (t->newest)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
	t->count++;
	t->bytes += e->key_len + (uint64_t)e->value_len;
}

void table_remove(struct table *t, struct entry *e)
{
	struct entry **at = &t->buckets[bucket_of(t, e->hash)];

	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	if (t->walker == e)
		t->walker = e->older;
	if (e->newer)
		e->newer->older = e->older;
	else
		t->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		t->oldest = e->newer;
	t->count--;
	t->bytes -= e->key_len + (uint64_t)e->value_len;
	free(e);
}

void table_clear(struct table *t)
{
	if (t->oldest) {
		t->oldest->older = t->garbage;
		t->garbage = t->newest;
	}
	t->newest = t->oldest = t->walker = NULL;
	t->count = 0;
	t->bytes = 0;
	t->base = t->size = BASE_MIN;
	memset(t->buckets, 0, BASE_MIN * sizeof(*t->buckets));
}

bool table_sweep(struct table *t)
{
	struct entry *e;

	for (int i = 0; t->garbage && i < SWEEP_COUNT; i++) {
		e = t->garbage;
		t->garbage = e->older;
		free(e);
	}
	return t->garbage;
}

void table_walk_start(struct table *t)
{
	t->walker = t->newest;
}

struct entry *table_walk(struct table *t)
{
	struct entry *e = t->walker;

	if (e)
		t->walker = e->older;
	return e;
}

void table_walk_stop(struct table *t)
{
	t->walker = NULL;
}
