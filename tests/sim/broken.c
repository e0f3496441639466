/*
 * tests/sim/broken.c - rules switched off, each by a lie told to the library.
 *
 * A rule that no test can see broken is not tested.  Nothing in the library
 * knows of these: a table lies about a call, or a driver does what the engine
 * forbids, and the judge has to find the journal that is lost by it.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "journal/segment.h"
#include "tests/sim/crash.h"

static struct sim *sim_of(struct jnl_sys *sys)
{
	return (struct sim *)sys;
}

static struct jnl_sys *true_table(void)
{
	static struct jnl_sys table;

	if (!table.openat)
		sim_table(&table);
	return &table;
}

/* ------------------------------------------------------------------------ */

static ssize_t write_no_dsync(struct jnl_sys *sys, int fd, const void *buf,
			      size_t len, uint64_t offset, int rwf)
{
	return true_table()->pwrite(sys, fd, buf, len, offset,
				    rwf & ~RWF_DSYNC);
}

static void no_dsync(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	s->sys.pwrite = opening ? true_table()->pwrite : write_no_dsync;
}

/* ------------------------------------------------------------------------ */

static int flush_again(struct jnl_sys *sys, int fd)
{
	int ret = true_table()->fdatasync(sys, fd);

	return ret < 0 ? true_table()->fdatasync(sys, fd) : ret;
}

static void ask_again(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	(void)opening;
	s->sys.fdatasync = s->sys.fsync = flush_again;
}

/* ------------------------------------------------------------------------ */

static int open_cached(struct jnl_sys *sys, int dirfd, const char *name,
		       int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) == O_RDONLY)
		flags &= ~O_DIRECT;
	return true_table()->openat(sys, dirfd, name, flags, mode);
}

static int keep_cached(struct jnl_sys *sys, int fd, uint64_t offset,
		       uint64_t len, int advice)
{
	(void)sys;
	(void)fd;
	(void)offset;
	(void)len;
	(void)advice;
	return 0;
}

static void read_cached(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	(void)opening;
	s->sys.openat = open_cached;
	s->sys.fadvise = keep_cached;
}

/* ------------------------------------------------------------------------ */

static int flush_without_device(struct jnl_sys *sys, int fd)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	struct sim_flush fl;

	if (s->dead || !f || f->kind != SIM_FILE)
		return true_table()->fsync(sys, fd);
	sim_flush_begin(s->disk, f->file, &fl);
	sim_flush_end_unflushed(s->disk, &fl);
	if (s->step)
		s->step(s->arg);
	return 0;
}

static void open_unflushed(struct world *w, struct sim *s, bool opening)
{
	bool lie = opening && w->life;

	s->sys.fsync = lie ? flush_without_device : true_table()->fsync;
	s->sys.fdatasync = s->sys.fsync;
}

/* ------------------------------------------------------------------------ */

/* The open batch claims that everything it was written behind was durable. */
static ssize_t write_new_watermark(struct jnl_sys *sys, int fd,
				   const void *buf, size_t len,
				   uint64_t offset, int rwf)
{
	struct sim *s = sim_of(sys);
	struct jnl_segment_header sh;
	struct jnl_batch_header h;
	struct image im = { 0 };
	uint8_t *copy;
	uint64_t seed;
	ssize_t ret;
	int file = sim_lookup(s->disk, "0000000000000000.seg");

	if (len < JNL_BATCH_HEADER || file < 0 ||
	    jnl_segment_decode(sim_peek(s->disk, file, 0), &sh) < 0)
		goto as_it_is;
	seed = jnl_seed(sh.uuid);
	if (!jnl_batch_decode(buf, seed, &h) || !(h.flags & JNL_BATCH_OPEN))
		goto as_it_is;
	image_walk(&im, s->disk);
	if (posix_memalign((void **)&copy, SIM_BLOCK, len))
		abort();
	memcpy(copy, buf, len);
	h.durable = im.end;
	jnl_batch_encode(copy, &h, seed);
	ret = true_table()->pwrite(sys, fd, copy, len, offset, rwf);
	free(copy);
	return ret;
as_it_is:
	return true_table()->pwrite(sys, fd, buf, len, offset, rwf);
}

static void new_watermark(struct world *w, struct sim *s, bool opening)
{
	s->sys.pwrite = opening && w->life ? write_new_watermark :
			true_table()->pwrite;
}

/* ------------------------------------------------------------------------ */

static int no_dirsync(struct jnl_sys *sys, int fd)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);

	if (!s->dead && f && f->kind != SIM_FILE)
		return 0;
	return true_table()->fsync(sys, fd);
}

static void rotate_unsynced(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	s->sys.fsync = opening ? true_table()->fsync : no_dirsync;
}

static void open_unsynced(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	s->sys.fsync = opening ? no_dirsync : true_table()->fsync;
}

static int no_parent_sync(struct jnl_sys *sys, int fd)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);

	if (!s->dead && f && f->kind == SIM_ROOT)
		return 0;
	return true_table()->fsync(sys, fd);
}

static void parent_unsynced(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	(void)opening;
	s->sys.fsync = no_parent_sync;
}

/* ------------------------------------------------------------------------ */

/*
 * A segment's file is used again: what is left out on the way.  One process
 * at a time plays a broken rule.
 */
enum { NONE, OUT, HEADER, WRITTEN, IN };

static struct {
	int lie;		/* which fsync is left out */
	int stage;		/* which comes next */
} recycling;

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n > k && !strcmp(name + n - k, suffix);
}

static int note_rename(struct jnl_sys *sys, int dirfd, const char *from,
		       const char *to)
{
	if (has_suffix(from, ".seg") && has_suffix(to, ".tmp"))
		recycling.stage = OUT;
	else if (recycling.stage == WRITTEN)
		recycling.stage = IN;
	return true_table()->rename(sys, dirfd, from, to);
}

static int leave_out(struct jnl_sys *sys, int fd)
{
	struct sim *s = sim_of(sys);
	struct sim_fd *f = sim_fd_of(s, fd);
	int stage = recycling.stage;

	if (s->dead || !f || stage == NONE || stage == WRITTEN ||
	    (f->kind == SIM_FILE) != (stage == HEADER))
		return true_table()->fsync(sys, fd);
	recycling.stage = stage == IN ? NONE : stage + 1;
	return stage == recycling.lie ? 0 : true_table()->fsync(sys, fd);
}

static void recycle_badly(struct sim *s, bool opening, int lie)
{
	recycling.lie = lie;
	recycling.stage = NONE;
	s->sys.rename = opening ? true_table()->rename : note_rename;
	s->sys.fsync = opening ? true_table()->fsync : leave_out;
}

static void recycle_header(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	recycle_badly(s, opening, HEADER);
}

static void recycle_in(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	recycle_badly(s, opening, IN);
}

/* ------------------------------------------------------------------------ */

/* The number of the segment that fd is, or false. */
static bool segment_of(struct sim *s, int fd, uint64_t *ret_number)
{
	struct sim_fd *f = sim_fd_of(s, fd);

	return f && f->kind == SIM_FILE &&
	       jnl_segment_parse(f->name, ret_number);
}

/* Every batch in its place links to whatever lies before it. */
static ssize_t read_unchained(struct jnl_sys *sys, int fd, void *buf,
			      size_t len, uint64_t offset, int rwf)
{
	ssize_t n = true_table()->pread(sys, fd, buf, len, offset, rwf);
	struct image im = { .unchained = true };
	uint64_t number, prev = 0;

	if (n <= 0 || !segment_of(sim_of(sys), fd, &number))
		return n;
	image_walk(&im, sim_of(sys)->disk);
	for (int i = 0; i < im.links; i++) {
		struct jnl_batch_header h = im.chain[i].h;
		uint64_t at = h.lsn % im.segment_size;
		uint8_t header[JNL_BATCH_HEADER];

		h.prev_sum = prev;
		jnl_batch_encode(header, &h, im.seed);
		prev = h.header_sum;
		if (h.lsn / im.segment_size == number && at >= offset &&
		    at + sizeof(header) <= offset + (size_t)n)
			memcpy((uint8_t *)buf + (at - offset), header,
			       sizeof(header));
	}
	return n;
}

static void unchained(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	(void)opening;
	s->sys.pread = read_unchained;
}

/* Behind the end of the chain nothing is looked at. */
static ssize_t read_no_scan(struct jnl_sys *sys, int fd, void *buf,
			    size_t len, uint64_t offset, int rwf)
{
	ssize_t n = true_table()->pread(sys, fd, buf, len, offset, rwf);
	struct image im = { 0 };
	uint64_t number;

	if (n <= 0 || !segment_of(sim_of(sys), fd, &number))
		return n;
	image_walk(&im, sim_of(sys)->disk);
	if (!im.sound)
		return n;
	for (ssize_t i = 0; i < n; i += SIM_SECTOR) {
		uint64_t at = offset + (uint64_t)i;

		if (at >= SIM_BLOCK && number * im.segment_size + at >= im.end)
			memset((uint8_t *)buf + i, 0, SIM_SECTOR);
	}
	return n;
}

static void no_scan(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	(void)opening;
	s->sys.pread = read_no_scan;
}

/* ------------------------------------------------------------------------ */

/*
 * The table of a device's slots: the flush that follows the writing of a copy
 * is left out, always or for the first of the two.  One process at a time.
 */
static struct {
	int fd;			/* that a copy was written through last */
	uint64_t copy;		/* where */
	bool first_only;
} slots;

static ssize_t note_copy(struct jnl_sys *sys, int fd, const void *buf,
			 size_t len, uint64_t offset, int rwf)
{
	if (offset < JNL_RAW_FIRST_SLOT && len >= JNL_RAW_UNIT) {
		slots.fd = fd;
		slots.copy = offset;
	}
	return true_table()->pwrite(sys, fd, buf, len, offset, rwf);
}

static int leave_copy(struct jnl_sys *sys, int fd)
{
	if (fd != slots.fd || (slots.first_only && slots.copy))
		return true_table()->fsync(sys, fd);
	slots.fd = -1;
	return 0;
}

static void table_badly(struct sim *s, bool opening, bool first_only)
{
	slots.fd = -1;
	slots.first_only = first_only;
	s->sys.pwrite = opening ? true_table()->pwrite : note_copy;
	s->sys.fsync = opening ? true_table()->fsync : leave_copy;
}

static void table_unflushed(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	table_badly(s, opening, false);
}

static ssize_t write_no_copy(struct jnl_sys *sys, int fd, const void *buf,
			     size_t len, uint64_t offset, int rwf)
{
	if (offset < JNL_RAW_FIRST_SLOT && len >= JNL_RAW_UNIT)
		return (ssize_t)len;
	return true_table()->pwrite(sys, fd, buf, len, offset, rwf);
}

static void table_unwritten(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	s->sys.pwrite = opening ? true_table()->pwrite : write_no_copy;
}

/* Of the flushes only those of the table are left. */
static int flush_copy(struct jnl_sys *sys, int fd)
{
	return fd == slots.fd ? true_table()->fsync(sys, fd) : 0;
}

static void slot_unflushed(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	table_badly(s, opening, false);
	s->sys.fsync = opening ? true_table()->fsync : flush_copy;
}

static void table_at_once(struct world *w, struct sim *s, bool opening)
{
	(void)w;
	table_badly(s, opening, true);
}

/* ------------------------------------------------------------------------ */

#define ANY	{ -1, -1, -1 }

static const struct rule rules[] = {
	{ .name = "ack-early", .methods = ANY, .engine_only = true,
	  .ack_early = true,
	  .what = "a write or flush counts only once it is complete" },
	{ .name = "dsync", .methods = { DIRECT_DSYNC, -1, -1 },
	  .table = no_dsync,
	  .what = "a write without a flush carries RWF_DSYNC" },
	{ .name = "chain", .methods = { DIRECT_FLUSH, -1, -1 },
	  .table = unchained, .engine_only = true,
	  .what = "a batch has to link to the one before it" },
	{ .name = "frontier", .methods = { DIRECT_DSYNC, -1, -1 },
	  .engine_only = true, .ack_unordered = true,
	  .what = "the frontier moves in LSN order" },
	{ .name = "flush-again", .methods = { BUFFERED, BUFFERED, BUFFERED },
	  .caller_only = true, .flush_fails = true, .table = ask_again,
	  .what = "a flush that failed is not asked again" },
	{ .name = "cached", .methods = { BUFFERED, -1, -1 },
	  .flush_fails = true, .table = read_cached,
	  .what = "open reads past the page cache" },
	{ .name = "ready-end", .methods = ANY, .engine_only = true,
	  .ready_early = true, .young = true,
	  .what = "no batch passes ready_end" },
	{ .name = "scan", .methods = ANY, .damage = true, .table = no_scan,
	  .what = "a later header with durable beyond the end is damage" },
	{ .name = "open-flush", .methods = { DIRECT_FLUSH, -1, -1 },
	  .table = open_unflushed,
	  .what = "after the open batch the device is flushed" },
	{ .name = "open-watermark", .methods = { DIRECT_FLUSH, -1, -1 },
	  .opens_only = true, .table = new_watermark,
	  .what = "the open batch carries the old watermark" },
	{ .name = "untorn", .methods = { DIRECT_DSYNC, DIRECT_DSYNC, -1 },
	  .untorn = true, .tears = true,
	  .what = "a batch is marked untorn only where the drive keeps that" },
	{ .name = "settle", .methods = { PAST, -1, -1 }, .moves = true,
	  .settle_early = true,
	  .what = "a flush of its file comes before a segment relies on Flush" },
	{ .name = "group", .methods = ANY, .caller_only = true,
	  .group_split = true,
	  .what = "the records of a group lie in one batch" },
	{ .name = "rotate-dirsync", .methods = ANY, .table = rotate_unsynced,
	  .what = "the directory is fsynced before a new segment is used" },
	{ .name = "trim-first", .methods = ANY, .trims = true,
	  .trim_early = true,
	  .what = "a batch that carries a trim is durable before files go" },
	{ .name = "recycle-header", .methods = ANY, .trims = true,
	  .table = recycle_header,
	  .what = "a new header is fsynced before its file gets its name" },
	{ .name = "recycle-in", .methods = ANY, .trims = true,
	  .table = recycle_in,
	  .what = "the directory is fsynced before a file is used again" },
	{ .name = "open-dirsync", .methods = ANY, .table = open_unsynced,
	  .what = "the directory is fsynced before open returns" },
	{ .name = "table-flush", .methods = ANY, .raw = true,
	  .table = table_unflushed,
	  .what = "a device's table is flushed before a new slot is used" },
	{ .name = "table-copies", .methods = ANY, .raw = true,
	  .table = table_at_once,
	  .what = "a copy of the table is flushed before the other is written" },
	{ .name = "table-first", .methods = ANY, .raw = true,
	  .table = table_unwritten,
	  .what = "a slot's entry is durable before a batch is written to it" },
	{ .name = "table-last",
	  .methods = { DIRECT_DSYNC, DIRECT_DSYNC, DIRECT_DSYNC },
	  .raw = true, .table = slot_unflushed,
	  .what = "what a slot holds is durable before its entry is" },
	{ .name = "loop-told", .methods = { DIRECT_DSYNC, DIRECT_FLUSH, -1 },
	  .loop_only = true, .told_early = true,
	  .what = "what journal_durable tells is durable, not what it submits" },
	{ .name = "loop-rings", .methods = { DIRECT_DSYNC, DIRECT_FLUSH, -1 },
	  .loop_only = true, .ring_silent = true,
	  .what = "a completion rings the eventfd of an event loop" },
	{ .name = "fill", .methods = ANY, .engine_only = true,
	  .fills = true, .fills_late = true,
	  .what = "nobody fills a place in an image that is written" },
	{ .name = "parent-dirsync", .methods = ANY, .table = parent_unsynced,
	  .what = "a new journal's parent is fsynced before open returns" },
};

const struct rule *rule_at(int i)
{
	return i < (int)(sizeof(rules) / sizeof(*rules)) ? &rules[i] : NULL;
}

const struct rule *rule_find(const char *name)
{
	for (int i = 0; rule_at(i); i++)
		if (!strcmp(rules[i].name, name))
			return &rules[i];
	return NULL;
}
