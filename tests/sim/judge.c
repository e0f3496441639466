/*
 * tests/sim/judge.c - crash states, made and judged (see crash.h).
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "journal/segment.h"
#include "tests/sim/crash.h"

void choice_of(const struct world *w, int method, struct jnl_choice *ret)
{
	*ret = (struct jnl_choice){
		.method = jnl_method_find(method == BUFFERED ? "buffered" :
					  method == PAST ? "nvme-flush" :
					  "direct"),
		.way = {
			.direct = method != BUFFERED,
			/* What nvme-flush goes on with if it must. */
			.dsync = method == DIRECT_DSYNC ||
				 (method == PAST && w->seed & 2),
			.flush = w->seed & 1 ? JNL_FLUSH_FSYNC :
				 JNL_FLUSH_FDATASYNC,
		},
		.block_size = SIM_BLOCK,
		.generic = SIM_NG,
		.generic_major = SIM_NG_MAJOR,
		.generic_minor = SIM_NG_MINOR,
		.untorn = { .min = SIM_BLOCK, .max = w->untorn },
	};
}

void process(struct world *w, struct sim *s, struct sim_disk *disk)
{
	sim_init(s, disk, sim_random(&w->pick));
	s->no_direct = w->no_direct;
	s->untorn = w->untorn;
	s->tears = w->rule && w->rule->tears;
	if (w->rule && w->rule->table)
		w->rule->table(w, s, true);
}

struct sim_disk *crash(struct world *w, const struct point *p,
		       struct sim_pick *pick, bool kill)
{
	static const unsigned int bias[] = { 0, 40, 128, 128, 216, 256 };
	struct sim_disk *d = sim_disk_clone(p->disk);

	if (!pick->exhaustive)
		pick->bias = bias[sim_pick(pick, 6)];
	if (kill) {
		sim_kill(d, pick);
		w->counts->kills++;
	} else {
		sim_cut(d, pick, w->unit);
		w->counts->cuts++;
	}
	return d;
}

/* ------------------------------------------------------------------------ */

/* Where the journal begins now, in records. */
static int read_beginning(struct world *w, struct sim *s, uint32_t *ret_first)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_info info = JOURNAL_INFO_INIT;
	struct jnl_env env = { .sys = &s->sys };
	journal *j = NULL;
	int ret;

	*ret_first = 0;
	if (!w->trims)
		return 0;
	options.flags = JOURNAL_READ_ONLY;
	ret = jnl_open(&j, SIM_DIR, &options, &env);
	if (ret < 0)
		return ret;
	ret = journal_info(j, &info);
	(void)journal_close(j);
	if (info.first_lsn < w->trim.durable || info.first_lsn > w->trim.asked)
		violated(w, "P5: the journal begins at %llu, and %llu to %llu "
			 "was given back", (unsigned long long)info.first_lsn,
			 (unsigned long long)w->trim.durable,
			 (unsigned long long)w->trim.asked);
	*ret_first = records_below(w, info.first_lsn);
	return ret;
}

#define MANY	8u

/*
 * Records from first on, count of them, at lsn: read by their LSNs, backwards,
 * and a place between them where none begins.
 */
static void read_by_lsn(struct world *w, journal_reader *r,
			const uint64_t *lsn, uint32_t first, uint32_t count)
{
	struct journal_read read[MANY + 1] = { 0 };
	uint32_t many = count < MANY ? count : MANY, n;
	uint8_t *buf = malloc((size_t)many * w->record_max);
	int ret;

	for (uint32_t i = 0; i < many; i++) {
		read[i].lsn = lsn[count - 1 - i];
		read[i].buf = buf + (size_t)i * w->record_max;
		read[i].cap = w->record_max;
	}
	read[many].lsn = lsn[count - 1] + 1;
	ret = journal_read_many(r, read, many + 1);
	if (ret != (int)many)
		violated(w, "journal_read_many gives %d of %u records", ret,
			 many);
	for (uint32_t i = 0; i < many; i++) {
		n = first + count - 1 - i;
		if (read[i].err || !record_good(w, n, read[i].buf, read[i].len))
			violated(w, "journal_read_many: record %u at %llu: %d",
				 n, (unsigned long long)read[i].lsn,
				 read[i].err);
	}
	if (read[many].err != -EINVAL && read[many].err != -ERANGE)
		violated(w, "journal_read_many: %d where no record begins",
			 read[many].err);
	free(buf);
}

int read_process(struct world *w, struct sim *s, uint32_t *ret_count,
		 uint64_t *ret_lsn)
{
	struct jnl_env env = { .sys = &s->sys };
	struct journal_error error = { 0 };
	struct journal_record record;
	journal_reader *r = NULL;
	int ret, fds = sim_open_fds(s);
	uint64_t lsn[MAX_RECORDS];
	uint32_t n;

	*ret_count = w->first = 0;
	ret = read_beginning(w, s, &n);
	if (ret < 0)
		return ret;
	*ret_count = w->first = n;
	ret = jnl_reader_open(&r, SIM_DIR, 0, &error, &env);
	if (ret < 0) {
		note(w, "    the reader: %s", error.message);
		return ret;
	}
	while ((ret = journal_reader_next(r, &record)) == 1) {
		if (n == w->appended)
			violated(w, "P2: a record at %llu, behind the last of "
				 "%u", (unsigned long long)record.lsn, n);
		if (!record_good(w, n, record.data, record.len))
			violated(w, "P2: record %u at %llu is not what was "
				 "appended (%zu bytes, and %u were)", n,
				 (unsigned long long)record.lsn, record.len,
				 record_len(w, n));
		if (w->lsn[n] != LSN_UNKNOWN && w->lsn[n] != record.lsn)
			violated(w, "P2: record %u is at %llu, and was "
				 "appended at %llu", n,
				 (unsigned long long)record.lsn,
				 (unsigned long long)w->lsn[n]);
		if (ret_lsn)
			ret_lsn[n] = record.lsn;
		lsn[n++ - w->first] = record.lsn;
	}
	if (!ret && n > w->first && !sim_pick(&w->pick, 8))
		read_by_lsn(w, r, lsn, w->first, n - w->first);
	journal_reader_close(r);
	if (sim_open_fds(s) != fds)
		violated(w, "the reader leaves descriptors open");
	*ret_count = n;
	return ret;
}

int read_back(struct world *w, struct sim_disk *disk, uint32_t *ret_count,
	      uint64_t *ret_lsn)
{
	struct sim s;

	process(w, &s, disk);
	return read_process(w, &s, ret_count, ret_lsn);
}

static void judge_verify(struct world *w, const struct point *p,
			 struct sim_disk *disk, uint32_t count, bool absent)
{
	struct journal_report report = JOURNAL_REPORT_INIT;
	struct jnl_env env = { 0 };
	struct sim s;
	int ret;

	process(w, &s, disk);
	env.sys = &s.sys;
	ret = jnl_verify(SIM_DIR, &report, &env);
	w->counts->verified++;
	if (absent) {
		if (ret != -ENOENT)
			violated(w, "verify of no journal returned %d", ret);
		return;
	}
	if (ret < 0)
		violated(w, "P3: verify failed with %d: %s", ret,
			 report.message);
	if (report.finding > JOURNAL_TAIL)
		violated(w, "P3: verify found %u at %llu: %s", report.finding,
			 (unsigned long long)report.lsn, report.message);
	if (report.records != count - w->first)
		violated(w, "verify counts %llu records, reading %u",
			 (unsigned long long)report.records, count - w->first);
	(void)p;
}

/* Of a crash state in which count records are read. */
static void judge_stats(struct world *w, struct sim_disk *disk, uint32_t count)
{
	struct journal_snapshot snap = JOURNAL_SNAPSHOT_INIT;
	struct journal_stats stats = JOURNAL_STATS_INIT;
	uint64_t at_least = 0;
	struct sim s;
	int ret;

	process(w, &s, disk);
	ret = jnl_stats_at(&s.sys, SIM_DIR, &snap, &stats);
	w->counts->pages += !ret;
	w->counts->torn_pages += ret == -EUCLEAN;
	if (ret == -ENODATA || ret == -EUCLEAN)
		return;
	if (ret < 0)
		violated(w, "P6: the figures: %d", ret);
	if (snap.writer != JOURNAL_WRITER_NONE || snap.outstanding)
		violated(w, "P6: the figures are taken for those of a writer "
			 "at work (%u, %u writes outstanding)", snap.writer,
			 snap.outstanding);
	if (records_below(w, snap.frontier) > count)
		violated(w, "P6: the figures say that %u records up to %llu "
			 "were durable, %u are read",
			 records_below(w, snap.frontier),
			 (unsigned long long)snap.frontier, count);
	/* Figures from both ends of the page. */
	for (int i = 0; i < 24; i++)
		at_least += stats.batch_records[i] << i;
	if (at_least > stats.records)
		violated(w, "P6: the figures tell of %llu records, and of %llu "
			 "in batches", (unsigned long long)stats.records,
			 (unsigned long long)at_least);
	if (snap.closed && !snap.failed && snap.frontier != snap.end)
		violated(w, "P6: the figures say that it was closed at %llu, "
			 "and appended up to %llu were",
			 (unsigned long long)snap.frontier,
			 (unsigned long long)snap.end);
}

static int open_for(struct world *w, struct sim *s, uint64_t flags,
		    journal **ret_j, struct journal_error *error)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct jnl_choice choice;
	struct jnl_env env = {
		.sys = &s->sys, .choice = &choice, .no_helper = true,
	};

	choice_of(w, w->no_direct ? BUFFERED :
		  (int)sim_pick(&w->pick, METHODS), &choice);
	options.flags = flags;
	options.segment_size = w->segment_size;
	options.record_max = w->record_max;
	options.queue_depth = 1;
	options.error = error;
	w->counts->opened++;
	return jnl_open(ret_j, SIM_DIR, &options, &env);
}

/* Open for writing, append the next record, close, read everything. */
static void judge_open(struct world *w, const struct point *p,
		       struct sim_disk *disk, uint32_t count)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_error error = { 0 };
	uint32_t n, len, appended = w->appended;
	uint64_t kept = w->lsn[count < MAX_RECORDS ? count : 0], lsn;
	journal *j = NULL;
	struct iovec iov;
	struct sim s;
	int ret;

	process(w, &s, disk);
	ret = open_for(w, &s, 0, &j, &error);
	if (ret == -ENOENT && !p->created)
		ret = open_for(w, &s, JOURNAL_CREATE, &j, &error);
	if (ret == -ENOSPC && w->tight)
		return;
	if (ret < 0)
		violated(w, "P3: open failed with %d, and nothing was wrong: "
			 "%s", ret, error.message);
	if (journal_info(j, &info) < 0)
		violated(w, "journal_info failed");
	/* Where the end lies: behind the last record that was read. */
	n = records_below(w, info.recovered_lsn);
	if (n != count && w->lsn[count ? count - 1 : 0] != LSN_UNKNOWN &&
	    w->lsn[n ? n - 1 : 0] != LSN_UNKNOWN)
		violated(w, "open found %u records up to %llu, reading %u", n,
			 (unsigned long long)info.recovered_lsn, count);
	if (count == MAX_RECORDS) {
		s.dead = true;
		(void)journal_close(j);
		return;
	}
	len = record_len(w, count);
	iov.iov_len = len;
	iov.iov_base = malloc(len + 1);
	if (!iov.iov_base)
		abort();
	record_fill(w, count, iov.iov_base);
	ret = journal_commit(j, &iov, 1, &lsn);
	free(iov.iov_base);
	if (ret == -ENOSPC && w->tight) {
		(void)journal_close(j);
		return;
	}
	if (ret < 0)
		violated(w, "P3: commit after open failed with %d", ret);
	ret = journal_close(j);
	if (ret < 0)
		violated(w, "P3: close failed with %d", ret);
	w->lsn[count] = lsn;
	w->appended = count + 1;
	ret = read_back(w, disk, &n, NULL);
	if (ret < 0 || n != count + 1)
		violated(w, "P1: after open and commit %u records are read, "
			 "and %u were there (%d)", n, count + 1, ret);
	w->appended = appended;
	w->lsn[count] = kept;
}

bool judge(struct world *w, const struct point *p, struct sim_disk *disk,
	   bool kill, unsigned int effort)
{
	uint64_t image = sim_disk_hash(disk), verdict;
	uint32_t count, appended = w->appended;
	struct trim trim = w->trim;
	struct sim_disk *copy;
	bool fresh, absent;
	int ret;

	verdict = image ^ (p->acked * 0x9e3779b97f4a7c15ull) ^
		  (p->trim.durable * 0xd6e8feb86659fd93ull) ^
		  (p->trim.asked * 0xa0761d6478bd642full) ^
		  ((uint64_t)p->appended << 32) ^ p->created;
	if (!seen_add(w->verdicts, verdict))
		return false;
	fresh = seen_add(w->images, image);
	w->counts->states += fresh;
	w->counts->raw += fresh && w->raw;
	w->counts->loop += fresh && w->loop;
	w->counts->judged++;
	w->trim = p->trim;
	/* One in a few, so that they are of many worlds. */
	if (fresh && !kill && w->emit && !emit_full(w->emit) &&
	    !(w->counts->states % 4))
		emit_image(w->emit, w, disk);
	w->appended = p->appended;
	note(w, "    state %llu: %s at point %d, %u records, %u acknowledged",
	     (unsigned long long)w->counts->judged, kill ? "kill" : "cut",
	     (int)(p - w->point), p->appended, p->acked);
	copy = sim_disk_clone(disk);
	w->judged = copy;
	ret = read_back(w, disk, &count, NULL);
	absent = ret == -ENOENT && !p->created;
	if (ret < 0 && !absent)
		violated(w, "P3: reading failed with %d, and nothing was "
			 "wrong; %u records, %u acknowledged", ret, count,
			 p->acked);
	if (count < p->acked)
		violated(w, "P1: %u records are read, %u were acknowledged",
			 count, p->acked);
	if (count < p->appended && count && w->joined[count])
		violated(w, "P2: a group is read in part: %u records", count);
	if (w->stats && !w->raw && !absent)
		judge_stats(w, disk, count);
	if (effort & 1)
		judge_verify(w, p, disk, count, absent);
	if (effort & 2 && !(w->rule && w->rule->opens_only))
		judge_open(w, p, disk, count);
	w->appended = appended;
	w->trim = trim;
	w->judged = NULL;
	sim_disk_free(copy);
	return true;
}

/* ------------------------------------------------------------------------
 * Damage at rest
 */

enum damage { BIT, GARBAGE, MISDIRECTED, LOST_WRITE, NO_SEGMENT, COPY, DAMAGES };

static const char *const damage_name[] = {
	"a flipped bit", "a block of garbage", "a misdirected batch",
	"a lost write", "a lost segment", "a damaged copy of the table",
};

struct hit {
	uint64_t from[2], to[2];
	int n;
};

static void poke(struct sim_disk *d, const struct image *im, uint64_t lsn,
		 const uint8_t *data)
{
	uint32_t block;
	int file = image_place(im, lsn / im->segment_size, &block);

	block += (uint32_t)(lsn % im->segment_size / SIM_BLOCK);
	if (file >= 0)
		sim_poke(d, file, block, data);
}

static void hit_add(struct hit *h, uint64_t from, uint64_t to)
{
	h->from[h->n] = from;
	h->to[h->n++] = to;
}

/* A position whose block is not zero, or a segment's header. */
static uint64_t used_block(struct world *w, const struct image *im)
{
	uint64_t blocks = (im->newest + 1) * im->segment_size / SIM_BLOCK;

	for (int i = 0; i < 1000; i++) {
		uint64_t lsn = sim_random(&w->pick) % blocks * SIM_BLOCK;
		const uint8_t *p = image_block(im, lsn);

		if (p && !jnl_is_zero(p, SIM_BLOCK))
			return lsn;
	}
	return 0;
}

static const struct link *late_link(struct world *w, const struct image *im)
{
	int back = (int)sim_pick(&w->pick, 4) ? (int)sim_pick(&w->pick, 6) :
		   (int)sim_pick(&w->pick, 1024);

	return &im->chain[back < im->links ? im->links - 1 - back : 0];
}

/* Do it to d; false if there is nothing to damage so. */
static bool do_damage(struct world *w, const struct image *im,
		      struct sim_disk *d, enum damage kind, struct hit *h)
{
	uint8_t block[SIM_BLOCK];
	const struct link *l;
	uint64_t at, to;
	char name[32];

	switch (kind) {
	case BIT: case GARBAGE:
		at = im->links && sim_pick(&w->pick, 2) ?
			late_link(w, im)->lsn : used_block(w, im);
		memcpy(block, image_block(im, at), SIM_BLOCK);
		if (kind == BIT) {
			uint64_t bit = sim_random(&w->pick);
			/* Half of them where the header is. */
			bit %= bit >> 63 ? 512 : SIM_BLOCK * 8;
			block[bit / 8] ^= (uint8_t)(1u << bit % 8);
		} else {
			for (size_t i = 0; i < SIM_BLOCK; i++)
				block[i] = (uint8_t)sim_random(&w->pick);
		}
		poke(d, im, at, block);
		hit_add(h, at, at + SIM_BLOCK);
		return true;
	case MISDIRECTED: case LOST_WRITE:
		if (!im->links)
			return false;
		l = late_link(w, im);
		at = sim_pick(&w->pick, 2) ? used_block(w, im) :
		     sim_random(&w->pick) % ((im->newest + 1) *
			im->segment_size / SIM_BLOCK) * SIM_BLOCK;
		memset(block, 0, sizeof(block));
		for (uint64_t i = 0; i < l->blocks * SIM_BLOCK; i += SIM_BLOCK)
			poke(d, im, l->lsn + i, block);
		hit_add(h, l->lsn, l->lsn + l->blocks * SIM_BLOCK);
		if (kind == LOST_WRITE)
			return true;
		to = at;
		for (uint64_t i = 0; i < l->blocks * SIM_BLOCK; i += SIM_BLOCK)
			if ((to + i) / im->segment_size ==
			    to / im->segment_size)
				poke(d, im, to + i,
				     image_block(im, l->lsn + i));
		hit_add(h, to, to + l->blocks * SIM_BLOCK);
		return true;
	case COPY:
		/* A crash may have damaged the other one. */
		if (im->copies < JNL_RAW_COPIES)
			return false;
		at = sim_pick(&w->pick, JNL_RAW_COPIES) * JNL_RAW_COPY_STRIDE +
		     sim_pick(&w->pick, 2) * SIM_BLOCK;
		for (size_t i = 0; i < SIM_BLOCK; i++)
			block[i] = (uint8_t)sim_random(&w->pick);
		sim_poke(d, sim_lookup(d, SIM_DEVICE),
			 (uint32_t)(at / SIM_BLOCK), block);
		return true;
	case NO_SEGMENT:
		if (!im->newest || w->raw)
			return false;
		at = sim_random(&w->pick) % im->newest;
		snprintf(name, sizeof(name), "%016llx.seg",
			 (unsigned long long)at);
		sim_unlink(d, name);
		sim_dirsync(d);
		hit_add(h, at * im->segment_size,
			(at + 1) * im->segment_size);
		return true;
	default:
		return false;
	}
}

static bool is_hit(const struct hit *h, const struct link *l)
{
	uint64_t end = l->lsn + l->blocks * SIM_BLOCK;

	for (int i = 0; i < h->n; i++)
		if (l->lsn < h->to[i] && h->from[i] < end)
			return true;
	return false;
}

/*
 * The newest watermark that is left: of the batches that were not hit, and of
 * any header at all that lies behind from, wherever it belongs.
 */
static uint64_t watermark_left(const struct image *im, const struct hit *h,
			       const struct sim_disk *d, uint64_t from)
{
	uint64_t end = (im->newest + 1) * im->segment_size, mark = 0;
	struct image now = { .segment_size = im->segment_size };
	struct jnl_batch_header bh;

	image_names(&now, d);
	for (int i = 0; i < im->links; i++)
		if (!is_hit(h, &im->chain[i]) && im->chain[i].h.durable > mark)
			mark = im->chain[i].h.durable;
	for (uint64_t lsn = from; lsn < end; lsn += SIM_BLOCK) {
		const uint8_t *p = image_block(&now, lsn);

		if (p && lsn % im->segment_size &&
		    jnl_batch_decode(p, im->seed, &bh) && bh.durable > mark)
			mark = bh.durable;
	}
	return mark;
}

/* Fewer records than before, and nobody said a word. */
static void judge_silence(struct world *w, const struct point *p,
			  const struct image *im, const struct hit *h,
			  const struct sim_disk *d, uint32_t before,
			  uint32_t after, const uint64_t *lsn,
			  const char *what)
{
	unsigned int batches = 0, hits = 0;
	uint64_t mark = watermark_left(im, h, d, lsn[after] &
				       ~(uint64_t)(SIM_BLOCK - 1));

	if (lsn[after] < mark)
		violated(w, "P4: %s: record %u at %llu is lost silently, and a "
			 "header says durable %llu", what, after,
			 (unsigned long long)lsn[after],
			 (unsigned long long)mark);
	for (int i = 0; i < im->links; i++) {
		const struct link *l = &im->chain[i];
		bool acked = false;

		for (uint32_t n = after; n < before && n < p->acked; n++)
			acked |= lsn[n] >= l->lsn && lsn[n] < l->end;
		batches += acked;
		hits += is_hit(h, l);
	}
	/* One batch that is hit hides at most what was above the frontier when
	 * the newest of the others was sealed.  A misdirected write hits more:
	 * the batch it belongs to, and each one that it covers. */
	if (batches > w->depth + (hits ? hits - 1 : 0))
		violated(w, "P4: %s: %u acknowledged batches lost silently, "
			 "%u of them hit, and the queue is %u deep", what,
			 batches, hits, w->depth);
}

/* A failed open leaves everything as it was. */
static int open_damaged(struct world *w, const struct sim_disk *disk)
{
	struct sim_disk *d = sim_disk_clone(disk);
	struct journal_error error = { 0 };
	journal *j = NULL;
	struct sim s;
	int ret;

	process(w, &s, d);
	ret = open_for(w, &s, 0, &j, &error);
	s.dead = true;
	(void)journal_close(j);
	if (ret < 0 && sim_disk_hash(d) != sim_disk_hash(disk))
		violated(w, "P4: open failed with %d and changed the disk",
			 ret);
	sim_disk_free(d);
	return ret;
}

void judge_damage(struct world *w, const struct point *p,
		  const struct sim_disk *disk)
{
	struct image im = { 0 };
	uint64_t lsn[MAX_RECORDS];
	enum damage kind = (enum damage)sim_pick(&w->pick, DAMAGES);
	struct sim_disk *d = sim_disk_clone(disk), *copy;
	uint32_t before, after, appended = w->appended;
	struct hit h = { .n = 0 };
	int ret;

	/* The other reader begins where the journal began. */
	if (w->trims) {
		sim_disk_free(d);
		return;
	}
	w->appended = p->appended;
	image_walk(&im, disk);
	copy = sim_disk_clone(disk);
	if (!im.sound || read_back(w, copy, &before, lsn) < 0 ||
	    !do_damage(w, &im, d, kind, &h))
		goto out;
	w->counts->damages++;
	note(w, "    %s at %llu..%llu, %llu..%llu", damage_name[kind],
	     (unsigned long long)h.from[0] / SIM_BLOCK,
	     (unsigned long long)h.to[0] / SIM_BLOCK,
	     (unsigned long long)(h.n > 1 ? h.from[1] / SIM_BLOCK : 0),
	     (unsigned long long)(h.n > 1 ? h.to[1] / SIM_BLOCK : 0));
	if (w->emit && !emit_full(w->emit) && !(w->counts->damages % 3))
		emit_image(w->emit, w, d);
	if (kind == COPY) {
		ret = read_back(w, d, &after, NULL);
		if (ret < 0 || after != before)
			violated(w, "P4: %s: %u records are read, %u before "
				 "(%d)", damage_name[kind], after, before, ret);
		w->counts->harmless++;
		goto out;
	}
	ret = open_damaged(w, d);
	if (!ret)
		ret = read_back(w, d, &after, NULL);
	if (ret < 0) {
		w->counts->reported++;
	} else if (after == before) {
		w->counts->harmless++;
	} else {
		w->counts->silent++;
		w->judged = d;
		judge_silence(w, p, &im, &h, d, before, after, lsn,
			      damage_name[kind]);
		w->judged = NULL;
	}
out:
	w->appended = appended;
	sim_disk_free(copy);
	sim_disk_free(d);
}
