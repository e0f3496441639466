/*
 * The commit engine, driven by hand.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "journal/engine.h"
#include "journal/format.h"
#include "tests/lib/suite.h"

#define SEED 42u
#define BLOCK 4096u
#define SEGMENT 65536u

static struct jnl_engine e;

static void start(bool dsync, uint32_t depth, uint64_t segments)
{
	struct jnl_engine_config cfg = {
		.segment_size = SEGMENT, .block_size = BLOCK,
		.record_max = 3 * BLOCK, .queue_depth = depth, .seed = SEED,
		.dsync = dsync,
	};

	ck_assert_int_eq(jnl_engine_init(&e, &cfg), 0);
	/* Behind an open batch in the first block. */
	jnl_engine_start(&e, 2 * BLOCK, 77, 0, segments, UINT64_MAX);
}

static int add(size_t len, uint64_t *lsn)
{
	static char payload[4 * BLOCK];
	struct iovec iov = { .iov_base = payload, .iov_len = len };

	return jnl_engine_append(&e, &iov, 1, len, lsn);
}

static struct jnl_action next(enum jnl_action_kind kind)
{
	struct jnl_action act;

	jnl_engine_next(&e, &act);
	ck_assert_int_eq(act.kind, kind);
	return act;
}

static struct jnl_batch_header header_of(const struct jnl_action *act)
{
	struct jnl_batch_header h;

	ck_assert(jnl_batch_decode(act->batch->image, SEED, &h));
	ck_assert(jnl_batch_sane(&h, BLOCK, SEGMENT));
	ck_assert(jnl_batch_body_good(act->batch->image, &h, BLOCK, SEED));
	return h;
}

START_TEST(records_gather_until_somebody_wants_them)
{
	struct jnl_batch_header h;
	struct jnl_action act;
	uint64_t a, b;

	start(true, 2, 1);
	ck_assert_int_eq(add(5, &a), 0);
	ck_assert_int_eq(add(0, &b), 0);
	ck_assert_uint_eq(a, 2 * BLOCK + 64);
	ck_assert_uint_eq(b, a + 16);
	next(JNL_ACT_NONE);
	jnl_engine_want(&e, a + 1);
	act = next(JNL_ACT_WRITE);
	h = header_of(&act);
	ck_assert_uint_eq(h.lsn, 2 * BLOCK);
	ck_assert_uint_eq(h.prev_sum, 77);
	ck_assert_uint_eq(h.durable, 2 * BLOCK);
	ck_assert_uint_eq(h.count, 2);
	ck_assert_uint_eq(e.frontier, 2 * BLOCK);
	jnl_engine_done(&e, &act, 0);
	ck_assert_uint_eq(e.frontier, 3 * BLOCK);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(the_frontier_moves_in_lsn_order)
{
	struct jnl_action one, two;
	uint64_t lsn;

	start(true, 2, 1);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	one = next(JNL_ACT_WRITE);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	two = next(JNL_ACT_WRITE);
	/* sealed before the first was durable: it carries the old watermark */
	ck_assert_uint_eq(header_of(&two).durable, 2 * BLOCK);
	ck_assert_uint_eq(header_of(&two).prev_sum, header_of(&one).header_sum);
	jnl_engine_done(&e, &two, 0);
	ck_assert_uint_eq(e.frontier, 2 * BLOCK);
	jnl_engine_done(&e, &one, 0);
	ck_assert_uint_eq(e.frontier, 4 * BLOCK);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(queue_depth_bounds_what_is_above_the_frontier)
{
	struct jnl_action one, two;
	uint64_t lsn;

	start(true, 2, 1);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
		jnl_engine_want(&e, lsn + 1);
		if (i == 0)
			one = next(JNL_ACT_WRITE);
		if (i == 1)
			two = next(JNL_ACT_WRITE);
	}
	next(JNL_ACT_NONE);
	/* complete, and still above the frontier */
	jnl_engine_done(&e, &two, 0);
	next(JNL_ACT_NONE);
	jnl_engine_done(&e, &one, 0);
	next(JNL_ACT_WRITE);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(an_append_is_told_when_every_image_is_in_use)
{
	struct jnl_action act;
	uint64_t lsn;

	start(true, 1, 2);
	ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
	ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
	ck_assert_int_eq(add(3 * BLOCK, &lsn), -EAGAIN);
	/* the full batch was closed, and is handed out though nobody waits */
	act = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &act, 0);
	ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_flush_covers_only_writes_complete_before_it)
{
	struct jnl_action one, two, flush;
	uint64_t lsn;

	start(false, 2, 1);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	one = next(JNL_ACT_WRITE);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	two = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &one, 0);
	flush = next(JNL_ACT_FLUSH);
	jnl_engine_done(&e, &two, 0);
	/* never two flushes at a time */
	next(JNL_ACT_NONE);
	jnl_engine_done(&e, &flush, 0);
	ck_assert_uint_eq(e.frontier, 3 * BLOCK);
	flush = next(JNL_ACT_FLUSH);
	jnl_engine_done(&e, &flush, 0);
	ck_assert_uint_eq(e.frontier, 4 * BLOCK);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_batch_that_does_not_fit_is_preceded_by_a_skip_batch)
{
	struct jnl_action act[8];
	struct jnl_batch_header h;
	uint64_t lsn, prev = 77;
	int n = 0;

	start(true, 8, 2);
	/* 2 blocks are used; 3 x 4 blocks leave 2, and 4 do not fit */
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
		jnl_engine_want(&e, lsn + 1);
	}
	ck_assert_uint_eq(lsn, SEGMENT + BLOCK + 64);
	for (n = 0; n < 5; n++) {
		act[n] = next(JNL_ACT_WRITE);
		h = header_of(&act[n]);
		ck_assert_uint_eq(h.prev_sum, prev);
		prev = h.header_sum;
	}
	next(JNL_ACT_NONE);
	h = header_of(&act[3]);
	ck_assert_uint_eq(h.flags, JNL_BATCH_SKIP);
	ck_assert_uint_eq(h.lsn, 14 * BLOCK);
	ck_assert_uint_eq(act[4].segment, 1);
	ck_assert_uint_eq(act[4].offset, BLOCK);
	/* the frontier goes through the skip batch, and not around it */
	for (n = 0; n < 5; n++) {
		if (n != 3)
			jnl_engine_done(&e, &act[n], 0);
	}
	ck_assert_uint_eq(e.frontier, 14 * BLOCK);
	jnl_engine_done(&e, &act[3], 0);
	ck_assert_uint_eq(e.frontier, SEGMENT + 5 * BLOCK);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_batch_may_end_exactly_where_its_segment_ends)
{
	struct jnl_action act;
	uint64_t lsn;

	start(true, 4, 2);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
		jnl_engine_want(&e, lsn + 1);
		act = next(JNL_ACT_WRITE);
		jnl_engine_done(&e, &act, 0);
	}
	ck_assert_int_eq(add(2 * BLOCK - 64 - 8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	act = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &act, 0);
	ck_assert_uint_eq(e.frontier, SEGMENT);
	ck_assert_int_eq(add(1, &lsn), 0);
	ck_assert_uint_eq(lsn, SEGMENT + BLOCK + 64);
	jnl_engine_want(&e, lsn + 1);
	act = next(JNL_ACT_WRITE);
	ck_assert_uint_eq(header_of(&act).flags, 0);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(an_append_takes_no_lsn_in_a_segment_that_is_not_there)
{
	struct jnl_action act;
	uint64_t lsn, again;

	start(true, 8, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
	ck_assert_int_eq(add(3 * BLOCK, &again), -EBUSY);
	/* asked for at once, though a quarter is not reached in the next one */
	ck_assert_uint_eq(jnl_engine_wants_segment(&e), 1);
	/* a small one still fits, and goes where the large one did not */
	ck_assert_int_eq(add(8, &again), 0);
	ck_assert_uint_eq(again, 14 * BLOCK + 64);
	jnl_engine_want(&e, UINT64_MAX);
	for (int i = 0; i < 4; i++) {
		act = next(JNL_ACT_WRITE);
		jnl_engine_done(&e, &act, 0);
	}
	jnl_engine_segment_ready(&e, 1);
	ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
	ck_assert_uint_eq(lsn, SEGMENT + BLOCK + 64);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(no_batch_passes_ready_end)
{
	uint64_t lsn;

	start(true, 8, 1);
	e.ready_end = 4 * BLOCK;
	ck_assert_int_eq(add(BLOCK, &lsn), 0);		/* 2 blocks: fits */
	ck_assert_int_eq(add(BLOCK, &lsn), -EBUSY);	/* 1 more: does not */
	jnl_engine_want(&e, UINT64_MAX);
	next(JNL_ACT_WRITE);
	ck_assert_int_eq(add(8, &lsn), -EBUSY);
	jnl_engine_ready_end(&e, 5 * BLOCK);
	ck_assert_int_eq(add(8, &lsn), 0);
	ck_assert_uint_eq(lsn, 4 * BLOCK + 64);
	ck_assert_int_eq(add(BLOCK, &lsn), -EBUSY);
	jnl_engine_ready_end(&e, UINT64_MAX);
	ck_assert_int_eq(add(BLOCK, &lsn), 0);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_watermark_is_written_once_and_only_when_idle)
{
	struct jnl_action act;
	uint64_t lsn;

	start(true, 2, 1);
	/* after the open batch there is one to write */
	ck_assert(jnl_engine_mark(&e));
	act = next(JNL_ACT_WRITE);
	ck_assert_uint_eq(header_of(&act).flags, JNL_BATCH_MARK);
	ck_assert_uint_eq(header_of(&act).durable, 2 * BLOCK);
	ck_assert(!jnl_engine_mark(&e));
	jnl_engine_done(&e, &act, 0);
	ck_assert(!jnl_engine_mark(&e));
	ck_assert_int_eq(add(8, &lsn), 0);
	ck_assert(!jnl_engine_mark(&e));
	jnl_engine_want(&e, lsn + 1);
	act = next(JNL_ACT_WRITE);
	ck_assert(!jnl_engine_mark(&e));
	jnl_engine_done(&e, &act, 0);
	ck_assert(jnl_engine_mark(&e));
	act = next(JNL_ACT_WRITE);
	ck_assert_uint_eq(header_of(&act).durable, 4 * BLOCK);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_failed_write_is_answered_by_a_new_file_with_the_same_images)
{
	struct jnl_action one, two, replace;
	uint8_t before[BLOCK];
	uint64_t lsn;

	start(true, 2, 1);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	one = next(JNL_ACT_WRITE);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	two = next(JNL_ACT_WRITE);
	memcpy(before, one.batch->image, BLOCK);
	jnl_engine_done(&e, &one, -EIO);
	/* not while a write is in flight */
	next(JNL_ACT_NONE);
	jnl_engine_done(&e, &two, 0);
	ck_assert_uint_eq(e.frontier, 2 * BLOCK);
	replace = next(JNL_ACT_REPLACE);
	next(JNL_ACT_NONE);
	ck_assert_uint_eq(replace.segment, 0);
	/* both, completed or not, as they were */
	ck_assert_ptr_eq(jnl_engine_image(&e, 0, 0), one.batch);
	ck_assert_ptr_eq(jnl_engine_image(&e, 0, 1), two.batch);
	ck_assert_ptr_null(jnl_engine_image(&e, 0, 2));
	ck_assert_mem_eq(one.batch->image, before, BLOCK);
	/* meanwhile records gather */
	ck_assert_int_eq(add(8, &lsn), 0);
	ck_assert_ptr_null(jnl_engine_image(&e, 0, 2));
	jnl_engine_done(&e, &replace, 0);
	ck_assert_uint_eq(e.frontier, 4 * BLOCK);
	ck_assert_int_eq(e.error, 0);
	jnl_engine_want(&e, lsn + 1);
	one = next(JNL_ACT_WRITE);
	ck_assert_uint_eq(header_of(&one).durable, 4 * BLOCK);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(failed_segments_are_replaced_lowest_first)
{
	struct jnl_action act[5];
	uint64_t lsn;

	start(true, 8, 2);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
		jnl_engine_want(&e, lsn + 1);
	}
	for (int i = 0; i < 5; i++)
		act[i] = next(JNL_ACT_WRITE);
	/* the batch in segment 1 fails, then the skip batch in 0 */
	jnl_engine_done(&e, &act[4], -EIO);
	jnl_engine_done(&e, &act[3], -EIO);
	for (int i = 0; i < 3; i++)
		jnl_engine_done(&e, &act[i], 0);
	ck_assert_uint_eq(e.frontier, 14 * BLOCK);
	act[0] = next(JNL_ACT_REPLACE);
	ck_assert_uint_eq(act[0].segment, 0);
	ck_assert_uint_eq(jnl_engine_image(&e, 0, 0)->lsn, 14 * BLOCK);
	ck_assert_ptr_null(jnl_engine_image(&e, 0, 1));
	jnl_engine_done(&e, &act[0], 0);
	ck_assert_uint_eq(e.frontier, SEGMENT);
	act[0] = next(JNL_ACT_REPLACE);
	ck_assert_uint_eq(act[0].segment, 1);
	jnl_engine_done(&e, &act[0], 0);
	ck_assert_uint_eq(e.frontier, SEGMENT + 5 * BLOCK);
	ck_assert_uint_eq(e.replacements, 2);
	next(JNL_ACT_NONE);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_failed_flush_is_never_asked_again)
{
	struct jnl_action act, late;
	uint64_t lsn;

	start(false, 2, 1);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	act = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &act, 0);
	act = next(JNL_ACT_FLUSH);
	/* this one completes while the flush is out: it is not covered, and
	 * the flush's error is about the whole file */
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	late = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &late, 0);
	jnl_engine_done(&e, &act, -EIO);
	act = next(JNL_ACT_REPLACE);
	ck_assert_ptr_eq(jnl_engine_image(&e, 0, 1), late.batch);
	ck_assert_uint_eq(e.frontier, 2 * BLOCK);
	jnl_engine_done(&e, &act, 0);
	ck_assert_uint_eq(e.frontier, 4 * BLOCK);
	next(JNL_ACT_NONE);
	jnl_engine_fini(&e);
}
END_TEST

/* late: the write in the other segment ends after the flush has failed. */
static void fail_flush_over_two_segments(bool late)
{
	struct jnl_action act[5], flush;
	uint64_t lsn;

	start(false, 8, 2);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
		jnl_engine_want(&e, lsn + 1);
	}
	/* three in segment 0, the skip batch, one in segment 1 */
	for (int i = 0; i < 5; i++)
		act[i] = next(JNL_ACT_WRITE);
	for (int i = 0; i < 5 - late; i++)
		jnl_engine_done(&e, &act[i], 0);
	flush = next(JNL_ACT_FLUSH);
	ck_assert_uint_eq(flush.segment, 0);
	/* the cache that it could not write out is the drive's */
	jnl_engine_done(&e, &flush, -EIO);
	if (late) {
		next(JNL_ACT_NONE);
		jnl_engine_done(&e, &act[4], 0);
	}
	for (uint64_t segment = 0; segment < 2; segment++) {
		act[0] = next(JNL_ACT_REPLACE);
		ck_assert_uint_eq(act[0].segment, segment);
		jnl_engine_done(&e, &act[0], 0);
	}
	ck_assert_uint_eq(e.frontier, SEGMENT + 5 * BLOCK);
	next(JNL_ACT_NONE);
	jnl_engine_fini(&e);
}

START_TEST(a_failed_flush_fails_what_rests_on_one_in_every_segment)
{
	fail_flush_over_two_segments(false);
	fail_flush_over_two_segments(true);
}
END_TEST

START_TEST(a_failed_replacement_ends_it_with_the_first_error)
{
	struct jnl_action act;
	uint64_t lsn;

	start(true, 2, 1);
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	act = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &act, -EIO);
	act = next(JNL_ACT_REPLACE);
	jnl_engine_done(&e, &act, -ENOSPC);
	ck_assert_int_eq(e.error, -ENOSPC);
	jnl_engine_fail(&e, -EROFS);
	ck_assert_uint_eq(e.frontier, 2 * BLOCK);
	ck_assert_int_eq(add(8, &lsn), -ENOSPC);
	next(JNL_ACT_NONE);
	ck_assert(!jnl_engine_mark(&e));
	ck_assert_uint_eq(jnl_engine_wants_segment(&e), UINT64_MAX);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(an_lsn_in_a_header_block_can_be_wanted)
{
	struct jnl_action act;
	uint64_t lsn;

	start(true, 4, 2);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(add(i < 3 ? 3 * BLOCK : 2 * BLOCK - 72, &lsn),
				 0);
		jnl_engine_want(&e, lsn + 1);
		act = next(JNL_ACT_WRITE);
		jnl_engine_done(&e, &act, 0);
	}
	ck_assert_uint_eq(e.frontier, SEGMENT);
	ck_assert_int_eq(add(1, &lsn), 0);
	/* between the frontier and the record that gathers */
	jnl_engine_want(&e, SEGMENT + 1);
	next(JNL_ACT_WRITE);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_record_over_record_max_changes_nothing)
{
	uint64_t lsn;

	start(true, 2, 1);
	ck_assert_int_eq(add(3 * BLOCK + 1, &lsn), -EMSGSIZE);
	ck_assert_uint_eq(jnl_engine_end(&e), 2 * BLOCK);
	ck_assert_int_eq(add(3 * BLOCK, &lsn), 0);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_spare_is_wanted_once_a_quarter_is_used)
{
	struct jnl_action act;
	uint64_t lsn;

	start(true, 2, 1);
	ck_assert_uint_eq(jnl_engine_wants_segment(&e), UINT64_MAX);
	ck_assert_int_eq(add(BLOCK, &lsn), 0);
	ck_assert_uint_eq(jnl_engine_wants_segment(&e), 1);
	jnl_engine_segment_ready(&e, 1);
	/* one ahead, not two */
	while (lsn < 14 * BLOCK) {
		jnl_engine_want(&e, lsn + 1);
		act = next(JNL_ACT_WRITE);
		jnl_engine_done(&e, &act, 0);
		ck_assert_uint_eq(jnl_engine_wants_segment(&e), UINT64_MAX);
		ck_assert_int_eq(add(BLOCK, &lsn), 0);
	}
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_trim_is_carried_by_every_later_header_and_frees_once_durable)
{
	struct jnl_action one, two;
	uint64_t lsn;

	start(true, 2, 3);
	e.frontier = e.tail = SEGMENT + 5 * BLOCK;
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	one = next(JNL_ACT_WRITE);
	/* above the frontier; then at it */
	ck_assert_int_eq(jnl_engine_trim(&e, SEGMENT + 6 * BLOCK), -EINVAL);
	ck_assert_int_eq(jnl_engine_trim(&e, SEGMENT + 5 * BLOCK), 0);
	ck_assert_int_eq(jnl_engine_trim(&e, BLOCK), 0);
	ck_assert(jnl_engine_trim_pending(&e));
	ck_assert_int_eq(add(8, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	two = next(JNL_ACT_WRITE);
	/* sealed before it was asked, and after */
	ck_assert_uint_eq(header_of(&one).trim, 0);
	ck_assert_uint_eq(header_of(&two).trim, SEGMENT + 5 * BLOCK);
	/* complete, and not below the frontier yet */
	jnl_engine_done(&e, &two, 0);
	ck_assert_uint_eq(jnl_engine_free_below(&e), 0);
	jnl_engine_done(&e, &one, 0);
	ck_assert_uint_eq(jnl_engine_free_below(&e), 1);
	ck_assert(!jnl_engine_trim_pending(&e));
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_watermark_is_written_for_a_trim_that_nothing_carries)
{
	struct jnl_action act;

	start(true, 2, 1);
	ck_assert(jnl_engine_mark(&e));
	act = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &act, 0);
	ck_assert(!jnl_engine_mark(&e));
	ck_assert_int_eq(jnl_engine_trim(&e, e.frontier), 0);
	ck_assert(jnl_engine_mark(&e));
	act = next(JNL_ACT_WRITE);
	ck_assert_uint_eq(header_of(&act).trim, 3 * BLOCK);
	jnl_engine_done(&e, &act, 0);
	ck_assert(!jnl_engine_mark(&e));
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(the_last_block_without_a_next_segment_is_kept_for_a_trim)
{
	struct jnl_action act;
	uint64_t lsn;

	start(true, 2, 2);
	e.frontier = e.tail = 2 * SEGMENT - 2 * BLOCK;
	ck_assert_int_eq(add(BLOCK, &lsn), -EBUSY);
	ck_assert_uint_eq(jnl_engine_wants_segment(&e), 2);
	ck_assert_int_eq(add(8, &lsn), 0);
	ck_assert_int_eq(add(BLOCK, &lsn), -EBUSY);
	jnl_engine_want(&e, lsn + 1);
	act = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &act, 0);
	/* not for a watermark alone, nor for a trim that frees nothing */
	ck_assert(!jnl_engine_mark(&e));
	ck_assert_int_eq(jnl_engine_trim(&e, BLOCK), 0);
	ck_assert(!jnl_engine_mark(&e));
	ck_assert_int_eq(jnl_engine_trim(&e, SEGMENT), 0);
	ck_assert(jnl_engine_mark(&e));
	act = next(JNL_ACT_WRITE);
	jnl_engine_done(&e, &act, 0);
	ck_assert_uint_eq(e.frontier, 2 * SEGMENT);
	ck_assert_uint_eq(jnl_engine_free_below(&e), 1);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_record_that_fills_a_segment_wants_the_one_behind_it)
{
	struct jnl_engine_config cfg = {
		.segment_size = SEGMENT, .block_size = BLOCK,
		.record_max = SEGMENT - BLOCK - JNL_BATCH_HEADER - 8,
		.queue_depth = 1, .seed = SEED, .dsync = true,
	};
	static char payload[SEGMENT];
	struct iovec iov = { payload, cfg.record_max };
	uint64_t lsn;

	ck_assert_int_eq(jnl_engine_init(&e, &cfg), 0);
	jnl_engine_start(&e, 2 * BLOCK, 77, 0, 2, UINT64_MAX);
	ck_assert_int_eq(jnl_engine_append(&e, &iov, 1, iov.iov_len, &lsn),
			 -EBUSY);
	ck_assert_uint_eq(jnl_engine_wants_segment(&e), 2);
	jnl_engine_segment_ready(&e, 2);
	ck_assert_uint_eq(jnl_engine_wants_segment(&e), UINT64_MAX);
	ck_assert_int_eq(jnl_engine_append(&e, &iov, 1, iov.iov_len, &lsn), 0);
	jnl_engine_fini(&e);
}
END_TEST

RUN_SUITE("engine", 20,
	  records_gather_until_somebody_wants_them,
	  the_frontier_moves_in_lsn_order,
	  queue_depth_bounds_what_is_above_the_frontier,
	  an_append_is_told_when_every_image_is_in_use,
	  a_flush_covers_only_writes_complete_before_it,
	  a_batch_that_does_not_fit_is_preceded_by_a_skip_batch,
	  a_batch_may_end_exactly_where_its_segment_ends,
	  an_append_takes_no_lsn_in_a_segment_that_is_not_there,
	  no_batch_passes_ready_end,
	  a_watermark_is_written_once_and_only_when_idle,
	  a_failed_write_is_answered_by_a_new_file_with_the_same_images,
	  failed_segments_are_replaced_lowest_first,
	  a_failed_flush_is_never_asked_again,
	  a_failed_flush_fails_what_rests_on_one_in_every_segment,
	  a_failed_replacement_ends_it_with_the_first_error,
	  an_lsn_in_a_header_block_can_be_wanted,
	  a_record_over_record_max_changes_nothing,
	  a_spare_is_wanted_once_a_quarter_is_used,
	  a_trim_is_carried_by_every_later_header_and_frees_once_durable,
	  a_watermark_is_written_for_a_trim_that_nothing_carries,
	  the_last_block_without_a_next_segment_is_kept_for_a_trim,
	  a_record_that_fills_a_segment_wants_the_one_behind_it)
