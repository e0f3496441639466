/*
 * tests/format/make_golden.c - the journals that every version must read.
 *
 *     make_golden DIRECTORY
 *
 * makes each of them, by its name, below DIRECTORY; without an argument it
 * makes them in a directory of its own and removes that again, for running it
 * under a checker.  It exits with 77 where pages are larger than the journals'
 * blocks, since it cannot write them there.  The bytes are the same at every run: the library is given
 * a table of system calls whose random numbers are not, and a choice of method
 * and block size instead of what a probe would find.
 *
 * A journal is made by the library.  What a crash, a bad disk or a feature
 * that is not written yet leaves behind is then done to its files; each case
 * says so.  A case's letters in the record show where it came from when a
 * reader gets it wrong.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/salvage.h"
#include "lib/method.h"

#define SEGMENT		65536u
#define BLOCK		4096u
#define DATA_MAX	60000u

/* The table comes first, so that a pointer to it is one to all of it. */
struct maker {
	struct jnl_sys sys;
	uint64_t random;		/* state of the generator */
	struct jnl_choice choice;
	struct jnl_env env;
	char path[4096];		/* of the journal */
	const char *name;
	uint32_t records;
	uint32_t record_max;
	journal *j;
};

static void fail(const struct maker *m, const char *what, int err)
{
	fprintf(stderr, "make_golden: %s: %s: %s\n", m->name, what,
		strerror(-err));
	exit(1);
}

static void must(const struct maker *m, int ret, const char *what)
{
	if (ret < 0)
		fail(m, what, ret);
}

/* splitmix64: any generator would do, as long as it never changes. */
static uint64_t next_random(struct maker *m)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static int fixed_random(struct jnl_sys *sys, void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)next_random((struct maker *)sys);
	return 0;
}

/* ------------------------------------------------------------------------
 * Lives of a journal
 */

static void begin_life(struct maker *m)
{
	struct journal_error error = { 0 };
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	int ret;

	options.flags = JOURNAL_CREATE | JOURNAL_VOLATILE;
	options.segment_size = SEGMENT;
	options.record_max = m->record_max;
	options.error = &error;
	ret = jnl_open(&m->j, m->path, &options, &m->env);
	if (ret < 0)
		fail(m, error.message, ret);
}

static void close_journal(struct maker *m)
{
	must(m, journal_close(m->j), "closing");
	m->j = NULL;
}

static void helper(struct maker *m, bool idle)
{
	while (jnl_helper_step(m->j, idle))
		;
}

/* Letters that differ from record to record and from place to place. */
static uint64_t append(struct maker *m, size_t len)
{
	static char data[DATA_MAX];
	struct iovec iov = { data, len };
	uint64_t lsn;
	int n;

	n = snprintf(data, sizeof(data), "%s record %u ", m->name, m->records);
	for (size_t i = (size_t)n; i < len; i++)
		data[i] = (char)('a' + (m->records + i / 4096) % 26);
	m->records++;
	helper(m, false);
	must(m, journal_append(m->j, &iov, 1, &lsn), "appending");
	return lsn;
}

static struct journal_reservation reserve(struct maker *m, size_t len)
{
	struct journal_reservation r;

	must(m, journal_reserve(m->j, len, &r), "reserving");
	/* None of this is to be found again. */
	memset(r.data, '!', len);
	return r;
}

static void publish(struct maker *m, struct journal_reservation *r, size_t len)
{
	memset(r->data, 'P', len);
	must(m, journal_publish(m->j, r, len, NULL), "publishing");
}

static uint64_t commit(struct maker *m, size_t len)
{
	uint64_t lsn = append(m, len);

	must(m, journal_sync(m->j, lsn), "syncing");
	return lsn;
}

/* ------------------------------------------------------------------------
 * Files
 */

static void file_name(const struct maker *m, uint64_t number, char *ret_name,
		      size_t len)
{
	if (snprintf(ret_name, len, "%s/%016llx.seg", m->path,
		     (unsigned long long)number) >= (int)len)
		fail(m, "name", -ENAMETOOLONG);
}

static void read_at(const struct maker *m, uint64_t lsn, void *buf, size_t len)
{
	char name[4200];
	FILE *f;

	file_name(m, lsn / SEGMENT, name, sizeof(name));
	f = fopen(name, "rb");
	if (!f || fseek(f, (long)(lsn % SEGMENT), SEEK_SET) ||
	    fread(buf, 1, len, f) != len || fclose(f))
		fail(m, name, -EIO);
}

static void write_at(const struct maker *m, uint64_t lsn, const void *buf,
		     size_t len)
{
	char name[4200];
	FILE *f;

	file_name(m, lsn / SEGMENT, name, sizeof(name));
	f = fopen(name, "r+b");
	if (!f || fseek(f, (long)(lsn % SEGMENT), SEEK_SET) ||
	    fwrite(buf, 1, len, f) != len || fclose(f))
		fail(m, name, -EIO);
}

static void zero_at(const struct maker *m, uint64_t lsn, size_t len)
{
	static const uint8_t zeros[SEGMENT];

	write_at(m, lsn, zeros, len);
}

static void flip(const struct maker *m, uint64_t lsn, unsigned int bit)
{
	uint8_t byte;

	read_at(m, lsn, &byte, 1);
	byte ^= (uint8_t)(1u << bit);
	write_at(m, lsn, &byte, 1);
}

static void remove_segment(const struct maker *m, uint64_t number)
{
	char name[4200];

	file_name(m, number, name, sizeof(name));
	if (unlink(name))
		fail(m, name, -errno);
}

/* Call fn for each name in the directory at path. */
static void each_file(const struct maker *m, const char *path,
		      void (*fn)(const struct maker *m, const char *dir,
				 const char *name))
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		fail(m, path, -errno);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			fn(m, path, entry->d_name);
	}
	closedir(dir);
}

static void copy_file(const struct maker *m, const char *dir, const char *name)
{
	char from[4700], to[4700];
	static uint8_t data[SEGMENT];
	FILE *in, *out;
	size_t n;

	snprintf(from, sizeof(from), "%s/%s", dir, name);
	snprintf(to, sizeof(to), "%s.cut/%s", dir, name);
	in = fopen(from, "rb");
	out = fopen(to, "wb");
	if (!in || !out)
		fail(m, name, -errno);
	while ((n = fread(data, 1, sizeof(data), in)))
		fwrite(data, 1, n, out);
	if (ferror(in) || fclose(in) || fclose(out))
		fail(m, name, -EIO);
}

static void remove_file(const struct maker *m, const char *dir,
			const char *name)
{
	char path[4700];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (unlink(path))
		fail(m, path, -errno);
}

static void remove_dir(const struct maker *m, const char *path)
{
	each_file(m, path, remove_file);
	if (rmdir(path))
		fail(m, path, -errno);
}

/* End a life without closing: the files stay as they are now. */
static void kill_writer(struct maker *m)
{
	char cut[4200];

	snprintf(cut, sizeof(cut), "%s.cut", m->path);
	if (mkdir(cut, 0700))
		fail(m, cut, -errno);
	each_file(m, m->path, copy_file);
	close_journal(m);
	remove_dir(m, m->path);
	if (rename(cut, m->path))
		fail(m, cut, -errno);
}

/* ------------------------------------------------------------------------
 * Headers made anew, with what the library does not write yet
 */

typedef void (*change_fn)(struct jnl_batch_header *h, uint64_t arg);

static uint64_t seed_of(const struct maker *m, uint64_t segment)
{
	struct jnl_segment_header h;
	uint8_t block[sizeof(struct jnl_segment_disk)];

	read_at(m, segment * SEGMENT, block, sizeof(block));
	must(m, jnl_segment_decode(block, &h), "segment header");
	return jnl_seed(h.uuid);
}

/* Change the header of every batch from lsn on, and chain them again. */
static void rechain(const struct maker *m, uint64_t lsn, change_fn fn,
		    uint64_t arg)
{
	uint64_t at = BLOCK, prev = 0, seed = seed_of(m, 0);
	uint8_t p[JNL_BATCH_HEADER];
	struct jnl_batch_header h;
	char name[4200];

	for (;;) {
		file_name(m, at / SEGMENT, name, sizeof(name));
		if (access(name, F_OK))
			return;
		read_at(m, at, p, sizeof(p));
		if (!jnl_batch_decode(p, seed, &h))
			return;
		h.prev_sum = prev;
		if (h.lsn >= lsn)
			fn(&h, arg);
		jnl_batch_encode(p, &h, seed);
		write_at(m, at, p, sizeof(p));
		prev = h.header_sum;
		at = jnl_batch_end(&h, BLOCK, SEGMENT);
		if (at % SEGMENT == 0)
			at += BLOCK;
	}
}

static void set_trim(struct jnl_batch_header *h, uint64_t trim)
{
	h->trim = trim;
}

static void set_untorn(struct jnl_batch_header *h, uint64_t lsn)
{
	if (h->lsn == lsn)
		h->flags |= JNL_BATCH_UNTORN;
}

static void change_segment(const struct maker *m, uint64_t number,
			   void (*fn)(struct jnl_segment_header *h))
{
	static uint8_t block[JNL_BLOCK_MAX];
	struct jnl_segment_header h;

	read_at(m, number * SEGMENT, block, BLOCK);
	must(m, jnl_segment_decode(block, &h), "segment header");
	fn(&h);
	jnl_segment_encode(block, &h);
	write_at(m, number * SEGMENT, block, BLOCK);
}

/* ------------------------------------------------------------------------
 * The journals
 */

/* Killed after its first segment got its name, before the open batch. */
static void no_batch(struct maker *m)
{
	begin_life(m);
	kill_writer(m);
	zero_at(m, BLOCK, SEGMENT - BLOCK);
}

static void empty(struct maker *m)
{
	begin_life(m);
	close_journal(m);
}

static void few_records(struct maker *m)
{
	begin_life(m);
	commit(m, 60);
	append(m, 70);		/* three records in one batch */
	append(m, 80);
	commit(m, 90);
	commit(m, 5000);	/* more than a block */
	kill_writer(m);
}

static void clean_close(struct maker *m)
{
	begin_life(m);
	commit(m, 100);
	helper(m, true);	/* idle: a watermark */
	commit(m, 200);
	close_journal(m);
}

/* Closed, killed, killed with a record that nobody waited for, closed. */
static void lives(struct maker *m)
{
	begin_life(m);
	commit(m, 50);
	close_journal(m);
	begin_life(m);
	commit(m, 51);
	commit(m, 52);
	kill_writer(m);
	begin_life(m);
	commit(m, 53);
	append(m, 54);
	kill_writer(m);
	begin_life(m);
	commit(m, 55);
	close_journal(m);
}

static void empty_records(struct maker *m)
{
	begin_life(m);
	commit(m, 0);
	append(m, 0);
	append(m, 0);
	commit(m, 0);
	for (size_t len = 1; len <= 17; len++)
		append(m, len);
	commit(m, 0);
	kill_writer(m);
}

/* Lengths of bodies around those where the checksum changes its way. */
static void body_lengths(struct maker *m)
{
	static const size_t lens[] = {
		1, 8, 112, 113, 120, 121, 224, 225, 232, 233, 1008, 1009,
		1016, 1017, 4016, 4024, 4025, 8120, 9000,
	};

	begin_life(m);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		commit(m, lens[i]);
	close_journal(m);
}

/* A segment has 15 blocks for batches: those of four leave some over, which
 * a skip batch stands for. */
static void fill_segments(struct maker *m)
{
	begin_life(m);
	for (int i = 0; i < 9; i++)
		commit(m, 4 * BLOCK - 100);
}

static void rotation(struct maker *m)
{
	fill_segments(m);
	kill_writer(m);
}

/* The open batch, and one that takes all the blocks that are left. */
static void exact_fit(struct maker *m)
{
	begin_life(m);
	commit(m, 14 * BLOCK - JNL_BATCH_HEADER - JNL_RECORD_WORD);
	commit(m, 100);
	kill_writer(m);
}

static void blocks_16k(struct maker *m)
{
	m->choice.block_size = 16384;
	begin_life(m);
	for (int i = 0; i < 5; i++)
		commit(m, 10000 + 3000 * (size_t)i);
	close_journal(m);
}

/* The last block of the last batch did not reach the disk. */
static void torn_tail(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 10000);
	kill_writer(m);
	zero_at(m, lsn - JNL_BATCH_HEADER + 2 * BLOCK, BLOCK);
}

/* The first one did not: what is behind the end has no header. */
static void torn_header(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 10000);
	kill_writer(m);
	zero_at(m, lsn - JNL_BATCH_HEADER, BLOCK);
}

static void damage_below_watermark(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 5000);
	commit(m, 100);
	close_journal(m);
	flip(m, lsn + 3000, 5);
}

/* In a segment that opening does not look at. */
static void damage_in_old_segment(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 5000);
	for (int i = 0; i < 9; i++)
		commit(m, 4 * BLOCK - 100);
	close_journal(m);
	flip(m, lsn + 3000, 5);
}

static void damage_to_header(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 100);
	commit(m, 100);
	commit(m, 100);
	kill_writer(m);
	flip(m, lsn - JNL_BATCH_HEADER + 20, 0);
}

static void damage_to_segment(struct maker *m)
{
	fill_segments(m);
	close_journal(m);
	flip(m, 1 * SEGMENT + 30, 0);
}

/* The bytes behind a body count too. */
static void padding(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 100);
	commit(m, 100);
	commit(m, 100);
	kill_writer(m);
	flip(m, lsn + 2000, 3);
}

static void padding_in_tail(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 100);
	kill_writer(m);
	flip(m, lsn + 2000, 3);
}

/*
 * Three batches in flight at a time, of which the first was lost: the next
 * life's open batch takes its place, and what lies behind was never read.
 */
static void stale_life(struct maker *m)
{
	uint64_t lost, last;

	m->record_max = 4000;	/* one record for each batch */
	begin_life(m);
	commit(m, 100);
	lost = append(m, 3900);
	append(m, 3900);
	last = append(m, 3900);
	must(m, journal_sync(m->j, last), "syncing");
	kill_writer(m);
	zero_at(m, lost - JNL_BATCH_HEADER, BLOCK);
	begin_life(m);
	kill_writer(m);
}

/* The newest batch landed a block further than it should have. */
static void misdirected(struct maker *m)
{
	uint8_t block[BLOCK];
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	commit(m, 100);
	lsn = commit(m, 100) - JNL_BATCH_HEADER;
	kill_writer(m);
	read_at(m, lsn, block, BLOCK);
	write_at(m, lsn + BLOCK, block, BLOCK);
	zero_at(m, lsn - BLOCK, 2 * BLOCK);
}

static void missing_segment(struct maker *m)
{
	fill_segments(m);
	close_journal(m);
	remove_segment(m, 1);
}

static void change_uuid(struct jnl_segment_header *h)
{
	h->uuid[15] ^= 1;
}

static void foreign_segment(struct maker *m)
{
	fill_segments(m);
	close_journal(m);
	change_segment(m, 1, change_uuid);
}

static void change_version(struct jnl_segment_header *h)
{
	h->version = 2;
}

static void newer_version(struct maker *m)
{
	begin_life(m);
	commit(m, 100);
	close_journal(m);
	change_segment(m, 0, change_version);
}

static void change_incompat(struct jnl_segment_header *h)
{
	h->incompat = 0x80000000u;
}

static void unknown_incompat(struct maker *m)
{
	begin_life(m);
	commit(m, 100);
	close_journal(m);
	change_segment(m, 0, change_incompat);
}

static void change_compat(struct jnl_segment_header *h)
{
	h->compat = 0x80000000u;
}

static void unknown_compat(struct maker *m)
{
	begin_life(m);
	commit(m, 100);
	close_journal(m);
	change_segment(m, 0, change_compat);
}

/* The first segment and a part of the second have been given back. */
static void given_back(struct maker *m)
{
	uint64_t lsn;

	fill_segments(m);
	lsn = commit(m, 100);
	close_journal(m);
	rechain(m, lsn - JNL_BATCH_HEADER, set_trim, SEGMENT + 6 * BLOCK);
	remove_segment(m, 0);
}

/* What has been given back and is still there is not looked at. */
static void given_back_not_judged(struct maker *m)
{
	uint64_t lsn;

	fill_segments(m);
	lsn = commit(m, 100);
	close_journal(m);
	rechain(m, lsn - JNL_BATCH_HEADER, set_trim, SEGMENT + 6 * BLOCK);
	flip(m, 30, 0);
}

/* Given back, by a batch that is not there any more. */
static void given_back_in_tail(struct maker *m)
{
	uint64_t lsn;

	fill_segments(m);
	lsn = commit(m, 5000) - JNL_BATCH_HEADER;
	kill_writer(m);
	rechain(m, lsn, set_trim, SEGMENT + 6 * BLOCK);
	zero_at(m, lsn + BLOCK, BLOCK);
}

/* No watermark above it, but the drive had promised to write it whole. */
static void untorn_torn(struct maker *m)
{
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	lsn = commit(m, 8000) - JNL_BATCH_HEADER;
	kill_writer(m);
	rechain(m, lsn, set_untorn, lsn);
	zero_at(m, lsn + BLOCK, BLOCK);
}

/* What is made now is only the source of the journal that is to be path. */
static void make_beside(struct maker *m, char path[sizeof(m->path)])
{
	memcpy(path, m->path, sizeof(m->path));
	if (snprintf(m->path, sizeof(m->path), "%s.old", path) >=
	    (int)sizeof(m->path))
		fail(m, path, -ENAMETOOLONG);
}

static void salvage_to(struct maker *m, const char path[sizeof(m->path)])
{
	struct journal_salvage_report rep = JOURNAL_SALVAGE_INIT;
	char old[sizeof(m->path)];

	memcpy(old, m->path, sizeof(old));
	memcpy(m->path, path, sizeof(m->path));
	must(m, jnl_salvage(old, m->path, &rep, &m->env, &m->env),
	     "salvaging");
	remove_dir(m, old);
}

/* Salvaged: with holes in a segment, of a whole one, and of one and the next. */
static void salvaged(struct maker *m)
{
	char path[sizeof(m->path)];
	uint64_t lsn;

	make_beside(m, path);
	begin_life(m);
	lsn = commit(m, 5000) - JNL_BATCH_HEADER;
	for (int i = 0; i < 24; i++)
		commit(m, 11000);
	close_journal(m);
	flip(m, lsn + BLOCK, 3);
	remove_segment(m, 2);
	zero_at(m, 4 * SEGMENT - BLOCK, BLOCK);
	zero_at(m, 4 * SEGMENT + BLOCK, BLOCK);
	salvage_to(m, path);
}

/* And gone on with, and a part of it given back, up to within a hole. */
static void salvaged_given_back(struct maker *m)
{
	uint64_t lsn;

	salvaged(m);
	begin_life(m);
	lsn = commit(m, 100) - JNL_BATCH_HEADER;
	commit(m, 100);
	close_journal(m);
	rechain(m, lsn, set_trim, 2 * SEGMENT + 6 * BLOCK);
	remove_segment(m, 0);
	remove_segment(m, 1);
}

/* Voids before, between and behind records, and a batch of nothing else. */
static void voids(struct maker *m)
{
	struct journal_reservation r[5];

	m->record_max = 4 * BLOCK;
	begin_life(m);
	r[0] = reserve(m, 100);		/* abandoned */
	append(m, 10);
	r[1] = reserve(m, 0);		/* late: a void of one word */
	r[2] = reserve(m, 60);		/* used in part */
	append(m, 20);
	r[3] = reserve(m, 3 * BLOCK);	/* late: the batch is full by it */
	publish(m, &r[2], 21);
	must(m, journal_abandon(m->j, &r[0]), "abandoning");
	r[4] = reserve(m, 4 * BLOCK);	/* late: alone in its batch */
	append(m, 3 * BLOCK);
	commit(m, 30);
	publish(m, &r[4], 40);
	publish(m, &r[3], 0);
	publish(m, &r[1], 0);
	commit(m, 50);
	close_journal(m);
}

/* A void of len bytes, and records around it, as one batch; where it begins. */
static uint64_t batch_with_void(struct maker *m, size_t len)
{
	struct journal_reservation r;
	uint64_t lsn = append(m, 10);

	r = reserve(m, len);
	append(m, 20);
	must(m, journal_abandon(m->j, &r), "abandoning");
	commit(m, 9000);
	return lsn - JNL_BATCH_HEADER;
}

/*
 * Voids that salvaging has kept, a hole where others were, and voids of the
 * life after that.
 */
static void salvaged_voids(struct maker *m)
{
	char path[sizeof(m->path)];
	uint64_t lsn = 0, before = 0;

	make_beside(m, path);
	begin_life(m);
	for (int i = 0; i < 12; i++) {
		before = lsn;
		lsn = batch_with_void(m, i * 300);
	}
	close_journal(m);
	flip(m, before + BLOCK, 5);
	flip(m, 3 * BLOCK, 0);
	salvage_to(m, path);
	begin_life(m);
	batch_with_void(m, 50);
	close_journal(m);
}

/* A void that holds something, under a good checksum. */
static void void_not_zero(struct maker *m)
{
	struct journal_reservation r;
	struct jnl_batch_header h;
	uint8_t block[BLOCK];
	uint64_t lsn;

	begin_life(m);
	commit(m, 100);
	r = reserve(m, 200);
	lsn = commit(m, 10) - jnl_record_size(200) - JNL_BATCH_HEADER;
	commit(m, 20);
	kill_writer(m);
	read_at(m, lsn, block, BLOCK);
	(void)jnl_batch_decode(block, seed_of(m, 0), &h);
	block[JNL_BATCH_HEADER + JNL_RECORD_WORD + 150] = '!';
	h.body_sum = jnl_checksum(block + JNL_BATCH_HEADER, h.body_len,
				  seed_of(m, 0));
	jnl_batch_encode(block, &h, seed_of(m, 0));
	write_at(m, lsn, block, BLOCK);
	rechain(m, lsn + BLOCK, set_trim, 0);
	(void)r;
}

static const struct {
	const char *name;
	void (*make)(struct maker *m);
} journals[] = {
	{ "no-batch", no_batch },
	{ "empty", empty },
	{ "few-records", few_records },
	{ "clean-close", clean_close },
	{ "lives", lives },
	{ "empty-records", empty_records },
	{ "body-lengths", body_lengths },
	{ "rotation", rotation },
	{ "exact-fit", exact_fit },
	{ "blocks-16k", blocks_16k },
	{ "torn-tail", torn_tail },
	{ "torn-header", torn_header },
	{ "damage-below-watermark", damage_below_watermark },
	{ "damage-in-old-segment", damage_in_old_segment },
	{ "damage-to-header", damage_to_header },
	{ "damage-to-segment", damage_to_segment },
	{ "padding", padding },
	{ "padding-in-tail", padding_in_tail },
	{ "stale-life", stale_life },
	{ "misdirected", misdirected },
	{ "missing-segment", missing_segment },
	{ "foreign-segment", foreign_segment },
	{ "newer-version", newer_version },
	{ "unknown-incompat", unknown_incompat },
	{ "unknown-compat", unknown_compat },
	{ "given-back", given_back },
	{ "given-back-not-judged", given_back_not_judged },
	{ "given-back-in-tail", given_back_in_tail },
	{ "untorn-torn", untorn_torn },
	{ "salvaged", salvaged },
	{ "salvaged-given-back", salvaged_given_back },
	{ "voids", voids },
	{ "salvaged-voids", salvaged_voids },
	{ "void-not-zero", void_not_zero },
};

/* The generator starts from the name: no journal depends on another one. */
static void make(const char *dir, const char *name,
		 void (*fn)(struct maker *m), bool keep)
{
	static struct maker m;

	memset(&m, 0, sizeof(m));
	m.sys = *jnl_sys_linux();
	m.sys.random = fixed_random;
	m.name = name;
	for (const char *p = name; *p; p++)
		m.random = m.random * 31 + (uint8_t)*p;
	m.choice.method = jnl_method_find("buffered");
	m.choice.way.flush = JNL_FLUSH_FDATASYNC;
	m.choice.block_size = BLOCK;
	m.env.sys = &m.sys;
	m.env.choice = &m.choice;
	m.env.no_helper = true;
	if (snprintf(m.path, sizeof(m.path), "%s/%s", dir, name) >= 4000)
		fail(&m, dir, -ENAMETOOLONG);
	fn(&m);
	if (!keep)
		remove_dir(&m, m.path);
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	char scratch[4000];
	const char *dir = argv[1];

	/* A journal's blocks are not smaller than the machine's pages. */
	if (sysconf(_SC_PAGESIZE) > (long)BLOCK) {
		printf("skipped: pages larger than %u bytes\n", BLOCK);
		return 77;
	}
	if (argc > 2 || (dir && dir[0] == '-')) {
		fprintf(stderr, "usage: make_golden [DIRECTORY]\n");
		return 2;
	}
	if (!dir) {
		snprintf(scratch, sizeof(scratch), "%s/golden.XXXXXX",
			 tmp && *tmp ? tmp : "/var/tmp");
		dir = mkdtemp(scratch);
		if (!dir) {
			perror("make_golden: scratch directory");
			return 2;
		}
	}
	for (size_t i = 0; i < sizeof(journals) / sizeof(journals[0]); i++)
		make(dir, journals[i].name, journals[i].make, argc == 2);
	if (argc != 2 && rmdir(dir)) {
		perror(dir);
		return 1;
	}
	return 0;
}
