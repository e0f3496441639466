/*
 * journal/fill.c - filling records in place: the calls.
 *
 * What they rest on is in journal/reserve.h.  A handle is an id that is looked
 * up under the lock: one that has ended is refused, whatever was in it.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "journal/core.h"
#include "journal/reserve.h"

static_assert(JOURNAL_RESERVATIONS_MAX == JNL_RESERVED_MAX, "journal.h");

static int usable(const journal *j)
{
	if (!j->alive[0])
		return -EOWNERDEAD;
	return j->read_only ? -EROFS : 0;
}

struct reserving {
	size_t len;
	struct jnl_reserved *r;
};

static int reserve_step(struct jnl_engine *e, void *arg)
{
	struct reserving *s = arg;

	return jnl_reserve(e, s->len, &s->r);
}

int journal_reserve(journal *j, size_t len,
		    struct journal_reservation *ret_reservation)
{
	struct reserving s = { .len = len };
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = jnl_enter(j);
	ret = jnl_put_through(j, reserve_step, &s);
	if (!ret) {
		ret_reservation->data = s.r->data;
		ret_reservation->len = len;
		ret_reservation->id = s.r->id;
	}
	jnl_pass_on(j);
	jnl_cancel_restore(state);
	return ret;
}

struct publishing {
	uint64_t id;
	size_t used;
	uint64_t lsn;
};

/* Looked up at each try: while it waits for room the lock is given up. */
static int publish_step(struct jnl_engine *e, void *arg)
{
	struct publishing *s = arg;
	struct jnl_reserved *r = jnl_reserve_find(e, s->id);

	if (!r || s->used > r->len)
		return -EINVAL;
	return jnl_reserve_publish(e, r, s->used, &s->lsn);
}

int journal_publish(journal *j, struct journal_reservation *reservation,
		    size_t used, uint64_t *ret_lsn)
{
	struct publishing s = { .id = reservation->id, .used = used };
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = jnl_enter(j);
	ret = jnl_put_through(j, publish_step, &s);
	jnl_pass_on(j);
	jnl_cancel_restore(state);
	if (ret < 0)
		return ret;
	memset(reservation, 0, sizeof(*reservation));
	if (ret_lsn)
		*ret_lsn = s.lsn;
	return 0;
}

int journal_abandon(journal *j, struct journal_reservation *reservation)
{
	struct jnl_reserved *r;
	int ret, state;

	ret = usable(j);
	if (ret < 0)
		return ret;
	state = jnl_enter(j);
	r = jnl_reserve_find(&j->engine, reservation->id);
	if (r)
		jnl_reserve_abandon(&j->engine, r);
	jnl_leave(j, state);
	if (!r)
		return -EINVAL;
	memset(reservation, 0, sizeof(*reservation));
	return 0;
}
