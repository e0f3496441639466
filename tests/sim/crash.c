/*
 * tests/sim/crash.c - cuts the power at every step of a journal's life.
 *
 * As a test it judges a number of distinct crash states, of worlds drawn by a
 * seed (small ones are gone through exhaustively), and prints seed and count.
 * By hand it replays one world (--replay), shows that a rule is needed
 * (--break), or writes histories for tests/model/replay.py (--emit).
 *
 * The work is divided among processes: worlds share nothing.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/crash.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_STATES	10000
#else
#define DEFAULT_STATES	100000
#endif
#define VALGRIND_STATES	1000
#define MAX_JOBS	16
#define BREAK_SECONDS	60
#define ODOMETER_LIMIT	3000	/* states of one point gone through */
#define AGAIN_LEN	160

struct options {
	uint64_t seed, replay;
	uint64_t states;
	int jobs;
	int seconds;
	bool one, verbose, falsify, raw, loop;
	const struct rule *rule;
	const char *emit;
};

/* ------------------------------------------------------------------------ */

/* The image in which something is wrong, for people. */
static void show_image(struct world *w)
{
	const struct sim_disk *disk = w->judged;
	struct emit *e;

	w->judged = NULL;
	if (!disk || !w->verbose)
		return;
	e = emit_open("-", 1, false);
	if (!e)
		return;
	emit_image(e, w, disk);
	(void)emit_close(e);
}

void violated(struct world *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(w->violation, sizeof(w->violation), format, ap);
	va_end(ap);
	show_image(w);
	longjmp(w->stop, 1);
}

void note(const struct world *w, const char *format, ...)
{
	va_list ap;

	if (!w->verbose)
		return;
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* Open addressing; 0 is kept apart by never being a key. */
bool seen_add(struct seen *s, uint64_t value)
{
	uint64_t i;

	value += !value;
	if (2 * s->used >= s->room) {
		struct seen n = { .room = s->room ? 2 * s->room : 1024 };

		n.slot = calloc(n.room, sizeof(*n.slot));
		if (!n.slot)
			abort();
		for (i = 0; i < s->room; i++)
			if (s->slot[i])
				seen_add(&n, s->slot[i]);
		free(s->slot);
		*s = n;
	}
	for (i = value % s->room; s->slot[i]; i = (i + 1) % s->room)
		if (s->slot[i] == value)
			return false;
	s->slot[i] = value;
	s->used++;
	return true;
}

void seen_free(struct seen *s)
{
	free(s->slot);
	memset(s, 0, sizeof(*s));
}

/* ------------------------------------------------------------------------
 * One world
 */

static int method_of(struct world *w)
{
	const struct rule *r = w->rule;
	int life = w->life < 3 ? w->life : 2;

	if (w->no_direct)
		return BUFFERED;
	if (r && r->methods[life] >= 0)
		return r->methods[life];
	return (int)sim_pick(&w->pick, METHODS);
}

/*
 * Segment 0 is never young there, O_DIRECT is never refused.  Some devices are
 * so small that slots have to be used again, or are full.
 */
static void set_up_device(struct world *w)
{
	uint64_t slots = MAX_SLOTS;

	w->no_direct = w->young = false;
	w->segment_size = 65536;
	if (w->record_max > 61000)
		w->record_max = 61000;
	w->tight = !w->rule && !w->small && !sim_pick(&w->pick, 2);
	if (w->tight)
		slots = 3 + sim_pick(&w->pick, 6);
	w->disk = sim_device_new(JNL_RAW_FIRST_SLOT + slots * w->segment_size);
}

static void set_up(struct world *w)
{
	static const uint32_t record_max[] = { 200, 4096, 12000, 30000, 61000 };

	sim_pick_seed(&w->pick, w->seed);
	w->segment_size = 65536 << (sim_pick(&w->pick, 8) == 7);
	w->record_max = record_max[sim_pick(&w->pick, 5)];
	w->depth = 1 + sim_pick(&w->pick, MAX_DEPTH);
	w->unit = sim_pick(&w->pick, 2) ? SIM_SECTOR : SIM_BLOCK;
	w->no_direct = !w->rule && !sim_pick(&w->pick, 6);
	if (w->rule)
		w->depth = MAX_DEPTH;
	if (w->small) {
		w->unit = SIM_BLOCK;
		w->record_max = 4096;
		w->segment_size = 65536;
	}
	/* A first segment larger than what is filled at once. */
	w->young = w->rule ? w->rule->young :
		   !w->small && !sim_pick(&w->pick, 12);
	if (w->young) {
		w->segment_size = 1536 * 1024;
		w->record_max = 90000;
	}
	w->harsh = !w->rule && !w->small && !w->young &&
		   !sim_pick(&w->pick, 4);
	if (w->harsh) {
		w->segment_size = 65536;
		w->record_max = 40000;
		w->depth = MAX_DEPTH;
	}
	w->making = !w->rule && !w->small && !w->young && !w->harsh &&
		    !sim_pick(&w->pick, 8);
	if (w->making) {
		w->segment_size = 65536;
		w->record_max = 20000;
		w->depth = MAX_DEPTH;
	}
	w->trims = w->rule ? w->rule->trims :
		   !w->small && !w->young && !sim_pick(&w->pick, 3);
	if (w->trims && (w->rule || sim_pick(&w->pick, 2))) {
		w->segment_size = 65536;
		w->record_max = 20000;
	}
	if (w->rule ? w->rule->untorn : !sim_pick(&w->pick, 3))
		w->untorn = SIM_BLOCK << (1 + sim_pick(&w->pick, 4));
	w->fills = w->rule ? w->rule->fills : sim_pick(&w->pick, 2);
	w->stats = !w->rule && !w->small && !sim_pick(&w->pick, 3);
	for (uint32_t n = 0; n < MAX_RECORDS; n++)
		w->what[n] = n;
	w->moves = w->rule ? w->rule->moves : !sim_pick(&w->pick, 4);
	w->raw = w->rule ? w->rule->raw :
		 !w->emit && (w->always_raw || !sim_pick(&w->pick, 6));
	if (w->raw)
		set_up_device(w);
	else
		w->disk = sim_disk_new();
}

/*
 * Where the life ends that the next one follows: often at its very end, often
 * where most is in danger.
 */
static const struct point *last_point(struct world *w)
{
	const struct point *best = &w->point[w->points - 1], *p;
	unsigned int most = 0, n;
	int tries = 8;

	switch (sim_pick(&w->pick, 3)) {
	case 0:
		return best;
	case 1:
		return &w->point[sim_pick(&w->pick, (unsigned int)w->points)];
	}
	while (tries--) {
		p = &w->point[sim_pick(&w->pick, (unsigned int)w->points)];
		n = sim_disk_pending(p->disk);
		if (n > most) {
			most = n;
			best = p;
		}
	}
	return best;
}

/* The crash state becomes what the next life finds. */
static void next_life(struct world *w, const struct point *p, bool kill)
{
	struct sim_disk *d = crash(w, p, &w->pick, kill), *copy;
	uint64_t lsn[MAX_RECORDS];
	uint32_t count;
	int ret;

	w->appended = p->appended;
	w->acked = p->acked;
	w->created = p->created;
	w->trim = p->trim;
	copy = sim_disk_clone(d);
	w->pick.bias = 128;
	ret = read_back(w, copy, &count, lsn);
	sim_disk_free(copy);
	if (ret < 0 && (ret != -ENOENT || w->created))
		violated(w, "P3: reading failed with %d, and nothing was wrong",
			 ret);
	if (count < w->acked)
		violated(w, "P1: %u records are read, %u were acknowledged",
			 count, w->acked);
	memcpy(w->lsn + w->first, lsn + w->first,
	       (count - w->first) * sizeof(*lsn));
	w->appended = count;
	sim_disk_free(w->disk);
	w->disk = d;
}

static void judge_drawn(struct world *w, const struct point *p)
{
	int states = 2 + (int)sim_pick(&w->pick, 3);

	while (states--) {
		alarm_step();
		bool kill = !sim_pick(&w->pick, 5);
		unsigned int effort = (sim_pick(&w->pick, 24) ? 0 : 1) |
				      (sim_pick(&w->pick, 14) ? 0 : 2);
		struct sim_disk *d = crash(w, p, &w->pick, kill);

		w->pick.bias = 128;
		if (!kill && !sim_pick(&w->pick, w->rule && w->rule->damage ?
				       1 : 20))
			judge_damage(w, p, d);
		judge(w, p, d, kill, effort);
		sim_disk_free(d);
	}
}

static void judge_all(struct world *w, const struct point *p, bool kill)
{
	struct sim_pick pick;
	int states = 0;

	sim_pick_all(&pick);
	do {
		alarm_step();
		struct sim_disk *d = crash(w, p, &pick, kill);

		if (judge(w, p, d, kill, states % 16 ? 0 : 3))
			w->counts->exhaustive++;
		sim_disk_free(d);
	} while (++states < ODOMETER_LIMIT && w->counts->states < w->enough &&
		 sim_pick_next(&pick));
}

static void run_world(struct world *w)
{
	int lives;

	set_up(w);
	lives = w->small ? 3 : 1 + (int)sim_pick(&w->pick, 4);
	if (w->rule && lives < 2)
		lives = 2;
	w->counts->worlds++;
	for (w->life = 0; w->life < lives; w->life++) {
		w->method = method_of(w);
		alarm_step();
		live(w);
		for (int i = 0; i < w->points &&
		     w->counts->states < w->enough; i++) {
			if (!w->small) {
				judge_drawn(w, &w->point[i]);
				continue;
			}
			judge_all(w, &w->point[i], false);
			judge_all(w, &w->point[i], true);
		}
		alarm_step();
		next_life(w, last_point(w), w->rule ? sim_pick(&w->pick, 2) :
			  !sim_pick(&w->pick, 3));
		points_free(w);
	}
	sim_disk_free(w->disk);
	w->disk = NULL;
}

/* 0, or 1 with w->violation. */
static int try_world(struct world *w)
{
	if (setjmp(w->stop))
		return 1;
	run_world(w);
	return 0;
}

/* ------------------------------------------------------------------------
 * Many worlds
 */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct world *world_new(const struct options *o, struct counts *counts)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->point = calloc(MAX_POINTS, sizeof(*w->point));
	w->images = calloc(1, sizeof(*w->images));
	w->verdicts = calloc(1, sizeof(*w->verdicts));
	if (!w->point || !w->images || !w->verdicts)
		abort();
	w->rule = o->rule;
	w->verbose = o->verbose;
	w->always_raw = o->raw;
	w->always_loop = o->loop;
	/* A world that is replayed is replayed to its end. */
	w->enough = o->one || o->emit ? UINT64_MAX :
		    (o->states + (uint64_t)o->jobs - 1) / (uint64_t)o->jobs;
	w->counts = counts;
	return w;
}

static void world_free(struct world *w)
{
	seen_free(w->images);
	seen_free(w->verdicts);
	free(w->images);
	free(w->verdicts);
	free(w->point);
	free(w);
}

/* Ready for the next world: everything that belongs to one is zero. */
static void world_reset(struct world *w, uint64_t seed)
{
	sim_disk_free(w->disk);
	w->disk = NULL;
	points_free(w);
	w->seed = seed;
	w->small = !w->rule && seed % 64 == 5;
	w->created = false;
	w->acked = w->appended = 0;
	w->trim = (struct trim){ 0 };
	w->raw = w->tight = false;
	w->untorn = 0;
	*w->violation = 0;
}

static void how_again(const struct options *o, uint64_t seed,
		      char line[AGAIN_LEN])
{
	(void)snprintf(line, AGAIN_LEN, "again: tests/sim/crash%s%s%s%s "
		       "--replay %llu --verbose\n",
		       o->rule ? " --break " : "", o->rule ? o->rule->name : "",
		       o->raw ? " --raw" : "", o->loop ? " --loop" : "",
		       (unsigned long long)seed);
}

static void tell(const struct options *o, const struct world *w)
{
	char again[AGAIN_LEN];

	how_again(o, w->seed, again);
	fprintf(stderr, "world %llu, life %d: %s\n%s",
		(unsigned long long)w->seed, w->life, w->violation, again);
}

/* Worlds until the share of states is judged or time is up; the status. */
static int work(const struct options *o, int job, struct counts *counts)
{
	struct world *w = world_new(o, counts);
	double until = now() + o->seconds;
	uint64_t seed = o->one ? o->replay : o->seed + (uint64_t)job;
	char again[AGAIN_LEN];
	int ret = 0;

	if (o->emit) {
		w->emit = emit_open(o->emit, (uint32_t)o->states, o->falsify);
		if (!w->emit) {
			perror(o->emit);
			world_free(w);
			return 2;
		}
	}
	do {
		world_reset(w, seed);
		how_again(o, seed, again);
		alarm_world(seed, again);
		ret = try_world(w);
		if (ret)
			break;
		seed += (uint64_t)o->jobs;
		/* The seeds of two worlds never meet in one image. */
		seen_free(w->verdicts);
	} while (!o->one && now() < until &&
		 (w->emit ? !emit_full(w->emit) : counts->states < w->enough));
	if (ret && !o->rule)
		tell(o, w);
	else if (ret)
		printf("%s: world %llu, life %d: %s\n", o->rule->name,
		       (unsigned long long)w->seed, w->life, w->violation);
	fflush(stdout);
	if (w->emit && emit_close(w->emit) < 0) {
		perror(o->emit);
		ret = 2;
	}
	alarm_world(0, "");
	world_reset(w, 0);
	world_free(w);
	return ret;
}

static void add(struct counts *sum, const struct counts *c)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)c;

	for (size_t i = 0; i < sizeof(*c) / sizeof(*to); i++)
		to[i] += from[i];
}

static int run(const struct options *o, struct counts *sum)
{
	struct counts *counts;
	pid_t child[MAX_JOBS];
	int status, ret = 0;

	counts = mmap(NULL, sizeof(*counts) * MAX_JOBS, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		abort();
	for (int i = 1; i < o->jobs; i++) {
		fflush(NULL);
		child[i] = fork();
		if (child[i] < 0)
			abort();
		/* What a violation leaves behind is nobody's leak. */
		if (!child[i])
			_exit(work(o, i, &counts[i]));
	}
	ret = work(o, 0, &counts[0]);
	for (int i = 1; i < o->jobs; i++) {
		if (waitpid(child[i], &status, 0) < 0 || !WIFEXITED(status)) {
			fprintf(stderr, "crash: a worker died\n");
			ret = 2;
		} else if (WEXITSTATUS(status) > ret) {
			ret = WEXITSTATUS(status);
		}
	}
	for (int i = 0; i < o->jobs; i++)
		add(sum, &counts[i]);
	munmap(counts, sizeof(*counts) * MAX_JOBS);
	return ret;
}

static void report(const struct options *o, const struct counts *c,
		   double seconds)
{
	printf("seed %llu: %llu distinct crash states in %.1f s\n",
	       (unsigned long long)o->seed, (unsigned long long)c->states,
	       seconds);
	printf("  %llu of them on a block device, %llu of an event loop\n",
	       (unsigned long long)c->raw, (unsigned long long)c->loop);
	printf("  %llu worlds, %llu lives, %llu points, %llu judged "
	       "(%llu exhaustively), %llu opened again, %llu verified, "
	       "%llu read beside the writer, %llu followed\n",
	       (unsigned long long)c->worlds, (unsigned long long)c->lives,
	       (unsigned long long)c->points, (unsigned long long)c->judged,
	       (unsigned long long)c->exhaustive,
	       (unsigned long long)c->opened,
	       (unsigned long long)c->verified,
	       (unsigned long long)c->live,
	       (unsigned long long)c->followed);
	printf("  %llu power cuts, %llu kills, %llu failed writes or flushes, "
	       "%llu groups\n",
	       (unsigned long long)c->cuts, (unsigned long long)c->kills,
	       (unsigned long long)c->faults,
	       (unsigned long long)c->groups);
	printf("  %llu records filled in place, or begun so; %llu of them too "
	       "late\n", (unsigned long long)c->reserved,
	       (unsigned long long)c->late);
	printf("  %llu operations of a ring completed, %llu in part, %llu were "
	       "not taken, %llu began beside others\n",
	       (unsigned long long)c->completed,
	       (unsigned long long)c->shorts, (unsigned long long)c->undone,
	       (unsigned long long)c->beside);
	printf("  %llu pages of figures were left whole, %llu torn\n",
	       (unsigned long long)c->pages,
	       (unsigned long long)c->torn_pages);
	printf("  %llu damaged: %llu reported, %llu harmless, %llu tails\n",
	       (unsigned long long)c->damages,
	       (unsigned long long)c->reported,
	       (unsigned long long)c->harmless,
	       (unsigned long long)c->silent);
}

/* ------------------------------------------------------------------------ */

static const char usage_text[] =
"Usage: crash [OPTION]...\n"
"Cut the power at every step of a journal's life on a simulated disk.\n"
"\n"
"  --seed=N         first world (default 1)\n"
"  --states=N       distinct crash states to judge\n"
"  --jobs=N         processes (default 2)\n"
"  --seconds=N      stop after so many seconds\n"
"  --replay=SEED    this world only\n"
"  --raw            every world on a block device\n"
"  --loop           every life with the loop as driver\n"
"  --break=NAME     switch a rule off; succeeds if that shows\n"
"  --list           the names --break takes\n"
"  --emit=FILE      write so many images (--states) for the model\n"
"  --falsify        with --emit: make some answers wrong\n"
"  --verbose        say what happens\n"
"  --help           this text\n"
"\n"
"Exit status: 0 every property holds (with --break: one does not), 1 not so,\n"
"2 usage.\n";

enum { OPT_SEED = 256, OPT_STATES, OPT_JOBS, OPT_SECONDS, OPT_REPLAY,
       OPT_BREAK, OPT_LIST, OPT_EMIT, OPT_FALSIFY, OPT_VERBOSE, OPT_RAW,
       OPT_LOOP, OPT_HELP };

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "states", required_argument, NULL, OPT_STATES },
	{ "jobs", required_argument, NULL, OPT_JOBS },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "replay", required_argument, NULL, OPT_REPLAY },
	{ "raw", no_argument, NULL, OPT_RAW },
	{ "loop", no_argument, NULL, OPT_LOOP },
	{ "break", required_argument, NULL, OPT_BREAK },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "emit", required_argument, NULL, OPT_EMIT },
	{ "falsify", no_argument, NULL, OPT_FALSIFY },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void list_rules(void)
{
	const struct rule *r;

	for (int i = 0; (r = rule_at(i)); i++)
		printf("%-16s %s\n", r->name, r->what);
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || !*text || n > max) {
		fprintf(stderr, "crash: %s is not a number up to %llu\n", text,
			(unsigned long long)max);
		exit(2);
	}
	return n;
}

/* False if there is nothing left to do. */
static bool parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_SEED:
			o->seed = number(optarg, UINT64_MAX);
			break;
		case OPT_STATES:
			o->states = number(optarg, 1ull << 40);
			break;
		case OPT_JOBS:
			o->jobs = (int)number(optarg, MAX_JOBS);
			break;
		case OPT_SECONDS:
			o->seconds = (int)number(optarg, 1000000);
			break;
		case OPT_REPLAY:
			o->one = true;
			o->replay = number(optarg, UINT64_MAX);
			break;
		case OPT_BREAK:
			o->rule = rule_find(optarg);
			if (!o->rule) {
				fprintf(stderr, "crash: no rule %s (see "
					"--list)\n", optarg);
				exit(2);
			}
			break;
		case OPT_LIST:
			list_rules();
			return false;
		case OPT_EMIT:
			o->emit = optarg;
			break;
		case OPT_FALSIFY:
			o->falsify = true;
			break;
		case OPT_RAW:
			o->raw = true;
			break;
		case OPT_LOOP:
			o->loop = true;
			break;
		case OPT_VERBOSE:
			o->verbose = true;
			break;
		case OPT_HELP:
			fputs(usage_text, stdout);
			return false;
		default:
			fputs("Try 'crash --help'.\n", stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "crash: what is %s? Try 'crash --help'.\n",
			argv[optind]);
		exit(2);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = {
		.seed = 1, .states = DEFAULT_STATES, .jobs = 2,
		.seconds = 600,
	};
	struct counts counts = { 0 };
	double start = now();
	int ret;

	if (getenv("JOURNAL_TEST_VALGRIND")) {
		o.states = VALGRIND_STATES;
		o.jobs = 1;
	}
	if (!parse(argc, argv, &o))
		return 0;
	if (o.rule && !o.one) {
		o.states = UINT64_MAX;
		o.seconds = BREAK_SECONDS;
	}
	if (o.one || o.emit || o.rule || !o.jobs)
		o.jobs = 1;
	/* Who looks on sees it hang, and may take a debugger to it. */
	if (!o.verbose)
		alarm_init();
	ret = run(&o, &counts);
	if (!o.emit && !o.rule)
		report(&o, &counts, now() - start);
	fflush(stdout);
	if (o.rule && ret < 2) {
		if (!ret)
			fprintf(stderr, "crash: without %s nothing went wrong "
				"in %llu states\n", o.rule->name,
				(unsigned long long)counts.states);
		/* What the violation left behind is nobody's leak. */
		_exit(!ret);
	}
	return ret;
}
