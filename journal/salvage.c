/*
 * journal/salvage.c - a new journal of what is left of a damaged one.
 *
 *   lock the old one -> read everything: runs, and which are proven
 *        (salvage-runs.c) -> make the new directory, lock it -> write each
 *        segment as <number>.tmp, sync it -> the newest gets its name, durably
 *        -> the others get theirs
 *
 * Invariants
 *   - The old journal is opened for reading only.
 *   - A batch keeps its position.  Everything else of its header is made anew,
 *     under a UUID of the new journal's own: links, watermark (everything
 *     below is durable once the new journal is there), checksums.  Only a
 *     batch that has just been found whole, in its place and linked, in memory
 *     that nobody else writes to, is copied.
 *   - The new journal is there or is not.  Its trim lies in its oldest
 *     segment and its end in the newest, so recovery asks for all of them;
 *     the newest is named first and alone, as without it the others would
 *     look like a journal that ends earlier.  With it, and any one missing,
 *     opening says that a segment is missing.
 *   - Behind the end a watermark is written, and zeros up to the segment's
 *     end: from there on it is like any other.
 *
 * Any error ends it.  Before the first name is given the half-made files are
 * removed; after that they stay, and mean nothing.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

#include "journal/core.h"
#include "journal/error.h"
#include "journal/lock.h"
#include "journal/salvage.h"

#define DIR_MODE	0750
#define FILE_MODE	0640
#define GATHER		(1024u * 1024)

struct salvage {
	struct jnl_source src;
	struct jnl_runs runs;
	struct journal_salvage_report *rep;
	struct journal_error error;
	const char *path, *new_path;

	/* The new journal. */
	struct jnl_dir dir;
	int lock_fd;
	bool made_dir;
	bool named;		/* a segment may have got its name */
	uint64_t made;		/* number of half-made files: from begin on */
	int fd;			/* of the segment that is written, or -1 */
	uint64_t number;
	uint8_t *gather;	/* what is not written yet */
	uint64_t gather_lsn;	/* where it belongs */
	size_t gathered;

	/* The new chain. */
	uint64_t pos;		/* its end */
	uint64_t prev_sum;
	uint64_t trim;
};

static int fail(struct salvage *s, int ret, const char *doing)
{
	return jnl_error(&s->error, ret, JOURNAL_LSN_NONE, s->new_path,
			 "%s: %s: %s", s->new_path, doing,
			 jnl_system_words(ret));
}

/* ------------------------------------------------------------------------
 * The new directory
 */

/* Memory is no place for what was just saved. */
static int refuse_memory(struct salvage *s)
{
	struct statfs fs;
	int ret;

	ret = s->dir.sys->fstatfs(s->dir.sys, s->dir.fd, &fs);
	if (ret < 0)
		return fail(s, ret, "cannot see what file system it is on");
	if ((uint32_t)fs.f_type == TMPFS_MAGIC ||
	    (uint32_t)fs.f_type == RAMFS_MAGIC)
		return jnl_error(&s->error, -EOPNOTSUPP, JOURNAL_LSN_NONE,
				 s->new_path, "%s: this file system is in "
				 "memory and forgets when the power goes: "
				 "choose another place", s->new_path);
	return 0;
}

static int sync_parent(struct salvage *s)
{
	struct jnl_sys *sys = s->dir.sys;
	int fd, ret;

	fd = sys->openat(sys, s->dir.fd, "..",
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	/* Its maker's to sync, if it cannot even be opened. */
	if (fd == -EACCES && !s->made_dir)
		return 0;
	ret = fd < 0 ? fd : sys->fsync(sys, fd);
	if (fd >= 0)
		(void)sys->close(sys, fd);
	return ret < 0 ? fail(s, ret, "cannot sync the directory above") : 0;
}

static int check_empty(struct salvage *s)
{
	struct jnl_names names;
	int ret;

	ret = jnl_names_read(s->dir.sys, s->dir.fd, &names);
	if (ret < 0)
		return fail(s, ret, "cannot list the directory");
	/* Half-made files mean nothing: of an interrupted salvage, perhaps. */
	if (names.count || names.other)
		ret = jnl_error(&s->error, -EEXIST, JOURNAL_LSN_NONE,
				s->new_path, "%s: the directory is not empty: "
				"choose another one, or remove it if it is "
				"what an interrupted salvage has left",
				s->new_path);
	jnl_names_free(&names);
	return ret;
}

static int make_directory(struct salvage *s, bool anywhere)
{
	struct jnl_sys *sys = s->dir.sys;
	int ret;

	ret = sys->mkdir(sys, s->new_path, DIR_MODE);
	if (ret < 0 && ret != -EEXIST)
		return fail(s, ret, "cannot make the directory");
	s->made_dir = !ret;
	s->dir.fd = sys->openat(sys, AT_FDCWD, s->new_path,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (s->dir.fd < 0)
		return fail(s, s->dir.fd, "cannot open the directory");
	ret = anywhere ? 0 : refuse_memory(s);
	if (!ret)
		ret = check_empty(s);
	if (ret < 0)
		return ret;
	s->lock_fd = jnl_lock_write(sys, s->dir.fd);
	if (s->lock_fd < 0)
		return fail(s, s->lock_fd, "cannot take the lock");
	/* Somebody may have been faster. */
	ret = check_empty(s);
	if (ret < 0)
		return ret;
	ret = jnl_dir_tidy(&s->dir, 0);
	if (ret < 0)
		return fail(s, ret, "cannot remove half-made files");
	return sync_parent(s);
}

static int plan(struct salvage *s)
{
	struct jnl_dir *dir = &s->dir;
	int ret;

	dir->geometry = s->src.geometry;
	dir->geometry.version = JNL_FORMAT_VERSION;
	dir->geometry.compat = 0;
	ret = dir->sys->random(dir->sys, dir->geometry.uuid, JNL_UUID_LEN);
	if (ret < 0)
		return fail(s, ret, "cannot draw a UUID");
	dir->seed = jnl_seed(dir->geometry.uuid);
	s->pos = s->runs.begin * dir->geometry.segment_size;
	s->gather = jnl_buffer_alloc(GATHER);
	return s->gather ? 0 : fail(s, -ENOMEM, "cannot begin");
}

/* ------------------------------------------------------------------------
 * Segments
 */

static int flush_gathered(struct salvage *s)
{
	uint64_t size = s->dir.geometry.segment_size;
	int ret;

	if (!s->gathered)
		return 0;
	ret = jnl_write_full(s->dir.sys, s->fd, s->gather, s->gathered,
			     s->gather_lsn % size, 0, 1);
	s->gathered = 0;
	return ret;
}

/* What was written to the segment, whole and durable, under its .tmp name. */
static int end_segment(struct salvage *s)
{
	struct jnl_sys *sys = s->dir.sys;
	int ret, closed;

	if (s->fd < 0)
		return 0;
	ret = flush_gathered(s);
	if (!ret)
		ret = sys->fsync(sys, s->fd);
	closed = sys->close(sys, s->fd);
	s->fd = -1;
	return ret ? ret : closed;
}

/*
 * Where nothing is written the file has no blocks: it was acknowledged, and
 * acknowledged bytes are not written again.
 */
static int begin_segment(struct salvage *s, uint64_t number)
{
	struct jnl_segment_header h = s->dir.geometry;
	struct jnl_sys *sys = s->dir.sys;
	char tmp[JNL_SEGMENT_NAME_LEN];
	int ret;

	ret = end_segment(s);
	if (ret < 0)
		return ret;
	assert(number == s->runs.begin + s->made);
	jnl_tmp_name(tmp, number);
	s->fd = sys->openat(sys, s->dir.fd, tmp, O_RDWR | O_CREAT | O_EXCL |
			    O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (s->fd < 0)
		return s->fd;
	s->made++;
	s->number = number;
	ret = sys->ftruncate(sys, s->fd, h.segment_size);
	if (ret < 0)
		return ret;
	h.number = number;
	jnl_segment_encode(s->gather, &h);
	s->gather_lsn = number * h.segment_size;
	s->gathered = h.block_size;
	return 0;
}

static int put(struct salvage *s, uint64_t lsn, const uint8_t *p, uint64_t len)
{
	uint64_t size = s->dir.geometry.segment_size;
	int ret = 0;

	if (s->fd < 0 || lsn / size != s->number)
		ret = begin_segment(s, lsn / size);
	if (!ret && (lsn != s->gather_lsn + s->gathered ||
		     len > GATHER - s->gathered)) {
		ret = flush_gathered(s);
		s->gather_lsn = lsn;
	}
	if (ret < 0)
		return ret;
	if (len > GATHER)
		return jnl_write_full(s->dir.sys, s->fd, p, len, lsn % size, 0,
				      1);
	memcpy(s->gather + s->gathered, p, len);
	s->gathered += len;
	return 0;
}

/* ------------------------------------------------------------------------
 * Batches
 */

/* The header of h made the next of the new chain, in the image at p. */
static int put_batch(struct salvage *s, struct jnl_batch_header *h, uint8_t *p)
{
	uint32_t block = s->dir.geometry.block_size;
	uint64_t size = s->dir.geometry.segment_size;
	int ret;

	assert(h->lsn == jnl_next_place(s->pos, size, block));
	/* It never goes back, and is never above the batch. */
	if (h->trim > s->trim)
		s->trim = h->trim;
	h->trim = s->trim;
	h->durable = s->pos;
	h->prev_sum = s->prev_sum;
	/* It is not written as it was then. */
	h->flags &= ~(uint32_t)JNL_BATCH_UNTORN;
	h->body_sum = jnl_checksum(p + JNL_BATCH_HEADER, h->body_len,
				   s->dir.seed);
	jnl_batch_encode(p, h, s->dir.seed);
	assert(jnl_batch_sane(h, block, size));
	ret = put(s, h->lsn, p, jnl_batch_size(h, block));
	if (ret < 0)
		return fail(s, ret, "cannot write a segment");
	s->prev_sum = h->header_sum;
	s->pos = jnl_batch_end(h, block, size);
	return 0;
}

/* A batch that is nothing but a header. */
static int put_header(struct salvage *s, uint32_t flags, uint32_t count)
{
	uint8_t block[JNL_BLOCK_MAX] = { 0 };
	struct jnl_batch_header h = {
		.lsn = jnl_next_place(s->pos, s->dir.geometry.segment_size,
				      s->dir.geometry.block_size),
		.trim = s->trim,
		.count = count,
		.flags = flags,
	};

	return put_batch(s, &h, block);
}

static void count_batch(struct salvage *s, const struct jnl_batch_header *h,
			const uint8_t *p)
{
	const uint8_t *body = p + JNL_BATCH_HEADER, *data;
	uint64_t first = h->lsn + JNL_BATCH_HEADER;
	uint32_t off = 0, len;

	s->rep->batches++;
	if (!jnl_batch_records(h))
		return;
	for (uint32_t n = 0; n < h->count; n++) {
		if (!jnl_record_next(body, h->body_len, &off, &data, &len))
			break;
		if (first + jnl_record_offset(body, data) < s->runs.trim)
			continue;
		s->rep->records++;
		s->rep->payload += len;
	}
}

/* ------------------------------------------------------------------------
 * Holes
 */

static void describe(struct salvage *s, struct journal_hole *hole,
		     const struct jnl_source_file *file,
		     const struct jnl_spot *spot)
{
	uint64_t size = s->src.geometry.segment_size;
	const char *text;

	hole->why = JOURNAL_BAD_BATCH;
	if (!file) {
		hole->why = JOURNAL_MISSING;
		text = "the segment file is missing";
	} else if (file->finding == JOURNAL_FOREIGN) {
		hole->why = JOURNAL_FOREIGN;
		text = "the file belongs to another journal";
	} else if (file->finding && file->number != UINT64_MAX &&
		   file->number != hole->from / size) {
		hole->why = JOURNAL_BAD_SEGMENT;
		text = "the file is another segment's: give it back its name "
		       "and salvage again";
	} else if ((hole->to - 1) % size >= file->bytes) {
		hole->why = JOURNAL_BAD_SEGMENT;
		text = "the file is short";
	} else if (spot->kind == JNL_SPOT_ZERO) {
		hole->why = JOURNAL_LOST;
		text = "there are zeros in place of a batch";
	} else if (spot->kind == JNL_SPOT_BROKEN) {
		text = "the body of a batch is damaged";
	} else if (spot->kind == JNL_SPOT_GOOD &&
		   spot->h.flags & JNL_BATCH_HOLE) {
		hole->why = JOURNAL_HOLE;
		text = "it was lost before the journal was salvaged last";
	} else if (spot->kind == JNL_SPOT_GOOD) {
		text = "nothing proves that the batch there belongs to the "
		       "journal, or it is not the one that the next follows";
	} else {
		text = "the header of a batch is damaged or cannot be read";
	}
	(void)snprintf(hole->message, sizeof(hole->message), "%s", text);
}

/* Tell that [from, to), in one segment, is lost. */
static int tell_hole(struct salvage *s, uint64_t from, uint64_t to)
{
	uint64_t number = from / s->src.geometry.segment_size;
	struct jnl_source_file *file = jnl_source_file(&s->src, number);
	struct journal_hole hole = { .from = from, .to = to };
	struct jnl_spot spot = { .kind = JNL_SPOT_JUNK };
	int ret = 0;

	/* Given back, and there only since whole segments go. */
	if (to <= s->runs.trim)
		return 0;
	if (file)
		ret = jnl_source_look(&s->src, from, &spot);
	if (ret < 0)
		return fail(s, ret, "cannot read the old journal");
	jnl_segment_name(hole.file, number);
	describe(s, &hole, file, &spot);
	s->rep->holes++;
	s->rep->lost_bytes += to - from;
	if (s->rep->on_hole)
		s->rep->on_hole(s->rep->arg, &hole);
	return 0;
}

/* Holes from the end of the new chain to lsn, one in each segment. */
static int fill_up(struct salvage *s, uint64_t lsn)
{
	uint64_t size = s->dir.geometry.segment_size, from, to;
	uint32_t block = s->dir.geometry.block_size;
	int ret = 0;

	while (!ret && s->pos < lsn) {
		from = jnl_next_place(s->pos, size, block);
		/* Nothing but the header block of the next segment. */
		if (from >= lsn)
			break;
		to = (from / size + 1) * size;
		if (to > lsn)
			to = lsn;
		ret = tell_hole(s, from, to);
		if (!ret)
			ret = put_header(s, JNL_BATCH_HOLE,
					 (uint32_t)((to - from) / block));
	}
	return ret;
}

/*
 * What is missing before the first segment that is left has no files in the
 * new journal: its first LSN is higher.
 */
static void tell_beginning(struct salvage *s)
{
	struct journal_hole hole = {
		.from = s->trim, .to = s->runs.trim, .why = JOURNAL_MISSING,
	};

	jnl_segment_name(hole.file, s->trim / s->dir.geometry.segment_size);
	(void)snprintf(hole.message, sizeof(hole.message), "the segment files "
		       "are missing, or were given back by a batch that is "
		       "lost");
	s->rep->holes++;
	s->rep->lost_bytes += hole.to - hole.from;
	if (s->rep->on_hole)
		s->rep->on_hole(s->rep->arg, &hole);
}

/* ------------------------------------------------------------------------
 * Copying
 */

static int changed(struct salvage *s, uint64_t lsn)
{
	char file[JNL_SEGMENT_NAME_LEN];

	jnl_segment_name(file, lsn / s->src.geometry.segment_size);
	return jnl_error(&s->error, -EIO, lsn, file, "%s/%s: the batch at %llu "
			 "was whole and is not any more: copy the medium to "
			 "another one first, and salvage from there", s->path,
			 file, (unsigned long long)lsn);
}

static int copy_run(struct salvage *s, const struct jnl_run *run)
{
	uint64_t size = s->src.geometry.segment_size;
	uint32_t block = s->src.geometry.block_size;
	uint64_t at = run->first, prev = run->prev_sum;
	bool linked = true;
	struct jnl_spot spot;
	int ret;

	/* Given back are whole segments only. */
	if (at < s->runs.begin * size) {
		at = s->runs.begin * size + block;
		linked = false;
	}
	ret = fill_up(s, at);
	while (!ret && at < run->end) {
		ret = jnl_source_look(&s->src, at, &spot);
		if (ret < 0)
			return fail(s, ret, "cannot read the old journal");
		if (spot.kind != JNL_SPOT_GOOD ||
		    (linked && spot.h.prev_sum != prev))
			return changed(s, at);
		linked = true;
		prev = spot.h.header_sum;
		count_batch(s, &spot.h, spot.p);
		if (spot.h.flags & JNL_BATCH_HOLE) {
			ret = fill_up(s, at + spot.len);
		} else {
			/* The window is nobody else's. */
			ret = put_batch(s, &spot.h, (uint8_t *)spot.p);
		}
		at = jnl_next_place(at + spot.len, size, block);
	}
	return ret;
}

static int copy(struct salvage *s)
{
	uint64_t size = s->dir.geometry.segment_size;
	int ret = 0;

	if (s->trim < s->runs.trim)
		tell_beginning(s);
	s->trim = s->runs.begin * size;
	for (size_t i = 0; i < s->runs.count && !ret; i++) {
		const struct jnl_run *run = &s->runs.run[i];

		if (run->proven && run->end > s->runs.begin * size)
			ret = copy_run(s, run);
	}
	if (!ret)
		ret = fill_up(s, s->runs.end);
	s->trim = s->runs.trim;
	if (!ret)
		ret = put_header(s, JNL_BATCH_MARK, 0);
	if (!ret)
		ret = flush_gathered(s);
	if (!ret && s->pos % size)
		ret = jnl_segment_zeros(&s->dir, s->fd, s->pos % size, size,
					NULL);
	if (!ret)
		ret = end_segment(s);
	return ret && !s->error.code ? fail(s, ret, "cannot write") : ret;
}

static int publish(struct salvage *s)
{
	char tmp[JNL_SEGMENT_NAME_LEN], name[JNL_SEGMENT_NAME_LEN];
	int ret = 0;
	bool final;

	s->named = true;
	for (uint64_t i = s->made; i-- > 0 && !ret;) {
		jnl_tmp_name(tmp, s->runs.begin + i);
		jnl_segment_name(name, s->runs.begin + i);
		ret = jnl_dir_publish(&s->dir, tmp, name, &final);
	}
	return ret < 0 ? fail(s, ret, "cannot name a segment") : 0;
}

static void tidy(struct salvage *s, int ret)
{
	struct jnl_sys *sys = s->dir.sys;
	char tmp[JNL_SEGMENT_NAME_LEN];

	if (s->fd >= 0)
		(void)sys->close(sys, s->fd);
	for (uint64_t i = 0; ret && !s->named && i < s->made; i++) {
		jnl_tmp_name(tmp, s->runs.begin + i);
		(void)sys->unlink(sys, s->dir.fd, tmp);
	}
	if (s->lock_fd >= 0) {
		jnl_lock_drop(sys, s->lock_fd);
		(void)sys->close(sys, s->lock_fd);
	}
	if (s->dir.fd >= 0)
		(void)sys->close(sys, s->dir.fd);
	jnl_buffer_free(s->gather, GATHER);
	pthread_mutex_destroy(&s->dir.names_lock);
	jnl_runs_free(&s->runs);
}

/* ------------------------------------------------------------------------ */

static int find(struct salvage *s)
{
	int ret;

	for (size_t i = 0; i < s->src.names.count; i++)
		s->rep->bad_segments += s->src.file[i].finding != 0;
	s->rep->segments = s->src.names.count;
	ret = jnl_runs_find(&s->src, &s->runs);
	if (ret == -EFBIG)
		return jnl_error(&s->error, ret, JOURNAL_LSN_NONE, s->path,
				 "%s: too many segments are missing between "
				 "the files that are there: move away those "
				 "whose numbers are not the journal's",
				 s->path);
	if (ret < 0)
		return jnl_error(&s->error, ret, JOURNAL_LSN_NONE, s->path,
				 "%s: cannot be read: %s", s->path,
				 jnl_system_words(ret));
	s->trim = s->runs.given;
	s->rep->remains = s->runs.remains;
	s->rep->first_lsn = s->runs.trim;
	s->rep->end = s->runs.end;
	return 0;
}

static int salvage(struct salvage *s, const struct jnl_env *from, bool anywhere)
{
	int ret;

	ret = jnl_source_open(&s->src, from->sys ? from->sys : jnl_sys_linux(),
			      s->path, &s->error);
	s->src.on_progress = s->rep->on_progress;
	s->src.arg = s->rep->arg;
	if (!ret)
		ret = find(s);
	if (!ret)
		ret = make_directory(s, anywhere);
	if (!ret)
		ret = plan(s);
	if (!ret)
		ret = copy(s);
	if (!ret)
		ret = publish(s);
	tidy(s, ret);
	jnl_source_close(&s->src);
	return ret;
}

int jnl_salvage(const char *path, const char *new_path,
		struct journal_salvage_report *report,
		const struct jnl_env *from, const struct jnl_env *to)
{
	struct journal_salvage_report rep = { 0 };
	size_t size = report->size;
	struct salvage s = {
		.path = path, .new_path = new_path, .rep = &rep,
		.lock_fd = -1, .fd = -1,
	};
	int ret, state;

	if (size < sizeof(rep))
		return -EINVAL;
	rep.on_hole = report->on_hole;
	rep.on_progress = report->on_progress;
	rep.arg = report->arg;
	s.dir.sys = to->sys ? to->sys : jnl_sys_linux();
	s.dir.fd = -1;
	(void)pthread_mutex_init(&s.dir.names_lock, NULL);
	state = jnl_cancel_off();
	ret = salvage(&s, from, to->choice);
	jnl_cancel_restore(state);
	(void)snprintf(rep.file, sizeof(rep.file), "%s", s.error.file);
	(void)snprintf(rep.message, sizeof(rep.message), "%s",
		       s.error.message);
	memset(report, 0, size);
	memcpy(report, &rep, sizeof(rep));
	report->size = size;
	return ret;
}

int journal_salvage(const char *path, const char *new_path,
		    struct journal_salvage_report *report)
{
	static const struct jnl_env real;

	return jnl_salvage(path, new_path, report, &real, &real);
}
