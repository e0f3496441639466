/*
 * tests/salvage/mutate.c - journals damaged at random, and what is salvaged.
 *
 *     mutate [SEED [COUNT]]
 *
 * A journal in memory gets one to three of: flipped bits, a block that is
 * zero, noise or a copy of another one, a file that is short, long, gone, in
 * another one's place or twice.  Then
 *   - the new journal has every record whose batch has no changed byte, byte
 *     for byte at its LSN, and no other one (but for some that were given back
 *     before, when a file has come by its former name again);
 *   - verify names a place that was changed, and nothing is called sound that
 *     salvage finds holes in;
 *   - the new journal is sound but for holes, which cover what is lost, and
 *     takes appends behind the old end (every 16th);
 *   - the old one is not changed.
 * What may be lost beside that are runs of batches that nothing proves: see
 * provable(), which is written from the chain as it was.
 *
 * The seed is printed and replays the run; without one it is JOURNAL_TEST_SEED,
 * or 1, and "random" is one of the clock.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal/salvage.h"
#include "tests/lib/sanitized.h"
#include "tests/lib/scratch.h"
#include "tests/salvage/image.h"

#define BATCHES	256
#define BASES	7
#define HOLES	256

static uint64_t state;
static char *dir, *from, *to;
static struct image base[BASES], before, image;
static struct image_batch chain[BATCHES];
static int batches;
static char story[512];
static struct journal_hole hole[HOLES];
static int holes;
static unsigned long lost, saved, refused, told[8];

static uint64_t draw(uint64_t n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % n;
}

static void bad(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

static void bad(const char *format, ...)
{
	va_list args;

	printf("not ok - %s: ", story);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

/* ------------------------------------------------------------------------
 * Journals
 */

static void put_group(journal *j, int count, size_t len)
{
	static uint8_t text[512];
	struct iovec iov = { text, len };
	uint64_t lsn = 0;

	for (int i = 0; i < count; i++) {
		text[0] = (uint8_t)i;
		if (journal_append(j, &iov, 1, &lsn) < 0)
			bad("cannot append");
	}
	if (journal_sync(j, lsn) < 0)
		bad("cannot sync");
	while (jnl_helper_step(j, false))
		;
}

static void end_journal(journal *j)
{
	int ret = journal_close(j);

	if (ret < 0)
		bad("closing: %d", ret);
}

/*
 * The same chain with watermarks that lag, as of a writer that has several
 * batches under way.
 */
static void lag(struct image *im, int by)
{
	uint64_t prev = 0;
	int n;

	n = image_chain(im, chain, BATCHES);
	for (int i = 0; i < n; i++) {
		uint8_t *p = image_at(im, chain[i].lsn);
		struct jnl_batch_header h;

		if (!jnl_batch_decode(p, im->seed, &h))
			bad("the chain");
		h.durable = i < by ? 0 : chain[i - by].prev_end;
		/* The last one says that all is durable. */
		if (i == n - 1)
			h.durable = chain[i].prev_end;
		if (i)
			h.prev_sum = prev;
		jnl_batch_encode(p, &h, im->seed);
		prev = h.header_sum;
	}
}

/* A tail that was torn, and a later life that has not covered all of it. */
static void torn_tail(struct image *im)
{
	journal *j = image_open(from);
	int n;

	for (int i = 0; i < 9; i++)
		image_put(j, 3000 + 20 * (size_t)i, NULL);
	image_load(im, from);
	end_journal(j);
	lag(im, 5);
	n = image_chain(im, chain, BATCHES);
	/* The last one is not the closing one, and promises nothing. */
	for (int i = n - 1; i >= n - 4; i--) {
		struct jnl_batch_header h;
		uint8_t *p = image_at(im, chain[i].lsn);

		if (!jnl_batch_decode(p, im->seed, &h))
			bad("the chain");
		h.durable = chain[n - 6].prev_end;
		jnl_batch_encode(p, &h, im->seed);
	}
	memset(image_at(im, chain[n - 4].lsn), 0, IMAGE_BLOCK);
	image_store(im, from);
	j = image_open(from);
	image_put(j, 100, NULL);
	end_journal(j);
	image_load(im, from);
	if (image_chain(im, chain, BATCHES) < n - 2)
		bad("no tail");
}

/* Records that are blocks of this very journal. */
static void nested(journal *j)
{
	struct image *im = malloc(sizeof(*im));

	if (!im)
		err(99, "memory");
	for (int i = 0; i < 3; i++)
		image_put(j, 2000, NULL);
	image_load(im, from);
	for (int i = 0; i < 6; i++)
		image_put(j, 5 * IMAGE_BLOCK - JNL_BATCH_HEADER - JNL_RECORD_WORD,
		    im->file[0].data + 2 * IMAGE_BLOCK - JNL_BATCH_HEADER -
			    JNL_RECORD_WORD);
	free(im);
}

static void make_base(int which)
{
	uint64_t lsn = 0;
	journal *j;

	image_clear(from);
	if (which == 5) {
		torn_tail(&base[which]);
		return;
	}
	j = image_open(from);
	for (int i = 0; i < (which == 1 ? 9 : 14) && which != 4; i++)
		lsn = image_put(j, draw(which == 2 ? 20000 : 6000), NULL);
	if (which == 4)
		nested(j);
	if (which == 3) {
		/* Several lives, files that are used again. */
		for (int life = 0; life < 3; life++) {
			if (journal_trim(j, lsn - 9000) < 0)
				bad("trim");
			for (int i = 0; i < 7; i++)
				lsn = image_put(j, draw(5000), NULL);
			end_journal(j);
			j = image_open(from);
		}
	}
	for (int i = 0; i < 5; i++)
		put_group(j, 20, 100);
	/* One ends as a killed writer leaves it. */
	if (which == 6)
		image_load(&base[which], from);
	end_journal(j);
	if (which != 6)
		image_load(&base[which], from);
	if (which == 2)
		lag(&base[which], 4);
}

/* ------------------------------------------------------------------------
 * Damage
 */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	size_t used = strlen(story);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(story + used, sizeof(story) - used, format, args);
	va_end(args);
}

static struct image_file *any_file(void)
{
	return &image.file[draw((uint64_t)image.files)];
}

/* Most often where a batch is. */
static uint8_t *any_block(struct image_file **ret_f)
{
	if (draw(8)) {
		uint64_t lsn = chain[draw((uint64_t)batches)].lsn;

		*ret_f = image_find(&image, lsn / IMAGE_SEGMENT);
		if (*ret_f)
			return (*ret_f)->data + lsn % IMAGE_SEGMENT;
	}
	*ret_f = any_file();
	return (*ret_f)->data + draw(IMAGE_SEGMENT / IMAGE_BLOCK) * IMAGE_BLOCK;
}

static void change_bytes(void)
{
	struct image_file *f, *g;
	uint8_t *p = any_block(&f), *q;
	uint64_t what = draw(6), at = draw(3) ? draw(64) : draw(IMAGE_BLOCK);

	tell(" bytes %d in %" PRIu64 " at %td+%d;", (int)what, f->number,
	     p - f->data, (int)at);
	switch (what) {
	case 0:
	case 1:
		p[at] ^= (uint8_t)(1u << draw(8));
		break;
	case 2:
		memset(p, 0, IMAGE_BLOCK);
		break;
	case 3:
		for (int i = 0; i < 512; i++)
			p[(at & ~511ull) + (uint64_t)i] = (uint8_t)draw(256);
		break;
	default:
		q = any_block(&g);
		memmove(p, q, IMAGE_BLOCK);
	}
}

static void change_files(void)
{
	struct image_file *f = any_file(), *g = any_file(), spare;
	uint64_t what = draw(6), number;

	tell(" files %d %" PRIu64 " %" PRIu64 ";", (int)what, f->number,
	     g->number);
	switch (what) {
	case 0:
		f->size = draw(IMAGE_SEGMENT);
		break;
	case 1:
		memset(f->data + IMAGE_SEGMENT, 7, IMAGE_BLOCK);
		f->size = IMAGE_SEGMENT + draw(IMAGE_BLOCK) + 1;
		break;
	case 2:
		if (image.files > 1)
			image_remove(&image, f->number);
		break;
	case 3:
		spare = *f;
		number = f->number;
		*f = *g;
		f->number = number;
		number = g->number;
		*g = spare;
		g->number = number;
		break;
	case 4:
		number = f->number;
		*f = *g;
		f->number = number;
		break;
	default:
		if (image.files == IMAGE_FILES)
			break;
		for (number = 0; image_find(&image, number);)
			number++;
		if (draw(2))
			for (int i = 0; i < image.files; i++)
				if (image.file[i].number >= number)
					number = image.file[i].number + 1;
		image.file[image.files] = *f;
		image.file[image.files++].number = number;
	}
}

/* Whether a byte of [from, to) is not what it was. */
static bool changed(uint64_t begin, uint64_t end)
{
	struct image_file *now = image_find(&image, begin / IMAGE_SEGMENT);
	uint64_t offset = begin % IMAGE_SEGMENT;

	return !now || now->size < offset + (end - begin) ||
	       memcmp(now->data + offset, image_at(&before, begin),
		      end - begin);
}

static void damage(void)
{
	uint64_t n = draw(3) ? 1 : 1 + draw(3);

	for (uint64_t i = 0; i < n; i++) {
		if (draw(4))
			change_bytes();
		else
			change_files();
	}
	for (int i = 0; i < batches; i++)
		chain[i].damaged = changed(chain[i].lsn, chain[i].end);
}

/* ------------------------------------------------------------------------
 * What is to be expected
 */

/*
 * Of the runs of whole batches between damage: which can be known to be the
 * journal's.  By the beginning, by what is said to have been durable, or by
 * one that is known and begins further on in the same segment.
 */
static void provable(void)
{
	uint64_t known = UINT64_MAX, durable;
	int first, last;

	for (last = batches - 1; last >= 0; last = first - 1) {
		first = last;
		if (chain[last].damaged)
			continue;
		while (first && !chain[first - 1].damaged)
			first--;
		durable = 0;
		for (int i = first; i <= last; i++)
			if (chain[i].durable > durable)
				durable = chain[i].durable;
		if (chain[first].lsn == IMAGE_BLOCK ||
		    durable >= chain[first].prev_end ||
		    known / IMAGE_SEGMENT == chain[first].lsn / IMAGE_SEGMENT) {
			known = chain[first].lsn;
			continue;
		}
		for (int i = first; i <= last; i++)
			chain[i].damaged = true;
	}
}

/* -EBADMSG if no header is left.  A file that ends behind its header, within
 * the first block, has one. */
static int shape(void)
{
	struct jnl_segment_header h;
	int good = 0;

	for (int i = 0; i < image.files; i++)
		good += image.file[i].size >=
				sizeof(struct jnl_segment_disk) &&
			!jnl_segment_decode(image.file[i].data, &h);
	return good ? 0 : -EBADMSG;
}

/* ------------------------------------------------------------------------
 * Checks
 */

static void on_hole(void *arg, const struct journal_hole *h)
{
	(void)arg;
	if (holes == HOLES || h->from >= h->to || !h->message[0])
		bad("hole %" PRIu64 " to %" PRIu64, h->from, h->to);
	if (holes && hole[holes - 1].to > h->from)
		bad("holes overlap");
	hole[holes++] = *h;
}

/* The next record that has to be there: its batch and offset in the body. */
struct cursor {
	int batch;
	uint32_t off, record;
};

static bool expected(struct cursor *c, uint64_t first,
		     struct journal_record *ret)
{
	const struct image_batch *b;
	const uint8_t *body, *data;
	uint32_t len;

	for (; c->batch < batches; c->batch++, c->off = c->record = 0) {
		b = &chain[c->batch];
		if (b->damaged || b->flags & ~8u || b->lsn / IMAGE_SEGMENT <
						    first / IMAGE_SEGMENT)
			continue;
		body = image_at(&before, b->lsn) + JNL_BATCH_HEADER;
		while (c->record < b->count) {
			if (!jnl_record_next(body, b->body_len, &c->off, &data,
					     &len))
				bad("a record");
			c->record++;
			ret->lsn = b->lsn + JNL_BATCH_HEADER +
				   jnl_record_offset(body, data);
			ret->data = data;
			ret->len = len;
			if (ret->lsn >= first)
				return true;
		}
	}
	return false;
}

/*
 * Whether it is one that was given back before: a file that was used again
 * still holds it, and has come by its former name.
 */
static bool was_given_back(const struct journal_record *rec)
{
	uint64_t at = rec->lsn % IMAGE_SEGMENT;

	if (rec->lsn >= chain[0].lsn)
		return false;
	for (int i = 0; i < before.files; i++) {
		const uint8_t *p = before.file[i].data + at;

		if (jnl_get64(p) == rec->len &&
		    !memcmp(p + JNL_RECORD_WORD, rec->data, rec->len))
			return true;
	}
	return false;
}

static void check_records(uint64_t first)
{
	static const struct jnl_env real;
	struct journal_record want, have;
	struct cursor c = { 0 };
	journal_reader *r;
	int ret;

	ret = jnl_reader_open(&r, to, 0, NULL, &real);
	if (ret < 0)
		bad("the new journal cannot be read: %d", ret);
	for (;;) {
		ret = journal_reader_next(r, &have);
		if (ret == -ENODATA) {
			uint64_t lsn = journal_reader_error(r)->lsn;

			if (journal_reader_seek(r, lsn) < 0)
				bad("no way on behind a hole at %" PRIu64, lsn);
			continue;
		}
		if (ret <= 0)
			break;
		if (was_given_back(&have))
			continue;
		if (!expected(&c, first, &want))
			bad("a record too many at %" PRIu64, have.lsn);
		if (have.lsn != want.lsn || have.len != want.len ||
		    memcmp(have.data, want.data, have.len))
			bad("record %" PRIu64 " in place of %" PRIu64,
			    have.lsn, want.lsn);
		saved++;
	}
	if (ret < 0)
		bad("reading the new journal: %d %s", ret,
		    journal_reader_error(r)->message);
	if (expected(&c, first, &want))
		bad("the record at %" PRIu64 " is not there", want.lsn);
	journal_reader_close(r);
}

/* Whatever was lost between first and end lies in a hole. */
static void check_holes(const struct journal_salvage_report *rep)
{
	for (int i = 0; i < batches; i++) {
		const struct image_batch *b = &chain[i];
		bool in = false;

		for (int k = 0; k < holes; k++)
			in = in || (hole[k].from <= b->lsn &&
				    hole[k].to >= b->end);
		if (b->damaged && b->lsn >= rep->first_lsn &&
		    b->lsn < rep->end && !in)
			bad("the batch at %" PRIu64 " is gone, and no hole",
			    b->lsn);
		if (!b->damaged && in && b->lsn >= rep->first_lsn)
			bad("the batch at %" PRIu64 " is in a hole", b->lsn);
		lost += b->damaged;
	}
}

static void check_new(const struct journal_salvage_report *rep, int round)
{
	static const struct jnl_env real;
	struct journal_report v = JOURNAL_REPORT_INIT;
	journal *j;
	int ret;

	ret = jnl_verify(to, &v, &real);
	if (ret < 0 || (v.finding && v.finding != JOURNAL_HOLE))
		bad("the new journal: %d, %s", ret, v.message);
	/* What is missing from the beginning has no file there. */
	if (v.holes > rep->holes || v.holes + 1 < rep->holes ||
	    v.records != rep->records || v.payload != rep->payload)
		bad("%" PRIu64 " holes, %" PRIu64 " told", v.holes, rep->holes);
	check_records(rep->first_lsn);
	if (round % 16)
		return;
	j = image_open(to);
	if (image_put(j, 100, NULL) < rep->end)
		bad("an append before the old end");
	end_journal(j);
	ret = jnl_verify(to, &v, &real);
	if (ret < 0 || (v.finding && v.finding != JOURNAL_HOLE) ||
	    v.records != rep->records + 1)
		bad("after an append: %d, %s", ret, v.message);
}

/* Whether anything in [lsn, lsn + bytes) is not what it was. */
static bool names_damage(uint64_t lsn, uint64_t bytes)
{
	uint64_t end = lsn + (bytes ? bytes : 1), to_lsn;

	for (; lsn < end; lsn = to_lsn) {
		to_lsn = (lsn / IMAGE_BLOCK + 1) * IMAGE_BLOCK;
		if (!image_at(&before, lsn) || changed(lsn, to_lsn))
			return true;
		/* Too long, perhaps. */
		if (image_find(&image, lsn / IMAGE_SEGMENT)->size !=
		    IMAGE_SEGMENT)
			return true;
	}
	return false;
}

static void check_verify(const struct journal_salvage_report *rep)
{
	static const struct jnl_env real;
	struct journal_report v = JOURNAL_REPORT_INIT;
	int ret = jnl_verify(from, &v, &real);

	if (ret < 0)
		bad("verify: %d", ret);
	told[v.finding]++;
	/* Without the newest header nothing says what a position is: then it
	 * names the file. */
	if (v.finding == JOURNAL_BAD_SEGMENT && !v.bytes &&
	    jnl_segment_parse(v.file, &v.lsn)) {
		v.lsn *= IMAGE_SEGMENT;
		v.bytes = IMAGE_SEGMENT;
	}
	if (v.finding > JOURNAL_TAIL && !names_damage(v.lsn, v.bytes))
		bad("verify says %u at %" PRIu64 ", %" PRIu64 " bytes",
		    v.finding, v.lsn, v.bytes);
	if (v.finding <= JOURNAL_TAIL && rep->holes)
		bad("verify finds no damage, salvage %" PRIu64 " holes",
		    rep->holes);
}

static void check_untouched(void)
{
	struct image *now = malloc(sizeof(*now));
	char name[JNL_SEGMENT_NAME_LEN];

	if (!now)
		err(99, "memory");
	for (int i = 0; i < image.files; i++) {
		struct image_file *f = &image.file[i];
		char *path;
		FILE *file;

		jnl_segment_name(name, f->number);
		path = scratch_path(from, name);
		file = fopen(path, "r");
		if (!file || fread(now->file[0].data, 1, sizeof(f->data),
				   file) != f->size ||
		    memcmp(now->file[0].data, f->data, f->size))
			bad("the old journal was changed");
		fclose(file);
		free(path);
	}
	free(now);
}

static void one(int round)
{
	struct journal_salvage_report rep = JOURNAL_SALVAGE_INIT;
	static const struct jnl_env real;
	struct jnl_env env = { .choice = &choice_buffered };
	int which = (int)draw(BASES), ret;

	(void)snprintf(story, sizeof(story), "round %d, journal %d:", round,
		       which);
	before = image = base[which];
	batches = image_chain(&image, chain, BATCHES);
	damage();
	provable();
	image_store(&image, from);
	image_clear(to);
	holes = 0;
	rep.on_hole = on_hole;
	ret = jnl_salvage(from, to, &rep, &real, &env);
	if (ret != shape())
		bad("salvage: %d %s", ret, rep.message);
	if (!(round % 64))
		check_untouched();
	if (ret < 0) {
		refused++;
		return;
	}
	check_holes(&rep);
	check_new(&rep, round);
	check_verify(&rep);
}

/* The same one each time, but for who asks for another. */
static uint64_t seed_of(const char *text)
{
	if (!text || !*text)
		return 1;
	return strcmp(text, "random") ? strtoull(text, NULL, 0) :
					(uint64_t)time(NULL);
}

int main(int argc, char **argv)
{
	uint64_t seed = seed_of(argc > 1 && *argv[1] ?
				argv[1] : getenv("JOURNAL_TEST_SEED"));
	int count = argc > 2 ? atoi(argv[2]) :
		    SANITIZED || getenv("JOURNAL_TEST_VALGRIND") ? 500 : 10000;

	printf("seed %" PRIu64 "\n", seed);
	fflush(stdout);
	state = seed;
	dir = scratch_make(false);
	from = scratch_path(dir, "from");
	to = scratch_path(dir, "to");
	if (mkdir(from, 0700) || mkdir(to, 0700))
		err(99, "%s", dir);
	for (int i = 0; i < BASES; i++)
		make_base(i);
	for (int i = 0; i < count; i++)
		one(i);
	printf("%d journals damaged, %lu batches lost, %lu records saved, %lu "
	       "journals refused\n", count, lost, saved, refused);
	printf("verify: sound %lu, tail %lu, segment %lu, batch %lu, lost %lu, "
	       "missing %lu, foreign %lu\n", told[0], told[1], told[2],
	       told[3], told[4], told[5], told[6]);
	free(from);
	free(to);
	scratch_remove(dir);
	return 0;
}
