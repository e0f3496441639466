/*
 * tests/unit/observe.h - an observer that keeps what it is told, and a journal
 * whose calls can be made to stand still.
 */
#ifndef TESTS_UNIT_OBSERVE_H
#define TESTS_UNIT_OBSERVE_H

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "journal/core.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL		65536u
#define PATIENCE_MS	20000
#define KEPT		512

static char *dir, *path;
static struct fault f;

static struct {
	pthread_mutex_t lock;
	struct journal_event ev[KEPT];
	int n;
	bool closed;	/* nothing may come any more */
	bool late;	/* something did */
} seen;

/* Whoever passes holds it for a moment; a test that holds it stops them. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static inline void pass(void)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static inline ssize_t gated_pwrite(struct jnl_sys *s, int fd, const void *buf,
				   size_t len, uint64_t offset, int rwf)
{
	struct fault *fault = (struct fault *)s;

	pass();
	return fault->base->pwrite(fault->base, fd, buf, len, offset, rwf);
}

static inline int gated_fdatasync(struct jnl_sys *s, int fd)
{
	struct fault *fault = (struct fault *)s;

	pass();
	return fault->base->fdatasync(fault->base, fd);
}

static inline int gated_fallocate(struct jnl_sys *s, int fd, int mode,
				  uint64_t offset, uint64_t len)
{
	struct fault *fault = (struct fault *)s;

	pass();
	return fault->base->fallocate(fault->base, fd, mode, offset, len);
}

static inline int gated_ring_enter(struct jnl_sys *s, int fd,
				   unsigned int submit, unsigned int wait,
				   unsigned int flags)
{
	struct fault *fault = (struct fault *)s;

	pass();
	return fault->base->ring_enter(fault->base, fd, submit, wait, flags);
}

static inline void keep_event(void *arg, const struct journal_event *ev)
{
	(void)arg;
	pthread_mutex_lock(&seen.lock);
	seen.late |= seen.closed;
	if (seen.n < KEPT)
		seen.ev[seen.n++] = *ev;
	pthread_mutex_unlock(&seen.lock);
}

static inline void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
	fault_init(&f, jnl_sys_linux());
	memset(&seen, 0, sizeof(seen));
	pthread_mutex_init(&seen.lock, NULL);
}

static inline void teardown(void)
{
	ck_assert(!seen.late);
	free(path);
	scratch_remove(dir);
}

static inline struct journal_options options_of(const char *driver,
					const char *carrier,
					const struct journal_observer *told)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	o.driver = driver;
	o.carrier = carrier;
	o.observer = told;
	/* No stalls but in the tests of them: a busy machine has some. */
	o.stall_ms = UINT32_MAX;
	return o;
}

static inline int open_as(journal **j, const struct jnl_choice *choice,
			  const struct journal_options *o)
{
	struct jnl_env env = { .sys = &f.sys, .choice = choice };

	return jnl_open(j, path, o, &env);
}

/* A journal that keep_event() is told of. */
static inline journal *open_told(const struct jnl_choice *choice,
				 const char *driver, const char *carrier)
{
	struct journal_observer told = JOURNAL_OBSERVER_INIT;
	struct journal_options o = options_of(driver, carrier, &told);
	journal *j;

	told.event = keep_event;
	ck_assert_int_eq(open_as(&j, choice, &o), 0);
	return j;
}

static inline int close_told(journal *j)
{
	int ret = journal_close(j);

	pthread_mutex_lock(&seen.lock);
	seen.closed = true;
	pthread_mutex_unlock(&seen.lock);
	return ret;
}

/* How many of this kind, and (but for 0) this stall; *ret_ev: the last one. */
static inline int count_of(uint32_t kind, uint32_t stall,
			   struct journal_event *ret_ev)
{
	int n = 0;

	pthread_mutex_lock(&seen.lock);
	for (int i = 0; i < seen.n; i++) {
		if (seen.ev[i].kind != kind ||
		    (stall && seen.ev[i].stall != stall))
			continue;
		n++;
		if (ret_ev)
			*ret_ev = seen.ev[i];
	}
	pthread_mutex_unlock(&seen.lock);
	return n;
}

static inline void pause_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* Wait until there are so many of them. */
static inline void await_events(uint32_t kind, uint32_t stall, int n,
				struct journal_event *ret_ev)
{
	for (int i = 0; count_of(kind, stall, ret_ev) < n; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		pause_ms(1);
	}
}

static inline struct journal_stats stats_of(journal *j)
{
	struct journal_stats stats = JOURNAL_STATS_INIT;

	ck_assert_int_eq(journal_stats(j, &stats), 0);
	return stats;
}

static inline int append_bytes(journal *j, size_t len, uint64_t *ret_lsn)
{
	static const uint8_t bytes[SMALL];
	struct iovec iov = { (void *)bytes, len };

	return journal_append(j, &iov, 1, ret_lsn);
}

static inline int commit_bytes(journal *j, size_t len)
{
	static const uint8_t bytes[SMALL];
	struct iovec iov = { (void *)bytes, len };

	return journal_commit(j, &iov, 1, NULL);
}

/* Something that a test has another thread do. */
struct doing {
	journal *j;
	size_t len;
	int count;
	int ret;
	pthread_t thread;
};

static inline void *doing_main(void *arg)
{
	struct doing *d = arg;

	for (int i = 0; i < d->count && !d->ret; i++)
		d->ret = commit_bytes(d->j, d->len);
	return NULL;
}

static inline void start_commits(struct doing *d, journal *j, size_t len,
				 int count)
{
	*d = (struct doing){ .j = j, .len = len, .count = count };
	ck_assert_int_eq(pthread_create(&d->thread, NULL, doing_main, d), 0);
}

static inline int end_commits(struct doing *d)
{
	pthread_join(d->thread, NULL);
	return d->ret;
}

#endif
