/*
 * tests/sim/emit.c - images, and what the library said about them, as text for
 * tests/model/replay.py.
 *
 *   image SB SEED        blocks in a segment; the world
 *   batch I SUM LSN PREV DURABLE TRIM NBLK FLAGS WHOLE RECORD...
 *                        a header that lies somewhere: positions in blocks,
 *                        but for TRIM, in bytes; sums in hex; WHOLE: 1 if the body is good where the
 *                        header says it lies; then its records' LSNs in bytes
 *   segment N CLASS...   one word for each block: z zeros, s the segment's own
 *                        header, hI batch I's header, bI.K its K-th block, j
 *                        anything else
 *   open CODE TAIL       what recovery says; the tail in bytes
 *   read CODE RECORD...  what a reader gets: LSNs in bytes
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/segment.h"
#include "tests/sim/crash.h"

#define MAX_HEADERS	1024
#define MAX_SEGMENTS	24

struct emit {
	FILE *file;
	uint32_t images, wanted;
	bool falsify;
};

struct header {
	struct jnl_batch_header h;
	bool in_place, whole;
	uint32_t blocks;
};

/* One image on its way out. */
struct sheet {
	struct image im;
	uint64_t number[MAX_SEGMENTS];
	int segments;
	uint32_t sb;
	struct header header[MAX_HEADERS];
	int headers;
	/* For each block: its letter, the header's number, the K of 'b'. */
	int (*class)[3];
};

struct emit *emit_open(const char *path, uint32_t images, bool falsify)
{
	struct emit *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->wanted = images;
	e->falsify = falsify;
	e->file = strcmp(path, "-") ? fopen(path, "w") : stdout;
	if (!e->file) {
		free(e);
		return NULL;
	}
	return e;
}

bool emit_full(const struct emit *e)
{
	return e->images >= e->wanted;
}

int emit_close(struct emit *e)
{
	int ret = fflush(e->file) || ferror(e->file) ? -1 : 0;

	if (e->file != stdout && fclose(e->file))
		ret = -1;
	free(e);
	return ret;
}

/* ------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool list_segments(struct sheet *s)
{
	const struct sim_disk *d = s->im.disk;

	s->segments = 0;
	for (int i = 0; i < d->names; i++) {
		uint64_t n;

		if (!jnl_segment_parse(d->name[i].name, &n))
			continue;
		if (s->segments == MAX_SEGMENTS)
			return false;
		s->number[s->segments++] = n;
	}
	qsort(s->number, (size_t)s->segments, sizeof(*s->number), compare);
	return s->segments;
}

/* Size and identity, from the first segment whose header is good. */
static bool find_geometry(struct sheet *s)
{
	struct image *im = &s->im;
	struct jnl_segment_header h;
	char name[32];

	for (int i = 0; i < s->segments; i++) {
		snprintf(name, sizeof(name), "%016llx.seg",
			 (unsigned long long)s->number[i]);
		if (jnl_segment_decode(sim_peek(im->disk,
						sim_lookup(im->disk, name), 0),
				       &h) < 0)
			continue;
		im->segment_size = h.segment_size;
		im->seed = jnl_seed(h.uuid);
		s->sb = (uint32_t)(h.segment_size / SIM_BLOCK);
		return true;
	}
	return false;
}

static int header_of(struct sheet *s, const struct jnl_batch_header *h)
{
	for (int i = 0; i < s->headers; i++)
		if (s->header[i].h.header_sum == h->header_sum)
			return i;
	if (s->headers == MAX_HEADERS)
		return -1;
	s->header[s->headers] = (struct header){ .h = *h };
	return s->headers++;
}

static bool segment_header_good(const struct sheet *s, uint64_t number)
{
	const uint8_t *p = image_block(&s->im, number * s->im.segment_size);
	struct jnl_segment_header h;

	return !jnl_segment_decode(p, &h) && h.number == number &&
	       jnl_segment_padding_good(p, SIM_BLOCK);
}

static bool classify(struct sheet *s)
{
	for (int g = 0; g < s->segments; g++) {
		uint64_t at = s->number[g] * s->im.segment_size;

		for (uint32_t b = 0; b < s->sb; b++, at += SIM_BLOCK) {
			const uint8_t *p = image_block(&s->im, at);
			int *c = s->class[(uint32_t)g * s->sb + b];
			struct jnl_batch_header h;

			c[0] = jnl_is_zero(p, SIM_BLOCK) ? 'z' : 'j';
			if (!b) {
				c[0] = segment_header_good(s, s->number[g]) ?
				       's' : 'j';
			} else if (jnl_batch_decode(p, s->im.seed, &h)) {
				c[0] = 'h';
				c[1] = header_of(s, &h);
				if (c[1] < 0)
					return false;
				if (h.lsn == at)
					s->header[c[1]].in_place = true;
			}
		}
	}
	return true;
}

static int segment_index(const struct sheet *s, uint64_t lsn)
{
	for (int g = 0; g < s->segments; g++)
		if (s->number[g] == lsn / s->im.segment_size)
			return g;
	return -1;
}

/* The blocks of a whole batch belong to it. */
static void claim_body(struct sheet *s, int i, uint8_t *room)
{
	struct header *hd = &s->header[i];
	uint64_t lsn = hd->h.lsn, in = lsn % s->im.segment_size / SIM_BLOCK;
	int g = segment_index(s, lsn);

	hd->blocks = (uint32_t)(jnl_batch_size(&hd->h, SIM_BLOCK) / SIM_BLOCK);
	if (!hd->in_place || in + hd->blocks > s->sb)
		return;
	for (uint32_t k = 0; k < hd->blocks; k++)
		memcpy(room + k * SIM_BLOCK,
		       image_block(&s->im, lsn + k * SIM_BLOCK), SIM_BLOCK);
	hd->whole = jnl_batch_body_good(room, &hd->h, SIM_BLOCK, s->im.seed);
	for (uint32_t k = 1; hd->whole && k < hd->blocks; k++) {
		int *c = s->class[(uint32_t)g * s->sb + (uint32_t)in + k];

		if (c[0] == 'h')
			continue;
		c[0] = 'b';
		c[1] = i;
		c[2] = (int)k;
	}
}

static void print_batch(FILE *f, const struct sheet *s, int i, uint8_t *room)
{
	const struct header *hd = &s->header[i];
	const struct jnl_batch_header *h = &hd->h;
	const uint8_t *data;
	uint32_t at = 0, len, blocks = hd->blocks;

	/* A skip batch stands for the rest of its segment. */
	if (h->flags & JNL_BATCH_SKIP)
		blocks = s->sb - (uint32_t)(h->lsn % s->im.segment_size /
					    SIM_BLOCK);
	fprintf(f, "batch %d %016llx %llu %016llx %llu %llu %u %u %d", i,
		(unsigned long long)h->header_sum,
		(unsigned long long)h->lsn / SIM_BLOCK,
		(unsigned long long)h->prev_sum,
		(unsigned long long)h->durable / SIM_BLOCK,
		(unsigned long long)h->trim, blocks, h->flags,
		hd->whole);
	if (hd->whole && h->count) {
		for (uint32_t k = 0; k < hd->blocks; k++)
			memcpy(room + k * SIM_BLOCK,
			       image_block(&s->im, h->lsn + k * SIM_BLOCK),
			       SIM_BLOCK);
		for (uint32_t n = 0; n < h->count; n++) {
			const uint8_t *body = room + JNL_BATCH_HEADER;

			if (!jnl_record_next(body, h->body_len, &at, &data,
					     &len))
				break;
			fprintf(f, " %llu", (unsigned long long)
				(h->lsn + JNL_BATCH_HEADER +
				 jnl_record_offset(body, data)));
		}
	}
	fputc('\n', f);
}

static void print_segment(FILE *f, const struct sheet *s, int g)
{
	fprintf(f, "segment %llu", (unsigned long long)s->number[g]);
	for (uint32_t b = 0; b < s->sb; b++) {
		const int *c = s->class[(uint32_t)g * s->sb + b];

		if (c[0] == 's' || c[0] == 'z' || c[0] == 'j')
			fprintf(f, " %c", c[0]);
		else if (c[0] == 'h')
			fprintf(f, " h%d", c[1]);
		else
			fprintf(f, " b%d.%d", c[1], c[2]);
	}
	fputc('\n', f);
}

/* What the library says, on a copy. */
static void print_answers(FILE *f, struct world *w, const struct sim_disk *disk,
			  bool falsify)
{
	struct journal_options options = JOURNAL_OPTIONS_INIT;
	struct journal_info info = JOURNAL_INFO_INIT;
	struct sim_disk *d = sim_disk_clone(disk);
	uint64_t lsn[MAX_RECORDS];
	struct jnl_env env = { 0 };
	journal *j = NULL;
	uint32_t n;
	struct sim s;
	int ret;

	process(w, &s, d);
	env.sys = &s.sys;
	options.flags = JOURNAL_READ_ONLY;
	ret = jnl_open(&j, SIM_DIR, &options, &env);
	if (!ret)
		ret = journal_info(j, &info);
	(void)journal_close(j);
	fprintf(f, "open %d %llu\n", ret,
		(unsigned long long)info.recovered_lsn);
	ret = read_back(w, d, &n, lsn);
	if (falsify && n > w->first)
		n--;
	fprintf(f, "read %d", ret);
	for (uint32_t i = ret == -ENOENT ? n : w->first; i < n; i++)
		fprintf(f, " %llu", (unsigned long long)lsn[i]);
	fputc('\n', f);
	sim_disk_free(d);
}

void emit_image(struct emit *e, struct world *w, const struct sim_disk *disk)
{
	struct sheet *s = calloc(1, sizeof(*s));
	uint8_t *room = NULL;

	if (!s)
		abort();
	s->im.disk = disk;
	if (!list_segments(s) || !find_geometry(s))
		goto out;
	s->class = calloc((size_t)s->segments * s->sb, sizeof(*s->class));
	room = malloc((size_t)(s->sb + 1) * SIM_BLOCK);
	if (!s->class || !room)
		abort();
	if (!classify(s))
		goto out;
	for (int i = 0; i < s->headers; i++)
		claim_body(s, i, room);
	fprintf(e->file, "image %u %llu\n", s->sb, (unsigned long long)w->seed);
	for (int i = 0; i < s->headers; i++)
		print_batch(e->file, s, i, room);
	for (int g = 0; g < s->segments; g++)
		print_segment(e->file, s, g);
	print_answers(e->file, w, disk, e->falsify && e->images % 50 == 49);
	e->images++;
out:
	free(room);
	free(s->class);
	free(s);
}
