/*
 * tests/sim/fill.c - records that are filled in place, while others commit.
 *
 * A reservation is no record: nothing of it is ever read back.  Published in
 * time it becomes one between those that are there; late, behind them.  Until
 * then its owner writes to it, whenever it may hurt.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "journal/format.h"
#include "journal/reserve.h"
#include "tests/sim/life.h"

/* Where the number is that the record of a reservation will have. */
static uint32_t *number_of(struct world *w, int i)
{
	return &w->what[MAX_RECORDS - 1 - i];
}

static void reserve(struct world *w, struct process *p, int i)
{
	uint32_t most = w->record_max, len = record_len(w, MAX_RECORDS - 1 - i);
	struct journal_reservation *r = &p->open[i];
	struct jnl_reserved *in;
	int ret;

	if (sim_pick(&w->pick, 2))
		len += sim_pick(&w->pick, most - len + 1);
	if (p->bare) {
		ret = jnl_reserve(&p->j->engine, len, &in);
		if (!ret)
			*r = (struct journal_reservation){
				.data = in->data, .len = len, .id = in->id,
			};
	} else {
		ret = journal_reserve(p->j, len, r);
	}
	if (is_refused(w, p, ret, !p->loop) ||
	    (p->bare && (ret == -EAGAIN || ret == -EBUSY)))
		return;
	check_error(w, "journal_reserve", ret);
	if (!ret)
		w->counts->reserved++;
}

/* Its number becomes that of the record at n. */
static void put_in(struct world *w, int i, uint32_t n, uint64_t lsn)
{
	uint32_t number = *number_of(w, i), after = w->appended - n;

	*number_of(w, i) = w->what[w->appended];
	memmove(w->what + n + 1, w->what + n, after * sizeof(*w->what));
	memmove(w->lsn + n + 1, w->lsn + n, after * sizeof(*w->lsn));
	memmove(w->joined + n + 1, w->joined + n, after * sizeof(*w->joined));
	w->what[n] = number;
	w->lsn[n] = lsn;
	w->joined[n] = false;
	w->appended++;
}

/* The record at n was not appended. */
static void take_out(struct world *w, int i, uint32_t n)
{
	uint32_t number = w->what[n], after = --w->appended - n;

	memmove(w->what + n, w->what + n + 1, after * sizeof(*w->what));
	memmove(w->lsn + n, w->lsn + n + 1, after * sizeof(*w->lsn));
	memmove(w->joined + n, w->joined + n + 1, after * sizeof(*w->joined));
	w->what[w->appended] = *number_of(w, i);
	*number_of(w, i) = number;
}

static int call_publish(struct process *p, int i, uint32_t len, uint64_t *lsn)
{
	struct journal_reservation *r = &p->open[i];
	struct jnl_engine *e = &p->j->engine;
	int ret;

	if (!p->bare)
		return journal_publish(p->j, r, len, lsn);
	ret = jnl_reserve_publish(e, jnl_reserve_find(e, r->id), len, lsn);
	if (!ret)
		memset(r, 0, sizeof(*r));
	return ret;
}

static bool publish(struct world *w, struct process *p, int i)
{
	uint32_t len = record_len(w, MAX_RECORDS - 1 - i), n = w->appended;
	struct jnl_reserved *r = jnl_reserve_find(&p->j->engine, p->open[i].id);
	uint8_t *data = p->open[i].data;
	bool late = !r->batch;
	uint64_t lsn = LSN_UNKNOWN;
	int ret;

	record_fill(w, MAX_RECORDS - 1 - i, data);
	if (!late) {
		lsn = r->batch->lsn + r->offset;
		n = records_below(w, lsn);
	}
	if (n < w->acked)
		violated(w, "a record is to be published at %llu, and %u "
			 "records are acknowledged, up to %llu",
			 (unsigned long long)lsn, w->acked,
			 (unsigned long long)w->lsn[w->acked - 1]);
	/* Whatever happens meanwhile may leave it on the disk: a late one is
	 * an append, and a loop hands out the batch of one in time. */
	put_in(w, i, n, lsn);
	p->whole = i;
	ret = call_publish(p, i, len, &lsn);
	p->whole = -1;
	if (late && (is_refused(w, p, ret, !p->loop) ||
		     (p->bare && (ret == -EAGAIN || ret == -EBUSY)))) {
		take_out(w, i, n);
		return true;
	}
	check_error(w, "journal_publish", ret);
	if (ret < 0) {
		take_out(w, i, n);
		return false;
	}
	w->counts->late += late;
	w->lsn[n] = lsn;
	return true;
}

static void give_up(struct process *p, int i)
{
	struct journal_reservation *r = &p->open[i];
	struct jnl_engine *e = &p->j->engine;

	if (p->bare)
		jnl_reserve_abandon(e, jnl_reserve_find(e, r->id));
	else
		(void)journal_abandon(p->j, r);
	memset(r, 0, sizeof(*r));
}

void scribble(struct process *p)
{
	for (int i = 0; p && i < FILLERS; i++) {
		struct journal_reservation *r = &p->open[i];

		if (r->id && i != p->whole)
			memset(r->data, ++p->letter, r->len);
	}
}

bool fill_some(struct world *w, struct process *p)
{
	int i = (int)sim_pick(&w->pick, FILLERS);
	uint32_t records = w->appended;

	for (int k = 0; k < FILLERS; k++)
		records += p->open[k].id != 0;
	if (!w->fills || sim_pick(&w->pick, 4))
		return true;
	if (p->open[i].id) {
		if (!sim_pick(&w->pick, 4))
			give_up(p, i);
		else
			return publish(w, p, i);
	} else if (records < p->limit && p->limit < MAX_RECORDS - FILLERS) {
		reserve(w, p, i);
	}
	scribble(p);
	return true;
}
