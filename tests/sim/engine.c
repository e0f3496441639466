/*
 * tests/sim/engine.c - the simulator as driver.
 *
 * It takes the engine out of the open journal and carries its actions out
 * itself, several at a time, completing them in any order.
 */
#include "config.h"

#include <errno.h>

#include "journal/format.h"
#include "tests/sim/life.h"

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

/* A broken driver: the image is the one that is being filled. */
static void fill_late(const struct jnl_batch *b)
{
	uint32_t at = 0, len, size = 0;
	uint8_t *body = b->image + JNL_BATCH_HEADER;
	const uint8_t *data;

	for (; at < b->body_len; at += size) {
		size = jnl_void_size(body + at, b->body_len - at);
		if (size > JNL_RECORD_WORD)
			body[at + size - 1] = 'x';
		if (!size && !jnl_record_next(body, b->body_len, &at, &data,
					      &len))
			return;
	}
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
	/* It is sealed, and some are not done with what was in it. */
	scribble(p);
	if (w->rule && w->rule->fills_late && f->act.kind == JNL_ACT_WRITE)
		fill_late(f->act.batch);
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

void run_engine(struct world *w, struct process *p)
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
		if (!fill_some(w, p))
			break;
		meddle(w, p);
		if (w->trims && !sim_pick(&w->pick, 12) && !e->error)
			give_back(w, p);
		look_at_trim(w, p);
		if (e->unacked > e->cfg.queue_depth)
			violated(w, "%u batches above the frontier, and the "
				 "queue is %u deep", e->unacked,
				 e->cfg.queue_depth);
		if (!w->rule && !e->error && !sim_pick(&w->pick, 12))
			follow(w, p);
	}
}

/* Finish what is under way, so that the journal can be closed in order. */
void land(struct world *w, struct process *p)
{
	while (p->flying)
		end(w, p);
}

/* The process is dead: what it had begun is the disk's affair. */
void abandon(struct process *p)
{
	for (int i = 0; i < FLIGHTS; i++) {
		struct flight *f = &p->flight[i];

		if (f->used && f->act.kind == JNL_ACT_FLUSH && !f->by_drive)
			sim_flush_drop(&f->flush);
		f->used = false;
	}
}
