/*
 * tests/sim/loop.c - an event loop as driver.
 *
 * journal/loop.c as it is, on the ring of ring.c.  There are no threads: the
 * steps of the library's two are taken here, and so are those of the kernel,
 * between the application's calls.  What journal_durable() tells is what is
 * acknowledged, and nothing else (but what journal_commit() and journal_sync()
 * have waited for).
 *
 * Beside the properties of crash.h: what there is to learn, the eventfd has
 * rung for.
 */
#include "config.h"

#include <poll.h>

#include "tests/sim/life.h"

static bool has_rung(const struct process *p)
{
	struct pollfd fd = {
		.fd = journal_eventfd(p->j), .events = POLLIN,
	};

	return poll(&fd, 1, 0) == 1;
}

/* What is durable now.  False when the journal has ended. */
static bool ask(struct world *w, struct process *p)
{
	uint64_t completed = w->counts->completed, frontier = 0;
	bool rung = has_rung(p);
	int ret = journal_durable(p->j, &frontier);

	check_error(w, "journal_durable", ret);
	/* What completes during the call rings for the next one. */
	rung |= w->counts->completed != completed;
	if (!rung && (ret < 0 || frontier > p->told))
		violated(w, "the eventfd was silent, and journal_durable gives "
			 "%d and %llu, after %llu", ret,
			 (unsigned long long)frontier,
			 (unsigned long long)p->told);
	if (ret < 0)
		return false;
	if (frontier < p->told)
		violated(w, "journal_durable gives %llu, after %llu",
			 (unsigned long long)frontier,
			 (unsigned long long)p->told);
	p->told = frontier;
	/* Whoever was refused may try again, and has been told so. */
	p->needed = false;
	acknowledge(w, frontier);
	if (w->rule && w->rule->told_early)
		acknowledge(w, jnl_engine_end(&p->j->engine));
	return true;
}

static bool submit(struct world *w, struct process *p)
{
	int ret = journal_submit(p->j);

	check_error(w, "journal_submit", ret);
	return ret >= 0;
}

/* Everything that is under way ends, and the library's threads do all they
 * want to. */
static bool calm_down(struct world *w, struct process *p)
{
	bool well;

	do {
		well = submit(w, p);
	} while (well && (ring_complete() || jnl_loop_step(p->j) ||
			  jnl_helper_step(p->j, false)));
	return well;
}

/*
 * An append was refused.  Once all is calm there is room for it, and that was
 * rung for: in the queue, then in a segment that nobody knew was needed.
 */
static bool wait_for_room(struct world *w, struct process *p)
{
	bool well = true;

	for (int refused = 0; well && p->needed; refused++) {
		well = calm_down(w, p);
		p->needed = false;
		if (!well || w->failed || w->tight)
			return well;
		if (!has_rung(p))
			violated(w, "an append was refused, and nobody rings "
				 "when there is room");
		if (refused == 3)
			violated(w, "an append waits for what nobody does");
		well = append(w, p, false);
	}
	return well;
}

static bool application(struct world *w, struct process *p)
{
	switch (sim_pick(&w->pick, 24)) {
	case 0: case 1: case 2:
		return append_group(w, p);
	case 3: case 4: case 5: case 6: case 7:
		return submit(w, p);
	case 8: case 9: case 10: case 11:
		return ask(w, p);
	case 12:
		return append(w, p, true);
	case 13:
		return sync_some(w, p);
	default:
		return append(w, p, false);
	}
}

/* The kernel, and the library's threads. */
static void others(struct world *w, struct process *p)
{
	switch (sim_pick(&w->pick, 8)) {
	case 0:
		(void)helper_step(w, p, false);
		break;
	case 1:
		(void)helper_step(w, p, !sim_pick(&w->pick, 2));
		break;
	case 2: case 3:
		(void)jnl_loop_step(p->j);
		break;
	default:
		(void)ring_complete();
		break;
	}
}

void run_loop(struct world *w, struct process *p)
{
	int steps = w->small ? 12 : 30 + (int)sim_pick(&w->pick, 170);
	struct jnl_engine *e = &p->j->engine;
	bool well = true;

	p->told = e->frontier;
	while (well && steps--) {
		if (sim_pick(&w->pick, 2))
			others(w, p);
		else
			well = application(w, p) && fill_some(w, p);
		if (well && p->needed && sim_pick(&w->pick, 2))
			well = wait_for_room(w, p);
		meddle(w, p);
		if (well && w->trims && !sim_pick(&w->pick, 12) && !e->error)
			give_back(w, p);
		look_at_trim(w, p);
		if (e->unacked > e->cfg.queue_depth)
			violated(w, "%u batches above the frontier, and the "
				 "queue is %u deep", e->unacked,
				 e->cfg.queue_depth);
		/* What others can read has to be known here as well. */
		if (well && !w->rule && !sim_pick(&w->pick, 24)) {
			well = ask(w, p);
			if (well)
				read_live(w);
		}
		if (well && !w->rule && !sim_pick(&w->pick, 12))
			follow(w, p);
	}
	if (e->error && !has_rung(p))
		violated(w, "the journal has ended, and nobody rang");
}
