/*
 * journal/carry.c - carrying the engine's actions out.
 *
 * The lock is given up while the kernel writes or flushes.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "journal/driver.h"
#include "journal/format.h"
#include "journal/raw.h"
#include "journal/replace.h"
#include "lib/compat.h"

int jnl_file_add(journal *j, uint64_t number, int fd)
{
	struct jnl_segment_file *grown;

	grown = realloc(j->files, (j->nfiles + 1) * sizeof(*grown));
	if (!grown) {
		(void)j->dir.sys->close(j->dir.sys, fd);
		return -ENOMEM;
	}
	j->files = grown;
	j->files[j->nfiles].number = number;
	j->files[j->nfiles].generation = ++j->generation;
	j->files[j->nfiles].settled = false;
	j->files[j->nfiles].base = jnl_raw_base(j->dir.sys, fd);
	j->files[j->nfiles++].fd = fd;
	return 0;
}

const struct jnl_segment_file *jnl_file_of(const journal *j, uint64_t number)
{
	for (size_t i = 0; i < j->nfiles; i++) {
		if (j->files[i].number == number)
			return &j->files[i];
	}
	assert(!"a batch lies in a segment that is not open");
	return NULL;
}

/*
 * Closing may give a file's space back, which takes its time: without the
 * lock, and after everybody else has let go of it.
 */
void jnl_file_close(journal *j, int fd)
{
	if (j->loop)
		jnl_keep_files(j);
	pthread_mutex_unlock(&j->lock);
	(void)j->dir.sys->close(j->dir.sys, fd);
	pthread_mutex_lock(&j->lock);
}

/* fd is for the file that has the segment's name now. */
static void take_file(journal *j, uint64_t number, int fd)
{
	int old = -1;

	for (size_t i = 0; i < j->nfiles; i++) {
		if (j->files[i].number != number)
			continue;
		old = j->files[i].fd;
		j->files[i].fd = fd;
		j->files[i].generation = ++j->generation;
		j->files[i].settled = false;
		j->files[i].base = jnl_raw_base(j->dir.sys, fd);
	}
	assert(old >= 0);
	jnl_file_close(j, old);
}

int jnl_replace(journal *j, uint64_t number)
{
	const struct jnl_engine *e = &j->engine;
	uint64_t base = number * e->cfg.segment_size, keep = 0;
	struct jnl_piece piece[2 * (JNL_DEPTH_MAX + 1)];
	const struct jnl_batch *b;
	int ret, fd = -1;
	uint32_t n;

	for (n = 0; (b = jnl_engine_image(e, number, n)); n++)
		piece[n] = (struct jnl_piece){
			.image = b->image,
			.offset = b->lsn - base,
			.size = b->size,
		};
	if (e->frontier > base)
		keep = e->frontier - base;
	pthread_mutex_unlock(&j->lock);
	ret = jnl_segment_replace(&j->dir, number, keep, piece, n);
	if (!ret)
		fd = jnl_segment_open(&j->dir, number, false);
	pthread_mutex_lock(&j->lock);
	if (ret < 0 || fd < 0)
		return ret < 0 ? ret : fd;
	take_file(j, number, fd);
	jnl_raise_replacement(j, number, e->fault);
	return 0;
}

uint64_t jnl_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void jnl_count_action(journal *j, uint64_t ns)
{
	struct jnl_counters *c = &j->counters;

	c->action_ns[jnl_log2(ns, 40)]++;
	if (ns > c->action_max_ns)
		c->action_max_ns = ns;
}

int jnl_write_flags(const struct jnl_batch *b)
{
	return (b->dsync ? RWF_DSYNC : 0) |
	       (b->flags & JNL_BATCH_UNTORN ? RWF_ATOMIC : 0);
}

static int carry_write(journal *j, const struct jnl_action *act)
{
	int fd = jnl_file_of(j, act->segment)->fd, ret;
	const struct jnl_batch *b = act->batch;

	pthread_mutex_unlock(&j->lock);
	ret = jnl_write_full(j->dir.sys, fd, b->image, b->size, act->offset,
			     jnl_write_flags(b), jnl_dir_alignment(&j->dir));
	pthread_mutex_lock(&j->lock);
	return ret;
}

int jnl_carry_out(journal *j, const struct jnl_action *act)
{
	struct jnl_watch w;
	int ret;

	jnl_watch_action(j, &w, act);
	if (act->kind == JNL_ACT_WRITE)
		ret = carry_write(j, act);
	else
		ret = jnl_barrier_carry(j, act->segment);
	jnl_count_action(j, jnl_watch_end(j, &w, ret));
	return ret;
}

void jnl_carried(journal *j)
{
	jnl_tell(j);
	if (j->helper.parked ||
	    (!j->helper.blocked &&
	     jnl_engine_wants_segment(&j->engine) != UINT64_MAX))
		jnl_helper_call(j);
}

bool jnl_carry(journal *j)
{
	struct jnl_action act;
	int ret;

	assert(!j->carrying && !j->committer);
	/* Whoever comes meanwhile waits for us. */
	j->carrying = true;
	jnl_gather(j);
	jnl_engine_next(&j->engine, &act);
	if (act.kind == JNL_ACT_NONE) {
		j->carrying = false;
		return false;
	}
	if (act.kind == JNL_ACT_REPLACE)
		ret = jnl_replace(j, act.segment);
	else
		ret = jnl_carry_out(j, &act);
	j->carrying = false;
	jnl_engine_done(&j->engine, &act, ret);
	jnl_carried(j);
	return true;
}

void jnl_push_on(journal *j)
{
	if (j->loop) {
		jnl_loop_push(j);
		return;
	}
	if (j->committer)
		jnl_committer_call(j);
	if (j->committer || j->carrying)
		pthread_cond_wait(&j->progress, &j->lock);
	else if (!jnl_carry(j))
		/* Nothing is in flight and nothing can be handed out: the
		 * caller waits for something that nobody will do. */
		assert(j->engine.error);
}

void jnl_helper_call(journal *j)
{
	struct jnl_helper *h = &j->helper;

	if (!h->running || h->called)
		return;
	h->called = true;
	h->parked = false;
	pthread_cond_signal(&j->wake);
}
