/*
 * journal/journal.c - appending: the caller driver.
 *
 * The application's threads carry commits themselves: whoever waits and finds
 * nobody carrying takes the next action of the engine, carries it out without
 * the lock and tells the engine how it ended.  While one thread writes, the
 * next batch gathers.  One action is carried at a time, so a flush never meets
 * another one.
 *
 * The first failed action ends the journal: the engine hands out nothing any
 * more, and every call returns the first error.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/core.h"
#include "journal/error.h"
#include "journal/lock.h"

#define IOV_LIMIT	1024

/* Whether this process opened j, and j may be written to. */
static int usable(const journal *j)
{
	if (!j->alive[0])
		return -EOWNERDEAD;
	return j->read_only ? -EROFS : 0;
}

int jnl_file_add(journal *j, uint64_t number, int fd)
{
	struct jnl_segment_file *grown;

	grown = realloc(j->files, (j->nfiles + 1) * sizeof(*grown));
	if (!grown) {
		(void)j->dir.sys->close(j->dir.sys, fd);
		return -ENOMEM;
	}
	j->files = grown;
	j->files[j->nfiles].number = number;
	j->files[j->nfiles++].fd = fd;
	return 0;
}

static int file_of(const journal *j, uint64_t number)
{
	for (size_t i = 0; i < j->nfiles; i++) {
		if (j->files[i].number == number)
			return j->files[i].fd;
	}
	assert(!"a batch lies in a segment that is not open");
	return -EBADF;
}

bool jnl_carry(journal *j)
{
	struct jnl_dir *dir = &j->dir;
	struct jnl_action act;
	int fd, ret;

	assert(!j->carrying);
	jnl_engine_next(&j->engine, &act);
	if (act.kind == JNL_ACT_NONE)
		return false;
	fd = file_of(j, act.segment);
	j->carrying = true;
	pthread_mutex_unlock(&j->lock);
	if (act.kind == JNL_ACT_WRITE)
		ret = jnl_way_write(dir->sys, &dir->way, fd, act.batch->image,
				    act.batch->size, act.offset,
				    dir->geometry.block_size);
	else
		ret = jnl_way_flush(dir->sys, &dir->way, fd);
	pthread_mutex_lock(&j->lock);
	j->carrying = false;
	jnl_engine_done(&j->engine, &act, ret);
	pthread_cond_broadcast(&j->progress);
	if (!j->helper.blocked &&
	    jnl_engine_wants_segment(&j->engine) != UINT64_MAX)
		jnl_helper_call(j);
	return true;
}

/* Carry an action out, or wait for the thread that does. */
static void push_on(journal *j)
{
	if (j->carrying)
		pthread_cond_wait(&j->progress, &j->lock);
	else if (!jnl_carry(j))
		/* Nothing is in flight and nothing can be handed out: the
		 * caller waits for something that nobody will do. */
		assert(j->engine.error);
}

/*
 * Wait until the segment or the part of segment 0 is ready that an append was
 * refused for.  0: try again.
 */
static int wait_ready(journal *j)
{
	struct jnl_helper *h = &j->helper;
	uint64_t failures = h->failures, successes = h->successes;

	h->blocked = false;
	if (!h->running) {
		if (!jnl_helper_work(j, false) && !j->engine.error)
			assert(h->failures != failures);
	} else {
		jnl_helper_call(j);
		while (h->failures == failures && h->successes == successes &&
		       !j->engine.error)
			pthread_cond_wait(&j->progress, &j->lock);
	}
	return h->failures != failures ? h->error : 0;
}

static int append(journal *j, const struct iovec *iov, int iovcnt,
		  uint64_t len, uint64_t *ret_lsn)
{
	int ret;

	for (;;) {
		ret = jnl_engine_append(&j->engine, iov, iovcnt, len, ret_lsn);
		if (ret == -EAGAIN) {
			push_on(j);
		} else if (ret == -EBUSY) {
			ret = wait_ready(j);
			if (ret < 0)
				return ret;
		} else {
			break;
		}
	}
	if (!ret && j->helper.parked)
		jnl_helper_call(j);
	return ret;
}

static int sync_to(journal *j, uint64_t lsn)
{
	struct jnl_engine *e = &j->engine;

	if (lsn >= jnl_engine_end(e))
		return -EINVAL;
	jnl_engine_want(e, lsn + 1);
	while (e->frontier <= lsn && !e->error)
		push_on(j);
	return e->frontier > lsn ? 0 : e->error;
}

/* The length of a record, or -1. */
static int record_len(const struct iovec *iov, int iovcnt, uint64_t *ret_len)
{
	uint64_t len = 0;

	if (iovcnt < 0 || iovcnt > IOV_LIMIT || (iovcnt && !iov))
		return -EINVAL;
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > UINT32_MAX - len)
			return -EMSGSIZE;
		len += iov[i].iov_len;
	}
	*ret_len = len;
	return 0;
}

/*
 * A thread that is cancelled in the middle of a write would leave the journal
 * locked and the write's fate unknown.
 */
static int enter(journal *j)
{
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&j->lock);
	return state;
}

static void leave(journal *j, int state)
{
	pthread_mutex_unlock(&j->lock);
	(void)pthread_setcancelstate(state, NULL);
}

int journal_append(journal *j, const struct iovec *iov, int iovcnt,
		   uint64_t *ret_lsn)
{
	uint64_t len, lsn;
	int ret, state;

	ret = usable(j);
	if (!ret)
		ret = record_len(iov, iovcnt, &len);
	if (ret < 0)
		return ret;
	state = enter(j);
	ret = append(j, iov, iovcnt, len, &lsn);
	leave(j, state);
	if (!ret && ret_lsn)
		*ret_lsn = lsn;
	return ret;
}

int journal_sync(journal *j, uint64_t lsn)
{
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = enter(j);
	ret = sync_to(j, lsn);
	leave(j, state);
	return ret;
}

int journal_commit(journal *j, const struct iovec *iov, int iovcnt,
		   uint64_t *ret_lsn)
{
	uint64_t len, lsn;
	int ret, state;

	ret = usable(j);
	if (!ret)
		ret = record_len(iov, iovcnt, &len);
	if (ret < 0)
		return ret;
	state = enter(j);
	ret = append(j, iov, iovcnt, len, &lsn);
	if (!ret)
		ret = sync_to(j, lsn);
	leave(j, state);
	if (!ret && ret_lsn)
		*ret_lsn = lsn;
	return ret;
}

/* ------------------------------------------------------------------------ */

static const char *barrier_of(const struct jnl_way *way)
{
	if (way->dsync)
		return "RWF_DSYNC";
	return way->flush == JNL_FLUSH_FSYNC ? "fsync" : "fdatasync";
}

static void fill_info(journal *j, struct journal_info *info)
{
	const struct jnl_recovery *rec = &j->recovered;
	const struct jnl_engine *e = &j->engine;

	memcpy(info->uuid, j->dir.geometry.uuid, sizeof(info->uuid));
	info->format = j->dir.geometry.version;
	info->block_size = j->dir.geometry.block_size;
	info->segment_size = j->dir.geometry.segment_size;
	info->first_lsn = rec->first;
	info->recovered_lsn = rec->end;
	info->tail_bytes = rec->tail_bytes;
	info->tail_batches = rec->tail_batches;
	info->method = info->carrier = info->barrier = info->trail = "";
	if (j->read_only) {
		info->segments = j->segments;
		info->frontier = info->end = rec->end;
		info->writer = j->writer;
		return;
	}
	info->segments = e->segments - rec->first / info->segment_size;
	info->frontier = e->frontier;
	info->end = jnl_engine_end(e);
	info->record_max = e->cfg.record_max;
	info->queue_depth = e->cfg.queue_depth;
	info->method = j->method;
	info->carrier = "pwritev2";
	info->barrier = barrier_of(&j->dir.way);
	if (j->probe)
		info->trail = jnl_probe_trail(j->probe);
	info->failed = e->error;
}

int journal_info(journal *j, struct journal_info *info)
{
	struct journal_info full = JOURNAL_INFO_INIT;
	size_t size = info->size;
	int state;

	if (size < sizeof(full))
		return -EINVAL;
	if (!j->alive[0])
		return -EOWNERDEAD;
	state = enter(j);
	fill_info(j, &full);
	leave(j, state);
	/* A caller that knows more than this library gets zeros there. */
	memset(info, 0, size);
	memcpy(info, &full, sizeof(full));
	info->size = size;
	return 0;
}

int journal_lock_holder(const char *path, pid_t *ret_pid)
{
	struct jnl_sys *sys = jnl_sys_linux();
	int ret, dirfd;
	pid_t pid;

	dirfd = sys->openat(sys, AT_FDCWD, path,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dirfd < 0)
		return dirfd;
	ret = jnl_lock_holder(sys, dirfd, &pid);
	(void)sys->close(sys, dirfd);
	if (!ret)
		*ret_pid = pid;
	return ret;
}

/* ------------------------------------------------------------------------ */

/* Everything that was appended, then a watermark that says so. */
static int finish(journal *j)
{
	struct jnl_engine *e = &j->engine;
	uint64_t end = jnl_engine_end(e);
	int ret = 0;

	if (end > e->frontier)
		ret = sync_to(j, end - 1);
	/* The watermark spares the next open a doubt, no more: if there is no
	 * room for it or it fails, nothing is lost. */
	if (!e->error && jnl_engine_mark(e)) {
		while (e->used && !e->error)
			push_on(j);
	}
	return ret;
}

int journal_close(journal *j)
{
	int ret = 0, state;

	if (!j)
		return 0;
	if (j->alive[0] && !j->read_only) {
		jnl_helper_stop(j);
		state = enter(j);
		ret = finish(j);
		leave(j, state);
	}
	jnl_journal_free(j);
	return ret;
}
