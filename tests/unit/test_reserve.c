/*
 * Reservations in the commit engine, driven by hand.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "journal/format.h"
#include "journal/reserve.h"
#include "tests/lib/suite.h"

#define SEED 42u
#define BLOCK 4096u
#define SEGMENT 65536u
#define FIRST (2 * BLOCK + JNL_BATCH_HEADER)	/* the first record's LSN */

static struct jnl_engine e;

static void start(uint32_t depth, uint64_t segments)
{
	struct jnl_engine_config cfg = {
		.segment_size = SEGMENT, .block_size = BLOCK,
		.record_max = 3 * BLOCK, .queue_depth = depth, .seed = SEED,
		.dsync = true,
	};

	ck_assert_int_eq(jnl_engine_init(&e, &cfg), 0);
	/* Behind an open batch in the first block. */
	jnl_engine_start(&e, 2 * BLOCK, 77, 0, segments, UINT64_MAX);
}

static uint64_t add(char letter, size_t len)
{
	char payload[4 * BLOCK];
	struct iovec iov = { .iov_base = payload, .iov_len = len };
	uint64_t lsn;

	memset(payload, letter, len);
	ck_assert_int_eq(jnl_engine_append(&e, &iov, 1, len, &lsn), 0);
	return lsn;
}

/* A reservation, filled with a letter. */
static struct jnl_reserved *reserve(char letter, size_t len)
{
	struct jnl_reserved *r;

	ck_assert_int_eq(jnl_reserve(&e, len, &r), 0);
	ck_assert_uint_eq(r->len, len);
	ck_assert_uint_eq((uintptr_t)r->data % 8, 0);
	memset(r->data, letter, len);
	return r;
}

static uint64_t publish(struct jnl_reserved *r, uint64_t used)
{
	uint64_t lsn;

	ck_assert_int_eq(jnl_reserve_publish(&e, r, used, &lsn), 0);
	return lsn;
}

static struct jnl_action next(enum jnl_action_kind kind)
{
	struct jnl_action act;

	jnl_engine_next(&e, &act);
	ck_assert_int_eq(act.kind, kind);
	return act;
}

/*
 * The write comes next, and holds these records: a letter and a length for
 * each, at the LSNs.  It is sound to the byte.
 */
static struct jnl_action written(const char *letters, const size_t *lens,
				 const uint64_t *lsns)
{
	struct jnl_action act = next(JNL_ACT_WRITE);
	uint32_t n = (uint32_t)strlen(letters), offset = 0, len;
	const uint8_t *image = act.batch->image, *body = image + 64, *data;
	struct jnl_batch_header h;

	ck_assert(jnl_batch_decode(image, SEED, &h));
	ck_assert(jnl_batch_sane(&h, BLOCK, SEGMENT));
	ck_assert(jnl_batch_body_good(image, &h, BLOCK, SEED));
	ck_assert_uint_eq(h.count, n);
	ck_assert(jnl_records_good(body, h.body_len, n, &h.each));
	for (uint32_t i = 0; i < n; i++) {
		ck_assert(jnl_record_next(body, h.body_len, &offset, &data,
					  &len));
		ck_assert_uint_eq(len, lens[i]);
		ck_assert_uint_eq(h.lsn + 64 + jnl_record_offset(body, data),
				  lsns[i]);
		for (uint32_t k = 0; k < len; k++)
			ck_assert_int_eq(data[k], letters[i]);
	}
	return act;
}

static void done(struct jnl_action act)
{
	jnl_engine_done(&e, &act, 0);
}

/* Whatever is still open. */
static void end(void)
{
	jnl_engine_fini(&e);
	ck_assert_ptr_eq(e.reservations, NULL);
}

#define LENS(...)	((const size_t[]){ __VA_ARGS__ })
#define LSNS(...)	((const uint64_t[]){ __VA_ARGS__ })

START_TEST(a_record_that_is_filled_in_place_is_never_copied)
{
	struct jnl_reserved *r;
	struct jnl_action act;
	uint64_t a, b, c;

	start(2, 1);
	a = add('a', 10);
	r = reserve('b', 100);
	c = add('c', 20);
	b = publish(r, 100);
	ck_assert_uint_eq(a, FIRST);
	ck_assert_uint_eq(b, FIRST + 24);
	ck_assert_uint_eq(c, b + 112);
	jnl_engine_want(&e, c + 1);
	act = written("abc", LENS(10, 100, 20), LSNS(a, b, c));
	ck_assert_ptr_eq(act.batch->image + 64 + 24 + 8, r->data);
	ck_assert_uint_eq(e.records, 3);
	ck_assert_uint_eq(e.payload, 130);
	done(act);
	end();
}
END_TEST

START_TEST(what_is_not_used_of_a_place_is_a_void_or_space_again)
{
	struct jnl_reserved *r, *s;
	uint64_t a, b, c;

	start(2, 1);
	r = reserve('a', 100);
	s = reserve('b', 3 * BLOCK - 200);
	a = publish(r, 3);
	b = publish(s, 5);
	ck_assert_uint_eq(b, a + 112);
	/* right behind the five bytes, in the same batch */
	c = add('c', 3000);
	ck_assert_uint_eq(c, b + 16);
	jnl_engine_want(&e, c + 1);
	done(written("abc", LENS(3, 5, 3000), LSNS(a, b, c)));
	ck_assert_uint_eq(e.frontier, 3 * BLOCK);
	end();
}
END_TEST

START_TEST(an_open_place_is_a_void_in_what_is_written_and_is_appended_later)
{
	struct jnl_reserved *r;
	struct jnl_action act;
	uint64_t a, b, c;
	uint8_t image[3 * BLOCK];

	start(2, 1);
	a = add('a', 10);
	r = reserve('b', 5000);
	c = add('c', 20);
	jnl_engine_want(&e, c + 1);
	act = written("ac", LENS(10, 20), LSNS(a, c));
	/* still being filled while the others are written */
	ck_assert_uint_eq(act.batch->size, 2 * BLOCK);
	memcpy(image, act.batch->image, act.batch->size);
	memset(r->data, 'B', 5000);
	ck_assert_mem_eq(act.batch->image, image, act.batch->size);
	/* the place is zeros, not what was there */
	ck_assert_uint_eq(jnl_void_size(act.batch->image + 64 + 24, 5008),
			  5008);
	done(act);
	ck_assert_uint_eq(e.frontier, 4 * BLOCK);
	memset(r->data, 'b', 5000);
	b = publish(r, 4999);
	ck_assert_uint_eq(b, e.frontier + 64);
	jnl_engine_want(&e, b + 1);
	done(written("b", LENS(4999), LSNS(b)));
	ck_assert_uint_eq(e.records, 3);
	end();
}
END_TEST

START_TEST(places_behind_the_last_record_are_not_written)
{
	struct jnl_reserved *r, *s;
	struct jnl_action act;
	uint64_t a, b, c;

	start(2, 1);
	r = reserve('b', 2 * BLOCK);
	next(JNL_ACT_NONE);
	/* nothing to make durable: nobody has appended anything */
	ck_assert_uint_eq(jnl_engine_end(&e), 2 * BLOCK);
	jnl_reserve_abandon(&e, r);
	a = add('a', 10);
	ck_assert_uint_eq(a, FIRST);
	r = reserve('b', 2 * BLOCK);
	s = reserve('c', 100);
	ck_assert_uint_eq(jnl_engine_end(&e), 3 * BLOCK);
	jnl_engine_want(&e, jnl_engine_end(&e));
	act = written("a", LENS(10), LSNS(a));
	ck_assert_uint_eq(act.batch->size, BLOCK);
	memset(r->data, 'b', 2 * BLOCK);
	memset(s->data, 'c', 100);
	done(act);
	ck_assert_uint_eq(e.frontier, 3 * BLOCK);
	c = publish(s, 100);
	b = publish(r, 2 * BLOCK);
	jnl_engine_want(&e, b + 1);
	done(written("cb", LENS(100, 2 * BLOCK), LSNS(c, b)));
	end();
}
END_TEST

START_TEST(an_abandoned_place_is_a_void_or_space_again)
{
	struct jnl_reserved *r, *s, *t;
	uint64_t a, b;

	start(2, 1);
	r = reserve('x', 100);
	a = add('a', 10);
	s = reserve('y', 200);
	t = reserve('z', 300);
	jnl_reserve_abandon(&e, r);
	jnl_reserve_abandon(&e, s);
	jnl_reserve_abandon(&e, t);
	b = add('b', 10);
	ck_assert_uint_eq(a, FIRST + 112);
	ck_assert_uint_eq(b, a + 24);
	jnl_engine_want(&e, b + 1);
	done(written("ab", LENS(10, 10), LSNS(a, b)));
	end();
}
END_TEST

START_TEST(a_full_batch_waits_for_its_places_until_it_is_wanted)
{
	struct jnl_reserved *r, *s;
	uint64_t a, b, c;

	start(4, 1);
	/* each fills a batch */
	r = reserve('a', 3 * BLOCK);
	s = reserve('b', 3 * BLOCK);
	c = add('c', 3 * BLOCK);
	next(JNL_ACT_NONE);
	a = publish(r, 3 * BLOCK);
	done(written("a", LENS(3 * BLOCK), LSNS(a)));
	next(JNL_ACT_NONE);
	jnl_engine_want(&e, c + 1);
	/* nothing but a void, in its place */
	done(written("", LENS(0), LSNS(0)));
	done(written("c", LENS(3 * BLOCK), LSNS(c)));
	ck_assert_uint_eq(e.frontier, 14 * BLOCK);
	ck_assert_uint_eq(c, 10 * BLOCK + 64);
	(void)s;
	b = publish(s, 8);
	ck_assert_uint_eq(b, 14 * BLOCK + 64);
	jnl_engine_want(&e, b + 1);
	done(written("b", LENS(8), LSNS(b)));
	end();
}
END_TEST

START_TEST(an_append_that_needs_the_image_is_not_held_up)
{
	struct jnl_reserved *r;
	struct iovec iov = { (void *)"xxxxxxxx", 8 };
	uint64_t lsn;

	start(1, 2);
	r = reserve('a', 3 * BLOCK);
	(void)add('b', 3 * BLOCK);
	/* both images are taken, and nobody wants anything */
	while (!jnl_engine_append(&e, &iov, 1, 8, &lsn))
		;
	ck_assert_int_eq(jnl_engine_append(&e, &iov, 1, 8, &lsn), -EAGAIN);
	done(written("", LENS(0), LSNS(0)));
	ck_assert_int_eq(jnl_engine_append(&e, &iov, 1, 8, &lsn), 0);
	jnl_reserve_abandon(&e, r);
	end();
}
END_TEST

START_TEST(late_reservations_take_no_image_from_the_queue)
{
	struct jnl_reserved *late[20];
	uint64_t lsn, last = 0;

	start(2, 20);
	for (int i = 0; i < 20; i++) {
		late[i] = reserve((char)('a' + i), 100);
		lsn = add('-', 10);
		jnl_engine_want(&e, lsn + 1);
		done(written("-", LENS(10), LSNS(lsn)));
		ck_assert_uint_eq(e.used, 0);
		/* from then on they have memory of their own */
		ck_assert_int_eq(late[i]->image != NULL, i < (int)JNL_SPARES);
	}
	ck_assert_uint_eq(e.kept, 0);
	/* as many batches as ever before an append is refused */
	for (int i = 0; i < 3; i++)
		(void)add('+', 3 * BLOCK);
	for (int i = 0; i < 2; i++) {
		struct jnl_action act = next(JNL_ACT_WRITE);

		done(act);
	}
	jnl_engine_want(&e, jnl_engine_end(&e));
	done(next(JNL_ACT_WRITE));
	for (int i = 0; i < 20; i++) {
		lsn = publish(late[i], 100);
		ck_assert_uint_gt(lsn, last);
		last = lsn;
	}
	ck_assert_uint_eq(e.kept, JNL_SPARES);
	jnl_engine_want(&e, last + 1);
	for (struct jnl_action act; e.used; done(act))
		act = next(JNL_ACT_WRITE);
	ck_assert_uint_eq(e.records, 43);
	end();
}
END_TEST

START_TEST(no_more_than_so_many_are_open)
{
	struct jnl_reserved *r[JNL_RESERVED_MAX], *more;

	start(4, 200);
	for (uint32_t i = 0; i < JNL_RESERVED_MAX; i++)
		r[i] = reserve('a', 8);
	ck_assert_int_eq(jnl_reserve(&e, 8, &more), -ENOBUFS);
	jnl_reserve_abandon(&e, r[17]);
	more = reserve('b', 8);
	/* the one that has ended is not found by its place */
	ck_assert_ptr_eq(jnl_reserve_find(&e, more->id), more);
	ck_assert_ptr_eq(jnl_reserve_find(&e, more->id - JNL_RESERVED_MAX),
			 NULL);
	ck_assert_ptr_eq(jnl_reserve_find(&e, 0), NULL);
	ck_assert_int_eq(jnl_reserve(&e, 3 * BLOCK + 1, &more), -EMSGSIZE);
	end();
}
END_TEST

START_TEST(an_idle_journal_is_marked_beside_an_open_reservation)
{
	struct jnl_reserved *r, *s;
	struct jnl_batch_header h;
	struct jnl_action act;
	uint64_t a, b;

	start(2, 2);
	a = add('a', 3 * BLOCK);
	jnl_engine_want(&e, a + 1);
	done(next(JNL_ACT_WRITE));
	r = reserve('b', 100);
	ck_assert(jnl_engine_mark(&e));
	act = next(JNL_ACT_WRITE);
	ck_assert(jnl_batch_decode(act.batch->image, SEED, &h));
	ck_assert_uint_eq(h.flags, JNL_BATCH_MARK);
	ck_assert_uint_eq(h.durable, 6 * BLOCK);
	done(act);
	ck_assert(!jnl_engine_mark(&e));
	b = publish(r, 100);
	ck_assert_uint_eq(b, 7 * BLOCK + 64);
	jnl_engine_want(&e, b + 1);
	done(written("b", LENS(100), LSNS(b)));
	/* and where the reservation has ended a segment */
	for (int i = 0; i < 2; i++) {
		a = add('a', 2 * BLOCK + 100);
		jnl_engine_want(&e, a + 1);
		done(next(JNL_ACT_WRITE));
	}
	ck_assert_uint_eq(e.frontier, 14 * BLOCK);
	s = reserve('c', 3 * BLOCK);
	ck_assert_uint_eq(e.used, 2);
	ck_assert(jnl_engine_mark(&e));
	act = next(JNL_ACT_WRITE);
	ck_assert(jnl_batch_decode(act.batch->image, SEED, &h));
	ck_assert_uint_eq(h.flags, JNL_BATCH_SKIP);
	done(act);
	ck_assert(jnl_engine_mark(&e));
	done(next(JNL_ACT_WRITE));
	ck_assert(!jnl_engine_mark(&e));
	ck_assert_uint_eq(e.frontier, SEGMENT + 2 * BLOCK);
	jnl_reserve_abandon(&e, s);
	end();
}
END_TEST

START_TEST(an_engine_that_has_failed_publishes_nothing)
{
	struct jnl_reserved *r, *s;
	struct jnl_action act;
	uint64_t lsn;

	start(2, 1);
	r = reserve('a', 100);
	lsn = add('b', 10);
	jnl_engine_want(&e, lsn + 1);
	act = next(JNL_ACT_WRITE);
	s = reserve('c', 100);
	jnl_engine_done(&e, &act, -EIO);
	act = next(JNL_ACT_REPLACE);
	jnl_engine_done(&e, &act, -ENOSPC);
	ck_assert_int_eq(jnl_reserve_publish(&e, r, 1, &lsn), -ENOSPC);
	ck_assert_int_eq(jnl_reserve_publish(&e, s, 1, &lsn), -ENOSPC);
	ck_assert_int_eq(jnl_reserve(&e, 1, &r), -ENOSPC);
	jnl_reserve_abandon(&e, s);
	end();
}
END_TEST

/* xorshift64: the same at every run. */
static uint32_t pick(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 16) % n;
}

/* What an action holds is never what an open reservation's owner writes. */
static void scribble(struct jnl_reserved *const *open, int n, char letter)
{
	for (int i = 0; i < n; i++)
		memset(open[i]->data, letter, open[i]->len);
}

START_TEST(any_order_of_steps_keeps_the_images_and_their_number)
{
	enum { OPEN = 40, STEPS = 20000 };
	struct jnl_reserved *open[OPEN];
	struct jnl_action act[4];
	uint64_t state = 88172645463325252ull, lsn;
	uint32_t images = 4 + JNL_SPARES;
	int n = 0, flying = 0, i;

	start(3, 100000);
	for (int step = 0; step < STEPS; step++) {
		char payload[3 * BLOCK] = { 0 };
		struct iovec iov = { payload, pick(&state, 10) ?
				     pick(&state, 300) : 3 * BLOCK };
		struct jnl_batch_header h;

		switch (pick(&state, 7)) {
		case 0:
			if (n < OPEN && !jnl_reserve(&e, iov.iov_len, &open[n]))
				n++;
			break;
		case 1:
			(void)jnl_engine_append(&e, &iov, 1, iov.iov_len,
						&lsn);
			break;
		case 2:
			jnl_engine_want(&e, jnl_engine_end(&e));
			break;
		case 3:
		case 4:
			if (!n)
				break;
			i = (int)pick(&state, (uint32_t)n);
			if (!pick(&state, 4))
				jnl_reserve_abandon(&e, open[i]);
			else if (jnl_reserve_publish(&e, open[i],
						     open[i]->len / 2, &lsn))
				break;
			open[i] = open[--n];
			break;
		case 5:
			if (flying == 4)
				break;
			scribble(open, n, 'x');
			jnl_engine_next(&e, &act[flying]);
			flying += act[flying].kind == JNL_ACT_WRITE;
			break;
		case 6:
			if (!flying)
				break;
			scribble(open, n, 'y');
			i = (int)pick(&state, (uint32_t)flying);
			ck_assert(jnl_batch_decode(act[i].batch->image, SEED,
						   &h));
			ck_assert(jnl_batch_body_good(act[i].batch->image, &h,
						      BLOCK, SEED));
			ck_assert(h.flags ||
				  jnl_records_good(act[i].batch->image + 64,
						   h.body_len, h.count,
						   &h.each));
			done(act[i]);
			act[i] = act[--flying];
			break;
		}
		ck_assert_uint_le(e.kept, e.free_data_n);
	}
	while (n)
		jnl_reserve_abandon(&e, open[--n]);
	jnl_engine_want(&e, jnl_engine_end(&e));
	for (jnl_engine_next(&e, &act[0]); flying || e.used;
	     jnl_engine_next(&e, &act[0])) {
		if (act[0].kind == JNL_ACT_WRITE)
			done(act[0]);
		while (flying)
			done(act[--flying]);
	}
	ck_assert_uint_eq(e.kept, JNL_SPARES);
	ck_assert_uint_eq(e.free_data_n, images);
	ck_assert_uint_gt(e.records, 2000);
	end();
}
END_TEST

RUN_SUITE("reserve", 20,
	  a_record_that_is_filled_in_place_is_never_copied,
	  what_is_not_used_of_a_place_is_a_void_or_space_again,
	  an_open_place_is_a_void_in_what_is_written_and_is_appended_later,
	  places_behind_the_last_record_are_not_written,
	  an_abandoned_place_is_a_void_or_space_again,
	  a_full_batch_waits_for_its_places_until_it_is_wanted,
	  an_append_that_needs_the_image_is_not_held_up,
	  late_reservations_take_no_image_from_the_queue,
	  no_more_than_so_many_are_open,
	  an_idle_journal_is_marked_beside_an_open_reservation,
	  an_engine_that_has_failed_publishes_nothing,
	  any_order_of_steps_keeps_the_images_and_their_number)
