/*
 * probe/measure-judge.c - what follows from a measurement for a journal.
 *
 * Two numbers stand for a way of working.  `alone` is the median time of an
 * append by a program that waits for each.  `many` is what one waits among
 * many: a thread that carries one batch at a time first waits for the batch
 * before, half of its time on average, while a ring has several in flight.  A
 * thread of the library costs a hop there and back in either case.
 *
 * The ranking's order holds until a measurement speaks clearly against it: by
 * a tenth alone, or by a fifth among many, and by less than a tenth to the
 * worse in the other.  So what is equal stays as it is, whatever the noise.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "probe/measure-inner.h"

/* Fewer appends say nothing about a median. */
#define APPENDS_MIN	8

static const struct jnl_measure_pair *find(const struct jnl_measure *m,
					   const char *method,
					   const char *carrier, uint32_t depth)
{
	for (size_t i = 0; i < m->pairs; i++) {
		const struct jnl_measure_pair *pair = &m->pair[i];

		if (!strcmp(pair->method, method) &&
		    !strcmp(pair->carrier, carrier) && pair->depth == depth &&
		    !pair->err && pair->histogram.count >= APPENDS_MIN)
			return pair;
	}
	return NULL;
}

static uint64_t median_ns(const struct jnl_measure_pair *pair)
{
	return jnl_histogram_percentile_ns(&pair->histogram, 50000);
}

static bool judge_caller(const struct jnl_measure *m, const char *method,
			 struct jnl_measured *ret)
{
	const struct jnl_measure_pair *pair = find(m, method, "pwritev2", 1);

	if (!pair)
		return false;
	ret->method = method;
	ret->driver = "caller";
	ret->carrier = pair->carrier;
	ret->alone_ns = median_ns(pair);
	ret->many_ns = ret->alone_ns + ret->alone_ns / 2;
	return true;
}

static bool judge_thread(const struct jnl_measure *m, const char *method,
			 uint32_t depth, struct jnl_measured *ret)
{
	const struct jnl_measure_pair *one = find(m, method, "io_uring", 1);
	const struct jnl_measure_pair *several =
		find(m, method, "io_uring", depth);

	/* What a hop costs has to be known. */
	if (!one || !several || !m->hop_ns)
		return false;
	ret->method = method;
	ret->driver = "thread";
	ret->carrier = one->carrier;
	ret->alone_ns = median_ns(one) + m->hop_ns;
	ret->many_ns = median_ns(several) + m->hop_ns;
	return true;
}

/* Clearly better: see the top. */
static bool better(const struct jnl_measured *a, const struct jnl_measured *b)
{
	return (a->alone_ns <= b->alone_ns - b->alone_ns / 10 &&
		a->many_ns <= b->many_ns + b->many_ns / 10) ||
	       (a->many_ns <= b->many_ns - b->many_ns / 5 &&
		a->alone_ns <= b->alone_ns + b->alone_ns / 10);
}

/* Of the method called only, or of all if that is NULL. */
static int judge(const struct jnl_measure *m, uint32_t queue_depth,
		 const char *only, struct jnl_measured *ret)
{
	struct jnl_measured best = { 0 }, it;
	const struct jnl_method *method;

	for (size_t i = 0; (method = jnl_method_at(i)); i++) {
		if (only ? strcmp(method->name, only) != 0 :
			   method->on_request && !m->cfg.on_request)
			continue;
		if (judge_caller(m, method->name, &it) &&
		    (!best.method || better(&it, &best)))
			best = it;
		if (judge_thread(m, method->name, queue_depth, &it) &&
		    (!best.method || better(&it, &best)))
			best = it;
	}
	if (!best.method)
		return -ENODATA;
	*ret = best;
	return 0;
}

int jnl_measure_judge(const struct jnl_measure *m, uint32_t queue_depth,
		      struct jnl_measured *ret)
{
	return judge(m, queue_depth, NULL, ret);
}

int jnl_measure_judge_method(const struct jnl_measure *m, uint32_t queue_depth,
			     const char *method, struct jnl_measured *ret)
{
	return judge(m, queue_depth, method, ret);
}
