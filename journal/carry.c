/*
 * journal/carry.c - carrying the engine's actions out.
 *
 * The lock is given up while the kernel writes or flushes.  One action is
 * carried at a time, so that a flush never meets another one.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "journal/core.h"

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
	j->files[j->nfiles++].fd = fd;
	return 0;
}

static int file_of(const journal *j, uint64_t number)
{
	for (size_t i = 0; i < j->nfiles; i++) {
		if (j->files[i].number == number)
			return j->files[i].fd;
	}
	assert(!"a batch lies in a segment that is not open");
	return -EBADF;
}

bool jnl_carry(journal *j)
{
	struct jnl_dir *dir = &j->dir;
	struct jnl_action act;
	int fd, ret;

	assert(!j->carrying);
	jnl_engine_next(&j->engine, &act);
	if (act.kind == JNL_ACT_NONE)
		return false;
	fd = file_of(j, act.segment);
	j->carrying = true;
	pthread_mutex_unlock(&j->lock);
	if (act.kind == JNL_ACT_WRITE)
		ret = jnl_way_write(dir->sys, &dir->way, fd, act.batch->image,
				    act.batch->size, act.offset,
				    dir->geometry.block_size);
	else
		ret = jnl_way_flush(dir->sys, &dir->way, fd);
	pthread_mutex_lock(&j->lock);
	j->carrying = false;
	jnl_engine_done(&j->engine, &act, ret);
	pthread_cond_broadcast(&j->progress);
	if (!j->helper.blocked &&
	    jnl_engine_wants_segment(&j->engine) != UINT64_MAX)
		jnl_helper_call(j);
	return true;
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
