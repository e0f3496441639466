/*
 * journal/open.c - opening: creating, recovering, beginning a life.
 *
 * The order is the promise; doc/design.md, "Opening", has the reasons.
 *
 *   lock -> list -> recover (syncs what it reads, changes nothing else)
 *        -> probe and choose -> open batch, through the page cache, with
 *           the old watermark -> fdatasync, which flushes the device
 *        -> only now: report, accept appends, remove leftovers
 *
 * A failure before the open batch leaves everything as it was.  A failure
 * after it leaves a journal with one more open batch.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/error.h"
#include "journal/lock.h"
#include "journal/measured.h"
#include "journal/options.h"
#include "journal/raw.h"
#include "journal/stats-file.h"
#include "journal/untorn.h"

#define DIR_MODE	0750

/* ------------------------------------------------------------------------
 * The directory
 */

/*
 * Make the directory's own name durable.  This comes before the first segment
 * gets its name: whoever finds one later may rely on it.
 */
static int sync_parent(struct jnl_sys *sys, int dirfd, bool made)
{
	int fd, ret;

	fd = sys->openat(sys, dirfd, "..",
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	/* A directory that was there before is its maker's to sync, if its
	 * parent cannot even be opened. */
	if (fd == -EACCES && !made)
		return 0;
	if (fd < 0)
		return fd;
	ret = sys->fsync(sys, fd);
	(void)sys->close(sys, fd);
	return ret;
}

/* ------------------------------------------------------------------------
 * For writing
 */

struct opening {
	journal *j;
	const struct journal_options *o;
	const struct jnl_env *env;
	const char *path;
	struct jnl_sys *sys;
	struct jnl_names names;
	struct jnl_choice choice;
	bool made_dir;
	bool fresh;		/* there is no segment yet */
	bool formatted;		/* a fresh device has its table already */
};

static int fail(struct opening *op, int ret, const char *doing)
{
	return jnl_error(op->o->error, ret, JOURNAL_LSN_NONE, op->path,
			 "%s: %s: %s", op->path, doing, jnl_system_words(ret));
}

static int get_dir(struct opening *op)
{
	struct jnl_dir *dir = &op->j->dir;
	int ret;

	dir->fd = jnl_open_dir(&op->sys, op->path);
	if (dir->fd == -ENOENT && op->o->flags & JOURNAL_CREATE) {
		ret = jnl_options_fresh(op->o);
		if (ret < 0)
			return ret;
		ret = op->sys->mkdir(op->sys, op->path, DIR_MODE);
		if (ret < 0 && ret != -EEXIST)
			return fail(op, ret, "cannot make the directory");
		op->made_dir = !ret;
		dir->fd = jnl_open_dir(&op->sys, op->path);
	}
	dir->sys = op->sys;
	if (dir->fd < 0)
		return jnl_dir_error(op->o->error, dir->fd, op->path);
	if (op->o->flags & JOURNAL_OVERWRITE && !jnl_is_raw(op->sys))
		return jnl_bad_option(op->o, "JOURNAL_OVERWRITE is for block "
				      "devices: remove the directory yourself");
	return 0;
}

/* The table of slots is damaged, in so many words, or the listing failed. */
static int no_names(struct opening *op, int ret)
{
	struct jnl_damage damage = { 0 };

	jnl_raw_explain(op->sys, &damage);
	if (damage.finding)
		return jnl_damage_error(op->o->error, ret, op->path, &damage);
	return fail(op, ret, "cannot list the directory");
}

/* What the directory is, from its names alone. */
static int judge_names(struct opening *op)
{
	bool create = op->o->flags & JOURNAL_CREATE;
	int ret;

	jnl_names_free(&op->names);
	/* Whatever there is. */
	if (op->o->flags & JOURNAL_OVERWRITE) {
		op->fresh = true;
		return jnl_options_fresh(op->o);
	}
	ret = jnl_names_read(op->sys, op->j->dir.fd, &op->names);
	if (ret < 0)
		return no_names(op, ret);
	op->fresh = !op->names.count;
	if (!op->fresh && op->o->flags & JOURNAL_EXCLUSIVE)
		return jnl_error(op->o->error, -EEXIST, JOURNAL_LSN_NONE,
				 op->path, "%s: there is a journal already",
				 op->path);
	if (op->fresh && op->names.other)
		return jnl_error(op->o->error, -EINVAL, JOURNAL_LSN_NONE,
				 op->path, "%s: not a journal, and not empty: "
				 "choose a directory of its own", op->path);
	if (op->fresh && !create)
		return jnl_dir_error(op->o->error, -ENOENT, op->path);
	return op->fresh ? jnl_options_fresh(op->o) : 0;
}

static int get_lock(struct opening *op)
{
	journal *j = op->j;
	pid_t pid = 0;
	int ret;

	j->lock_fd = jnl_lock_write(op->sys, j->dir.fd);
	if (j->lock_fd >= 0)
		return 0;
	if (j->lock_fd == -EUSERS)
		return jnl_error(op->o->error, -EBUSY, JOURNAL_LSN_NONE,
				 "lock", "%s: a reader has been recovering the "
				 "journal for half a minute: let it finish, or "
				 "stop it", op->path);
	if (j->lock_fd != -EBUSY)
		return fail(op, j->lock_fd, "cannot take the lock");
	ret = jnl_lock_holder(op->sys, j->dir.fd, &pid);
	if (ret == -ENOENT && jnl_is_raw(op->sys))
		return jnl_error(op->o->error, -EBUSY, JOURNAL_LSN_NONE, NULL,
				 "%s: the device is in use: it is mounted, or "
				 "another program has it for itself (lsblk and "
				 "fuser tell): choose another one", op->path);
	if (!ret && pid)
		return jnl_error(op->o->error, -EBUSY, JOURNAL_LSN_NONE,
				 "lock", "%s: process %ld has the journal open "
				 "for writing: stop it first", op->path,
				 (long)pid);
	return jnl_error(op->o->error, -EBUSY, JOURNAL_LSN_NONE, "lock",
			 "%s: another writer has the journal open: stop it "
			 "first", op->path);
}

/* A device is taken only if nobody else's data is on it. */
static int judge_device(struct opening *op)
{
	char found[64];
	int ret;

	if (!op->fresh || op->o->flags & JOURNAL_OVERWRITE)
		return 0;
	ret = jnl_raw_blank(op->sys, found, sizeof(found));
	if (ret == -ENOSPC)
		return jnl_error(op->o->error, ret, JOURNAL_LSN_NONE, NULL,
				 "%s: the device is too small for a journal",
				 op->path);
	if (ret != -EEXIST)
		return ret ? fail(op, ret, "cannot look the device over") : 0;
	return jnl_error(op->o->error, ret, JOURNAL_LSN_NONE, NULL,
			 "%s: the device is not blank%s%s%s: if nothing on it "
			 "is needed any more, say so by JOURNAL_OVERWRITE "
			 "(journal-tool append --overwrite)", op->path,
			 *found ? " (" : "", found, *found ? ")" : "");
}

static int recover(struct opening *op)
{
	struct jnl_recovery *rec = &op->j->recovered;
	struct jnl_damage damage;
	struct jnl_view view;
	int ret;

	/* The names that are listed may not be durable yet. */
	ret = op->sys->fsync(op->sys, op->j->dir.fd);
	if (ret < 0)
		return fail(op, ret, "cannot sync the directory");
	jnl_view_init(&view, op->sys, op->j->dir.fd, true);
	ret = jnl_recover(&view, &op->names, JNL_RECOVER_LOCKED, rec, &damage);
	jnl_view_fini(&view);
	if (!ret) {
		damage.finding = JOURNAL_SOUND;
		ret = jnl_raw_check(op->sys, &rec->geometry);
		jnl_raw_explain(op->sys, &damage);
	}
	if (ret < 0)
		return jnl_damage_error(op->o->error, ret, op->path, &damage);
	op->j->dir.geometry = rec->geometry;
	return 0;
}

/* For a method that goes past the file system: what it goes by. */
static int get_drive(struct opening *op)
{
	journal *j = op->j;
	int ret;

	if (!(op->choice.method->needs & JNL_NEED_PASSTHROUGH))
		return 0;
	ret = jnl_barrier_open(j, &op->choice);
	if (ret < 0 && op->o->method)
		return jnl_error(op->o->error, ret, JOURNAL_LSN_NONE,
				 op->choice.generic, "%s: cannot open the "
				 "namespace's generic device: %s",
				 op->choice.generic, jnl_system_words(ret));
	return 0;
}

/*
 * The open batch goes through the page cache, whatever the method: writing one
 * block must not write another one's bytes again.
 */
static void fit_page(struct jnl_choice *choice)
{
	long page = sysconf(_SC_PAGESIZE);

	if (page > 0 && (unsigned long)page > choice->block_size)
		choice->block_size = (uint32_t)page;
}

static int no_method(struct opening *op, int ret, const char *reason)
{
	return jnl_error(op->o->error, ret, JOURNAL_LSN_NONE, op->path,
			 "%s: no durable method: %s", op->path, reason);
}

/* The shape of a journal that is not there yet. */
static int plan(struct opening *op)
{
	struct jnl_segment_header *g = &op->j->dir.geometry;
	int ret;

	g->version = JNL_FORMAT_VERSION;
	g->block_size = op->choice.block_size;
	g->segment_size = jnl_options_segment_size(op->o);
	if (g->segment_size / g->block_size < 4)
		return jnl_bad_option(op->o, "segment_size: at least four blocks "
				      "of this storage");
	ret = op->sys->random(op->sys, g->uuid, sizeof(g->uuid));
	if (ret < 0)
		return fail(op, ret, "cannot draw a UUID");
	return 0;
}

static int format_device(struct opening *op)
{
	const struct jnl_segment_header *g = &op->j->dir.geometry;
	int ret;

	ret = jnl_raw_format(op->sys, g, op->o->flags & JOURNAL_OVERWRITE);
	if (ret == -ENOSPC)
		return jnl_error(op->o->error, ret, JOURNAL_LSN_NONE, NULL,
				 "%s: a journal needs 2 MiB and room for two "
				 "segments of %llu bytes: choose a smaller "
				 "segment_size, or a larger device", op->path,
				 (unsigned long long)g->segment_size);
	if (ret < 0)
		return fail(op, ret, "cannot write the superblock");
	op->formatted = true;
	return 0;
}

/*
 * A fresh device has room to measure in only once it has a table that names no
 * segment: before that nobody knows what else a crash would leave there.  What
 * can refuse the journal comes first.
 */
static int make_room(struct opening *op)
{
	const char *reason = "";
	int ret;

	if (!op->fresh || !(op->o->flags & JOURNAL_MEASURE) ||
	    !jnl_is_raw(op->sys))
		return 0;
	ret = jnl_probe_choose(op->j->probe, op->o->method,
			       op->o->flags & JOURNAL_VOLATILE, &op->choice,
			       &reason);
	if (ret < 0)
		return no_method(op, ret, reason);
	fit_page(&op->choice);
	ret = plan(op);
	if (!ret)
		ret = jnl_options_record_max(op->o, &op->j->dir.geometry);
	return ret ? ret : format_device(op);
}

static int choose(struct opening *op)
{
	journal *j = op->j;
	const char *reason = "";
	bool shaped;
	int ret;

	if (op->env->choice) {
		op->choice = *op->env->choice;
	} else {
		ret = jnl_probe_dir(&j->probe, op->sys, j->dir.fd, op->path);
		if (ret < 0)
			return fail(op, ret, "cannot probe the directory");
		ret = make_room(op);
		if (ret < 0)
			return ret;
		shaped = !op->fresh || op->formatted;
		ret = jnl_measured_choose(j, op->o, op->env, shaped ?
					  j->dir.geometry.block_size :
					  UINT32_MAX, &op->choice, &reason);
		if (ret < 0)
			return no_method(op, ret, reason);
	}
	fit_page(&op->choice);
	shaped = !op->fresh || op->formatted;
	j->method = op->choice.method->name;
	j->dir.way = op->choice.way;
	j->dir.nocow = op->choice.nocow;
	/* By RWF_DSYNC, or not at all: what a drive keeps in its cache it may
	 * still tear when it writes it out. */
	if (op->choice.way.dsync)
		j->untorn = op->choice.untorn;
	ret = get_drive(op);
	if (ret < 0)
		return ret;
	if (shaped && op->choice.block_size > j->dir.geometry.block_size)
		return jnl_error(op->o->error, -EOPNOTSUPP, JOURNAL_LSN_NONE,
				 op->path, "%s: the journal's blocks of %u "
				 "bytes are smaller than the %u that this "
				 "storage needs: copy the records into a new "
				 "journal", op->path,
				 j->dir.geometry.block_size,
				 op->choice.block_size);
	return 0;
}

/*
 * How much of segment 0 is filled before a new journal is open.  On a device
 * all of it: what is not filled there is not zero, but somebody's old data.
 */
static uint64_t first_fill(const struct jnl_dir *dir)
{
	uint64_t size = dir->geometry.segment_size;

	return size < JNL_FIRST_FILL || jnl_is_raw(dir->sys) ?
	       size : JNL_FIRST_FILL;
}

static int create(struct opening *op)
{
	struct jnl_dir *dir = &op->j->dir;
	struct jnl_recovery *rec = &op->j->recovered;
	bool final;
	int ret;

	ret = op->formatted ? 0 : format_device(op);
	if (ret < 0)
		return ret;
	ret = sync_parent(op->sys, dir->fd, op->made_dir);
	if (ret < 0)
		return fail(op, ret, "cannot sync the directory above");
	ret = jnl_segment_make(dir, 0, first_fill(dir), &final);
	if (ret < 0)
		return fail(op, ret, "cannot make the first segment");
	rec->geometry = dir->geometry;
	rec->seed = dir->seed;
	return 0;
}

/*
 * The open batch of this life: a random epoch, the watermark and the trim of
 * the last batch that counts (not what was just read: it is a promise only
 * once this is durable).  Through the page cache, so that the flush that
 * follows has something to do and reaches the device.
 */
static int write_open_batch(struct opening *op, uint64_t lsn,
			    uint64_t *ret_sum)
{
	const struct jnl_recovery *rec = &op->j->recovered;
	struct jnl_dir *dir = &op->j->dir;
	uint32_t block = dir->geometry.block_size;
	uint64_t offset = lsn % dir->geometry.segment_size;
	struct jnl_batch_header h = {
		.lsn = lsn,
		.prev_sum = rec->last_sum,
		.durable = rec->last_durable,
		.trim = rec->trim,
		.body_len = JNL_EPOCH_LEN,
		.flags = JNL_BATCH_OPEN,
	};
	uint8_t *image;
	int fd, ret;

	image = jnl_buffer_alloc(block);
	if (!image)
		return -ENOMEM;
	ret = op->sys->random(op->sys, image + JNL_BATCH_HEADER,
			      JNL_EPOCH_LEN);
	if (ret < 0)
		goto out_free;
	h.body_sum = jnl_checksum(image + JNL_BATCH_HEADER, JNL_EPOCH_LEN,
				  dir->seed);
	jnl_batch_encode(image, &h, dir->seed);
	fd = jnl_segment_open(dir, lsn / dir->geometry.segment_size, true);
	if (fd < 0) {
		ret = fd;
		goto out_free;
	}
	ret = jnl_write_full(op->sys, fd, image, block, offset, 0, 1);
	if (!ret)
		ret = jnl_way_flush(op->sys, &dir->way, fd);
	/* From here on the file may be written past the cache. */
	if (!ret)
		(void)op->sys->fadvise(op->sys, fd, offset, block,
				       POSIX_FADV_DONTNEED);
	(void)op->sys->close(op->sys, fd);
	*ret_sum = h.header_sum;
out_free:
	jnl_buffer_free(image, block);
	return ret;
}

/* Have the segment that batches go to open, and its beginning filled. */
static int ready_segment(struct opening *op, uint64_t lsn,
			 uint64_t *ret_ready_end)
{
	journal *j = op->j;
	struct jnl_dir *dir = &j->dir;
	uint64_t size = dir->geometry.segment_size;
	uint64_t number = lsn / size, to;
	bool final;
	int fd, ret = 0;

	*ret_ready_end = UINT64_MAX;
	if (number > j->recovered.newest) {
		ret = jnl_segment_make(dir, number, size, &final);
		if (ret < 0)
			return ret;
	}
	for (uint64_t n = number; n <= j->recovered.newest || n == number;
	     n++) {
		fd = jnl_segment_open(dir, n, false);
		if (fd < 0)
			return fd;
		ret = jnl_file_add(j, n, fd);
		if (ret < 0)
			return ret;
	}
	/* No later segment has been made, so the first may be half filled:
	 * nobody wrote down how far. */
	if (number || j->recovered.newest)
		return 0;
	if (op->fresh) {
		to = first_fill(dir);
	} else {
		to = lsn + JNL_FIRST_FILL < size ? lsn + JNL_FIRST_FILL : size;
		ret = jnl_segment_zeros(dir, j->files[0].fd, lsn, to, NULL);
	}
	if (ret < 0 || to == size)
		return ret;
	*ret_ready_end = to;
	fd = jnl_segment_open(dir, 0, false);
	if (fd < 0)
		return fd;
	j->helper.fill_fd = fd;
	return 0;
}

static int begin_life(struct opening *op)
{
	journal *j = op->j;
	struct jnl_recovery *rec = &j->recovered;
	struct jnl_dir *dir = &j->dir;
	uint32_t block = dir->geometry.block_size;
	uint64_t size = dir->geometry.segment_size;
	uint64_t lsn, ready_end, sum, segments;
	int ret;

	lsn = jnl_next_place(rec->end, size, block);
	if (lsn / size >= JNL_LSN_MAX / size)
		return fail(op, -EFBIG, "no LSN is left");
	ret = ready_segment(op, lsn, &ready_end);
	if (ret < 0)
		return fail(op, ret, "cannot make the next segment");
	ret = write_open_batch(op, lsn, &sum);
	if (ret < 0)
		return fail(op, ret, "cannot write the open batch");
	segments = (lsn / size > rec->newest ? lsn / size : rec->newest) + 1;
	jnl_engine_start(&j->engine, lsn + block, sum, rec->trim, segments,
			 ready_end);
	jnl_untorn_begin(j, lsn + block, ready_end == UINT64_MAX);
	return 0;
}

static int open_for_writing(struct opening *op)
{
	journal *j = op->j;
	int ret;

	ret = get_dir(op);
	if (!ret)
		ret = judge_names(op);
	if (!ret)
		ret = get_lock(op);
	/* What was listed without the lock may have changed since. */
	if (!ret)
		ret = judge_names(op);
	if (!ret)
		ret = judge_device(op);
	if (!ret && !op->fresh)
		ret = recover(op);
	if (!ret && op->o->witness_lsn > j->recovered.end)
		ret = jnl_error(op->o->error, -EBADMSG, j->recovered.end,
				op->path, "%s: the journal ends at %llu, and "
				"%llu was known to be durable: restore the "
				"newest segments from a copy", op->path,
				(unsigned long long)j->recovered.end,
				(unsigned long long)op->o->witness_lsn);
	if (!ret)
		ret = choose(op);
	if (!ret && op->fresh && !op->formatted)
		ret = plan(op);
	if (ret < 0)
		return ret;
	j->dir.seed = jnl_seed(j->dir.geometry.uuid);
	ret = jnl_options_engine(&j->engine, op->o, &j->dir,
			  j->dir.way.dsync && !j->drive.on);
	if (!ret && op->fresh)
		ret = create(op);
	if (!ret)
		ret = begin_life(op);
	if (ret < 0)
		return ret;
	/* From here on nothing can be lost any more; what fails now is for
	 * people's convenience. */
	(void)jnl_lock_sign(op->sys, j->lock_fd);
	ret = jnl_measured_keep(j);
	if (ret < 0)
		return fail(op, ret, "cannot sync the directory");
	j->oldest = j->recovered.trim / j->dir.geometry.segment_size;
	if (jnl_dir_tidy(&j->dir, j->oldest) < 0)
		j->oldest = j->recovered.oldest;
	jnl_raw_heal(op->sys);
	return 0;
}

static int open_for_reading(struct opening *op)
{
	struct jnl_attached at;
	journal *j = op->j;
	int ret;

	ret = jnl_attach(op->sys, op->path, &at, op->o->error);
	if (ret < 0)
		return ret;
	if (op->o->witness_lsn > at.rec.end && !at.live)
		ret = jnl_error(op->o->error, -EBADMSG, at.rec.end, op->path,
				"%s: the journal ends at %llu, and %llu was "
				"known to be durable", op->path,
				(unsigned long long)at.rec.end,
				(unsigned long long)op->o->witness_lsn);
	j->read_only = true;
	j->writer = at.live;
	j->recovered = at.rec;
	j->segments = at.names.count;
	j->slots = jnl_raw_slots(at.sys);
	j->dir.geometry = at.rec.geometry;
	jnl_measured_look(j, at.sys, at.dirfd);
	jnl_detach(&at);
	return ret;
}

/* ------------------------------------------------------------------------ */

/* The observer's thread takes the lock first: it finds the journal where the
 * application will. */
static int hand_over(journal *j, bool observed, journal **ret_j)
{
	int ret = 0;

	pthread_mutex_lock(&j->lock);
	if (observed)
		ret = jnl_observe_start(j);
	if (!ret)
		*ret_j = j;
	pthread_mutex_unlock(&j->lock);
	return ret;
}

int jnl_open(journal **ret_j, const char *path,
	     const struct journal_options *options, const struct jnl_env *env)
{
	struct journal_options o;
	struct opening op = {
		.o = &o,
		.env = env,
		.path = path,
		.sys = env->sys ? env->sys : jnl_sys_linux(),
	};
	int ret, state;

	ret = jnl_options_copy(&o, options);
	if (!ret)
		ret = jnl_options_check(&o);
	if (ret < 0)
		return ret;
	op.j = jnl_journal_new(op.sys);
	if (!op.j)
		return -ENOMEM;
	state = jnl_cancel_off();
	ret = jnl_observe_init(op.j, &o);
	if (!ret)
		ret = o.flags & JOURNAL_READ_ONLY ? open_for_reading(&op) :
						    open_for_writing(&op);
	jnl_names_free(&op.names);
	if (!ret && !op.j->read_only)
		ret = jnl_driver_start(op.j, &o, env->no_helper);
	if (!ret && !op.j->read_only && (!env->sys || env->stats) &&
	    !(o.flags & JOURNAL_NO_STATS))
		jnl_stats_file_open(op.j);
	if (!ret && !op.j->read_only && !env->no_helper) {
		ret = jnl_helper_start(op.j);
		if (ret < 0)
			ret = fail(&op, ret, "cannot start the helper thread");
	}
	/* Last: what it is told of is a journal that is open. */
	if (!ret) {
		ret = hand_over(op.j, !op.j->read_only && !env->no_helper,
				ret_j);
		if (ret < 0) {
			jnl_helper_stop(op.j);
			ret = fail(&op, ret, "cannot start the observer's "
				   "thread");
		}
	}
	if (ret < 0)
		jnl_journal_free(op.j);
	jnl_cancel_restore(state);
	return ret;
}

int journal_open(journal **ret_j, const char *path,
		 const struct journal_options *options)
{
	static const struct jnl_env real;

	return jnl_open(ret_j, path, options, &real);
}
