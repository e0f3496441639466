/*
 * tests/lab/powercut.c - the writer whose acknowledgements are recorded, and
 * the judge of what a cut has left.
 *
 *     powercut write JOURNAL TARGET METHOD DRIVER LIVES SECONDS [CHEAT]
 *     powercut count JOURNAL TARGET METHOD COMMITS
 *     powercut check JOURNAL MARKS
 *
 * write appends from several threads, in LIVES lives of so many SECONDS each,
 * with rotation, trim and recycling.  What it knows goes as marks into the log
 * of the device-mapper target "log-writes" named TARGET, beneath the journal:
 *
 *     a:LIFE:THREAD:N:LSN   after the commit of a record has returned
 *     t:LSN                 before giving back what lies below LSN
 *
 * A mark stands in the log behind everything that was durable when it was set,
 * so a cut behind it must not lose the record.  CHEAT breaks the rule on
 * purpose: "early" marks a record before it is committed, "lazy" drops every
 * flush of a commit.
 *
 * count makes COMMITS commits from one thread with nothing else going on,
 * between the marks "begin" and "end" and each followed by a mark: how many
 * flushes they took can be counted in the log.
 *
 * check opens the journal as it was found and compares it with MARKS, the
 * marks up to the cut, one a line: every record that was acknowledged and not
 * given back is there, as it was written, and each thread's records are there
 * without a gap.  Then it appends, closes and reads again.
 *
 * Exit status: 0 all is well, 1 a promise was broken, 2 anything else.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/journal.h"

#define THREADS		6
#define LIVES_MAX	16
#define PAYLOAD_MAX	24000
#define SEGMENT_SIZE	(256u * 1024)
/* So much stays when the writer gives back. */
#define KEEP_BYTES	(1024u * 1024)

static journal *j;
static int control_fd = -1;
static const char *target;
static int life;
static bool early;
static atomic_bool over;

static void die(const char *what, int err)
{
	fprintf(stderr, "powercut: %s: %s\n", what, journal_strerror(err));
	exit(2);
}

/* ------------------------------------------------------------------------
 * Marks
 */

struct message {
	struct dm_ioctl head;
	/* a struct dm_target_msg, which has no size of its own */
	uint64_t sector;
	char text[128];
};

static void mark(const char *text)
{
	struct message m = {
		.head = {
			.version = { DM_VERSION_MAJOR, 0, 0 },
			.data_size = sizeof(m),
			.data_start = offsetof(struct message, sector),
		},
	};

	static_assert(offsetof(struct message, text) -
		      offsetof(struct message, sector) ==
		      sizeof(struct dm_target_msg), "the text is behind it");
	/* A message is two words, so the mark itself is one. */
	snprintf(m.head.name, sizeof(m.head.name), "%s", target);
	snprintf(m.text, sizeof(m.text), "mark %s", text);
	if (ioctl(control_fd, DM_TARGET_MSG, &m) < 0)
		die("mark", -errno);
}

static void open_control(const char *name)
{
	target = name;
	control_fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control_fd < 0)
		die("/dev/mapper/control", -errno);
}

/* ------------------------------------------------------------------------
 * Records: what a thread's n-th one is can be computed
 */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static size_t record(char *text, int of_life, int thread, long n)
{
	uint64_t x = mix((uint64_t)of_life << 48 ^ (uint64_t)thread << 40 ^
			 (uint64_t)n);
	size_t len, want = 64 + x % 2000;

	if (x % 61 == 0)
		want = PAYLOAD_MAX;
	len = (size_t)snprintf(text, 64, "%d %d %ld ", of_life, thread, n);
	while (len < want) {
		x = mix(x + 1);
		memcpy(text + len, &x, sizeof(x));
		len += sizeof(x);
	}
	return len;
}

/* ------------------------------------------------------------------------
 * Writing
 */

/* A table that makes nothing of a commit durable. */
static struct jnl_sys lazy;

static ssize_t lazy_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			   size_t len, uint64_t offset, int rwf)
{
	struct jnl_sys *real = jnl_sys_linux();

	(void)sys;
	return real->pwrite(real, fd, buf, len, offset, rwf & ~RWF_DSYNC);
}

static int lazy_flush(struct jnl_sys *sys, int fd)
{
	(void)sys;
	(void)fd;
	return 0;
}

static int lazy_nvme_flush(struct jnl_sys *sys, int fd, uint32_t nsid)
{
	(void)sys;
	(void)fd;
	(void)nsid;
	return 0;
}

static void open_journal(const char *path, const char *method,
			 const char *driver, const char *cheat)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	struct jnl_env env = { 0 };
	int ret;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SEGMENT_SIZE;
	o.record_max = 64 * 1024;
	o.method = strcmp(method, "-") ? method : NULL;
	o.driver = strcmp(driver, "-") ? driver : NULL;
	o.error = &error;
	if (!strcmp(cheat, "lazy")) {
		lazy = *jnl_sys_linux();
		lazy.pwrite = lazy_pwrite;
		lazy.fdatasync = lazy_flush;
		lazy.nvme_flush = lazy_nvme_flush;
		env.sys = &lazy;
	}
	ret = jnl_open(&j, path, &o, &env);
	if (ret < 0)
		die(error.message, ret);
}

static void acknowledge(int thread, long n, uint64_t lsn)
{
	char text[96];

	snprintf(text, sizeof(text), "a:%d:%d:%ld:%" PRIu64, life, thread, n,
		 lsn);
	mark(text);
}

static void commit(int thread, long n)
{
	static _Thread_local char text[PAYLOAD_MAX + 64];
	struct iovec iov = { text, record(text, life, thread, n) };
	uint64_t lsn;
	int ret;

	ret = journal_append(j, &iov, 1, &lsn);
	if (ret < 0)
		die("append", ret);
	if (early)
		acknowledge(thread, n, lsn);
	ret = journal_sync(j, lsn);
	if (ret < 0)
		die("sync", ret);
	if (!early)
		acknowledge(thread, n, lsn);
}

static void *append_main(void *arg)
{
	for (long n = 0; !atomic_load(&over); n++)
		commit((int)(intptr_t)arg, n);
	return NULL;
}

static void give_back(void)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	char text[64];
	int ret;

	ret = journal_info(j, &info);
	if (ret < 0)
		die("info", ret);
	if (info.frontier < info.first_lsn + 2 * KEEP_BYTES)
		return;
	snprintf(text, sizeof(text), "t:%" PRIu64, info.frontier - KEEP_BYTES);
	mark(text);
	ret = journal_trim(j, info.frontier - KEEP_BYTES);
	if (ret < 0)
		die("trim", ret);
}

static void live(double seconds)
{
	struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	pthread_t thread[THREADS];
	int ret;

	atomic_store(&over, false);
	for (long i = 0; i < THREADS; i++) {
		ret = pthread_create(&thread[i], NULL, append_main, (void *)i);
		if (ret)
			die("pthread_create", -ret);
	}
	for (double t = 0; t < seconds; t += 0.05) {
		(void)nanosleep(&pause, NULL);
		give_back();
	}
	atomic_store(&over, true);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(thread[i], NULL);
}

static void say(void)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_stats stats = JOURNAL_STATS_INIT;

	if (journal_info(j, &info) < 0 || journal_stats(j, &stats) < 0)
		return;
	printf("life %d: method %s, driver %s, carrier %s, barrier %s; "
	       "%" PRIu64 " records, %" PRIu64 " batches, %" PRIu64
	       " flushes\n", life, info.method, info.driver, info.carrier,
	       info.barrier, stats.records, stats.batches, stats.flushes);
}

static int do_write(char **argv, const char *cheat)
{
	int lives = atoi(argv[4]), ret;

	if (lives < 1 || lives > LIVES_MAX)
		die("LIVES", -EINVAL);
	early = !strcmp(cheat, "early");
	open_control(argv[1]);
	for (life = 0; life < lives; life++) {
		open_journal(argv[0], argv[2], argv[3], cheat);
		live(atof(argv[5]));
		say();
		ret = journal_close(j);
		if (ret < 0)
			die("close", ret);
	}
	return 0;
}

static int do_count(char **argv)
{
	struct timespec pause = { .tv_sec = 1 };
	long commits = atol(argv[3]);
	int ret;

	open_control(argv[1]);
	open_journal(argv[0], argv[2], "-", "");
	/* The helper fills what there is to fill, and writes its watermark. */
	commit(0, 0);
	(void)nanosleep(&pause, NULL);
	mark("begin");
	for (long n = 1; n <= commits; n++) {
		char text[64];
		struct iovec iov = { text, (size_t)snprintf(text, sizeof(text),
							    "%ld", n) };

		ret = journal_commit(j, &iov, 1, NULL);
		if (ret < 0)
			die("commit", ret);
		mark("c");
	}
	mark("end");
	say();
	ret = journal_close(j);
	if (ret < 0)
		die("close", ret);
	return 0;
}

/* ------------------------------------------------------------------------
 * Judging
 */

/* What of a thread's records has to be there, and what is; [from, to). */
static struct run {
	long want_from, want_to;
	long from, to;
} runs[LIVES_MAX][THREADS];

static uint64_t given_back;

static int broken(const char *what, int l, int thread, long n)
{
	printf("BROKEN: %s: life %d, thread %d, record %ld\n", what, l, thread,
	       n);
	return 1;
}

static FILE *open_marks(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		die(path, -errno);
	return f;
}

static long read_marks(const char *path)
{
	char line[256];
	uint64_t lsn;
	int l, thread;
	long n, count = 0;
	FILE *f;

	f = open_marks(path);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "t:%" SCNu64, &lsn) == 1 && lsn > given_back)
			given_back = lsn;
	}
	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		struct run *run;

		if (sscanf(line, "a:%d:%d:%ld:%" SCNu64, &l, &thread, &n,
			   &lsn) != 4)
			continue;
		if (l < 0 || l >= LIVES_MAX || thread < 0 || thread >= THREADS)
			die(path, -EINVAL);
		if (lsn < given_back)
			continue;
		run = &runs[l][thread];
		if (!run->want_to)
			run->want_from = n;
		run->want_to = n + 1;
		count++;
	}
	fclose(f);
	return count;
}

static int check_record(const struct journal_record *rec)
{
	static char want[PAYLOAD_MAX + 64];
	char text[64] = "";
	struct run *run;
	int l, thread;
	long n;

	memcpy(text, rec->data, rec->len < 63 ? rec->len : 63);
	if (!strcmp(text, "after the cut"))
		return 0;
	if (sscanf(text, "%d %d %ld ", &l, &thread, &n) != 3 || l < 0 ||
	    l >= LIVES_MAX || thread < 0 || thread >= THREADS || n < 0)
		return broken("not a record of ours", 0, 0, 0);
	if (record(want, l, thread, n) != rec->len ||
	    memcmp(want, rec->data, rec->len))
		return broken("not as it was written", l, thread, n);
	run = &runs[l][thread];
	if (!run->to)
		run->from = n;
	else if (n != run->to)
		return broken("out of order", l, thread, n);
	run->to = n + 1;
	return 0;
}

static int check_runs(void)
{
	int bad = 0;

	for (int l = 0; l < LIVES_MAX; l++) {
		for (int t = 0; t < THREADS; t++) {
			const struct run *run = &runs[l][t];

			if (!run->want_to ||
			    (run->from <= run->want_from &&
			     run->to >= run->want_to))
				continue;
			bad = broken("acknowledged and not there", l, t,
				     run->to < run->want_to && run->to ?
				     run->to : run->want_from);
		}
	}
	return bad;
}

static int read_all(const char *path)
{
	struct journal_error error = { 0 };
	struct journal_record rec;
	journal_reader *r;
	int ret;

	for (int l = 0; l < LIVES_MAX; l++)
		for (int t = 0; t < THREADS; t++)
			runs[l][t].from = runs[l][t].to = 0;
	ret = journal_reader_open(&r, path, 0, &error);
	if (ret < 0) {
		printf("BROKEN: open: %s\n", error.message);
		return 1;
	}
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		if (check_record(&rec))
			return 1;
	}
	if (ret < 0)
		printf("BROKEN: read: %s\n", journal_strerror(ret));
	journal_reader_close(r);
	return ret < 0 || check_runs();
}

static int append_after(const char *path)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	struct iovec iov = { (char *)"after the cut", 13 };
	int ret;

	o.error = &error;
	o.record_max = 64 * 1024;
	ret = journal_open(&j, path, &o);
	if (ret < 0) {
		printf("BROKEN: open for writing: %s\n", error.message);
		return 1;
	}
	for (int i = 0; i < 3 && !ret; i++)
		ret = journal_commit(j, &iov, 1, NULL);
	if (ret < 0)
		die("commit after the cut", ret);
	ret = journal_close(j);
	if (ret < 0)
		die("close after the cut", ret);
	return 0;
}

static int do_check(char **argv)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	long wanted = read_marks(argv[1]);
	int ret;

	o.flags = JOURNAL_READ_ONLY;
	ret = journal_open(&j, argv[0], &o);
	/* Cut before the journal was made: nothing was promised. */
	if (ret == -ENOENT && !wanted) {
		puts("no journal yet");
		return 0;
	}
	if (!ret) {
		(void)journal_info(j, &info);
		(void)journal_close(j);
	}
	if (read_all(argv[0]) || append_after(argv[0]) || read_all(argv[0]))
		return 1;
	printf("%ld acknowledged, frontier %" PRIu64 ", tail of %u batches\n",
	       wanted, info.frontier, info.tail_batches);
	return 0;
}

int main(int argc, char **argv)
{
	if ((argc == 8 || argc == 9) && !strcmp(argv[1], "write"))
		return do_write(argv + 2, argc == 9 ? argv[8] : "");
	if (argc == 6 && !strcmp(argv[1], "count"))
		return do_count(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "check"))
		return do_check(argv + 2);
	fprintf(stderr, "Usage: powercut write JOURNAL TARGET METHOD DRIVER "
		"LIVES SECONDS [early|lazy]\n"
		"       powercut count JOURNAL TARGET METHOD COMMITS\n"
		"       powercut check JOURNAL MARKS\n");
	return 2;
}
