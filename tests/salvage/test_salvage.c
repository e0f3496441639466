/*
 * What salvage lets in and what it leaves out, on journals made by hand; that
 * a new journal is there or is not, whatever call fails and whenever the power
 * goes.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/salvage.h"
#include "tests/lib/device.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"
#include "tests/salvage/image.h"
#include "tests/sim/sys.h"

#define BATCHES 128
#define HOLES 32

static const struct jnl_env real = { .choice = &choice_buffered };
static char *dir, *from, *to;
static struct image image;
static struct image_batch chain[BATCHES];
static struct journal_hole hole[HOLES];
static struct journal_salvage_report rep;
static int batches, holes;

static void setup(void)
{
	dir = scratch_make(false);
	from = scratch_path(dir, "from");
	to = scratch_path(dir, "to");
	ck_assert_int_eq(mkdir(from, 0700), 0);
}

static void teardown(void)
{
	free(from);
	free(to);
	scratch_remove(dir);
}

static void on_hole(void *arg, const struct journal_hole *h)
{
	(void)arg;
	ck_assert_int_lt(holes, HOLES);
	hole[holes++] = *h;
}

static int salvage_with(const struct jnl_env *old, const struct jnl_env *new,
			const char *path)
{
	rep = (struct journal_salvage_report)JOURNAL_SALVAGE_INIT;
	rep.on_hole = on_hole;
	holes = 0;
	return jnl_salvage(from, path, &rep, old, new);
}

static void salvage(void)
{
	ck_assert_msg(!salvage_with(&real, &real, to), "%s", rep.message);
}

/* Some segments with a record in each batch; known to the test as image. */
static void make(int records, size_t len)
{
	journal *j = image_open(from);

	for (int i = 0; i < records; i++)
		image_put(j, len + (size_t)i, NULL);
	ck_assert_int_eq(journal_close(j), 0);
	image_load(&image, from);
	batches = image_chain(&image, chain, BATCHES);
	ck_assert_int_ge(batches, records + 2);
}

static struct jnl_batch_header header_of(uint64_t lsn)
{
	struct jnl_batch_header h;

	ck_assert(jnl_batch_decode(image_at(&image, lsn), image.seed, &h));
	return h;
}

/* The LSNs of all records in a journal; how many; holes are passed over. */
static int records_in(const char *path, struct jnl_sys *sys, uint64_t *lsn,
		      int max)
{
	struct jnl_env env = { .sys = sys };
	struct journal_record rec;
	journal_reader *r;
	int n = 0, ret;

	ck_assert_int_eq(jnl_reader_open(&r, path, 0, NULL, &env), 0);
	for (;;) {
		ret = journal_reader_next(r, &rec);
		if (ret == -ENODATA)
			ret = journal_reader_seek(
				r, journal_reader_error(r)->lsn);
		else if (ret == 1 && n < max)
			lsn[n++] = rec.lsn;
		else
			break;
	}
	ck_assert_int_eq(ret, 0);
	journal_reader_close(r);
	return n;
}

static bool has(const char *path, uint64_t lsn)
{
	static uint64_t all[BATCHES];
	int n = records_in(path, NULL, all, BATCHES);

	for (int i = 0; i < n; i++)
		if (all[i] == lsn + JNL_BATCH_HEADER)
			return true;
	return false;
}

START_TEST(a_batch_that_the_next_does_not_link_to_is_left_out)
{
	struct jnl_batch_header h;
	uint8_t *p;

	/* A write was lost, and the block holds what it held before: whole,
	 * in its place, and linking to the batch before it. */
	make(12, 3000);
	h = header_of(chain[6].lsn);
	p = image_at(&image, h.lsn);
	p[JNL_BATCH_HEADER + JNL_RECORD_WORD] ^= 1;
	h.body_sum = jnl_checksum(p + JNL_BATCH_HEADER, h.body_len, image.seed);
	jnl_batch_encode(p, &h, image.seed);
	image_store(&image, from);
	salvage();
	ck_assert_int_eq(holes, 1);
	ck_assert_uint_eq(hole[0].from, chain[6].lsn);
	ck_assert_uint_eq(hole[0].to, chain[6].end);
	ck_assert(has(to, chain[5].lsn));
	ck_assert(!has(to, chain[6].lsn));
	ck_assert(has(to, chain[7].lsn));
}
END_TEST

START_TEST(payload_like_a_batch_stays_payload_where_the_header_is_damaged)
{
	static uint8_t text[6 * IMAGE_BLOCK];
	struct jnl_batch_header h = { 0 };
	uint64_t outer, inner;
	journal *j;
	uint8_t *p;

	/* By somebody who knows the UUID and guesses the place. */
	j = image_open(from);
	image_put(j, 100, NULL);
	outer = 3 * IMAGE_BLOCK;
	inner = outer + 2 * IMAGE_BLOCK;
	image_load(&image, from);
	p = text + 2 * IMAGE_BLOCK - JNL_BATCH_HEADER - JNL_RECORD_WORD;
	h.lsn = h.durable = inner;
	h.count = 1;
	h.body_len = 16;
	jnl_put64(p + JNL_BATCH_HEADER, 8);
	h.body_sum = jnl_checksum(p + JNL_BATCH_HEADER, 16, image.seed);
	jnl_batch_encode(p, &h, image.seed);
	ck_assert_uint_eq(image_put(j, sizeof(text) - 200, text),
			  outer + JNL_BATCH_HEADER);
	image_put(j, 100, NULL);
	ck_assert_int_eq(journal_close(j), 0);
	for (int byte = 0; byte < 64; byte++) {
		/* Where the header says of the body it cannot be known. */
		if (byte >= 40 && byte < 52)
			continue;
		image_load(&image, from);
		image_at(&image, outer)[byte] ^= 1;
		image_store(&image, from);
		if (!access(to, F_OK))
			image_clear(to);
		salvage();
		ck_assert_int_eq(holes, 1);
		ck_assert_uint_eq(hole[0].from, outer);
		ck_assert(!has(to, inner));
		image_at(&image, outer)[byte] ^= 1;
		image_store(&image, from);
	}
}
END_TEST

/* A batch with one record, as an earlier life may have left it. */
static void put_stale(uint64_t lsn, uint64_t durable)
{
	struct jnl_batch_header h = {
		.lsn = lsn, .prev_sum = 0x1234567, .durable = durable,
		.count = 1, .body_len = 16,
	};
	uint8_t *p = image_at(&image, lsn);

	memset(p, 0, IMAGE_BLOCK);
	jnl_put64(p + JNL_BATCH_HEADER, 8);
	h.body_sum = jnl_checksum(p + JNL_BATCH_HEADER, 16, image.seed);
	jnl_batch_encode(p, &h, image.seed);
}

START_TEST(remains_behind_a_skip_batch_that_is_lost_are_left_out)
{
	uint64_t skip = 0, stale;
	int at = 0;

	make(16, 14000);
	for (; at < batches && !skip; at++)
		if (chain[at].flags & JNL_BATCH_SKIP &&
		    chain[at].end % IMAGE_SEGMENT)
			skip = chain[at].lsn;
	ck_assert_uint_ne(skip, 0);
	stale = skip + IMAGE_BLOCK;
	put_stale(stale, chain[at - 3].lsn);
	image_store(&image, from);
	salvage();
	ck_assert_int_eq(holes, 0);
	ck_assert(!has(to, stale));
	image_at(&image, skip)[20] ^= 1;
	image_store(&image, from);
	image_clear(to);
	salvage();
	ck_assert_int_eq(holes, 1);
	ck_assert_uint_eq(rep.remains, 1);
	ck_assert(!has(to, stale));
	ck_assert(has(to, chain[at].lsn));
}
END_TEST

START_TEST(remains_behind_the_end_are_left_out_and_no_hole)
{
	uint64_t end;

	make(5, 3000);
	end = chain[batches - 1].end;
	put_stale(end + IMAGE_BLOCK, chain[2].lsn);
	image_store(&image, from);
	salvage();
	ck_assert_int_eq(holes, 0);
	ck_assert_uint_eq(rep.end, end);
	ck_assert_uint_eq(rep.remains, 1);
	ck_assert_uint_eq(rep.records, 5);
}
END_TEST

START_TEST(without_a_header_that_is_good_nothing_is_made)
{
	make(5, 3000);
	for (int i = 0; i < image.files; i++)
		image.file[i].data[3] ^= 1;
	image_store(&image, from);
	ck_assert_int_eq(salvage_with(&real, &real, to), -EBADMSG);
	ck_assert(rep.message[0]);
	ck_assert_int_ne(access(to, F_OK), 0);
}
END_TEST

START_TEST(as_many_files_of_another_journal_are_refused)
{
	static struct image other;

	make(16, 6000);
	other = image;
	image_clear(from);
	make(16, 6000);
	for (int i = 0; i < image.files / 2; i++)
		image.file[i] = other.file[i];
	if (image.files % 2)
		image_remove(&image, (uint64_t)image.files - 1);
	image_store(&image, from);
	ck_assert_int_eq(salvage_with(&real, &real, to), -EXDEV);
}
END_TEST

START_TEST(numbers_far_apart_are_refused)
{
	make(5, 3000);
	image.file[image.files] = image.file[0];
	image.file[image.files++].number = 1ull << 40;
	image_store(&image, from);
	ck_assert_int_eq(salvage_with(&real, &real, to), -EFBIG);
}
END_TEST

START_TEST(a_number_beyond_every_lsn_is_refused_where_it_is_the_only_one)
{
	char *was = scratch_path(from, "0000000000000000.seg");
	char *is = scratch_path(from, "ffffffffffffffff.seg");

	make(3, 100);
	for (uint64_t n = IMAGE_FILES; n; n--)
		image_remove(&image, n);
	image_store(&image, from);
	ck_assert_int_eq(rename(was, is), 0);
	ck_assert_int_eq(salvage_with(&real, &real, to), -EFBIG);
	ck_assert_ptr_ne(strstr(rep.message, "give them back their names"),
			 NULL);
	ck_assert_int_lt(access(to, F_OK), 0);
	free(was);
	free(is);
}
END_TEST

/* What has a segment's name and is no file hides that segment alone. */
static void check_no_file(int (*put)(const char *path, mode_t mode))
{
	char *name = scratch_path(from, "0000000000000001.seg");
	uint64_t all[BATCHES];

	make(14, 11000);
	ck_assert_int_ge(image.files, 3);
	image_remove(&image, 1);
	image_store(&image, from);
	salvage();
	ck_assert_int_eq(holes, 1);
	image_clear(to);
	ck_assert_int_eq(rmdir(to), 0);
	ck_assert_int_eq(put(name, 0700), 0);
	salvage();
	ck_assert_int_eq(holes, 1);
	ck_assert_uint_eq(hole[0].from, IMAGE_SEGMENT + IMAGE_BLOCK);
	ck_assert_uint_eq(hole[0].to, 2 * IMAGE_SEGMENT);
	ck_assert_int_eq(hole[0].why, JOURNAL_BAD_SEGMENT);
	ck_assert_int_ge(records_in(to, NULL, all, BATCHES), 6);
	free(name);
}

START_TEST(a_directory_or_a_pipe_named_as_a_segment_hides_that_one_alone)
{
	char *name = scratch_path(from, "0000000000000001.seg");

	check_no_file(mkdir);
	ck_assert_int_eq(rmdir(name), 0);
	image_clear(to);
	ck_assert_int_eq(rmdir(to), 0);
	image_clear(from);
	check_no_file(mkfifo);
	free(name);
}
END_TEST

START_TEST(memory_is_no_place_for_a_salvaged_journal)
{
	static const struct jnl_env unchosen;

	make(5, 3000);
	if (!strncmp(dir, "/dev/shm", 8))
		ck_assert_int_eq(salvage_with(&real, &unchosen, to),
				 -EOPNOTSUPP);
	else
		puts("skip - no tmpfs to refuse");
}
END_TEST

START_TEST(a_hole_is_told_at_each_seek_into_it_and_not_behind)
{
	struct journal_record rec;
	journal_reader *r;
	uint64_t next;

	make(12, 3000);
	image_at(&image, chain[6].lsn)[100] ^= 1;
	image_store(&image, from);
	salvage();
	ck_assert_int_eq(journal_reader_open(&r, to, chain[6].lsn, NULL), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(journal_reader_next(r, &rec), -ENODATA);
		ck_assert_int_eq(journal_reader_next(r, &rec), -ENODATA);
		next = journal_reader_error(r)->lsn;
		ck_assert_uint_eq(next, chain[6].end);
		ck_assert_int_eq(journal_reader_seek(r, chain[6].lsn + 70), 0);
	}
	ck_assert_int_eq(journal_reader_next(r, &rec), -ENODATA);
	ck_assert_int_eq(journal_reader_seek(r, next), 0);
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	ck_assert_uint_eq(rec.lsn, chain[7].lsn + JNL_BATCH_HEADER);
	journal_reader_close(r);
}
END_TEST

START_TEST(a_block_device_is_salvaged_into_a_directory)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct iovec iov = { dir, 5 };
	static struct device device;
	struct jnl_env env = {
		.sys = &device.sys, .choice = &choice_dsync, .no_helper = true,
	};
	uint64_t lsn[5], all[BATCHES];
	uint8_t byte;
	journal *j;
	FILE *f;

	ck_assert_int_eq(rmdir(from), 0);
	device_init(&device, from, 2097152 + 6 * IMAGE_SEGMENT);
	o.flags = JOURNAL_CREATE;
	o.segment_size = IMAGE_SEGMENT;
	ck_assert_int_eq(jnl_open(&j, from, &o, &env), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(journal_commit(j, &iov, 1, &lsn[i]), 0);
	ck_assert_int_eq(journal_close(j), 0);
	f = fopen(from, "r+");
	ck_assert_int_eq(fseek(f, 2097152 + (long)lsn[2], SEEK_SET), 0);
	ck_assert_int_eq(fread(&byte, 1, 1, f), 1);
	byte ^= 1;
	ck_assert_int_eq(fseek(f, -1, SEEK_CUR), 0);
	ck_assert_int_eq(fwrite(&byte, 1, 1, f), 1);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_msg(!salvage_with(&env, &real, to), "%s", rep.message);
	ck_assert_int_eq(holes, 1);
	ck_assert_int_eq(records_in(to, NULL, all, BATCHES), 4);
	ck_assert_uint_eq(all[1], lsn[1]);
	ck_assert_uint_eq(all[2], lsn[3]);
}
END_TEST

/* ------------------------------------------------------------------------
 * Failures
 */

/* What jnl_verify() says: JOURNAL_MISSING, ..., or a negative errno. */
static int judge(const char *path, struct jnl_sys *sys, uint64_t *ret_records)
{
	struct journal_report v = JOURNAL_REPORT_INIT;
	struct jnl_env env = { .sys = sys };
	int ret = jnl_verify(path, &v, &env);

	*ret_records = v.records;
	return ret < 0 ? ret : (int)v.finding;
}

/* Damaged in one place of three segments. */
static uint64_t make_damaged(void)
{
	make(14, 11000);
	image_at(&image, chain[3].lsn)[200] ^= 1;
	image_remove(&image, 1);
	image_store(&image, from);
	salvage();
	image_clear(to);
	ck_assert_int_eq(rmdir(to), 0);
	ck_assert_int_ge(holes, 2);
	return rep.records;
}

/* A failed salvage leaves no journal, or one that says that it lacks much. */
static void check_failed(const struct fault *f, uint64_t whole)
{
	uint64_t records;
	int ret = judge(to, NULL, &records);

	ck_assert_msg(rep.message[0], "%s: no message", fault_name(f->call));
	/* The last sync may have failed, and the names be there. */
	if (ret == JOURNAL_HOLE)
		ck_assert_uint_eq(records, whole);
	else
		ck_assert_msg(ret == -ENOENT || ret == JOURNAL_MISSING ||
			      ret == -ENOTDIR, "%s: %d",
			      fault_name(f->call), ret);
}

static void sweep(bool old, unsigned long times)
{
	static const int errors[] = { -EIO, -ENOSPC, -ENOMEM, -EACCES };
	struct jnl_env env = real;
	struct fault fault;
	uint64_t whole = make_damaged(), saved;
	int ret;

	for (int call = 0; call < FAULT_CALLS; call++) {
		for (unsigned long k = 1;; k++) {
			fault_init(&fault, jnl_sys_linux());
			fault_set(&fault, call, k, times,
				  errors[(k + (unsigned long)call) % 4]);
			env.sys = &fault.sys;
			if (!access(to, F_OK)) {
				image_clear(to);
				ck_assert_int_eq(rmdir(to), 0);
			}
			ret = salvage_with(old ? &env : &real,
					   old ? &real : &env, to);
			if (!fault.hit)
				break;
			if (ret < 0) {
				check_failed(&fault, whole);
				continue;
			}
			/* Not to be read is lost, and told. */
			ck_assert_int_eq(judge(to, NULL, &saved), JOURNAL_HOLE);
			ck_assert_uint_eq(saved, rep.records);
			ck_assert_uint_le(saved, whole);
			if (!old)
				ck_assert_uint_eq(saved, whole);
		}
	}
}

START_TEST(a_failure_on_the_old_side_loses_what_is_told_or_ends_it)
{
	sweep(true, 1);
}
END_TEST

START_TEST(a_lasting_failure_on_the_old_side_does_the_same)
{
	sweep(true, 1000000);
}
END_TEST

START_TEST(a_failure_on_the_new_side_leaves_no_journal)
{
	sweep(false, 1);
}
END_TEST

START_TEST(a_lasting_failure_on_the_new_side_leaves_no_journal)
{
	sweep(false, 1000000);
}
END_TEST

START_TEST(what_cannot_be_read_block_by_block_is_all_that_is_lost)
{
	struct jnl_env env = real;
	struct fault fault;
	uint64_t whole;

	make(14, 3000);
	salvage();
	whole = rep.records;
	/* The first large read of segment 0, then one block of it. */
	for (unsigned long k = 1; k < 8; k++) {
		fault_init(&fault, jnl_sys_linux());
		fault_set(&fault, FAULT_PREAD, k, 2, -EIO);
		env.sys = &fault.sys;
		image_clear(to);
		if (salvage_with(&env, &real, to))
			continue;
		ck_assert_int_le(holes, 1);
		ck_assert_uint_ge(rep.records + 1, whole);
	}
}
END_TEST

/* ------------------------------------------------------------------------
 * Power cuts: the new journal lies on the simulated disk.
 */

#define POINTS 400

static struct sim_disk *point[POINTS];
static int points;
static struct sim sim;

static void on_step(void *arg)
{
	(void)arg;
	if (points < POINTS)
		point[points++] = sim_disk_clone(sim.disk);
}

/* Whether what a cut leaves is all of it or nothing. */
static bool check_cut(struct sim_disk *disk, uint64_t seed, uint64_t whole)
{
	struct sim_disk *cut = sim_disk_clone(disk);
	struct sim_pick pick;
	static struct sim after;
	uint64_t records;
	int ret;

	sim_pick_seed(&pick, seed);
	sim_cut(cut, &pick, SIM_SECTOR);
	memset(&after, 0, sizeof(after));
	sim_init(&after, cut, seed);
	ret = judge(SIM_DIR, &after.sys, &records);
	if (ret == JOURNAL_HOLE)
		ck_assert_uint_eq(records, whole);
	else
		ck_assert_msg(ret == -ENOENT || ret == JOURNAL_MISSING,
			      "seed %lu: %d", (unsigned long)seed, ret);
	/* What has no name yet is no obstacle to another try. */
	if (ret == -ENOENT && !(seed % 16)) {
		struct jnl_env env = { .sys = &after.sys,
				       .choice = &choice_buffered };

		ck_assert_msg(!salvage_with(&real, &env, SIM_DIR), "%s",
			      rep.message);
		ck_assert_int_eq(judge(SIM_DIR, &after.sys, &records),
				 JOURNAL_HOLE);
		ck_assert_uint_eq(records, whole);
	}
	sim_disk_free(cut);
	return ret == JOURNAL_HOLE;
}

START_TEST(a_power_cut_leaves_the_new_journal_or_none)
{
	struct sim_disk *disk = sim_disk_new();
	struct jnl_env env = { .sys = &sim.sys, .choice = &choice_buffered };
	uint64_t whole = make_damaged();
	int kept = 0, gone = 0;

	sim_init(&sim, disk, 1);
	sim.step = on_step;
	ck_assert_msg(!salvage_with(&real, &env, SIM_DIR), "%s", rep.message);
	ck_assert_int_gt(points, 20);
	ck_assert_int_lt(points, POINTS);
	for (int i = 0; i < points; i++) {
		for (uint64_t seed = 0; seed < 24; seed++) {
			if (check_cut(point[i], (uint64_t)i * 100 + seed,
				      whole))
				kept++;
			else
				gone++;
		}
		sim_disk_free(point[i]);
	}
	ck_assert_int_gt(kept, 0);
	ck_assert_int_gt(gone, 0);
	/* And when it has said that it is done, it is. */
	for (uint64_t seed = 0; seed < 50; seed++)
		ck_assert(check_cut(disk, seed, whole));
	sim_disk_free(disk);
}
END_TEST

RUN_SUITE_WITH("salvage", 120, setup, teardown,
	a_batch_that_the_next_does_not_link_to_is_left_out,
	payload_like_a_batch_stays_payload_where_the_header_is_damaged,
	remains_behind_a_skip_batch_that_is_lost_are_left_out,
	remains_behind_the_end_are_left_out_and_no_hole,
	without_a_header_that_is_good_nothing_is_made,
	as_many_files_of_another_journal_are_refused,
	numbers_far_apart_are_refused,
	a_number_beyond_every_lsn_is_refused_where_it_is_the_only_one,
	a_directory_or_a_pipe_named_as_a_segment_hides_that_one_alone,
	memory_is_no_place_for_a_salvaged_journal,
	a_hole_is_told_at_each_seek_into_it_and_not_behind,
	a_block_device_is_salvaged_into_a_directory,
	a_failure_on_the_old_side_loses_what_is_told_or_ends_it,
	a_lasting_failure_on_the_old_side_does_the_same,
	a_failure_on_the_new_side_leaves_no_journal,
	a_lasting_failure_on_the_new_side_leaves_no_journal,
	what_cannot_be_read_block_by_block_is_all_that_is_lost,
	a_power_cut_leaves_the_new_journal_or_none)
