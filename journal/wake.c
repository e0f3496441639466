/*
 * journal/wake.c - who waits for a batch, and how they are woken together.
 *
 * Each place in the engine's queue has a bell: a futex word on which the
 * threads sleep whose records lie in the batch there.  When the batch is
 * durable they wake together and return without taking the lock.  A condition
 * variable would have them take it one after the other, and split every
 * group of appenders in two that alternate.
 *
 * Whoever is about to hand out a batch lets those in who were woken by the
 * last one and are on their way with the next record: a yield or two, and no
 * timer.  A thread that appends alone never yields.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>

#include "journal/core.h"
#include "lib/futex.h"

#define YIELDS	4

struct jnl_bell {
	_Atomic uint32_t word;
	uint32_t waiters;	/* asleep, or about to be */
};

int jnl_bells_init(journal *j)
{
	j->bell = calloc(j->engine.queue_len, sizeof(*j->bell));
	atomic_store(&j->durable, j->engine.frontier);
	return j->bell ? 0 : -ENOMEM;
}

/* Change the word, so that nobody goes to sleep on what was before. */
static void strike(struct jnl_bell *b)
{
	(void)atomic_fetch_add(&b->word, 1);
}

void jnl_tell(journal *j)
{
	const struct jnl_engine *e = &j->engine;
	struct jnl_bell *struck[2 * (JNL_DEPTH_MAX + 1)];
	uint64_t to = e->passed;
	uint32_t n = 0;

	/* The end of everything concerns every batch in the queue. */
	if (e->error) {
		to = j->told + e->queue_len;
		jnl_raise_failure(j, e->error);
	}
	atomic_store(&j->durable, e->frontier);
	for (uint64_t i = j->told; i < to; i++) {
		struct jnl_bell *b = &j->bell[i % e->queue_len];

		if (!b->waiters)
			continue;
		j->away += b->waiters;
		b->waiters = 0;
		strike(b);
		struck[n++] = b;
	}
	j->told = e->passed;
	pthread_cond_broadcast(&j->progress);
	if (j->loop)
		jnl_loop_tell(j);
	if (!n)
		return;
	/* They are not to meet a lock that is held. */
	pthread_mutex_unlock(&j->lock);
	while (n)
		jnl_futex_wake(&struck[--n]->word, INT_MAX);
	pthread_mutex_lock(&j->lock);
}

bool jnl_wait(journal *j, uint64_t lsn)
{
	struct jnl_engine *e = &j->engine;
	struct jnl_bell *b = &j->bell[jnl_engine_slot(e, lsn)];
	uint32_t seen = atomic_load(&b->word);

	b->waiters++;
	pthread_mutex_unlock(&j->lock);
	jnl_futex_wait(&b->word, seen);
	if (atomic_load(&j->durable) > lsn)
		return true;
	pthread_mutex_lock(&j->lock);
	/* Struck meanwhile, or not: the batch is still in its place. */
	if (e->frontier <= lsn && b->waiters)
		b->waiters--;
	return false;
}

void jnl_pass_on(journal *j)
{
	const struct jnl_engine *e = &j->engine;
	struct jnl_bell *b = NULL;

	if (!j->carrying && !j->committer && !e->error) {
		for (uint64_t i = 0; i < e->used && !b; i++) {
			b = &j->bell[(e->passed + i) % e->queue_len];
			if (!b->waiters)
				b = NULL;
		}
	}
	if (b) {
		strike(b);
		/* The caller, who may well be back. */
		j->away++;
	}
	pthread_mutex_unlock(&j->lock);
	if (b)
		jnl_futex_wake(&b->word, 1);
}

void jnl_gather(journal *j)
{
	for (int i = 0; i < YIELDS && j->away; i++) {
		pthread_mutex_unlock(&j->lock);
		(void)sched_yield();
		pthread_mutex_lock(&j->lock);
	}
	j->away = 0;
}
