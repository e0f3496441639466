/*
 * tests/sim/ring.c - lib/ring.h on the simulated disk: an async ring without a
 * kernel.
 *
 * Everything of lib/ring.h is defined here, so that the library's own ring is
 * not linked, and journal/loop.c runs on this one as it is.  An operation is
 * started, taken by the kernel at a submission (which may refuse it), under
 * way on the disk, completed, found by a look and reaped; several are under
 * way at a time and complete in any order, at once or much later, in full, in
 * part or with an error.  What is under way when the process dies is the
 * disk's affair.
 *
 * Invariants
 *   - Every completion rings the eventfd before anybody can find it.
 *   - A file is the one that its generation was first seen with, whatever the
 *     descriptor's number means later.
 *   - What is to be written does not change until it is reaped: checked.
 *   - No more operations than there are entries: checked.
 *
 * One process at a time has a ring.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "journal/format.h"
#include "lib/compat.h"
#include "lib/ring.h"
#include "tests/sim/life.h"

#define SEED	7

enum state { FREE, STARTED, UNDER_WAY, COMPLETED, ENDED };

enum kind { WRITE, FLUSH, DEVICE_FLUSH };

struct op {
	enum state state;
	enum kind kind;
	void *tag;
	int err;
	/* What it goes to. */
	int file, fd;
	/* A write. */
	const uint8_t *buf;
	uint64_t sum;		/* of what is in buf */
	size_t len, done, align;
	bool more;		/* it was short: the rest is to follow */
	uint64_t offset;
	int rwf, slot;
	/* A flush. */
	struct sim_flush flush;
	uint64_t seq;
};

struct known {
	uint64_t generation;	/* 0: none */
	int fd, file;
};

struct jnl_ring {
	struct world *w;
	uint32_t entries, used;
	int event_fd, broken;
	bool device;
	struct op *op;
	struct known *known;	/* one for each entry, and one */
};

static struct world *world;	/* whose process opens next */
static struct jnl_ring *open_ring;

void ring_use(struct world *w)
{
	world = w;
	open_ring = NULL;
}

static unsigned int count(const struct jnl_ring *ring, enum state state)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < ring->entries; i++)
		n += ring->op[i].state == state;
	return n;
}

/* Any one of those in that state, or NULL. */
static struct op *any(struct jnl_ring *ring, enum state state)
{
	unsigned int n = count(ring, state);
	struct op *op = ring->op;

	if (!n)
		return NULL;
	for (n = sim_pick(&ring->w->pick, n); op->state != state || n--; op++)
		;
	return op;
}

static bool rarely(const struct jnl_ring *ring, unsigned int n)
{
	return !ring->w->sim.dead && !sim_pick(&ring->w->pick, n);
}

/* ------------------------------------------------------------------------
 * The kernel
 */

static void ring_bell(const struct jnl_ring *ring)
{
	const struct rule *r = ring->w->rule;

	if (!(r && r->ring_silent))
		(void)eventfd_write(ring->event_fd, 1);
}

static void complete(struct jnl_ring *ring, struct op *op, int err)
{
	op->err = err;
	op->state = COMPLETED;
	ring->w->counts->completed++;
	ring_bell(ring);
}

/* What the kernel finds wrong with a write before it begins. */
static int refused(const struct jnl_ring *ring, const struct op *op)
{
	const struct sim *s = &ring->w->sim;
	uint64_t at = op->offset + op->done;
	size_t len = op->len - op->done;

	if (!s->disk->file[op->file] || (at | len) % SIM_SECTOR)
		return -EINVAL;
	if (op->rwf & RWF_ATOMIC && (!s->untorn || len > s->untorn ||
				     len & (len - 1) || at % len))
		return -EINVAL;
	return 0;
}

static void begin_write(struct jnl_ring *ring, struct op *op)
{
	struct sim *s = &ring->w->sim;
	int err = refused(ring, op);

	if (err) {
		complete(ring, op, err);
		return;
	}
	op->slot = sim_write_begin(s->disk, op->file, op->buf + op->done,
				   op->len - op->done, op->offset + op->done,
				   op->rwf & RWF_DSYNC ? SIM_TO_MEDIUM :
				   SIM_TO_DRIVE);
	if (op->rwf & RWF_ATOMIC && !s->tears)
		sim_write_whole(s->disk, op->slot);
}

static void begin(struct jnl_ring *ring, struct op *op)
{
	struct sim_disk *disk = ring->w->sim.disk;

	ring->w->counts->beside += count(ring, UNDER_WAY) > 0;
	op->state = UNDER_WAY;
	if (op->kind == WRITE)
		begin_write(ring, op);
	else if (op->kind == FLUSH)
		sim_flush_begin(disk, op->file, &op->flush);
	else
		sim_device_flush_begin(disk, &op->seq);
	add_point(ring->w);
}

/*
 * Only the beginning is told to have been written, of the rest any block may
 * be there: the ring goes on with it.
 */
static void end_short(struct jnl_ring *ring, struct op *op)
{
	struct sim *s = &ring->w->sim;
	size_t sectors = (op->len - op->done) / SIM_SECTOR, len;
	uint64_t at = op->offset + op->done;

	len = SIM_SECTOR * sim_pick(&ring->w->pick, (unsigned int)sectors);
	len &= ~(op->align - 1);
	sim_write_fail(s->disk, op->slot, &s->chance);
	if (len) {
		op->slot = sim_write_begin(s->disk, op->file,
					   op->buf + op->done, len, at,
					   op->rwf & RWF_DSYNC ?
					   SIM_TO_MEDIUM : SIM_TO_DRIVE);
		sim_write_end(s->disk, op->slot);
	}
	op->done += len;
	op->more = true;
	ring->w->counts->shorts++;
	complete(ring, op, 0);
}

static void end_write(struct jnl_ring *ring, struct op *op, int err)
{
	struct sim *s = &ring->w->sim;

	if (jnl_checksum(op->buf, op->len, SEED) != op->sum)
		violated(ring->w, "an image changed while it was written");
	if (err) {
		sim_write_fail(s->disk, op->slot, &s->chance);
		complete(ring, op, err);
	} else if (!(op->rwf & RWF_ATOMIC) && rarely(ring, 12)) {
		end_short(ring, op);
	} else {
		sim_write_end(s->disk, op->slot);
		complete(ring, op, 0);
	}
}

/* A failure is reported once for each open file, whoever asked first. */
static void end_flush(struct jnl_ring *ring, struct op *op, int err)
{
	struct sim *s = &ring->w->sim;
	struct sim_fd *f = sim_fd_of(s, op->fd);

	if (!f || f->file != op->file)
		violated(ring->w, "a file was closed that is being flushed");
	if (err)
		sim_flush_fail(s->disk, &op->flush, &s->chance);
	else
		sim_flush_end(s->disk, &op->flush);
	if (f->failures != s->disk->file[op->file]->failures && !err)
		err = -EIO;
	f->failures = s->disk->file[op->file]->failures;
	complete(ring, op, err);
}

/* By the drive; the command may be refused, or answered with a status. */
static void end_device_flush(struct jnl_ring *ring, struct op *op, int err)
{
	struct sim *s = &ring->w->sim;

	if (err && sim_pick(&ring->w->pick, 2))
		err = JNL_RING_STATUS + 6;
	if (err)
		sim_device_flush_fail(s->disk, op->seq, &s->chance);
	else if (rarely(ring, 60))
		err = -EACCES;
	else
		sim_device_flush_end(s->disk, op->seq);
	complete(ring, op, err);
}

/* The process is dead: nothing more is told, and the disk goes its own way. */
static void forget(struct op *op)
{
	if (op->kind == FLUSH)
		sim_flush_drop(&op->flush);
	op->state = COMPLETED;
	op->err = -EIO;
}

/* The kernel took it and did not do it: it could not be begun without a wait,
 * or its thread ended before. */
static void end_not_done(struct jnl_ring *ring, struct op *op)
{
	struct sim *s = &ring->w->sim;

	if (op->kind == WRITE)
		sim_write_fail(s->disk, op->slot, &s->chance);
	else if (op->kind == FLUSH)
		sim_flush_drop(&op->flush);
	ring->w->counts->undone++;
	complete(ring, op, JNL_RING_UNDONE);
}

static int fault(struct jnl_ring *ring, const struct op *op)
{
	/* Nothing to bring, nothing to fail. */
	if (op->kind == FLUSH && !op->flush.needed)
		return 0;
	return on_fault(ring->w, op->kind == WRITE ? SIM_CALL_WRITE :
			SIM_CALL_FLUSH, "");
}

static bool complete_one(struct jnl_ring *ring)
{
	struct op *op = any(ring, UNDER_WAY);
	int err;

	if (!op)
		return false;
	if (ring->w->sim.dead) {
		forget(op);
		return true;
	}
	err = fault(ring, op);
	if (!err && !op->done && rarely(ring, 30))
		end_not_done(ring, op);
	else if (op->kind == WRITE)
		end_write(ring, op, err);
	else if (op->kind == FLUSH)
		end_flush(ring, op, err);
	else
		end_device_flush(ring, op, err);
	add_point(ring->w);
	return true;
}

bool ring_complete(void)
{
	return open_ring && complete_one(open_ring);
}

/* ------------------------------------------------------------------------
 * lib/ring.h
 */

int jnl_ring_open(struct jnl_ring **ret_ring, struct jnl_sys *sys,
		  const struct jnl_ring_config *cfg,
		  struct jnl_ring_report *ret_report)
{
	struct jnl_ring *ring = calloc(1, sizeof(*ring));

	(void)sys;
	/* A reader's, which then reads without one. */
	if (!cfg->async) {
		free(ring);
		return -ENOSYS;
	}
	if (!ring || !cfg->entries)
		abort();
	memset(ret_report, 0, sizeof(*ret_report));
	ring->w = world;
	ring->entries = cfg->entries;
	ring->event_fd = cfg->event_fd;
	ring->device = cfg->device && sim_pick(&world->pick, 4);
	ring->op = calloc(cfg->entries, sizeof(*ring->op));
	ring->known = calloc(cfg->entries + 1, sizeof(*ring->known));
	if (!ring->op || !ring->known)
		abort();
	*ret_ring = open_ring = ring;
	return 0;
}

int jnl_ring_enable(struct jnl_ring *ring, struct jnl_ring_report *report)
{
	(void)report;
	return rarely(ring, 40) ? -EPERM : 0;
}

/* Whether an operation goes to that place in the table of files. */
static bool in_use(const struct jnl_ring *ring, const struct known *k)
{
	for (uint32_t i = 0; i < ring->entries; i++) {
		const struct op *op = &ring->op[i];

		if (op->state != FREE && op->kind != DEVICE_FLUSH &&
		    op->file == k->file && op->fd == k->fd)
			return true;
	}
	return false;
}

/* The file as it was when its generation was new, or NULL. */
static const struct known *file_of(struct jnl_ring *ring,
				   struct jnl_ring_file file)
{
	struct known *oldest = NULL;
	const struct sim_fd *f;

	for (uint32_t i = 0; i <= ring->entries; i++) {
		struct known *k = &ring->known[i];

		if (k->generation == file.generation)
			return k;
		if ((!oldest || k->generation < oldest->generation) &&
		    !(k->generation && in_use(ring, k)))
			oldest = k;
	}
	f = sim_fd_of(&ring->w->sim, file.fd);
	if (!f || !oldest)
		violated(ring->w, "an operation for a file that is not open");
	if (rarely(ring, 80))
		return NULL;
	*oldest = (struct known){ file.generation, file.fd, f->file };
	return oldest;
}

static int start(struct jnl_ring *ring, const struct op *proto)
{
	struct op *op = any(ring, FREE);

	if (!op)
		violated(ring->w, "more operations than the ring has entries");
	*op = *proto;
	op->state = STARTED;
	ring->used++;
	return 0;
}

int jnl_ring_write(struct jnl_ring *ring, struct jnl_ring_file file,
		   const void *buf, size_t len, uint64_t offset, int rwf,
		   size_t align, void *tag)
{
	const struct known *k;

	if (ring->broken)
		return ring->broken;
	k = file_of(ring, file);
	if (!k)
		return -ENOMEM;
	return start(ring, &(struct op){
		.kind = WRITE, .file = k->file, .fd = k->fd, .buf = buf,
		.len = len, .sum = jnl_checksum(buf, len, SEED),
		.align = align, .offset = offset, .rwf = rwf, .tag = tag });
}

/* A reader's, who got no ring. */
int jnl_ring_read(struct jnl_ring *ring, struct jnl_ring_file file, void *buf,
		  size_t len, uint64_t offset, size_t align, void *tag)
{
	(void)file;
	(void)buf;
	(void)len;
	(void)offset;
	(void)align;
	(void)tag;
	violated(ring->w, "somebody reads by an async ring");
}

int jnl_ring_flush(struct jnl_ring *ring, struct jnl_ring_file file,
		   bool data_only, void *tag)
{
	const struct known *k;

	(void)data_only;
	if (ring->broken)
		return ring->broken;
	k = file_of(ring, file);
	if (!k)
		return -ENOMEM;
	return start(ring, &(struct op){
		.kind = FLUSH, .file = k->file, .fd = k->fd, .tag = tag });
}

int jnl_ring_device_flush(struct jnl_ring *ring, uint32_t nsid, void *tag)
{
	if (ring->broken)
		return ring->broken;
	if (!ring->device)
		return -EOPNOTSUPP;
	if (nsid != SIM_NG_NSID)
		violated(ring->w, "a Flush for namespace %u", nsid);
	return start(ring, &(struct op){ .kind = DEVICE_FLUSH, .tag = tag });
}

void jnl_ring_keep(struct jnl_ring *ring, const uint64_t *generation, size_t n)
{
	for (uint32_t i = 0; i <= ring->entries; i++) {
		struct known *k = &ring->known[i];
		bool keep = !k->generation || in_use(ring, k);

		for (size_t g = 0; g < n; g++)
			keep |= generation[g] == k->generation;
		if (!keep)
			*k = (struct known){ 0 };
	}
}

/* The thread driver's: it has no place here. */
int jnl_ring_wait(struct jnl_ring *ring)
{
	violated(ring->w, "somebody waits for an async ring");
}

static void end_undone(struct jnl_ring *ring, struct op *op)
{
	op->state = ENDED;
	op->err = JNL_RING_UNDONE;
	ring->w->counts->undone++;
}

/*
 * The kernel may refuse some of it, for want of memory, or be entered no more.
 * The rest of a short write it always takes: without that its fate would be a
 * failure, and there are enough of those.
 */
int jnl_ring_submit(struct jnl_ring *ring)
{
	struct op *op;

	if (rarely(ring, 250))
		ring->broken = -EBADF;
	while ((op = any(ring, STARTED))) {
		if (ring->w->sim.dead ||
		    (!op->done && (ring->broken || rarely(ring, 30))))
			end_undone(ring, op);
		else
			begin(ring, op);
		while (rarely(ring, 6) && complete_one(ring))
			;
	}
	return 0;
}

bool jnl_ring_unsubmitted(const struct jnl_ring *ring)
{
	return count(ring, STARTED);
}

void jnl_ring_look(struct jnl_ring *ring)
{
	for (uint32_t i = 0; i < ring->entries; i++) {
		struct op *op = &ring->op[i];

		if (op->state != COMPLETED)
			continue;
		op->state = op->more ? STARTED : ENDED;
		op->more = false;
	}
}

void jnl_ring_sleep(const struct jnl_ring *ring, int kick_fd)
{
	(void)kick_fd;
	if (count(ring, COMPLETED))
		return;
	if (!ring_complete())
		violated(ring->w, "somebody sleeps on a ring with nothing "
			 "under way");
}

bool jnl_ring_reap(struct jnl_ring *ring, void **ret_tag, int *ret_err)
{
	struct op *op = any(ring, ENDED);

	if (!op) {
		/* Just when nobody looks any more. */
		if (rarely(ring, 8))
			(void)complete_one(ring);
		return false;
	}
	*ret_tag = op->tag;
	*ret_err = op->err;
	op->state = FREE;
	ring->used--;
	return true;
}

uint32_t jnl_ring_in_flight(const struct jnl_ring *ring)
{
	return ring->used;
}

int jnl_ring_broken(const struct jnl_ring *ring)
{
	return ring->broken;
}

void jnl_ring_release(struct jnl_ring *ring)
{
	if (!ring->used && !ring->broken)
		ring->broken = -EBADF;
}

void jnl_ring_close(struct jnl_ring *ring, bool mapped)
{
	(void)mapped;
	if (!ring)
		return;
	if (ring->used)
		violated(ring->w, "the ring is closed with %u operations in "
			 "flight", ring->used);
	open_ring = NULL;
	free(ring->known);
	free(ring->op);
	free(ring);
}
