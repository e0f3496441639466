/*
 * journal/thread.c - the thread driver.
 *
 * One thread of the library, the committer, carries every action out: by the
 * ring (lib/ring.h) with up to queue_depth batches in flight, or, where there
 * is none, by pwritev2 one at a time.  While something is in flight the last
 * batch gathers; full batches are handed out at once.
 *
 * Invariants
 *   - The committer is the ring's owner: it alone touches it, between enabling
 *     it and its own end.
 *   - It ends only when nothing is in flight, or with the ring lost.  Then the
 *     journal has failed for good, and the images and the lock outlive it.
 *   - An action that the ring would not take is carried out by pwritev2.
 */
#include "config.h"

#include "journal/driver.h"

/* Hand out everything that can be.  Gives the lock up now and then. */
static void hand_out(journal *j)
{
	struct jnl_committer *c = j->committer;
	struct jnl_engine *e = &j->engine;
	struct jnl_action act;
	int ret;

	for (;;) {
		e->hold = jnl_in_flight(c) > 0;
		if (!e->hold)
			jnl_gather(j);
		jnl_engine_next(e, &act);
		if (act.kind == JNL_ACT_NONE)
			return;
		if (act.kind == JNL_ACT_REPLACE)
			ret = jnl_replace(j, act.segment);
		else if (jnl_take_off(j, &act))
			continue;
		else
			ret = jnl_carry_out(j, &act);
		jnl_engine_done(e, &act, ret);
		jnl_carried(j);
	}
}

static void land(journal *j, struct jnl_flight *slot, int err)
{
	struct jnl_action act = slot->act;

	err = jnl_landed(j, slot, err);
	slot->act.kind = JNL_ACT_NONE;
	if (err == JNL_RING_UNDONE) {
		jnl_watch_drop(j, &slot->watch);
		err = jnl_carry_out(j, &act);
	} else {
		jnl_count_action(j, jnl_watch_end(j, &slot->watch, err));
	}
	jnl_engine_done(&j->engine, &act, err);
}

/* Wait for what is in flight.  False: the ring is lost. */
static bool wait_landing(journal *j)
{
	struct jnl_committer *c = j->committer;
	void *slot;
	int ret, err;

	pthread_mutex_unlock(&j->lock);
	ret = jnl_ring_wait(c->ring);
	pthread_mutex_lock(&j->lock);
	while (jnl_ring_reap(c->ring, &slot, &err))
		land(j, slot, err);
	if (ret < 0) {
		c->lost = true;
		jnl_engine_fail(&j->engine, ret);
	} else if (jnl_ring_broken(c->ring) && !jnl_in_flight(c)) {
		jnl_give_up_ring(j);
	}
	jnl_carried(j);
	return ret >= 0;
}

void *jnl_committer_main(void *arg)
{
	journal *j = arg;
	struct jnl_committer *c = j->committer;

	if (c->ring && jnl_ring_enable(c->ring, &c->report) < 0) {
		jnl_ring_close(c->ring, true);
		c->ring = NULL;
	}
	pthread_mutex_lock(&j->lock);
	c->ready = true;
	pthread_cond_broadcast(&j->progress);
	for (;;) {
		hand_out(j);
		if (jnl_in_flight(c)) {
			if (!wait_landing(j))
				break;
		} else if (c->stop) {
			break;
		} else {
			if (c->generation != j->generation)
				jnl_keep_files(j);
			c->generation = j->generation;
			c->asleep = true;
			while (c->asleep && !c->stop)
				pthread_cond_wait(&c->work, &j->lock);
		}
	}
	if (c->ring)
		jnl_ring_release(c->ring);
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

void jnl_committer_call(journal *j)
{
	struct jnl_committer *c = j->committer;

	if (!c->asleep)
		return;
	c->asleep = false;
	pthread_cond_signal(&c->work);
}

void jnl_committer_stop(journal *j)
{
	struct jnl_committer *c = j->committer;

	if (!c)
		return;
	pthread_mutex_lock(&j->lock);
	if (j->loop)
		jnl_loop_drain(j);
	if (j->loop && c->ring)
		jnl_ring_release(c->ring);
	c->stop = true;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&j->lock);
	if (c->running)
		(void)pthread_join(c->thread, NULL);
	c->running = false;
}
