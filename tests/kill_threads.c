/*
 * tests/kill_threads.c - many appending threads, to be killed in the middle.
 *
 *     kill_threads append JOURNAL ACKS LIFE DRIVER CARRIER THREADS
 *     kill_threads check JOURNAL ACKS
 *     kill_threads land JOURNAL
 *
 * append commits "life thread n" from every thread until it is killed, and
 * adds each acknowledged record to the file ACKS.  check appends records of
 * its own at once, then reads everything back: each thread's records are there
 * in order and without a gap, at least those that were acknowledged.  DRIVER
 * and CARRIER may be "-".  land waits until the lock of the dead writer is
 * free, and prints for how many milliseconds: from then on no write of it may
 * land, so what the device holds must not change for another second.
 *
 * Exit status: 0 all is well, 1 a promise was broken, 2 anything else.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/format.h"
#include "journal/journal.h"

#define THREADS_MAX	64
#define LIVES_MAX	1000

static journal *j;
static int acks_fd;
static long life;

static void die(const char *what, int err)
{
	fprintf(stderr, "kill_threads: %s: %s\n", what, journal_strerror(err));
	exit(2);
}

static int open_journal(const char *path, const char *driver,
			const char *carrier)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	int ret;

	o.flags = JOURNAL_CREATE;
	o.segment_size = 256 * 1024;
	o.driver = strcmp(driver, "-") ? driver : NULL;
	o.carrier = strcmp(carrier, "-") ? carrier : NULL;
	o.error = &error;
	ret = journal_open(&j, path, &o);
	if (ret < 0)
		fprintf(stderr, "kill_threads: %s\n", error.message);
	return ret;
}

/* Commit one record and say so in the file. */
static void commit(long of_life, int id, long n)
{
	char text[600], ack[64];
	struct iovec iov = { text, 0 };
	int ret, len;

	iov.iov_len = (size_t)snprintf(text, sizeof(text), "%ld %d %ld%*s",
				       of_life, id, n, (int)(n * 37 % 500), "");
	ret = journal_commit(j, &iov, 1, NULL);
	if (ret < 0)
		die("commit", ret);
	len = snprintf(ack, sizeof(ack), "%ld %d %ld\n", of_life, id, n);
	if (write(acks_fd, ack, (size_t)len) != len)
		die("acks", -EIO);
}

static void *append_main(void *arg)
{
	for (long n = 0;; n++)
		commit(life, (int)(intptr_t)arg, n);
	return NULL;
}

static void open_acks(const char *path)
{
	acks_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (acks_fd < 0)
		die(path, -errno);
}

static int append(char **argv)
{
	long threads = atol(argv[5]);
	pthread_t t;
	int ret;

	open_acks(argv[1]);
	life = atol(argv[2]);
	ret = open_journal(argv[0], argv[3], argv[4]);
	if (ret < 0)
		return 2;
	for (long i = 0; i < threads && i < THREADS_MAX; i++) {
		ret = pthread_create(&t, NULL, append_main,
				     (void *)(intptr_t)i);
		if (ret)
			die("pthread_create", -ret);
	}
	pause();
	return 2;
}

static long acked[LIVES_MAX][THREADS_MAX], next[LIVES_MAX][THREADS_MAX];

static long read_acks(const char *path)
{
	FILE *f = fopen(path, "r");
	long l, n, total = 0;
	char end;
	int id;

	/* The last line may have been cut. */
	while (f && fscanf(f, "%ld %d %ld%c", &l, &id, &n, &end) == 4) {
		if (end != '\n')
			break;
		if (l < 0 || l >= LIVES_MAX || id < 0 || id >= THREADS_MAX)
			die(path, -EINVAL);
		acked[l][id] = n + 1;
		total++;
	}
	if (f)
		fclose(f);
	return total;
}

static int check(char **argv)
{
	long *mine = &acked[LIVES_MAX - 1][THREADS_MAX - 1];
	struct journal_record rec;
	journal_reader *r;
	char text[601];
	long total, l, n;
	int ret, id, bad = 0;

	total = read_acks(argv[1]);
	open_acks(argv[1]);
	/* The next writer, while the dead one's writes may be under way. */
	ret = open_journal(argv[0], "-", "-");
	if (ret < 0)
		return ret == -EBADMSG || ret == -ENODATA ? 1 : 2;
	for (int i = 0; i < 20; i++)
		commit(LIVES_MAX - 1, THREADS_MAX - 1, (*mine)++);
	ret = journal_close(j);
	if (ret < 0)
		die("close", ret);
	ret = journal_reader_open(&r, argv[0], 0, NULL);
	while (!ret && (ret = journal_reader_next(r, &rec)) == 1) {
		ret = 0;
		if (rec.len > 600)
			return 1;
		memcpy(text, rec.data, rec.len);
		text[rec.len] = 0;
		if (sscanf(text, "%ld %d %ld", &l, &id, &n) != 3 ||
		    l < 0 || l >= LIVES_MAX || id < 0 || id >= THREADS_MAX ||
		    n != next[l][id]++) {
			fprintf(stderr, "kill_threads: not what was appended: "
				"%.60s\n", text);
			return 1;
		}
	}
	if (ret < 0)
		die("read", ret);
	for (l = 0; l < LIVES_MAX; l++) {
		for (id = 0; id < THREADS_MAX; id++) {
			if (next[l][id] >= acked[l][id])
				continue;
			fprintf(stderr, "kill_threads: life %ld, thread %d: "
				"%ld acknowledged, %ld there\n", l, id,
				acked[l][id], next[l][id]);
			bad = 1;
		}
	}
	journal_reader_close(r);
	printf("%ld\n", total);
	return bad;
}

/* A checksum of the segments, past the cache. */
static uint64_t content(const char *path)
{
	static uint8_t *buf;
	uint64_t sum = 0;
	ssize_t got;

	if (!buf && posix_memalign((void **)&buf, 65536, 65536))
		die("malloc", -ENOMEM);
	for (unsigned int i = 0;; i++) {
		char name[4096];
		int fd;

		(void)snprintf(name, sizeof(name), "%s/%016x.seg", path, i);
		fd = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return sum;
		if (fd < 0)
			die(name, -errno);
		while ((got = read(fd, buf, 65536)) > 0)
			sum = jnl_checksum(buf, (size_t)got, sum);
		if (got < 0)
			die(name, -errno);
		close(fd);
	}
}

static int land(char **argv)
{
	struct flock fl;
	char name[4096];
	uint64_t before;
	long ms = -1;
	int fd;

	(void)snprintf(name, sizeof(name), "%s/lock", argv[0]);
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(name, -errno);
	do {
		if (ms++ >= 0)
			usleep(1000);
		fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fcntl(fd, F_OFD_GETLK, &fl) < 0)
			die(name, -errno);
	} while (fl.l_type != F_UNLCK);
	printf("%ld\n", ms);
	before = content(argv[0]);
	sleep(1);
	if (content(argv[0]) == before)
		return 0;
	fprintf(stderr, "kill_threads: a write has landed after the lock was "
		"free\n");
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 8 && !strcmp(argv[1], "append"))
		return append(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "land"))
		return land(argv + 2);
	fprintf(stderr, "Usage: kill_threads append JOURNAL ACKS LIFE DRIVER "
		"CARRIER THREADS\n       kill_threads check JOURNAL ACKS\n"
		"       kill_threads land JOURNAL\n");
	return 2;
}
