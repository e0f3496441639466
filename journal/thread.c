/*
 * journal/thread.c - the thread driver, and the choice of driver and carrier.
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

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/core.h"
#include "journal/error.h"
#include "lib/compat.h"
#include "lib/ring.h"

#define STACK_SIZE	(512u * 1024)

/* An action that the ring carries; kind JNL_ACT_NONE: the slot is free. */
struct flight {
	struct jnl_action act;
	uint64_t began_ns;
};

struct jnl_committer {
	pthread_t thread;
	bool running;		/* there is a thread to join */
	pthread_cond_t work;	/* there may be something to do */
	bool asleep;
	bool stop;
	bool ready;		/* the ring is enabled, or given up */
	bool lost;		/* operations are in flight for ever */
	struct jnl_ring *ring;	/* NULL: pwritev2 */
	struct jnl_ring_report report;
	uint64_t generation;	/* files were looked through up to here */
	uint32_t slots;
	struct flight *flying;	/* one for each slot */
};

/* ------------------------------------------------------------------------
 * Carrying
 */

static uint32_t in_flight(const struct jnl_committer *c)
{
	return c->ring ? jnl_ring_in_flight(c->ring) : 0;
}

/* Let go of files that the journal has closed. */
static void keep_files(journal *j)
{
	struct jnl_committer *c = j->committer;
	uint64_t *live;

	if (!c->ring || c->generation == j->generation)
		return;
	live = calloc(j->nfiles + 1, sizeof(*live));
	if (!live)
		return;
	for (size_t i = 0; i < j->nfiles; i++)
		live[i] = j->files[i].generation;
	jnl_ring_keep(c->ring, live, j->nfiles);
	c->generation = j->generation;
	free(live);
}

/* Start an action on the ring. False: it has to go another way. */
static bool take_off(journal *j, const struct jnl_action *act)
{
	const struct jnl_segment_file *f = jnl_file_of(j, act->segment);
	struct jnl_ring_file file = { .fd = f->fd,
				      .generation = f->generation };
	struct jnl_committer *c = j->committer;
	const struct jnl_way *way = &j->dir.way;
	struct flight *slot = c->flying;

	if (!c->ring || jnl_ring_broken(c->ring))
		return false;
	while (slot->act.kind != JNL_ACT_NONE)
		slot++;
	assert(slot < c->flying + c->slots);
	if (act->kind == JNL_ACT_FLUSH) {
		if (jnl_ring_flush(c->ring, file,
				   way->flush == JNL_FLUSH_FDATASYNC, slot) < 0)
			return false;
	} else if (jnl_ring_write(c->ring, file, act->batch->image,
				  act->batch->size, f->base + act->offset,
				  way->dsync ? RWF_DSYNC : 0,
				  j->dir.geometry.block_size, slot) < 0) {
		return false;
	}
	slot->act = *act;
	slot->began_ns = jnl_now_ns();
	return true;
}

/* Hand out everything that can be.  Gives the lock up now and then. */
static void hand_out(journal *j)
{
	struct jnl_committer *c = j->committer;
	struct jnl_engine *e = &j->engine;
	struct jnl_action act;
	int ret;

	for (;;) {
		e->hold = in_flight(c) > 0;
		if (!e->hold)
			jnl_gather(j);
		jnl_engine_next(e, &act);
		if (act.kind == JNL_ACT_NONE)
			return;
		if (act.kind == JNL_ACT_REPLACE)
			ret = jnl_replace(j, act.segment);
		else if (take_off(j, &act))
			continue;
		else
			ret = jnl_carry_out(j, &act);
		jnl_engine_done(e, &act, ret);
		jnl_carried(j);
	}
}

static void land(journal *j, struct flight *slot, int err)
{
	struct jnl_action act = slot->act;

	slot->act.kind = JNL_ACT_NONE;
	if (err == JNL_RING_UNDONE)
		err = jnl_carry_out(j, &act);
	else
		jnl_count_action(j, jnl_now_ns() - slot->began_ns);
	jnl_engine_done(&j->engine, &act, err);
}

/* Add a line on who carries the writes and why. */
static void say(journal *j, const char *line)
{
	char *all;

	if (asprintf(&all, "%s%s\n", j->trail ? j->trail : "", line) < 0)
		return;
	free(j->trail);
	j->trail = all;
}

/* The ring has broken: on by pwritev2. */
static void give_up_ring(journal *j)
{
	struct jnl_committer *c = j->committer;
	char line[128];

	(void)snprintf(line, sizeof(line), "carrier pwritev2: io_uring gave "
		       "up: io_uring_enter: %s",
		       jnl_system_words(jnl_ring_broken(c->ring)));
	jnl_ring_close(c->ring, true);
	c->ring = NULL;
	j->carrier = "pwritev2";
	/* Strings live until the journal is closed. */
	j->old_trail = j->trail;
	j->trail = j->old_trail ? strdup(j->old_trail) : NULL;
	say(j, line);
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
	} else if (jnl_ring_broken(c->ring) && !in_flight(c)) {
		give_up_ring(j);
	}
	jnl_carried(j);
	return ret >= 0;
}

static void *committer_main(void *arg)
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
		if (in_flight(c)) {
			if (!wait_landing(j))
				break;
		} else if (c->stop) {
			break;
		} else {
			keep_files(j);
			c->asleep = true;
			while (c->asleep && !c->stop)
				pthread_cond_wait(&c->work, &j->lock);
		}
	}
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

/* ------------------------------------------------------------------------
 * Its life
 */

void jnl_committer_stop(journal *j)
{
	struct jnl_committer *c = j->committer;

	if (!c || !c->running)
		return;
	pthread_mutex_lock(&j->lock);
	c->stop = true;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&j->lock);
	(void)pthread_join(c->thread, NULL);
	c->running = false;
}

bool jnl_committer_free(journal *j, bool alive)
{
	struct jnl_committer *c = j->committer;
	bool lost;

	if (!c)
		return false;
	if (alive)
		jnl_committer_stop(j);
	lost = c->lost;
	jnl_ring_close(c->ring, alive);
	if (alive)
		pthread_cond_destroy(&c->work);
	free(c->flying);
	free(c);
	j->committer = NULL;
	return lost;
}

static int start_thread(journal *j)
{
	struct jnl_committer *c = j->committer;
	sigset_t all, old;
	pthread_attr_t attr;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* Signals are the application's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&c->thread, &attr, committer_main, j);
	/* A program with much thread-local storage needs a larger stack. */
	if (ret == EINVAL)
		ret = pthread_create(&c->thread, NULL, committer_main, j);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	if (ret)
		return -ret;
	c->running = true;
	/* Whether the ring works is known once its owner has tried it. */
	pthread_mutex_lock(&j->lock);
	while (!c->ready)
		pthread_cond_wait(&j->progress, &j->lock);
	pthread_mutex_unlock(&j->lock);
	return 0;
}

static void try_ring(journal *j, const struct journal_options *o)
{
	struct jnl_committer *c = j->committer;
	struct jnl_ring_config cfg = {
		.entries = c->slots,
		.sqpoll = o->flags & JOURNAL_SQPOLL,
		.lock_fd = j->lock_fd,
		.memory = j->engine.memory,
		.memory_len = j->engine.memory_len,
	};

	(void)jnl_ring_open(&c->ring, j->dir.sys, &cfg, &c->report);
}

static void say_ring(journal *j)
{
	const struct jnl_ring_report *r = &j->committer->report;
	char line[256];

	for (uint32_t i = 0; i < r->steps; i++) {
		if (!r->step[i].err)
			continue;
		(void)snprintf(line, sizeof(line), "io_uring: flags %#x: %s",
			       r->step[i].flags,
			       jnl_system_words(r->step[i].err));
		say(j, line);
	}
	if (r->refused) {
		(void)snprintf(line, sizeof(line), "carrier pwritev2: io_uring "
			       "is not to be had: %s: %s", r->refused,
			       jnl_system_words(r->err));
		say(j, line);
		return;
	}
	(void)snprintf(line, sizeof(line), "carrier io_uring: flags %#x, %s%s",
		       r->flags, r->buffers_err ?
		       "buffers not registered: " : "buffers registered",
		       r->buffers_err ? jnl_system_words(r->buffers_err) : "");
	say(j, line);
}

static int start_committer(journal *j, const struct journal_options *o)
{
	struct jnl_committer *c = calloc(1, sizeof(*c));
	bool want_ring = !o->carrier || strcmp(o->carrier, "pwritev2");
	bool direct = j->dir.way.direct;
	int ret;

	if (!c)
		return -ENOMEM;
	j->committer = c;
	(void)pthread_cond_init(&c->work, NULL);
	/* Every batch in the queue, and a flush. */
	c->slots = j->engine.queue_len + 1;
	c->flying = calloc(c->slots, sizeof(*c->flying));
	if (!c->flying)
		return -ENOMEM;
	if (want_ring && direct)
		try_ring(j, o);
	ret = start_thread(j);
	if (ret < 0)
		return jnl_error(o->error, ret, JOURNAL_LSN_NONE, NULL,
				 "cannot start the committer thread: %s",
				 jnl_system_words(ret));
	say(j, o->driver ? "driver thread: as asked for" :
	    "driver thread: the carrier that was asked for needs it");
	if (want_ring && direct)
		say_ring(j);
	else
		say(j, want_ring ? "carrier pwritev2: the page cache gains "
		    "nothing from io_uring" : "carrier pwritev2: as asked for");
	if (c->ring)
		j->carrier = "io_uring";
	if (o->carrier && strcmp(o->carrier, j->carrier))
		return jnl_error(o->error, -EOPNOTSUPP, JOURNAL_LSN_NONE, NULL,
				 "the carrier %s is not to be had: %s: leave "
				 "the choice to the library, or use pwritev2",
				 o->carrier, c->report.refused ?
				 c->report.refused : "the method is buffered");
	return 0;
}

int jnl_driver_start(journal *j, const struct journal_options *o)
{
	int ret;

	j->carrier = "pwritev2";
	if (j->probe)
		j->trail = strdup(jnl_probe_trail(j->probe));
	ret = jnl_bells_init(j);
	if (ret < 0)
		return ret;
	if ((o->driver && !strcmp(o->driver, "thread")) ||
	    (o->carrier && !strcmp(o->carrier, "io_uring")))
		return start_committer(j, o);
	say(j, o->driver ? "driver caller: as asked for" :
	    "driver caller: no hop for one thread, and as good as a thread of "
	    "its own for many");
	say(j, "carrier pwritev2: a thread that waits for its own write loses "
	    "nothing by it");
	return 0;
}
