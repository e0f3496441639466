/*
 * Writes that cannot tear: what has to be known before a batch is marked so,
 * when one is, and what an answer that comes too late does.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/format.h"
#include "journal/untorn.h"
#include "tests/lib/drive.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define BLOCK	4096u
#define SMALL	65536u
#define SEED	42u

static char *dir, *path;
static struct drive drive;
static struct fault f;
static struct jnl_choice choice;
static journal *j;

/* A drive of 16 KiB, and everything as it should be. */
static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "journal");
	drive_init(&drive);
	drive.atomic_max = 4 * BLOCK;
	fault_init(&f, &drive.sys);
	f.solid = true;
	choice = choice_dsync;
	choice.untorn = (struct jnl_untorn){
		.min = 512, .max = 4 * BLOCK,
	};
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static int open_journal(uint64_t segment_size)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = {
		.sys = &f.sys, .choice = &choice, .no_helper = true,
	};

	o.flags = JOURNAL_CREATE;
	o.segment_size = segment_size;
	o.record_max = 5 * BLOCK;
	return jnl_open(&j, path, &o, &env);
}

/* A commit of so many bytes on disk. */
static int commit(uint32_t size)
{
	static char payload[5 * BLOCK];
	struct iovec iov = { payload, size - JNL_BATCH_HEADER -
				      JNL_RECORD_WORD };

	return journal_commit(j, &iov, 1, NULL);
}

static uint32_t untorn_max(void)
{
	struct journal_info info = JOURNAL_INFO_INIT;

	ck_assert_int_eq(journal_info(j, &info), 0);
	return info.untorn_max;
}

/* The flags of the batch at a place of segment 0. */
static uint32_t flags_at(uint64_t offset)
{
	uint8_t block[BLOCK];
	struct jnl_batch_header h;
	char *name = scratch_path(path, "0000000000000000.seg");
	int fd = open(name, O_RDONLY);

	ck_assert_int_eq(pread(fd, block, BLOCK, (off_t)offset), BLOCK);
	close(fd);
	free(name);
	ck_assert(jnl_batch_decode(block, j->dir.seed, &h));
	return h.flags;
}

static void close_journal(void)
{
	ck_assert_int_eq(journal_close(j), 0);
	teardown();
}

/* ------------------------------------------------------------------------
 * The engine
 */

static struct jnl_engine e;

static void start(bool dsync)
{
	struct jnl_engine_config cfg = {
		.segment_size = SMALL, .block_size = BLOCK,
		.record_max = 5 * BLOCK, .queue_depth = 2, .seed = SEED,
		.dsync = dsync,
	};

	ck_assert_int_eq(jnl_engine_init(&e, &cfg), 0);
	jnl_engine_start(&e, 2 * BLOCK, 77, 0, 3, UINT64_MAX);
}

/* The next batch, of so many bytes; written, with how that ends. */
static struct jnl_batch batch(uint32_t size, int err)
{
	static char payload[5 * BLOCK];
	struct iovec iov = { payload, size - JNL_BATCH_HEADER -
				      JNL_RECORD_WORD };
	struct jnl_batch_header h;
	struct jnl_action act;
	struct jnl_batch b;
	uint64_t lsn;

	ck_assert_int_eq(jnl_engine_append(&e, &iov, 1, iov.iov_len, &lsn), 0);
	jnl_engine_want(&e, lsn + 1);
	do {
		jnl_engine_next(&e, &act);
		ck_assert_int_eq(act.kind, JNL_ACT_WRITE);
		b = *act.batch;
		ck_assert(jnl_batch_decode(b.image, SEED, &h));
		ck_assert_uint_eq(h.flags, b.flags);
		jnl_engine_done(&e, &act, err);
	} while (b.flags & JNL_BATCH_SKIP);
	ck_assert_uint_eq(b.size, size);
	return b;
}

static bool is_untorn(struct jnl_batch b)
{
	return b.flags & JNL_BATCH_UNTORN;
}

START_TEST(a_power_of_two_at_a_multiple_of_itself_is_marked)
{
	start(true);
	jnl_engine_untorn(&e, 0, 4 * BLOCK);
	ck_assert(is_untorn(batch(2 * BLOCK, 0)));	/* at 2 */
	ck_assert(is_untorn(batch(4 * BLOCK, 0)));	/* at 4 */
	ck_assert(is_untorn(batch(BLOCK, 0)));		/* at 8 */
	ck_assert(!is_untorn(batch(2 * BLOCK, 0)));	/* at 9 */
	ck_assert(!is_untorn(batch(3 * BLOCK, 0)));	/* at 11 */
	ck_assert(is_untorn(batch(2 * BLOCK, 0)));	/* at 14 */
	jnl_engine_fini(&e);
	/* one block more than the unit */
	start(true);
	jnl_engine_untorn(&e, 0, BLOCK);
	ck_assert(!is_untorn(batch(2 * BLOCK, 0)));
	ck_assert(is_untorn(batch(BLOCK, 0)));
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(nothing_is_marked_where_nothing_was_told)
{
	start(true);
	ck_assert(!is_untorn(batch(BLOCK, 0)));
	/* another segment's */
	jnl_engine_untorn(&e, 2, 4 * BLOCK);
	ck_assert_uint_eq(jnl_engine_untorn_max(&e), 0);
	ck_assert(!is_untorn(batch(BLOCK, 0)));
	jnl_engine_untorn(&e, 1, 4 * BLOCK);
	ck_assert(!is_untorn(batch(BLOCK, 0)));
	/* the place in the first segment counts, and not in the journal */
	while (e.tail < SMALL)
		ck_assert(!is_untorn(batch(BLOCK, 0)));
	ck_assert(is_untorn(batch(BLOCK, 0)));
	ck_assert_uint_eq(jnl_engine_untorn_max(&e), 4 * BLOCK);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(a_write_that_is_not_durable_itself_is_never_marked)
{
	struct jnl_action act;

	start(false);
	jnl_engine_untorn(&e, 0, 4 * BLOCK);
	ck_assert_uint_eq(jnl_engine_untorn_max(&e), 0);
	ck_assert(!is_untorn(batch(BLOCK, 0)));
	/* and it still gets its flush when later ones need none */
	jnl_engine_dsync(&e);
	ck_assert(is_untorn(batch(BLOCK, 0)));
	ck_assert_uint_eq(e.frontier, 2 * BLOCK);
	jnl_engine_next(&e, &act);
	ck_assert_int_eq(act.kind, JNL_ACT_FLUSH);
	jnl_engine_done(&e, &act, 0);
	ck_assert_uint_eq(e.frontier, 4 * BLOCK);
	jnl_engine_next(&e, &act);
	ck_assert_int_eq(act.kind, JNL_ACT_NONE);
	jnl_engine_fini(&e);
}
END_TEST

START_TEST(after_a_failure_nothing_is_marked_any_more)
{
	struct jnl_action act;

	start(true);
	jnl_engine_untorn(&e, 0, 4 * BLOCK);
	ck_assert(is_untorn(batch(BLOCK, -EIO)));
	jnl_engine_next(&e, &act);
	ck_assert_int_eq(act.kind, JNL_ACT_REPLACE);
	jnl_engine_done(&e, &act, 0);
	ck_assert_uint_eq(jnl_engine_untorn_max(&e), 0);
	for (int i = 0; i < 5; i++)
		ck_assert(!is_untorn(batch(BLOCK, 0)));
	/* not in a segment of which it is told later either */
	jnl_engine_untorn(&e, 0, 4 * BLOCK);
	ck_assert(!is_untorn(batch(BLOCK, 0)));
	jnl_engine_fini(&e);
}
END_TEST

/* ------------------------------------------------------------------------
 * What has to be known
 */

START_TEST(untorn_batches_are_written_so_and_say_so)
{
	setup();
	ck_assert_int_eq(open_journal(SMALL), 0);
	ck_assert_uint_eq(untorn_max(), BLOCK - 72);
	/* tried once */
	ck_assert_uint_eq(drive.atomic, 1);
	ck_assert_int_eq(commit(2 * BLOCK), 0);
	ck_assert_int_eq(commit(3 * BLOCK), 0);
	ck_assert_int_eq(commit(BLOCK), 0);
	ck_assert_uint_eq(drive.atomic, 3);
	ck_assert_uint_eq(flags_at(BLOCK), JNL_BATCH_OPEN);
	ck_assert_uint_eq(flags_at(2 * BLOCK), JNL_BATCH_UNTORN);
	ck_assert_uint_eq(flags_at(4 * BLOCK), 0);
	ck_assert_uint_eq(flags_at(7 * BLOCK), JNL_BATCH_UNTORN);
	/* each further segment is tried before it is used */
	for (int i = 0; i < 12; i++)
		ck_assert_int_eq(commit(4 * BLOCK), 0);
	ck_assert_uint_gt(untorn_max(), 0);
	close_journal();
}
END_TEST

static void expect(uint32_t max)
{
	const char *why = NULL;

	ck_assert_int_eq(open_journal(SMALL), 0);
	ck_assert_uint_eq(jnl_engine_untorn_max(&j->engine), max);
	ck_assert_uint_eq(untorn_max(), max ? BLOCK - 72 : 0);
	ck_assert_int_eq(commit(BLOCK), 0);
	ck_assert_uint_eq(flags_at(2 * BLOCK), max ? JNL_BATCH_UNTORN : 0);
	(void)jnl_untorn_look(&j->dir, &j->untorn, j->files[0].fd, 0, &why);
	ck_assert_ptr_nonnull(why);
	ck_assert(max || *why);
	close_journal();
}

START_TEST(the_smallest_promise_counts)
{
	static const struct {
		uint32_t drive, file;
		uint64_t physical, start;
		uint32_t boundary, max;
	} cases[] = {
		{ 4, 4, 0, 0, 0, 4 },
		{ 2, 4, 0, 0, 0, 2 },
		{ 4, 2, 0, 0, 0, 2 },
		/* not a power of two */
		{ 3, 7, 0, 0, 0, 2 },
		/* nobody promises */
		{ 0, 4, 0, 0, 0, 0 },
		{ 4, 0, 0, 0, 0, 0 },
		/* where the file, or the partition, begins */
		{ 4, 4, 2, 0, 0, 2 },
		{ 4, 4, 1, 0, 0, 1 },
		{ 4, 4, 0, 1, 0, 1 },
		{ 4, 4, 1, 1, 0, 2 },
		{ 4, 4, 3, 1, 0, 4 },
		/* which the drive may not cross */
		{ 4, 4, 0, 0, 4, 4 },
		{ 4, 4, 0, 0, 2, 2 },
		{ 4, 4, 0, 0, 6, 2 },
		{ 4, 4, 0, 0, 3, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		setup();
		choice.untorn.max = cases[i].drive * BLOCK;
		choice.untorn.boundary = cases[i].boundary * BLOCK;
		choice.untorn.start = cases[i].start * BLOCK;
		drive.atomic_max = cases[i].file * BLOCK;
		f.physical = cases[i].physical * BLOCK;
		expect(cases[i].max * BLOCK);
	}
}
END_TEST

START_TEST(a_partition_that_begins_between_blocks_has_none)
{
	setup();
	choice.untorn.start = 63 * 512;
	expect(0);
	setup();
	choice.untorn.boundary = 512 * 7;
	expect(0);
}
END_TEST

START_TEST(a_smallest_unit_above_a_block_is_none)
{
	setup();
	choice.untorn.min = 2 * BLOCK;
	expect(0);
}
END_TEST

START_TEST(a_write_that_needs_a_flush_of_its_own_is_none)
{
	setup();
	choice.way.dsync = false;
	expect(0);
}
END_TEST

START_TEST(extents_that_are_not_the_files_own_have_none)
{
	setup();
	f.extent_flags = FIEMAP_EXTENT_SHARED;
	expect(0);
	setup();
	f.extent_flags = FIEMAP_EXTENT_UNWRITTEN;
	expect(0);
	setup();
	fault_set(&f, FAULT_FIEMAP, 1, ~0ul, -EOPNOTSUPP);
	expect(0);
	setup();
	fault_set(&f, FAULT_STATX, 1, ~0ul, -ENOSYS);
	expect(0);
}
END_TEST

START_TEST(a_kernel_that_refuses_is_asked_before_anything_is_marked)
{
	static const int errnos[] = { -EOPNOTSUPP, -EINVAL, -EIO, -ENOSPC };

	for (size_t i = 0; i < sizeof(errnos) / sizeof(*errnos); i++) {
		setup();
		drive.takes_atomic = errnos[i];
		ck_assert_int_eq(open_journal(SMALL), 0);
		for (int k = 0; k < 40; k++)
			ck_assert_int_eq(commit(BLOCK), 0);
		ck_assert_uint_eq(untorn_max(), 0);
		/* one try for each segment, and never a batch */
		ck_assert_uint_le(drive.atomic, j->engine.segments);
		close_journal();
	}
}
END_TEST

START_TEST(a_refusal_that_comes_later_is_a_failed_write)
{
	struct journal_stats stats = JOURNAL_STATS_INIT;

	setup();
	ck_assert_int_eq(open_journal(SMALL), 0);
	ck_assert_int_eq(commit(BLOCK), 0);
	drive.takes_atomic = -EINVAL;
	ck_assert_int_eq(commit(BLOCK), 0);
	ck_assert_int_eq(journal_stats(j, &stats), 0);
	ck_assert_uint_eq(stats.replacements, 1);
	ck_assert_uint_eq(untorn_max(), 0);
	ck_assert_uint_eq(flags_at(3 * BLOCK), JNL_BATCH_UNTORN);
	ck_assert_int_eq(commit(BLOCK), 0);
	ck_assert_uint_eq(flags_at(4 * BLOCK), 0);
	close_journal();
}
END_TEST

START_TEST(a_first_segment_is_tried_when_it_is_full_of_zeros)
{
	setup();
	ck_assert_int_eq(open_journal(4u << 20), 0);
	ck_assert_uint_eq(drive.atomic, 0);
	ck_assert_int_eq(commit(BLOCK), 0);
	ck_assert_uint_eq(flags_at(2 * BLOCK), 0);
	while (j->engine.ready_end != UINT64_MAX)
		ck_assert(jnl_helper_step(j, false));
	ck_assert_uint_eq(drive.atomic, 1);
	ck_assert_int_eq(commit(BLOCK), 0);
	ck_assert_uint_eq(flags_at(3 * BLOCK), JNL_BATCH_UNTORN);
	close_journal();
}
END_TEST

/* What is tried must never meet what was written. */
START_TEST(trying_harms_nothing_that_was_written)
{
	struct journal_record rec;
	journal_reader *r;
	int n, lives = 0;

	setup();
	/* each life ends one block further on, up to and beyond the end */
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(open_journal(SMALL), 0);
		if (i % 3)
			ck_assert_int_eq(commit(BLOCK), 0);
		lives += !!(i % 3);
		ck_assert_int_eq(journal_close(j), 0);
		ck_assert_int_eq(journal_reader_open(&r, path, 0, NULL), 0);
		for (n = 0; journal_reader_next(r, &rec) == 1; n++)
			;
		ck_assert_int_eq(n, lives);
		journal_reader_close(r);
	}
	teardown();
}
END_TEST

RUN_SUITE("untorn", 60,
	  a_power_of_two_at_a_multiple_of_itself_is_marked,
	  nothing_is_marked_where_nothing_was_told,
	  a_write_that_is_not_durable_itself_is_never_marked,
	  after_a_failure_nothing_is_marked_any_more,
	  untorn_batches_are_written_so_and_say_so,
	  the_smallest_promise_counts,
	  a_partition_that_begins_between_blocks_has_none,
	  a_smallest_unit_above_a_block_is_none,
	  a_write_that_needs_a_flush_of_its_own_is_none,
	  extents_that_are_not_the_files_own_have_none,
	  a_kernel_that_refuses_is_asked_before_anything_is_marked,
	  a_refusal_that_comes_later_is_a_failed_write,
	  a_first_segment_is_tried_when_it_is_full_of_zeros,
	  trying_harms_nothing_that_was_written)
