/*
 * journal/flight.c - actions of the engine on a ring.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/driver.h"
#include "journal/error.h"
#include "lib/compat.h"

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

bool jnl_take_off(journal *j, const struct jnl_action *act)
{
	const struct jnl_segment_file *f = jnl_file_of(j, act->segment);
	struct jnl_ring_file file = { .fd = f->fd,
				      .generation = f->generation };
	struct jnl_committer *c = j->committer;
	const struct jnl_way *way = &j->dir.way;
	struct jnl_flight *slot = jnl_free_flight(c);

	if (!c->ring || jnl_ring_broken(c->ring))
		return false;
	if (act->kind == JNL_ACT_FLUSH) {
		if (jnl_ring_flush(c->ring, file,
				   way->flush == JNL_FLUSH_FDATASYNC, slot) < 0)
			return false;
	} else if (jnl_ring_write(c->ring, file, act->batch->image,
				  act->batch->size, f->base + act->offset,
				  way->dsync ? RWF_DSYNC : 0,
				  j->dir.geometry.block_size, slot) < 0) {
		return false;
	}
	slot->act = *act;
	slot->began_ns = jnl_now_ns();
	return true;
}

void jnl_say(journal *j, const char *line)
{
	char *all;

	if (asprintf(&all, "%s%s\n", j->trail ? j->trail : "", line) < 0)
		return;
	free(j->trail);
	j->trail = all;
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
	/* Strings live until the journal is closed. */
	j->old_trail = j->trail;
	j->trail = j->old_trail ? strdup(j->old_trail) : NULL;
	jnl_say(j, line);
}
