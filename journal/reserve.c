/*
 * journal/reserve.c - places in the gathering batch that are filled later.
 *
 * See journal/reserve.h for the invariants.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "journal/reserve.h"
#include "lib/file.h"

/* An image that left the queue with reservations in it. */
struct jnl_detached {
	uint8_t *image;		/* NULL: none */
	uint32_t open;
};

struct jnl_reservations {
	struct jnl_reserved slot[JNL_RESERVED_MAX];
	struct jnl_reserved *unused;
	struct jnl_detached detached[JNL_SPARES];
	uint32_t booked;	/* batches in the queue with open ones */
	uint64_t seq;
	uint8_t *spare[JNL_SPARES];	/* the images there are besides */
	uint32_t spares;
};

/* What the first reservation needs. */
static int prepare(struct jnl_engine *e)
{
	struct jnl_reservations *all;

	if (e->reservations)
		return 0;
	all = calloc(1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (uint32_t i = JNL_RESERVED_MAX; i--;) {
		all->slot[i].next = all->unused;
		all->unused = &all->slot[i];
	}
	e->reservations = all;
	return 0;
}

/* One more image, if there may be one. */
static bool add_spare(struct jnl_engine *e)
{
	struct jnl_reservations *all = e->reservations;
	uint8_t *image;

	if (all->spares == JNL_SPARES)
		return false;
	image = jnl_buffer_alloc(e->batch_max);
	if (!image)
		return false;
	all->spare[all->spares++] = image;
	e->free_data[e->free_data_n++] = image;
	e->kept++;
	return true;
}

/* A reservation without a place. */
static struct jnl_reserved *take(struct jnl_engine *e, uint32_t len)
{
	struct jnl_reservations *all = e->reservations;
	struct jnl_reserved *r = all->unused;

	all->unused = r->next;
	memset(r, 0, sizeof(*r));
	r->id = ++all->seq * JNL_RESERVED_MAX + (uint64_t)(r - all->slot);
	r->len = len;
	return r;
}

static void give(struct jnl_engine *e, struct jnl_reserved *r)
{
	struct jnl_reservations *all = e->reservations;

	r->id = 0;
	r->next = all->unused;
	all->unused = r;
}

/* The last of its batch from now on. */
static void join(struct jnl_engine *e, struct jnl_batch *b,
		 struct jnl_reserved *r)
{
	if (!b->open_first) {
		assert(e->reservations->booked < e->kept);
		e->reservations->booked++;
	}
	r->batch = b;
	r->prev = b->open_last;
	*(r->prev ? &r->prev->next : &b->open_first) = r;
	b->open_last = r;
}

static void leave(struct jnl_engine *e, struct jnl_reserved *r)
{
	struct jnl_batch *b = r->batch;

	*(r->prev ? &r->prev->next : &b->open_first) = r->next;
	*(r->next ? &r->next->prev : &b->open_last) = r->prev;
	r->batch = NULL;
	r->prev = r->next = NULL;
	if (!b->open_first)
		e->reservations->booked--;
}

/* The end in its image. */
static uint32_t end_of(const struct jnl_reserved *r)
{
	return r->offset + (uint32_t)jnl_record_size(r->len);
}

/*
 * Whether the batch that a reservation would come to lie in can be copied: an
 * image can be kept for that, or is already.
 */
static bool can_be_copied(struct jnl_engine *e, uint64_t need)
{
	struct jnl_batch *b = jnl_engine_gathering(e);

	if (e->reservations->booked < e->kept)
		return true;
	if (b && b->open_first && need <= b->size_max - JNL_BATCH_HEADER &&
	    b->body_len <= b->size_max - JNL_BATCH_HEADER - need)
		return true;
	return add_spare(e);
}

int jnl_reserve(struct jnl_engine *e, uint64_t len,
		struct jnl_reserved **ret_r)
{
	uint64_t need = jnl_record_size(len);
	struct jnl_reserved *r;
	struct jnl_batch *b;
	int ret;

	if (e->error)
		return e->error;
	if (len > e->cfg.record_max)
		return -EMSGSIZE;
	ret = prepare(e);
	if (ret < 0)
		return ret;
	if (!e->reservations->unused)
		return -ENOBUFS;
	if (!can_be_copied(e, need)) {
		uint8_t *own = malloc(len ? len : 1);

		if (!own)
			return -ENOMEM;
		r = take(e, (uint32_t)len);
		r->data = own;
		*ret_r = r;
		return 0;
	}
	ret = jnl_engine_room(e, need, &b);
	if (ret < 0)
		return ret;
	r = take(e, (uint32_t)len);
	r->offset = JNL_BATCH_HEADER + b->body_len;
	r->data = b->image + r->offset + JNL_RECORD_WORD;
	b->body_len += (uint32_t)need;
	join(e, b, r);
	*ret_r = r;
	return 0;
}

struct jnl_reserved *jnl_reserve_find(const struct jnl_engine *e, uint64_t id)
{
	struct jnl_reserved *r;

	if (!e->reservations || !id)
		return NULL;
	r = &e->reservations->slot[id % JNL_RESERVED_MAX];
	return r->id == id ? r : NULL;
}

/* The space behind the last record and the last open reservation is free. */
static void take_back(struct jnl_engine *e, struct jnl_batch *b)
{
	uint32_t len = b->solid;

	if (b->state != JNL_GATHERING)
		return;
	if (b->open_last && end_of(b->open_last) - JNL_BATCH_HEADER > len)
		len = end_of(b->open_last) - JNL_BATCH_HEADER;
	b->body_len = len;
	if (!len)
		jnl_engine_drop(e);
}

static uint64_t publish_in_place(struct jnl_engine *e, struct jnl_reserved *r,
				 uint32_t used)
{
	uint32_t size = (uint32_t)jnl_record_size(used);
	uint32_t rest = (uint32_t)jnl_record_size(r->len) - size;
	struct jnl_batch *b = r->batch;
	uint8_t *p = b->image + r->offset;

	jnl_put64(p, used);
	memset(r->data + used, 0, size - JNL_RECORD_WORD - used);
	if (rest)
		jnl_void_put(p + size, rest);
	b->count++;
	if (r->offset + size - JNL_BATCH_HEADER > b->solid)
		b->solid = r->offset + size - JNL_BATCH_HEADER;
	e->records++;
	e->payload += used;
	leave(e, r);
	take_back(e, b);
	return b->lsn + r->offset;
}

/* It is late, or has memory of its own: that goes. */
static void let_go(struct jnl_engine *e, struct jnl_reserved *r)
{
	struct jnl_detached *d = r->image;

	if (!d) {
		free(r->data);
	} else if (!--d->open) {
		e->free_data[e->free_data_n++] = d->image;
		e->kept++;
		d->image = NULL;
	}
	give(e, r);
}

int jnl_reserve_publish(struct jnl_engine *e, struct jnl_reserved *r,
			uint64_t used, uint64_t *ret_lsn)
{
	struct iovec iov = { r->data, used };
	int ret;

	assert(used <= r->len);
	if (e->error)
		return e->error;
	if (r->batch) {
		*ret_lsn = publish_in_place(e, r, (uint32_t)used);
		give(e, r);
		return 0;
	}
	ret = jnl_engine_append(e, &iov, 1, used, ret_lsn);
	if (!ret)
		let_go(e, r);
	return ret;
}

void jnl_reserve_abandon(struct jnl_engine *e, struct jnl_reserved *r)
{
	struct jnl_batch *b = r->batch;

	if (!b) {
		let_go(e, r);
		return;
	}
	jnl_void_put(b->image + r->offset, (uint32_t)jnl_record_size(r->len));
	leave(e, r);
	take_back(e, b);
	give(e, r);
}

void jnl_reserve_abandon_all(struct jnl_engine *e)
{
	for (uint32_t i = 0; e->reservations && i < JNL_RESERVED_MAX; i++) {
		if (e->reservations->slot[i].id)
			jnl_reserve_abandon(e, &e->reservations->slot[i]);
	}
}

void jnl_reserve_fini(struct jnl_engine *e, bool mapped)
{
	struct jnl_reservations *all = e->reservations;

	if (!all)
		return;
	for (uint32_t i = 0; i < JNL_RESERVED_MAX; i++) {
		struct jnl_reserved *r = &all->slot[i];

		if (r->id && !r->batch && !r->image)
			free(r->data);
	}
	for (uint32_t i = 0; mapped && i < all->spares; i++)
		jnl_buffer_free(all->spare[i], e->batch_max);
	free(all);
	e->reservations = NULL;
}

bool jnl_reserve_holds(const struct jnl_engine *e)
{
	return e->reservations && e->reservations->booked;
}

/* The image of b stays with its open reservations. */
static struct jnl_detached *set_aside(struct jnl_engine *e,
				      struct jnl_batch *b)
{
	struct jnl_detached *d = e->reservations->detached;

	while (d->image)
		d++;
	assert(d < e->reservations->detached + JNL_SPARES);
	assert(e->kept && b->open_first);
	d->image = b->image;
	e->kept--;
	for (struct jnl_reserved *r = b->open_first; r; r = r->next) {
		r->image = d;
		d->open++;
	}
	return d;
}

void jnl_reserve_detach(struct jnl_engine *e, struct jnl_batch *b)
{
	uint8_t *from = set_aside(e, b)->image;
	uint8_t *to = e->free_data[--e->free_data_n];
	uint32_t at = JNL_BATCH_HEADER, end = JNL_BATCH_HEADER + b->body_len;
	struct jnl_reserved *r;

	/* What lies between them, and never a byte of theirs: somebody may be
	 * writing there. */
	while ((r = b->open_first)) {
		leave(e, r);
		if (r->offset >= end)
			continue;
		assert(end_of(r) <= end);
		memcpy(to + at, from + at, r->offset - at);
		jnl_void_put(to + r->offset, end_of(r) - r->offset);
		at = end_of(r);
	}
	memcpy(to + at, from + at, end - at);
	b->image = to;
}

void jnl_reserve_evict(struct jnl_engine *e, struct jnl_batch *b)
{
	assert(!b->solid);
	(void)set_aside(e, b);
	while (b->open_first)
		leave(e, b->open_first);
	b->image = NULL;
	jnl_engine_drop(e);
}
