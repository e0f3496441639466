/*
 * journal/driver.c - the choice of driver and carrier, and why.
 *
 * A carrier that is refused is told in the trail, and pwritev2 takes its place
 * unless it was asked for by name.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/driver.h"
#include "journal/error.h"

#define STACK_SIZE	(512u * 1024)

static int start_thread(journal *j)
{
	struct jnl_committer *c = j->committer;
	void *(*main)(void *) = j->loop ? jnl_loop_main : jnl_committer_main;
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
	ret = pthread_create(&c->thread, &attr, main, j);
	/* A program with much thread-local storage needs a larger stack. */
	if (ret == EINVAL)
		ret = pthread_create(&c->thread, NULL, main, j);
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
		.async = j->loop,
		.event_fd = c->event_fd,
		.lock_fd = j->lock_fd,
		.device = j->drive.on,
		.device_fd = j->drive.nvme.fd,
		.memory = j->engine.memory,
		.memory_len = j->engine.memory_len,
	};

	if (jnl_ring_open(&c->ring, j->dir.sys, &cfg, &c->report) < 0 ||
	    !j->loop)
		return;
	/* It has no owner who would have to do this. */
	if (jnl_ring_enable(c->ring, &c->report) < 0) {
		jnl_ring_close(c->ring, true);
		c->ring = NULL;
	}
}

/* In the probe's words, which name the fact and what would help. */
static void say_refused(journal *j, const struct jnl_ring_report *r)
{
	char line[512];

	if (j->probe)
		(void)snprintf(line, sizeof(line), "carrier pwritev2: io_uring "
			       "is not to be had: %s",
			       jnl_probe_ring_refused(j->probe, r->refused,
						      r->err));
	else
		(void)snprintf(line, sizeof(line), "carrier pwritev2: io_uring "
			       "is not to be had: %s: %s", r->refused,
			       jnl_system_words(r->err));
	jnl_step_down(j, line);
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
		jnl_say(j, line);
	}
	if (r->refused) {
		say_refused(j, r);
		return;
	}
	(void)snprintf(line, sizeof(line), "carrier io_uring: flags %#x, %s%s",
		       r->flags, r->buffers_err ?
		       "buffers not registered: " : "buffers registered",
		       r->buffers_err ? jnl_system_words(r->buffers_err) : "");
	jnl_say(j, line);
}

static int make_committer(journal *j)
{
	struct jnl_committer *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	j->committer = c;
	c->event_fd = c->kick_fd = -1;
	(void)pthread_cond_init(&c->work, NULL);
	/* Every batch in the queue, and a flush. */
	c->slots = j->engine.queue_len + 1;
	c->flying = calloc(c->slots, sizeof(*c->flying));
	if (!c->flying)
		return -ENOMEM;
	return j->loop ? jnl_loop_init(c) : 0;
}

static int start_committer(journal *j, const struct journal_options *o,
			   bool no_thread)
{
	bool want_ring = !o->carrier || strcmp(o->carrier, "pwritev2");
	bool direct = j->dir.way.direct;
	struct jnl_committer *c;
	int ret;

	ret = make_committer(j);
	if (ret < 0)
		return jnl_error(o->error, ret, JOURNAL_LSN_NONE, NULL,
				 "cannot start the driver: %s",
				 jnl_system_words(ret));
	c = j->committer;
	if (want_ring && direct)
		try_ring(j, o);
	ret = no_thread && j->loop ? 0 : start_thread(j);
	if (ret < 0)
		return jnl_error(o->error, ret, JOURNAL_LSN_NONE, NULL,
				 "cannot start the committer thread: %s",
				 jnl_system_words(ret));
	if (j->loop)
		jnl_say(j, "driver loop: as asked for");
	else
		jnl_say(j, o->driver ? "driver thread: as asked for" :
			o->carrier ? "driver thread: the carrier that was "
			"asked for needs it" : "driver thread: as measured");
	if (want_ring && direct)
		say_ring(j);
	else
		jnl_say(j, want_ring ? "carrier pwritev2: the page cache gains "
			"nothing from io_uring" :
			"carrier pwritev2: as asked for");
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

static void say_measured(journal *j)
{
	char *line;

	if (!j->advice.line ||
	    asprintf(&line, "measured choice: %s", j->advice.line) < 0)
		return;
	jnl_say(j, line);
	free(line);
}

int jnl_driver_start(journal *j, const struct journal_options *o,
		     bool no_thread)
{
	int ret;

	j->carrier = "pwritev2";
	if (j->probe)
		jnl_say(j, jnl_probe_trail(j->probe));
	say_measured(j);
	ret = jnl_bells_init(j);
	if (ret < 0)
		return ret;
	j->loop = o->driver && !strcmp(o->driver, "loop");
	if (j->loop || (o->driver && !strcmp(o->driver, "thread")) ||
	    (o->carrier && !strcmp(o->carrier, "io_uring")) ||
	    (j->advice.kept.driver && !strcmp(j->advice.kept.driver, "thread")))
		return start_committer(j, o, no_thread);
	jnl_say(j, o->driver ? "driver caller: as asked for" :
		j->advice.kept.driver ? "driver caller: as measured" :
		"driver caller: no hop for one thread, and as good as a thread "
		"of its own for many");
	jnl_say(j, "carrier pwritev2: a thread that waits for its own write "
		"loses nothing by it");
	return 0;
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
	jnl_loop_fini(c);
	free(c->flying);
	free(c);
	j->committer = NULL;
	return lost;
}
