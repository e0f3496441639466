/*
 * tests/kill_threads.c - many appending threads and one that gives back, to be
 * killed in the middle.
 *
 *     kill_threads append JOURNAL ACKS TRIMS LIFE DRIVER CARRIER THREADS
 *     kill_threads check JOURNAL ACKS TRIMS
 *     kill_threads land JOURNAL
 *
 * append commits "life thread n" from every thread until it is killed, and
 * adds each acknowledged record to the file ACKS, with its LSN.  With the
 * driver loop there is one thread with an event loop, in which as many clients
 * have a record each that is not durable yet.  One more
 * thread trims now and then to an LSN that was acknowledged a while ago; it
 * adds to the file TRIMS "asked LSN" before it asks, and "durable LSN" when
 * the journal has said that this is where it begins.  With "-" for TRIMS nothing
 * is given back.
 *
 * check appends records of its own at once, then reads everything back: each thread's
 * records are there in order and without a gap, among them all that were
 * acknowledged at or above the highest LSN that was asked for, and none below
 * what was durably given back.  It prints how many were acknowledged, how many
 * of them had to be there, and where the journal begins.  DRIVER and CARRIER
 * may be "-".
 *
 * land waits until the lock of the dead writer is free, and prints for how many
 * milliseconds: from then on no write of it may land, so what the device holds
 * must not change for another second.  It looks at segments from 0 on: nothing
 * may have been given back.  On a block device it waits until it can have that
 * for itself.
 *
 * Exit status: 0 all is well, 1 a promise was broken, 2 anything else.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal/format.h"
#include "journal/journal.h"

#define THREADS_MAX	64
#define LIVES_MAX	1000

static journal *j;
static int acks_fd, trims_fd;
static long life;
static atomic_uint_fast64_t newest;	/* the last LSN acknowledged */

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

/* A kill may have cut the last line: nothing is to be added to half a line. */
static int open_list(const char *path)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char last = 0;

	if (end < 0)
		die(path, -errno);
	while (end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n')
		end--;
	if (ftruncate(fd, end) < 0)
		die(path, -errno);
	return fd;
}

static void add_line(int fd, const char *line, int len)
{
	if (write(fd, line, (size_t)len) != len)
		die("a list", -EIO);
}

static void say_trim(const char *what, uint64_t lsn)
{
	char line[64];

	add_line(trims_fd, line, snprintf(line, sizeof(line),
					  "%s %" PRIu64 "\n", what, lsn));
}

/* Gives back what was acknowledged before the last pause. */
static void *trim_main(void *arg)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	struct timespec pause = { 0, (1 + life % 5 * 7) * 1000000 };
	uint64_t lsn, durable = 0;
	int ret;

	(void)arg;
	for (;;) {
		lsn = atomic_load(&newest);
		(void)nanosleep(&pause, NULL);
		if (!lsn)
			continue;
		say_trim("asked", lsn);
		ret = journal_trim(j, lsn);
		if (ret < 0)
			die("trim", ret);
		ret = journal_info(j, &info);
		if (ret < 0)
			die("info", ret);
		if (info.first_lsn > durable) {
			durable = info.first_lsn;
			say_trim("durable", durable);
		}
	}
	return NULL;
}

/* A record is appended (or committed). */
static int put(int (*call)(journal *, const struct iovec *, int, uint64_t *),
	       long of_life, int id, long n, uint64_t *ret_lsn)
{
	char text[600];
	struct iovec iov = { text, 0 };

	iov.iov_len = (size_t)snprintf(text, sizeof(text), "%ld %d %ld%*s",
				       of_life, id, n, (int)(n * 37 % 500), "");
	return call(j, &iov, 1, ret_lsn);
}

/* It is durable: say so in the file. */
static void acknowledge(long of_life, int id, long n, uint64_t lsn)
{
	char ack[96];

	add_line(acks_fd, ack, snprintf(ack, sizeof(ack),
					"%ld %d %ld %" PRIu64 "\n", of_life,
					id, n, lsn));
	atomic_store(&newest, lsn);
}

static void commit(long of_life, int id, long n)
{
	uint64_t lsn;
	int ret = put(journal_commit, of_life, id, n, &lsn);

	if (ret < 0)
		die("commit", ret);
	acknowledge(of_life, id, n, lsn);
}

static void *append_main(void *arg)
{
	for (long n = 0;; n++)
		commit(life, (int)(intptr_t)arg, n);
	return NULL;
}

struct client {
	long n;
	uint64_t lsn;	/* 0: nothing is on its way */
};

/* Append what there is room for, for clients that have nothing on its way. */
static void append_for(struct client *client, long clients)
{
	int ret = 0;

	for (int id = 0; id < clients && ret != -EAGAIN; id++) {
		if (client[id].lsn)
			continue;
		ret = put(journal_append, life, id, client[id].n,
			  &client[id].lsn);
		if (ret < 0 && ret != -EAGAIN)
			die("append", ret);
	}
}

static void loop(long clients)
{
	static struct client client[THREADS_MAX];
	struct pollfd p = { .fd = journal_eventfd(j), .events = POLLIN };
	uint64_t frontier;
	int ret;

	for (;;) {
		append_for(client, clients);
		ret = journal_submit(j);
		if (ret < 0)
			die("submit", ret);
		(void)poll(&p, 1, -1);
		ret = journal_durable(j, &frontier);
		if (ret < 0)
			die("durable", ret);
		for (int id = 0; id < clients; id++) {
			struct client *c = &client[id];

			if (!c->lsn || c->lsn >= frontier)
				continue;
			acknowledge(life, id, c->n++, c->lsn);
			c->lsn = 0;
		}
	}
}

static void start(void *(*run)(void *), long id)
{
	pthread_t t;
	int ret = pthread_create(&t, NULL, run, (void *)(intptr_t)id);

	if (ret)
		die("pthread_create", -ret);
}

static int append(char **argv)
{
	long threads = atol(argv[6]);

	acks_fd = open_list(argv[1]);
	life = atol(argv[3]);
	if (open_journal(argv[0], argv[4], argv[5]) < 0)
		return 2;
	if (strcmp(argv[2], "-")) {
		trims_fd = open_list(argv[2]);
		start(trim_main, 0);
	}
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (!strcmp(argv[4], "loop"))
		loop(threads);
	for (long i = 0; i < threads; i++)
		start(append_main, i);
	pause();
	return 2;
}

/* What of a thread's records has to be there, and what is; [from, to). */
static struct {
	long want_from, want_to;
	long from, to;
} runs[LIVES_MAX][THREADS_MAX];

static uint64_t asked, durable;

/* check's own records: those of the last thread in the last life. */
#define OWN_LIFE	(LIVES_MAX - 1)
#define OWN_THREAD	(THREADS_MAX - 1)
static long own_next;

static void read_trims(const char *path)
{
	FILE *f = fopen(path, "r");
	char what[16], end;
	uint64_t lsn;

	/* The last line may have been cut, here and below. */
	while (f && fscanf(f, "%15s %" SCNu64 "%c", what, &lsn, &end) == 3) {
		uint64_t *most = strcmp(what, "asked") ? &durable : &asked;

		if (lsn > *most)
			*most = lsn;
	}
	if (f)
		fclose(f);
}

static void read_acks(const char *path, long *ret_all, long *ret_wanted)
{
	FILE *f = fopen(path, "r");
	uint64_t lsn;
	char end;
	long l, n;
	int id;

	*ret_all = *ret_wanted = 0;
	while (f && fscanf(f, "%ld %d %ld %" SCNu64 "%c", &l, &id, &n, &lsn,
			   &end) == 5) {
		if (l < 0 || l >= LIVES_MAX || id < 0 || id >= THREADS_MAX)
			die(path, -EINVAL);
		++*ret_all;
		if (l == OWN_LIFE)
			own_next = n + 1;
		if (lsn < asked)
			continue;
		++*ret_wanted;
		if (!runs[l][id].want_to)
			runs[l][id].want_from = n;
		runs[l][id].want_to = n + 1;
	}
	if (f)
		fclose(f);
}

/* 0 if the record is its thread's next, 1 if not. */
static int check_record(const struct journal_record *rec)
{
	char text[601];
	long l, n;
	int id;

	if (rec->lsn < durable) {
		fprintf(stderr, "kill_threads: a record at %" PRIu64 ", and "
			"below %" PRIu64 " all was given back\n", rec->lsn,
			durable);
		return 1;
	}
	if (rec->len > 600)
		return 1;
	memcpy(text, rec->data, rec->len);
	text[rec->len] = 0;
	if (sscanf(text, "%ld %d %ld", &l, &id, &n) == 3 &&
	    l >= 0 && l < LIVES_MAX && id >= 0 && id < THREADS_MAX) {
		if (!runs[l][id].to)
			runs[l][id].from = n;
		else if (n != runs[l][id].to)
			goto wrong;
		runs[l][id].to = n + 1;
		return 0;
	}
wrong:
	fprintf(stderr, "kill_threads: not what was appended: %.60s\n", text);
	return 1;
}

static int check_runs(void)
{
	int bad = 0;

	for (long l = 0; l < LIVES_MAX; l++) {
		for (int id = 0; id < THREADS_MAX; id++) {
			if (!runs[l][id].want_to ||
			    (runs[l][id].from <= runs[l][id].want_from &&
			     runs[l][id].to >= runs[l][id].want_to))
				continue;
			fprintf(stderr, "kill_threads: life %ld, thread %d: "
				"%ld to %ld wanted, %ld to %ld there\n", l, id,
				runs[l][id].want_from, runs[l][id].want_to,
				runs[l][id].from, runs[l][id].to);
			bad = 1;
		}
	}
	return bad;
}

/* The next writer, while the dead one's writes may be under way. */
static int append_at_once(const char *path)
{
	int ret;

	ret = open_journal(path, "-", "-");
	if (ret < 0)
		return ret == -EBADMSG || ret == -ENODATA ? 1 : 2;
	for (int i = 0; i < 20; i++)
		commit(OWN_LIFE, OWN_THREAD, own_next++);
	ret = journal_close(j);
	if (ret < 0)
		die("close", ret);
	return 0;
}

static int check(char **argv)
{
	struct journal_record rec;
	uint64_t first = 0;
	journal_reader *r;
	long all, wanted;
	int ret;

	read_trims(argv[2]);
	read_acks(argv[1], &all, &wanted);
	acks_fd = open_list(argv[1]);
	ret = append_at_once(argv[0]);
	if (ret)
		return ret;
	if (!runs[OWN_LIFE][OWN_THREAD].want_to)
		runs[OWN_LIFE][OWN_THREAD].want_from = own_next - 20;
	runs[OWN_LIFE][OWN_THREAD].want_to = own_next;
	ret = journal_reader_open(&r, argv[0], 0, NULL);
	while (!ret && (ret = journal_reader_next(r, &rec)) == 1) {
		if (!first)
			first = rec.lsn;
		ret = check_record(&rec);
		if (ret)
			return 1;
	}
	if (ret < 0)
		die("read", ret);
	journal_reader_close(r);
	printf("%ld %ld %" PRIu64 "\n", all, wanted, first);
	return check_runs();
}

/* Add a file, past the cache, to the sum; false if there is none. */
static bool add_content(const char *name, uint64_t *sum)
{
	static uint8_t *buf;
	ssize_t got;
	int fd;

	if (!buf && posix_memalign((void **)&buf, 65536, 65536))
		die("malloc", -ENOMEM);
	fd = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0)
		die(name, -errno);
	while ((got = read(fd, buf, 65536)) > 0)
		*sum = jnl_checksum(buf, (size_t)got, *sum);
	if (got < 0)
		die(name, -errno);
	close(fd);
	return true;
}

static bool is_device(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode);
}

/* A checksum of the segments, or of the device. */
static uint64_t content(const char *path)
{
	char name[4096];
	uint64_t sum = 0;

	if (is_device(path)) {
		(void)add_content(path, &sum);
		return sum;
	}
	for (unsigned int i = 0;; i++) {
		(void)snprintf(name, sizeof(name), "%s/%016x.seg", path, i);
		if (!add_content(name, &sum))
			return sum;
	}
}

/* Whether nobody has the lock any more, or the device. */
static bool is_free(const char *path)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char name[4096];
	int fd;

	if (is_device(path)) {
		fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
		if (fd < 0 && errno != EBUSY)
			die(path, -errno);
		if (fd >= 0)
			close(fd);
		return fd >= 0;
	}
	(void)snprintf(name, sizeof(name), "%s/lock", path);
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &fl) < 0)
		die(name, -errno);
	close(fd);
	return fl.l_type == F_UNLCK;
}

static int land(char **argv)
{
	uint64_t before;
	long ms = 0;

	for (; !is_free(argv[0]); ms++)
		usleep(1000);
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
	if (argc == 9 && !strcmp(argv[1], "append"))
		return append(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "check"))
		return check(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "land"))
		return land(argv + 2);
	fprintf(stderr, "Usage: kill_threads append JOURNAL ACKS TRIMS LIFE "
		"DRIVER CARRIER THREADS\n"
		"       kill_threads check JOURNAL ACKS TRIMS\n"
		"       kill_threads land JOURNAL\n");
	return 2;
}
