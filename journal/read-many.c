/*
 * journal/read-many.c - journal_read_many(): records from anywhere, at once.
 *
 * A record is judged by the batch it lies in, so whole batches are read: the
 * index (journal/batch-index.h) says where they begin, one submission to a ring
 * of the reader's own fetches as many as there is room for, and each is judged
 * as recovery would before a byte of it is given out.  Records of one batch
 * share it.  Without a ring, or where it failed, the batches are read one
 * after the other, and what does not count is read once more past the cache
 * before it is damage, as journal_reader_next() does.
 *
 * Invariants
 *   - Where the reader stands, and what it has given out, is left alone: all of
 *     this has its own view of the journal.
 *   - Nothing is in flight between two calls.
 *   - The ring belongs to the thread that made it; another one makes its own.
 *
 * How it fails: record by record, in err.  A lost ring keeps its memory, which
 * the kernel may still write to, for as long as the process lives.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "journal/batch-index.h"
#include "journal/raw.h"
#include "journal/reader.h"
#include "lib/file.h"
#include "lib/ring.h"

/* In flight at most, in batches and in bytes (but for a larger batch). */
#define JOBS		64
#define MEMORY		(8u << 20)
/* 2 MiB for a segment of 256 MiB in batches of one block; 16 MiB in all. */
#define INDEX_SEGMENT	65536u
#define INDEX_TOTAL	524288u
/* Headers are near each other or far apart: so much is read for one. */
#define HEADS		(64u * 1024)

/* Nobody has answered yet. */
#define UNANSWERED	(-EINPROGRESS)

struct jnl_many {
	struct jnl_sys *sys;
	const char *path;
	struct jnl_attached at;
	bool stale;			/* records were given back since */
	struct jnl_view head, body;
	struct jnl_index index;

	struct jnl_ring *ring;
	pthread_t owner;
	bool no_ring;
	uint64_t generation;
	uint8_t *memory;
	size_t memory_len;

	/* In this call: behind bad_lsn in its segment nothing is found. */
	uint64_t bad_lsn;
	int bad;
};

/* A batch, and the records of it that are wanted. */
struct job {
	struct jnl_batch_place place;
	size_t first, last;		/* in the order of LSNs */
	uint8_t *p;
	int fd;
	bool fetched;
};

static uint64_t segment_of(const struct jnl_many *m, uint64_t lsn)
{
	return lsn / m->at.rec.geometry.segment_size;
}

/* Why what should be at lsn is not: given back since, or as it seems. */
static int explain(struct jnl_many *m, uint64_t lsn, int err)
{
	uint64_t first;
	int gone;

	jnl_index_forget(&m->index, segment_of(m, lsn));
	if (err == -ENOMEM || err == -EMFILE || err == -ENFILE)
		return err;
	gone = jnl_given_back(m->sys, m->path, &m->at.rec, lsn, &first);
	if (gone != 1)
		return gone < 0 ? gone : err;
	m->stale = true;
	return -ERANGE;
}

/* Read anew, past the cache, if again; else as the journal is to be read. */
static void look_again(struct jnl_many *m, struct jnl_view *v, bool again)
{
	jnl_view_forget(v);
	v->past_cache = again || m->at.live;
}

/* ------------------------------------------------------------------------
 * The batch of an LSN
 */

/* Whether that is no answer. */
static bool failed(int ret)
{
	return ret < 0 && ret != -EINVAL && ret != -ENODATA;
}

static int locate(struct jnl_many *m, uint64_t lsn,
		  struct jnl_batch_place *ret_place)
{
	int ret;

	if (lsn < m->at.rec.first || lsn >= m->at.rec.end)
		return -ERANGE;
	if (m->bad && lsn >= m->bad_lsn &&
	    segment_of(m, lsn) == segment_of(m, m->bad_lsn))
		return m->bad;
	ret = jnl_index_find(&m->index, &m->head, &m->at.rec, lsn, ret_place);
	if (failed(ret)) {
		look_again(m, &m->head, true);
		ret = jnl_index_find(&m->index, &m->head, &m->at.rec, lsn,
				     ret_place);
		look_again(m, &m->head, false);
	}
	if (failed(ret)) {
		ret = explain(m, lsn, ret);
		m->bad = ret;
		m->bad_lsn = lsn;
	}
	return ret;
}

/* ------------------------------------------------------------------------
 * Reading and judging a batch
 */

static bool good(const struct jnl_many *m, const struct job *job,
		 const uint8_t *p, struct jnl_batch_header *ret_h)
{
	const struct jnl_segment_header *g = &m->at.rec.geometry;
	struct jnl_batch_header *h = ret_h;

	return jnl_batch_decode(p, m->at.rec.seed, h) &&
	       h->lsn == job->place.lsn && h->header_sum == job->place.sum &&
	       jnl_batch_sane(h, g->block_size, g->segment_size) &&
	       jnl_batch_size(h, g->block_size) == job->place.size &&
	       jnl_batch_body_good(p, h, g->block_size, m->at.rec.seed) &&
	       (!jnl_batch_records(h) ||
		jnl_records_good(p + JNL_BATCH_HEADER, h->body_len, h->count,
				 &h->each));
}

/* By plain reads; twice before it is believed. */
static int fetch(struct jnl_many *m, const struct job *job,
		 struct jnl_batch_header *ret_h, const uint8_t **ret_p)
{
	int ret = 0;

	for (int again = 0; again < 2; again++) {
		if (again)
			look_again(m, &m->body, true);
		ret = jnl_view_at(&m->body, job->place.lsn, job->place.size,
				  ret_p);
		if (!ret && good(m, job, *ret_p, ret_h))
			return 0;
	}
	look_again(m, &m->body, false);
	return explain(m, job->place.lsn, ret < 0 ? ret : -EBADMSG);
}

/* ------------------------------------------------------------------------
 * Many batches, by a ring
 */

static struct jnl_ring *get_ring(struct jnl_many *m)
{
	const struct jnl_ring_config cfg = {
		.entries = JOBS, .event_fd = -1, .lock_fd = -1,
		.device_fd = -1,
	};
	struct jnl_ring_report report;

	if (m->ring && !pthread_equal(m->owner, pthread_self())) {
		jnl_ring_close(m->ring, true);
		m->ring = NULL;
	}
	if (m->ring || m->no_ring)
		return m->ring;
	m->owner = pthread_self();
	if (jnl_ring_open(&m->ring, m->sys, &cfg, &report) < 0) {
		m->ring = NULL;
	} else if (jnl_ring_enable(m->ring, &report) < 0) {
		jnl_ring_close(m->ring, true);
		m->ring = NULL;
	}
	m->no_ring = !m->ring;
	return m->ring;
}

static bool get_memory(struct jnl_many *m, size_t len)
{
	if (m->memory_len >= len)
		return true;
	jnl_buffer_free(m->memory, m->memory_len);
	m->memory_len = 0;
	m->memory = jnl_buffer_alloc(len);
	if (m->memory)
		m->memory_len = len;
	return m->memory;
}

static int open_file(struct jnl_many *m, uint64_t number)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	char name[JNL_SEGMENT_NAME_LEN];

	jnl_segment_name(name, number);
	if (m->at.live)
		flags |= O_DIRECT;
	return m->at.sys->openat(m->at.sys, m->at.dirfd, name, flags, 0);
}

/* The ring is lost: the kernel may still write to what it was given. */
static void lose_ring(struct jnl_many *m)
{
	jnl_ring_close(m->ring, true);
	m->ring = NULL;
	m->no_ring = true;
	m->memory = NULL;
	m->memory_len = 0;
}

static void start_all(struct jnl_many *m, struct job *job, size_t n)
{
	const struct jnl_segment_header *g = &m->at.rec.geometry;
	struct jnl_ring_file file = { .fd = -1 };
	uint8_t *p = m->memory;
	uint64_t base, offset;

	for (size_t i = 0; i < n; i++) {
		job[i].fd = -1;
		job[i].p = p;
		p += job[i].place.size;
		if (!i || segment_of(m, job[i].place.lsn) !=
			  segment_of(m, job[i - 1].place.lsn)) {
			file.fd = open_file(m,
					    segment_of(m, job[i].place.lsn));
			file.generation = ++m->generation;
			job[i].fd = file.fd;
		}
		if (file.fd < 0)
			continue;
		base = jnl_raw_base(m->at.sys, file.fd);
		offset = job[i].place.lsn % g->segment_size;
		(void)jnl_ring_read(m->ring, file, job[i].p, job[i].place.size,
				    base + offset, g->block_size, &job[i]);
	}
}

/* One submission; what it did not bring is fetched otherwise. */
static void fetch_all(struct jnl_many *m, struct job *job, size_t n)
{
	size_t bytes = 0;
	void *tag;
	int err;

	for (size_t i = 0; i < n; i++)
		bytes += job[i].place.size;
	if (n < 2 || !get_memory(m, bytes) || !get_ring(m))
		return;
	start_all(m, job, n);
	while (m->ring && jnl_ring_in_flight(m->ring)) {
		if (jnl_ring_wait(m->ring) < 0) {
			lose_ring(m);
			break;
		}
		while (jnl_ring_reap(m->ring, &tag, &err))
			((struct job *)tag)->fetched = !err;
	}
	/* What a lost ring brought lies in memory that is let go of. */
	for (size_t i = 0; i < n; i++) {
		if (!m->ring)
			job[i].fetched = false;
		if (job[i].fd >= 0)
			(void)m->at.sys->close(m->at.sys, job[i].fd);
	}
	/* A file that is registered is open. */
	if (m->ring)
		jnl_ring_keep(m->ring, NULL, 0);
	if (m->ring && jnl_ring_broken(m->ring)) {
		jnl_ring_close(m->ring, true);
		m->ring = NULL;
		m->no_ring = true;
	}
}

/* ------------------------------------------------------------------------
 * Giving out
 */

static void give(struct journal_read *read, const uint8_t *data, uint32_t len)
{
	read->len = len;
	read->err = len > read->cap ? -EMSGSIZE : 0;
	if (!read->err && len)
		memcpy(read->buf, data, len);
}

/* The records of a good batch, side by side with those that are wanted. */
static void give_all(const struct job *job, const uint8_t *p,
		     const struct jnl_batch_header *h,
		     struct journal_read **order)
{
	uint64_t body_lsn = job->place.lsn + JNL_BATCH_HEADER, lsn = 0;
	const uint8_t *body = p + JNL_BATCH_HEADER, *data = NULL;
	uint32_t left = h->count, off = 0, len = 0;

	for (size_t i = job->first; i <= job->last; i++) {
		if (order[i]->err != UNANSWERED)
			continue;
		while (left && lsn < order[i]->lsn) {
			bool is = jnl_record_next(body, h->body_len, &off,
						  &data, &len);

			assert(is);
			left--;
			lsn = body_lsn + (uint64_t)(data - body) -
			      JNL_RECORD_WORD;
		}
		if (data && lsn == order[i]->lsn)
			give(order[i], data, len);
		else
			order[i]->err = -EINVAL;
	}
}

static void answer(struct jnl_many *m, const struct job *job,
		   struct journal_read **order)
{
	struct jnl_batch_header h;
	const uint8_t *p = job->p;
	int ret = 0;

	if (!job->fetched || !good(m, job, p, &h))
		ret = fetch(m, job, &h, &p);
	if (!ret) {
		give_all(job, p, &h, order);
		return;
	}
	for (size_t i = job->first; i <= job->last; i++) {
		if (order[i]->err == UNANSWERED)
			order[i]->err = ret;
	}
}

/* As many as there is room for, from i on; returns where to go on. */
static size_t some(struct jnl_many *m, struct journal_read **order, size_t i,
		   size_t n)
{
	struct job job[JOBS];
	struct jnl_batch_place place;
	uint64_t bytes = 0;
	size_t jobs = 0;
	int ret;

	for (; i < n; i++) {
		ret = locate(m, order[i]->lsn, &place);
		if (ret < 0) {
			order[i]->err = ret;
			continue;
		}
		if (jobs && job[jobs - 1].place.lsn == place.lsn) {
			job[jobs - 1].last = i;
			continue;
		}
		if (jobs == JOBS || (jobs && bytes + place.size > MEMORY))
			break;
		bytes += place.size;
		job[jobs++] = (struct job){
			.place = place, .first = i, .last = i, .fd = -1,
		};
	}
	fetch_all(m, job, jobs);
	for (size_t k = 0; k < jobs; k++)
		answer(m, &job[k], order);
	return i;
}

/* ------------------------------------------------------------------------ */

static void detach(struct jnl_many *m)
{
	jnl_view_fini(&m->head);
	jnl_view_fini(&m->body);
	if (m->at.dirfd >= 0)
		jnl_detach(&m->at);
	m->at.dirfd = -1;
}

static int attach(struct jnl_many *m, struct journal_error *error)
{
	uint8_t uuid[JNL_UUID_LEN];
	int ret;

	memcpy(uuid, m->at.rec.geometry.uuid, sizeof(uuid));
	detach(m);
	ret = jnl_attach(m->sys, m->path, &m->at, error);
	if (ret < 0) {
		m->at.dirfd = -1;
		return ret;
	}
	m->stale = false;
	/* Another journal, of another shape perhaps, in the place of that. */
	if (memcmp(uuid, m->at.rec.geometry.uuid, sizeof(uuid)))
		jnl_index_fini(&m->index);
	jnl_view_init(&m->head, m->at.sys, m->at.dirfd, m->at.live);
	jnl_view_init(&m->body, m->at.sys, m->at.dirfd, m->at.live);
	m->head.segment_size = m->body.segment_size =
		m->at.rec.geometry.segment_size;
	m->head.block_size = m->body.block_size =
		m->at.rec.geometry.block_size;
	m->head.ahead = HEADS;
	m->head.limit = m->at.rec.end;
	/* Nothing but what is asked for. */
	m->body.ahead = m->body.block_size;
	m->body.limit = 0;
	return 0;
}

/* Ready to answer for LSNs up to last. */
static int get_ready(journal_reader *r, uint64_t last)
{
	struct jnl_many *m = r->many;

	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return -ENOMEM;
		m->sys = r->sys;
		m->path = r->path;
		m->at.dirfd = -1;
		jnl_view_init(&m->head, r->sys, -1, false);
		jnl_view_init(&m->body, r->sys, -1, false);
		jnl_index_init(&m->index, INDEX_SEGMENT, INDEX_TOTAL);
		r->many = m;
	}
	m->bad = 0;
	/* Beside a writer the end has moved on since. */
	if (m->at.dirfd < 0 || m->stale ||
	    (m->at.live && last >= m->at.rec.end))
		return attach(m, &r->error);
	return 0;
}

static int by_lsn(const void *a, const void *b)
{
	const struct journal_read *x = *(struct journal_read *const *)a;
	const struct journal_read *y = *(struct journal_read *const *)b;

	return x->lsn < y->lsn ? -1 : x->lsn > y->lsn;
}

static int read_many(journal_reader *r, struct journal_read *read, size_t n)
{
	struct journal_read **order = calloc(n, sizeof(*order));
	int ret, done = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = &read[i];
	qsort(order, n, sizeof(*order), by_lsn);
	ret = get_ready(r, order[n - 1]->lsn);
	for (size_t i = 0; i < n; i++) {
		read[i].err = ret < 0 ? ret : UNANSWERED;
		read[i].len = 0;
	}
	for (size_t i = 0; !ret && i < n; )
		i = some(r->many, order, i, n);
	for (size_t i = 0; i < n; i++)
		done += !read[i].err;
	/* A segment that is given back keeps its space while it is open. */
	if (!ret) {
		look_again(r->many, &r->many->head, false);
		look_again(r->many, &r->many->body, false);
	}
	free(order);
	return ret < 0 ? ret : done;
}

int journal_read_many(journal_reader *r, struct journal_read *read, size_t n)
{
	int ret, state;

	if (!r->alive[0])
		return -EOWNERDEAD;
	if (n > INT_MAX)
		return -EINVAL;
	if (!n)
		return 0;
	state = jnl_cancel_off();
	ret = read_many(r, read, n);
	jnl_cancel_restore(state);
	return ret;
}

void jnl_many_free(journal_reader *r, bool mapped)
{
	struct jnl_many *m = r->many;

	if (!m)
		return;
	/* Buffers and rings are not mapped in a child of fork(2). */
	if (!mapped)
		m->head.window = m->body.window = m->memory = NULL;
	detach(m);
	jnl_index_fini(&m->index);
	jnl_ring_close(m->ring, mapped);
	jnl_buffer_free(m->memory, m->memory_len);
	free(m);
	r->many = NULL;
}
