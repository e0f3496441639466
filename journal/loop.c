/*
 * journal/loop.c - the event loop's driver: nobody waits, an eventfd rings.
 *
 * The application's threads submit and reap, on the async ring (lib/ring.h):
 * what the engine hands out goes to the kernel, and what the kernel has
 * completed is found in memory.  While something is in flight the last batch
 * gathers.  What would block is left to a thread of the library: putting a
 * new file in the place of a failed one, and what the ring does not take.
 * Without a ring that thread carries everything.
 *
 * Invariants
 *   - The kernel rings event_fd for every completion, the library for all else
 *     that somebody may wait for: the end of what the thread carried, room
 *     after a refused append, the failure of the journal.  Only
 *     journal_durable() clears it, and looks afterwards, so nothing is missed.
 *   - At most one thread sleeps on the ring itself (journal_sync(), the helper,
 *     closing).  Whoever changes something meanwhile kicks it.
 *   - The ring is not closed while somebody sleeps on it, and an image not
 *     freed while something is in flight.
 *
 * How it fails: as the engine does.  A ring that breaks is given up once
 * nothing is in flight on it.
 */
#include "config.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "journal/driver.h"

/* It fails when it can count no further, and then it is readable. */
static void ring_fd(int fd)
{
	(void)eventfd_write(fd, 1);
}

/* It fails when there was nothing to clear. */
static void clear_fd(int fd)
{
	eventfd_t count;

	(void)eventfd_read(fd, &count);
}

/* ------------------------------------------------------------------------
 * On the caller's thread: nothing here blocks
 */

/* The thread is to carry it. */
static void leave(journal *j, struct jnl_flight *slot)
{
	slot->left = true;
	j->committer->left++;
	jnl_committer_call(j);
}

static void learn(uint64_t *mean, uint64_t v)
{
	*mean = *mean ? *mean - *mean / 8 + v / 8 : v;
	/* 0 says that nothing is known. */
	*mean += !*mean;
}

static void land(journal *j, struct jnl_flight *slot, int err)
{
	struct jnl_action act = slot->act;

	uint64_t took_ns;

	err = jnl_landed(j, slot, err);
	if (err == JNL_RING_UNDONE) {
		jnl_watch_drop(j, &slot->watch);
		leave(j, slot);
		return;
	}
	slot->act.kind = JNL_ACT_NONE;
	took_ns = jnl_watch_end(j, &slot->watch, err);
	jnl_count_action(j, took_ns);
	learn(&j->committer->action_ns, took_ns);
	jnl_engine_done(&j->engine, &act, err);
}

/* Take what has ended.  False if there is none. */
static bool reap(journal *j)
{
	struct jnl_committer *c = j->committer;
	bool any = false;
	void *slot;
	int err;

	jnl_ring_look(c->ring);
	while (jnl_ring_reap(c->ring, &slot, &err)) {
		land(j, slot, err);
		any = true;
	}
	return any;
}

static void submit(journal *j)
{
	struct jnl_committer *c = j->committer;
	int ret = jnl_ring_submit(c->ring);

	if (ret < 0) {
		c->lost = true;
		jnl_engine_fail(&j->engine, ret);
		jnl_tell(j);
	}
}

/*
 * Hand over what was started, and take what has ended; a short write starts
 * again by that, and what the kernel did not take ends.  False if nothing has.
 */
static bool settle(journal *j)
{
	struct jnl_committer *c = j->committer;
	bool any = false;

	for (;;) {
		any = reap(j) || any;
		if (c->lost || !jnl_ring_unsubmitted(c->ring))
			return any;
		submit(j);
	}
}

static void hand_out(journal *j)
{
	struct jnl_committer *c = j->committer;
	struct jnl_engine *e = &j->engine;
	struct jnl_flight *slot;
	struct jnl_action act;

	for (;;) {
		e->hold = c->gathering || jnl_in_flight(c) + c->left > 0;
		jnl_engine_next(e, &act);
		if (act.kind == JNL_ACT_NONE)
			return;
		if (act.kind != JNL_ACT_REPLACE && jnl_take_off(j, &act))
			continue;
		slot = jnl_free_flight(c);
		slot->act = act;
		leave(j, slot);
	}
}

bool jnl_loop_drive(journal *j)
{
	struct jnl_committer *c = j->committer;
	bool any, more;

	if (!c->ring) {
		jnl_committer_call(j);
		return false;
	}
	any = settle(j);
	do {
		hand_out(j);
		more = settle(j);
		any = any || more;
	} while (more && !c->lost);
	if (jnl_ring_broken(c->ring) && !jnl_in_flight(c) && !c->sleeping) {
		jnl_give_up_ring(j);
		jnl_committer_call(j);
	}
	if (any)
		jnl_carried(j);
	return any;
}

int jnl_loop_refused(journal *j, int ret)
{
	struct jnl_committer *c = j->committer;
	struct jnl_helper *h = &j->helper;

	if (ret == -EAGAIN) {
		j->counters.stalls_queue++;
		return -EAGAIN;
	}
	j->counters.stalls_segment++;
	if (c->asked && c->asked_records == j->engine.records &&
	    c->asked_failures != h->failures) {
		c->asked = false;
		return h->error;
	}
	c->asked = true;
	c->asked_records = j->engine.records;
	c->asked_failures = h->failures;
	if (!c->starved)
		jnl_watch_wait(j, &c->starving, JOURNAL_STALL_SEGMENT);
	c->starved = true;
	c->starved_pieces = h->failures + h->successes;
	h->blocked = false;
	jnl_helper_call(j);
	return -EAGAIN;
}

void jnl_loop_tell(journal *j)
{
	struct jnl_committer *c = j->committer;
	const struct jnl_helper *h = &j->helper;

	if (c->sleeping)
		ring_fd(c->kick_fd);
	if (c->starved && h->failures + h->successes != c->starved_pieces) {
		c->starved = false;
		(void)jnl_watch_end(j, &c->starving, 0);
		ring_fd(c->event_fd);
	}
	if (j->engine.error && !c->failure_told) {
		c->failure_told = true;
		ring_fd(c->event_fd);
	}
}

/* ------------------------------------------------------------------------
 * The library's thread
 */

/* The next thing to carry that was left; *ret_slot is NULL without a ring. */
static bool next_left(journal *j, struct jnl_action *ret_act,
		      struct jnl_flight **ret_slot)
{
	struct jnl_committer *c = j->committer;

	for (uint32_t i = 0; i < c->slots; i++) {
		if (!c->flying[i].left)
			continue;
		c->flying[i].left = false;
		*ret_slot = &c->flying[i];
		*ret_act = c->flying[i].act;
		return true;
	}
	*ret_slot = NULL;
	if (c->ring)
		return false;
	j->engine.hold = false;
	jnl_engine_next(&j->engine, ret_act);
	return ret_act->kind != JNL_ACT_NONE;
}

bool jnl_loop_carry(journal *j)
{
	struct jnl_committer *c = j->committer;
	struct jnl_flight *slot;
	struct jnl_action act;
	int ret;

	if (!next_left(j, &act, &slot))
		return false;
	if (act.kind == JNL_ACT_REPLACE)
		ret = jnl_replace(j, act.segment);
	else
		ret = jnl_carry_out(j, &act);
	if (slot) {
		slot->act.kind = JNL_ACT_NONE;
		c->left--;
	}
	jnl_engine_done(&j->engine, &act, ret);
	if (c->ring)
		(void)jnl_loop_drive(j);
	jnl_carried(j);
	ring_fd(c->event_fd);
	return true;
}

bool jnl_loop_step(journal *j)
{
	bool done;

	pthread_mutex_lock(&j->lock);
	done = jnl_loop_carry(j);
	pthread_mutex_unlock(&j->lock);
	return done;
}

void *jnl_loop_main(void *arg)
{
	journal *j = arg;
	struct jnl_committer *c = j->committer;

	pthread_mutex_lock(&j->lock);
	c->ready = true;
	pthread_cond_broadcast(&j->progress);
	while (!c->stop) {
		if (jnl_loop_carry(j))
			continue;
		c->asleep = true;
		while (c->asleep && !c->stop)
			pthread_cond_wait(&c->work, &j->lock);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

/* ------------------------------------------------------------------------
 * Waiting all the same: to sync, to mark, to close
 */

/* Wait until something may have changed.  Gives the lock up. */
static void await(journal *j)
{
	struct jnl_committer *c = j->committer;
	struct jnl_ring *ring = c->ring;

	if (!c->running && jnl_loop_carry(j))
		return;
	if (c->sleeping || !jnl_in_flight(c)) {
		pthread_cond_wait(&j->progress, &j->lock);
		return;
	}
	c->sleeping = true;
	pthread_mutex_unlock(&j->lock);
	jnl_ring_sleep(ring, c->kick_fd);
	pthread_mutex_lock(&j->lock);
	c->sleeping = false;
	clear_fd(c->kick_fd);
	/* Another one may have to sleep there. */
	pthread_cond_broadcast(&j->progress);
}

void jnl_loop_push(journal *j)
{
	j->committer->gathering = false;
	if (!jnl_loop_drive(j) && !j->engine.error)
		await(j);
}

void jnl_loop_drain(journal *j)
{
	struct jnl_committer *c = j->committer;

	while (jnl_in_flight(c) + c->left && !c->lost) {
		if (!c->ring || !settle(j))
			await(j);
	}
}

int jnl_loop_init(struct jnl_committer *c)
{
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->event_fd < 0)
		return -errno;
	c->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->kick_fd < 0 ? -errno : 0;
}

void jnl_loop_fini(struct jnl_committer *c)
{
	if (c->event_fd >= 0)
		(void)close(c->event_fd);
	if (c->kick_fd >= 0)
		(void)close(c->kick_fd);
}

/* ------------------------------------------------------------------------
 * The turns of the application's loop
 */

/*
 * Clients that wait for their answers before they ask again can fall into two
 * groups, each of which gathers while the other one's commit is written: then
 * two writes carry what one would.  Where the rest of a turn is short beside a
 * write, what has gathered therefore waits for what the answers of this turn
 * bring, and the groups are one again.
 */
static bool worth_waiting(const struct jnl_committer *c)
{
	if (c->regroup != JNL_REGROUP_TIMED)
		return c->regroup == JNL_REGROUP_ALWAYS;
	return c->turn_ns && c->turn_ns < c->action_ns / 2;
}

/*
 * journal_durable(): look, and start the next commit, now or at the end of the
 * turn.  An application that does not submit then is called once more.
 */
static void take_turn(journal *j)
{
	struct jnl_committer *c = j->committer;
	struct jnl_engine *e = &j->engine;
	uint64_t frontier = e->frontier;
	bool called_again = c->gathering;

	c->gathering = false;
	/* Nobody knows how long it takes where nothing comes. */
	if (called_again)
		c->turn_ns = 0;
	else if (c->ring && settle(j))
		jnl_carried(j);
	if (!called_again && e->frontier != frontier && worth_waiting(c) &&
	    e->wanted > e->frontier) {
		c->gathering = true;
		ring_fd(c->event_fd);
	}
	(void)jnl_loop_drive(j);
	if (e->frontier != frontier)
		c->told_ns = jnl_now_ns();
}

static void end_turn(journal *j)
{
	struct jnl_committer *c = j->committer;

	c->gathering = false;
	if (c->told_ns)
		learn(&c->turn_ns, jnl_now_ns() - c->told_ns);
	c->told_ns = 0;
}

/* ------------------------------------------------------------------------
 * The three calls
 */

static int usable(const journal *j)
{
	if (!j->alive[0])
		return -EOWNERDEAD;
	if (j->read_only)
		return -EROFS;
	return j->loop ? 0 : -EOPNOTSUPP;
}

int journal_submit(journal *j)
{
	struct jnl_engine *e = &j->engine;
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = jnl_enter(j);
	jnl_engine_want(e, jnl_engine_end(e));
	end_turn(j);
	(void)jnl_loop_drive(j);
	ret = e->error;
	jnl_leave(j, state);
	return ret;
}

int journal_eventfd(journal *j)
{
	int ret = usable(j);

	return ret < 0 ? ret : j->committer->event_fd;
}

int journal_durable(journal *j, uint64_t *ret_frontier)
{
	struct jnl_engine *e = &j->engine;
	uint64_t frontier;
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = jnl_enter(j);
	/* First: what comes after this rings again. */
	clear_fd(j->committer->event_fd);
	take_turn(j);
	frontier = e->frontier;
	ret = e->error;
	/* Whoever else watches it has to know too. */
	if (ret)
		ring_fd(j->committer->event_fd);
	jnl_leave(j, state);
	if (!ret)
		*ret_frontier = frontier;
	return ret;
}
