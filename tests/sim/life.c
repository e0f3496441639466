/*
 * tests/sim/life.c - what a process does with the journal before it dies.
 *
 * Three drivers over the same engine: the caller (calls.c), the simulator
 * (engine.c) and an event loop (loop.c).
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/driver.h"
#include "journal/stats-file.h"
#include "tests/sim/life.h"

void add_point(struct world *w)
{
	struct point *p;

	if (w->points == MAX_POINTS)
		return;
	p = &w->point[w->points++];
	p->disk = sim_disk_clone(w->sim.disk);
	p->acked = w->acked;
	p->appended = w->appended;
	p->trim = w->trim;
	p->created = w->created;
	w->counts->points++;
}

static void on_step(void *arg)
{
	struct world *w = arg;

	add_point(w);
	scribble(w->process);
}

/*
 * The fsync of a file in the making fails, beside batches that are written and
 * not flushed yet; and that again after a while.
 */
static int on_making(struct world *w, enum sim_call call, const char *name)
{
	if (call != SIM_CALL_FLUSH || !strstr(name, ".tmp") || w->opening ||
	    !w->fail_after || --w->fail_after)
		return 0;
	w->failed = true;
	w->faults++;
	w->counts->faults++;
	w->fail_after = 1 + (int)sim_pick(&w->pick, 4);
	return -EIO;
}

/*
 * Calls that fail when their time has come.  One failed write or flush of a
 * batch is made up for by a new file; what fails besides may end the journal.
 */
int on_fault(void *arg, enum sim_call call, const char *name)
{
	struct world *w = arg;
	bool again = w->rule && w->rule->flush_fails, batch;

	/* Nothing rests on the figures. */
	if (!strcmp(name, JNL_STATS_NAME)) {
		if (call != SIM_CALL_WRITE || sim_pick(&w->pick, 32))
			return 0;
		w->unwatched = true;
		return -ENOSPC;
	}
	if (w->making)
		return on_making(w, call, name);
	if (call != SIM_CALL_FLUSH && call != SIM_CALL_WRITE &&
	    call != SIM_CALL_DIRSYNC)
		return 0;
	/* On a device nobody can tell what is not said to be a batch. */
	batch = call != SIM_CALL_DIRSYNC && !strstr(name, ".tmp") &&
		strcmp(name, SIM_DEVICE);
	/* The flush that is to be asked again is one of a batch. */
	if (again && (call != SIM_CALL_FLUSH || !batch))
		return 0;
	/* Mostly batches: there are more calls on files in the making. */
	if (w->harsh && !batch && sim_pick(&w->pick, 8))
		return 0;
	if (w->opening != w->fail_open || !w->fail_after || --w->fail_after)
		return 0;
	if (again || !batch || w->young || w->opening || w->faults)
		w->failed = true;
	w->faults++;
	w->counts->faults++;
	if (!again && (w->harsh || sim_pick(&w->pick, 2)))
		w->fail_after = 1 + (int)sim_pick(&w->pick, 30);
	return -EIO;
}

void points_free(struct world *w)
{
	for (int i = 0; i < w->points; i++)
		sim_disk_free(w->point[i].disk);
	w->points = 0;
}

/* What lies below lsn is a promise now. */
void acknowledge(struct world *w, uint64_t lsn)
{
	uint32_t n = records_below(w, lsn);

	if (n <= w->acked)
		return;
	w->acked = n;
	add_point(w);
}

/*
 * A step of the helper.  The broken driver that lets batches pass ready_end
 * has it fill from where it should have stopped.
 */
bool helper_step(struct world *w, struct process *p, bool idle)
{
	struct jnl_engine *e = &p->j->engine;
	bool done;

	/* Late, so that appends come up against ready_end. */
	if (w->young && e->ready_end != UINT64_MAX && !p->needed &&
	    e->frontier < e->ready_end && sim_pick(&w->pick, 64))
		return true;
	p->needed = false;
	pthread_mutex_lock(&p->j->lock);
	jnl_stats_file_look(p->j);
	pthread_mutex_unlock(&p->j->lock);
	if (!p->ready_end)
		return jnl_helper_step(p->j, idle);
	if (e->frontier < p->ready_end + SIM_BLOCK)
		return true;
	e->ready_end = p->ready_end;
	done = jnl_helper_step(p->j, false);
	p->ready_end = 0;
	if (e->ready_end != UINT64_MAX)
		violated(w, "the helper did not fill segment 0");
	return done;
}

enum driver { CALLER, SIMULATOR, LOOP };

static const char *const driver_name[] = { "caller", "simulator", "loop" };

static int open_journal(struct world *w, journal **ret_j, enum driver driver)
{
	struct journal_error error = { 0 };
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct jnl_choice choice;
	struct jnl_env env = {
		.sys = &w->sim.sys, .choice = &choice, .no_helper = true,
		.stats = w->stats,
	};
	int ret;

	choice_of(w, w->method, &choice);
	options.flags = JOURNAL_CREATE;
	options.segment_size = w->segment_size;
	options.record_max = w->record_max;
	options.queue_depth = 1 + sim_pick(&w->pick, w->depth);
	options.error = &error;
	if (driver == LOOP)
		options.driver = "loop";
	ring_use(w);
	w->opening = true;
	ret = jnl_open(ret_j, SIM_DIR, &options, &env);
	w->opening = false;
	/* A clock would make a seed's world another one each time. */
	if (!ret && driver == LOOP)
		(*ret_j)->committer->regroup = sim_pick(&w->pick, 2) ?
			JNL_REGROUP_ALWAYS : JNL_REGROUP_NEVER;
	/* Whatever a crash has left there is written anew. */
	if (!ret && w->stats && !w->raw && !w->unwatched &&
	    !(*ret_j)->stats_file)
		violated(w, "P6: the writer keeps no figures");
	if (ret < 0 && !w->failed && !is_full(w, ret))
		violated(w, "P3: open failed with %d, and nothing was wrong: "
			 "%s", ret, error.message);
	return ret;
}

/* What the open found is a promise from here on. */
static void believe(struct world *w, journal *j)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	uint32_t n;

	if (journal_info(j, &info) < 0)
		violated(w, "journal_info failed");
	n = records_below(w, info.recovered_lsn);
	if (n < w->acked)
		violated(w, "P1: open found %u records up to %llu, but %u "
			 "were acknowledged", n,
			 (unsigned long long)info.recovered_lsn, w->acked);
	if (w->life && n != w->appended)
		violated(w, "open found %u records, reading found %u", n,
			 w->appended);
	w->created = true;
	w->acked = w->appended = n;
	if (info.first_lsn < w->trim.durable || info.first_lsn > w->trim.asked)
		violated(w, "P5: open begins at %llu, and %llu to %llu was "
			 "given back", (unsigned long long)info.first_lsn,
			 (unsigned long long)w->trim.durable,
			 (unsigned long long)w->trim.asked);
	w->trim.durable = w->trim.asked = info.first_lsn;
	if (info.frontier < info.recovered_lsn)
		violated(w, "the frontier lies below what was recovered");
}

/* True if everything is durable. */
static bool close_clean(struct world *w, struct process *p)
{
	journal *j = p->j;
	int ret;

	land(w, p);
	p->j = NULL;
	w->process = NULL;
	ret = journal_close(j);
	check_error(w, "journal_close", ret);
	if (ret || w->failed)
		return false;
	w->acked = w->appended;
	add_point(w);
	return true;
}

static void run(struct world *w, struct process *p, enum driver driver)
{
	if (w->rule && w->rule->table)
		w->rule->table(w, &w->sim, false);
	believe(w, p->j);
	add_point(w);
	if (w->rule && w->rule->opens_only && w->life)
		return;
	if (driver == SIMULATOR)
		run_engine(w, p);
	else if (driver == LOOP)
		run_loop(w, p);
	else
		run_caller(w, p);
}

static enum driver driver_of(struct world *w)
{
	const struct rule *r = w->rule;
	unsigned int n = sim_pick(&w->pick, r ? 2 : 3);

	if (w->always_loop || (r && r->loop_only))
		return LOOP;
	if (r && (r->engine_only || r->caller_only))
		return r->engine_only ? SIMULATOR : CALLER;
	return (enum driver)n;
}

void live(struct world *w)
{
	enum driver driver = driver_of(w);
	bool clean;
	struct process p = { .whole = -1 };

	process(w, &w->sim, w->disk);
	w->sim.step = on_step;
	w->sim.fault = on_fault;
	w->sim.arg = w;
	w->failed = w->unwatched = false;
	w->faults = 0;
	w->fail_after = 0;
	if (w->rule && w->rule->flush_fails)
		w->fail_after = w->life ? 0 : 1 + (int)sim_pick(&w->pick, 10);
	else if (!w->small && !w->rule && !sim_pick(&w->pick, 4))
		w->fail_after = 1 + (int)sim_pick(&w->pick, 40);
	if (w->harsh && sim_pick(&w->pick, 4))
		w->fail_after = 1 + (int)sim_pick(&w->pick, 16);
	w->fail_open = w->fail_after && !w->rule && !sim_pick(&w->pick, 3);
	if (w->fail_open)
		w->fail_after = 1 + w->fail_after % 8;
	if (w->making)
		w->fail_after = 1 + (int)sim_pick(&w->pick, 3);
	p.buf = malloc(w->record_max + 1);
	p.limit = w->appended + (w->small ? 3 : w->harsh ? 24 : 60);
	if (!p.buf)
		abort();
	if (p.limit > MAX_RECORDS)
		p.limit = MAX_RECORDS;
	add_point(w);
	note(w, "life %d: %s, method %d, %u records, %u acknowledged", w->life,
	     driver_name[driver], w->method, w->appended, w->acked);
	w->loop = p.loop = driver == LOOP;
	p.bare = driver == SIMULATOR;
	w->process = &p;
	if (!open_journal(w, &p.j, driver))
		run(w, &p, driver);
	w->process = NULL;
	clean = p.j && !(w->rule && w->rule->opens_only) &&
		!sim_pick(&w->pick, 3);
	if (clean)
		clean = close_clean(w, &p);
	/* Nothing that is left to do may fail. */
	w->fail_after = 0;
	follow_end(w, &p, clean);
	abandon(&p);
	if (p.j) {
		w->sim.dead = true;
		jnl_engine_fail(&p.j->engine, -EIO);
		(void)journal_close(p.j);
	}
	if (sim_open_fds(&w->sim))
		violated(w, "%d descriptors are left open",
			 sim_open_fds(&w->sim));
	free(p.buf);
	w->counts->lives++;
	note(w, "  ends with %u records, %u acknowledged, %d points",
	     w->appended, w->acked, w->points);
}
