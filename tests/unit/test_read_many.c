/*
 * Reading many records at once, by their LSNs: the same as in order.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/batch-index.h"
#include "journal/core.h"
#include "journal/format.h"
#include "journal/reader.h"
#include "journal/salvage.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"
#include "tests/unit/records.h"

#define MANY 300

static uint8_t buf[MANY][700];
static struct journal_read asked[MANY];
static int number[MANY];		/* of the record, -1: none is there */

/* Random records, and some places where there is none. */
static int ask(int most)
{
	int n = 1 + (int)rnd((uint32_t)most);

	for (int i = 0; i < n; i++) {
		number[i] = (int)rnd(RECORDS);
		asked[i] = (struct journal_read){
			.lsn = lsn[number[i]], .buf = buf[i],
			.cap = sizeof(buf[i]), .err = 77, .len = 77,
		};
		if (!rnd(10)) {
			/* within the record, its batch's header or none */
			asked[i].lsn -= rnd(2) ? 4 : 1;
			number[i] = -1;
		}
	}
	return n;
}

static void is_answered(int n)
{
	uint8_t payload[700];

	for (int i = 0; i < n; i++) {
		if (number[i] < 0) {
			ck_assert_int_eq(asked[i].err, -EINVAL);
			continue;
		}
		ck_assert_int_eq(asked[i].err, 0);
		fill(payload, number[i]);
		ck_assert_uint_eq(asked[i].len, len[number[i]]);
		ck_assert_mem_eq(buf[i], payload, asked[i].len);
	}
}

static journal_reader *open_reader(struct jnl_sys *sys)
{
	struct jnl_env env = { .sys = sys };
	journal_reader *r;

	ck_assert_int_eq(jnl_reader_open(&r, path, 0, NULL, &env), 0);
	return r;
}

START_TEST(records_at_random_lsns_are_those_that_come_in_order)
{
	struct journal_record rec;
	struct fault fault;
	journal_reader *r;
	int n, next = 0;

	make();
	for (int ring = 0; ring < 2; ring++) {
		fault_init(&fault, jnl_sys_linux());
		if (!ring)
			fault_set(&fault, FAULT_RING_SETUP, 1, 1000, -ENOSYS);
		r = open_reader(&fault.sys);
		next = 0;
		for (int i = 0; i < 200; i++) {
			n = ask(i % 2 ? 4 : MANY);
			ck_assert_int_ge(journal_read_many(r, asked,
							   (size_t)n), 0);
			is_answered(n);
			/* The reader stands where it stood. */
			ck_assert_int_eq(journal_reader_next(r, &rec), 1);
			is_record(&rec, next++);
		}
		/* Where there was no ring nobody asks twice. */
		ck_assert_uint_eq(fault.calls[FAULT_RING_SETUP] > 0, 1);
		if (!ring)
			ck_assert_uint_eq(fault.calls[FAULT_RING_SETUP], 1);
		journal_reader_close(r);
	}
}
END_TEST

START_TEST(a_buffer_that_is_too_small_is_left_alone_and_told_the_length)
{
	journal_reader *r;
	int n = 0;

	make();
	r = open_reader(NULL);
	while (len[n] < 2)
		n++;
	memset(buf[0], 0xee, sizeof(buf[0]));
	asked[0] = (struct journal_read){
		.lsn = lsn[n], .buf = buf[0], .cap = len[n] - 1,
	};
	asked[1] = (struct journal_read){ .lsn = lsn[n] };
	asked[2] = (struct journal_read){
		.lsn = lsn[n], .buf = buf[1], .cap = len[n],
	};
	ck_assert_int_eq(journal_read_many(r, asked, 3), 1);
	ck_assert_int_eq(asked[0].err, -EMSGSIZE);
	ck_assert_int_eq(asked[1].err, -EMSGSIZE);
	ck_assert_int_eq(asked[2].err, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(asked[i].len, len[n]);
	for (size_t i = 0; i < sizeof(buf[0]); i++)
		ck_assert_uint_eq(buf[0][i], 0xee);
	ck_assert_int_eq(journal_read_many(r, asked, 0), 0);
	asked[0].lsn = 0;
	asked[1].lsn = UINT64_MAX;
	asked[2].lsn = r->at.rec.end;
	ck_assert_int_eq(journal_read_many(r, asked, 3), 0);
	ck_assert_int_eq(asked[0].err, -EINVAL);
	ck_assert_int_eq(asked[1].err, -ERANGE);
	ck_assert_int_eq(asked[2].err, -ERANGE);
	journal_reader_close(r);
}
END_TEST

/* Every record right, or with an error that a fault has as its consequence. */
static void is_right_or_failed(int n, int err)
{
	uint8_t payload[700];

	for (int i = 0; i < n; i++) {
		if (asked[i].err) {
			ck_assert(asked[i].err == err ||
				  (number[i] < 0 && asked[i].err == -EINVAL));
			continue;
		}
		ck_assert_int_ge(number[i], 0);
		fill(payload, number[i]);
		ck_assert_uint_eq(asked[i].len, len[number[i]]);
		ck_assert_mem_eq(buf[i], payload, asked[i].len);
	}
}

static const struct {
	enum fault_call call;
	int err;
	size_t short_to;
	bool once_is_nothing;	/* a single one is made up for */
} faults[] = {
	{ FAULT_PREAD, -EIO, 0, true },
	{ FAULT_PREAD, -EINTR, 0, true },
	{ FAULT_OPENAT, -EMFILE, 0, false },
	{ FAULT_OPENAT, -EACCES, 0, true },
	{ FAULT_FADVISE, -EIO, 0, true },
	{ FAULT_RING_SETUP, -ENOSYS, 0, true },
	{ FAULT_RING_REGISTER, -ENOMEM, 0, true },
	{ FAULT_RING_ENTER, -EINTR, 0, true },
	{ FAULT_RING_ENTER, -EBADR, 0, true },
	{ FAULT_RING_RESULT, -EIO, 0, true },
	{ FAULT_RING_RESULT, -ECANCELED, 0, true },
	{ FAULT_RING_RESULT, -EINTR, 0, true },
	{ FAULT_RING_RESULT, 0, 4096, true },
	{ FAULT_RING_RESULT, 0, 100, true },
};

START_TEST(whatever_call_fails_no_record_is_wrong_and_the_next_try_is_right)
{
	uint64_t hits = 0, seed_then;
	struct fault fault;
	journal_reader *r;
	int n;

	make();
	for (size_t k = 0; k < sizeof(faults) / sizeof(faults[0]); k++) {
		for (unsigned long at = 1; at < 40; at++) {
			bool once = at % 4;

			fault_init(&fault, jnl_sys_linux());
			r = open_reader(&fault.sys);
			/* The first call attaches; that is recovery's test. */
			asked[0].lsn = UINT64_MAX;
			ck_assert_int_eq(journal_read_many(r, asked, 1), 0);
			fault.short_to = faults[k].short_to;
			fault_set(&fault, faults[k].call, at, once ? 1 : 4,
				  faults[k].err);
			seed_then = seed;
			n = ask(60);
			ck_assert_int_ge(journal_read_many(r, asked,
							   (size_t)n), 0);
			if (once && faults[k].once_is_nothing)
				is_answered(n);
			else
				is_right_or_failed(n, faults[k].err);
			hits += fault.hit;
			fault_clear(&fault);
			fault.short_to = 0;
			seed = seed_then;
			n = ask(60);
			ck_assert_int_ge(journal_read_many(r, asked,
							   (size_t)n), 0);
			is_answered(n);
			journal_reader_close(r);
		}
	}
	ck_assert_uint_gt(hits, 200);
}
END_TEST

/* Change a byte of the journal at this position. */
static void spoil(uint64_t at)
{
	char name[JNL_SEGMENT_NAME_LEN], *file;
	FILE *f;
	int c;

	jnl_segment_name(name, at / (4 * SMALL));
	file = scratch_path(path, name);
	f = fopen(file, "r+");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, (long)(at % (4 * SMALL)), SEEK_SET), 0);
	c = fgetc(f);
	ck_assert_int_eq(fseek(f, -1, SEEK_CUR), 0);
	ck_assert_int_ne(fputc(c ^ 0x10, f), EOF);
	ck_assert_int_eq(fclose(f), 0);
	free(file);
}

START_TEST(a_pipe_in_the_place_of_a_segment_keeps_nobody_waiting)
{
	char name[JNL_SEGMENT_NAME_LEN], *file, *aside;
	uint64_t size = 4 * SMALL;
	journal_reader *r;
	int n = 0;

	make();
	r = open_reader(NULL);
	/* Of two segments, so that they are read by a ring if there is one. */
	for (int i = 0; i < RECORDS && n < 60; i++) {
		if (lsn[i] / size != 1u + (n >= 30))
			continue;
		number[n] = i;
		asked[n] = (struct journal_read){
			.lsn = lsn[i], .buf = buf[n], .cap = sizeof(buf[n]),
		};
		n++;
	}
	ck_assert_int_eq(n, 60);
	ck_assert_int_eq(journal_read_many(r, asked, 60), 60);
	jnl_segment_name(name, 1);
	file = scratch_path(path, name);
	aside = scratch_path(dir, name);
	ck_assert_int_eq(rename(file, aside), 0);
	ck_assert_int_eq(mkfifo(file, 0700), 0);
	ck_assert_int_eq(journal_read_many(r, asked, 60), 30);
	for (int i = 0; i < 30; i++)
		ck_assert_int_lt(asked[i].err, 0);
	ck_assert_int_eq(rename(aside, file), 0);
	ck_assert_int_eq(journal_read_many(r, asked, 60), 60);
	is_answered(60);
	journal_reader_close(r);
	free(file);
	free(aside);
}
END_TEST

START_TEST(what_is_damaged_is_told_and_the_rest_is_read)
{
	struct jnl_batch_place place;
	journal_reader *r;
	struct jnl_view view;
	struct jnl_index index;
	uint64_t body, head, size = 4 * SMALL;

	make();
	r = open_reader(NULL);
	jnl_index_init(&index, 64, 64);
	jnl_view_init(&view, r->sys, r->at.dirfd, false);
	view.segment_size = r->at.rec.geometry.segment_size;
	view.block_size = r->at.rec.geometry.block_size;
	ck_assert_int_eq(jnl_index_find(&index, &view, &r->at.rec,
					lsn[RECORDS / 3], &place), 0);
	/* a payload there, and the header of a batch two segments on */
	body = place.lsn;
	spoil(place.lsn + place.size - 4096 + 64);
	ck_assert_int_eq(jnl_index_find(&index, &view, &r->at.rec,
					lsn[RECORDS / 3] + 2 * size, &place),
			 0);
	head = place.lsn;
	spoil(head + 20);
	jnl_view_fini(&view);
	jnl_index_fini(&index);
	for (int from = 0; from < RECORDS; from += MANY) {
		for (int i = 0; i < MANY; i++)
			asked[i] = (struct journal_read){
				.lsn = lsn[from + i], .buf = buf[i],
				.cap = sizeof(buf[i]),
			};
		ck_assert_int_ge(journal_read_many(r, asked, MANY), 0);
		for (int i = 0; i < MANY; i++) {
			uint64_t at = lsn[from + i];
			bool bad = at / size == head / size && at >= head;

			if (at / size == body / size && at > body &&
			    asked[i].err)
				bad = true;
			ck_assert_int_eq(asked[i].err, bad ? -EBADMSG : 0);
			number[i] = from + i;
		}
	}
	/* the record that was chosen, and not those of the segment before */
	asked[0].lsn = lsn[RECORDS / 3];
	ck_assert_int_eq(journal_read_many(r, asked, 1), 0);
	ck_assert_int_eq(asked[0].err, -EBADMSG);
	journal_reader_close(r);
}
END_TEST

/* Change the last bytes of a batch's body, and make its sums good again. */
static void forge(journal_reader *r, const struct jnl_batch_place *place)
{
	uint32_t size = (uint32_t)place->size;
	uint8_t *p = calloc(1, size);
	char name[JNL_SEGMENT_NAME_LEN], *file;
	struct jnl_batch_header h;
	FILE *f;

	jnl_segment_name(name, place->lsn / (4 * SMALL));
	file = scratch_path(path, name);
	f = fopen(file, "r+");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, (long)(place->lsn % (4 * SMALL)), SEEK_SET),
			 0);
	ck_assert_uint_eq(fread(p, 1, size, f), size);
	ck_assert(jnl_batch_decode(p, r->at.rec.seed, &h));
	p[JNL_BATCH_HEADER + h.body_len - 8]++;
	h.body_sum = jnl_checksum(p + JNL_BATCH_HEADER, h.body_len,
				  r->at.rec.seed);
	jnl_batch_encode(p, &h, r->at.rec.seed);
	ck_assert_int_eq(fseek(f, (long)(place->lsn % (4 * SMALL)), SEEK_SET),
			 0);
	ck_assert_uint_eq(fwrite(p, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
	free(file);
	free(p);
}

START_TEST(a_sound_batch_that_is_not_the_one_of_the_chain_is_damage)
{
	struct jnl_batch_place place;
	struct jnl_index index;
	struct jnl_view view;
	journal_reader *r;
	int n = RECORDS / 3;

	make();
	r = open_reader(NULL);
	jnl_index_init(&index, 64, 64);
	jnl_view_init(&view, r->sys, r->at.dirfd, false);
	view.segment_size = r->at.rec.geometry.segment_size;
	view.block_size = r->at.rec.geometry.block_size;
	ck_assert_int_eq(jnl_index_find(&index, &view, &r->at.rec, lsn[n],
					&place), 0);
	jnl_view_fini(&view);
	jnl_index_fini(&index);
	asked[0] = (struct journal_read){
		.lsn = lsn[n], .buf = buf[0], .cap = sizeof(buf[0]),
	};
	ck_assert_int_eq(journal_read_many(r, asked, 1), 1);
	forge(r, &place);
	ck_assert_int_eq(journal_read_many(r, asked, 1), 0);
	ck_assert_int_eq(asked[0].err, -EBADMSG);
	journal_reader_close(r);
}
END_TEST

START_TEST(what_lies_in_a_hole_is_told_and_the_rest_is_read)
{
	struct journal_salvage_report report = JOURNAL_SALVAGE_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	char *salvaged = scratch_path(dir, "salvaged");
	struct journal_record rec;
	bool there[RECORDS] = { false };
	journal_reader *r;
	int n = 0, holes = 0, ret;

	make();
	spoil(lsn[RECORDS / 3]);
	spoil(lsn[RECORDS / 2]);
	ck_assert_int_ge(jnl_salvage(path, salvaged, &report, &env, &env), 0);
	ck_assert_int_eq(journal_reader_open(&r, salvaged, 0, NULL), 0);
	while ((ret = journal_reader_next(r, &rec)) != 0) {
		if (ret == -ENODATA) {
			holes++;
			ret = journal_reader_seek(r,
						  journal_reader_error(r)->lsn);
			ck_assert_int_eq(ret, 0);
			continue;
		}
		ck_assert_int_eq(ret, 1);
		while (lsn[n] < rec.lsn)
			n++;
		is_record(&rec, n);
		there[n] = true;
	}
	ck_assert_int_ge(holes, 1);
	for (n = 0; n < RECORDS; n++) {
		asked[0] = (struct journal_read){
			.lsn = lsn[n], .buf = buf[0], .cap = sizeof(buf[0]),
		};
		number[0] = n;
		ck_assert_int_eq(journal_read_many(r, asked, 1), there[n]);
		if (there[n])
			is_answered(1);
		else
			ck_assert_int_eq(asked[0].err, -ENODATA);
	}
	ck_assert(!there[RECORDS / 3] && !there[RECORDS / 2]);
	journal_reader_close(r);
	free(salvaged);
}
END_TEST

/* The first batch of a segment follows another one than it did. */
static void relink(const char *where, uint64_t segment, uint64_t seed_of_it)
{
	char name[JNL_SEGMENT_NAME_LEN], *file;
	struct jnl_batch_header h;
	uint8_t p[4096];
	FILE *f;

	jnl_segment_name(name, segment);
	file = scratch_path(where, name);
	f = fopen(file, "r+");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, sizeof(p), SEEK_SET), 0);
	ck_assert_uint_eq(fread(p, 1, sizeof(p), f), sizeof(p));
	ck_assert(jnl_batch_decode(p, seed_of_it, &h));
	h.prev_sum++;
	jnl_batch_encode(p, &h, seed_of_it);
	ck_assert_int_eq(fseek(f, sizeof(p), SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(p, 1, sizeof(p), f), sizeof(p));
	ck_assert_int_eq(fclose(f), 0);
	free(file);
}

START_TEST(what_comes_behind_a_hole_has_to_follow_it)
{
	struct journal_salvage_report report = JOURNAL_SALVAGE_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	char *salvaged = scratch_path(dir, "salvaged"), *gone;
	struct journal_record rec;
	journal_reader *r;
	int ret;

	make();
	gone = scratch_path(path, "0000000000000002.seg");
	ck_assert_int_eq(unlink(gone), 0);
	free(gone);
	ck_assert_int_ge(jnl_salvage(path, salvaged, &report, &env, &env), 0);
	for (int wrong = 0; wrong < 2; wrong++) {
		ck_assert_int_eq(journal_reader_open(&r, salvaged, 0, NULL), 0);
		if (wrong)
			relink(salvaged, 3, r->at.rec.seed);
		while ((ret = journal_reader_next(r, &rec)) == 1)
			;
		ck_assert_int_eq(ret, -ENODATA);
		ck_assert_uint_eq(journal_reader_error(r)->lsn, 3 * 4 * SMALL);
		ck_assert_int_eq(journal_reader_seek(r, 3 * 4 * SMALL), 0);
		ck_assert_int_eq(journal_reader_next(r, &rec),
				 wrong ? -EBADMSG : 1);
		ck_assert(wrong || rec.lsn > 3 * 4 * SMALL);
		journal_reader_close(r);
	}
	free(salvaged);
}
END_TEST

static bool is_there(uint64_t segment)
{
	char name[JNL_SEGMENT_NAME_LEN], *file;
	bool there;

	jnl_segment_name(name, segment);
	file = scratch_path(path, name);
	there = !access(file, F_OK);
	free(file);
	return there;
}

START_TEST(beside_a_writer_only_durable_records_are_there_until_given_back)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	uint8_t payload[700];
	struct iovec iov = { .iov_base = payload };
	journal_reader *r;
	journal *j;
	int there;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	r = open_reader(NULL);
	for (int n = 0; n < 1000; n++) {
		len[n] = 100 + (uint32_t)n % 500;
		fill(payload, n);
		iov.iov_len = len[n];
		ck_assert_int_eq(journal_append(j, &iov, 1, &lsn[n]), 0);
		asked[0] = (struct journal_read){
			.lsn = lsn[n], .buf = buf[0], .cap = sizeof(buf[0]),
		};
		if (!(n % 50))
			ck_assert_int_eq(journal_read_many(r, asked, 1), 0);
		if (!(n % 100))
			ck_assert_int_eq(journal_sync(j, lsn[n]), 0);
		/* what was synced before is known by the next batch */
		if (n % 100 || !n)
			continue;
		asked[0].lsn = lsn[n - 100];
		number[0] = n - 100;
		ck_assert_int_eq(journal_read_many(r, asked, 1), 1);
		is_answered(1);
	}
	ck_assert_int_eq(journal_trim(j, lsn[700]), 0);
	/* The helper thread takes the files away when it comes to run. */
	for (int n = 1; n < 200 || is_there(lsn[700] / SMALL - 1); n++) {
		ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
		ck_assert_int_lt(n, 100000);
	}
	there = 0;
	for (int n = 0; n < 800; n += 10) {
		asked[0].lsn = lsn[n];
		number[0] = n;
		(void)journal_read_many(r, asked, 1);
		there += !asked[0].err;
		if (!asked[0].err)
			is_answered(1);
		else
			ck_assert_msg(asked[0].err == -ERANGE, "record %d: %d, "
				      "%s", n, asked[0].err,
				      journal_reader_error(r)->message);
	}
	/* from the trimmed segment on they are all there, most before are not */
	ck_assert_int_ge(there, 10);
	ck_assert_int_lt(there, 40);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

static void *read_elsewhere(void *arg)
{
	int n = ask(60);

	ck_assert_int_ge(journal_read_many(arg, asked, (size_t)n), 0);
	is_answered(n);
	return NULL;
}

START_TEST(another_thread_and_a_child_of_fork_may_have_the_reader)
{
	struct fault fault;
	journal_reader *r;
	pthread_t thread;
	int status;
	pid_t pid;

	make();
	fault_init(&fault, jnl_sys_linux());
	r = open_reader(&fault.sys);
	for (int i = 0; i < 4; i++) {
		read_elsewhere(r);
		ck_assert_int_eq(pthread_create(&thread, NULL, read_elsewhere,
						r), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
	}
	/* A ring is for one thread, if there is one at all. */
	if (fault.calls[FAULT_RING_ENTER])
		ck_assert_uint_ge(fault.calls[FAULT_RING_SETUP], 8);
	pid = fork();
	if (!pid) {
		bool ok = journal_read_many(r, asked, 1) == -EOWNERDEAD;

		journal_reader_close(r);
		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
	read_elsewhere(r);
	journal_reader_close(r);
}
END_TEST

START_TEST(an_index_without_room_finds_the_same)
{
	struct jnl_batch_place small_place, place;
	struct jnl_index small, large;
	struct jnl_view view;
	journal_reader *r;

	make();
	r = open_reader(NULL);
	jnl_index_init(&small, 4, 8);
	jnl_index_init(&large, 4096, 65536);
	jnl_view_init(&view, r->sys, r->at.dirfd, false);
	view.segment_size = r->at.rec.geometry.segment_size;
	view.block_size = r->at.rec.geometry.block_size;
	for (int i = 0; i < 20000; i++) {
		uint64_t at = r->at.rec.end - 1 -
			      rnd((uint32_t)r->at.rec.end - 1);
		int ret = jnl_index_find(&large, &view, &r->at.rec, at, &place);

		ck_assert_int_eq(jnl_index_find(&small, &view, &r->at.rec, at,
						&small_place), ret);
		ck_assert_uint_le(small.entries, 8);
		if (ret) {
			ck_assert_int_eq(ret, -EINVAL);
			continue;
		}
		ck_assert_uint_eq(place.lsn, small_place.lsn);
		ck_assert_uint_eq(place.sum, small_place.sum);
		ck_assert_uint_eq(place.size, small_place.size);
	}
	ck_assert_uint_gt(large.entries, 20);
	jnl_view_fini(&view);
	jnl_index_fini(&small);
	jnl_index_fini(&large);
	journal_reader_close(r);
}
END_TEST

/* Segments of many batches; each ends with a skip, or just so: which one is
 * also a matter of when the helper adds a watermark. */
static void make_many_batches(void)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = { .choice = &choice_flush };
	static uint8_t payload[4 * 4096];
	struct iovec iov = { .iov_base = payload };
	journal *j;

	o.flags = JOURNAL_CREATE;
	o.segment_size = SMALL;
	ck_assert_int_eq(jnl_open(&j, path, &o, &env), 0);
	for (int i = 0; i < 500; i++) {
		iov.iov_len = 100 + rnd(4) * 4096;
		ck_assert_int_eq(journal_commit(j, &iov, 1, NULL), 0);
	}
	ck_assert_int_eq(journal_close(j), 0);
}

START_TEST(behind_a_skip_lies_no_batch_however_few_are_remembered)
{
	struct jnl_batch_place few_place, place;
	struct jnl_index few, all;
	uint64_t at, outside = 0;
	struct jnl_view view;
	journal_reader *r;

	make_many_batches();
	r = open_reader(NULL);
	jnl_index_init(&few, 4, 8);
	jnl_index_init(&all, 4096, 65536);
	jnl_view_init(&view, r->sys, r->at.dirfd, false);
	view.segment_size = r->at.rec.geometry.segment_size;
	view.block_size = r->at.rec.geometry.block_size;
	for (at = 1; at < r->at.rec.end; at += 1024) {
		int ret = jnl_index_find(&all, &view, &r->at.rec, at, &place);

		ck_assert_int_eq(jnl_index_find(&few, &view, &r->at.rec, at,
						&few_place), ret);
		if (!ret)
			ck_assert_uint_eq(place.lsn, few_place.lsn);
		else
			ck_assert_int_eq(ret, -EINVAL);
		/* Not in a segment's header. */
		outside += ret && at % SMALL > 4096;
	}
	ck_assert_uint_gt(outside, 0);
	jnl_view_fini(&view);
	jnl_index_fini(&few);
	jnl_index_fini(&all);
	journal_reader_close(r);
}
END_TEST

RUN_SUITE_WITH("read_many", 60, setup, teardown,
	  records_at_random_lsns_are_those_that_come_in_order,
	  a_buffer_that_is_too_small_is_left_alone_and_told_the_length,
	  whatever_call_fails_no_record_is_wrong_and_the_next_try_is_right,
	  a_pipe_in_the_place_of_a_segment_keeps_nobody_waiting,
	  what_is_damaged_is_told_and_the_rest_is_read,
	  a_sound_batch_that_is_not_the_one_of_the_chain_is_damage,
	  what_lies_in_a_hole_is_told_and_the_rest_is_read,
	  what_comes_behind_a_hole_has_to_follow_it,
	  beside_a_writer_only_durable_records_are_there_until_given_back,
	  another_thread_and_a_child_of_fork_may_have_the_reader,
	  behind_a_skip_lies_no_batch_however_few_are_remembered,
	  an_index_without_room_finds_the_same)
