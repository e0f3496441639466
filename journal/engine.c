/*
 * journal/engine.c - the commit engine.
 *
 * See journal/engine.h for the invariants.  The queue holds, in LSN order,
 * every batch that is not below the frontier: handed-out ones first, then
 * closed ones, then at most one that gathers.  It ends only by
 * jnl_engine_fail(): from then on nothing is handed out and the frontier stands.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/engine.h"
#include "journal/format.h"
#include "journal/reserve.h"
#include "lib/file.h"

uint32_t jnl_log2(uint64_t v, uint32_t limit)
{
	uint32_t n = 0;

	while (v >>= 1)
		n++;
	return n < limit ? n : limit - 1;
}

static uint64_t block_up(const struct jnl_engine *e, uint64_t v)
{
	uint64_t mask = e->cfg.block_size - 1;

	return (v + mask) & ~mask;
}

static struct jnl_batch *batch_at(struct jnl_engine *e, uint32_t i)
{
	uint32_t place = e->head + i;

	/* No division: every append comes here. */
	assert(i < e->used);
	return &e->queue[place < e->queue_len ? place : place - e->queue_len];
}

static uint64_t segment_of(const struct jnl_engine *e,
			   const struct jnl_batch *b)
{
	return b->lsn / e->cfg.segment_size;
}

int jnl_engine_init(struct jnl_engine *e, const struct jnl_engine_config *cfg)
{
	uint32_t images = cfg->queue_depth + 1;
	size_t image_len;
	uint8_t *p;

	assert(cfg->queue_depth && cfg->queue_depth <= JNL_DEPTH_MAX);
	memset(e, 0, sizeof(*e));
	e->cfg = *cfg;
	e->batch_max = (uint32_t)block_up(e, JNL_BATCH_HEADER +
					  jnl_record_size(cfg->record_max));
	assert(e->batch_max <= cfg->segment_size - cfg->block_size);
	/* Every data batch can have a skip batch before it. */
	e->queue_len = 2 * images;
	image_len = (size_t)e->batch_max + cfg->block_size;
	if (image_len > SIZE_MAX / images)
		return -ENOMEM;
	e->memory_len = image_len * images;
	e->memory = jnl_buffer_alloc(e->memory_len);
	e->queue = calloc(e->queue_len, sizeof(*e->queue));
	e->free_data = calloc(images + JNL_SPARES, sizeof(*e->free_data));
	e->free_skip = calloc(images, sizeof(*e->free_skip));
	if (!e->memory || !e->queue || !e->free_data || !e->free_skip) {
		jnl_engine_fini(e);
		return -ENOMEM;
	}
	p = e->memory;
	for (uint32_t i = 0; i < images; i++, p += image_len) {
		e->free_data[e->free_data_n++] = p;
		e->free_skip[e->free_skip_n++] = p + e->batch_max;
	}
	return 0;
}

void jnl_engine_fini(struct jnl_engine *e)
{
	/* Without its own images a journal has lost all of them. */
	jnl_reserve_fini(e, e->memory);
	jnl_buffer_free(e->memory, e->memory_len);
	free(e->queue);
	free(e->free_data);
	free(e->free_skip);
	memset(e, 0, sizeof(*e));
}

void jnl_engine_start(struct jnl_engine *e, uint64_t end, uint64_t prev_sum,
		      uint64_t trim, uint64_t segments, uint64_t ready_end)
{
	e->frontier = e->tail = end;
	e->prev_sum = prev_sum;
	e->trim = e->trim_carried = e->trim_durable = trim;
	e->segments = segments;
	e->ready_end = ready_end;
}

struct jnl_batch *jnl_engine_gathering(struct jnl_engine *e)
{
	struct jnl_batch *b;

	if (!e->used)
		return NULL;
	b = batch_at(e, e->used - 1);
	return b->state == JNL_GATHERING ? b : NULL;
}

uint64_t jnl_engine_end(const struct jnl_engine *e)
{
	const struct jnl_batch *b =
		jnl_engine_gathering((struct jnl_engine *)e);

	if (!b || !b->solid)
		return e->tail;
	return b->lsn + block_up(e, JNL_BATCH_HEADER + b->solid);
}

uint32_t jnl_engine_slot(const struct jnl_engine *e, uint64_t lsn)
{
	uint32_t i = e->used;

	assert(e->used && lsn >= e->frontier);
	/* Behind the head of a segment lies no batch: the next one counts. */
	while (--i && batch_at((struct jnl_engine *)e, i)->lsn > lsn)
		;
	return (e->head + i) % e->queue_len;
}

static void close_batch(struct jnl_engine *e, struct jnl_batch *b)
{
	b->state = JNL_CLOSED;
	b->end = b->lsn + block_up(e, JNL_BATCH_HEADER + b->body_len);
	e->tail = b->end;
}

/*
 * Whether a batch that ends at end would take the last block there is, which
 * is kept for a trim.
 */
static bool takes_last_block(struct jnl_engine *e, uint64_t end)
{
	if (end != e->segments * e->cfg.segment_size)
		return false;
	e->needy = true;
	return true;
}

/*
 * Where a batch of size bytes goes.  *ret_skip: a skip batch at the tail has
 * to come before it.
 */
static int place(struct jnl_engine *e, uint64_t size, uint64_t *ret_lsn,
		 bool *ret_skip)
{
	uint64_t room = e->tail % e->cfg.segment_size;
	uint64_t segment = e->tail / e->cfg.segment_size;
	uint64_t lsn = e->tail;

	*ret_skip = false;
	if (!room) {
		lsn += e->cfg.block_size;
	} else if (size > e->cfg.segment_size - room) {
		*ret_skip = true;
		segment++;
		lsn = segment * e->cfg.segment_size + e->cfg.block_size;
	}
	if (segment >= JNL_LSN_MAX / e->cfg.segment_size)
		return -EFBIG;
	if (segment >= e->segments) {
		e->needy = true;
		return -EBUSY;
	}
	if (lsn > e->ready_end || size > e->ready_end - lsn)
		return -EBUSY;
	*ret_lsn = lsn;
	return 0;
}

static struct jnl_batch *push(struct jnl_engine *e, enum jnl_batch_state state,
			      uint64_t lsn, uint32_t flags, uint8_t *image)
{
	struct jnl_batch *b;

	assert(e->used < e->queue_len);
	e->used++;
	b = batch_at(e, e->used - 1);
	memset(b, 0, sizeof(*b));
	b->state = state;
	b->lsn = lsn;
	b->flags = flags;
	b->image = image;
	return b;
}

void jnl_engine_drop(struct jnl_engine *e)
{
	struct jnl_batch *b = jnl_engine_gathering(e);

	assert(b && !b->solid && !b->open_first);
	if (b->image)
		e->free_data[e->free_data_n++] = b->image;
	e->used--;
}

/* A batch that gathers, with room for a first body of need bytes. */
static int begin(struct jnl_engine *e, uint64_t need,
		 struct jnl_batch **ret_batch)
{
	struct jnl_batch *b;
	uint64_t lsn = 0, size;
	bool skip;
	int ret;

	size = block_up(e, JNL_BATCH_HEADER + need);
	ret = place(e, size, &lsn, &skip);
	if (ret < 0)
		return ret;
	if (takes_last_block(e, lsn + size))
		return -EBUSY;
	if (e->free_data_n <= e->kept || (skip && !e->free_skip_n) ||
	    e->queue_len - e->used < 1u + skip) {
		/* Not held back any more for the sake of reservations. */
		if (jnl_reserve_holds(e))
			jnl_engine_want(e, e->tail);
		return -EAGAIN;
	}
	if (skip) {
		b = push(e, JNL_CLOSED, e->tail, JNL_BATCH_SKIP,
			 e->free_skip[--e->free_skip_n]);
		b->end = lsn - e->cfg.block_size;
		e->tail = b->end;
	}
	b = push(e, JNL_GATHERING, lsn, 0, e->free_data[--e->free_data_n]);
	b->size_max = e->cfg.segment_size - lsn % e->cfg.segment_size;
	if (b->size_max > e->batch_max)
		b->size_max = e->batch_max;
	*ret_batch = b;
	return 0;
}

static void copy_record(uint8_t *p, const struct iovec *iov, int iovcnt,
			uint64_t len)
{
	/* The padding is the upper end of the last word, which comes first:
	 * what follows writes over the rest of it. */
	jnl_put64(p + jnl_record_size(len) - 8, 0);
	jnl_put64(p, len);
	p += JNL_RECORD_WORD;
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len)
			memcpy(p, iov[i].iov_base, iov[i].iov_len);
		p += iov[i].iov_len;
	}
}

int jnl_engine_room(struct jnl_engine *e, uint64_t need,
		    struct jnl_batch **ret_batch)
{
	struct jnl_batch *b = jnl_engine_gathering(e);
	uint64_t size;

	if (!b)
		return begin(e, need, ret_batch);
	size = block_up(e, JNL_BATCH_HEADER + b->body_len + need);
	if (size > b->size_max) {
		close_batch(e, b);
		return begin(e, need, ret_batch);
	}
	if (size > e->ready_end - b->lsn || takes_last_block(e, b->lsn + size))
		return -EBUSY;
	*ret_batch = b;
	return 0;
}

/* Put a record into a batch that has room for it; its LSN. */
static uint64_t put(struct jnl_engine *e, struct jnl_batch *b,
		    const struct iovec *iov, int iovcnt, uint64_t len)
{
	uint64_t offset = JNL_BATCH_HEADER + b->body_len;

	copy_record(b->image + offset, iov, iovcnt, len);
	b->body_len += (uint32_t)jnl_record_size(len);
	b->solid = b->body_len;
	b->count++;
	e->records++;
	e->payload += len;
	return b->lsn + offset;
}

int jnl_engine_append(struct jnl_engine *e, const struct iovec *iov,
		      int iovcnt, uint64_t len, uint64_t *ret_lsn)
{
	struct jnl_batch *b;
	int ret;

	if (e->error)
		return e->error;
	if (len > e->cfg.record_max)
		return -EMSGSIZE;
	ret = jnl_engine_room(e, jnl_record_size(len), &b);
	if (ret < 0)
		return ret;
	*ret_lsn = put(e, b, iov, iovcnt, len);
	return 0;
}

int jnl_engine_append_group(struct jnl_engine *e, const struct iovec *record,
			    int count, uint64_t *ret_lsn)
{
	uint64_t need = 0, room = e->batch_max - JNL_BATCH_HEADER, lsn;
	struct jnl_batch *b;
	int ret;

	if (e->error)
		return e->error;
	for (int i = 0; i < count; i++) {
		if (record[i].iov_len > e->cfg.record_max)
			return -EMSGSIZE;
		need += jnl_record_size(record[i].iov_len);
		if (need > room)
			return -EMSGSIZE;
	}
	ret = jnl_engine_room(e, need, &b);
	if (ret < 0)
		return ret;
	for (int i = 0; i < count; i++) {
		lsn = put(e, b, &record[i], 1, record[i].iov_len);
		if (ret_lsn)
			ret_lsn[i] = lsn;
	}
	return 0;
}

void jnl_engine_want(struct jnl_engine *e, uint64_t lsn)
{
	if (lsn > e->wanted)
		e->wanted = lsn;
}

int jnl_engine_trim(struct jnl_engine *e, uint64_t lsn)
{
	if (e->error)
		return e->error;
	if (lsn > e->frontier)
		return -EINVAL;
	if (lsn > e->trim)
		e->trim = lsn;
	return 0;
}

uint64_t jnl_engine_free_below(const struct jnl_engine *e)
{
	return e->trim_durable / e->cfg.segment_size;
}

bool jnl_engine_trim_pending(const struct jnl_engine *e)
{
	return e->trim / e->cfg.segment_size > jnl_engine_free_below(e);
}

/* Whether the oldest batch is a skip batch that waits. */
static bool skip_waits(struct jnl_engine *e)
{
	struct jnl_batch *b = batch_at(e, 0);

	return b->state == JNL_CLOSED && b->flags & JNL_BATCH_SKIP;
}

/*
 * Reservations are not to keep a watermark from being written.  True: what
 * they have left is to be written first.
 */
static bool give_way(struct jnl_engine *e)
{
	struct jnl_batch *b = jnl_engine_gathering(e);

	if (b && !b->solid && (e->used == 1 || (e->used == 2 && skip_waits(e))))
		jnl_reserve_evict(e, b);
	if (e->used != 1 || !skip_waits(e))
		return false;
	jnl_engine_want(e, e->tail);
	return true;
}

bool jnl_engine_mark(struct jnl_engine *e)
{
	bool carried = e->trim_carried == e->trim;
	struct jnl_batch *b;
	uint64_t lsn;
	bool skip;

	if (e->error || (e->marked && carried))
		return false;
	if (give_way(e))
		return true;
	if (e->used || !e->free_skip_n)
		return false;
	if (e->tail % e->cfg.segment_size == 0 &&
	    e->tail / e->cfg.segment_size >= e->segments)
		return false;
	if (place(e, e->cfg.block_size, &lsn, &skip) < 0)
		return false;
	assert(!skip);
	/* The last block goes to a trim that makes room for the next. */
	if (!jnl_engine_trim_pending(e) &&
	    takes_last_block(e, lsn + e->cfg.block_size))
		return false;
	b = push(e, JNL_CLOSED, lsn, JNL_BATCH_MARK,
		 e->free_skip[--e->free_skip_n]);
	b->end = lsn + e->cfg.block_size;
	e->tail = b->end;
	jnl_engine_want(e, b->end);
	return true;
}

void jnl_engine_dsync(struct jnl_engine *e)
{
	e->cfg.dsync = true;
}

void jnl_engine_untorn(struct jnl_engine *e, uint64_t segment, uint32_t max)
{
	e->untorn[segment & 1] = (struct jnl_untorn_batches){
		.segment = segment, .max = max,
	};
}

uint32_t jnl_engine_untorn_max(const struct jnl_engine *e)
{
	uint64_t segment = jnl_engine_end(e) / e->cfg.segment_size;
	const struct jnl_untorn_batches *u = &e->untorn[segment & 1];

	if (!e->cfg.dsync || e->fault || u->segment != segment)
		return 0;
	return u->max;
}

/* Whether the write of b, whose size is known, is whole or nothing. */
static bool cannot_tear(const struct jnl_engine *e, const struct jnl_batch *b)
{
	uint64_t segment = segment_of(e, b);
	const struct jnl_untorn_batches *u = &e->untorn[segment & 1];

	/* A drive's word holds for errors too; we do not build on it twice. */
	return b->dsync && !e->fault && u->segment == segment &&
	       b->size <= u->max && !(b->size & (b->size - 1)) &&
	       !(b->lsn % e->cfg.segment_size & (b->size - 1));
}

/* Give the batch its header: from here on its bytes never change. */
static void seal(struct jnl_engine *e, struct jnl_batch *b)
{
	struct jnl_batch_header h = {
		.lsn = b->lsn,
		.prev_sum = e->prev_sum,
		.durable = e->frontier,
		.trim = e->trim,
		.body_len = b->body_len,
		.count = b->count,
	};
	uint64_t used = JNL_BATCH_HEADER + b->body_len;

	if (b->open_first)
		jnl_reserve_detach(e, b);
	b->size = (uint32_t)block_up(e, used);
	memset(b->image + used, 0, b->size - used);
	b->dsync = e->cfg.dsync;
	if (cannot_tear(e, b))
		b->flags |= JNL_BATCH_UNTORN;
	h.flags = b->flags;
	h.body_sum = jnl_checksum(b->image + JNL_BATCH_HEADER, b->body_len,
				  e->cfg.seed);
	assert(jnl_batch_sane(&h, e->cfg.block_size, e->cfg.segment_size));
	assert(b->end == jnl_batch_end(&h, e->cfg.block_size,
				       e->cfg.segment_size));
	jnl_batch_encode(b->image, &h, e->cfg.seed);
	e->prev_sum = h.header_sum;
	e->trim_carried = b->trim = e->trim;
	e->marked = b->flags & JNL_BATCH_MARK;
	e->commits++;
	if (b->count)
		e->batch_records[jnl_log2(b->count, 24)]++;
}

/* The oldest batch that has not been handed out, or NULL. */
static struct jnl_batch *first_waiting(struct jnl_engine *e)
{
	for (uint32_t i = 0; i < e->used; i++) {
		struct jnl_batch *b = batch_at(e, i);

		if (b->state == JNL_GATHERING || b->state == JNL_CLOSED)
			return b;
	}
	return NULL;
}

/* The first batch that may be handed out now, or NULL. */
static struct jnl_batch *next_write(struct jnl_engine *e)
{
	struct jnl_batch *b = first_waiting(e);

	if (!b)
		return NULL;
	if (!(b->flags & JNL_BATCH_SKIP) && e->unacked >= e->cfg.queue_depth)
		return NULL;
	if (b->state == JNL_GATHERING) {
		if (e->hold || e->wanted <= e->tail)
			return NULL;
		assert(b->solid);
		b->body_len = b->solid;
		close_batch(e, b);
	} else if (b->open_first && e->wanted <= b->lsn) {
		return NULL;
	}
	return b;
}

/*
 * A flush is worth its price once somebody waits for the oldest batch or
 * nothing else can be handed out.  It covers what is complete now: a write
 * that completes while it is under way needs the next one.
 */
static bool next_flush(struct jnl_engine *e, struct jnl_action *act)
{
	uint64_t segment;
	struct jnl_batch *b;

	if (e->flushing || !e->used)
		return false;
	b = batch_at(e, 0);
	if (b->state != JNL_WRITTEN)
		return false;
	if (e->wanted <= e->frontier && e->unacked < e->cfg.queue_depth)
		return false;
	segment = b->lsn / e->cfg.segment_size;
	e->flushing = ++e->flush_seq ? e->flush_seq : ++e->flush_seq;
	for (uint32_t i = 0; i < e->used; i++) {
		b = batch_at(e, i);
		if (b->state == JNL_WRITTEN && segment_of(e, b) == segment)
			b->flush_id = e->flushing;
	}
	act->kind = JNL_ACT_FLUSH;
	act->segment = segment;
	act->flush_id = e->flushing;
	e->flushes++;
	return true;
}

static bool handed_out(const struct jnl_batch *b)
{
	return b->state != JNL_GATHERING && b->state != JNL_CLOSED;
}

/* The oldest failed batch, or NULL. */
static struct jnl_batch *first_failed(struct jnl_engine *e)
{
	for (uint32_t i = 0; i < e->used; i++) {
		if (batch_at(e, i)->state == JNL_FAILED)
			return batch_at(e, i);
	}
	return NULL;
}

const struct jnl_batch *jnl_engine_image(const struct jnl_engine *e,
					 uint64_t segment, uint32_t i)
{
	for (uint32_t k = 0; k < e->used; k++) {
		const struct jnl_batch *b =
			batch_at((struct jnl_engine *)e, k);

		if (handed_out(b) && segment_of(e, b) == segment && !i--)
			return b;
	}
	return NULL;
}

/*
 * After a failure: wait until nothing is outstanding in any segment, so that
 * no late write meets the new file and no other failure is left to come.
 */
static void next_replacement(struct jnl_engine *e, struct jnl_batch *failed,
			     struct jnl_action *act)
{
	if (e->replacing || e->flushing)
		return;
	for (uint32_t i = 0; i < e->used; i++) {
		if (batch_at(e, i)->state == JNL_WRITING)
			return;
	}
	e->replacing = true;
	e->replacements++;
	act->kind = JNL_ACT_REPLACE;
	act->segment = segment_of(e, failed);
}

void jnl_engine_next(struct jnl_engine *e, struct jnl_action *ret_act)
{
	struct jnl_batch *b;

	memset(ret_act, 0, sizeof(*ret_act));
	if (e->error)
		return;
	b = first_failed(e);
	if (b) {
		next_replacement(e, b, ret_act);
		return;
	}
	b = next_write(e);
	if (!b) {
		(void)next_flush(e, ret_act);
		return;
	}
	seal(e, b);
	b->state = JNL_WRITING;
	if (!(b->flags & JNL_BATCH_SKIP))
		e->unacked++;
	ret_act->kind = JNL_ACT_WRITE;
	ret_act->batch = b;
	ret_act->segment = b->lsn / e->cfg.segment_size;
	ret_act->offset = b->lsn % e->cfg.segment_size;
}

/* Skip and watermark batches have the small images. */
static bool small_image(const struct jnl_batch *b)
{
	return b->flags & (JNL_BATCH_SKIP | JNL_BATCH_MARK);
}

static void advance(struct jnl_engine *e)
{
	struct jnl_batch *b;

	while (e->used && (b = batch_at(e, 0))->state == JNL_DURABLE) {
		assert(b->end > e->frontier);
		e->frontier = b->end;
		/* It lies above what it gives back. */
		assert(b->trim <= b->lsn);
		e->trim_durable = b->trim;
		if (small_image(b))
			e->free_skip[e->free_skip_n++] = b->image;
		else
			e->free_data[e->free_data_n++] = b->image;
		if (!(b->flags & JNL_BATCH_SKIP))
			e->unacked--;
		e->head = (e->head + 1) % e->queue_len;
		e->used--;
		e->passed++;
	}
}

static void write_done(struct jnl_batch *b, int err)
{
	assert(b->state == JNL_WRITING);
	if (err || b->doubtful)
		b->state = JNL_FAILED;
	else
		b->state = b->dsync ? JNL_DURABLE : JNL_WRITTEN;
}

/*
 * The error of a flush is told once, and says nothing of which writes it is
 * about: it is the drive's cache that failed, whatever file was flushed.  So
 * every batch that rests on a flush and is not durable has failed; one whose
 * write is still out fails when that ends.
 */
void jnl_engine_doubt(struct jnl_engine *e)
{
	for (uint32_t i = 0; i < e->used; i++) {
		struct jnl_batch *b = batch_at(e, i);

		if (b->state == JNL_WRITTEN)
			b->state = JNL_FAILED;
		else if (b->state == JNL_WRITING && !b->dsync)
			b->doubtful = true;
	}
}

static void flush_done(struct jnl_engine *e, const struct jnl_action *act,
		       int err)
{
	assert(act->flush_id == e->flushing);
	e->flushing = 0;
	if (err) {
		jnl_engine_doubt(e);
		return;
	}
	for (uint32_t i = 0; i < e->used; i++) {
		struct jnl_batch *b = batch_at(e, i);

		if (b->state == JNL_WRITTEN && b->flush_id == act->flush_id)
			b->state = JNL_DURABLE;
	}
}

static void replace_done(struct jnl_engine *e, const struct jnl_action *act)
{
	assert(e->replacing);
	e->replacing = false;
	for (uint32_t i = 0; i < e->used; i++) {
		struct jnl_batch *b = batch_at(e, i);

		if (handed_out(b) && segment_of(e, b) == act->segment)
			b->state = JNL_DURABLE;
	}
	/* The new file is filled to its end. */
	if (!act->segment)
		e->ready_end = UINT64_MAX;
}

void jnl_engine_done(struct jnl_engine *e, const struct jnl_action *act,
		     int err)
{
	assert(err <= 0);
	/* Once it has ended nothing counts any more. */
	if (e->error)
		return;
	if (err)
		e->fault = err;
	if (act->kind == JNL_ACT_WRITE)
		write_done(act->batch, err);
	else if (act->kind == JNL_ACT_FLUSH)
		flush_done(e, act, err);
	else if (err)
		jnl_engine_fail(e, err);
	else
		replace_done(e, act);
	if (!e->error)
		advance(e);
}

void jnl_engine_fail(struct jnl_engine *e, int err)
{
	assert(err < 0);
	if (!e->error)
		e->error = err;
}

uint64_t jnl_engine_wants_segment(const struct jnl_engine *e)
{
	uint64_t end = jnl_engine_end(e);
	uint64_t current = end / e->cfg.segment_size;

	if (e->error || e->segments >= JNL_LSN_MAX / e->cfg.segment_size)
		return UINT64_MAX;
	if (e->needy)
		return e->segments;
	if (e->segments > current + 1)
		return UINT64_MAX;
	if (e->segments == current + 1 &&
	    end % e->cfg.segment_size < e->cfg.segment_size / 4)
		return UINT64_MAX;
	return e->segments;
}

void jnl_engine_segment_ready(struct jnl_engine *e, uint64_t number)
{
	assert(number == e->segments);
	e->segments++;
	e->needy = false;
}

void jnl_engine_ready_end(struct jnl_engine *e, uint64_t ready_end)
{
	/* A replacement may have filled the segment meanwhile. */
	if (e->ready_end == UINT64_MAX)
		return;
	assert(ready_end >= e->ready_end);
	e->ready_end = ready_end;
}
