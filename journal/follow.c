/*
 * journal/follow.c - waiting at a reader's end for what a writer appends.
 *
 * Beside a writer the end is where its newest watermark is.  To find a newer
 * one only the headers behind the end are read: each that links to the one
 * before was sealed by a writer that knew what was durable then, and said so.
 * The end moves to the highest of what they say, never to the headers
 * themselves: they may not be durable, and the next writer may put others in
 * their place.  That holds across writers, since the next one's open batch
 * links to the last batch that counts.
 *
 * Invariants
 *   - The end never moves back, and the batch that ends there has the sum
 *     at.rec.last_sum.
 *   - Only where nobody has the lock for writing any more is the journal
 *     recovered again, and that once, until the next writer has been there.
 *   - A file is read by the name that it has now before it is believed that
 *     nothing was written: another one may have taken its place.
 *
 * inotify(7) tells of writes by the page cache, O_DIRECT and io_uring alike, in
 * files and on a device's node.  What it cannot tell (a lock that goes after
 * the file was closed, a node of another name, a writer on another machine,
 * a watch that was refused) a timer makes up for.  Both are in one epoll(7)
 * descriptor.
 *
 * It fails as reading fails, and the failure is kept until the next seek; not
 * kept is what keeps it from waiting (no descriptors, no memory).
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "journal/error.h"
#include "journal/lock.h"
#include "journal/reader.h"

/* What is read of headers at a time: a commit, and the header behind it. */
#define LOOK_AHEAD	(16u * 1024)
/* So many bytes of batches are looked through before what they say is given
 * out; the rest follows. */
#define LOOK_MAX	(1024u * 1024)

/* The timer, after something has happened and after nothing has for long. */
#define PAUSE_MIN_NS		20000000u
#define PAUSE_MAX_NS		1000000000u
#define PAUSE_MAX_BLIND_NS	100000000u	/* without inotify */

/* Reads of what inotify has, at a time. */
#define DRAIN_MAX	16

struct jnl_tail {
	struct jnl_view view;	/* the headers behind the end */
	bool viewing;		/* it was initialised */
	/* The sum of a batch behind the end that links and that recovery,
	 * without a writer, did not count; 0: none. */
	uint64_t judged;
	bool more;		/* there is more to look through at once */

	int watch_fd;		/* inotify, or -1 */
	int timer_fd;
	int poll_fd;		/* both of them */
	uint64_t pause_ns;
};

/* ------------------------------------------------------------------------
 * Looking
 */

/* What the headers behind the end say. */
struct walk {
	uint64_t end, sum;	/* the last one that links */
	uint64_t first_sum;	/* of the first one, 0 if none links */
	uint64_t marked;	/* the highest watermark among them */
};

static int tail_of(journal_reader *r, struct jnl_tail **ret_t)
{
	struct jnl_tail *t = r->tail;

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		t->watch_fd = t->timer_fd = t->poll_fd = -1;
		t->pause_ns = PAUSE_MIN_NS;
		r->tail = t;
	}
	if (!t->viewing) {
		jnl_view_init(&t->view, r->at.sys, r->at.dirfd, true);
		t->view.segment_size = r->at.rec.geometry.segment_size;
		t->view.block_size = r->at.rec.geometry.block_size;
		t->view.ahead = LOOK_AHEAD;
		t->viewing = true;
	}
	*ret_t = t;
	return 0;
}

/* The header at place.  1, 0 if none that links to prev is there, or -errno. */
static int header_at(journal_reader *r, uint64_t place, const uint64_t *prev,
		     struct jnl_batch_header *ret_h)
{
	struct jnl_view *v = &r->tail->view;
	const uint8_t *p;
	int ret;

	ret = jnl_view_at(v, place, v->block_size, &p);
	if (ret < 0)
		return ret;
	return jnl_batch_decode(p, r->at.rec.seed, ret_h) &&
	       ret_h->lsn == place && (!prev || ret_h->prev_sum == *prev) &&
	       jnl_batch_sane(ret_h, v->block_size, v->segment_size);
}

/*
 * Walk from the end known to limit, or as far as batches link; with patience
 * until there is something to give out.  0, or the error of the first read.
 */
static int walk(journal_reader *r, uint64_t limit, bool patient,
		struct walk *ret)
{
	const struct jnl_recovery *rec = &r->at.rec;
	uint64_t size = rec->geometry.segment_size;
	uint32_t block = rec->geometry.block_size;
	struct walk w = { .end = rec->end, .sum = rec->last_sum };
	/* Where all below the end was given back nothing is left to link to. */
	bool linked = rec->last_sum || !rec->end;
	struct jnl_batch_header h;
	int err;

	for (;;) {
		if (w.end >= limit || (!patient && w.marked > rec->end &&
				       w.end - rec->end > LOOK_MAX))
			break;
		err = header_at(r, jnl_next_place(w.end, size, block),
				linked ? &w.sum : NULL, &h);
		if (err < 0 && !w.first_sum)
			return err;
		if (err != 1)
			break;
		linked = true;
		w.sum = h.header_sum;
		w.end = jnl_batch_end(&h, block, size);
		if (!w.first_sum)
			w.first_sum = w.sum;
		if (h.durable > w.marked)
			w.marked = h.durable;
	}
	*ret = w;
	return 0;
}

/* Move the end on to what the headers behind it say.  1 if it has moved. */
static int advance(journal_reader *r, struct walk *ret)
{
	struct jnl_recovery *rec = &r->at.rec;
	struct walk to;
	int err;

	/* What was there at the last look may have been written over. */
	r->tail->view.have = 0;
	err = walk(r, UINT64_MAX, false, ret);
	if (err < 0)
		return err;
	if (ret->marked <= rec->end)
		return 0;
	err = walk(r, ret->marked, true, &to);
	if (err < 0)
		return err;
	/* Used again between the two walks. */
	if (to.end < ret->marked)
		return 0;
	r->tail->more = ret->end - rec->end > LOOK_MAX;
	rec->end = to.end;
	rec->last_sum = to.sum;
	r->view.limit = to.end;
	/* A writer was there: read as it writes, and begin anew to seek. */
	r->stale = true;
	if (!r->view.past_cache) {
		r->view.past_cache = true;
		jnl_view_forget(&r->view);
	}
	return 1;
}

/*
 * There is no file where the journal is to go on.  1 if it has gone on beyond
 * or is gone itself, 0 if it is only not made yet, or -errno.
 */
static int is_behind(journal_reader *r)
{
	const struct jnl_recovery *rec = &r->at.rec;
	uint64_t size = rec->geometry.segment_size;
	uint64_t next = jnl_next_place(rec->end, size,
				       rec->geometry.block_size) / size;
	struct jnl_names names;
	bool behind;
	int ret;

	ret = jnl_names_read(r->at.sys, r->at.dirfd, &names);
	if (ret < 0)
		return ret;
	/* Made only after the one in which the end lies. */
	behind = !names.count || names.number[names.count - 1] >= next ||
		 (rec->end && names.number[names.count - 1] <
		  (rec->end - 1) / size);
	jnl_names_free(&names);
	return behind;
}

static int other_journal(journal_reader *r)
{
	(void)jnl_error(&r->error, -EXDEV, JOURNAL_LSN_NONE, r->path,
			"%s: there is another journal now: open it anew",
			r->path);
	return jnl_reader_failed(r, -EXDEV);
}

/*
 * Recover the whole journal: no writer is there, or what was to come next has
 * gone.  1 if there is more now, 0 or an error that is kept.
 */
static int recover_again(journal_reader *r, uint64_t first_sum)
{
	struct jnl_recovery was = r->at.rec, *rec = &r->at.rec;
	uint64_t size = was.geometry.segment_size, place;
	int ret;

	ret = jnl_reader_attach(r);
	if (ret < 0)
		return ret;
	if (memcmp(was.geometry.uuid, rec->geometry.uuid, JNL_UUID_LEN))
		return other_journal(r);
	place = jnl_next_place(was.end, size, was.geometry.block_size);
	if (rec->first / size > place / size)
		return jnl_reader_overtaken(r, rec->first);
	/* Beside the next writer the end is its watermark, which may be lower
	 * than what was found when there was none. */
	if (rec->end <= was.end) {
		rec->end = r->view.limit = was.end;
		rec->last_sum = was.last_sum;
	}
	r->tail->judged = r->at.live ? 0 : first_sum;
	return rec->end > was.end;
}

/* Nothing new links: is that because nobody writes any more? */
static int look_for_writer(journal_reader *r, const struct walk *w)
{
	struct jnl_tail *t = r->tail;
	pid_t pid;
	int ret;

	/* Nobody has been there since it was recovered. */
	if (!r->at.live && (!w->first_sum || w->first_sum == t->judged))
		return 0;
	ret = jnl_lock_holder(r->at.sys, r->at.dirfd, &pid);
	if (ret == -ENOENT)
		return recover_again(r, w->first_sum);
	if (ret < 0)
		return jnl_reader_system_error(r, ret, r->at.rec.end);
	r->at.live = true;
	return 0;
}

int jnl_tail_look(journal_reader *r)
{
	struct walk w = { 0 };
	struct jnl_tail *t;
	int ret;

	ret = tail_of(r, &t);
	if (ret < 0)
		return ret;
	t->more = false;
	ret = advance(r, &w);
	if (ret == 1)
		return 1;
	/* Another file may have taken the place of the one that is open. */
	jnl_view_forget(&t->view);
	ret = advance(r, &w);
	if (ret == -ENOENT) {
		ret = is_behind(r);
		if (ret == 1)
			return recover_again(r, 0);
	} else if (ret == -EBADMSG) {
		return recover_again(r, 0);
	}
	if (ret < 0)
		return jnl_reader_system_error(r, ret, r->at.rec.end);
	return ret ? ret : look_for_writer(r, &w);
}

bool jnl_tail_reaches(journal_reader *r, uint64_t lsn)
{
	struct jnl_tail *t;
	struct walk w;

	if (tail_of(r, &t) < 0)
		return false;
	t->view.have = 0;
	return !walk(r, lsn, true, &w) && w.end >= lsn;
}

void jnl_tail_forget(journal_reader *r)
{
	if (!r->tail || !r->tail->viewing)
		return;
	jnl_view_fini(&r->tail->view);
	r->tail->viewing = false;
}

/* ------------------------------------------------------------------------
 * Waiting
 */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void jnl_tail_free(journal_reader *r)
{
	struct jnl_tail *t = r->tail;

	if (!t)
		return;
	/* In a child of fork the window is not mapped. */
	if (!r->alive || !r->alive[0])
		t->view.window = NULL;
	jnl_tail_forget(r);
	close_fd(&t->poll_fd);
	close_fd(&t->watch_fd);
	close_fd(&t->timer_fd);
	free(t);
	r->tail = NULL;
}

/* Have the timer end once, after ns. */
static void set_timer(struct jnl_tail *t, uint64_t ns)
{
	struct itimerspec when = {
		.it_value = {
			.tv_sec = (time_t)(ns / 1000000000u),
			.tv_nsec = (long)(ns % 1000000000u),
		},
	};

	(void)timerfd_settime(t->timer_fd, 0, &when, NULL);
}

static int add_to_poll(struct jnl_tail *t, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(t->poll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno :
								      0;
}

/* The descriptors, once.  Without a watch the timer is all there is. */
static int open_fds(journal_reader *r)
{
	struct jnl_tail *t;
	int ret;

	ret = tail_of(r, &t);
	if (ret < 0 || t->poll_fd >= 0)
		return ret;
	t->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->poll_fd < 0)
		return -errno;
	t->timer_fd = timerfd_create(CLOCK_MONOTONIC,
				     TFD_NONBLOCK | TFD_CLOEXEC);
	ret = t->timer_fd < 0 ? -errno : add_to_poll(t, t->timer_fd);
	if (ret < 0) {
		close_fd(&t->timer_fd);
		close_fd(&t->poll_fd);
		return ret;
	}
	t->watch_fd = r->at.sys->watch(r->at.sys, r->at.dirfd);
	if (t->watch_fd >= 0 && add_to_poll(t, t->watch_fd) < 0)
		close_fd(&t->watch_fd);
	/* What has happened until now was not watched: look at once. */
	set_timer(t, 1);
	return 0;
}

/*
 * Take in what has happened until now; true if something has.  A writer may
 * be as fast as that, so not all of it.
 */
static bool drain(struct jnl_tail *t)
{
	char buf[4096] __attribute__((aligned(8)));
	int n = 0;

	while (t->watch_fd >= 0 && n < DRAIN_MAX &&
	       read(t->watch_fd, buf, sizeof(buf)) > 0)
		n++;
	return n;
}

/* When to look again, if nothing tells.  It also ends that poll(2) returns for
 * the timer. */
static void rest(struct jnl_tail *t, bool any)
{
	uint64_t max = t->watch_fd >= 0 ? PAUSE_MAX_NS : PAUSE_MAX_BLIND_NS;

	t->pause_ns = any ? PAUSE_MIN_NS : 2 * t->pause_ns;
	if (t->pause_ns > max)
		t->pause_ns = max;
	set_timer(t, t->more ? 1 : t->pause_ns);
}

/* Whether next() has something without looking. */
static bool has_more(const journal_reader *r)
{
	return r->body_off < r->body_len || r->pos < r->at.rec.end;
}

static int look_once(journal_reader *r)
{
	bool any;
	int ret;

	if (r->error_code)
		return r->error_code;
	ret = open_fds(r);
	if (ret < 0)
		return ret;
	/* First: what is written from now on rings again. */
	any = drain(r->tail);
	ret = has_more(r) ? 1 : jnl_tail_look(r);
	rest(r->tail, any || ret == 1);
	return ret;
}

/* Sleep until something has happened.  True if deadline (< 0: none) is over or
 * a signal has come. */
static bool sleep_until(const struct jnl_tail *t, int64_t deadline_ms)
{
	struct pollfd p = { .fd = t->poll_fd, .events = POLLIN };
	int64_t left = -1;
	int n;

	if (deadline_ms >= 0) {
		left = deadline_ms - (int64_t)(jnl_now_ns() / 1000000);
		if (left <= 0)
			return true;
	}
	n = poll(&p, 1, (int)left);
	return n < 0;
}

int journal_reader_wait(journal_reader *r, int timeout_ms)
{
	int64_t deadline_ms = -1;
	int ret, state;

	if (!r->alive[0])
		return -EOWNERDEAD;
	if (timeout_ms >= 0)
		deadline_ms = (int64_t)(jnl_now_ns() / 1000000) + timeout_ms;
	state = jnl_cancel_off();
	do {
		ret = look_once(r);
	} while (!ret && timeout_ms && !sleep_until(r->tail, deadline_ms));
	jnl_cancel_restore(state);
	return ret;
}

int journal_reader_fd(journal_reader *r)
{
	int ret, state;

	if (!r->alive[0])
		return -EOWNERDEAD;
	if (r->error_code)
		return r->error_code;
	state = jnl_cancel_off();
	ret = open_fds(r);
	jnl_cancel_restore(state);
	return ret < 0 ? ret : r->tail->poll_fd;
}
