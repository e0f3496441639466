/*
 * journal/reader.c - reading records in order.
 *
 * A reader recovers the journal first, so it knows where it ends, and then
 * walks the chain from the first batch of the segment that holds the wanted
 * LSN.  Every batch is judged whole (header, link, body, padding, records)
 * before a record of it is given out; below the end, whatever does not count
 * is damage, unless a writer has given it back since.
 *
 * Without a writer it reads through the page cache: recovery has read what may
 * differ from the medium past it, and the chain's sums tie both together.
 * Beside a writer it reads past the cache, as the writer writes.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/core.h"
#include "journal/error.h"
#include "journal/reader.h"

int jnl_reader_failed(journal_reader *r, int code)
{
	r->error_code = code;
	return code;
}

static int damaged(journal_reader *r, uint64_t lsn, const char *what)
{
	char file[JNL_SEGMENT_NAME_LEN];

	jnl_segment_name(file, lsn / r->view.segment_size);
	(void)jnl_error(&r->error, -EBADMSG, lsn, file,
			"%s/%s: the batch at %llu %s: restore the file from a "
			"copy", r->path, file, (unsigned long long)lsn, what);
	return jnl_reader_failed(r, -EBADMSG);
}

int jnl_reader_system_error(journal_reader *r, int code, uint64_t lsn)
{
	char file[JNL_SEGMENT_NAME_LEN];

	jnl_segment_name(file, lsn / r->view.segment_size);
	(void)jnl_error(&r->error, code, lsn, file, "%s/%s: %s", r->path, file,
			jnl_system_words(code));
	return jnl_reader_failed(r, code);
}

/* The batch at place; 1, or an error: below the end it has to be there. */
static int get_batch(journal_reader *r, uint64_t place,
		     struct jnl_batch_header *h, const uint8_t **p)
{
	int ret;

	ret = jnl_batch_at(&r->view, place, r->at.rec.seed,
			   r->linked ? &r->prev : NULL, h, p);
	if (ret == 1 && jnl_batch_end(h, r->view.block_size,
				      r->view.segment_size) > r->at.rec.end)
		ret = 0;
	return ret;
}

int jnl_reader_overtaken(journal_reader *r, uint64_t first)
{
	r->stale = true;
	(void)jnl_error(&r->error, -ERANGE, first, r->path,
			"%s: the writer has given back the records below LSN "
			"%llu before they were read: go on at that one",
			r->path, (unsigned long long)first);
	return jnl_reader_failed(r, -ERANGE);
}

/* What lay in [from, to) was lost before the journal was salvaged. */
static int lost(journal_reader *r, uint64_t from, uint64_t to)
{
	char file[JNL_SEGMENT_NAME_LEN];

	jnl_segment_name(file, from / r->view.segment_size);
	(void)jnl_error(&r->error, -ENODATA, to, file, "%s/%s: what lay from "
			"LSN %llu to %llu was lost before the journal was "
			"salvaged: go on at %llu", r->path, file,
			(unsigned long long)from, (unsigned long long)to,
			(unsigned long long)to);
	return jnl_reader_failed(r, -ENODATA);
}

/* Go to the next batch that has records.  1, 0 at the end, or an error. */
static int next_batch(journal_reader *r)
{
	const struct jnl_recovery *rec = &r->at.rec;
	uint64_t size = r->view.segment_size;
	uint32_t block = r->view.block_size;
	struct jnl_batch_header h;
	uint64_t place, first, hole = JOURNAL_LSN_NONE;
	const uint8_t *p;
	int ret, gone;

	while (r->pos < rec->end) {
		place = jnl_next_place(r->pos, size, block);
		ret = get_batch(r, place, &h, &p);
		if (ret != 1) {
			/* Once more, past the cache, before it is damage. */
			jnl_view_forget(&r->view);
			r->view.past_cache = true;
			ret = get_batch(r, place, &h, &p);
		}
		/* A writer that is at work now, or has been, may have given it
		 * back. */
		gone = ret == 1 ? 0 : jnl_given_back(r->sys, r->path, rec,
						     place, &first);
		if (gone == 1)
			return jnl_reader_overtaken(r, first);
		if (gone < 0)
			ret = gone;
		/* One hole after the other is told as one, before anything
		 * that comes behind it. */
		if (hole != JOURNAL_LSN_NONE &&
		    (ret != 1 || !(h.flags & JNL_BATCH_HOLE)))
			return lost(r, hole, r->pos);
		if (ret == -EBADMSG)
			return damaged(r, place, "makes no sense");
		if (ret < 0)
			return jnl_reader_system_error(r, ret, place);
		if (ret == 0)
			return damaged(r, place, "is gone or does not follow "
				       "the one before it");
		if (ret == 2)
			return damaged(r, place, "is damaged in its body");
		r->pos = jnl_batch_end(&h, block, size);
		r->prev = h.header_sum;
		r->linked = true;
		if (r->pos == rec->end && r->prev != rec->last_sum)
			return damaged(r, place, "is not the one that "
				       "recovery found");
		if (h.flags & JNL_BATCH_HOLE && r->pos > r->from &&
		    hole == JOURNAL_LSN_NONE)
			hole = place > r->from ? place : r->from;
		if (!jnl_batch_records(&h) || !h.count || r->pos <= r->from)
			continue;
		r->body = p + JNL_BATCH_HEADER;
		r->body_lsn = place + JNL_BATCH_HEADER;
		r->body_len = h.body_len;
		r->body_off = 0;
		r->alike = h.each != 0;
		return 1;
	}
	return hole == JOURNAL_LSN_NONE ? 0 : lost(r, hole, r->pos);
}

/*
 * The next record of the current batch.  The batch was judged, so what is left
 * where no record is found has none.
 */
static inline bool take_record(journal_reader *r,
			       struct journal_record *ret_record)
{
	const uint8_t *data;
	uint32_t len;

	if (!jnl_record_next(r->body, r->body_len, &r->body_off, &data, &len)) {
		assert(r->body_off == r->body_len);
		return false;
	}
	ret_record->lsn = r->body_lsn + jnl_record_offset(r->body, data);
	ret_record->data = data;
	ret_record->len = len;
	r->usual = len;
	r->usual_size = (uint32_t)jnl_record_size(len);
	return true;
}

/* Into the next batch, and to the first record that is wanted. */
static int next_record(journal_reader *r, struct journal_record *ret_record)
{
	struct journal_record rec;
	int ret;

	if (r->error_code)
		return r->error_code;
	do {
		while (r->body_off == r->body_len || !take_record(r, &rec)) {
			*r->ready = 0;
			ret = next_batch(r);
			if (ret != 1)
				return ret;
		}
	} while (rec.lsn < r->from);
	*r->ready = r->body_len;
	*ret_record = rec;
	return 1;
}

/* What the fast path does not know.  Apart, so that that one saves nothing. */
static __attribute__((noinline)) int
next_other(journal_reader *r, struct journal_record *ret_record)
{
	int ret, state;

	if (r->body_off < *r->ready && take_record(r, ret_record))
		return 1;
	if (!r->alive[0])
		return -EOWNERDEAD;
	state = jnl_cancel_off();
	ret = next_record(r, ret_record);
	jnl_cancel_restore(state);
	return ret;
}

int journal_reader_next(journal_reader *r, struct journal_record *ret_record)
{
	uint32_t off = r->body_off;

	/* As long as the one before, as records mostly are: where the next one
	 * begins does not wait for this one's length to come from memory.  And
	 * where all of a batch are, that was seen when it was judged. */
	if (off < *r->ready &&
	    (r->alike || jnl_get64(r->body + off) == r->usual)) {
		ret_record->lsn = r->body_lsn + off;
		ret_record->data = r->body + off + JNL_RECORD_WORD;
		ret_record->len = (uint32_t)r->usual;
		r->body_off = off + r->usual_size;
		return 1;
	}
	return next_other(r, ret_record);
}

/* take_many() where all records of the batch are alike: none is looked at. */
static int take_alike(journal_reader *r, struct journal_record *ret_records,
		      int n)
{
	uint32_t off = r->body_off, size = r->usual_size;
	uint32_t left = (*r->ready - off) / size;
	uint64_t len = r->usual, body_lsn = r->body_lsn;
	const uint8_t *body = r->body;
	int taken = left < (uint32_t)n ? (int)left : n;

	for (int i = 0; i < taken; i++) {
		ret_records[i].lsn = body_lsn + off;
		ret_records[i].data = body + off + JNL_RECORD_WORD;
		ret_records[i].len = len;
		off += size;
	}
	r->body_off = off;
	return taken;
}

/* What is at hand behind the record that was taken last: up to n of them. */
static int take_many(journal_reader *r, struct journal_record *ret_records,
		     int n)
{
	uint32_t off = r->body_off, ready = *r->ready, size = r->usual_size;
	uint64_t usual = r->usual, body_lsn = r->body_lsn;
	const uint8_t *body = r->body;
	int taken = 0;

	if (r->alike)
		return take_alike(r, ret_records, n);
	while (taken < n && off < ready) {
		struct journal_record *rec = &ret_records[taken];

		if (jnl_get64(body + off) == usual) {
			rec->lsn = body_lsn + off;
			rec->data = body + off + JNL_RECORD_WORD;
			rec->len = (uint32_t)usual;
			off += size;
		} else {
			r->body_off = off;
			if (!take_record(r, rec))
				return taken;
			off = r->body_off;
			size = r->usual_size;
			usual = r->usual;
		}
		taken++;
	}
	r->body_off = off;
	return taken;
}

int journal_reader_next_many(journal_reader *r,
			     struct journal_record *ret_records, int n)
{
	int ret;

	if (n < 1)
		return -EINVAL;
	ret = journal_reader_next(r, ret_records);
	return ret == 1 ? 1 + take_many(r, ret_records + 1, n - 1) : ret;
}

int jnl_reader_attach(journal_reader *r)
{
	int ret;

	jnl_tail_forget(r);
	jnl_view_fini(&r->view);
	jnl_detach(&r->at);
	ret = jnl_attach(r->sys, r->path, &r->at, &r->error);
	if (ret < 0)
		return jnl_reader_failed(r, ret);
	r->stale = false;
	jnl_view_init(&r->view, r->at.sys, r->at.dirfd, r->at.live);
	r->view.segment_size = r->at.rec.geometry.segment_size;
	r->view.block_size = r->at.rec.geometry.block_size;
	r->view.limit = r->at.rec.end;
	return 0;
}

static int out_of_range(journal_reader *r, uint64_t lsn)
{
	uint64_t first = r->at.rec.first, end = r->at.rec.end;

	(void)jnl_error(&r->error, -ERANGE, lsn < first ? first : end, r->path,
			"%s: LSN %llu is outside the journal, which has %llu "
			"to %llu", r->path, (unsigned long long)lsn,
			(unsigned long long)first, (unsigned long long)end);
	return jnl_reader_failed(r, -ERANGE);
}

static int seek(journal_reader *r, uint64_t lsn)
{
	struct jnl_recovery *rec = &r->at.rec;
	bool past_hole = r->error_code == -ENODATA && lsn == r->pos;
	uint64_t size, segment, at;
	int ret;

	r->error_code = 0;
	r->body_off = r->body_len = *r->ready = 0;
	/* Beside a writer the end has moved on since. */
	if (r->at.live || r->stale || r->at.dirfd < 0) {
		ret = jnl_reader_attach(r);
		if (ret < 0)
			return ret;
		past_hole = false;
	}
	if (!lsn)
		lsn = rec->first;
	/* What was read when there was no writer need not be below the next
	 * writer's first watermark. */
	if (lsn < rec->first || (lsn > rec->end &&
				 !(r->at.live && jnl_tail_reaches(r, lsn))))
		return out_of_range(r, lsn);
	size = r->view.segment_size;
	r->from = lsn;
	/* Where it stands: what comes behind a hole still has to follow it. */
	if (past_hole)
		return 0;
	at = lsn < rec->end ? lsn : rec->end;
	/* The end of a full segment belongs to it as far as walking goes. */
	segment = (at == rec->end && at ? at - 1 : at) / size;
	r->pos = segment * size;
	r->linked = !segment;
	r->prev = 0;
	/* Everything has been given back, and the files with it. */
	if (rec->first == rec->end) {
		r->pos = rec->end;
		r->prev = rec->last_sum;
		r->linked = rec->last_sum || !rec->end;
	}
	return 0;
}

int journal_reader_seek(journal_reader *r, uint64_t lsn)
{
	int ret, state;

	if (!r->alive[0])
		return -EOWNERDEAD;
	state = jnl_cancel_off();
	ret = seek(r, lsn);
	jnl_cancel_restore(state);
	return ret;
}

int jnl_reader_open(journal_reader **ret_r, const char *path, uint64_t lsn,
		    struct journal_error *error, const struct jnl_env *env)
{
	journal_reader *r = calloc(1, sizeof(*r));
	int ret = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->sys = env->sys ? env->sys : jnl_sys_linux();
	r->at.dirfd = r->at.lock_fd = -1;
	r->usual = UINT64_MAX;
	jnl_view_init(&r->view, r->sys, -1, false);
	r->path = strdup(path);
	r->alive = jnl_alive_new();
	if (r->alive)
		r->ready = (uint32_t *)(void *)(r->alive + sizeof(*r->ready));
	if (r->path && r->alive)
		ret = journal_reader_seek(r, lsn);
	if (ret < 0) {
		if (error && r->error.code)
			*error = r->error;
		journal_reader_close(r);
		return ret;
	}
	*ret_r = r;
	return 0;
}

int journal_reader_open(journal_reader **ret_r, const char *path, uint64_t lsn,
			struct journal_error *error)
{
	static const struct jnl_env real;

	return jnl_reader_open(ret_r, path, lsn, error, &real);
}

const struct journal_error *journal_reader_error(const journal_reader *r)
{
	return &r->error;
}

void journal_reader_close(journal_reader *r)
{
	int state;

	if (!r)
		return;
	state = jnl_cancel_off();
	/* In a child of fork the window is not mapped. */
	if (!r->alive || !r->alive[0])
		r->view.window = NULL;
	jnl_view_fini(&r->view);
	jnl_many_free(r, r->alive && r->alive[0]);
	jnl_tail_free(r);
	if (r->at.dirfd >= 0)
		jnl_detach(&r->at);
	jnl_cancel_restore(state);
	jnl_alive_free(r->alive);
	free(r->path);
	free(r);
}
