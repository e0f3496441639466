/*
 * probe/measure-hop.c - what a hop to another thread and back costs.
 *
 * A commit that a thread of the library carries wakes that thread and is woken
 * by it.  Two threads hand a turn to and fro as those do, a bounded number of
 * times; the median counts.  Where there is no second thread to be had the
 * answer is 0, unknown.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "probe/measure-inner.h"

#define ROUND_TRIPS	256u
#define STACK_SIZE	(64u * 1024)

struct hop {
	pthread_mutex_t lock;
	pthread_cond_t there, back;
	bool asked, stop;
};

static void *other_main(void *arg)
{
	struct hop *h = arg;

	pthread_mutex_lock(&h->lock);
	while (!h->stop) {
		if (!h->asked) {
			pthread_cond_wait(&h->there, &h->lock);
			continue;
		}
		h->asked = false;
		pthread_cond_signal(&h->back);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static uint64_t go_round(struct hop *h)
{
	uint64_t end = jnl_measure_now_ns() + JNL_MEASURE_HOP_NS, begin, now;
	struct jnl_histogram times = { 0 };

	for (unsigned int i = 0; i < ROUND_TRIPS; i++) {
		begin = jnl_measure_now_ns();
		pthread_mutex_lock(&h->lock);
		h->asked = true;
		pthread_cond_signal(&h->there);
		while (h->asked)
			pthread_cond_wait(&h->back, &h->lock);
		pthread_mutex_unlock(&h->lock);
		now = jnl_measure_now_ns();
		jnl_histogram_add(&times, now - begin);
		if (now >= end)
			break;
	}
	return jnl_histogram_percentile_ns(&times, 50000);
}

static int start(pthread_t *thread, struct hop *h)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int ret;

	if (pthread_attr_init(&attr))
		return -1;
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* Signals are the application's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(thread, &attr, other_main, h);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return ret ? -1 : 0;
}

uint64_t jnl_measure_hop(void)
{
	struct hop h = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.there = PTHREAD_COND_INITIALIZER,
		.back = PTHREAD_COND_INITIALIZER,
	};
	pthread_t thread;
	uint64_t ns;

	if (start(&thread, &h) < 0)
		return 0;
	ns = go_round(&h);
	pthread_mutex_lock(&h.lock);
	h.stop = true;
	pthread_cond_signal(&h.there);
	pthread_mutex_unlock(&h.lock);
	(void)pthread_join(thread, NULL);
	return ns;
}
