/*
 * journal/caller.c - appending and waiting, and the caller driver.
 *
 * With the caller driver the application's threads carry commits themselves:
 * whoever waits and finds nobody carrying takes the next action of the engine,
 * carries it out without the lock and tells the engine how it ended.  While
 * one thread writes, the next batch gathers.  One action is carried at a
 * time, so a flush never meets another one.  Whoever stops carrying wakes one
 * of those whose records are still waiting.
 *
 * With the thread driver (journal/thread.c) they only wait.
 *
 * After a failed write or flush the engine asks for a new file in the place
 * of the segment's; only if that fails too does the journal end, and every call
 * returns the first error.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>

#include "journal/core.h"
#include "journal/stats-file.h"

#define IOV_LIMIT	1024
#define GROUP_LIMIT	65536

/* Whether this process opened j, and j may be written to. */
static int usable(const journal *j)
{
	if (!j->alive[0])
		return -EOWNERDEAD;
	return j->read_only ? -EROFS : 0;
}

/*
 * Wait until the segment or the part of segment 0 is ready that an append was
 * refused for.  0: try again.
 */
static int wait_ready(journal *j)
{
	struct jnl_helper *h = &j->helper;
	uint64_t failures = h->failures, successes = h->successes;

	h->blocked = false;
	if (!h->running) {
		if (!jnl_helper_work(j, false) && !j->engine.error)
			assert(h->failures != failures);
	} else {
		jnl_helper_call(j);
		while (h->failures == failures && h->successes == successes &&
		       !j->engine.error)
			pthread_cond_wait(&j->progress, &j->lock);
	}
	if (j->engine.error)
		return j->engine.error;
	return h->failures != failures ? h->error : 0;
}

/*
 * What to append: one record in pieces, or a group with one a piece; or what
 * step does.
 */
struct request {
	int (*step)(struct jnl_engine *e, void *arg);
	void *arg;
	const struct iovec *iov;
	int count;
	bool group;
	uint64_t len;		/* of the one record */
	bool wait;		/* for room; else -EAGAIN */
	uint64_t *ret_lsn;	/* one, or (may be NULL) one for each */
};

/* There may be something to do for the driver. */
static void call_driver(journal *j)
{
	if (j->loop)
		(void)jnl_loop_drive(j);
	else if (j->committer)
		jnl_committer_call(j);
}

static int put(journal *j, const struct request *rq)
{
	if (rq->step)
		return rq->step(&j->engine, rq->arg);
	if (rq->group)
		return jnl_engine_append_group(&j->engine, rq->iov, rq->count,
					       rq->ret_lsn);
	return jnl_engine_append(&j->engine, rq->iov, rq->count, rq->len,
				 rq->ret_lsn);
}

/* Whether there is a batch besides the one that gathers: it need not wait. */
static bool driver_due(const journal *j)
{
	return j->committer && j->engine.used > 1;
}

/* After each append, beside the driver. */
static void appended(journal *j)
{
	if (j->away)
		j->away--;
	if (j->helper.parked)
		jnl_helper_call(j);
}

/* An append has to wait.  From its first wait on it is watched. */
static void begin_wait(journal *j, struct jnl_watch *w,
		       enum journal_stall stall)
{
	if (!w->began_ns)
		jnl_watch_wait(j, w, stall);
	else if (!w->told)
		w->stall = stall;
}

/* Repeat a request to which put() has answered ret, until it is settled. */
static int insist(journal *j, const struct request *rq, int ret,
		  struct jnl_watch *w)
{
	struct jnl_engine *e = &j->engine;

	for (;; ret = put(j, rq)) {
		/* The error that ended it may look like one of a refusal. */
		if (e->error)
			return e->error;
		if (ret != -EAGAIN && ret != -EBUSY)
			return ret;
		if (!rq->wait) {
			if (ret == -EAGAIN && jnl_loop_drive(j))
				continue;
			return e->error ? e->error : jnl_loop_refused(j, ret);
		}
		if (ret == -EAGAIN) {
			j->counters.stalls_queue++;
			begin_wait(j, w, JOURNAL_STALL_ROOM);
			jnl_push_on(j);
		} else {
			j->counters.stalls_segment++;
			begin_wait(j, w, JOURNAL_STALL_SEGMENT);
			ret = wait_ready(j);
			if (ret < 0)
				return ret;
		}
	}
}

/* See a request through to which put() has answered ret. */
static int append(journal *j, const struct request *rq, int ret)
{
	struct jnl_watch w = { 0 };

	ret = insist(j, rq, ret, &w);
	if (w.began_ns)
		(void)jnl_watch_end(j, &w, ret);
	if (ret < 0)
		return ret;
	if (driver_due(j))
		call_driver(j);
	appended(j);
	return 0;
}

int jnl_put_through(journal *j, int (*step)(struct jnl_engine *e, void *arg),
		    void *arg)
{
	struct request rq = { .step = step, .arg = arg, .wait = !j->loop };

	return append(j, &rq, put(j, &rq));
}

/* Wait until lsn is durable.  Ends without the lock. */
static int sync_to(journal *j, uint64_t lsn)
{
	struct jnl_engine *e = &j->engine;
	int ret = -EINVAL;

	if (lsn < jnl_engine_end(e)) {
		jnl_engine_want(e, lsn + 1);
		call_driver(j);
		while (e->frontier <= lsn && !e->error) {
			if (j->loop || (!j->committer && !j->carrying))
				jnl_push_on(j);
			else if (jnl_wait(j, lsn))
				return 0;
		}
		ret = e->frontier > lsn ? 0 : e->error;
	}
	jnl_pass_on(j);
	return ret;
}

/* The length of a record; -EINVAL or -EMSGSIZE if it has none. */
static int record_len(const struct iovec *iov, int iovcnt, uint64_t *ret_len)
{
	uint64_t len = 0;

	if (iovcnt < 0 || iovcnt > IOV_LIMIT || (iovcnt && !iov))
		return -EINVAL;
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > UINT32_MAX - len)
			return -EMSGSIZE;
		len += iov[i].iov_len;
	}
	*ret_len = len;
	return 0;
}

/* Append one record and, with sync, wait until it is durable. */
static int append_one(journal *j, const struct iovec *iov, int iovcnt,
		      bool sync, uint64_t *ret_lsn)
{
	uint64_t len = 0, lsn;
	struct request rq = { .iov = iov, .count = iovcnt, .ret_lsn = &lsn };
	int ret, state;

	ret = usable(j);
	if (!ret)
		ret = record_len(iov, iovcnt, &len);
	if (ret < 0)
		return ret;
	rq.len = len;
	/* In an event loop only who waits anyway waits for room. */
	rq.wait = sync || !j->loop;
	pthread_mutex_lock(&j->lock);
	ret = put(j, &rq);
	if (!ret && !sync && !driver_due(j)) {
		/* The way of most, and no cancellation point on it: turning
		 * cancellation off and on would cost as much as the copy. */
		appended(j);
		jnl_pass_on(j);
	} else {
		state = jnl_cancel_off();
		ret = append(j, &rq, ret);
		if (!ret && sync)
			ret = sync_to(j, lsn);
		else
			jnl_pass_on(j);
		jnl_cancel_restore(state);
	}
	if (!ret && ret_lsn)
		*ret_lsn = lsn;
	return ret;
}

int journal_append(journal *j, const struct iovec *iov, int iovcnt,
		   uint64_t *ret_lsn)
{
	return append_one(j, iov, iovcnt, false, ret_lsn);
}

int journal_append_group(journal *j, const struct iovec *records, int count,
			 uint64_t *ret_lsns)
{
	struct request rq = {
		.iov = records, .count = count, .group = true,
		.ret_lsn = ret_lsns, .wait = !j->loop,
	};
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	if (count < 1 || count > GROUP_LIMIT || !records)
		return -EINVAL;
	state = jnl_enter(j);
	ret = append(j, &rq, put(j, &rq));
	jnl_pass_on(j);
	jnl_cancel_restore(state);
	return ret;
}

int journal_sync(journal *j, uint64_t lsn)
{
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = jnl_enter(j);
	ret = sync_to(j, lsn);
	jnl_cancel_restore(state);
	return ret;
}

int journal_commit(journal *j, const struct iovec *iov, int iovcnt,
		   uint64_t *ret_lsn)
{
	return append_one(j, iov, iovcnt, true, ret_lsn);
}

int journal_trim(journal *j, uint64_t lsn)
{
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = jnl_enter(j);
	ret = jnl_engine_trim(&j->engine, lsn);
	if (!ret)
		jnl_helper_call(j);
	jnl_leave(j, state);
	return ret;
}

/* ------------------------------------------------------------------------ */

/* Everything that was appended, then a watermark that says so. */
static int finish(journal *j)
{
	struct jnl_engine *e = &j->engine;
	uint64_t end = jnl_engine_end(e);
	int ret = 0;

	if (end > e->frontier) {
		ret = sync_to(j, end - 1);
		pthread_mutex_lock(&j->lock);
	}
	/* The watermark spares the next open a doubt, no more: if there is no
	 * room for it or it fails, nothing is lost. */
	if (!e->error && jnl_engine_mark(e)) {
		while (e->used && !e->error)
			jnl_push_on(j);
	}
	while (!e->error && jnl_helper_remove(j, false))
		;
	return ret;
}

int journal_close(journal *j)
{
	int ret = 0, state;

	if (!j)
		return 0;
	state = jnl_cancel_off();
	if (j->alive[0] && !j->read_only) {
		jnl_helper_stop(j);
		pthread_mutex_lock(&j->lock);
		ret = finish(j);
		pthread_mutex_unlock(&j->lock);
		jnl_committer_stop(j);
		jnl_observe_stop(j);
		jnl_stats_file_close(j);
	}
	jnl_journal_free(j);
	jnl_cancel_restore(state);
	return ret;
}
