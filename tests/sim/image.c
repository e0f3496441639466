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

/* One copy of a device's table.  False if it is not whole. */
static bool read_copy(const struct sim_disk *disk, int file, unsigned int copy,
		      struct image *im)
{
	static uint8_t buf[JNL_RAW_UNIT];
	uint32_t first = copy * JNL_RAW_COPY_STRIDE / SIM_BLOCK;

	for (uint32_t i = 0; i < JNL_RAW_UNIT / SIM_BLOCK; i++)
		memcpy(buf + i * SIM_BLOCK, sim_peek(disk, file, first + i),
		       SIM_BLOCK);
	return !jnl_raw_decode(buf, copy, &im->device) &&
	       im->device.slots <= MAX_SLOTS &&
	       !jnl_raw_decode_table(buf, &im->device, im->slot);
}

void image_names(struct image *im, const struct sim_disk *disk)
{
	static struct image copy[JNL_RAW_COPIES];
	const struct image *best = NULL;

	im->disk = disk;
	im->device.slots = 0;
	im->copies = 0;
	for (unsigned int i = 0; disk->raw && i < JNL_RAW_COPIES; i++) {
		if (!read_copy(disk, sim_lookup(disk, SIM_DEVICE), i, &copy[i]))
			continue;
		if (best && copy[i].device.sequence == best->device.sequence)
			im->copies++;
		if (best && copy[i].device.sequence <= best->device.sequence)
			continue;
		best = &copy[i];
		im->copies = 1;
	}
	if (!best)
		return;
	im->device = best->device;
	memcpy(im->slot, best->slot, sizeof(im->slot));
}

int image_place(const struct image *im, uint64_t number, uint32_t *ret_block)
{
	char name[32];

	*ret_block = 0;
	for (uint64_t i = 0; i < im->device.slots; i++) {
		if (im->slot[i] != jnl_raw_entry(number))
			continue;
		*ret_block = (uint32_t)(jnl_raw_place(im->device.slot_size, i) /
					SIM_BLOCK);
		return sim_lookup(im->disk, SIM_DEVICE);
	}
	if (im->disk->raw)
		return -1;
	snprintf(name, sizeof(name), "%016llx.seg",
		 (unsigned long long)number);
	return sim_lookup(im->disk, name);
}

static uint64_t newest_of(const struct image *im)
{
	uint64_t newest = 0, n;

	for (uint64_t i = 0; i < im->device.slots; i++)
		if (im->slot[i] != JNL_RAW_FREE && im->slot[i] - 1 > newest)
			newest = im->slot[i] - 1;
	for (int i = 0; i < im->disk->names; i++)
		if (jnl_segment_parse(im->disk->name[i].name, &n) &&
		    n > newest)
			newest = n;
	return newest;
}

const uint8_t *image_block(const struct image *im, uint64_t lsn)
{
	uint32_t block;
	int file = image_place(im, lsn / im->segment_size, &block);

	if (file < 0)
		return NULL;
	block += (uint32_t)(lsn % im->segment_size / SIM_BLOCK);
	return sim_peek(im->disk, file, block);
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
	uint32_t block;
	int file;

	image_names(im, disk);
	im->links = 0;
	im->sound = false;
	im->end = 0;
	im->newest = newest_of(im);
	file = image_place(im, 0, &block);
	if (file < 0 ||
	    jnl_segment_decode(sim_peek(disk, file, block), &sh) < 0)
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
