/*
 * tests/format/raw_golden.c - journals on block devices that every version must
 * read.
 *
 *     raw_golden make DIRECTORY     each as DIRECTORY/NAME/device
 *     raw_golden read DEVICE        what is in it, as read_golden prints it
 *     raw_golden append DEVICE      one more record, then the same
 *
 * The devices are files that a table lies about, and the bytes are the same at
 * every run: random numbers are not.  Exits with 77 where pages are larger than
 * the journals' blocks.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/raw-format.h"
#include "lib/method.h"
#include "tests/lib/device.h"

#define SEGMENT	65536u
#define BLOCK	4096u
#define SLOTS	5

struct maker {
	struct device device;		/* first: it is the table */
	uint64_t random;
	struct jnl_choice choice;
	struct jnl_env env;
	char path[4096];
	unsigned int records;
	journal *j;
};

static void must(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "raw_golden: %s: %s\n", what, strerror(-ret));
	exit(1);
}

/* splitmix64: any generator would do, as long as it never changes. */
static int fixed_random(struct jnl_sys *sys, void *buf, size_t len)
{
	struct maker *m = (struct maker *)sys;
	uint8_t *p = buf;

	while (len--) {
		uint64_t z = m->random += 0x9e3779b97f4a7c15ull;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		*p++ = (uint8_t)(z ^ z >> 31);
	}
	return 0;
}

static void set_up(struct maker *m, const char *path, uint64_t size)
{
	memset(m, 0, sizeof(*m));
	device_init(&m->device, path, size);
	m->device.sys.random = fixed_random;
	(void)snprintf(m->path, sizeof(m->path), "%s", path);
	m->choice.method = jnl_method_find("buffered");
	m->choice.way.flush = JNL_FLUSH_FDATASYNC;
	m->choice.block_size = BLOCK;
	m->env.sys = &m->device.sys;
	m->env.choice = &m->choice;
	m->env.no_helper = true;
}

static void begin_life(struct maker *m)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;

	options.flags = JOURNAL_CREATE;
	options.segment_size = SEGMENT;
	must(jnl_open(&m->j, m->path, &options, &m->env), "opening");
}

static uint64_t commit(struct maker *m, size_t len)
{
	static char data[20000];
	struct iovec iov = { data, len };
	uint64_t lsn;
	int n;

	n = snprintf(data, sizeof(data), "record %u ", m->records);
	for (size_t i = (size_t)n; i < len; i++)
		data[i] = (char)('a' + (m->records + i / 4096) % 26);
	m->records++;
	must(journal_commit(m->j, &iov, 1, &lsn), "appending");
	while (jnl_helper_step(m->j, false))
		;
	return lsn;
}

static void end_life(struct maker *m)
{
	must(journal_close(m->j), "closing");
}

/* ------------------------------------------------------------------------ */

static void few_records(struct maker *m)
{
	begin_life(m);
	for (size_t i = 0; i < 5; i++)
		commit(m, 30 + 100 * i);
	end_life(m);
}

/* Segments in an order that is not the slots'. */
static void given_back(struct maker *m)
{
	begin_life(m);
	for (int i = 0; i < 40; i++) {
		uint64_t lsn = commit(m, 12000);

		if (i % 7 == 6)
			must(journal_trim(m->j, lsn), "trimming");
	}
	end_life(m);
	begin_life(m);
	commit(m, 50);
	end_life(m);
}

static void copy(struct maker *m, unsigned int i, uint8_t *buf, bool back)
{
	FILE *f = fopen(m->path, "r+b");
	size_t n;

	if (!f || fseek(f, (long)(i * JNL_RAW_COPY_STRIDE), SEEK_SET))
		abort();
	n = back ? fwrite(buf, 1, JNL_RAW_UNIT, f) :
		   fread(buf, 1, JNL_RAW_UNIT, f);
	if (n != JNL_RAW_UNIT || fclose(f))
		abort();
}

static uint8_t buf[JNL_RAW_UNIT];

/* A copy whose table is not the one that its header was made for. */
static void torn_copy(struct maker *m)
{
	given_back(m);
	copy(m, 0, buf, false);
	memset(buf + JNL_RAW_HEADER, 0, 8);
	buf[JNL_RAW_HEADER] = 77;
	copy(m, 0, buf, true);
}

/* A crash between the two: copy 1 is as it was before. */
static void older_copy(struct maker *m)
{
	begin_life(m);
	commit(m, 12000);
	end_life(m);
	copy(m, 1, buf, false);
	begin_life(m);
	for (int i = 0; i < 8; i++)
		commit(m, 12000);
	end_life(m);
	copy(m, 1, buf, true);
}

static void no_copy(struct maker *m)
{
	torn_copy(m);
	copy(m, 1, buf, false);
	buf[64] ^= 1;
	copy(m, 1, buf, true);
}

static const struct {
	const char *name;
	void (*make)(struct maker *m);
} journals[] = {
	{ "few-records", few_records },
	{ "given-back", given_back },
	{ "torn-copy", torn_copy },
	{ "older-copy", older_copy },
	{ "no-copy", no_copy },
};

static int make(const char *dir)
{
	static struct maker m;
	char path[4096];

	for (size_t i = 0; i < sizeof(journals) / sizeof(*journals); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir,
			       journals[i].name);
		if (mkdir(path, 0755) < 0)
			must(-errno, path);
		(void)snprintf(path, sizeof(path), "%s/%s/device", dir,
			       journals[i].name);
		set_up(&m, path, JNL_RAW_FIRST_SLOT + SLOTS * SEGMENT);
		m.random = i;
		journals[i].make(&m);
	}
	return 0;
}

/* ------------------------------------------------------------------------ */

static int print_device(struct maker *m)
{
	struct journal_report rep = JOURNAL_REPORT_INIT;
	struct journal_record record;
	journal_reader *r = NULL;
	int ret;

	ret = jnl_reader_open(&r, m->path, 0, NULL, &m->env);
	while (!ret && (ret = journal_reader_next(r, &record)) == 1) {
		printf("%" PRIu64 "\t", record.lsn);
		fwrite(record.data, 1, record.len, stdout);
		putchar('\n');
		ret = 0;
	}
	journal_reader_close(r);
	must(jnl_verify(m->path, &rep, &m->env), "verifying");
	if (rep.code == -EBADMSG && !strcmp(rep.file, "superblock"))
		printf("verdict: bad-superblock\n");
	else
		printf("verdict: %s end %" PRIu64 " batches %" PRIu64
		       " records %" PRIu64 " payload %" PRIu64 " remains %u\n",
		       rep.finding == JOURNAL_SOUND ? "sound" : "bad", rep.end,
		       rep.batches, rep.records, rep.payload,
		       rep.tail_batches);
	return ret < 0 ? 1 : 0;
}

static int append(struct maker *m)
{
	static char text[] = "one more";
	struct iovec iov = { text, sizeof(text) - 1 };
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	journal *j;

	if (jnl_open(&j, m->path, &options, &m->env) < 0)
		return 1;
	must(journal_commit(j, &iov, 1, NULL), "appending");
	must(journal_close(j), "closing");
	return print_device(m);
}

int main(int argc, char **argv)
{
	static struct maker m;

	if (sysconf(_SC_PAGESIZE) > (long)BLOCK) {
		printf("skipped: pages larger than %u bytes\n", BLOCK);
		return 77;
	}
	if (argc == 3 && !strcmp(argv[1], "make"))
		return make(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "read")) {
		set_up(&m, argv[2], 0);
		return print_device(&m);
	}
	if (argc == 3 && !strcmp(argv[1], "append")) {
		set_up(&m, argv[2], 0);
		return append(&m);
	}
	fprintf(stderr, "usage: raw_golden make DIRECTORY | "
		"read DEVICE | append DEVICE\n");
	return 2;
}
