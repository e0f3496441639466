/*
 * journal/extents.c - where a segment's bytes lie, as far as FIEMAP tells.
 */
#include "config.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <string.h>

#include "journal/extents.h"

#define EXTENTS		32u
/* A file in more pieces than this is better made anew. */
#define LOOKS		64

union batch {
	struct fiemap map;
	uint8_t room[sizeof(struct fiemap) +
		     EXTENTS * sizeof(struct fiemap_extent)];
};

/* A walk over the extents of a file. */
struct walk {
	uint64_t at;		/* good up to here */
	uint64_t start;
	uint64_t bits;		/* of every place that limits the alignment */
	bool last;
};

/* Whether the extents go on as they should. */
static bool take(struct walk *w, const union batch *e)
{
	/* Anything else is shared, unwritten, encoded, inline or unknown. */
	uint32_t allowed = FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED;

	for (uint32_t i = 0; i < e->map.fm_mapped_extents; i++) {
		const struct fiemap_extent *x = &e->map.fm_extents[i];

		if (x->fe_flags & ~allowed || x->fe_logical > w->at ||
		    x->fe_length > UINT64_MAX - x->fe_logical ||
		    x->fe_logical + x->fe_length <= w->at)
			return false;
		w->at = x->fe_logical + x->fe_length;
		w->bits |= x->fe_logical;
		/* Modulo 2^64 is modulo any smaller power of two. */
		w->bits |= x->fe_physical + w->start - x->fe_logical;
		w->last = x->fe_flags & FIEMAP_EXTENT_LAST;
	}
	return e->map.fm_mapped_extents > 0;
}

int jnl_extents_look(const struct jnl_dir *dir, int fd, uint64_t size,
		     uint64_t start, struct jnl_extents *ret_extents)
{
	struct walk w = { .start = start };
	union batch e;
	int ret;

	for (int looks = 0; w.at < size && !w.last; looks++) {
		if (looks == LOOKS)
			return -EFBIG;
		memset(&e, 0, sizeof(e));
		e.map.fm_start = w.at;
		e.map.fm_length = size - w.at;
		e.map.fm_flags = FIEMAP_FLAG_SYNC;
		e.map.fm_extent_count = EXTENTS;
		ret = dir->sys->fiemap(dir->sys, fd, &e.map);
		if (ret < 0)
			return ret;
		if (e.map.fm_mapped_extents > EXTENTS || !take(&w, &e))
			return -EUCLEAN;
	}
	if (w.at < size)
		return -EUCLEAN;
	/* The lowest bit that is set; all of it if none is. */
	ret_extents->alignment = w.bits ? w.bits & -w.bits : 1ull << 63;
	return 0;
}
