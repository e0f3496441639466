/*
 * tests/sim/calls.c - the public calls, as an application makes them, and what
 * each of them promises from then on; and the caller as driver.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tests/sim/life.h"

/* No slot is left on a device that is small: no failure. */
bool is_full(const struct world *w, int ret)
{
	return w->tight && ret == -ENOSPC;
}

void check_error(struct world *w, const char *call, int ret)
{
	if (ret < 0 && !w->failed && !is_full(w, ret))
		violated(w, "P3: %s failed with %d, and nothing was wrong",
			 call, ret);
}

bool is_refused(const struct world *w, struct process *p, int ret, bool waits)
{
	if (p->j->engine.error)
		return false;
	if (p->loop && !waits && ret == -EAGAIN) {
		p->needed = true;
		return true;
	}
	return is_full(w, ret);
}

bool append(struct world *w, struct process *p, bool commit)
{
	uint32_t n = w->appended;
	struct iovec iov[2];
	uint32_t len = record_len(w, n);
	uint64_t lsn;
	int ret;

	if (n >= p->limit)
		return true;
	record_fill(w, n, p->buf);
	iov[0] = (struct iovec){ p->buf, len / 2 };
	iov[1] = (struct iovec){ p->buf + len / 2, len - len / 2 };
	w->lsn[n] = LSN_UNKNOWN;
	w->joined[n] = false;
	w->appended++;
	ret = (commit ? journal_commit : journal_append)(p->j, iov, 2, &lsn);
	if (is_refused(w, p, ret, commit)) {
		w->appended--;
		return true;
	}
	check_error(w, commit ? "journal_commit" : "journal_append", ret);
	/* A commit that fails may have appended all the same. */
	if (ret < 0)
		return false;
	w->lsn[n] = lsn;
	if (commit)
		acknowledge(w, lsn + 1);
	return true;
}

/* Two or three records that are there together or not at all. */
bool append_group(struct world *w, struct process *p)
{
	uint32_t first = w->appended, n = 2 + sim_pick(&w->pick, 2), at = 0;
	struct iovec iov[3];
	uint64_t lsn[3];
	int ret;

	if (first + n > p->limit)
		return true;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = record_len(w, first + i);

		/* The buffer holds one record of the largest size, and so
		 * does a batch: what does not fit is no group. */
		if (at + jnl_record_size(len) > w->record_max)
			return append(w, p, false);
		record_fill(w, first + i, p->buf + at);
		iov[i] = (struct iovec){ p->buf + at, len };
		at += (uint32_t)jnl_record_size(len);
	}
	for (uint32_t i = 0; i < n; i++) {
		w->lsn[first + i] = LSN_UNKNOWN;
		w->joined[first + i] = i;
	}
	w->appended += n;
	if (w->rule && w->rule->group_split)
		for (uint32_t i = ret = 0; i < n && !ret; i++)
			ret = journal_commit(p->j, &iov[i], 1, &lsn[i]);
	else
		ret = journal_append_group(p->j, iov, (int)n, lsn);
	if (is_refused(w, p, ret, !p->loop)) {
		w->appended = first;
		return true;
	}
	check_error(w, "journal_append_group", ret);
	if (ret < 0)
		return false;
	memcpy(w->lsn + first, lsn, n * sizeof(*lsn));
	w->counts->groups++;
	return true;
}

bool sync_some(struct world *w, struct process *p)
{
	uint32_t n;
	int ret;

	if (w->acked == w->appended)
		return true;
	n = w->acked + sim_pick(&w->pick, w->appended - w->acked);
	if (w->lsn[n] == LSN_UNKNOWN)
		return true;
	ret = journal_sync(p->j, w->lsn[n]);
	check_error(w, "journal_sync", ret);
	if (ret < 0)
		return false;
	acknowledge(w, w->lsn[n] + 1);
	return true;
}

static void look_at_frontier(struct world *w, struct process *p)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	if (!journal_info(p->j, &info))
		acknowledge(w, info.frontier);
}

/* Give back what lies below some place that is durable. */
void give_back(struct world *w, struct process *p)
{
	struct jnl_engine *e = &p->j->engine;
	uint64_t lsn = e->frontier;
	int ret;

	switch (sim_pick(&w->pick, 3)) {
	case 0:
		lsn -= sim_random(&w->pick) % (lsn - e->trim + 1);
		break;
	case 1:
		if (w->acked)
			lsn = w->lsn[sim_pick(&w->pick, w->acked)];
		break;
	}
	if (lsn > w->trim.asked)
		w->trim.asked = lsn;
	ret = journal_trim(p->j, lsn);
	check_error(w, "journal_trim", ret);
	if (w->rule && w->rule->trim_early)
		e->trim_durable = e->trim;
}

void look_at_trim(struct world *w, struct process *p)
{
	uint64_t durable = p->j->engine.trim_durable;

	if (w->rule && w->rule->trim_early)
		return;
	if (durable < w->trim.durable || durable > w->trim.asked)
		violated(w, "P5: given back durably to %llu, before to %llu, "
			 "asked to %llu", (unsigned long long)durable,
			 (unsigned long long)w->trim.durable,
			 (unsigned long long)w->trim.asked);
	if (durable == w->trim.durable)
		return;
	w->trim.durable = durable;
	add_point(w);
}

/* Another process reads beside the writer: durable records, no others. */
void read_live(struct world *w)
{
	uint32_t n;
	int ret = read_process(w, &w->sim, &n, NULL);

	if (ret < 0)
		violated(w, "P3: reading beside the writer failed with %d",
			 ret);
	if (n > w->acked)
		violated(w, "reading beside the writer gave %u records, %u "
			 "are durable", n, w->acked);
	w->counts->live++;
}

/*
 * Somebody moves the blocks of the newest segment while nothing is in it.  And
 * a broken driver takes every segment for settled.
 */
void meddle(struct world *w, struct process *p)
{
	struct jnl_engine *e = &p->j->engine;
	uint64_t newest = e->segments - 1;
	char name[JNL_SEGMENT_NAME_LEN];

	if (w->moves && !w->raw && !sim_pick(&w->pick, 6) &&
	    newest > jnl_engine_end(e) / w->segment_size) {
		jnl_segment_name(name, newest);
		sim_move(w->sim.disk, sim_lookup(w->sim.disk, name));
	}
	for (size_t i = 0; w->rule && w->rule->settle_early &&
	     i < p->j->nfiles; i++)
		p->j->files[i].settled = true;
}

void run_caller(struct world *w, struct process *p)
{
	int steps = w->small ? 5 : 10 + (int)sim_pick(&w->pick, 70);
	bool well = true;

	while (well && steps--) {
		switch (sim_pick(&w->pick, 8)) {
		case 0: case 1:
			well = append(w, p, false);
			break;
		case 2:
			well = append_group(w, p);
			break;
		case 3: case 4:
			well = append(w, p, true);
			break;
		case 5:
			well = sync_some(w, p);
			break;
		case 6:
			helper_step(w, p, false);
			break;
		case 7:
			helper_step(w, p, true);
			break;
		}
		well = well && fill_some(w, p);
		look_at_frontier(w, p);
		meddle(w, p);
		if (w->trims && !sim_pick(&w->pick, 5))
			give_back(w, p);
		look_at_trim(w, p);
		if (!w->rule && !sim_pick(&w->pick, 12))
			read_live(w);
		if (!w->rule && well && !sim_pick(&w->pick, 6))
			follow(w, p);
	}
}
