/*
 * tests/sim/image.c - the bytes of a journal, walked by an independent reader.
 *
 * It knows the format (journal/format.h) and nothing of recovery: from the
 * first block of segment 0 it follows what links, however far it goes.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "journal/format.h"
#include "journal/segment.h"
#include "tests/sim/crash.h"

static int file_of(const struct sim_disk *disk, uint64_t number)
{
	char name[32];

	snprintf(name, sizeof(name), "%016llx.seg",
		 (unsigned long long)number);
	return sim_lookup(disk, name);
}

const uint8_t *image_block(const struct image *im, uint64_t lsn)
{
	int file = file_of(im->disk, lsn / im->segment_size);

	if (file < 0)
		return NULL;
	return sim_peek(im->disk, file,
			(uint32_t)(lsn % im->segment_size / SIM_BLOCK));
}

/* The batch at lsn if it is whole; body collects its blocks. */
static bool batch_at(const struct image *im, uint64_t lsn, uint64_t prev,
		     struct jnl_batch_header *h)
{
	static uint8_t body[4u << 20];
	const uint8_t *p = image_block(im, lsn);
	uint64_t size;

	if (!p || !jnl_batch_decode(p, im->seed, h) || h->lsn != lsn ||
	    (h->prev_sum != prev && !im->unchained) ||
	    !jnl_batch_sane(h, SIM_BLOCK, im->segment_size))
		return false;
	size = jnl_batch_size(h, SIM_BLOCK);
	if (size > sizeof(body))
		return false;
	for (uint64_t at = 0; at < size; at += SIM_BLOCK)
		memcpy(body + at, image_block(im, lsn + at), SIM_BLOCK);
	return jnl_batch_body_good(body, h, SIM_BLOCK, im->seed);
}

void image_walk(struct image *im, const struct sim_disk *disk)
{
	struct jnl_segment_header sh;
	struct jnl_batch_header h;
	uint64_t prev = 0;
	int file;

	im->disk = disk;
	im->links = 0;
	im->sound = false;
	im->end = 0;
	im->newest = 0;
	for (int i = 0; i < disk->names; i++) {
		uint64_t n;

		if (jnl_segment_parse(disk->name[i].name, &n) &&
		    n > im->newest)
			im->newest = n;
	}
	file = file_of(disk, 0);
	if (file < 0 || jnl_segment_decode(sim_peek(disk, file, 0), &sh) < 0)
		return;
	im->sound = true;
	im->segment_size = sh.segment_size;
	im->seed = jnl_seed(sh.uuid);
	while (im->links < (int)(sizeof(im->chain) / sizeof(*im->chain))) {
		uint64_t at = im->end;
		struct link *l = &im->chain[im->links];

		if (!(at % im->segment_size))
			at += SIM_BLOCK;
		if (!batch_at(im, at, prev, &h))
			return;
		l->h = h;
		l->lsn = at;
		l->end = jnl_batch_end(&h, SIM_BLOCK, im->segment_size);
		l->blocks = (uint32_t)(jnl_batch_size(&h, SIM_BLOCK) /
				       SIM_BLOCK);
		prev = h.header_sum;
		im->end = l->end;
		im->links++;
	}
}
