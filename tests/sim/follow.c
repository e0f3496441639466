/*
 * tests/sim/follow.c - another process that waits at the end of the journal.
 *
 * It begins at some moment of a life, looks now and then, and goes on by the
 * LSN after a restart: each record once, in order, none that is not durable,
 * and none missing but where it was told of a trim.  After an orderly end it
 * has them all.  It changes nothing, so it makes no crash states of its own.
 */
#include "config.h"

#include <errno.h>

#include "journal/reader.h"
#include "tests/sim/life.h"

static void fails(struct world *w, const struct journal_error *error, int ret)
{
	violated(w, "P3: following failed with %d: %s", ret,
		 error->code ? error->message : "");
}

/* What it has not seen was given back: go on at lsn. */
static void overtaken(struct world *w, struct process *p, uint64_t lsn)
{
	uint32_t n = records_below(w, lsn);

	if (lsn > w->trim.asked || n < p->seen)
		violated(w, "P5: the follower has %u records, and is told to "
			 "go on at %llu; asked to be given back is what lies "
			 "below %llu", p->seen, (unsigned long long)lsn,
			 (unsigned long long)w->trim.asked);
	p->seen = n;
}

/* Behind what was seen, or at the beginning. */
static void begin_at(struct world *w, struct process *p, uint64_t lsn)
{
	struct jnl_env env = { .sys = &w->sim.sys };
	struct journal_error error = { 0 };
	int ret;

	ret = jnl_reader_open(&p->follower, SIM_DIR, lsn, &error, &env);
	if (ret == -ERANGE && error.lsn > lsn) {
		overtaken(w, p, error.lsn);
		ret = jnl_reader_open(&p->follower, SIM_DIR, error.lsn, &error,
				      &env);
	}
	if (ret < 0)
		fails(w, &error, ret);
	if (!lsn)
		p->seen = records_below(w, p->follower->at.rec.first);
}

static void see(struct world *w, struct process *p,
		const struct journal_record *record, uint64_t frontier)
{
	uint32_t n = p->seen++;

	if (record->lsn >= frontier)
		violated(w, "P1: the follower has the record at %llu, and "
			 "durable is what lies below %llu",
			 (unsigned long long)record->lsn,
			 (unsigned long long)frontier);
	if (n >= w->appended || !record_good(w, n, record->data, record->len) ||
	    (w->lsn[n] != LSN_UNKNOWN && w->lsn[n] != record->lsn))
		violated(w, "P2: what the follower has at %llu is not record "
			 "%u of %u", (unsigned long long)record->lsn, n,
			 w->appended);
	p->seen_lsn = record->lsn;
}

/* Everything there is. */
static void look(struct world *w, struct process *p, uint64_t frontier)
{
	struct journal_record record;
	journal_reader *r = p->follower;
	int ret;

	do {
		ret = journal_reader_next(r, &record);
		if (ret == 1)
			see(w, p, &record, frontier);
		else if (!ret)
			ret = jnl_tail_look(r);
		if (ret == -ERANGE) {
			overtaken(w, p, journal_reader_error(r)->lsn);
			ret = journal_reader_seek(r,
						  journal_reader_error(r)->lsn);
			/* again, while it was on its way */
			ret = ret && ret != -ERANGE ? ret : 1;
		}
	} while (ret == 1);
	if (ret < 0)
		fails(w, journal_reader_error(r), ret);
	w->counts->followed++;
}

void follow(struct world *w, struct process *p)
{
	if (p->follower && !sim_pick(&w->pick, 8)) {
		journal_reader_close(p->follower);
		p->follower = NULL;
		begin_at(w, p, p->seen_lsn ? p->seen_lsn + 1 : 0);
	} else if (!p->follower) {
		begin_at(w, p, 0);
	}
	look(w, p, p->j->engine.frontier);
}

void follow_end(struct world *w, struct process *p, bool clean)
{
	if (!p->follower)
		return;
	if (clean) {
		look(w, p, UINT64_MAX);
		if (p->seen != w->appended)
			violated(w, "P1: the follower has %u of %u records at "
				 "the end", p->seen, w->appended);
	}
	journal_reader_close(p->follower);
	p->follower = NULL;
}
