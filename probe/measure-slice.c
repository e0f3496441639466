/*
 * probe/measure-slice.c - one pair, timed for a while.
 *
 * An append's time runs from handing it over to knowing it durable: to the end
 * of its write where the way makes that durable, else to the end of the flush
 * behind it.  On a ring without durable writes as many as the depth are
 * written and then flushed together, one flush at a time, as the commit engine
 * does.
 *
 * How it fails: the first error is noted in the pair with the call that gave
 * it, what is in flight is waited for, and the pair is done.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/compat.h"
#include "lib/nvme.h"
#include "lib/ring.h"
#include "probe/measure-inner.h"

/* A slow device gets so far, whatever the time. */
#define APPENDS_MIN	2u

struct slice {
	struct jnl_measure *m;
	struct jnl_measure_pair *pair;
	const struct jnl_choice *choice;
	const struct jnl_measure_file *file;
	uint64_t *place;
	uint64_t begin_ns, end_ns;
	uint64_t room;		/* bytes that may still be written */
	uint32_t begun;		/* appends */
	bool dsync;		/* a write is durable when it returns */
	bool by_drive;		/* else the drive's Flush makes it so */
	struct jnl_nvme nvme;	/* by_drive: what it goes to */
};

static void fail(struct slice *s, const char *call, int err)
{
	if (s->pair->err)
		return;
	s->pair->failed = call;
	s->pair->err = err;
}

static const char *flush_name(const struct slice *s)
{
	if (s->by_drive)
		return "NVMe Flush";
	return s->choice->way.flush == JNL_FLUSH_FSYNC ? "fsync" : "fdatasync";
}

static int flush(struct slice *s)
{
	int ret;

	if (!s->by_drive)
		return jnl_way_flush(s->m->sys, &s->choice->way, s->file->fd);
	ret = jnl_nvme_flush(&s->nvme, s->m->sys);
	/* A status of the drive's. */
	return ret > 0 ? -EIO : ret;
}

/* Whether another append is to begin, and where; its bytes are counted. */
static bool next_place(struct slice *s, uint64_t *ret_offset)
{
	uint32_t block = s->m->block;

	if (s->pair->err || s->room < block ||
	    (s->begun >= APPENDS_MIN && jnl_measure_now_ns() >= s->end_ns))
		return false;
	s->begun++;
	s->room -= block;
	if (*s->place + block > s->file->size)
		*s->place = 0;
	*ret_offset = *s->place;
	*s->place += block;
	return true;
}

static void slice_plain(struct slice *s)
{
	size_t align = s->choice->way.direct ? s->m->block : 1;
	int rwf = s->dsync ? RWF_DSYNC : 0;
	struct jnl_measure *m = s->m;
	uint64_t offset, begin;
	int ret;

	while (next_place(s, &offset)) {
		begin = jnl_measure_now_ns();
		ret = jnl_write_full(m->sys, s->file->fd, m->memory, m->block,
				     offset, rwf, align);
		if (ret < 0) {
			fail(s, "pwritev2", ret);
			return;
		}
		ret = s->dsync ? 0 : flush(s);
		if (ret < 0) {
			fail(s, flush_name(s), ret);
			return;
		}
		jnl_histogram_add(&s->pair->histogram,
				  jnl_measure_now_ns() - begin);
	}
}

/* ------------------------------------------------------------------------
 * On a ring
 */

struct flight {
	bool up;
	bool written;		/* waits for the flush */
	uint64_t begin_ns;
};

struct ring_slice {
	struct slice *s;
	struct jnl_ring *ring;
	struct jnl_ring_file file;
	struct flight flight[JNL_MEASURE_DEPTH_MAX];
	uint32_t up;		/* started, and not known durable */
	bool flushing;
};

static void take_off(struct ring_slice *r)
{
	struct slice *s = r->s;
	struct jnl_measure *m = s->m;
	struct flight *f = r->flight;
	uint64_t offset;
	int ret;

	while (r->up < s->pair->depth && next_place(s, &offset)) {
		while (f->up)
			f++;
		f->begin_ns = jnl_measure_now_ns();
		f->written = false;
		ret = jnl_ring_write(r->ring, r->file, m->memory +
				     (size_t)(f - r->flight) * m->block,
				     m->block, s->file->base + offset,
				     s->dsync ? RWF_DSYNC : 0, m->block, f);
		if (ret < 0) {
			fail(s, "starting a write", ret);
			return;
		}
		f->up = true;
		r->up++;
	}
}

static void arrived(struct ring_slice *r, struct flight *f)
{
	f->up = false;
	r->up--;
	if (!r->s->pair->err)
		jnl_histogram_add(&r->s->pair->histogram,
				  jnl_measure_now_ns() - f->begin_ns);
}

static void flushed(struct ring_slice *r)
{
	r->flushing = false;
	for (uint32_t i = 0; i < r->s->pair->depth; i++) {
		if (r->flight[i].up)
			arrived(r, &r->flight[i]);
	}
}

static void land(struct ring_slice *r, void *tag, int err)
{
	struct slice *s = r->s;
	bool flush = tag == r;

	if (err == JNL_RING_UNDONE)
		fail(s, "io_uring_enter", jnl_ring_broken(r->ring));
	else if (err >= JNL_RING_STATUS)
		fail(s, flush_name(s), -EIO);
	else if (err < 0)
		fail(s, flush ? flush_name(s) : "write", err);
	if (flush)
		flushed(r);
	else if (s->dsync || s->pair->err)
		arrived(r, tag);
	else
		((struct flight *)tag)->written = true;
}

/* When everything is written and nothing is flushed yet. */
static bool want_flush(const struct ring_slice *r)
{
	if (r->s->dsync || r->flushing || !r->up)
		return false;
	for (uint32_t i = 0; i < r->s->pair->depth; i++) {
		if (r->flight[i].up && !r->flight[i].written)
			return false;
	}
	return true;
}

/* False: the ring is lost. */
static bool wait_and_land(struct ring_slice *r)
{
	void *tag;
	int err, ret;

	ret = jnl_ring_wait(r->ring);
	while (jnl_ring_reap(r->ring, &tag, &err))
		land(r, tag, err);
	if (ret >= 0)
		return true;
	fail(r->s, "io_uring_enter", ret);
	r->s->m->memory_lost = true;
	return false;
}

static int start_flush(struct ring_slice *r)
{
	const struct slice *s = r->s;

	if (s->by_drive)
		return jnl_ring_device_flush(r->ring, s->nvme.nsid, r);
	return jnl_ring_flush(r->ring, r->file, s->choice->way.flush ==
			      JNL_FLUSH_FDATASYNC, r);
}

static void fly(struct ring_slice *r)
{
	struct slice *s = r->s;
	int ret;

	do {
		/* Without durable writes each load goes as a whole. */
		if (s->dsync || !r->up)
			take_off(r);
		if (want_flush(r) && !s->pair->err) {
			ret = start_flush(r);
			if (ret < 0)
				fail(s, "starting a flush", ret);
			r->flushing = !ret;
		}
	} while (jnl_ring_in_flight(r->ring) && wait_and_land(r));
}

static void slice_ring(struct slice *s)
{
	struct jnl_measure *m = s->m;
	struct jnl_ring_config cfg = {
		.entries = s->pair->depth + 1,
		/* The lock of a journal is a file like any other. */
		.lock_fd = m->cfg.holds ? m->cfg.hold_fd : s->file->fd,
		.memory = m->memory,
		.memory_len = (size_t)JNL_MEASURE_DEPTH_MAX * m->block,
		.device = s->by_drive,
		.device_fd = s->nvme.fd,
	};
	struct ring_slice r = {
		.s = s,
		.file = { s->file->fd, s->file->generation },
	};
	struct jnl_ring_report report;
	uint64_t now = jnl_measure_now_ns();
	int ret;

	ret = jnl_ring_open(&r.ring, m->sys, &cfg, &report);
	if (!ret)
		ret = jnl_ring_enable(r.ring, &report);
	if (ret < 0) {
		fail(s, report.refused, ret);
	} else {
		/* Making the ring is no part of an append. */
		s->begin_ns += jnl_measure_now_ns() - now;
		s->end_ns += jnl_measure_now_ns() - now;
		fly(&r);
	}
	jnl_ring_close(r.ring, true);
}

/* For the drive's Flush: what takes it. */
static bool open_drive(struct slice *s)
{
	const struct jnl_choice *c = s->choice;
	int ret;

	if (!s->by_drive)
		return true;
	ret = jnl_nvme_open(&s->nvme, s->m->sys, c->generic, c->generic_major,
			    c->generic_minor);
	if (ret < 0)
		fail(s, "opening the namespace's generic device", ret);
	return ret == 0;
}

static void slice(struct slice *s)
{
	if (s->file->err)
		fail(s, s->file->failed, s->file->err);
	else if (!open_drive(s))
		return;
	else if (!strcmp(s->pair->carrier, "io_uring"))
		slice_ring(s);
	else
		slice_plain(s);
	if (s->by_drive)
		jnl_nvme_close(&s->nvme, s->m->sys);
}

void jnl_measure_slice(struct jnl_measure *m, size_t i, uint64_t ns,
		       uint64_t bytes)
{
	const struct jnl_choice *choice = &m->choice[i];
	struct slice s = {
		.m = m,
		.pair = &m->pair[i],
		.choice = choice,
		.file = &m->file[choice->way.direct],
		.by_drive = choice->method->needs & JNL_NEED_PASSTHROUGH,
		.nvme.fd = -1,
		.place = &m->place[i],
		.room = bytes,
		.begin_ns = jnl_measure_now_ns(),
	};

	s.dsync = choice->way.dsync && !s.by_drive;
	s.end_ns = s.begin_ns + ns;
	slice(&s);
	s.pair->ns += jnl_measure_now_ns() - s.begin_ns;
}
