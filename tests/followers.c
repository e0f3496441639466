/*
 * tests/followers.c - a producer and three followers, killed again and again.
 *
 *     followers JOURNAL SECONDS SEED
 *
 * The producer appends records that are numbered over all its lives, in small
 * segments that rotate and are used again, and gives back what is old.  Each of
 * its lives has another driver.  The followers, in processes of their own, wait
 * at the end: one in journal_reader_wait(), one in poll(2), and one is so slow
 * and so often stopped that what it is to read next is given back.  All of
 * them are killed at random moments; a follower goes on behind the LSN it read
 * last.  Memory that they share is the witness:
 *
 *   - each follower sees the numbers in order, each once; one is missing only
 *     if -ERANGE said so and it was asked to be given back
 *   - beside a living producer none is seen that is not acknowledged
 *   - what one follower has seen, the others and every later recovery see too,
 *     the same bytes at the same LSN
 *   - when the last producer is dead, all come to the end that recovery finds
 *
 * Prints what was counted.  Exit status: 0 all is well, 1 a promise was broken,
 * 2 anything else.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal/journal.h"

#define FOLLOWERS	3
#define RECORDS_MAX	(1u << 20)
#define SLOW		2	/* the follower that is overtaken */
#define SEGMENT_SIZE	65536
#define TEXT_MAX	3000
#define GROUP_MAX	6
#define CATCH_UP_S	300
/* So many are seen by each at least, however long the disk takes. */
#define SEEN_MIN	200
#define LIMIT_S		300
/* Between two torments so many are acknowledged, or that time is over: where
 * opening takes long, kills would let nobody come to anything. */
#define WORK_MIN	8
#define WORK_MAX_MS	10000
/* Seen so often before the witness, and one in 100: preempted. */
#define EARLY_MAX	20

struct follower {
	/* The number that comes next, and above that how many of those before
	 * it were missed: one word, so that no kill comes in between. */
	_Atomic uint64_t seen;
	_Atomic uint32_t gaps, lives;
};

/* What is known of a record: where it is, and in which life it was made. */
struct known {
	_Atomic uint64_t lsn;
	_Atomic uint32_t life;		/* plus 1; 0: nobody has seen it */
};

static struct {
	_Atomic uint32_t life;		/* of the producer */
	_Atomic bool alive;		/* set false before it is killed */
	_Atomic uint32_t acked;		/* those below are acknowledged */
	_Atomic uint32_t asked;		/* those below may be given back */
	_Atomic uint64_t lag_ns, lags;	/* acknowledged until seen */
	_Atomic uint64_t acked_ns;
	_Atomic uint32_t early;		/* seen before acked said so */
	struct follower follower[FOLLOWERS];
	struct known known[RECORDS_MAX];
} *world;

static const char *path;
static unsigned int seed;

static uint32_t next_of(int id)
{
	return (uint32_t)atomic_load(&world->follower[id].seen);
}

static uint32_t missed_of(int id)
{
	return (uint32_t)(atomic_load(&world->follower[id].seen) >> 32);
}

static __attribute__((noreturn, format(printf, 2, 3))) void
die(int code, const char *format, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "followers: %s\n", text);
	_exit(code);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void pause_us(unsigned int us)
{
	struct timespec ts = { us / 1000000, (long)(us % 1000000) * 1000 };

	(void)nanosleep(&ts, NULL);
}

static unsigned int pick(unsigned int n)
{
	return (unsigned int)rand_r(&seed) % n;
}

/* Record n as life makes it. */
static size_t make_text(char text[TEXT_MAX], uint32_t n, uint32_t life)
{
	return (size_t)snprintf(text, TEXT_MAX, "%" PRIu32 " %" PRIu32 "%*s", n,
				life, (int)(n * 617 % 2900), ".");
}

/* It is record *ret_n, as *ret_life made it; false: as nobody made it. */
static bool read_text(const struct journal_record *rec, uint32_t *ret_n,
		      uint32_t *ret_life)
{
	char text[TEXT_MAX] = "", want[TEXT_MAX];

	if (rec->len >= TEXT_MAX)
		return false;
	memcpy(text, rec->data, rec->len);
	return sscanf(text, "%" SCNu32 " %" SCNu32, ret_n, ret_life) == 2 &&
	       make_text(want, *ret_n, *ret_life) == rec->len &&
	       !memcmp(text, want, rec->len);
}

/* Whoever sees a record sees what others have seen. */
static void compare(const char *who, const struct journal_record *rec,
		    uint32_t n, uint32_t life)
{
	struct known *k;
	uint32_t seen;

	if (n >= RECORDS_MAX)
		die(2, "more records than there is memory for");
	k = &world->known[n];
	seen = atomic_load(&k->life);
	if (seen && (seen != life + 1 || atomic_load(&k->lsn) != rec->lsn))
		die(1, "%s: record %" PRIu32 " is of life %" PRIu32 " at %"
		    PRIu64 ", and was seen of life %" PRIu32 " at %" PRIu64,
		    who, n, life, rec->lsn, seen - 1, atomic_load(&k->lsn));
	atomic_store(&k->lsn, rec->lsn);
	atomic_store(&k->life, life + 1);
}

/* ------------------------------------------------------------------------
 * The producer
 */

/*
 * What there is while nobody writes, compared: the number of the next record.
 */
static uint32_t recover(void)
{
	struct journal_error error = { 0 };
	uint32_t n, life, next = 0;
	struct journal_record rec;
	journal_reader *r;
	bool any = false;
	int ret;

	ret = journal_reader_open(&r, path, 0, &error);
	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		die(1, "recovering: %s", error.message);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		if (!read_text(&rec, &n, &life))
			die(1, "recovering: not what was appended at %" PRIu64,
			    rec.lsn);
		if (any ? n != next : n > atomic_load(&world->asked))
			die(1, "recovering: record %" PRIu32 " after %" PRIu32,
			    n, next);
		compare("recovering", &rec, n, life);
		next = n + 1;
		any = true;
	}
	if (ret < 0)
		die(1, "recovering: %s", journal_reader_error(r)->message);
	journal_reader_close(r);
	if (next < atomic_load(&world->acked))
		die(1, "recovering: %" PRIu32 " records, %" PRIu32 " were "
		    "acknowledged", next, atomic_load(&world->acked));
	for (int i = 0; i < FOLLOWERS; i++)
		if (next < next_of(i))
			die(1, "recovering: %" PRIu32 " records, follower %d "
			    "has seen %" PRIu32, next, i, next_of(i));
	return next;
}

static journal *open_journal(bool *ret_loop)
{
	static const char *const drivers[] = { "caller", "thread", "loop" };
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct journal_error error = { 0 };
	journal *j;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SEGMENT_SIZE;
	o.record_max = GROUP_MAX * (TEXT_MAX + 16);
	o.driver = drivers[atomic_load(&world->life) % 3];
	o.error = &error;
	if (journal_open(&j, path, &o) < 0)
		die(2, "opening: %s", error.message);
	*ret_loop = !strcmp(o.driver, "loop");
	return j;
}

static void check(const char *what, int ret)
{
	if (ret < 0)
		die(2, "%s: %s", what, journal_strerror(ret));
}

/* In an event loop nothing waits but poll(2). */
static void loop_until(journal *j, uint64_t lsn)
{
	struct pollfd p = { .fd = journal_eventfd(j), .events = POLLIN };
	uint64_t frontier = 0;

	check("submit", journal_submit(j));
	while (frontier <= lsn) {
		(void)poll(&p, 1, 1000);
		check("durable", journal_durable(j, &frontier));
	}
}

/* The records [n, to), in one batch: one before another is not durable. */
static void append(journal *j, uint32_t n, uint32_t to, uint64_t *lsn)
{
	static char text[GROUP_MAX][TEXT_MAX];
	struct iovec iov[GROUP_MAX];
	uint64_t frontier;
	int ret;

	for (uint32_t i = 0; i < to - n; i++) {
		iov[i].iov_base = text[i];
		iov[i].iov_len = make_text(text[i], n + i,
					   atomic_load(&world->life));
	}
	while ((ret = journal_append_group(j, iov, (int)(to - n), lsn)) ==
	       -EAGAIN) {
		check("submit", journal_submit(j));
		pause_us(500);
		check("durable", journal_durable(j, &frontier));
	}
	check("append", ret);
}

static void produce(void)
{
	static uint64_t lsn[RECORDS_MAX];
	uint32_t n = recover(), first = n, to, old;
	bool loop;
	journal *j = open_journal(&loop);

	atomic_store(&world->acked, n);
	atomic_store(&world->alive, true);
	for (;;) {
		to = n + (pick(3) ? 1 : 1 + pick(GROUP_MAX));
		if (to >= RECORDS_MAX)
			pause();
		append(j, n, to, &lsn[n]);
		n = to;
		if (loop)
			loop_until(j, lsn[n - 1]);
		else
			check("sync", journal_sync(j, lsn[n - 1]));
		atomic_store(&world->acked_ns, now_ns());
		atomic_store(&world->acked, n);
		if (!pick(20)) {
			old = n - 1 - pick(n - first < 300 ? n - first : 300);
			if (old > atomic_load(&world->asked))
				atomic_store(&world->asked, old);
			check("trim", journal_trim(j, lsn[old]));
		}
		/* Now and then the helper finds it idle. */
		pause_us(pick(60) ? pick(3000) : 150000);
	}
}

/* ------------------------------------------------------------------------
 * The followers
 */

/*
 * Beside a living producer what is seen is acknowledged, but for the moment
 * from the watermark to the witness: how often that was seen is counted.
 */
static void check_durable(int id, uint32_t n, uint32_t life)
{
	uint64_t lag_ns;

	if (n < atomic_load(&world->acked)) {
		lag_ns = now_ns() - atomic_load(&world->acked_ns);
		if (n + 1 == atomic_load(&world->acked)) {
			atomic_fetch_add(&world->lag_ns, lag_ns);
			atomic_fetch_add(&world->lags, 1);
		}
		return;
	}
	if (!atomic_load(&world->alive) || life != atomic_load(&world->life))
		return;
	atomic_fetch_add(&world->early, 1);
	for (int i = 0; n >= atomic_load(&world->acked); i++) {
		if (!atomic_load(&world->alive))
			return;
		if (i == 5000)
			die(1, "follower %d has record %" PRIu32 ", "
			    "acknowledged are %" PRIu32, id, n,
			    atomic_load(&world->acked));
		pause_us(1000);
	}
}

static void see(int id, const struct journal_record *rec, bool *gap)
{
	uint32_t next = next_of(id), n, life;
	char who[32];

	(void)snprintf(who, sizeof(who), "follower %d", id);
	if (!read_text(rec, &n, &life))
		die(1, "%s: not what was appended at %" PRIu64, who, rec->lsn);
	if (n < next || (n > next && !*gap) ||
	    (n > next && n > atomic_load(&world->asked)))
		die(1, "%s: record %" PRIu32 " at %" PRIu64 " after %" PRIu32
		    ", %s, asked to be given back are %" PRIu32, who, n,
		    rec->lsn, next, *gap ? "a gap was told of" : "no gap",
		    atomic_load(&world->asked));
	check_durable(id, n, life);
	compare(who, rec, n, life);
	*gap = false;
	atomic_store(&world->follower[id].seen,
		     (uint64_t)(missed_of(id) + n - next) << 32 | (n + 1));
}

/* The LSN behind the record that was seen last. */
static uint64_t place_of(int id)
{
	uint32_t next = next_of(id);

	return next ? atomic_load(&world->known[next - 1].lsn) + 1 : 0;
}

/* -ERANGE is told with where to go on, which is never behind us. */
static void go_on(int id, journal_reader *r, const struct journal_error *error,
		  uint64_t place, bool *gap)
{
	struct follower *f = &world->follower[id];

	if (error->lsn < place)
		die(1, "follower %d at %" PRIu64 ": %s", id, place,
		    error->message);
	atomic_fetch_add(&f->gaps, 1);
	*gap = true;
	if (r && journal_reader_seek(r, error->lsn) < 0 &&
	    journal_reader_error(r)->code != -ERANGE)
		die(1, "follower %d: %s", id,
		    journal_reader_error(r)->message);
}

static journal_reader *open_reader(int id, bool *gap)
{
	uint64_t place = place_of(id), at = place;
	struct journal_error error = { 0 };
	journal_reader *r;
	int ret;

	/* The first there is. */
	*gap = !place;
	while ((ret = journal_reader_open(&r, path, at, &error)) < 0) {
		if (ret == -ERANGE) {
			go_on(id, NULL, &error, place, gap);
			at = error.lsn;
		} else if (ret != -ENOENT || place) {
			die(1, "follower %d: %s", id, error.message);
		}
		pause_us(1000);
	}
	return r;
}

static int wait_for_more(int id, journal_reader *r)
{
	struct pollfd p = { .events = POLLIN };
	int ret;

	if (id != 1)
		return journal_reader_wait(r, id ? 200 : -1);
	p.fd = journal_reader_fd(r);
	if (p.fd < 0)
		return p.fd;
	(void)poll(&p, 1, -1);
	ret = journal_reader_wait(r, 0);
	return ret;
}

static void follow(int id)
{
	struct follower *f = &world->follower[id];
	struct journal_record rec;
	bool gap = false;
	journal_reader *r = open_reader(id, &gap);
	int ret;

	atomic_fetch_add(&f->lives, 1);
	for (;;) {
		while ((ret = journal_reader_next(r, &rec)) == 1) {
			see(id, &rec, &gap);
			if (id == SLOW && !pick(4))
				pause_us(pick(4000));
		}
		if (!ret)
			ret = wait_for_more(id, r);
		if (ret == -ERANGE)
			go_on(id, r, journal_reader_error(r), place_of(id),
			      &gap);
		else if (ret < 0)
			die(1, "follower %d: %d: %s", id, ret,
			    journal_reader_error(r)->message);
	}
}

/* ------------------------------------------------------------------------
 * Who starts and kills them
 */

static pid_t child[FOLLOWERS + 1];	/* the last one is the producer */

static void start(int id)
{
	pid_t pid;

	seed++;
	if (id == FOLLOWERS)
		atomic_fetch_add(&world->life, 1);
	pid = fork();
	if (pid < 0)
		die(2, "fork: %s", strerror(errno));
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (id == FOLLOWERS)
			produce();
		follow(id);
	}
	child[id] = pid;
}

/* Killed by us, or it has found something. */
static void reap(int id, bool killed)
{
	int status;

	if (waitpid(child[id], &status, killed ? 0 : WNOHANG) != child[id])
		return;
	child[id] = 0;
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	if (!killed || WTERMSIG(status) != SIGKILL)
		die(2, "process %d died by signal %d", id, WTERMSIG(status));
}

static void end(int id)
{
	if (id == FOLLOWERS)
		atomic_store(&world->alive, false);
	(void)kill(child[id], SIGKILL);
	(void)kill(child[id], SIGCONT);
	reap(id, true);
}

static void torment(void)
{
	unsigned int what = pick(10);
	int id = (int)pick(FOLLOWERS + 1);

	if (what < 4) {
		end(id);
		start(id);
	} else if (what < 7) {
		end(FOLLOWERS);
		/* The followers find that nobody writes; or do not. */
		pause_us(pick(2) ? pick(100000) : 0);
		start(FOLLOWERS);
	} else if (what < 9) {
		(void)kill(child[SLOW], SIGSTOP);
		pause_us(pick(600000));
		(void)kill(child[SLOW], SIGCONT);
	} else {
		for (id = 0; id <= FOLLOWERS; id++)
			end(id);
		for (id = 0; id <= FOLLOWERS; id++)
			start(id);
	}
}

static bool enough(void)
{
	for (int i = 0; i < FOLLOWERS; i++)
		if (next_of(i) - missed_of(i) < SEEN_MIN)
			return false;
	return true;
}

/* A moment for all of them to work, now and then regardless of what comes of
 * it. */
static void let_work(void)
{
	uint32_t acked = atomic_load(&world->acked);
	bool early = !pick(5);

	pause_us(50000 + pick(150000));
	for (int ms = 0; !early && ms < WORK_MAX_MS &&
	     atomic_load(&world->acked) - acked < WORK_MIN; ms += 10) {
		pause_us(10000);
		for (int id = 0; id <= FOLLOWERS; id++)
			reap(id, false);
	}
}

/* All are where recovery ends. */
static void catch_up(uint32_t last)
{
	uint64_t until = now_ns() + CATCH_UP_S * 1000000000ull;
	int id = 0;

	while (id < FOLLOWERS) {
		reap(id, false);
		if (next_of(id) == last)
			id++;
		else if (now_ns() > until)
			die(1, "follower %d stands at %" PRIu32 " of %" PRIu32,
			    id, next_of(id), last);
		else
			pause_us(10000);
	}
}

static void report(uint32_t last)
{
	uint32_t seen = 0;

	printf("%" PRIu32 " records in %" PRIu32 " lives, given back below %"
	       PRIu32 "\n", last, atomic_load(&world->life),
	       atomic_load(&world->asked));
	for (int i = 0; i < FOLLOWERS; i++) {
		const struct follower *f = &world->follower[i];

		seen += last - missed_of(i);
		printf("follower %d: %" PRIu32 " seen, %" PRIu32 " told to be "
		       "missing in %" PRIu32 " gaps, %" PRIu32 " lives\n", i,
		       last - missed_of(i), missed_of(i),
		       atomic_load(&f->gaps), atomic_load(&f->lives));
	}
	if (atomic_load(&world->early) > EARLY_MAX + seen / 100)
		die(1, "%" PRIu32 " of %" PRIu32 " were seen before they were "
		    "acknowledged", atomic_load(&world->early), seen);
	printf("%" PRIu32 " seen in the moment before the witness\n",
	       atomic_load(&world->early));
	printf("seen %" PRIu64 " us after the newest was acknowledged, on "
	       "average of %" PRIu64 "\n",
	       atomic_load(&world->lag_ns) / 1000 /
	       (atomic_load(&world->lags) + !atomic_load(&world->lags)),
	       atomic_load(&world->lags));
}

int main(int argc, char **argv)
{
	uint64_t until, limit;
	uint32_t last;

	if (argc != 4) {
		fputs("Usage: followers JOURNAL SECONDS SEED\n", stderr);
		return 2;
	}
	path = argv[1];
	seed = (unsigned int)strtoul(argv[3], NULL, 10);
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (world == MAP_FAILED)
		die(2, "mmap: %s", strerror(errno));
	for (int id = FOLLOWERS; id >= 0; id--)
		start(id);
	until = now_ns() + strtoul(argv[2], NULL, 10) * 1000000000ull;
	limit = until + LIMIT_S * 1000000000ull;
	while (now_ns() < until || !enough()) {
		if (now_ns() > limit)
			die(1, "too little was seen in %d s", LIMIT_S);
		let_work();
		for (int id = 0; id <= FOLLOWERS; id++)
			reap(id, false);
		torment();
	}
	end(FOLLOWERS);
	last = recover();
	catch_up(last);
	for (int id = 0; id < FOLLOWERS; id++)
		end(id);
	report(last);
	return 0;
}
