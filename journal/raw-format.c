/*
 * journal/raw-format.c - the superblock of a raw device: pure bytes, no I/O.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/raw-format.h"

uint64_t jnl_raw_slots_for(uint64_t size, uint64_t slot_size)
{
	uint64_t n;

	if (size < JNL_RAW_FIRST_SLOT)
		return 0;
	n = (size - JNL_RAW_FIRST_SLOT) / slot_size;
	return n < JNL_RAW_SLOTS_MAX ? n : JNL_RAW_SLOTS_MAX;
}

static uint64_t table_sum(const uint8_t *p, const struct jnl_raw_header *h)
{
	return jnl_checksum(p + JNL_RAW_HEADER, h->slots * JNL_RAW_ENTRY,
			    jnl_seed(h->uuid));
}

void jnl_raw_encode(uint8_t *p, unsigned int copy,
		    const struct jnl_raw_header *h, const uint64_t *entry)
{
	struct jnl_raw_disk *d = (struct jnl_raw_disk *)p;

	assert(h->slots <= JNL_RAW_SLOTS_MAX);
	memset(p, 0, jnl_raw_copy_size(h->slots));
	for (uint64_t i = 0; i < h->slots; i++)
		jnl_put64(p + JNL_RAW_HEADER + i * JNL_RAW_ENTRY, entry[i]);
	memcpy(d->magic, JNL_RAW_MAGIC, sizeof(d->magic));
	jnl_put32(d->version, h->version);
	jnl_put32(d->compat, h->compat);
	jnl_put32(d->incompat, h->incompat);
	jnl_put32(d->block_size, h->block_size);
	memcpy(d->uuid, h->uuid, sizeof(d->uuid));
	jnl_put64(d->slot_size, h->slot_size);
	jnl_put64(d->first_slot, JNL_RAW_FIRST_SLOT);
	jnl_put64(d->slots, h->slots);
	jnl_put64(d->sequence, h->sequence);
	jnl_put64(d->table_sum, table_sum(p, h));
	jnl_put32(d->copy, copy);
	jnl_put64(d->header_sum,
		  jnl_checksum(p, offsetof(struct jnl_raw_disk, header_sum),
			       jnl_seed(h->uuid)));
}

static bool in_limits(const struct jnl_raw_disk *d,
		      const struct jnl_raw_header *h)
{
	return h->block_size >= JNL_BLOCK_MIN &&
	       h->block_size <= JNL_BLOCK_MAX &&
	       !(h->block_size & (h->block_size - 1)) &&
	       h->slot_size >= JNL_SEGMENT_MIN &&
	       h->slot_size <= JNL_SEGMENT_MAX &&
	       !(h->slot_size % JNL_SEGMENT_MIN) &&
	       h->slot_size / h->block_size >= 2 &&
	       jnl_get64(d->first_slot) == JNL_RAW_FIRST_SLOT &&
	       h->slots <= JNL_RAW_SLOTS_MAX;
}

int jnl_raw_decode(const uint8_t *p, unsigned int copy,
		   struct jnl_raw_header *ret_h)
{
	const struct jnl_raw_disk *d = (const struct jnl_raw_disk *)p;
	struct jnl_raw_header h;

	if (memcmp(d->magic, JNL_RAW_MAGIC, sizeof(d->magic)))
		return -ENOENT;
	memcpy(h.uuid, d->uuid, sizeof(h.uuid));
	if (jnl_get64(d->header_sum) !=
	    jnl_checksum(p, offsetof(struct jnl_raw_disk, header_sum),
			 jnl_seed(h.uuid)))
		return -EBADMSG;
	if (jnl_get32(d->copy) != copy)
		return -ENOENT;
	h.version = jnl_get32(d->version);
	h.compat = jnl_get32(d->compat);
	h.incompat = jnl_get32(d->incompat);
	/* What else a newer version has in here is its own affair. */
	if (h.version != JNL_RAW_VERSION || h.incompat)
		return h.version ? -EPROTONOSUPPORT : -EBADMSG;
	h.block_size = jnl_get32(d->block_size);
	h.slot_size = jnl_get64(d->slot_size);
	h.slots = jnl_get64(d->slots);
	h.sequence = jnl_get64(d->sequence);
	if (!in_limits(d, &h) ||
	    (!h.compat && !jnl_is_zero(d->reserved, sizeof(d->reserved))) ||
	    !jnl_is_zero(p + sizeof(*d), JNL_RAW_HEADER - sizeof(*d)))
		return -EBADMSG;
	*ret_h = h;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Every segment below the last LSN, and in one slot only. */
static int judge_table(const struct jnl_raw_header *h, const uint64_t *entry)
{
	uint64_t *sorted = malloc((h->slots + 1) * sizeof(*sorted));
	bool good = true;

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, entry, h->slots * sizeof(*sorted));
	qsort(sorted, h->slots, sizeof(*sorted), compare);
	for (uint64_t i = 0; i < h->slots; i++) {
		good &= sorted[i] <= JNL_LSN_MAX / h->slot_size;
		good &= !i || !sorted[i] || sorted[i] != sorted[i - 1];
	}
	free(sorted);
	return good ? 0 : -EBADMSG;
}

int jnl_raw_decode_table(const uint8_t *p, const struct jnl_raw_header *h,
			 uint64_t *entry)
{
	const struct jnl_raw_disk *d = (const struct jnl_raw_disk *)p;

	if (jnl_get64(d->table_sum) != table_sum(p, h))
		return -EBADMSG;
	for (uint64_t i = 0; i < h->slots; i++)
		entry[i] = jnl_get64(p + JNL_RAW_HEADER + i * JNL_RAW_ENTRY);
	return judge_table(h, entry);
}
