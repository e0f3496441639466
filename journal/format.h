/*
 * journal/format.h - format 1 on disk: pure bytes, no I/O.
 *
 * Everything is little endian.  A position (LSN) is segment * segment_size +
 * offset.  A segment is a header block and then batches; a batch begins on a
 * block boundary and is padded with zeros to one.
 *
 * A batch at position p counts if and only if
 *   (1) its header's magic and checksum are good, and its lsn is p,
 *   (2) its prev_sum is the header_sum of the batch before it,
 *   (3) it lies within its segment, below the segment's end,
 *   (4) its body's checksum is good and the padding behind it is zero.
 * A header that passes (1) and not (3), or a body that passes (4) and does not
 * divide into its records, was not written by a sound writer: damage.
 *
 * A hole batch is one block, and stands for count blocks: what lay there was
 * lost, and salvage (journal/salvage.c) made a new journal without it.
 *
 * doc/journal-format.5 is the same for people who write a reader.
 */
#ifndef JNL_JOURNAL_FORMAT_H
#define JNL_JOURNAL_FORMAT_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JNL_FORMAT_VERSION	1u
#define JNL_BLOCK_MIN		4096u
#define JNL_BLOCK_MAX		65536u
#define JNL_SEGMENT_MIN		(64ull * 1024)
#define JNL_SEGMENT_MAX		(1ull << 40)
#define JNL_LSN_MAX		(1ull << 63)	/* every LSN is below it */
#define JNL_UUID_LEN		16
#define JNL_EPOCH_LEN		16

/* ------------------------------------------------------------------------
 * Numbers, little endian at any address
 */

static inline uint32_t jnl_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t jnl_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void jnl_put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void jnl_put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* ------------------------------------------------------------------------
 * The segment's header block
 */

#define JNL_SEGMENT_MAGIC	"\x89JNLSEG\n"

struct jnl_segment_disk {
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t compat[4];		/* unknown bits may be ignored */
	uint8_t incompat[4];		/* unknown bits: do not touch */
	uint8_t block_size[4];
	uint8_t uuid[JNL_UUID_LEN];
	uint8_t number[8];
	uint8_t segment_size[8];
	uint8_t header_sum[8];		/* XXH3-64 of the 56 bytes before it */
};
static_assert(sizeof(struct jnl_segment_disk) == 64, "segment header");
static_assert(offsetof(struct jnl_segment_disk, uuid) == 24, "uuid");
static_assert(offsetof(struct jnl_segment_disk, number) == 40, "number");
static_assert(offsetof(struct jnl_segment_disk, header_sum) == 56, "sum");

struct jnl_segment_header {
	uint32_t version;
	uint32_t compat, incompat;
	uint32_t block_size;
	uint8_t uuid[JNL_UUID_LEN];
	uint64_t number;
	uint64_t segment_size;
};

/* Fill block_size bytes at block: the header, then zeros. */
void jnl_segment_encode(uint8_t *block, const struct jnl_segment_header *h);

/*
 * Read the header from the first 64 bytes at block.
 *   -EBADMSG          no header: bad magic, checksum or geometry
 *   -EPROTONOSUPPORT  a sound header of a newer version or with incompat flags
 */
int jnl_segment_decode(const uint8_t *block, struct jnl_segment_header *ret_h);

/* Whether the header block's padding, from 64 on, is zero. */
bool jnl_segment_padding_good(const uint8_t *block, uint32_t block_size);

/* ------------------------------------------------------------------------
 * The batch
 */

#define JNL_BATCH_MAGIC		0x424c4e4au	/* "JNLB" */
#define JNL_BATCH_HEADER	64u

enum jnl_batch_flags {
	JNL_BATCH_OPEN		= 1,	/* body: a random epoch, no records */
	JNL_BATCH_MARK		= 2,	/* header only: close or idle watermark */
	JNL_BATCH_SKIP		= 4,	/* header only: the segment ends here */
	JNL_BATCH_UNTORN	= 8,	/* written whole or not at all */
	JNL_BATCH_HOLE		= 16,	/* header only: count blocks are lost */
};
#define JNL_BATCH_FLAGS_KNOWN	31u

struct jnl_batch_disk {
	uint8_t header_sum[8];		/* XXH3-64 of the 56 bytes behind it */
	uint8_t lsn[8];
	uint8_t prev_sum[8];
	uint8_t durable[8];
	uint8_t trim[8];
	uint8_t body_sum[8];		/* XXH3-64 of the body */
	uint8_t body_len[4];
	uint8_t count[4];
	uint8_t flags[4];
	uint8_t magic[4];
};
static_assert(sizeof(struct jnl_batch_disk) == JNL_BATCH_HEADER, "header");
static_assert(offsetof(struct jnl_batch_disk, body_sum) == 40, "body_sum");
static_assert(offsetof(struct jnl_batch_disk, magic) == 60, "magic");

struct jnl_batch_header {
	uint64_t header_sum;		/* set by decode and by encode */
	uint64_t lsn;
	uint64_t prev_sum;
	uint64_t durable;
	uint64_t trim;
	uint64_t body_sum;
	uint32_t body_len;
	uint32_t count;
	uint32_t flags;
	uint32_t each;			/* not on disk: see jnl_records_good() */
};

/* The seed of every checksum: the UUID's first 8 bytes, little endian. */
uint64_t jnl_seed(const uint8_t uuid[JNL_UUID_LEN]);

uint64_t jnl_checksum(const void *data, size_t len, uint64_t seed);

/* Encode h into 64 bytes at p; h->header_sum is computed and set. */
void jnl_batch_encode(uint8_t *p, struct jnl_batch_header *h, uint64_t seed);

/* True if 64 bytes at p are a header with good magic and checksum. */
bool jnl_batch_decode(const uint8_t *p, uint64_t seed,
		      struct jnl_batch_header *ret_h);

/* Whether the body is records and voids; count then says how many records. */
static inline bool jnl_batch_records(const struct jnl_batch_header *h)
{
	return !(h->flags & ~(uint32_t)JNL_BATCH_UNTORN);
}

/*
 * The blocks a batch occupies, in bytes, header and padding included.  What a
 * skip or a hole stands for is not counted.
 */
uint64_t jnl_batch_size(const struct jnl_batch_header *h, uint32_t block_size);

/*
 * The position behind a batch that lies at h->lsn: the next block, for a skip
 * batch the segment's end, for a hole the end of what it stands for.
 */
uint64_t jnl_batch_end(const struct jnl_batch_header *h, uint32_t block_size,
		       uint64_t segment_size);

/*
 * Whether a header with a good checksum makes sense at its own lsn: known
 * flags, block aligned, not in the header block, within its segment, count and
 * body_len that fit each other.  A sound writer never writes another one.
 */
bool jnl_batch_sane(const struct jnl_batch_header *h, uint32_t block_size,
		    uint64_t segment_size);

/* Whether the body at p + 64 has the right checksum, and zeros behind it. */
bool jnl_batch_body_good(const uint8_t *p, const struct jnl_batch_header *h,
			 uint32_t block_size, uint64_t seed);

/* ------------------------------------------------------------------------
 * Records in a body: a length word of 8 bytes (the upper 4 are zero), the
 * payload, zeros to a multiple of 8.
 *
 * Between them, before and behind them there may be voids, places that were
 * reserved for records and not filled: a length word whose upper 4 bytes are 1
 * and whose length is a multiple of 8, and that many zeros.  A void has no
 * LSN, is not counted and is passed over; a body may be nothing but voids.
 */

#define JNL_RECORD_WORD		8u
#define JNL_RECORD_VOID		1u	/* in the upper half of a length word */

/* Bytes a record of len takes in a body. */
static inline uint64_t jnl_record_size(uint64_t len)
{
	return JNL_RECORD_WORD + ((len + 7) & ~7ull);
}

/* Make size bytes at p a void: a multiple of 8, and at least 8. */
void jnl_void_put(uint8_t *p, uint32_t size);

/* How many bytes a void at p takes; 0 if room bytes there begin with none. */
uint32_t jnl_void_size(const uint8_t *p, uint32_t room);

/* Where the record with this data begins in its body. */
static inline uint64_t jnl_record_offset(const uint8_t *body,
					 const uint8_t *data)
{
	return (uint64_t)(data - body) - JNL_RECORD_WORD;
}

/* Whether the bytes between a whole record's payload and its end are zero. */
static inline bool jnl_record_padding_good(const uint8_t *p, uint64_t len)
{
	/* They are the upper end of the last word. */
	return !(len % 8) ||
	       !(jnl_get64(p + jnl_record_size(len) - 8) >> len % 8 * 8);
}

/*
 * The first record at or behind *offset of a body: sets data and len, moves
 * *offset behind it.  Voids before it are passed over, so that it begins at
 * jnl_record_offset(); those behind the last record are not: count records.
 * False if what is there is not a record that fits.
 */
static inline bool jnl_record_next(const uint8_t *body, uint32_t body_len,
				   uint32_t *offset, const uint8_t **ret_data,
				   uint32_t *ret_len)
{
	uint64_t len, size;
	const uint8_t *p;
	uint32_t room, gap;

	assert(*offset <= body_len);
	for (;;) {
		p = body + *offset;
		room = body_len - *offset;
		if (room < JNL_RECORD_WORD)
			return false;
		len = jnl_get64(p);
		/* A void's word is longer than any body: looking for one
		 * costs a record nothing. */
		if (len <= room - JNL_RECORD_WORD)
			break;
		gap = jnl_void_size(p, room);
		if (!gap)
			return false;
		*offset += gap;
	}
	size = jnl_record_size(len);
	if (size > room || !jnl_record_padding_good(p, len))
		return false;
	*ret_data = p + JNL_RECORD_WORD;
	*ret_len = (uint32_t)len;
	*offset += (uint32_t)size;
	return true;
}

/*
 * Whether the body divides into exactly count records, and voids.  *ret_each,
 * if it does: what each record takes, where all are of one length and the body
 * has nothing else; otherwise 0.
 */
bool jnl_records_good(const uint8_t *body, uint32_t body_len, uint32_t count,
		      uint32_t *ret_each);

bool jnl_is_zero(const uint8_t *p, size_t len);

#endif
