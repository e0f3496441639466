/*
 * journal/observe.c - what happens to a journal: watched, kept and told.
 *
 * The watchdog.  What is under way is in a list, by its beginning: writes and
 * flushes, and appends that wait.  What has been there for stall_ns is raised
 * as a stall, once, and its end as another event.  Who finds it is whoever
 * looks first, the observer's thread or the end itself: so stalls are counted,
 * and come in pairs, also where nobody is told of them.
 *
 * The telling.  An observer has a thread of its own, and a journal without one
 * has none.  It is not the helper's: a callback that waits for a lock of the
 * application, held by a thread that waits for the next segment, would keep
 * the helper from making it for ever; and the helper may stand in the very
 * call that does not come back.  The callback runs without the journal's lock,
 * so it may call the journal.
 *
 * Invariants
 *   - Events are raised with the lock held, and told in that order.
 *   - The queue is bounded; what finds no room is counted and dropped.
 *   - An action wakes the thread only if it sleeps for good, which it does
 *     when nothing has been under way for as long as a stall takes.
 *   - Nothing is told once jnl_observe_stop() has returned.
 *
 * How it fails: at open, for want of memory or of a thread.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/core.h"
#include "journal/error.h"

#define QUEUE_LEN	64u
#define STALL_MS	5000u
#define SIZE_MAX_KNOWN	4096u	/* no future is that far */
#define NS_PER_MS	1000000u
#define NS_PER_S	1000000000u

struct jnl_observer {
	struct journal_observer told;
	pthread_t thread;
	pthread_cond_t work;
	bool running;		/* there is a thread */
	bool stop;
	bool parked;		/* sleeps until something begins or happens */
	uint64_t seen;		/* watches begun at the last rest */
	uint64_t dropped;	/* since the newest event in the queue */
	uint32_t head, used;
	struct journal_event queue[QUEUE_LEN];
};

/* ------------------------------------------------------------------------
 * Raising
 */

static void wake(struct jnl_observer *o)
{
	o->parked = false;
	pthread_cond_signal(&o->work);
}

static void enqueue(struct jnl_observed *ob, const struct journal_event *ev)
{
	struct jnl_observer *o = ob->observer;
	struct journal_event *slot;

	if (o->used == QUEUE_LEN) {
		o->dropped++;
		ob->dropped++;
		return;
	}
	slot = &o->queue[(o->head + o->used++) % QUEUE_LEN];
	*slot = *ev;
	slot->dropped = o->dropped;
	o->dropped = 0;
	wake(o);
}

static void raise_event(journal *j, struct journal_event *ev)
{
	struct jnl_observed *ob = &j->observed;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	ev->time_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	ob->past[ob->events++ % JOURNAL_PAST_EVENTS] = *ev;
	if (ob->observer)
		enqueue(ob, ev);
}

__attribute__((format(printf, 2, 3)))
static void explain(struct journal_event *ev, const char *fmt, ...)
{
	va_list ap;

	/* Cut off where there is no room: it is for people. */
	va_start(ap, fmt);
	(void)vsnprintf(ev->reason, sizeof(ev->reason), fmt, ap);
	va_end(ap);
}

void jnl_step_down(journal *j, const char *line)
{
	struct journal_event ev = {
		.kind = JOURNAL_EVENT_FALLBACK, .lsn = JOURNAL_LSN_NONE,
	};

	jnl_say(j, line);
	explain(&ev, "%s", line);
	raise_event(j, &ev);
}

void jnl_raise_segment(journal *j, uint64_t number, bool recycled)
{
	struct journal_event ev = {
		.kind = JOURNAL_EVENT_SEGMENT,
		.lsn = number * j->engine.cfg.segment_size,
		.recycled = recycled,
	};

	explain(&ev, "segment %llu is ready, %s", (unsigned long long)number,
		recycled ? "a file that was given back" : "a new file");
	raise_event(j, &ev);
}

void jnl_raise_replacement(journal *j, uint64_t number, int fault)
{
	struct journal_event ev = {
		.kind = JOURNAL_EVENT_REPLACEMENT,
		.lsn = number * j->engine.cfg.segment_size,
		.code = fault,
	};

	explain(&ev, "a new file has taken the place of segment %llu, where "
		"a write or flush had failed: %s: look at the drive",
		(unsigned long long)number, jnl_system_words(fault));
	raise_event(j, &ev);
}

void jnl_raise_failure(journal *j, int err)
{
	struct journal_event ev = {
		.kind = JOURNAL_EVENT_FAILURE,
		.lsn = j->engine.frontier,
		.code = err,
	};

	if (j->observed.failure_told)
		return;
	j->observed.failure_told = true;
	explain(&ev, "the journal has ended: %s: close it, look at the drive, "
		"and open it again", jnl_system_words(err));
	raise_event(j, &ev);
}

/* ------------------------------------------------------------------------
 * The watchdog
 */

static bool is_action(const struct jnl_watch *w)
{
	return w->stall == JOURNAL_STALL_WRITE ||
	       w->stall == JOURNAL_STALL_FLUSH;
}

static void begin(journal *j, struct jnl_watch *w, enum journal_stall stall,
		  uint64_t lsn)
{
	struct jnl_observed *ob = &j->observed;

	*w = (struct jnl_watch){
		.prev = ob->last, .began_ns = jnl_now_ns(), .lsn = lsn,
		.stall = stall,
	};
	if (ob->last)
		ob->last->next = w;
	else
		ob->first = w;
	ob->last = w;
	ob->begun++;
	if (ob->observer && ob->observer->parked)
		wake(ob->observer);
}

void jnl_watch_action(journal *j, struct jnl_watch *w,
		      const struct jnl_action *act)
{
	if (act->kind == JNL_ACT_WRITE)
		begin(j, w, JOURNAL_STALL_WRITE, act->batch->lsn);
	else
		begin(j, w, JOURNAL_STALL_FLUSH, j->engine.frontier);
}

void jnl_watch_wait(journal *j, struct jnl_watch *w, enum journal_stall stall)
{
	begin(j, w, stall, jnl_engine_end(&j->engine));
}

void jnl_watch_drop(journal *j, struct jnl_watch *w)
{
	struct jnl_observed *ob = &j->observed;

	if (w->prev)
		w->prev->next = w->next;
	else
		ob->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		ob->last = w->prev;
	w->next = w->prev = NULL;
}

static const char *stall_words(enum journal_stall stall)
{
	switch (stall) {
	case JOURNAL_STALL_WRITE:
		return "a write";
	case JOURNAL_STALL_FLUSH:
		return "a flush";
	case JOURNAL_STALL_ROOM:
		return "an append that waits for room in the queue";
	case JOURNAL_STALL_SEGMENT:
		return "an append that waits for the next segment";
	}
	return "";
}

static void raise_stall(journal *j, struct jnl_watch *w, uint64_t took_ns)
{
	struct journal_event ev = {
		.kind = JOURNAL_EVENT_STALL, .stall = w->stall, .lsn = w->lsn,
		.duration_ns = took_ns,
	};

	w->told = true;
	explain(&ev, "%s has taken %.3f s so far", stall_words(w->stall),
		(double)took_ns / NS_PER_S);
	raise_event(j, &ev);
}

static void raise_stall_end(journal *j, const struct jnl_watch *w,
			    uint64_t took_ns, int err)
{
	struct journal_event ev = {
		.kind = JOURNAL_EVENT_STALL_END, .stall = w->stall,
		.lsn = w->lsn, .duration_ns = took_ns, .code = err,
	};

	explain(&ev, "%s took %.3f s%s%s", stall_words(w->stall),
		(double)took_ns / NS_PER_S, err ? " and failed: " : "",
		err ? jnl_system_words(err) : "");
	raise_event(j, &ev);
}

uint64_t jnl_watch_end(journal *j, struct jnl_watch *w, int err)
{
	struct jnl_observed *ob = &j->observed;
	uint64_t took_ns = jnl_now_ns() - w->began_ns;

	jnl_watch_drop(j, w);
	if (took_ns < ob->stall_ns && !w->told)
		return took_ns;
	if (!w->told)
		raise_stall(j, w, took_ns);
	if (is_action(w))
		ob->stalls_device++;
	raise_stall_end(j, w, took_ns, err);
	return took_ns;
}

uint64_t jnl_watch_late(const journal *j)
{
	const struct jnl_observed *ob = &j->observed;
	uint64_t late = 0, now_ns;

	if (!ob->first)
		return 0;
	now_ns = jnl_now_ns();
	for (const struct jnl_watch *w = ob->first; w; w = w->next)
		late += is_action(w) && now_ns - w->began_ns >= ob->stall_ns;
	return late;
}

uint32_t jnl_watch_count(const journal *j, uint64_t *ret_oldest_ns)
{
	const struct jnl_watch *w;
	uint32_t count = 0;

	for (w = j->observed.first; w; w = w->next) {
		if (is_action(w) && !count++)
			*ret_oldest_ns = w->began_ns;
	}
	return count;
}

/* The oldest that nobody was told of, or NULL. */
static struct jnl_watch *first_untold(const struct jnl_observed *ob)
{
	struct jnl_watch *w = ob->first;

	while (w && w->told)
		w = w->next;
	return w;
}

static void look(journal *j)
{
	struct jnl_observed *ob = &j->observed;
	uint64_t now_ns = jnl_now_ns();
	struct jnl_watch *w;

	/* What has ended needs no watchdog. */
	while (!j->engine.error && (w = first_untold(ob)) &&
	       now_ns - w->began_ns >= ob->stall_ns)
		raise_stall(j, w, now_ns - w->began_ns);
}

/* ------------------------------------------------------------------------
 * Telling
 */

/* Tell one event, giving the lock up meanwhile.  False if there is none. */
static bool deliver(journal *j)
{
	struct jnl_observer *o = j->observed.observer;
	struct journal_event ev;

	if (!o->used)
		return false;
	ev = o->queue[o->head];
	o->head = (o->head + 1) % QUEUE_LEN;
	o->used--;
	pthread_mutex_unlock(&j->lock);
	o->told.event(o->told.arg, &ev);
	pthread_mutex_lock(&j->lock);
	return true;
}

/*
 * When the next look is due: UINT64_MAX is never.  What begins from now on is
 * not late before a stall's time is over, so nothing is missed by sleeping as
 * long.
 */
static uint64_t next_look(journal *j)
{
	struct jnl_observed *ob = &j->observed;
	struct jnl_observer *o = ob->observer;
	const struct jnl_watch *w = first_untold(ob);

	if (ob->stall_ns == UINT64_MAX || j->engine.error)
		return UINT64_MAX;
	if (w)
		return w->began_ns + ob->stall_ns;
	if (o->seen == ob->begun)
		return UINT64_MAX;
	o->seen = ob->begun;
	return jnl_now_ns() + ob->stall_ns;
}

static void rest(journal *j)
{
	struct jnl_observer *o = j->observed.observer;
	uint64_t until_ns = next_look(j);
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};

	if (until_ns != UINT64_MAX) {
		(void)pthread_cond_timedwait(&o->work, &j->lock, &until);
		return;
	}
	o->parked = true;
	while (o->parked && !o->stop)
		pthread_cond_wait(&o->work, &j->lock);
	o->parked = false;
}

static void *observer_main(void *arg)
{
	journal *j = arg;
	struct jnl_observer *o = j->observed.observer;

	pthread_mutex_lock(&j->lock);
	for (;;) {
		look(j);
		if (deliver(j))
			continue;
		if (o->stop)
			break;
		rest(j);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

void jnl_observe_step(journal *j)
{
	pthread_mutex_lock(&j->lock);
	look(j);
	while (j->observed.observer && deliver(j))
		;
	pthread_mutex_unlock(&j->lock);
}

/* ------------------------------------------------------------------------ */

static int bad_observer(const struct journal_options *o, int ret,
			const char *what)
{
	return jnl_error(o->error, ret, JOURNAL_LSN_NONE, NULL, "%s", what);
}

static int check_observer(const struct journal_options *o)
{
	const struct journal_observer *told = o->observer;
	const uint8_t *p = (const uint8_t *)told;

	if (told->size < sizeof(*told) || !told->event)
		return bad_observer(o, -EINVAL, "the observer: set its size, "
				    "by JOURNAL_OBSERVER_INIT, and event");
	if (told->size > SIZE_MAX_KNOWN)
		return bad_observer(o, -E2BIG, "the observer: its size was "
				    "never set");
	for (size_t i = sizeof(*told); i < told->size; i++) {
		if (p[i])
			return bad_observer(o, -E2BIG, "the observer is from a "
					    "newer version of the library: "
					    "install it, or build against "
					    "this one");
	}
	return 0;
}

int jnl_observe_init(journal *j, const struct journal_options *o)
{
	struct jnl_observed *ob = &j->observed;
	pthread_condattr_t attr;
	int ret;

	if (o->stall_ms == UINT32_MAX)
		ob->stall_ns = UINT64_MAX;
	else
		ob->stall_ns = (uint64_t)(o->stall_ms ? o->stall_ms :
					  STALL_MS) * NS_PER_MS;
	if (!o->observer)
		return 0;
	ret = check_observer(o);
	if (ret < 0)
		return ret;
	ob->observer = calloc(1, sizeof(*ob->observer));
	if (!ob->observer)
		return -ENOMEM;
	ob->observer->told = *o->observer;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&ob->observer->work, &attr);
	(void)pthread_condattr_destroy(&attr);
	return 0;
}

int jnl_observe_start(journal *j)
{
	struct jnl_observer *o = j->observed.observer;
	sigset_t all, old;
	int ret;

	if (!o)
		return 0;
	/* Signals are the application's.  A stack of the usual size: what runs
	 * on it is the application's too. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&o->thread, NULL, observer_main, j);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	o->running = !ret;
	return -ret;
}

void jnl_observe_stop(journal *j)
{
	struct jnl_observer *o = j->observed.observer;

	if (!o || !o->running)
		return;
	pthread_mutex_lock(&j->lock);
	o->stop = true;
	wake(o);
	pthread_mutex_unlock(&j->lock);
	(void)pthread_join(o->thread, NULL);
	o->running = false;
}

void jnl_observe_free(journal *j)
{
	struct jnl_observer *o = j->observed.observer;

	/* In a child of fork the thread's copy sleeps on it for ever. */
	if (o && !o->running)
		pthread_cond_destroy(&o->work);
	free(o);
	j->observed.observer = NULL;
}
