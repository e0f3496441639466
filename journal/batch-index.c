/*
 * journal/batch-index.c - which batch holds a position.
 *
 * See journal/batch-index.h for the invariants.  A failure leaves what was
 * walked so far, and the next question goes on there.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/batch-index.h"

/* A walk over the headers of one segment: at the next one. */
struct walk {
	uint64_t place;
	uint64_t prev;
	bool linked;		/* prev is known */
};

struct jnl_index_segment {
	uint64_t number;
	uint64_t asked;		/* when, by the index's clock */
	struct walk end;	/* behind what is known */
	uint64_t batches;	/* how many there are before it */
	uint64_t stride;	/* every how many of them have an entry */
	struct jnl_batch_place *entry;
	uint32_t count, room;
};

static void drop(struct jnl_index *x, uint32_t i)
{
	struct jnl_index_segment *s = x->segment[i];

	x->entries -= s->count;
	x->segment[i] = x->segment[--x->count];
	free(s->entry);
	free(s);
}

void jnl_index_init(struct jnl_index *x, uint32_t segment_max,
		    uint32_t total_max)
{
	assert(segment_max && !(segment_max % 2));
	memset(x, 0, sizeof(*x));
	x->segment_max = segment_max;
	x->total_max = total_max;
}

void jnl_index_fini(struct jnl_index *x)
{
	while (x->count)
		drop(x, 0);
	free(x->segment);
	x->segment = NULL;
	x->room = 0;
}

void jnl_index_forget(struct jnl_index *x, uint64_t number)
{
	for (uint32_t i = 0; i < x->count; i++) {
		if (x->segment[i]->number == number) {
			drop(x, i);
			return;
		}
	}
}

/* Forget other segments than s until there is room for one entry more. */
static void make_room(struct jnl_index *x, const struct jnl_index_segment *s)
{
	while (x->entries >= x->total_max && x->count > 1) {
		uint32_t oldest = x->segment[0] == s;

		for (uint32_t i = 0; i < x->count; i++) {
			if (x->segment[i] != s && x->segment[i]->asked <
						  x->segment[oldest]->asked)
				oldest = i;
		}
		drop(x, oldest);
	}
}

static struct jnl_index_segment *get(struct jnl_index *x, uint64_t number,
				     const struct jnl_view *view)
{
	struct jnl_index_segment *s, **grown;
	uint32_t room;

	for (uint32_t i = 0; i < x->count; i++) {
		if (x->segment[i]->number == number)
			return x->segment[i];
	}
	if (x->count == x->room) {
		room = x->room ? 2 * x->room : 16;
		grown = realloc(x->segment, room * sizeof(struct
							  jnl_index_segment *));
		if (!grown)
			return NULL;
		x->segment = grown;
		x->room = room;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->number = number;
	s->stride = 1;
	s->end.place = number * view->segment_size + view->block_size;
	/* What links to the segment before is not known. */
	s->end.linked = !number;
	x->segment[x->count++] = s;
	return s;
}

/* The header where the walk is; on to the next one.  0, or as in find(). */
static int step(struct jnl_view *view, const struct jnl_recovery *rec,
		struct walk *w, struct jnl_batch_place *ret_place)
{
	struct jnl_batch_header h;
	const uint8_t *p;
	uint64_t end;
	int ret;

	ret = jnl_view_at(view, w->place, view->block_size, &p);
	if (ret < 0)
		return ret;
	if (!jnl_batch_decode(p, rec->seed, &h) || h.lsn != w->place ||
	    (w->linked && h.prev_sum != w->prev) ||
	    !jnl_batch_sane(&h, view->block_size, view->segment_size))
		return -EBADMSG;
	end = jnl_batch_end(&h, view->block_size, view->segment_size);
	if (end > rec->end ||
	    (end == rec->end && h.header_sum != rec->last_sum))
		return -EBADMSG;
	ret_place->lsn = h.lsn;
	ret_place->sum = h.header_sum;
	ret_place->hole = h.flags & JNL_BATCH_HOLE;
	ret_place->skip = h.flags & JNL_BATCH_SKIP;
	ret_place->size = ret_place->hole ? end - h.lsn :
			  jnl_batch_size(&h, view->block_size);
	w->place = end;
	w->prev = h.header_sum;
	w->linked = true;
	return 0;
}

static int append(struct jnl_index *x, struct jnl_index_segment *s,
		  const struct jnl_batch_place *place)
{
	struct jnl_batch_place *grown;
	uint32_t room, n;

	if (s->count == x->segment_max) {
		for (n = 0; 2 * n < s->count; n++)
			s->entry[n] = s->entry[2 * n];
		x->entries -= s->count - n;
		s->count = n;
		s->stride *= 2;
	}
	if (s->batches++ % s->stride)
		return 0;
	make_room(x, s);
	if (s->count == s->room) {
		room = s->room ? 2 * s->room : 64;
		grown = realloc(s->entry, room * sizeof(*s->entry));
		if (!grown)
			return -ENOMEM;
		s->entry = grown;
		s->room = room;
	}
	s->entry[s->count++] = *place;
	x->entries++;
	return 0;
}

/* The last entry at or below lsn: there is one. */
static const struct jnl_batch_place *
entry_below(const struct jnl_index_segment *s, uint64_t lsn)
{
	uint32_t low = 0, high = s->count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (s->entry[mid].lsn <= lsn)
			low = mid;
		else
			high = mid;
	}
	return &s->entry[low];
}

static bool holds(const struct jnl_batch_place *place, uint64_t lsn)
{
	return lsn >= place->lsn && lsn - place->lsn < place->size;
}

/* In the part that is known. */
static int find_known(const struct jnl_index_segment *s, struct jnl_view *view,
		      const struct jnl_recovery *rec, uint64_t lsn,
		      struct jnl_batch_place *ret_place)
{
	struct walk w;
	int ret;

	if (!s->count || lsn < s->entry[0].lsn)
		return -EINVAL;
	*ret_place = *entry_below(s, lsn);
	w.place = ret_place->lsn + ret_place->size;
	w.prev = ret_place->sum;
	w.linked = true;
	while (!holds(ret_place, lsn)) {
		if (s->stride == 1 || ret_place->skip || w.place > lsn)
			return -EINVAL;
		ret = step(view, rec, &w, ret_place);
		if (ret < 0)
			return ret;
	}
	return ret_place->hole ? -ENODATA : 0;
}

int jnl_index_find(struct jnl_index *x, struct jnl_view *view,
		   const struct jnl_recovery *rec, uint64_t lsn,
		   struct jnl_batch_place *ret_place)
{
	struct jnl_batch_place place;
	struct jnl_index_segment *s;
	struct walk w;
	int ret;

	assert(lsn < rec->end);
	s = get(x, lsn / view->segment_size, view);
	if (!s)
		return -ENOMEM;
	s->asked = ++x->clock;
	while (s->end.place <= lsn) {
		w = s->end;
		ret = step(view, rec, &w, &place);
		if (ret < 0)
			return ret;
		ret = append(x, s, &place);
		if (ret < 0) {
			/* An entry is missing: begin anew another time. */
			jnl_index_forget(x, s->number);
			return ret;
		}
		s->end = w;
	}
	return find_known(s, view, rec, lsn, ret_place);
}
