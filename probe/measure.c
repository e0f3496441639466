/*
 * probe/measure.c - how fast the usable methods are here: pairs, steps, rounds.
 *
 * See probe/measure.h for what is kept to.  The first steps make what is
 * needed (the files, the time of a hop), then every round gives each pair a
 * slice of its time.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe/measure-inner.h"

/* The hop; each of the files. */
#define STEPS_BEFORE	(1 + sizeof(((struct jnl_measure *)0)->file) / \
			     sizeof(((struct jnl_measure *)0)->file[0]))

static const char *barrier_of(const struct jnl_choice *choice)
{
	if (choice->method->needs & JNL_NEED_PASSTHROUGH)
		return "NVMe Flush";
	if (choice->way.dsync)
		return "RWF_DSYNC";
	return choice->way.flush == JNL_FLUSH_FSYNC ? "fsync" : "fdatasync";
}

static void add_pair(struct jnl_measure *m, const struct jnl_choice *choice,
		     const char *carrier, uint32_t depth)
{
	struct jnl_measure_pair *pair = &m->pair[m->pairs];

	if (m->pairs == JNL_MEASURE_PAIRS_MAX)
		return;
	pair->method = choice->method->name;
	pair->carrier = carrier;
	pair->barrier = barrier_of(choice);
	pair->depth = depth;
	m->choice[m->pairs++] = *choice;
	if (choice->block_size > m->block)
		m->block = choice->block_size;
}

/* Every usable method, on whatever may carry it. */
static void add_pairs(struct jnl_measure *m, journal_probe *p)
{
	const struct jnl_method *method;
	struct jnl_choice choice;
	const char *reason;

	for (size_t i = 0; (method = jnl_method_at(i)); i++) {
		if (method->on_request && !m->cfg.on_request &&
		    !m->cfg.requested_too)
			continue;
		if (jnl_probe_choose(p, method->name, m->cfg.allow_volatile,
				     &choice, &reason) < 0)
			continue;
		add_pair(m, &choice, "pwritev2", 1);
		/* The page cache gains nothing from io_uring. */
		if (!choice.way.direct)
			continue;
		for (size_t k = 0; k < JNL_MEASURE_DEPTHS_MAX &&
		     m->cfg.depths[k]; k++)
			add_pair(m, &choice, "io_uring", m->cfg.depths[k]);
	}
}

/* Nothing that a drive could leave out or pack: a generator of noise. */
static void fill_with_noise(uint8_t *p, size_t len)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i + sizeof(x) <= len; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(p + i, &x, sizeof(x));
	}
}

static bool file_wanted(const struct jnl_measure *m, bool direct)
{
	for (size_t i = 0; i < m->pairs; i++) {
		if (m->choice[i].way.direct == direct)
			return true;
	}
	return false;
}

static uint64_t time_before(const struct jnl_measure *m)
{
	return JNL_MEASURE_HOP_NS + m->cfg.fill_ns *
	       (uint64_t)(file_wanted(m, false) + file_wanted(m, true));
}

/* What is left of the whole time, divided. */
static void divide(struct jnl_measure *m)
{
	uint64_t before = time_before(m);

	if (!m->cfg.total_ns || !m->pairs)
		return;
	m->cfg.pair_ns = m->cfg.total_ns > before ?
		(m->cfg.total_ns - before) / m->pairs : 0;
}

int jnl_measure_new(struct jnl_measure **ret_m, struct jnl_sys *sys, int dirfd,
		    journal_probe *p, const struct jnl_measure_config *cfg)
{
	struct jnl_measure *m = calloc(1, sizeof(*m));
	size_t len;

	assert(cfg->rounds && cfg->file_bytes >= 1024 * 1024);
	for (size_t i = 0; i < JNL_MEASURE_DEPTHS_MAX; i++)
		assert(cfg->depths[i] <= JNL_MEASURE_DEPTH_MAX);
	if (!m)
		return -ENOMEM;
	m->sys = sys;
	m->dirfd = dirfd;
	m->cfg = *cfg;
	m->pair = calloc(JNL_MEASURE_PAIRS_MAX, sizeof(*m->pair));
	m->choice = calloc(JNL_MEASURE_PAIRS_MAX, sizeof(*m->choice));
	m->place = calloc(JNL_MEASURE_PAIRS_MAX, sizeof(*m->place));
	if (!m->pair || !m->choice || !m->place)
		goto no_memory;
	add_pairs(m, p);
	divide(m);
	if (m->block) {
		len = (size_t)JNL_MEASURE_DEPTH_MAX * m->block;
		m->memory = jnl_buffer_alloc(len);
		if (!m->memory)
			goto no_memory;
		fill_with_noise(m->memory, len);
	}
	*ret_m = m;
	return 0;
no_memory:
	jnl_measure_free(m);
	return -ENOMEM;
}

void jnl_measure_free(struct jnl_measure *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < sizeof(m->file) / sizeof(m->file[0]); i++)
		jnl_measure_file_close(m, &m->file[i]);
	if (!m->memory_lost)
		jnl_buffer_free(m->memory,
				(size_t)JNL_MEASURE_DEPTH_MAX * m->block);
	free(m->pair);
	free(m->choice);
	free(m->place);
	free(m);
}

/* ------------------------------------------------------------------------ */

static void make_file(struct jnl_measure *m, bool direct)
{
	for (size_t i = 0; i < m->pairs; i++) {
		if (m->choice[i].way.direct != direct)
			continue;
		jnl_measure_file_make(m, &m->choice[i], &m->file[direct]);
		return;
	}
}

uint64_t jnl_measure_time_ns(const struct jnl_measure *m)
{
	return m->pairs * m->cfg.pair_ns + time_before(m);
}

uint64_t jnl_measure_bytes(const struct jnl_measure *m)
{
	if (!m->cfg.pair_bytes)
		return 0;
	return m->pairs * m->cfg.pair_bytes +
	       (uint64_t)(file_wanted(m, false) + file_wanted(m, true)) *
	       m->cfg.file_bytes;
}

size_t jnl_measure_steps(const struct jnl_measure *m)
{
	return m->pairs ? STEPS_BEFORE + m->pairs * m->cfg.rounds : 0;
}

size_t jnl_measure_steps_done(const struct jnl_measure *m)
{
	return m->done;
}

static void slice(struct jnl_measure *m, size_t turn)
{
	uint32_t rounds = m->cfg.rounds;
	size_t round = turn / m->pairs;
	/* Another one is first in each round. */
	size_t i = (turn + round) % m->pairs;
	uint64_t bytes = m->cfg.pair_bytes ? m->cfg.pair_bytes / rounds :
					     UINT64_MAX;

	if (!m->pair[i].err)
		jnl_measure_slice(m, i, m->cfg.pair_ns / rounds, bytes);
}

bool jnl_measure_step(struct jnl_measure *m)
{
	size_t step = m->done;

	if (step == jnl_measure_steps(m))
		return false;
	if (step == 0)
		m->hop_ns = jnl_measure_hop();
	else if (step < STEPS_BEFORE)
		make_file(m, step - 1);
	else
		slice(m, step - STEPS_BEFORE);
	m->done++;
	return true;
}

const struct jnl_measure_pair *jnl_measure_at(const struct jnl_measure *m,
					      size_t i)
{
	return i < m->pairs ? &m->pair[i] : NULL;
}

uint32_t jnl_measure_block(const struct jnl_measure *m)
{
	return m->block;
}

bool jnl_measure_lost(const struct jnl_measure *m)
{
	return m->memory_lost;
}

uint64_t jnl_measure_hop_ns(const struct jnl_measure *m)
{
	return m->hop_ns;
}
