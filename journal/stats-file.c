/*
 * journal/stats-file.c - the writer's side of the file "stats".
 *
 * One page, written whole by the helper at its looks, 20 times a second at
 * most and only if something has changed.  By a write and not through a
 * mapping: a store into a mapped page can stand in the file system, under the
 * journal's lock, when the device does; and where there is no room for a copy
 * of the page it is a signal that kills the application.  A write is an error
 * that is said in the trail.  The way of an append is not touched.
 *
 * Invariants
 *   - Each page carries a checksum: a reader that meets one half written sees
 *     that and reads again.
 *   - A file of that name that is somebody else's is left alone.
 *   - Nothing is made durable: what a crash leaves of it does not matter, nor
 *     whether its name is there.
 *
 * How it fails: the journal goes on without, and the trail has one line.
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/error.h"
#include "journal/raw.h"
#include "journal/stats-file.h"

#define FILE_MODE	0640
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define NS_PER_S	1000000000u

struct jnl_stats_file {
	int fd;			/* -1: closed */
	uint64_t opened_ns;
	uint8_t boot_id[16];
	/* As it is on disk, but for order and sum; what is gathered. */
	struct jnl_stats_page written, page;
};

/* Everything but the texts and the bytes of the two IDs. */
void jnl_stats_order(struct jnl_stats_page *page)
{
	uint64_t *word = (uint64_t *)(void *)page;
	size_t texts = offsetof(struct jnl_stats_page, method) / 8;

	for (size_t i = 1; i < offsetof(struct jnl_stats_page, event) / 8;
	     i++) {
		if (i == 4 || i == 5 || i == 7 || i == 8 ||
		    (i >= texts && i < texts + 8))
			continue;
		word[i] = htole64(word[i]);
	}
	for (size_t i = 0; i < JOURNAL_PAST_EVENTS; i++) {
		word = (uint64_t *)(void *)&page->event[i];
		for (size_t k = 0; k < 8; k++)
			word[k] = htole64(word[k]);
	}
	page->in_place = htole64(page->in_place);
	page->late = htole64(page->late);
}

uint64_t jnl_stats_sum(const struct jnl_stats_page *page)
{
	return jnl_checksum((const uint8_t *)page + 16, JNL_STATS_LEN - 16, 0);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The rest of text is zeros. */
static void put_text(char *text, size_t len, const char *from)
{
	(void)snprintf(text, len, "%s", from);
}

static void put_events(struct jnl_stats_page *p, const struct jnl_observed *ob)
{
	uint64_t n = ob->events < JOURNAL_PAST_EVENTS ? ob->events :
							JOURNAL_PAST_EVENTS;

	for (uint64_t i = 0; i < n; i++) {
		const struct journal_event *ev =
			&ob->past[(ob->events - n + i) % JOURNAL_PAST_EVENTS];

		p->event[i] = (struct jnl_stats_event){
			.kind = ev->kind, .stall = ev->stall,
			.code = (uint64_t)(int64_t)ev->code,
			.recycled = ev->recycled, .time_ns = ev->time_ns,
			.lsn = ev->lsn, .duration_ns = ev->duration_ns,
			.dropped = ev->dropped,
		};
		put_text(p->event[i].reason, sizeof(p->event[i].reason),
			 ev->reason);
	}
}

static void put_info(struct jnl_stats_page *p, journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	jnl_fill_info(j, &info);
	memcpy(p->uuid, info.uuid, sizeof(p->uuid));
	p->failed = (uint64_t)(int64_t)info.failed;
	put_text(p->method, sizeof(p->method), info.method);
	put_text(p->carrier, sizeof(p->carrier), info.carrier);
	put_text(p->driver, sizeof(p->driver), info.driver);
	put_text(p->barrier, sizeof(p->barrier), info.barrier);
	p->frontier = info.frontier;
	p->end = info.end;
	p->first_lsn = info.first_lsn;
	p->segments = info.segments;
	p->segment_size = info.segment_size;
}

static void put_stats(struct jnl_stats_page *p, journal *j)
{
	struct journal_stats s = JOURNAL_STATS_INIT;

	static_assert(sizeof(p->action_ns) == sizeof(s.action_ns) &&
		      sizeof(p->batch_records) == sizeof(s.batch_records),
		      "histograms");
	jnl_fill_stats(j, &s);
	p->records = s.records;
	p->payload = s.payload;
	p->in_place = s.in_place;
	p->late = s.late;
	p->batches = s.batches;
	p->flushes = s.flushes;
	p->replacements = s.replacements;
	p->stalls_queue = s.stalls_queue;
	p->stalls_segment = s.stalls_segment;
	p->failures = s.failures;
	p->action_max_ns = s.action_max_ns;
	p->stalls_device = s.stalls_device;
	p->events_dropped = s.events_dropped;
	memcpy(p->action_ns, s.action_ns, sizeof(p->action_ns));
	memcpy(p->batch_records, s.batch_records, sizeof(p->batch_records));
}

/* All but the times of the update and the sum. */
static void gather(journal *j, enum jnl_stats_state state)
{
	struct jnl_stats_file *f = j->stats_file;
	struct jnl_stats_page *p = &f->page;

	memset(p, 0, sizeof(*p));
	memcpy(p->magic, JNL_STATS_MAGIC, sizeof(p->magic));
	p->version = JNL_STATS_VERSION;
	p->state = state;
	p->pid = (uint64_t)getpid();
	p->opened_ns = f->opened_ns;
	memcpy(p->boot_id, f->boot_id, sizeof(p->boot_id));
	put_info(p, j);
	put_stats(p, j);
	p->outstanding = jnl_watch_count(j, &p->oldest_mono_ns);
	p->events = j->observed.events;
	put_events(p, &j->observed);
}

/* Without the lock.  The page was gathered by the same thread. */
static int write_page(journal *j)
{
	struct jnl_stats_file *f = j->stats_file;
	struct jnl_stats_page *p = &f->page;
	ssize_t n;

	f->written = *p;
	p->updated_ns = clock_ns(CLOCK_REALTIME);
	p->updated_mono_ns = clock_ns(CLOCK_MONOTONIC);
	jnl_stats_order(p);
	p->sum = htole64(jnl_stats_sum(p));
	do {
		n = j->dir.sys->pwrite(j->dir.sys, f->fd, p, sizeof(*p), 0, 0);
	} while (n == -EINTR);
	if (n < 0)
		return (int)n;
	return n == JNL_STATS_LEN ? 0 : -ENOSPC;
}

/* On without it. */
static void give_up(journal *j, const char *what)
{
	char line[192];

	(void)snprintf(line, sizeof(line), "stats: none: %s", what);
	jnl_say(j, line);
	jnl_stats_file_free(j);
}

/* ------------------------------------------------------------------------ */

/* Zeros where it cannot be read. */
static void read_boot_id(struct jnl_sys *sys, uint8_t id[16])
{
	char text[37] = "";
	int fd, n = 0;

	fd = sys->openat(sys, AT_FDCWD, BOOT_ID, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sys->pread(sys, fd, text, sizeof(text) - 1, 0, 0);
	(void)sys->close(sys, fd);
	for (const char *p = text; *p && n < 32; p++) {
		const char *digits = "0123456789abcdef";
		const char *digit = strchr(digits, *p);

		if (!digit)
			continue;
		id[n / 2] = (uint8_t)(id[n / 2] << 4 | (digit - digits));
		n++;
	}
}

/* A regular file with one name, and empty or one of ours, or what a crash left
 * of that. */
static int is_ours(struct jnl_sys *sys, int fd)
{
	char magic[8];
	struct stat st;
	ssize_t n;
	int ret;

	ret = sys->fstat(sys, fd, &st);
	if (ret < 0)
		return ret;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return -EEXIST;
	if (!st.st_size)
		return 0;
	n = sys->pread(sys, fd, magic, sizeof(magic), 0, 0);
	if (n < 0)
		return (int)n;
	if (n != sizeof(magic) ||
	    (memcmp(magic, JNL_STATS_MAGIC, sizeof(magic)) &&
	     !jnl_stats_lost(magic, (uint64_t)st.st_size)))
		return -EEXIST;
	return 0;
}

static int make_file(journal *j)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct jnl_stats_file *f = j->stats_file;
	struct jnl_sys *sys = j->dir.sys;
	int ret;

	f->fd = sys->openat(sys, j->dir.fd, JNL_STATS_NAME, flags, FILE_MODE);
	if (f->fd < 0)
		return f->fd;
	ret = is_ours(sys, f->fd);
	if (ret < 0)
		return ret;
	f->opened_ns = clock_ns(CLOCK_REALTIME);
	read_boot_id(sys, f->boot_id);
	gather(j, JNL_STATS_OPEN);
	ret = write_page(j);
	/* What is half there would only mislead. */
	if (ret < 0)
		(void)sys->unlink(sys, j->dir.fd, JNL_STATS_NAME);
	return ret;
}

void jnl_stats_file_open(journal *j)
{
	int ret;

	if (jnl_is_raw(j->dir.sys))
		return;
	j->stats_file = calloc(1, sizeof(*j->stats_file));
	if (!j->stats_file)
		return;
	j->stats_file->fd = -1;
	ret = make_file(j);
	if (ret == -EEXIST || ret == -ELOOP)
		give_up(j, "the file \"stats\" is something else: move it "
			"away");
	else if (ret < 0)
		give_up(j, jnl_system_words(ret));
}

void jnl_stats_file_look(journal *j)
{
	struct jnl_stats_file *f = j->stats_file;
	int ret;

	if (!f)
		return;
	gather(j, JNL_STATS_OPEN);
	if (!memcmp(&f->page, &f->written, sizeof(f->page)))
		return;
	pthread_mutex_unlock(&j->lock);
	ret = write_page(j);
	pthread_mutex_lock(&j->lock);
	if (ret < 0)
		give_up(j, jnl_system_words(ret));
}

void jnl_stats_file_close(journal *j)
{
	if (!j->stats_file)
		return;
	gather(j, JNL_STATS_CLOSED);
	/* Nobody is there any more to be told that it failed, and a file that
	 * says "open" is found out by the lock. */
	(void)write_page(j);
}

void jnl_stats_file_free(journal *j)
{
	struct jnl_stats_file *f = j->stats_file;

	if (f && f->fd >= 0)
		(void)j->dir.sys->close(j->dir.sys, f->fd);
	free(f);
	j->stats_file = NULL;
}
