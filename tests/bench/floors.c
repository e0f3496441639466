/*
 * tests/bench/floors.c - what durable appends cost beside the bare calls.
 *
 *     tests/bench/floors [--rounds N] [--seconds S] [--dir DIR]
 *                        [--driver NAME] [--carrier NAME] [--only WORK]
 *
 * Every work is measured in turn with the limit it is held against, round
 * after round (limit, work, limit, work, ...), and reported as the median of
 * the rounds' ratios with their spread; absolute figures are shown for
 * orientation only.  Not a test: a busy machine says nothing.
 *
 *   commit 128 B   journal_commit(), one thread   | pwritev2(RWF_DSYNC), 4 KiB
 *   commit 4 KiB   journal_commit(), one thread   | the same
 *   16 threads     journal_commit(), 128 B each   | 16 x pwritev2, 4 KiB
 *   64 threads     journal_commit(), 128 B each   | 64 x pwritev2, 4 KiB
 *   batch of 1000  1000 x 128 B and one sync      | pwritev2(RWF_DSYNC), 136 KiB
 *   loop ring      256 x 128 B are so many bytes: | 256 x pwritev2, 4 KiB
 *                  one write by a ring of its own,
 *                  with eventfd and poll; no journal
 *   loop 256       one event loop, 256 x 128 B    | the same
 *                  in flight, each acknowledged
 *                  when durable (driver loop)
 *   read           1 GiB of 128 B records, from   | pread + XXH3 of the bytes
 *                  the page cache, 64 at a time
 *   read singly    the same, one at a time        | the same
 *   read cold      the same, from the device      | reads of 1 MiB: cached, or
 *                                                 | O_DIRECT, 1, 2 or 4 in flight,
 *                                                 | whichever is fastest here
 *
 * Exit status: 0 every floor holds, 1 one does not, 2 usage or I/O error.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/format.h"
#include "lib/file.h"
#include "tests/bench/cold.h"
#include "tests/bench/loop.h"
#include "tests/lib/scratch.h"

#define ROUNDS_MAX 101
#define FILE_SIZE (64u << 20)
#define READ_BYTES (1ull << 30)
#define BATCH 1000
#define AT_A_TIME 64
#define CHOOSING 5

static double seconds = 1.0;
static int rounds = 5;
static const char *base, *driver, *carrier, *only;

void die(const char *what, int err)
{
	fprintf(stderr, "floors: %s: %s\n", what, strerror(-err));
	exit(2);
}

double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* ------------------------------------------------------------------------ */

static uint8_t *block;
static int bare_fd;

static void bare_open(const char *dir)
{
	char *name = scratch_path(dir, "bare");

	bare_fd = open(name, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (bare_fd < 0)
		die(name, -errno);
	block = jnl_buffer_alloc(1 << 20);
	for (uint64_t at = 0; at < FILE_SIZE; at += 1 << 20) {
		int ret = jnl_write_full(jnl_sys_linux(), bare_fd, block,
					 1 << 20, at, 0, 4096);

		if (ret < 0)
			die(name, ret);
	}
	if (fsync(bare_fd) < 0)
		die(name, -errno);
	free(name);
}

/* Durable writes of len bytes per second, one after the other. */
static double bare_rate(size_t len)
{
	struct iovec iov = { block, len };
	double start = now(), end = start + seconds;
	uint64_t at = 0, n = 0;

	while (now() < end) {
		if (at + len > FILE_SIZE)
			at = 0;
		block[0] = (uint8_t)++n;
		if (pwritev2(bare_fd, &iov, 1, (off_t)at, RWF_DSYNC) !=
		    (ssize_t)len)
			die("pwritev2", -errno);
		at += len;
	}
	return (double)n / (now() - start);
}

static double bare_4k(void)
{
	return bare_rate(4096);
}

static double bare_batch(void)
{
	return BATCH * bare_rate((64 + BATCH * 136 + 4095) / 4096 * 4096);
}

/* ------------------------------------------------------------------------ */

static journal *j;
static char payload[4096];

static void journal_start(journal **ret_j, const char *dir, const char *what,
			  const char *by)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	char *name = scratch_path(dir, what);
	int ret;

	o.flags = JOURNAL_CREATE;
	o.driver = by;
	o.carrier = carrier;
	o.error = &error;
	ret = journal_open(ret_j, name, &o);
	if (ret < 0) {
		fprintf(stderr, "floors: %s\n", error.message);
		exit(2);
	}
	free(name);
}

static void append(size_t len, bool sync)
{
	struct iovec iov = { payload, len };
	uint64_t lsn;
	int ret;

	payload[0]++;
	ret = sync ? journal_commit(j, &iov, 1, &lsn) :
		     journal_append(j, &iov, 1, &lsn);
	if (ret < 0)
		die("append", ret);
}

static double commit_rate(size_t len)
{
	double start = now(), end = start + seconds;
	uint64_t n = 0;

	while (now() < end) {
		append(len, true);
		n++;
	}
	return (double)n / (now() - start);
}

static double commit_128(void)
{
	return commit_rate(128);
}

static double commit_4k(void)
{
	/* With its header and length word it takes two blocks: as large as
	 * fits one is what the limit writes. */
	return commit_rate(4096 - 64 - 8);
}

/* ------------------------------------------------------------------------ */

struct appender {
	pthread_t thread;
	double end;
	uint64_t n;
};

static void *append_main(void *arg)
{
	struct appender *a = arg;
	char mine[128] = "";
	struct iovec iov = { mine, sizeof(mine) };
	uint64_t lsn;
	int ret;

	while (now() < a->end) {
		ret = journal_commit(j, &iov, 1, &lsn);
		if (ret < 0)
			die("commit", ret);
		mine[0]++;
		a->n++;
	}
	return NULL;
}

static double threads_rate(int threads)
{
	struct appender a[64];
	double start = now(), end = start + seconds;
	uint64_t n = 0;

	for (int i = 0; i < threads; i++) {
		a[i] = (struct appender){ .end = end };
		if (pthread_create(&a[i].thread, NULL, append_main, &a[i]))
			die("pthread_create", -EAGAIN);
	}
	for (int i = 0; i < threads; i++) {
		(void)pthread_join(a[i].thread, NULL);
		n += a[i].n;
	}
	return (double)n / (now() - start);
}

static double bare_16(void)
{
	return 16 * bare_4k();
}

static double bare_64(void)
{
	return 64 * bare_4k();
}

static double threads_16(void)
{
	return threads_rate(16);
}

static double threads_64(void)
{
	return threads_rate(64);
}

/* ------------------------------------------------------------------------ */

static double batch_1000(void)
{
	double start = now(), end = start + seconds;
	uint64_t n = 0;

	while (now() < end) {
		for (int i = 1; i < BATCH; i++)
			append(128, false);
		append(128, true);
		n += BATCH;
	}
	return (double)n / (now() - start);
}

/* ------------------------------------------------------------------------ */

static double bare_256(void)
{
	return LOOP_IN_FLIGHT * bare_4k();
}

static double loop_ring(void)
{
	return loop_ring_rate(bare_fd, FILE_SIZE, block, seconds);
}

static journal *loop;

static double loop_256(void)
{
	return loop_rate(loop, seconds);
}

/* ------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

static char *read_dir;

/* A journal of 128 B records to read, once. */
static void make_readable(const char *dir)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct iovec iov = { payload, 128 };
	journal *w;
	int ret;

	read_dir = scratch_path(dir, "read");
	o.flags = JOURNAL_CREATE;
	ret = journal_open(&w, read_dir, &o);
	for (uint64_t n = 0; !ret && n < READ_BYTES / 136; n++)
		ret = journal_append(w, &iov, 1, NULL);
	if (!ret)
		ret = journal_close(w);
	if (ret < 0)
		die(read_dir, ret);
}

/* The segment n, to be read with flags; -1: there is none. */
static int open_segment(uint64_t n, int flags)
{
	char name[JNL_SEGMENT_NAME_LEN], *path;
	int fd;

	jnl_segment_name(name, n);
	path = scratch_path(read_dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	free(path);
	return fd;
}

/* pread and checksum of what lies in the segments, bytes per second. */
static double bare_read(void)
{
	static uint8_t *window;
	uint64_t total = 0, sum = 0;
	double start;

	if (!window)
		window = jnl_buffer_alloc(256 << 10);
	start = now();
	for (uint64_t n = 0; total < READ_BYTES; n++) {
		ssize_t got;
		int fd = open_segment(n, 0);

		if (fd < 0)
			break;
		while ((got = read(fd, window, 256 << 10)) > 0) {
			sum ^= jnl_checksum(window, (size_t)got, 1);
			total += (uint64_t)got;
		}
		close(fd);
	}
	payload[1] = (char)sum;
	return (double)total / (now() - start);
}

/* Nothing of the segments is in the page cache any more. */
static void drop_cache(void)
{
	int fd;

	for (uint64_t n = 0; (fd = open_segment(n, 0)) >= 0; n++) {
		if (fsync(fd) < 0 ||
		    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
			die("posix_fadvise", -EIO);
		close(fd);
	}
}

/* Reads of 1 MiB of all segments by the page cache, bytes per second. */
static double cold_cached(void)
{
	static uint8_t *window;
	uint64_t total = 0;
	double start;
	ssize_t got;
	int fd;

	if (!window)
		window = jnl_buffer_alloc(1 << 20);
	drop_cache();
	start = now();
	for (uint64_t n = 0; (fd = open_segment(n, 0)) >= 0; n++) {
		while ((got = read(fd, window, 1 << 20)) > 0)
			total += (uint64_t)got;
		if (got < 0)
			die("read", -errno);
		close(fd);
	}
	return (double)total / (now() - start);
}

/* The same past it, depth reads in flight. */
static double cold_direct(unsigned int depth)
{
	uint64_t total = 0;
	double start;
	int fd;

	drop_cache();
	start = now();
	for (uint64_t n = 0; (fd = open_segment(n, O_DIRECT)) >= 0; n++) {
		total += read_all(fd, depth);
		close(fd);
	}
	return (double)total / (now() - start);
}

static double cold_1(void)
{
	return cold_direct(1);
}

static double cold_2(void)
{
	return cold_direct(2);
}

static double cold_4(void)
{
	return cold_direct(4);
}

/*
 * Whatever is fastest: found once, by medians, and held to.  The best of
 * several at each time would be a limit that chance has chosen.
 */
static double bare_cold(void)
{
	static double (*const way[])(void) = {
		cold_cached, cold_1, cold_2, cold_4,
	};
	static double (*fastest)(void);
	double rate[4][CHOOSING], best = 0;

	if (fastest)
		return fastest();
	for (int i = 0; i < CHOOSING; i++) {
		for (int w = 0; w < 4; w++)
			rate[w][i] = way[w]();
	}
	for (int w = 0; w < 4; w++) {
		double middle = median(rate[w], CHOOSING);

		if (middle <= best)
			continue;
		best = middle;
		fastest = way[w];
	}
	return fastest();
}

/*
 * The reader is opened once, as the window of the limit is allocated once: the
 * opening reads the last segments past the cache, and what is held against the
 * limit is the reading.
 */
static double read_by(int n)
{
	static journal_reader *r;
	struct journal_record rec[AT_A_TIME];
	uint64_t total = 0, sum = 0;
	double start;
	int ret;

	ret = r ? journal_reader_seek(r, 0) :
		  journal_reader_open(&r, read_dir, 0, NULL);
	if (ret < 0)
		die(read_dir, ret);
	start = now();
	while ((ret = n == 1 ? journal_reader_next(r, rec) :
			       journal_reader_next_many(r, rec, n)) > 0) {
		for (int i = 0; i < ret; i++) {
			total += rec[i].len + 8;
			sum += *(const uint8_t *)rec[i].data;
		}
	}
	if (ret < 0)
		die(read_dir, ret);
	start = now() - start;
	payload[1] = (char)sum;
	return (double)total / start;
}

static double read_rate(void)
{
	return read_by(AT_A_TIME);
}

static double read_singly(void)
{
	return read_by(1);
}

static double read_cold(void)
{
	drop_cache();
	return read_rate();
}

/* ------------------------------------------------------------------------ */

struct work {
	const char *name;
	double (*limit)(void), (*run)(void);
	double floor;		/* of the ratio; 0 none */
	double at_least;	/* absolute, 0 none */
	const char *unit;
};

static bool measure(const struct work *w)
{
	double ratio[ROUNDS_MAX], limit[ROUNDS_MAX], rate[ROUNDS_MAX], mid;
	bool ok;

	for (int i = 0; i < rounds; i++) {
		limit[i] = w->limit();
		rate[i] = w->run();
		ratio[i] = rate[i] / limit[i];
	}
	mid = median(ratio, rounds);
	ok = mid >= w->floor;
	printf("%-14s %6.3f  %5.3f..%5.3f  ", w->name, mid, ratio[0],
	       ratio[rounds - 1]);
	printf("%12.0f %12.0f %-4s", median(rate, rounds),
	       median(limit, rounds), w->unit);
	ok = ok && median(rate, rounds) >= w->at_least;
	if (w->floor || w->at_least)
		printf("  floor %.2f%s: %s", w->floor,
		       w->at_least ? " and 1e9" : "", ok ? "holds" : "MISSED");
	printf("\n");
	fflush(stdout);
	return ok;
}

/* Resident memory that one open journal adds, in KiB. */
static bool memory(const char *dir)
{
	long before = 0, after = 0, unused;
	char *name = scratch_path(dir, "memory");
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct iovec iov;
	journal *w;
	FILE *f;
	int ret;

	iov.iov_len = 1 << 20;
	iov.iov_base = calloc(1, iov.iov_len);
	o.flags = JOURNAL_CREATE;
#define RSS(to) do { \
	f = fopen("/proc/self/statm", "r"); \
	if (!f || fscanf(f, "%ld %ld", &unused, &to) != 2) \
		die("/proc/self/statm", -EIO); \
	fclose(f); \
} while (0)
	memset(iov.iov_base, 1, iov.iov_len);
	RSS(before);
	ret = journal_open(&w, name, &o);
	/* the largest records there can be: every image is used whole */
	for (int i = 0; !ret && i < 40; i++)
		ret = journal_append(w, &iov, 1, NULL);
	if (ret < 0)
		die(name, ret);
	RSS(after);
	ret = journal_close(w);
	if (ret < 0)
		die(name, ret);
	after = (after - before) * sysconf(_SC_PAGESIZE) / 1024;
	printf("%-14s %ld KiB resident for one open journal  floor 8192: %s\n",
	       "memory", after, after <= 8192 ? "holds" : "MISSED");
	free(iov.iov_base);
	free(name);
	return after <= 8192;
}

static const struct work works[] = {
	{ "commit 128 B", bare_4k, commit_128, 0.90, 0, "/s" },
	{ "16 threads", bare_16, threads_16, 0.55, 0, "/s" },
	{ "64 threads", bare_64, threads_64, 0.28, 0, "/s" },
	{ "commit 4 KiB", bare_4k, commit_4k, 0, 0, "/s" },
	{ "batch of 1000", bare_batch, batch_1000, 0, 0, "/s" },
	{ "loop ring", bare_256, loop_ring, 0, 0, "/s" },
	{ "loop 256", bare_256, loop_256, 0.85, 0, "/s" },
	{ "read", bare_read, read_rate, 0.75, 1e9, "B/s" },
	{ "read singly", bare_read, read_singly, 0.65, 1e9, "B/s" },
	{ "read cold", bare_cold, read_cold, 0.80, 0, "B/s" },
};

static void usage(FILE *f)
{
	fprintf(f, "Usage: floors [--rounds N] [--seconds S] [--dir DIR]\n"
		"              [--driver NAME] [--carrier NAME] [--only WORK]\n"
		"Measure durable appends and reading against the bare calls.\n");
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "dir", required_argument, NULL, 'd' },
		{ "driver", required_argument, NULL, 'D' },
		{ "carrier", required_argument, NULL, 'C' },
		{ "only", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool ok = true;
	char *dir;
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'r':
			rounds = atoi(optarg);
			break;
		case 's':
			seconds = atof(optarg);
			break;
		case 'd':
			base = optarg;
			(void)setenv("TMPDIR", base, 1);
			break;
		case 'D':
			driver = optarg;
			break;
		case 'C':
			carrier = optarg;
			break;
		case 'o':
			only = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (rounds < 1 || rounds > ROUNDS_MAX || seconds <= 0 ||
	    optind < argc) {
		usage(stderr);
		return 2;
	}
	dir = scratch_make(true);
	bare_open(dir);
	if (!only || !strncmp(only, "read", 4))
		make_readable(dir);
	journal_start(&j, dir, "journal", driver);
	journal_start(&loop, dir, "loop", "loop");
	printf("%-14s %6s  %-13s %12s %12s\n", "work", "ratio", "spread",
	       "journal", "limit");
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (!only || !strcmp(only, works[i].name))
			ok = measure(&works[i]) && ok;
	}
	if (!only || !strcmp(only, "memory"))
		ok = memory(dir) && ok;
	c = journal_close(loop);
	if (!c)
		c = journal_close(j);
	if (c < 0)
		die("journal_close", c);
	free(read_dir);
	scratch_remove(dir);
	return ok ? 0 : 1;
}
