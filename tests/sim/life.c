/*
 * tests/sim/life.c - what a process does with the journal before it dies.
 *
 * Two drivers over the same engine.  The caller: the public calls, one thread,
 * the helper's steps in between.  The simulator: it takes the engine out of
 * the open journal and carries its actions out itself, several at a time,
 * completing them in any order.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "tests/sim/crash.h"

/* More than the engine ever hands out at a time. */
#define FLIGHTS		16

struct flight {
	bool used;
	struct jnl_action act;
	int slot;		/* of the write */
	struct sim_flush flush;
	bool told;		/* a broken driver: done before it is done */
	bool by_drive;		/* a flush past the file system */
	uint64_t seq;
};

struct process {
	journal *j;
	struct flight flight[FLIGHTS];
	int flying;
	uint8_t *buf;
	uint32_t limit;		/* records in the journal when life ends */
	bool needed;		/* an append waits for the helper */
	uint64_t ready_end;	/* a broken driver: the true one, or 0 */
};

static void add_point(struct world *w)
{
	struct point *p;

	if (w->points == MAX_POINTS)
		return;
	p = &w->point[w->points++];
	p->disk = sim_disk_clone(w->sim.disk);
	p->acked = w->acked;
	p->appended = w->appended;
	p->trim = w->trim;
	p->created = w->created;
	w->counts->points++;
}

static void on_step(void *arg)
{
	add_point(arg);
}

/*
 * Calls that fail when their time has come.  One failed write or flush of a
 * batch is made up for by a new file; what fails besides may end the journal.
 */
static int on_fault(void *arg, enum sim_call call, const char *name)
{
	struct world *w = arg;
	bool again = w->rule && w->rule->flush_fails, batch;

	if (call != SIM_CALL_FLUSH && call != SIM_CALL_WRITE &&
	    call != SIM_CALL_DIRSYNC)
		return 0;
	/* On a device nobody can tell what is not said to be a batch. */
	batch = call != SIM_CALL_DIRSYNC && !strstr(name, ".tmp") &&
		strcmp(name, SIM_DEVICE);
	/* The flush that is to be asked again is one of a batch. */
	if (again && (call != SIM_CALL_FLUSH || !batch))
		return 0;
	/* Mostly batches: there are more calls on files in the making. */
	if (w->harsh && !batch && sim_pick(&w->pick, 8))
		return 0;
	if (w->opening != w->fail_open || !w->fail_after || --w->fail_after)
		return 0;
	if (again || !batch || w->young || w->opening || w->faults)
		w->failed = true;
	w->faults++;
	w->counts->faults++;
	if (!again && (w->harsh || sim_pick(&w->pick, 2)))
		w->fail_after = 1 + (int)sim_pick(&w->pick, 30);
	return -EIO;
}

void points_free(struct world *w)
{
	for (int i = 0; i < w->points; i++)
		sim_disk_free(w->point[i].disk);
	w->points = 0;
}

/* What lies below lsn is a promise now. */
static void acknowledge(struct world *w, uint64_t lsn)
{
	uint32_t n = records_below(w, lsn);

	if (n <= w->acked)
		return;
	w->acked = n;
	add_point(w);
}

/*
 * A step of the helper.  The broken driver that lets batches pass ready_end
 * has it fill from where it should have stopped.
 */
static bool helper_step(struct world *w, struct process *p, bool idle)
{
	struct jnl_engine *e = &p->j->engine;
	bool done;

	/* Late, so that appends come up against ready_end. */
	if (w->young && e->ready_end != UINT64_MAX && !p->needed &&
	    e->frontier < e->ready_end && sim_pick(&w->pick, 64))
		return true;
	p->needed = false;
	if (!p->ready_end)
		return jnl_helper_step(p->j, idle);
	if (e->frontier < p->ready_end + SIM_BLOCK)
		return true;
	e->ready_end = p->ready_end;
	done = jnl_helper_step(p->j, false);
	p->ready_end = 0;
	if (e->ready_end != UINT64_MAX)
		violated(w, "the helper did not fill segment 0");
	return done;
}

/* ------------------------------------------------------------------------
 * The caller
 */

/* No slot is left on a device that is small: no failure. */
static bool is_full(const struct world *w, int ret)
{
	return w->tight && ret == -ENOSPC;
}

static void check_error(struct world *w, const char *call, int ret)
{
	if (ret < 0 && !w->failed && !is_full(w, ret))
		violated(w, "P3: %s failed with %d, and nothing was wrong",
			 call, ret);
}

static bool append(struct world *w, struct process *p, bool commit)
{
	uint32_t n = w->appended;
	struct iovec iov[2];
	uint32_t len = record_len(w, n);
	uint64_t lsn;
	int ret;

	if (n >= p->limit)
		return true;
	record_fill(w, n, p->buf);
	iov[0] = (struct iovec){ p->buf, len / 2 };
	iov[1] = (struct iovec){ p->buf + len / 2, len - len / 2 };
	w->lsn[n] = LSN_UNKNOWN;
	w->joined[n] = false;
	w->appended++;
	ret = (commit ? journal_commit : journal_append)(p->j, iov, 2, &lsn);
	if (is_full(w, ret)) {
		w->appended--;
		return true;
	}
	check_error(w, commit ? "journal_commit" : "journal_append", ret);
	/* A commit that fails may have appended all the same. */
	if (ret < 0)
		return false;
	w->lsn[n] = lsn;
	if (commit)
		acknowledge(w, lsn + 1);
	return true;
}

/* Two or three records that are there together or not at all. */
static bool append_group(struct world *w, struct process *p)
{
	uint32_t first = w->appended, n = 2 + sim_pick(&w->pick, 2), at = 0;
	struct iovec iov[3];
	uint64_t lsn[3];
	int ret;

	if (first + n > p->limit)
		return true;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = record_len(w, first + i);

		/* The buffer holds one record of the largest size, and so
		 * does a batch: what does not fit is no group. */
		if (at + jnl_record_size(len) > w->record_max)
			return append(w, p, false);
		record_fill(w, first + i, p->buf + at);
		iov[i] = (struct iovec){ p->buf + at, len };
		at += (uint32_t)jnl_record_size(len);
	}
	for (uint32_t i = 0; i < n; i++) {
		w->lsn[first + i] = LSN_UNKNOWN;
		w->joined[first + i] = i;
	}
	w->appended += n;
	if (w->rule && w->rule->group_split)
		for (uint32_t i = ret = 0; i < n && !ret; i++)
			ret = journal_commit(p->j, &iov[i], 1, &lsn[i]);
	else
		ret = journal_append_group(p->j, iov, (int)n, lsn);
	if (is_full(w, ret)) {
		w->appended = first;
		return true;
	}
	check_error(w, "journal_append_group", ret);
	if (ret < 0)
		return false;
	memcpy(w->lsn + first, lsn, n * sizeof(*lsn));
	w->counts->groups++;
	return true;
}

static bool sync_some(struct world *w, struct process *p)
{
	uint32_t n;
	int ret;

	if (w->acked == w->appended)
		return true;
	n = w->acked + sim_pick(&w->pick, w->appended - w->acked);
	if (w->lsn[n] == LSN_UNKNOWN)
		return true;
	ret = journal_sync(p->j, w->lsn[n]);
	check_error(w, "journal_sync", ret);
	if (ret < 0)
		return false;
	acknowledge(w, w->lsn[n] + 1);
	return true;
}

static void look_at_frontier(struct world *w, struct process *p)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	if (!journal_info(p->j, &info))
		acknowledge(w, info.frontier);
}

/* Give back what lies below some place that is durable. */
static void give_back(struct world *w, struct process *p)
{
	struct jnl_engine *e = &p->j->engine;
	uint64_t lsn = e->frontier;
	int ret;

	switch (sim_pick(&w->pick, 3)) {
	case 0:
		lsn -= sim_random(&w->pick) % (lsn - e->trim + 1);
		break;
	case 1:
		if (w->acked)
			lsn = w->lsn[sim_pick(&w->pick, w->acked)];
		break;
	}
	if (lsn > w->trim.asked)
		w->trim.asked = lsn;
	ret = journal_trim(p->j, lsn);
	check_error(w, "journal_trim", ret);
	if (w->rule && w->rule->trim_early)
		e->trim_durable = e->trim;
}

static void look_at_trim(struct world *w, struct process *p)
{
	uint64_t durable = p->j->engine.trim_durable;

	if (w->rule && w->rule->trim_early)
		return;
	if (durable < w->trim.durable || durable > w->trim.asked)
		violated(w, "P5: given back durably to %llu, before to %llu, "
			 "asked to %llu", (unsigned long long)durable,
			 (unsigned long long)w->trim.durable,
			 (unsigned long long)w->trim.asked);
	if (durable == w->trim.durable)
		return;
	w->trim.durable = durable;
	add_point(w);
}

/* Another process reads beside the writer: durable records, no others. */
static void read_live(struct world *w)
{
	uint32_t n;
	int ret = read_process(w, &w->sim, &n, NULL);

	if (ret < 0)
		violated(w, "P3: reading beside the writer failed with %d",
			 ret);
	if (n > w->acked)
		violated(w, "reading beside the writer gave %u records, %u "
			 "are durable", n, w->acked);
	w->counts->live++;
}

/*
 * Somebody moves the blocks of the newest segment while nothing is in it.  And
 * a broken driver takes every segment for settled.
 */
static void meddle(struct world *w, struct process *p)
{
	struct jnl_engine *e = &p->j->engine;
	uint64_t newest = e->segments - 1;
	char name[JNL_SEGMENT_NAME_LEN];

	if (w->moves && !w->raw && !sim_pick(&w->pick, 6) &&
	    newest > jnl_engine_end(e) / w->segment_size) {
		jnl_segment_name(name, newest);
		sim_move(w->sim.disk, sim_lookup(w->sim.disk, name));
	}
	for (size_t i = 0; w->rule && w->rule->settle_early &&
	     i < p->j->nfiles; i++)
		p->j->files[i].settled = true;
}

static void run_caller(struct world *w, struct process *p)
{
	int steps = w->small ? 5 : 10 + (int)sim_pick(&w->pick, 70);
	bool well = true;

	while (well && steps--) {
		switch (sim_pick(&w->pick, 8)) {
		case 0: case 1:
			well = append(w, p, false);
			break;
		case 2:
			well = append_group(w, p);
			break;
		case 3: case 4:
			well = append(w, p, true);
			break;
		case 5:
			well = sync_some(w, p);
			break;
		case 6:
			helper_step(w, p, false);
			break;
		case 7:
			helper_step(w, p, true);
			break;
		}
		look_at_frontier(w, p);
		meddle(w, p);
		if (w->trims && !sim_pick(&w->pick, 5))
			give_back(w, p);
		look_at_trim(w, p);
		if (!w->rule && !sim_pick(&w->pick, 12))
			read_live(w);
	}
}

/* ------------------------------------------------------------------------
 * The simulator
 */

static enum sim_how how_of(const struct world *w, const struct jnl_batch *b)
{
	return w->method == BUFFERED ? SIM_TO_PAGE :
	       b->dsync ? SIM_TO_MEDIUM : SIM_TO_DRIVE;
}

/* The file that a segment is in, and where it begins there. */
static int place_of(struct world *w, struct process *p, uint64_t number,
		    uint64_t *ret_base)
{
	const struct jnl_segment_file *f = jnl_file_of(p->j, number);
	char name[JNL_SEGMENT_NAME_LEN];

	*ret_base = f->base;
	jnl_segment_name(name, number);
	return sim_lookup(w->sim.disk, w->raw ? SIM_DEVICE : name);
}

static void begin_write(struct world *w, struct flight *f, int file,
			uint64_t base)
{
	const struct jnl_batch *b = f->act.batch;

	f->slot = sim_write_begin(w->sim.disk, file, b->image, b->size,
				  base + f->act.offset, how_of(w, b));
	if (b->flags & JNL_BATCH_UNTORN && !w->sim.tears)
		sim_write_whole(w->sim.disk, f->slot);
}

static void begin_flush(struct world *w, struct process *p, struct flight *f,
			int file)
{
	f->by_drive = jnl_barrier_by_drive(p->j, f->act.segment);
	if (f->by_drive)
		sim_device_flush_begin(w->sim.disk, &f->seq);
	else
		sim_flush_begin(w->sim.disk, file, &f->flush);
}

/*
 * On a device a failed flush takes pages of every slot with it, and each open
 * file is told of it once.
 */
static bool is_told(struct world *w, struct process *p, uint64_t segment)
{
	struct sim_fd *f = sim_fd_of(&w->sim, jnl_file_of(p->j, segment)->fd);
	uint32_t failures = w->sim.disk->file[f->file]->failures;
	bool told = w->raw && f->failures != failures;

	f->failures = failures;
	return told;
}

/* How a flush ends, for the engine. */
static int end_flush(struct world *w, struct process *p, struct flight *f,
		     bool fails)
{
	if (f->by_drive && fails) {
		sim_device_flush_fail(w->sim.disk, f->seq, &w->sim.chance);
		return jnl_barrier_landed(p->j, -EIO);
	}
	if (f->by_drive)
		sim_device_flush_end(w->sim.disk, f->seq);
	else if (fails)
		sim_flush_fail(w->sim.disk, &f->flush, &w->sim.chance);
	else
		sim_flush_end(w->sim.disk, &f->flush);
	if (!f->by_drive && is_told(w, p, f->act.segment))
		fails = true;
	return fails ? -EIO : 0;
}

/* Hand one action out and begin it. */
static void begin(struct world *w, struct process *p)
{
	struct flight *f = p->flight;
	uint64_t base;
	int file;

	if (p->flying == FLIGHTS)
		return;
	while (f->used)
		f++;
	jnl_engine_next(&p->j->engine, &f->act);
	if (f->act.kind == JNL_ACT_NONE)
		return;
	/* Nothing else is under way then, so it is done in one go; every call
	 * in it is a point to crash at. */
	if (f->act.kind == JNL_ACT_REPLACE) {
		if (p->flying)
			violated(w, "a file is to be replaced while %d actions "
				 "are under way", p->flying);
		pthread_mutex_lock(&p->j->lock);
		jnl_engine_done(&p->j->engine, &f->act,
				jnl_replace(p->j, f->act.segment));
		pthread_mutex_unlock(&p->j->lock);
		acknowledge(w, p->j->engine.frontier);
		return;
	}
	/* The flush after which a segment is settled is waited for. */
	if (f->act.kind == JNL_ACT_FLUSH && p->j->drive.on &&
	    !jnl_barrier_by_drive(p->j, f->act.segment)) {
		pthread_mutex_lock(&p->j->lock);
		jnl_engine_done(&p->j->engine, &f->act,
				jnl_barrier_carry(p->j, f->act.segment));
		pthread_mutex_unlock(&p->j->lock);
		acknowledge(w, p->j->engine.frontier);
		return;
	}
	file = place_of(w, p, f->act.segment, &base);
	if (file < 0)
		violated(w, "an action for segment %llu, which is not there",
			 (unsigned long long)f->act.segment);
	f->used = true;
	f->told = f->by_drive = false;
	p->flying++;
	if (f->act.kind == JNL_ACT_WRITE)
		begin_write(w, f, file, base);
	else
		begin_flush(w, p, f, file);
	add_point(w);
	if (w->rule && w->rule->ack_early) {
		jnl_engine_done(&p->j->engine, &f->act, 0);
		f->told = true;
	}
}

/* Whether the completion of a write, by itself, says that it is durable. */
static void acknowledge_unordered(struct world *w, const struct jnl_action *a)
{
	if (a->kind == JNL_ACT_WRITE && w->method == DIRECT_DSYNC)
		acknowledge(w, a->batch->end);
}

/* One of the actions under way ends. */
static void end(struct world *w, struct process *p)
{
	unsigned int i = sim_pick(&w->pick, (unsigned int)p->flying);
	struct jnl_engine *e = &p->j->engine;
	struct flight *f = p->flight;
	bool fails;
	int ret = 0;

	for (;; f++)
		if (f->used && !i--)
			break;
	fails = on_fault(w, f->act.kind == JNL_ACT_WRITE ? SIM_CALL_WRITE :
			 SIM_CALL_FLUSH, "") < 0;
	if (f->act.kind == JNL_ACT_WRITE) {
		if (fails)
			sim_write_fail(w->sim.disk, f->slot, &w->sim.chance);
		else
			sim_write_end(w->sim.disk, f->slot);
		ret = fails ? -EIO : 0;
	} else {
		ret = end_flush(w, p, f, fails);
	}
	add_point(w);
	f->used = false;
	p->flying--;
	if (w->rule && w->rule->ack_unordered && !fails)
		acknowledge_unordered(w, &f->act);
	if (!f->told)
		jnl_engine_done(e, &f->act, ret);
	acknowledge(w, e->frontier);
}

/* An append straight into the engine, which may refuse it. */
static void put(struct world *w, struct process *p)
{
	struct jnl_engine *e = &p->j->engine;
	uint32_t n = w->appended, len = record_len(w, n);
	struct iovec iov = { p->buf, len };
	uint64_t lsn;
	int ret;

	if (n >= p->limit)
		return;
	record_fill(w, n, p->buf);
	ret = jnl_engine_append(e, &iov, 1, len, &lsn);
	if (ret == -EBUSY) {
		p->needed = true;
		if (!helper_step(w, p, false) && !w->failed && !w->tight)
			violated(w, "an append waits for what the helper does "
				 "not make");
		return;
	}
	if (ret == -EAGAIN)
		return;
	check_error(w, "jnl_engine_append", ret);
	if (ret < 0)
		return;
	w->lsn[n] = lsn;
	w->joined[n] = false;
	w->appended++;
}

static void want(struct world *w, struct process *p)
{
	uint32_t n;

	if (w->acked == w->appended)
		return;
	n = w->acked + sim_pick(&w->pick, w->appended - w->acked);
	jnl_engine_want(&p->j->engine, w->lsn[n] + 1);
}

static void run_engine(struct world *w, struct process *p)
{
	struct jnl_engine *e = &p->j->engine;
	int steps = w->small ? 12 : 30 + (int)sim_pick(&w->pick, 170);

	if (w->rule && w->rule->ready_early && e->ready_end != UINT64_MAX) {
		p->ready_end = e->ready_end;
		e->ready_end = w->segment_size;
	}
	while (steps-- && !e->error) {
		switch (sim_pick(&w->pick, 8)) {
		case 0: case 1:
			put(w, p);
			break;
		case 2:
			want(w, p);
			break;
		case 3: case 4:
			begin(w, p);
			break;
		case 5: case 6:
			if (p->flying)
				end(w, p);
			break;
		case 7:
			helper_step(w, p, !p->flying && sim_pick(&w->pick, 2));
			break;
		}
		meddle(w, p);
		if (w->trims && !sim_pick(&w->pick, 12) && !e->error)
			give_back(w, p);
		look_at_trim(w, p);
		if (e->unacked > e->cfg.queue_depth)
			violated(w, "%u batches above the frontier, and the "
				 "queue is %u deep", e->unacked,
				 e->cfg.queue_depth);
	}
}

/* Finish what is under way, so that the journal can be closed in order. */
static void land(struct world *w, struct process *p)
{
	while (p->flying)
		end(w, p);
}

/* The process is dead: what it had begun is the disk's affair. */
static void abandon(struct process *p)
{
	for (int i = 0; i < FLIGHTS; i++) {
		struct flight *f = &p->flight[i];

		if (f->used && f->act.kind == JNL_ACT_FLUSH && !f->by_drive)
			sim_flush_drop(&f->flush);
		f->used = false;
	}
}

/* ------------------------------------------------------------------------ */

static int open_journal(struct world *w, journal **ret_j)
{
	struct journal_error error = { 0 };
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct jnl_choice choice;
	struct jnl_env env = {
		.sys = &w->sim.sys, .choice = &choice, .no_helper = true,
	};
	int ret;

	choice_of(w, w->method, &choice);
	options.flags = JOURNAL_CREATE;
	options.segment_size = w->segment_size;
	options.record_max = w->record_max;
	options.queue_depth = 1 + sim_pick(&w->pick, w->depth);
	options.error = &error;
	w->opening = true;
	ret = jnl_open(ret_j, SIM_DIR, &options, &env);
	w->opening = false;
	if (ret < 0 && !w->failed && !is_full(w, ret))
		violated(w, "P3: open failed with %d, and nothing was wrong: "
			 "%s", ret, error.message);
	return ret;
}

/* What the open found is a promise from here on. */
static void believe(struct world *w, journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	uint32_t n;

	if (journal_info(j, &info) < 0)
		violated(w, "journal_info failed");
	n = records_below(w, info.recovered_lsn);
	if (n < w->acked)
		violated(w, "P1: open found %u records up to %llu, but %u "
			 "were acknowledged", n,
			 (unsigned long long)info.recovered_lsn, w->acked);
	if (w->life && n != w->appended)
		violated(w, "open found %u records, reading found %u", n,
			 w->appended);
	w->created = true;
	w->acked = w->appended = n;
	if (info.first_lsn < w->trim.durable || info.first_lsn > w->trim.asked)
		violated(w, "P5: open begins at %llu, and %llu to %llu was "
			 "given back", (unsigned long long)info.first_lsn,
			 (unsigned long long)w->trim.durable,
			 (unsigned long long)w->trim.asked);
	w->trim.durable = w->trim.asked = info.first_lsn;
	if (info.frontier < info.recovered_lsn)
		violated(w, "the frontier lies below what was recovered");
}

static void close_clean(struct world *w, struct process *p)
{
	journal *j = p->j;
	int ret;

	land(w, p);
	p->j = NULL;
	ret = journal_close(j);
	check_error(w, "journal_close", ret);
	if (!ret && !w->failed) {
		w->acked = w->appended;
		add_point(w);
	}
}

static void run(struct world *w, struct process *p, bool engine)
{
	if (w->rule && w->rule->table)
		w->rule->table(w, &w->sim, false);
	believe(w, p->j);
	add_point(w);
	if (w->rule && w->rule->opens_only && w->life)
		return;
	if (engine)
		run_engine(w, p);
	else
		run_caller(w, p);
}

void live(struct world *w)
{
	bool engine = sim_pick(&w->pick, 2), clean;
	struct process p = { 0 };

	process(w, &w->sim, w->disk);
	w->sim.step = on_step;
	w->sim.fault = on_fault;
	w->sim.arg = w;
	w->failed = false;
	w->faults = 0;
	w->fail_after = 0;
	if (w->rule && w->rule->flush_fails)
		w->fail_after = w->life ? 0 : 1 + (int)sim_pick(&w->pick, 10);
	else if (!w->small && !w->rule && !sim_pick(&w->pick, 4))
		w->fail_after = 1 + (int)sim_pick(&w->pick, 40);
	if (w->harsh && sim_pick(&w->pick, 4))
		w->fail_after = 1 + (int)sim_pick(&w->pick, 16);
	w->fail_open = w->fail_after && !w->rule && !sim_pick(&w->pick, 3);
	if (w->fail_open)
		w->fail_after = 1 + w->fail_after % 8;
	if (w->rule && (w->rule->engine_only || w->rule->caller_only))
		engine = w->rule->engine_only;
	p.buf = malloc(w->record_max + 1);
	p.limit = w->appended + (w->small ? 3 : w->harsh ? 24 : 60);
	if (!p.buf)
		abort();
	if (p.limit > MAX_RECORDS)
		p.limit = MAX_RECORDS;
	add_point(w);
	note(w, "life %d: %s, method %d, %u records, %u acknowledged", w->life,
	     engine ? "simulator" : "caller", w->method, w->appended,
	     w->acked);
	if (!open_journal(w, &p.j))
		run(w, &p, engine);
	clean = p.j && !(w->rule && w->rule->opens_only) &&
		!sim_pick(&w->pick, 3);
	if (clean)
		close_clean(w, &p);
	abandon(&p);
	if (p.j) {
		w->sim.dead = true;
		jnl_engine_fail(&p.j->engine, -EIO);
		(void)journal_close(p.j);
	}
	if (sim_open_fds(&w->sim))
		violated(w, "%d descriptors are left open",
			 sim_open_fds(&w->sim));
	free(p.buf);
	w->counts->lives++;
	note(w, "  ends with %u records, %u acknowledged, %d points",
	     w->appended, w->acked, w->points);
}
