/*
 * Recovery, on images made by hand: what is the end, and what is damage.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/core.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define BLOCK 4096u
#define SEGMENT 65536ull
#define SEGMENTS 6

/* An image under construction: segments, and the end of its chain. */
static uint8_t image[SEGMENTS][SEGMENT];
static bool there[SEGMENTS];
static uint8_t uuid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static uint64_t pos, prev_sum, trim_lsn, seed;
static char *dir;

static void make_segment(uint64_t n)
{
	struct jnl_segment_header h = {
		.version = 1, .block_size = BLOCK, .number = n,
		.segment_size = SEGMENT,
	};

	memcpy(h.uuid, uuid, 16);
	jnl_segment_encode(image[n], &h);
	there[n] = true;
}

static uint8_t *at(uint64_t lsn)
{
	return image[lsn / SEGMENT] + lsn % SEGMENT;
}

static void begin(uint64_t first, uint64_t segments)
{
	memset(image, 0, sizeof(image));
	memset(there, 0, sizeof(there));
	for (uint64_t n = first; n < first + segments; n++)
		make_segment(n);
	seed = jnl_seed(uuid);
	pos = first * SEGMENT;
	prev_sum = first ? 99 : 0;
	trim_lsn = 0;
	dir = scratch_make(false);
}

/* Append a batch with one record that fills blocks blocks; its position. */
static uint64_t batch(uint32_t blocks, uint32_t flags, uint64_t durable)
{
	uint64_t lsn = jnl_next_place(pos, SEGMENT, BLOCK);
	struct jnl_batch_header h = {
		.lsn = lsn, .prev_sum = prev_sum, .durable = durable,
		.trim = trim_lsn, .flags = flags,
	};
	uint8_t *p = at(lsn);

	if (!(flags & ~JNL_BATCH_UNTORN)) {
		h.count = 1;
		h.body_len = blocks * BLOCK - 64;
		jnl_put64(p + 64, h.body_len - 8);
		memset(p + 72, 0x11 * (int)(lsn / BLOCK % 15 + 1),
		       h.body_len - 8);
	} else if (flags & JNL_BATCH_OPEN) {
		h.body_len = 16;
		memset(p + 64, 7, 16);
	}
	h.body_sum = jnl_checksum(p + 64, h.body_len, seed);
	jnl_batch_encode(p, &h, seed);
	prev_sum = h.header_sum;
	pos = jnl_batch_end(&h, BLOCK, SEGMENT);
	return lsn;
}

/* Write a header again after changing it, with a good checksum. */
static void reseal(uint64_t lsn, struct jnl_batch_header *h)
{
	jnl_batch_encode(at(lsn), h, seed);
}

static void dump(void)
{
	char name[JNL_SEGMENT_NAME_LEN], *file;
	int fd;

	for (uint64_t n = 0; n < SEGMENTS; n++) {
		if (!there[n])
			continue;
		jnl_segment_name(name, n);
		file = scratch_path(dir, name);
		fd = open(file, O_CREAT | O_TRUNC | O_WRONLY, 0644);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(write(fd, image[n], SEGMENT), SEGMENT);
		close(fd);
		free(file);
	}
}

/* Recover the image and go on with an empty directory. */
static int recover(struct jnl_recovery *rec, struct jnl_damage *damage)
{
	struct jnl_attached a;
	int ret;

	dump();
	ret = jnl_attach(jnl_sys_linux(), dir, &a, NULL);
	if (rec)
		*rec = a.rec;
	if (damage)
		*damage = a.damage;
	if (!ret)
		jnl_detach(&a);
	return ret;
}

static void end(void)
{
	scratch_remove(dir);
}

static void expect(int want, enum journal_finding finding)
{
	struct jnl_damage damage;

	ck_assert_int_eq(recover(NULL, &damage), want);
	ck_assert_int_eq(damage.finding, finding);
	end();
}

START_TEST(a_segment_without_batches_is_an_empty_journal)
{
	struct jnl_recovery rec;

	begin(0, 2);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, 0);
	ck_assert_uint_eq(rec.last_sum, 0);
	end();
}
END_TEST

START_TEST(the_end_is_behind_the_last_batch_that_counts)
{
	struct jnl_recovery rec;
	uint64_t last;

	begin(0, 2);
	batch(1, JNL_BATCH_OPEN, 0);
	batch(2, 0, 2 * BLOCK);
	last = batch(2, 0, 2 * BLOCK);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, last + 2 * BLOCK);
	ck_assert_uint_eq(rec.last_sum, prev_sum);
	ck_assert_uint_eq(rec.last_durable, 2 * BLOCK);
	ck_assert_uint_eq(rec.tail_bytes, 0);
	end();
}
END_TEST

START_TEST(a_torn_batch_in_the_window_is_a_tail_and_is_reported)
{
	struct jnl_recovery rec;
	uint64_t last;

	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	batch(1, 0, 2 * BLOCK);
	last = batch(3, 0, 2 * BLOCK);
	memset(at(last) + BLOCK, 0, BLOCK);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, last);
	ck_assert_uint_eq(rec.tail_batches, 1);
	ck_assert_uint_eq(rec.tail_bytes, 2 * BLOCK);
	end();
}
END_TEST

START_TEST(the_same_below_a_later_watermark_is_damage)
{
	uint64_t torn;

	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	torn = batch(3, 0, 2 * BLOCK);
	batch(1, 0, pos);
	memset(at(torn) + BLOCK, 0, BLOCK);
	expect(-EBADMSG, JOURNAL_LOST);
}
END_TEST

START_TEST(a_watermark_counts_wherever_its_header_lies)
{
	struct jnl_batch_header h;
	uint64_t lost, later;

	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	lost = batch(1, 0, 2 * BLOCK);
	later = batch(1, 0, 3 * BLOCK);
	/* the later one went to the wrong place, two blocks on */
	memcpy(at(later) + 2 * BLOCK, at(later), BLOCK);
	memset(at(later), 0, BLOCK);
	memset(at(lost), 0, BLOCK);
	ck_assert(jnl_batch_decode(at(later) + 2 * BLOCK, seed, &h));
	expect(-EBADMSG, JOURNAL_LOST);
}
END_TEST

START_TEST(a_batch_that_does_not_link_does_not_count)
{
	struct jnl_recovery rec;
	uint64_t last;

	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	prev_sum++;
	last = batch(1, 0, 2 * BLOCK);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, last);
	ck_assert_uint_eq(rec.tail_batches, 1);
	end();
}
END_TEST

/*
 * Headers in place behind the end, each with a body up to the segment's end
 * that is not there; then a batch that is whole and has one more in its payload.
 * How many headers recovery counts.
 */
static uint32_t count_behind(int headers)
{
	struct jnl_batch_header h = { .prev_sum = 5, .body_sum = 5 };
	struct jnl_recovery rec;
	uint64_t lsn;

	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	for (int i = 0; i < headers; i++, pos += BLOCK) {
		h.lsn = pos;
		h.body_len = (uint32_t)(SEGMENT - pos) - JNL_BATCH_HEADER;
		reseal(pos, &h);
	}
	prev_sum = 5;
	lsn = batch(3, 0, 0);
	ck_assert(jnl_batch_decode(at(lsn), seed, &h));
	reseal(lsn + BLOCK, &(struct jnl_batch_header){
		.lsn = lsn + BLOCK, .body_len = 64,
	});
	h.body_sum = jnl_checksum(at(lsn) + 64, h.body_len, seed);
	reseal(lsn, &h);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, 2 * BLOCK);
	end();
	return rec.tail_batches;
}

START_TEST(bodies_that_are_not_whole_are_not_summed_for_ever)
{
	/* 60 blocks, then 69: four segments have 64. */
	ck_assert_uint_eq(count_behind(5), 6);
	ck_assert_uint_eq(count_behind(6), 8);
}
END_TEST

START_TEST(the_first_batch_of_segment_0_links_to_nothing)
{
	struct jnl_recovery rec;

	begin(0, 1);
	prev_sum = 5;
	batch(1, JNL_BATCH_OPEN, 0);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, 0);
	end();
}
END_TEST

START_TEST(padding_that_is_not_zero_is_not_what_was_written)
{
	uint64_t bad;

	begin(0, 1);
	bad = batch(1, JNL_BATCH_OPEN, 0);
	batch(1, 0, pos);
	at(bad)[BLOCK - 1] = 1;
	expect(-EBADMSG, JOURNAL_LOST);
}
END_TEST

START_TEST(an_untorn_batch_with_a_bad_body_is_damage_where_it_links)
{
	struct jnl_recovery rec;
	uint64_t last;

	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	last = batch(2, JNL_BATCH_UNTORN, 2 * BLOCK);
	at(last)[BLOCK] ^= 1;
	expect(-EBADMSG, JOURNAL_BAD_BATCH);
	/* and a tail where it does not */
	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	prev_sum++;
	last = batch(2, JNL_BATCH_UNTORN, 2 * BLOCK);
	at(last)[BLOCK] ^= 1;
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, last);
	end();
}
END_TEST

START_TEST(a_linked_header_that_makes_no_sense_is_damage)
{
	struct jnl_batch_header h;
	uint64_t last;

	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	last = batch(1, 0, 2 * BLOCK);
	ck_assert(jnl_batch_decode(at(last), seed, &h));
	h.body_len = UINT32_MAX - 7;
	reseal(last, &h);
	expect(-EBADMSG, JOURNAL_BAD_BATCH);
	/* also where it is the only one there is */
	begin(0, 1);
	last = batch(1, 0, 0);
	ck_assert(jnl_batch_decode(at(last), seed, &h));
	h.trim = 1ull << 62;
	reseal(last, &h);
	expect(-EBADMSG, JOURNAL_BAD_BATCH);
	/* a good checksum over records that do not add up */
	begin(0, 1);
	batch(1, JNL_BATCH_OPEN, 0);
	last = batch(1, 0, 2 * BLOCK);
	ck_assert(jnl_batch_decode(at(last), seed, &h));
	h.count = 2;
	reseal(last, &h);
	expect(-EBADMSG, JOURNAL_BAD_BATCH);
}
END_TEST

START_TEST(a_reader_meets_records_that_do_not_add_up_where_nothing_recovered)
{
	static const uint32_t counts[] = { 2, 0 };
	struct jnl_batch_header h;
	struct journal_record rec;
	journal_reader *r;
	uint64_t bad;

	for (size_t i = 0; i < 2; i++) {
		begin(0, 3);
		batch(1, JNL_BATCH_OPEN, 0);
		bad = batch(12, 0, 2 * BLOCK);
		ck_assert(jnl_batch_decode(at(bad), seed, &h));
		h.count = counts[i];
		if (!counts[i]) {
			/* A length that ends inside the body. */
			h.count = 1;
			jnl_put64(at(bad) + 64, 8);
			h.body_sum = jnl_checksum(at(bad) + 64, h.body_len,
						  seed);
		}
		reseal(bad, &h);
		prev_sum = h.header_sum;
		batch(1, JNL_BATCH_SKIP, 2 * BLOCK);
		batch(2, 0, 14 * BLOCK);
		batch(1, 0, SEGMENT + 3 * BLOCK);
		ck_assert_int_eq(recover(NULL, NULL), 0);
		ck_assert_int_eq(journal_reader_open(&r, dir, 0, NULL), 0);
		ck_assert_int_eq(journal_reader_next(r, &rec), -EBADMSG);
		ck_assert_uint_eq(journal_reader_error(r)->lsn, bad);
		ck_assert_int_eq(journal_reader_next(r, &rec), -EBADMSG);
		journal_reader_close(r);
		end();
	}
}
END_TEST

START_TEST(the_chain_goes_through_a_skip_batch_into_the_next_segment)
{
	struct jnl_recovery rec;
	uint64_t last;

	begin(0, 3);
	batch(1, JNL_BATCH_OPEN, 0);
	batch(12, 0, 2 * BLOCK);
	batch(1, JNL_BATCH_SKIP, 2 * BLOCK);
	ck_assert_uint_eq(pos, SEGMENT);
	last = batch(2, 0, 14 * BLOCK);
	ck_assert_uint_eq(last, SEGMENT + BLOCK);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, SEGMENT + 3 * BLOCK);
	end();
}
END_TEST

START_TEST(without_the_skip_batch_the_next_segment_is_not_reached)
{
	struct jnl_recovery rec;
	uint64_t skip;

	begin(0, 2);
	batch(1, JNL_BATCH_OPEN, 0);
	skip = batch(1, JNL_BATCH_SKIP, 0);
	batch(2, 0, 2 * BLOCK);
	memset(at(skip), 0, BLOCK);
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.end, 2 * BLOCK);
	ck_assert_uint_eq(rec.tail_batches, 1);
	end();
}
END_TEST

/* Three full segments from first on, then one batch; everything durable. */
static void fill_segments(uint64_t first)
{
	begin(first, 4);
	for (int i = 0; i < 3; i++)
		batch(15, first || i ? 0 : 0, pos);
	batch(1, 0, pos);
}

START_TEST(beside_a_writer_the_chain_says_how_far_it_is)
{
	struct jnl_recovery rec;
	struct jnl_damage damage;
	struct jnl_names names;
	struct jnl_view view;
	uint64_t marked;
	int fd;

	begin(0, 2);
	batch(1, JNL_BATCH_OPEN, 0);
	batch(2, 0, 2 * BLOCK);
	/* an older life got as far as segment 1; this one goes on in 0 */
	pos = SEGMENT;
	batch(1, 0, 2 * BLOCK);
	pos = 4 * BLOCK;
	ck_assert(jnl_batch_decode(at(2 * BLOCK), seed,
				   &(struct jnl_batch_header){ 0 }));
	prev_sum = jnl_get64(at(2 * BLOCK));
	marked = pos;
	batch(1, 0, marked);
	dump();
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(jnl_names_read(jnl_sys_linux(), fd, &names), 0);
	jnl_view_init(&view, jnl_sys_linux(), fd, true);
	ck_assert_int_eq(jnl_recover(&view, &names, JNL_RECOVER_LIVE, &rec,
				     &damage), 0);
	ck_assert_uint_eq(rec.end, marked);
	jnl_view_fini(&view);
	jnl_names_free(&names);
	close(fd);
	end();
}
END_TEST

START_TEST(a_missing_segment_above_the_trim_is_missed)
{
	fill_segments(0);
	there[1] = false;
	expect(-ENODATA, JOURNAL_MISSING);
	fill_segments(0);
	there[0] = false;
	expect(-ENODATA, JOURNAL_MISSING);
}
END_TEST

START_TEST(a_missing_segment_below_the_trim_is_not)
{
	struct jnl_recovery rec;

	begin(0, 4);
	batch(15, 0, 0);
	batch(15, 0, pos);
	trim_lsn = SEGMENT + BLOCK + 64;
	batch(15, 0, pos);
	batch(1, 0, pos);
	there[0] = false;
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.oldest, 1);
	ck_assert_uint_eq(rec.first, trim_lsn);
	/* nor is it judged if it is there and bad */
	there[0] = true;
	image[0][0] ^= 1;
	ck_assert_int_eq(recover(&rec, NULL), 0);
	/* but the segment of the trim itself is */
	image[1][0] ^= 1;
	expect(-EBADMSG, JOURNAL_BAD_SEGMENT);
}
END_TEST

START_TEST(a_bad_header_in_the_newest_segment_is_damage)
{
	fill_segments(0);
	image[3][20] ^= 1;
	expect(-EBADMSG, JOURNAL_BAD_SEGMENT);
	fill_segments(0);
	image[3][BLOCK - 1] = 1;
	expect(-EBADMSG, JOURNAL_BAD_SEGMENT);
}
END_TEST

START_TEST(another_journal_s_segment_is_told_as_such)
{
	fill_segments(0);
	uuid[0]++;
	make_segment(1);
	uuid[0]--;
	expect(-EXDEV, JOURNAL_FOREIGN);
	/* also as the newest one */
	fill_segments(0);
	uuid[0]++;
	make_segment(4);
	uuid[0]--;
	expect(-EXDEV, JOURNAL_FOREIGN);
}
END_TEST

START_TEST(a_renamed_segment_is_damage)
{
	fill_segments(0);
	memcpy(image[4], image[2], SEGMENT);
	there[4] = true;
	expect(-EBADMSG, JOURNAL_BAD_SEGMENT);
}
END_TEST

START_TEST(a_short_segment_is_damage)
{
	char *file;

	fill_segments(0);
	dump();
	there[3] = false;
	file = scratch_path(dir, "0000000000000003.seg");
	ck_assert_int_eq(truncate(file, SEGMENT - BLOCK), 0);
	free(file);
	expect(-EBADMSG, JOURNAL_BAD_SEGMENT);
	fill_segments(0);
	dump();
	there[3] = false;
	file = scratch_path(dir, "0000000000000003.seg");
	ck_assert_int_eq(truncate(file, 0), 0);
	free(file);
	expect(-EBADMSG, JOURNAL_BAD_SEGMENT);
}
END_TEST

START_TEST(a_segment_that_is_no_regular_file_is_damage)
{
	char *file;

	fill_segments(0);
	file = scratch_path(dir, "0000000000000004.seg");
	ck_assert_int_eq(mkfifo(file, 0644), 0);
	ck_assert_int_eq(recover(NULL, NULL), -EBADMSG);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(symlink("0000000000000003.seg", file), 0);
	ck_assert_int_eq(recover(NULL, NULL), -EBADMSG);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mkdir(file, 0755), 0);
	ck_assert_int_eq(recover(NULL, NULL), -EBADMSG);
	free(file);
	end();
}
END_TEST

START_TEST(names_that_are_not_exactly_a_segment_s_are_ignored)
{
	static const char *const other[] = {
		"0000000000000009.SEG", "000000000000009.seg",
		"0000000000000009.seg~", "000000000000000G.seg",
		"000000000000000A.seg", "0000000000000009.tmp", "x",
	};
	struct jnl_recovery rec;
	char *file;

	fill_segments(0);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		file = scratch_path(dir, other[i]);
		ck_assert_int_ge(close(open(file, O_CREAT, 0644)), 0);
		free(file);
	}
	ck_assert_int_eq(recover(&rec, NULL), 0);
	ck_assert_uint_eq(rec.newest, 3);
	end();
}
END_TEST

START_TEST(a_number_out_of_range_is_damage_and_not_an_overflow)
{
	char *file;

	fill_segments(0);
	dump();
	file = scratch_path(dir, "ffffffffffffffff.seg");
	ck_assert_int_eq(link("/dev/null", file), -1);
	ck_assert_int_eq(close(open(file, O_CREAT | O_WRONLY, 0644)), 0);
	ck_assert_int_eq(truncate(file, SEGMENT), 0);
	free(file);
	expect(-EBADMSG, JOURNAL_BAD_SEGMENT);
}
END_TEST

START_TEST(a_newer_format_is_refused_as_such)
{
	fill_segments(0);
	jnl_put32(image[3] + 8, 2);
	jnl_put64(image[3] + 56, jnl_checksum(image[3], 56, seed));
	expect(-EPROTONOSUPPORT, JOURNAL_BAD_SEGMENT);
}
END_TEST

RUN_SUITE("recover", 30,
	  a_segment_without_batches_is_an_empty_journal,
	  the_end_is_behind_the_last_batch_that_counts,
	  a_torn_batch_in_the_window_is_a_tail_and_is_reported,
	  the_same_below_a_later_watermark_is_damage,
	  a_reader_meets_records_that_do_not_add_up_where_nothing_recovered,
	  a_watermark_counts_wherever_its_header_lies,
	  a_batch_that_does_not_link_does_not_count,
	  bodies_that_are_not_whole_are_not_summed_for_ever,
	  the_first_batch_of_segment_0_links_to_nothing,
	  padding_that_is_not_zero_is_not_what_was_written,
	  an_untorn_batch_with_a_bad_body_is_damage_where_it_links,
	  a_linked_header_that_makes_no_sense_is_damage,
	  the_chain_goes_through_a_skip_batch_into_the_next_segment,
	  without_the_skip_batch_the_next_segment_is_not_reached,
	  beside_a_writer_the_chain_says_how_far_it_is,
	  a_missing_segment_above_the_trim_is_missed,
	  a_missing_segment_below_the_trim_is_not,
	  a_bad_header_in_the_newest_segment_is_damage,
	  another_journal_s_segment_is_told_as_such,
	  a_renamed_segment_is_damage,
	  a_short_segment_is_damage,
	  a_segment_that_is_no_regular_file_is_damage,
	  names_that_are_not_exactly_a_segment_s_are_ignored,
	  a_number_out_of_range_is_damage_and_not_an_overflow,
	  a_newer_format_is_refused_as_such)
