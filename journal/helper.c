/*
 * journal/helper.c - the work that is never on the way of a commit.
 *
 * One thread per journal fills segment 0 of a young journal, makes the next
 * segment before it is needed, removes those that have been given back or uses
 * one of them again, and writes a watermark when the journal has been idle for
 * a moment, so that readers see the last record and the next open has no doubt
 * about it.  It looks at the journal now and then while there are appends, and
 * sleeps otherwise.
 *
 * A piece of work that fails for want of space is left until an append needs
 * it, which then gets the error.  What cannot be undone (the fsync of the
 * directory, a failed write into segment 0) ends the journal.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "journal/core.h"
#include "journal/recycle.h"
#include "journal/stats-file.h"
#include "journal/untorn.h"

#define LOOK_NS		(50 * 1000000L)	/* between looks; idle for one: mark */
#define FILL_AHEAD	(16ull * 1024 * 1024)
#define FILL_CHUNK	(4ull * 1024 * 1024)
#define STACK_SIZE	(512u * 1024)

/* The errors that go away when somebody makes room. */
static bool is_want_of_room(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -ENOMEM ||
	       err == -EMFILE || err == -ENFILE || err == -ECANCELED;
}

/* Account for a piece of work, and end the journal if it has to be. */
static void finished(journal *j, int ret, bool final)
{
	struct jnl_helper *h = &j->helper;

	if (ret < 0) {
		h->error = ret;
		h->failures++;
		h->called_off += ret == -ECANCELED &&
				 atomic_load(&j->dir.cancel);
		h->blocked = true;
		/* It may have been a flush. */
		if (!is_want_of_room(ret))
			jnl_engine_doubt(&j->engine);
		if (final)
			jnl_engine_fail(&j->engine, ret);
	} else {
		h->successes++;
	}
	jnl_tell(j);
}

static bool fill_is_due(const journal *j)
{
	const struct jnl_engine *e = &j->engine;
	uint64_t end = jnl_engine_end(e);

	if (e->ready_end == UINT64_MAX)
		return false;
	/* The next batch has to fit, however large. */
	return e->ready_end - end < FILL_AHEAD + e->batch_max ||
	       jnl_engine_wants_segment(e) != UINT64_MAX;
}

/*
 * Fill the next part of segment 0.  Its own descriptor: the error of a flush
 * is reported once per open file, and this one must not take the committer's.
 * It was opened with the journal and is never opened again: after a replacement
 * of the segment it still means the old file, where zeros harm nobody.
 */
static void fill(journal *j)
{
	struct jnl_helper *h = &j->helper;
	struct jnl_engine *e = &j->engine;
	uint64_t from = e->ready_end, to = from + FILL_CHUNK;
	bool final = false;
	uint32_t untorn = 0;
	const char *why;
	int ret;

	if (to > e->cfg.segment_size)
		to = e->cfg.segment_size;
	pthread_mutex_unlock(&j->lock);
	assert(h->fill_fd >= 0);
	ret = jnl_segment_zeros(&j->dir, h->fill_fd, from, to, &j->dir.cancel);
	if (ret < 0) {
		final = !is_want_of_room(ret);
	} else {
		/* A failed flush is not asked again, whatever it says. */
		ret = jnl_way_flush(j->dir.sys, &j->dir.way, h->fill_fd);
		final = ret < 0;
	}
	if (!ret && to == e->cfg.segment_size) {
		/* Before anybody may write there. */
		untorn = jnl_untorn_look(&j->dir, &j->untorn, h->fill_fd, from,
					 &why);
		(void)j->dir.sys->close(j->dir.sys, h->fill_fd);
		h->fill_fd = -1;
	}
	pthread_mutex_lock(&j->lock);
	if (untorn)
		jnl_engine_untorn(e, 0, untorn);
	if (!ret)
		jnl_engine_ready_end(e, to == e->cfg.segment_size ?
						UINT64_MAX : to);
	finished(j, ret, final);
}

/*
 * Segments that are there and hold nothing any more, from j->oldest on.  The
 * newest is never among them.
 */
static uint64_t free_segments(const journal *j)
{
	uint64_t below = jnl_engine_free_below(&j->engine);

	if (below > j->engine.segments - 1)
		below = j->engine.segments - 1;
	return below > j->oldest ? below - j->oldest : 0;
}

/* Whether the segment will do for the next one; asked once for each. */
static bool keep_for_next(journal *j, uint64_t number)
{
	struct jnl_helper *h = &j->helper;
	bool good;

	if (h->kept == number)
		return true;
	pthread_mutex_unlock(&j->lock);
	good = jnl_segment_recyclable(&j->dir, number);
	pthread_mutex_lock(&j->lock);
	if (good)
		h->kept = number;
	return good;
}

/*
 * What stands in the way of a removal is left to the next open, which tidies:
 * the journal does not depend on it.
 */
bool jnl_helper_remove(journal *j, bool keep)
{
	struct jnl_helper *h = &j->helper;
	uint64_t count = free_segments(j), from = j->oldest, next;
	uint64_t below = from + count;
	bool final;
	int ret;

	if (!count || j->engine.error || below <= h->leave_below)
		return false;
	if (keep && keep_for_next(j, below - 1))
		below--;
	if (below == from || below <= h->leave_below)
		return false;
	pthread_mutex_unlock(&j->lock);
	ret = jnl_segments_remove(&j->dir, from, below, &next, &final);
	pthread_mutex_lock(&j->lock);
	j->oldest = next;
	if (ret < 0)
		h->leave_below = below;
	if (final)
		jnl_engine_fail(&j->engine, ret);
	jnl_tell(j);
	return true;
}

/* The next segment, of a file that is not needed any more; false: anew. */
static bool recycle(journal *j, uint64_t number, int *ret, bool *final)
{
	struct jnl_helper *h = &j->helper;
	uint64_t from = h->kept;

	h->kept = JNL_NO_SEGMENT;
	if (from == JNL_NO_SEGMENT || from != j->oldest)
		return false;
	/* Segment 0 is filled before there is a second one. */
	assert(j->engine.ready_end == UINT64_MAX);
	pthread_mutex_unlock(&j->lock);
	*ret = jnl_segment_recycle(&j->dir, from, number, final);
	pthread_mutex_lock(&j->lock);
	if (*ret < 0 && !is_want_of_room(*ret))
		jnl_engine_doubt(&j->engine);
	/* If it kept its name all the same, removing it is what is left. */
	if (!*ret)
		j->oldest = from + 1;
	return !*ret || *final;
}

/*
 * Make the next segment and open it, so that a process that is out of
 * descriptors learns of it here and not in the middle of a commit.
 */
static void make(journal *j, uint64_t number)
{
	bool final = false;
	uint32_t untorn = 0;
	const char *why;
	int ret = 0, fd = -1;
	bool made = recycle(j, number, &ret, &final);

	pthread_mutex_unlock(&j->lock);
	if (!made)
		ret = jnl_segment_make(&j->dir, number,
				       j->dir.geometry.segment_size, &final);
	if (!ret) {
		fd = jnl_segment_open(&j->dir, number, false);
		if (fd < 0)
			ret = fd;
		else
			untorn = jnl_untorn_look(&j->dir, &j->untorn, fd,
						 j->dir.geometry.block_size,
						 &why);
	}
	pthread_mutex_lock(&j->lock);
	if (!ret)
		ret = jnl_file_add(j, number, fd);
	if (!ret) {
		jnl_raise_segment(j, number, made);
		jnl_engine_untorn(&j->engine, number, untorn);
		jnl_engine_segment_ready(&j->engine, number);
	}
	finished(j, ret, final);
}

/*
 * Close what lies wholly below the frontier: nothing is in flight there, or
 * ever will be.
 */
static bool close_old(journal *j)
{
	uint64_t low = j->engine.frontier / j->engine.cfg.segment_size;

	for (size_t i = 0; i < j->nfiles; i++) {
		int fd = j->files[i].fd;

		if (j->files[i].number >= low)
			continue;
		j->files[i] = j->files[--j->nfiles];
		jnl_file_close(j, fd);
		return true;
	}
	return false;
}

/*
 * See to it that what is there up to end becomes durable; what comes later is
 * carried by those who wait for it.  Ends early where a simulator has the
 * writes in its hands.
 */
static void carry_to(journal *j, uint64_t end)
{
	struct jnl_engine *e = &j->engine;

	while (e->frontier < end && !e->error) {
		if (j->committer || j->carrying)
			jnl_push_on(j);
		else if (!jnl_carry(j))
			break;
	}
	jnl_pass_on(j);
	pthread_mutex_lock(&j->lock);
}

static bool mark(journal *j)
{
	if (j->carrying || !jnl_engine_mark(&j->engine))
		return false;
	carry_to(j, j->engine.tail);
	return true;
}

/*
 * An append needs a segment, and a trim would free some, but is not durable
 * yet: make it so first, where there may be no room otherwise.
 */
static bool hurry_trim(journal *j)
{
	struct jnl_engine *e = &j->engine;
	uint64_t end = jnl_engine_end(e);

	if (!e->needy || !jnl_engine_trim_pending(e))
		return false;
	if (end == e->frontier)
		return mark(j);
	jnl_engine_want(e, end);
	carry_to(j, end);
	return e->frontier >= end;
}

bool jnl_helper_work(journal *j, bool idle)
{
	struct jnl_helper *h = &j->helper;
	uint64_t number;

	if (j->engine.error)
		return false;
	if (close_old(j))
		return true;
	if (!h->blocked && fill_is_due(j)) {
		fill(j);
		return true;
	}
	if (jnl_helper_remove(j, true))
		return true;
	number = jnl_engine_wants_segment(&j->engine);
	if (!h->blocked && number != UINT64_MAX && hurry_trim(j))
		return true;
	if (!h->blocked && number != UINT64_MAX) {
		make(j, number);
		return true;
	}
	return idle && mark(j);
}

bool jnl_helper_step(journal *j, bool idle)
{
	bool done;

	pthread_mutex_lock(&j->lock);
	done = jnl_helper_work(j, idle);
	pthread_mutex_unlock(&j->lock);
	return done;
}

/* Sleep until called, or until the next look if there is one to take. */
static void rest(journal *j, bool park)
{
	struct jnl_helper *h = &j->helper;
	struct timespec until;

	if (park) {
		h->parked = true;
		while (!h->called && !h->stop)
			pthread_cond_wait(&j->wake, &j->lock);
		h->parked = false;
	} else {
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		while (!h->called && !h->stop &&
		       !pthread_cond_timedwait(&j->wake, &j->lock, &until))
			;
	}
	h->called = false;
}

static void *helper_main(void *arg)
{
	journal *j = arg;
	struct jnl_helper *h = &j->helper;
	uint64_t now;
	bool idle;

	pthread_mutex_lock(&j->lock);
	while (!h->stop) {
		now = j->engine.commits + j->engine.records;
		idle = now == h->seen;
		h->seen = now;
		jnl_stats_file_look(j);
		if (jnl_helper_work(j, idle)) {
			h->seen = j->engine.commits + j->engine.records;
			continue;
		}
		rest(j, idle);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

int jnl_helper_start(journal *j)
{
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
	j->helper.running = true;
	ret = pthread_create(&j->helper.thread, &attr, helper_main, j);
	/* A program with much thread-local storage needs a larger stack. */
	if (ret == EINVAL)
		ret = pthread_create(&j->helper.thread, NULL, helper_main, j);
	if (ret)
		j->helper.running = false;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return -ret;
}

void jnl_helper_stop(journal *j)
{
	struct jnl_helper *h = &j->helper;

	if (!h->running)
		return;
	atomic_store(&j->dir.cancel, true);
	pthread_mutex_lock(&j->lock);
	h->stop = true;
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
	(void)pthread_join(h->thread, NULL);
	/* The committer may be about to call it. */
	pthread_mutex_lock(&j->lock);
	h->running = false;
	pthread_mutex_unlock(&j->lock);
	atomic_store(&j->dir.cancel, false);
}
