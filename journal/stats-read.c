/*
 * journal/stats-read.c - the reader's side of the file "stats".
 *
 * A page that is being written is known by its checksum and read again.
 * Whether its writer is at work is told by the lock, not by the page: a dead
 * one says "open" for ever.  Everything in the page is taken for what anybody
 * may have written there: texts end, numbers are numbers.
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "journal/core.h"
#include "journal/lock.h"
#include "journal/raw.h"
#include "journal/stats-file.h"

#define TRIES		100
/* Without a writer: one may come between the two. */
#define TRIES_ALONE	2
#define PAUSE_NS	1000000L

static int read_once(struct jnl_sys *sys, int fd, struct jnl_stats_page *page)
{
	ssize_t n;

	memset(page, 0, sizeof(*page));
	n = sys->pread(sys, fd, page, sizeof(*page), 0, 0);
	if (n < 0)
		return (int)n;
	if (!n || jnl_stats_lost(page->magic, (uint64_t)n))
		return -EUCLEAN;
	if (n < 24 || memcmp(page->magic, JNL_STATS_MAGIC, 8))
		return -EINVAL;
	if (le64toh(page->version) != JNL_STATS_VERSION)
		return -EPROTONOSUPPORT;
	if (n != JNL_STATS_LEN || le64toh(page->sum) != jnl_stats_sum(page))
		return -EUCLEAN;
	jnl_stats_order(page);
	return 0;
}

/* Who writes now: before the page is read, since a writer that closes first
 * says so in the page and then lets go. */
static uint32_t find_writer(struct jnl_sys *sys, int dirfd, pid_t *ret_pid)
{
	*ret_pid = 0;
	return jnl_lock_holder(sys, dirfd, ret_pid) ? JOURNAL_WRITER_NONE :
						      JOURNAL_WRITER_AT_WORK;
}

/* A page that was not written whole will be, if somebody is there to do it. */
static int read_page(struct jnl_sys *sys, int dirfd,
		     struct jnl_stats_page *page)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat st;
	int fd, ret, alone = 0;
	pid_t pid;

	fd = sys->openat(sys, dirfd, JNL_STATS_NAME, flags, 0);
	if (fd < 0)
		return fd == -ENOENT ? -ENODATA : fd == -ELOOP ? -EINVAL : fd;
	ret = sys->fstat(sys, fd, &st);
	if (!ret && !S_ISREG(st.st_mode))
		ret = -EINVAL;
	for (int i = 0; !ret; i++) {
		ret = read_once(sys, fd, page);
		if (ret != -EUCLEAN || i == TRIES || alone == TRIES_ALONE)
			break;
		alone += find_writer(sys, dirfd, &pid) == JOURNAL_WRITER_NONE;
		(void)nanosleep(&pause, NULL);
		ret = 0;
	}
	(void)sys->close(sys, fd);
	return ret;
}

static void take_text(char *to, const char *from, size_t len)
{
	memcpy(to, from, len - 1);
	to[len - 1] = '\0';
}

static void take_events(struct journal_snapshot *s,
			const struct jnl_stats_page *p)
{
	s->events = p->events;
	for (uint64_t i = 0; i < JOURNAL_PAST_EVENTS && i < p->events; i++) {
		const struct jnl_stats_event *ev = &p->event[i];

		s->event[i] = (struct journal_event){
			.kind = (uint32_t)ev->kind,
			.stall = (uint32_t)ev->stall,
			.code = (int32_t)ev->code,
			.recycled = (uint32_t)ev->recycled,
			.time_ns = ev->time_ns, .lsn = ev->lsn,
			.duration_ns = ev->duration_ns,
			.dropped = ev->dropped,
		};
		take_text(s->event[i].reason, ev->reason, sizeof(ev->reason));
	}
}

static void take_page(struct journal_snapshot *s,
		      const struct jnl_stats_page *p)
{
	s->closed = p->state == JNL_STATS_CLOSED;
	s->failed = (int32_t)p->failed;
	s->pid = (int64_t)p->pid;
	memcpy(s->uuid, p->uuid, sizeof(s->uuid));
	memcpy(s->boot_id, p->boot_id, sizeof(s->boot_id));
	s->opened_ns = p->opened_ns;
	s->updated_ns = p->updated_ns;
	take_text(s->method, p->method, sizeof(s->method));
	take_text(s->carrier, p->carrier, sizeof(s->carrier));
	take_text(s->driver, p->driver, sizeof(s->driver));
	take_text(s->barrier, p->barrier, sizeof(s->barrier));
	s->frontier = p->frontier;
	s->end = p->end;
	s->first_lsn = p->first_lsn;
	s->segments = p->segments;
	s->segment_size = p->segment_size;
	take_events(s, p);
}

static void take_stats(struct journal_stats *s, const struct jnl_stats_page *p)
{
	s->records = p->records;
	s->payload = p->payload;
	s->in_place = p->in_place;
	s->late = p->late;
	s->batches = p->batches;
	s->flushes = p->flushes;
	s->replacements = p->replacements;
	s->stalls_queue = p->stalls_queue;
	s->stalls_segment = p->stalls_segment;
	s->failures = p->failures;
	s->action_max_ns = p->action_max_ns;
	s->stalls_device = p->stalls_device;
	s->events_dropped = p->events_dropped;
	memcpy(s->action_ns, p->action_ns, sizeof(s->action_ns));
	memcpy(s->batch_records, p->batch_records, sizeof(s->batch_records));
}

static int look_at(struct jnl_sys *sys, int dirfd, struct journal_snapshot *s,
		   struct journal_stats *stats)
{
	struct jnl_stats_page page;
	uint64_t now_ns;
	pid_t pid;
	int ret;

	if (jnl_is_raw(sys))
		return -EOPNOTSUPP;
	s->writer = find_writer(sys, dirfd, &pid);
	ret = read_page(sys, dirfd, &page);
	if (ret < 0)
		return ret;
	take_page(s, &page);
	take_stats(stats, &page);
	if (s->writer == JOURNAL_WRITER_AT_WORK &&
	    (s->closed || s->pid != (int64_t)pid))
		s->writer = JOURNAL_WRITER_OTHER;
	/* With the writer at work the clock is the one that it reads. */
	now_ns = jnl_now_ns();
	if (s->writer == JOURNAL_WRITER_AT_WORK && page.outstanding) {
		s->outstanding = (uint32_t)page.outstanding;
		if (now_ns > page.oldest_mono_ns)
			s->oldest_ns = now_ns - page.oldest_mono_ns;
	}
	return 0;
}

int jnl_stats_at(struct jnl_sys *sys, const char *path,
		 struct journal_snapshot *snapshot, struct journal_stats *stats)
{
	size_t snapshot_size = snapshot->size, stats_size = stats->size;
	struct journal_snapshot full = JOURNAL_SNAPSHOT_INIT;
	struct journal_stats counted = JOURNAL_STATS_INIT;
	int ret, dirfd, state;

	if (snapshot_size < sizeof(full) || stats_size < sizeof(counted))
		return -EINVAL;
	state = jnl_cancel_off();
	dirfd = jnl_open_dir(&sys, path);
	ret = dirfd < 0 ? dirfd : look_at(sys, dirfd, &full, &counted);
	if (dirfd >= 0)
		(void)sys->close(sys, dirfd);
	jnl_cancel_restore(state);
	if (ret < 0)
		return ret;
	memset(snapshot, 0, snapshot_size);
	memcpy(snapshot, &full, sizeof(full));
	snapshot->size = snapshot_size;
	memset(stats, 0, stats_size);
	memcpy(stats, &counted, sizeof(counted));
	stats->size = stats_size;
	return 0;
}

int journal_stats_at(const char *path, struct journal_snapshot *snapshot,
		     struct journal_stats *stats)
{
	return jnl_stats_at(jnl_sys_linux(), path, snapshot, stats);
}
