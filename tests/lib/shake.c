/*
 * tests/lib/shake.c - a library to be preloaded that makes the calls late in
 * which threads meet each other, or the disk.
 *
 * A test that passes because one thread happens to be faster than another
 * passes until the machine is busy.  Here the machine is busy at will: before
 * and after each of these calls there may be a delay, and a wait for a
 * condition or a futex may end for no reason, which POSIX
 * (pthread_cond_wait) and futex(2) allow.
 *
 *     JOURNAL_SHAKE_SEED=N    what is drawn; without it nothing is shaken.
 *                             Threads meet as they will, so that a seed does
 *                             not repeat a failure, but makes it likely.
 *     JOURNAL_SHAKE_UNDER=DIR only programs whose file lies below
 *     JOURNAL_SHAKE_LOG=FILE  a program that ends by exit() adds a line: its
 *                             name, how many delays, their sum
 *
 * A seed gives each program a character of its own.  Which kinds of calls are
 * late often and which never, which threads are slow; and some places that
 * call are hot, where every other call is late by much the same time: so the
 * rare orders of two calls are somebody's rule.  The delays of a process take
 * no more than a share of its life; a child of fork has a life of its own.
 *
 * Results and errno are those of the call.  Nothing here takes a lock, and the
 * sleeping is no cancellation point.  Not config.h: what it may say of the
 * width of file offsets renames the functions below.
 */
#undef _FILE_OFFSET_BITS
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHANCES		1024u		/* what a chance is out of */

enum kind {
	THREAD, LOCK, UNLOCK, WAIT, WAKE, READ, WRITE, FLUSH, OPEN, NAME, SIZE,
	CLOSE, SLEEP, FORK, RAW, KINDS
};

enum when { BEFORE, AFTER, WHENS };

/*
 * Just long enough to lose a race; as long as a disk takes; and longer than the
 * 50 ms after which a journal is idle.  The lead is what a new thread has over
 * the one that made it, or that one over it.  Each has its own account, or the
 * many short ones would leave nothing for the others.
 */
enum grain { FINE, MIDDLE, COARSE, LEAD, GRAINS };

static const struct {
	uint64_t from_ns, to_ns;
	uint64_t start_ns;		/* may be spent at once, and ... */
	unsigned int percent;		/* ... that much of the process's life */
} grains[GRAINS] = {
	[FINE] = { 0, 400000, 50000000, 10 },
	[MIDDLE] = { 400000, 30000000, 60000000, 15 },
	[COARSE] = { 50000000, 150000000, 150000000, 20 },
	[LEAD] = { 5000000, 70000000, 300000000, 40 },
};

static struct {
	uint64_t seed;
	bool ready, on;
	struct timespec start;
	uint64_t threads, delays, spent_ns[GRAINS];
	unsigned int chance[KINDS][WHENS];
	unsigned int spurious;
	unsigned int late_child, late_parent;	/* of pthread_create() */
} all;

static __thread struct {
	uint64_t state;
	unsigned int slowness;		/* multiplies a chance; 0: not drawn */
} mine __attribute__((tls_model("initial-exec")));

/* SplitMix64 (Steele, Lea, Flood 2014): each state is as good as another. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void *find(const char *name)
{
	void *p = NULL;

	/* Of two versions dlsym() may give the older.  A version that is not
	 * there costs a malloc(), which may be what is looking for its calls
	 * just now: for these only. */
	if (!strncmp(name, "pthread_cond_", 13))
		p = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
	if (!p)
		p = dlsym(RTLD_NEXT, name);
	if (!p)
		abort();
	return p;
}

#define CALLER __builtin_return_address(0)

#define NEXT(fn) \
	({ \
		static void *found; \
		void *p_ = __atomic_load_n(&found, __ATOMIC_RELAXED); \
		if (!p_) { \
			p_ = find(#fn); \
			__atomic_store_n(&found, p_, __ATOMIC_RELAXED); \
		} \
		(__typeof__(&fn))p_; \
	})

/* ------------------------------------------------------------------------
 * When, and how long
 */

static void draw_character(uint64_t seed)
{
	static const unsigned int chances[] = { 0, 0, 1, 4, 16, 60 };

	all.seed = seed;
	for (int k = 0; k < KINDS; k++)
		for (int w = 0; w < WHENS; w++)
			all.chance[k][w] = chances[draw(&seed) % 6];
	all.spurious = chances[draw(&seed) % 5];
	all.late_child = draw(&seed) % 2 * (CHANCES / 4);
	all.late_parent = draw(&seed) % 2 * CHANCES;
	(void)clock_gettime(CLOCK_MONOTONIC, &all.start);
	for (int g = 0; g < GRAINS; g++)
		__atomic_store_n(&all.spent_ns[g], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&all.delays, 0, __ATOMIC_RELAXED);
}

/* The first call comes before main(), when there is one thread. */
static void __attribute__((constructor)) get_ready(void)
{
	const char *text = getenv("JOURNAL_SHAKE_SEED");
	const char *under = getenv("JOURNAL_SHAKE_UNDER");
	char exe[4096];
	uint64_t seed;
	ssize_t n;

	if (all.ready)
		return;
	all.ready = true;
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (!text || !*text || n < 0)
		return;
	exe[n] = '\0';
	if (under && strncmp(exe, under, strlen(under)) != 0)
		return;
	seed = strtoull(text, NULL, 10);
	for (const char *c = strrchr(exe, '/'); c && *c; c++)
		seed = seed * 1000003u + (unsigned char)*c;
	draw_character(seed);
	all.on = true;
}

static bool is_on(void)
{
	static const unsigned int slowness[] = { 1, 1, 1, 3, 8 };
	uint64_t seed;

	if (!all.ready)
		get_ready();
	if (!all.on)
		return false;
	if (!mine.slowness) {
		seed = all.seed + 7919u * __atomic_add_fetch(&all.threads, 1,
							    __ATOMIC_RELAXED);
		mine.state = draw(&seed);
		mine.slowness = slowness[draw(&mine.state) % 5];
	}
	return true;
}

static uint64_t since_start(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - all.start.tv_sec) * 1000000000LL +
			  now.tv_nsec - all.start.tv_nsec);
}

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000u),
			       .tv_nsec = (long)(ns % 1000000000u) };

	/* a signal may end it: it is a delay and not a promise */
	(void)NEXT(syscall)(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* Let everyone else go first, again and again. */
static void step_back(uint64_t ns)
{
	uint64_t end = since_start() + ns;

	do
		(void)sched_yield();
	while (since_start() < end);
}

static void delay(enum grain g)
{
	uint64_t life = since_start(), ns;
	int was = errno;

	ns = grains[g].from_ns +
	     draw(&mine.state) % (grains[g].to_ns - grains[g].from_ns);
	if (__atomic_load_n(&all.spent_ns[g], __ATOMIC_RELAXED) + ns <=
	    grains[g].start_ns + life / 100 * grains[g].percent) {
		__atomic_add_fetch(&all.spent_ns[g], ns, __ATOMIC_RELAXED);
		__atomic_add_fetch(&all.delays, 1, __ATOMIC_RELAXED);
		if (g != COARSE && draw(&mine.state) % 2)
			step_back(ns);
		else
			sleep_ns(ns);
	}
	errno = was;
}

static bool is_due(unsigned int chance)
{
	return draw(&mine.state) % CHANCES < chance;
}

static enum grain some_grain(void)
{
	static const enum grain some[] = {
		FINE, FINE, FINE, FINE, FINE, MIDDLE, MIDDLE, COARSE,
	};

	return some[draw(&mine.state) % 8];
}

/* A file is mapped to whole pages: where in its page a caller lies stays. */
static void shake(enum kind kind, enum when when, const void *caller)
{
	uint64_t place;

	if (!is_on())
		return;
	place = all.seed ^ (uint64_t)kind << 48 ^ (uint64_t)when << 40 ^
		((uintptr_t)caller & 4095) << 20;
	switch (draw(&place) % 16) {
	case 0:
		if (is_due(CHANCES / 2))
			delay(COARSE);
		break;
	case 1:
		if (is_due(CHANCES / 3))
			delay(MIDDLE);
		break;
	case 2:
		if (is_due(CHANCES / 2))
			delay(FINE);
		break;
	default:
		if (is_due(all.chance[kind][when] * mine.slowness))
			delay(some_grain());
	}
}

static void __attribute__((destructor)) say(void)
{
	const char *name = getenv("JOURNAL_SHAKE_LOG");
	uint64_t sum_ns = 0;
	char line[256];
	int fd, n;

	if (!all.on || !name)
		return;
	for (int g = 0; g < GRAINS; g++)
		sum_ns += all.spent_ns[g];
	n = snprintf(line, sizeof(line), "%.100s: %llu delays, %llu ms\n",
		     program_invocation_short_name,
		     (unsigned long long)all.delays,
		     (unsigned long long)sum_ns / 1000000);
	fd = (int)NEXT(syscall)(SYS_openat, AT_FDCWD, name,
				O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				0644);
	if (fd < 0)
		return;
	(void)!NEXT(syscall)(SYS_write, fd, line, (size_t)n);
	(void)NEXT(syscall)(SYS_close, fd);
}

/* ------------------------------------------------------------------------
 * Threads and processes
 */

struct start {
	void *(*fn)(void *);
	void *arg;
};

static void *thread_main(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	shake(THREAD, AFTER, CALLER);
	if (is_on() && is_due(all.late_child))
		delay(LEAD);
	return s.fn(s.arg);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg)
{
	struct start *s = is_on() ? malloc(sizeof(*s)) : NULL;
	int ret;

	if (!s)
		return NEXT(pthread_create)(thread, attr, fn, arg);
	*s = (struct start){ .fn = fn, .arg = arg };
	shake(THREAD, BEFORE, CALLER);
	ret = NEXT(pthread_create)(thread, attr, thread_main, s);
	if (ret)
		free(s);
	else if (is_due(all.late_parent))
		delay(LEAD);
	return ret;
}

pid_t fork(void)
{
	uint64_t seed = 0;
	pid_t pid;

	shake(FORK, BEFORE, CALLER);
	if (is_on())
		seed = draw(&mine.state);
	pid = NEXT(fork)();
	if (!pid && all.on) {
		mine.slowness = 0;
		draw_character(seed);
	}
	shake(FORK, AFTER, CALLER);
	return pid;
}

#define SHAKEN(type, kind, fn, params, args) \
	type fn params \
	{ \
		type ret_; \
		shake(kind, BEFORE, CALLER); \
		ret_ = NEXT(fn) args; \
		shake(kind, AFTER, CALLER); \
		return ret_; \
	}

SHAKEN(int, THREAD, pthread_join, (pthread_t t, void **ret), (t, ret))
SHAKEN(pid_t, FORK, waitpid, (pid_t pid, int *status, int options),
       (pid, status, options))
SHAKEN(int, FORK, kill, (pid_t pid, int sig), (pid, sig))

SHAKEN(int, LOCK, pthread_mutex_lock, (pthread_mutex_t *m), (m))
SHAKEN(int, LOCK, pthread_mutex_trylock, (pthread_mutex_t *m), (m))
SHAKEN(int, UNLOCK, pthread_mutex_unlock, (pthread_mutex_t *m), (m))
SHAKEN(int, WAKE, pthread_cond_signal, (pthread_cond_t *c), (c))
SHAKEN(int, WAKE, pthread_cond_broadcast, (pthread_cond_t *c), (c))

/* A wait that ends for no reason. */
static bool is_spurious(pthread_mutex_t *m)
{
	if (!is_on() || !is_due(all.spurious))
		return false;
	(void)NEXT(pthread_mutex_unlock)(m);
	delay(some_grain());
	(void)NEXT(pthread_mutex_lock)(m);
	return true;
}

int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	int ret;

	shake(WAIT, BEFORE, CALLER);
	ret = is_spurious(m) ? 0 : NEXT(pthread_cond_wait)(c, m);
	shake(WAIT, AFTER, CALLER);
	return ret;
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
			   const struct timespec *until)
{
	int ret;

	shake(WAIT, BEFORE, CALLER);
	ret = is_spurious(m) ? 0 : NEXT(pthread_cond_timedwait)(c, m, until);
	shake(WAIT, AFTER, CALLER);
	return ret;
}

/* ------------------------------------------------------------------------
 * Files.  Where offsets have 64 bits the other names mean the same.
 */

SHAKEN(ssize_t, READ, read, (int fd, void *buf, size_t len), (fd, buf, len))
SHAKEN(ssize_t, READ, pread, (int fd, void *buf, size_t len, off_t at),
       (fd, buf, len, at))
SHAKEN(ssize_t, READ, pread64, (int fd, void *buf, size_t len, off64_t at),
       (fd, buf, len, at))
SHAKEN(ssize_t, READ, preadv, (int fd, const struct iovec *iov, int n,
			       off_t at), (fd, iov, n, at))
SHAKEN(ssize_t, READ, preadv64, (int fd, const struct iovec *iov, int n,
				 off64_t at), (fd, iov, n, at))
SHAKEN(ssize_t, READ, preadv2, (int fd, const struct iovec *iov, int n,
				off_t at, int flags), (fd, iov, n, at, flags))
SHAKEN(ssize_t, READ, preadv64v2, (int fd, const struct iovec *iov, int n,
				   off64_t at, int flags),
       (fd, iov, n, at, flags))
SHAKEN(ssize_t, WRITE, write, (int fd, const void *buf, size_t len),
       (fd, buf, len))
SHAKEN(ssize_t, WRITE, pwrite, (int fd, const void *buf, size_t len, off_t at),
       (fd, buf, len, at))
SHAKEN(ssize_t, WRITE, pwrite64, (int fd, const void *buf, size_t len,
				  off64_t at), (fd, buf, len, at))
SHAKEN(ssize_t, WRITE, pwritev2, (int fd, const struct iovec *iov, int n,
				  off_t at, int flags), (fd, iov, n, at, flags))
SHAKEN(ssize_t, WRITE, pwritev64v2, (int fd, const struct iovec *iov, int n,
				     off64_t at, int flags),
       (fd, iov, n, at, flags))
SHAKEN(int, FLUSH, fsync, (int fd), (fd))
SHAKEN(int, FLUSH, fdatasync, (int fd), (fd))
SHAKEN(int, CLOSE, close, (int fd), (fd))
SHAKEN(int, NAME, rename, (const char *from, const char *to), (from, to))
SHAKEN(int, NAME, renameat, (int dir, const char *from, int to_dir,
			     const char *to), (dir, from, to_dir, to))
SHAKEN(int, NAME, unlink, (const char *name), (name))
SHAKEN(int, NAME, unlinkat, (int dir, const char *name, int flags),
       (dir, name, flags))
SHAKEN(int, NAME, mkdir, (const char *name, mode_t mode), (name, mode))
SHAKEN(int, SIZE, fallocate, (int fd, int mode, off_t at, off_t len),
       (fd, mode, at, len))
SHAKEN(int, SIZE, fallocate64, (int fd, int mode, off64_t at, off64_t len),
       (fd, mode, at, len))
SHAKEN(int, SIZE, ftruncate, (int fd, off_t size), (fd, size))
SHAKEN(int, SIZE, ftruncate64, (int fd, off64_t size), (fd, size))

#define SHAKEN_OPEN(fn, params, last, ...) \
	int fn params \
	{ \
		mode_t mode = 0; \
		va_list ap; \
		int ret; \
		va_start(ap, last); \
		if (last & (O_CREAT | __O_TMPFILE)) \
			mode = va_arg(ap, mode_t); \
		va_end(ap); \
		shake(OPEN, BEFORE, CALLER); \
		ret = NEXT(fn)(__VA_ARGS__, mode); \
		shake(OPEN, AFTER, CALLER); \
		return ret; \
	}

SHAKEN_OPEN(open, (const char *name, int flags, ...), flags, name, flags)
SHAKEN_OPEN(open64, (const char *name, int flags, ...), flags, name, flags)
SHAKEN_OPEN(openat, (int dir, const char *name, int flags, ...), flags, dir,
	    name, flags)
SHAKEN_OPEN(openat64, (int dir, const char *name, int flags, ...), flags, dir,
	    name, flags)

/* ------------------------------------------------------------------------
 * Waiting
 */

SHAKEN(int, SLEEP, poll, (struct pollfd *p, nfds_t n, int ms), (p, n, ms))
SHAKEN(int, SLEEP, ppoll, (struct pollfd *p, nfds_t n,
			   const struct timespec *ts, const sigset_t *mask),
       (p, n, ts, mask))
SHAKEN(int, SLEEP, epoll_wait, (int fd, struct epoll_event *e, int n, int ms),
       (fd, e, n, ms))
SHAKEN(int, SLEEP, nanosleep, (const struct timespec *ts,
			       struct timespec *left), (ts, left))
SHAKEN(int, SLEEP, usleep, (useconds_t us), (us))

/*
 * Futexes and rings have no functions.  All six words are passed on, as the
 * kernel's calling convention has them, whatever the caller gave.
 */
long syscall(long number, ...)
{
	long a[6], ret;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	shake(RAW, BEFORE, CALLER);
	if (number == SYS_futex &&
	    ((int)a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && is_on() &&
	    is_due(all.spurious)) {
		delay(some_grain());
		ret = 0;
	} else {
		ret = NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	shake(RAW, AFTER, CALLER);
	return ret;
}
