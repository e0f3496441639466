/*
 * journal/format.c - format 1 on disk: pure bytes, no I/O.
 *
 * See journal/format.h for the validity rules.  Every function here may be
 * given hostile bytes; none reads outside what its arguments say.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

/* XXH3 is compiled in: no run-time dependency, and the checksum of a body is
 * not a call through a table. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "journal/format.h"
#include "journal/sum-avx2.h"

/* Up to here XXH3 uses no vectors (XXH3_MIDSIZE_MAX in xxhash.h). */
#define SUM_SHORT	240

bool jnl_is_zero(const uint8_t *p, size_t len)
{
	/* The first byte is zero and every byte equals the one before it. */
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

uint64_t jnl_seed(const uint8_t uuid[JNL_UUID_LEN])
{
	return jnl_get64(uuid);
}

uint64_t jnl_checksum(const void *data, size_t len, uint64_t seed)
{
#ifdef BUILD_AVX2
	if (len > SUM_SHORT && __builtin_cpu_supports("avx2"))
		return jnl_sum_avx2(data, len, seed);
#endif
	return XXH3_64bits_withSeed(data, len, seed);
}

/* ------------------------------------------------------------------------ */

void jnl_segment_encode(uint8_t *block, const struct jnl_segment_header *h)
{
	struct jnl_segment_disk *d = (struct jnl_segment_disk *)block;

	memset(block, 0, h->block_size);
	memcpy(d->magic, JNL_SEGMENT_MAGIC, sizeof(d->magic));
	jnl_put32(d->version, h->version);
	jnl_put32(d->compat, h->compat);
	jnl_put32(d->incompat, h->incompat);
	jnl_put32(d->block_size, h->block_size);
	memcpy(d->uuid, h->uuid, JNL_UUID_LEN);
	jnl_put64(d->number, h->number);
	jnl_put64(d->segment_size, h->segment_size);
	jnl_put64(d->header_sum,
		  jnl_checksum(block, offsetof(struct jnl_segment_disk,
					       header_sum),
			       jnl_seed(h->uuid)));
}

static bool geometry_good(const struct jnl_segment_header *h)
{
	if (h->block_size < JNL_BLOCK_MIN || h->block_size > JNL_BLOCK_MAX ||
	    h->block_size & (h->block_size - 1))
		return false;
	if (h->segment_size < JNL_SEGMENT_MIN ||
	    h->segment_size > JNL_SEGMENT_MAX ||
	    h->segment_size % JNL_SEGMENT_MIN ||
	    h->segment_size / h->block_size < 2)
		return false;
	return h->number < JNL_LSN_MAX / h->segment_size;
}

int jnl_segment_decode(const uint8_t *block, struct jnl_segment_header *ret_h)
{
	const struct jnl_segment_disk *d =
		(const struct jnl_segment_disk *)block;
	struct jnl_segment_header h = {
		.version = jnl_get32(d->version),
		.compat = jnl_get32(d->compat),
		.incompat = jnl_get32(d->incompat),
		.block_size = jnl_get32(d->block_size),
		.number = jnl_get64(d->number),
		.segment_size = jnl_get64(d->segment_size),
	};

	memcpy(h.uuid, d->uuid, JNL_UUID_LEN);
	if (memcmp(d->magic, JNL_SEGMENT_MAGIC, sizeof(d->magic)))
		return -EBADMSG;
	if (jnl_get64(d->header_sum) !=
	    jnl_checksum(block, offsetof(struct jnl_segment_disk, header_sum),
			 jnl_seed(h.uuid)))
		return -EBADMSG;
	/* Magic, version and this checksum stay where they are in every
	 * version, so that a flipped bit is never taken for a newer one. */
	if (h.version > JNL_FORMAT_VERSION || h.incompat)
		return -EPROTONOSUPPORT;
	if (!h.version || !geometry_good(&h))
		return -EBADMSG;
	*ret_h = h;
	return 0;
}

bool jnl_segment_padding_good(const uint8_t *block, uint32_t block_size)
{
	return jnl_is_zero(block + sizeof(struct jnl_segment_disk),
			   block_size - sizeof(struct jnl_segment_disk));
}

/* ------------------------------------------------------------------------ */

static uint64_t header_sum(const uint8_t *p, uint64_t seed)
{
	return jnl_checksum(p + 8, JNL_BATCH_HEADER - 8, seed);
}

void jnl_batch_encode(uint8_t *p, struct jnl_batch_header *h, uint64_t seed)
{
	struct jnl_batch_disk *d = (struct jnl_batch_disk *)p;

	jnl_put64(d->lsn, h->lsn);
	jnl_put64(d->prev_sum, h->prev_sum);
	jnl_put64(d->durable, h->durable);
	jnl_put64(d->trim, h->trim);
	jnl_put64(d->body_sum, h->body_sum);
	jnl_put32(d->body_len, h->body_len);
	jnl_put32(d->count, h->count);
	jnl_put32(d->flags, h->flags);
	jnl_put32(d->magic, JNL_BATCH_MAGIC);
	h->header_sum = header_sum(p, seed);
	jnl_put64(d->header_sum, h->header_sum);
}

bool jnl_batch_decode(const uint8_t *p, uint64_t seed,
		      struct jnl_batch_header *ret_h)
{
	const struct jnl_batch_disk *d = (const struct jnl_batch_disk *)p;

	/* The magic first: scanning mostly meets zeros. */
	if (jnl_get32(d->magic) != JNL_BATCH_MAGIC)
		return false;
	ret_h->header_sum = jnl_get64(d->header_sum);
	if (ret_h->header_sum != header_sum(p, seed))
		return false;
	ret_h->lsn = jnl_get64(d->lsn);
	ret_h->prev_sum = jnl_get64(d->prev_sum);
	ret_h->durable = jnl_get64(d->durable);
	ret_h->trim = jnl_get64(d->trim);
	ret_h->body_sum = jnl_get64(d->body_sum);
	ret_h->body_len = jnl_get32(d->body_len);
	ret_h->count = jnl_get32(d->count);
	ret_h->flags = jnl_get32(d->flags);
	ret_h->each = 0;
	return true;
}

uint64_t jnl_batch_size(const struct jnl_batch_header *h, uint32_t block_size)
{
	uint64_t len = JNL_BATCH_HEADER + (uint64_t)h->body_len;

	return (len + block_size - 1) & ~(uint64_t)(block_size - 1);
}

uint64_t jnl_batch_end(const struct jnl_batch_header *h, uint32_t block_size,
		       uint64_t segment_size)
{
	if (h->flags & JNL_BATCH_SKIP)
		return (h->lsn / segment_size + 1) * segment_size;
	if (h->flags & JNL_BATCH_HOLE)
		return h->lsn + (uint64_t)h->count * block_size;
	return h->lsn + jnl_batch_size(h, block_size);
}

bool jnl_batch_sane(const struct jnl_batch_header *h, uint32_t block_size,
		    uint64_t segment_size)
{
	uint32_t kind = h->flags & ~(uint32_t)JNL_BATCH_UNTORN;
	uint64_t offset = h->lsn % segment_size;

	if (h->lsn >= JNL_LSN_MAX || offset % block_size ||
	    offset < block_size)
		return false;
	if (jnl_batch_size(h, block_size) > segment_size - offset)
		return false;
	/* durable and trim are positions at or below this batch. */
	if (h->durable > h->lsn || h->trim > h->lsn)
		return false;
	switch (kind) {
	case 0:
		/* Without records it is all voids. */
		return h->body_len && !(h->body_len % 8) &&
		       h->body_len / JNL_RECORD_WORD >= h->count;
	case JNL_BATCH_OPEN:
		return !h->count && h->body_len == JNL_EPOCH_LEN;
	case JNL_BATCH_MARK:
	case JNL_BATCH_SKIP:
		return !h->count && !h->body_len;
	case JNL_BATCH_HOLE:
		return h->count && !h->body_len &&
		       h->count <= (segment_size - offset) / block_size;
	default:
		return false;
	}
}

bool jnl_batch_body_good(const uint8_t *p, const struct jnl_batch_header *h,
			 uint32_t block_size, uint64_t seed)
{
	uint64_t used = JNL_BATCH_HEADER + (uint64_t)h->body_len;
	uint64_t size = jnl_batch_size(h, block_size);

	return jnl_is_zero(p + used, size - used) &&
	       jnl_checksum(p + JNL_BATCH_HEADER, h->body_len, seed) ==
		       h->body_sum;
}

/* ------------------------------------------------------------------------ */

void jnl_void_put(uint8_t *p, uint32_t size)
{
	assert(size >= JNL_RECORD_WORD && !(size % 8));
	jnl_put32(p, size - JNL_RECORD_WORD);
	jnl_put32(p + 4, JNL_RECORD_VOID);
	memset(p + JNL_RECORD_WORD, 0, size - JNL_RECORD_WORD);
}

uint32_t jnl_void_size(const uint8_t *p, uint32_t room)
{
	uint32_t len;

	if (room < JNL_RECORD_WORD || jnl_get32(p + 4) != JNL_RECORD_VOID)
		return 0;
	len = jnl_get32(p);
	if (len > room - JNL_RECORD_WORD || len % 8 ||
	    !jnl_is_zero(p + JNL_RECORD_WORD, len))
		return 0;
	return JNL_RECORD_WORD + len;
}

/*
 * How many of the records from p on, at most count, are as long as the one
 * before, len, and need no padding.  Four at a time: where they begin is known
 * without waiting for any of their lengths.
 */
static uint32_t same_records(const uint8_t *p, uint32_t room, uint32_t count,
			     uint64_t len)
{
	uint64_t size = jnl_record_size(len);
	uint32_t n = 0;

	if (len % 8)
		return 0;
	for (; count - n >= 4 && 4 * size <= room; n += 4) {
		if ((jnl_get64(p) ^ len) | (jnl_get64(p + size) ^ len) |
		    (jnl_get64(p + 2 * size) ^ len) |
		    (jnl_get64(p + 3 * size) ^ len))
			break;
		p += 4 * size;
		room -= (uint32_t)(4 * size);
	}
	return n;
}

bool jnl_records_good(const uint8_t *body, uint32_t body_len, uint32_t count,
		      uint32_t *ret_each)
{
	/* No body is that long: there is no last one yet. */
	uint64_t last = 0, size = UINT32_MAX;
	uint32_t offset = 0, len, gap, same, lengths = 0;
	const uint8_t *data;

	while (count--) {
		/* As long as the one before: where the next one begins is then
		 * known without waiting for this one's length. */
		if (size <= body_len - offset &&
		    jnl_get64(body + offset) == last) {
			if (!jnl_record_padding_good(body + offset, last))
				return false;
			offset += (uint32_t)size;
			continue;
		}
		if (!jnl_record_next(body, body_len, &offset, &data, &len))
			return false;
		last = len;
		size = jnl_record_size(len);
		/* a void before it makes it not the only one either */
		lengths += offset == size ? 1 : 2;
		same = same_records(body + offset, body_len - offset, count,
				    len);
		offset += same * (uint32_t)size;
		count -= same;
	}
	while (offset < body_len) {
		gap = jnl_void_size(body + offset, body_len - offset);
		if (!gap)
			return false;
		offset += gap;
		lengths = 0;
	}
	*ret_each = lengths == 1 ? (uint32_t)size : 0;
	return true;
}
