/*
 * journal/recover.c - finding the end of a journal, and telling it from damage.
 *
 * The steps are those of doc/design.md, "Opening", in their order; each was
 * found necessary by the model in tests/model.  In short: the newest valid
 * headers say how far the journal was durable (the watermark); the chain of
 * batches is walked from the segment that holds the byte below it; where the
 * chain ends is the tail, unless some header further on says that more was
 * durable: then it is damage.
 *
 * Every loop is bounded by the sizes of files that are there; every length on
 * disk is checked against its segment before it is used.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/recover.h"

/* Bodies that turn out not to be whole are summed up to so many times the
 * length of their segment: a hostile file would have us look at the rest of it
 * for each block.  Where a crash has left them they do not overlap. */
#define WASTE_MAX 4u

/* What scanning a whole segment found. */
struct scan {
	uint64_t number;
	uint64_t used;		/* offset behind the last block that is not zero */
	uint64_t durable;	/* largest among valid headers in place */
	bool header;		/* there is one in place */
};

struct recovery {
	struct jnl_view *view;
	const struct jnl_names *names;
	enum jnl_recover_mode mode;
	struct jnl_recovery *rec;
	struct jnl_damage *damage;
	uint64_t wasted;	/* bytes of such bodies, in this segment */
	/* Segments from the newest down that were scanned, newest first. */
	struct scan *scans;
	size_t nscans;
};

static int damaged(struct recovery *r, int code, enum journal_finding finding,
		   uint64_t lsn, uint64_t segment, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

static int damaged(struct recovery *r, int code, enum journal_finding finding,
		   uint64_t lsn, uint64_t segment, const char *format, ...)
{
	struct jnl_damage *d = r->damage;
	va_list ap;

	d->finding = finding;
	d->lsn = lsn;
	d->bytes = finding == JOURNAL_BAD_BATCH ? r->view->block_size :
						  r->view->segment_size;
	jnl_segment_name(d->file, segment);
	va_start(ap, format);
	(void)vsnprintf(d->message, sizeof(d->message), format, ap);
	va_end(ap);
	return code;
}

/* ------------------------------------------------------------------------ */

int jnl_batch_at(struct jnl_view *view, uint64_t lsn, uint64_t seed,
		 const uint64_t *prev, struct jnl_batch_header *ret_h,
		 const uint8_t **ret_p)
{
	struct jnl_batch_header h;
	const uint8_t *p;
	int ret;

	ret = jnl_view_at(view, lsn, view->block_size, &p);
	if (ret < 0)
		return ret;
	if (!jnl_batch_decode(p, seed, &h) || h.lsn != lsn ||
	    (prev && h.prev_sum != *prev))
		return 0;
	if (!jnl_batch_sane(&h, view->block_size, view->segment_size))
		return -EBADMSG;
	ret = jnl_view_at(view, lsn, jnl_batch_size(&h, view->block_size), &p);
	if (ret < 0)
		return ret;
	*ret_h = h;
	*ret_p = p;
	if (!jnl_batch_body_good(p, &h, view->block_size, seed))
		return 2;
	if (jnl_batch_records(&h) &&
	    !jnl_records_good(p + JNL_BATCH_HEADER, h.body_len, h.count,
			      &ret_h->each))
		return -EBADMSG;
	return 1;
}

/* ------------------------------------------------------------------------ */

static int bad_header(struct recovery *r, uint64_t number, int err)
{
	uint64_t size = r->rec->geometry.segment_size;
	uint64_t lsn = size ? number * size : 0;

	if (err == -EPROTONOSUPPORT)
		return damaged(r, err, JOURNAL_BAD_SEGMENT, lsn, number,
			       "written by a newer version of the library: "
			       "open it with that version");
	if (err == -EBADMSG)
		return damaged(r, err, JOURNAL_BAD_SEGMENT, lsn, number,
			       "the segment's header or size is damaged: "
			       "restore the file from a copy");
	return err;
}

/*
 * Why the run of good segments ends above number, when it may not: the file
 * is missing, foreign or damaged.
 */
static int why_not(struct recovery *r, uint64_t number)
{
	const struct jnl_segment_header *g = &r->rec->geometry;
	uint64_t lsn = number * g->segment_size;
	struct jnl_segment_header h;
	int ret;

	ret = jnl_view_header(r->view, number, &h);
	if (ret == -ENOENT)
		return damaged(r, -ENODATA, JOURNAL_MISSING, lsn, number,
			       "the segment file is missing: restore it from "
			       "a copy");
	/* This journal's, and of another shape. */
	if (!ret && !memcmp(h.uuid, g->uuid, JNL_UUID_LEN))
		ret = -EBADMSG;
	if (ret < 0)
		return bad_header(r, number, ret);
	return damaged(r, -EXDEV, JOURNAL_FOREIGN, lsn, number,
		       "the segment belongs to another journal: move it away "
		       "and put the right file in its place");
}

/* Step 3: the newest segment b, and the run a..b of good headers below it. */
static int find_run(struct recovery *r)
{
	struct jnl_recovery *rec = r->rec;
	struct jnl_segment_header h;
	int ret;

	rec->newest = r->names->number[r->names->count - 1];
	ret = jnl_view_header(r->view, rec->newest, &h);
	if (ret < 0)
		return bad_header(r, rec->newest, ret);
	rec->geometry = h;
	rec->seed = jnl_seed(h.uuid);
	r->view->segment_size = h.segment_size;
	r->view->block_size = h.block_size;
	rec->oldest = rec->newest;
	while (rec->oldest && jnl_names_have(r->names, rec->oldest - 1)) {
		ret = jnl_view_header(r->view, rec->oldest - 1, &h);
		/* What lies below the trim is not judged; whether this does
		 * is known later.  Beside a writer it may have gone since. */
		if (ret == -EBADMSG || ret == -EPROTONOSUPPORT ||
		    ret == -EIO || ret == -ENOENT)
			break;
		if (ret < 0)
			return ret;
		if (memcmp(h.uuid, rec->geometry.uuid, JNL_UUID_LEN) ||
		    h.segment_size != rec->geometry.segment_size ||
		    h.block_size != rec->geometry.block_size)
			break;
		rec->oldest--;
	}
	return 0;
}

/* What lies at a block boundary. */
struct place {
	bool zero;
	bool header;		/* a header with a good checksum */
	bool in_place;		/* and it belongs here */
	struct jnl_batch_header h;
	uint64_t len;		/* bytes that need no look of their own */
};

/*
 * Look at the block at lsn.  A batch that is whole is passed over as a whole:
 * its body is the application's, and what looks like a header in it is not
 * one.  So is one that was whole under the file's former number; but see
 * WASTE_MAX.
 */
static int look_at(struct recovery *r, uint64_t lsn, struct place *ret)
{
	uint32_t block = r->rec->geometry.block_size;
	uint64_t size = r->rec->geometry.segment_size, len;
	const uint8_t *p;
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->len = block;
	err = jnl_view_at(r->view, lsn, block, &p);
	if (err < 0)
		return err;
	ret->zero = jnl_is_zero(p, block);
	ret->header = !ret->zero &&
		      jnl_batch_decode(p, r->rec->seed, &ret->h);
	if (!ret->header || ret->h.lsn > lsn || (lsn - ret->h.lsn) % size ||
	    !jnl_batch_sane(&ret->h, block, size))
		return 0;
	ret->in_place = ret->h.lsn == lsn;
	if (r->wasted >= WASTE_MAX * size)
		return 0;
	len = jnl_batch_size(&ret->h, block);
	err = jnl_view_at(r->view, lsn, len, &p);
	if (err < 0)
		return err;
	if (jnl_batch_body_good(p, &ret->h, block, r->rec->seed))
		ret->len = len;
	else
		r->wasted += len;
	return 0;
}

/* Every place of a segment: its headers, and how far it is not zero. */
static int scan_segment(struct recovery *r, struct scan *s)
{
	uint64_t size = r->rec->geometry.segment_size;
	struct place place;
	int ret;

	r->wasted = 0;
	for (uint64_t offset = r->rec->geometry.block_size; offset < size;
	     offset += place.len) {
		ret = look_at(r, s->number * size + offset, &place);
		if (ret < 0)
			return ret;
		if (place.zero)
			continue;
		s->used = offset + place.len;
		if (!place.in_place)
			continue;
		s->header = true;
		if (place.h.durable > s->durable)
			s->durable = place.h.durable;
	}
	return 0;
}

/*
 * Step 2: from here on what is read will stay.  A reader on a file system that
 * is mounted read-only has nothing to sync, and some say so with an error.
 */
static int sync_segment(struct recovery *r, uint64_t n)
{
	int ret = jnl_view_sync(r->view, n);

	if (r->mode == JNL_RECOVER_SHARED && (ret == -EROFS || ret == -EINVAL))
		return 0;
	return ret;
}

/*
 * Step 4, and step 2 for what it reads: downwards from the newest segment to
 * the first with a valid header in place.  1 if there is one, else 0.
 */
static int find_watermark(struct recovery *r)
{
	struct jnl_recovery *rec = r->rec;
	struct scan *grown;
	int ret;

	for (uint64_t n = rec->newest + 1; n-- > rec->oldest;) {
		grown = realloc(r->scans, (r->nscans + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		r->scans = grown;
		memset(&grown[r->nscans], 0, sizeof(*grown));
		grown[r->nscans].number = n;
		ret = r->mode == JNL_RECOVER_LIVE ? 0 : sync_segment(r, n);
		if (ret < 0)
			return ret;
		ret = scan_segment(r, &grown[r->nscans]);
		if (ret < 0)
			return ret;
		if (grown[r->nscans++].header) {
			rec->watermark = grown[r->nscans - 1].durable;
			return 1;
		}
	}
	return 0;
}

/* Step 5: where the walk begins. */
static uint64_t walk_start(const struct jnl_recovery *rec)
{
	uint64_t n = rec->oldest;

	if (rec->watermark)
		n = (rec->watermark - 1) / rec->geometry.segment_size;
	if (n < rec->oldest)
		n = rec->oldest;
	if (n > rec->newest)
		n = rec->newest;
	return n;
}

/* What a batch that links and is not whole means. */
static int judge_batch(struct recovery *r, uint64_t place, int verdict,
		       const struct jnl_batch_header *h)
{
	uint64_t segment = place / r->rec->geometry.segment_size;

	if (verdict == 2 && h->flags & JNL_BATCH_UNTORN)
		return damaged(r, -EBADMSG, JOURNAL_BAD_BATCH, place, segment,
			       "a batch that the drive promised to write whole "
			       "or not at all is torn");
	if (verdict == -EBADMSG)
		return damaged(r, verdict, JOURNAL_BAD_BATCH, place, segment,
			       "a batch with a good checksum makes no sense: "
			       "it was not written by libjournal");
	return verdict < 0 ? verdict : 0;
}

/*
 * Follow the chain from segment start on, until it ends or has reached limit.
 * *ret_marked is the largest watermark on the way.
 */
static int follow(struct recovery *r, uint64_t start, uint64_t limit,
		  uint64_t *ret_marked)
{
	struct jnl_recovery *rec = r->rec;
	uint64_t size = rec->geometry.segment_size, place, prev = 0;
	uint32_t block = rec->geometry.block_size;
	struct jnl_batch_header h;
	bool anchored = !start;
	const uint8_t *p;
	int ret;

	rec->end = start * size;
	rec->last_sum = rec->last_durable = rec->trim = 0;
	*ret_marked = 0;
	while (rec->end < limit) {
		place = jnl_next_place(rec->end, size, block);
		if (place / size > rec->newest)
			break;
		ret = jnl_batch_at(r->view, place, rec->seed,
				   anchored ? &prev : NULL, &h, &p);
		if (ret != 1)
			return judge_batch(r, place, ret, &h);
		anchored = true;
		prev = rec->last_sum = h.header_sum;
		rec->last_durable = h.durable;
		rec->trim = h.trim;
		rec->end = jnl_batch_end(&h, block, size);
		if (h.durable > *ret_marked)
			*ret_marked = h.durable;
	}
	return 0;
}

/*
 * Beside a writer: the batches that link say how far it is, up to date even
 * where an older life has left headers further on.  What lies at the end of
 * the chain may be half written just now, and is not judged.
 */
static int follow_live(struct recovery *r, uint64_t start, bool *ret_anchored)
{
	struct jnl_recovery *rec = r->rec;
	uint64_t marked, trim;
	int ret;

	ret = follow(r, start, UINT64_MAX, &marked);
	if (ret < 0 && ret != -EBADMSG)
		return ret;
	r->damage->finding = JOURNAL_SOUND;
	if (marked > rec->watermark)
		rec->watermark = marked;
	/* Segments may go as soon as a batch that gives them back is durable,
	 * before a later one says that it is. */
	trim = rec->trim;
	/* Nothing may be left to follow now: all below it was given back. */
	*ret_anchored = rec->last_sum;
	ret = follow(r, start, rec->watermark, &marked);
	if (trim > rec->trim)
		rec->trim = trim;
	return ret;
}

/* Steps 5 to 7: the chain, from its anchor to its end. */
static int walk(struct recovery *r)
{
	struct jnl_recovery *rec = r->rec;
	uint64_t start = walk_start(rec), marked;
	bool anchored = false;
	int ret;

	/* Step 2 for what was not scanned. */
	for (uint64_t n = start; r->mode != JNL_RECOVER_LIVE &&
	     n < r->scans[r->nscans - 1].number; n++) {
		ret = sync_segment(r, n);
		if (ret < 0)
			return ret;
	}
	if (r->mode == JNL_RECOVER_LIVE)
		ret = follow_live(r, start, &anchored);
	else
		ret = follow(r, start, UINT64_MAX, &marked);
	if (ret < 0)
		return ret;
	if (!anchored && !rec->last_sum && start)
		return damaged(r, -EBADMSG, JOURNAL_LOST,
			       start * rec->geometry.segment_size +
			       rec->geometry.block_size, start,
			       "the first batch of the segment, which was "
			       "durable, is damaged or gone: restore the file "
			       "from a copy");
	return 0;
}

/* How far segment n has blocks that are not zero, as far as is known. */
static uint64_t used_of(const struct recovery *r, uint64_t n)
{
	for (size_t i = 0; i < r->nscans; i++) {
		if (r->scans[i].number == n)
			return r->scans[i].used;
	}
	return r->rec->geometry.segment_size;
}

/*
 * Whether what lies at a place behind the end is to be reported.  Once a whole
 * segment has been given back a file may be used again, and behind the end
 * lies what it held before: then only a header that belongs there tells of a
 * write to this segment.
 */
static bool is_remains(const struct recovery *r, const struct place *place)
{
	return place->in_place || r->rec->trim < r->rec->geometry.segment_size;
}

/*
 * Step 8: whatever lies at or behind the end.  A header that says more was
 * durable than the chain reaches makes the end damage.
 */
static int judge_tail(struct recovery *r)
{
	struct jnl_recovery *rec = r->rec;
	uint64_t size = rec->geometry.segment_size;
	uint32_t block = rec->geometry.block_size;
	uint64_t durable = 0, says = 0, offset;
	struct place place;
	int ret;

	for (uint64_t n = rec->end / size; n <= rec->newest; n++) {
		offset = n == rec->end / size ? rec->end % size : 0;
		if (!offset)
			offset = block;
		r->wasted = 0;
		for (; offset < used_of(r, n); offset += place.len) {
			ret = look_at(r, n * size + offset, &place);
			if (ret < 0)
				return ret;
			if (place.zero)
				continue;
			if (is_remains(r, &place)) {
				rec->tail_bytes += place.len;
				rec->tail_batches += place.header;
			}
			if (!place.header)
				continue;
			/* Wherever its lsn points: a batch that went to the
			 * wrong place still says what was durable. */
			if (place.h.durable > durable) {
				durable = place.h.durable;
				says = n * size + offset;
			}
		}
	}
	if (durable <= rec->end)
		return 0;
	(void)damaged(r, -EBADMSG, JOURNAL_LOST, rec->end, rec->end / size,
		      "the batch at %llu is damaged or gone, and the one at "
		      "%llu says that everything below %llu was durable: "
		      "restore the file from a copy",
		      (unsigned long long)jnl_next_place(rec->end, size, block),
		      (unsigned long long)says, (unsigned long long)durable);
	r->damage->bytes = durable - rec->end;
	return -EBADMSG;
}

/* Beside a writer: the watermark has to be reached, and nothing is behind. */
static int judge_live(struct recovery *r)
{
	struct jnl_recovery *rec = r->rec;
	uint64_t size = rec->geometry.segment_size;

	if (rec->end >= rec->watermark)
		return 0;
	(void)damaged(r, -EBADMSG, JOURNAL_LOST, rec->end, rec->end / size,
		      "the batch at %llu is damaged or gone, and everything "
		      "below %llu was durable: restore the file from a copy",
		      (unsigned long long)jnl_next_place(rec->end, size,
						rec->geometry.block_size),
		      (unsigned long long)rec->watermark);
	r->damage->bytes = rec->watermark - rec->end;
	return -EBADMSG;
}

/* Step 9: everything from the trim on has to be there. */
static int judge_beginning(struct recovery *r)
{
	struct jnl_recovery *rec = r->rec;
	uint64_t start = rec->oldest * rec->geometry.segment_size;

	rec->first = rec->trim > start ? rec->trim : start;
	if (rec->oldest && rec->trim < start)
		return why_not(r, rec->oldest - 1);
	return 0;
}

static int recover(struct recovery *r)
{
	struct jnl_recovery *rec = r->rec;
	int ret;

	ret = find_run(r);
	if (ret < 0)
		return ret;
	ret = find_watermark(r);
	if (ret < 0)
		return ret;
	/* No batch, and the journal does not begin here: why does the run? */
	if (!ret && rec->oldest)
		return why_not(r, rec->oldest - 1);
	ret = walk(r);
	if (ret < 0)
		return ret;
	ret = r->mode == JNL_RECOVER_LIVE ? judge_live(r) : judge_tail(r);
	if (ret < 0)
		return ret;
	return judge_beginning(r);
}

int jnl_recover(struct jnl_view *view, const struct jnl_names *names,
		enum jnl_recover_mode mode,
		struct jnl_recovery *ret_rec, struct jnl_damage *ret_damage)
{
	struct recovery r = {
		.view = view,
		.names = names,
		.mode = mode,
		.rec = ret_rec,
		.damage = ret_damage,
	};
	int ret;

	assert(names->count);
	memset(ret_rec, 0, sizeof(*ret_rec));
	memset(ret_damage, 0, sizeof(*ret_damage));
	ret_damage->lsn = JOURNAL_LSN_NONE;
	ret_damage->segments = names->count;
	ret = recover(&r);
	free(r.scans);
	return ret;
}
