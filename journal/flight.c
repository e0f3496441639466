/*
 * journal/flight.c - actions of the engine on a ring.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/driver.h"
#include "journal/error.h"

uint32_t jnl_in_flight(const struct jnl_committer *c)
{
	return c->ring ? jnl_ring_in_flight(c->ring) : 0;
}

void jnl_keep_files(journal *j)
{
	struct jnl_committer *c = j->committer;
	uint64_t *live;

	if (!c->ring)
		return;
	live = calloc(j->nfiles + 1, sizeof(*live));
	if (!live)
		return;
	for (size_t i = 0; i < j->nfiles; i++)
		live[i] = j->files[i].generation;
	jnl_ring_keep(c->ring, live, j->nfiles);
	free(live);
}

struct jnl_flight *jnl_free_flight(struct jnl_committer *c)
{
	struct jnl_flight *slot = c->flying;

	while (slot->act.kind != JNL_ACT_NONE)
		slot++;
	assert(slot < c->flying + c->slots);
	return slot;
}

/*
 * A flush by the drive goes as a command where the ring takes those.  The one
 * after which a segment is settled is waited for: there is more to it than an
 * operation.
 */
static int flush_takes_off(journal *j, const struct jnl_action *act,
			   struct jnl_ring_file file, struct jnl_flight *slot)
{
	struct jnl_ring *ring = j->committer->ring;
	bool data_only = j->dir.way.flush == JNL_FLUSH_FDATASYNC;

	slot->by_drive = jnl_barrier_by_drive(j, act->segment);
	if (!slot->by_drive)
		return j->drive.on ? -EOPNOTSUPP :
		       jnl_ring_flush(ring, file, data_only, slot);
	if (j->drive.no_ring)
		return -EOPNOTSUPP;
	return jnl_ring_device_flush(ring, j->drive.nvme.nsid, slot);
}

bool jnl_take_off(journal *j, const struct jnl_action *act)
{
	const struct jnl_segment_file *f = jnl_file_of(j, act->segment);
	struct jnl_ring_file file = { .fd = f->fd,
				      .generation = f->generation };
	struct jnl_committer *c = j->committer;
	struct jnl_flight *slot = jnl_free_flight(c);

	if (!c->ring || jnl_ring_broken(c->ring))
		return false;
	if (act->kind == JNL_ACT_FLUSH) {
		if (flush_takes_off(j, act, file, slot) < 0)
			return false;
	} else if (jnl_ring_write(c->ring, file, act->batch->image,
				  act->batch->size, f->base + act->offset,
				  jnl_write_flags(act->batch),
				  j->dir.geometry.block_size, slot) < 0) {
		return false;
	}
	slot->act = *act;
	jnl_watch_action(j, &slot->watch, act);
	return true;
}

int jnl_landed(journal *j, const struct jnl_flight *slot, int err)
{
	if (slot->act.kind != JNL_ACT_FLUSH || !slot->by_drive ||
	    err == JNL_RING_UNDONE)
		return err;
	return jnl_barrier_landed(j, err);
}

void jnl_give_up_ring(journal *j)
{
	struct jnl_committer *c = j->committer;
	char line[128];

	(void)snprintf(line, sizeof(line), "carrier pwritev2: io_uring gave "
		       "up: io_uring_enter: %s",
		       jnl_system_words(jnl_ring_broken(c->ring)));
	jnl_ring_close(c->ring, true);
	c->ring = NULL;
	j->carrier = "pwritev2";
	jnl_step_down(j, line);
}
