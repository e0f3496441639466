/*
 * journal/salvage-runs.c - which batches of a damaged journal belong to it.
 *
 * A batch that is whole and in its place may still be stale: of a tail that a
 * crash tore and that a later life began anew below of, or what lies behind a
 * skip batch.  Within a run, batches of which each links to the one before,
 * either all are the journal's or none.  A run is proven
 *   (a) by its beginning: the first batch of segment 0, linking to 0; or
 *   (b) by what it says was durable: if everything below its own first batch
 *       was durable when one of its batches was sealed, no later life can have
 *       begun below that.  A stale run never says so: a later life begins at
 *       or behind all that was durable before, and in place of the run's first
 *       batch it would have overwritten it; or
 *   (c) by a proven run that begins further on in the same segment: then it
 *       lies behind no skip batch, and what the journal has written up to
 *       there has overwritten all that was stale.
 * What is behind the last proven run and above the largest watermark is what
 * a crash leaves, as for recovery.
 *
 * Where one run ends exactly where a proven one begins and does not link, the
 * batch between them is not the one that was acknowledged: it is left out, and
 * so is the run if only (c) spoke for it.
 *
 * What no rule can see: payload in a batch whose header is damaged so that its
 * extent is not known either, if it was made to look like batches of this
 * journal, of this very place, by somebody who knows the UUID.
 *
 * Memory grows with the number of runs, so with the damage; time is linear in
 * the bytes read.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/salvage.h"

/* Segments that are missing in a row: more is no journal but a bad number. */
#define GAP_MAX	65536u

static struct jnl_run *last_run(struct jnl_runs *runs)
{
	return runs->count ? &runs->run[runs->count - 1] : NULL;
}

static struct jnl_run *new_run(struct jnl_runs *runs)
{
	struct jnl_run *grown;
	size_t n = runs->count;

	/* Grow by doubling: the count is a power of two just when full. */
	if (!(n & (n - 1))) {
		grown = realloc(runs->run, sizeof(*grown) * (n ? 2 * n : 1));
		if (!grown)
			return NULL;
		runs->run = grown;
	}
	memset(&runs->run[n], 0, sizeof(runs->run[n]));
	return &runs->run[runs->count++];
}

static int add_batch(struct jnl_runs *runs, const struct jnl_source *s,
		     const struct jnl_batch_header *h, uint64_t len)
{
	uint64_t size = s->geometry.segment_size;
	struct jnl_run *run = last_run(runs);

	if (!run || h->prev_sum != run->last_sum ||
	    h->lsn != jnl_next_place(run->end, size, s->geometry.block_size)) {
		run = new_run(runs);
		if (!run)
			return -ENOMEM;
		run->first = h->lsn;
		run->prev_sum = h->prev_sum;
	}
	run->last = h->lsn;
	run->end = h->lsn + len;
	run->last_sum = h->header_sum;
	run->trim = h->trim;
	run->batches++;
	if (h->durable > run->durable)
		run->durable = h->durable;
	return 0;
}

static int scan_segment(struct jnl_source *s, struct jnl_source_file *file,
			uint64_t number, struct jnl_runs *runs)
{
	uint64_t size = s->geometry.segment_size;
	uint64_t offset = s->geometry.block_size;
	struct jnl_spot spot;
	int ret;

	for (; offset < size; offset += spot.len) {
		ret = jnl_source_look(s, number * size + offset, &spot);
		if (ret < 0)
			return ret;
		if (spot.durable > runs->watermark)
			runs->watermark = spot.durable;
		if (spot.kind == JNL_SPOT_JUNK || spot.kind == JNL_SPOT_BROKEN)
			file->junk = true;
		if (spot.kind != JNL_SPOT_GOOD)
			continue;
		ret = add_batch(runs, s, &spot.h, spot.len);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * Which of them are proven
 */

static bool proves_itself(const struct jnl_source *s, const struct jnl_run *run)
{
	uint32_t block = s->geometry.block_size;

	/* The beginning of everything links to nothing. */
	if (run->first == block)
		return !run->prev_sum;
	return jnl_next_place(run->durable, s->geometry.segment_size, block) >=
	       run->first;
}

static void prove(const struct jnl_source *s, struct jnl_runs *runs)
{
	uint64_t size = s->geometry.segment_size, place;
	struct jnl_run *run, *next = NULL;

	for (size_t i = runs->count; i-- > 0;) {
		run = &runs->run[i];
		place = jnl_next_place(run->end, size, s->geometry.block_size);
		run->proven = proves_itself(s, run);
		if (next && place == next->first) {
			/* It is not what the next one follows. */
			run->end = run->last;
			run->proven = run->proven && run->first < run->last;
		} else if (next && next->first / size == run->first / size) {
			run->proven = true;
		}
		if (run->proven)
			next = run;
		else
			runs->remains += run->batches;
	}
}

/* ------------------------------------------------------------------------
 * From where to where
 */

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

/* The highest number that is missing below the newest file, or UINT64_MAX. */
static uint64_t highest_gap(const struct jnl_source *s, uint64_t begin)
{
	const uint64_t *number = s->names.number;
	size_t i = s->names.count - 1;

	while (i && number[i - 1] == number[i] - 1)
		i--;
	return number[i] > begin ? number[i] - 1 : UINT64_MAX;
}

static void find_end(const struct jnl_source *s, struct jnl_runs *runs,
		     uint64_t end)
{
	uint64_t size = s->geometry.segment_size, gap;
	uint64_t newest = s->names.number[s->names.count - 1];
	uint64_t known = runs->watermark;

	/* A header says of positions below itself; one that went astray says
	 * nothing of files that are not there. */
	if (known > (newest + 1) * size)
		known = (newest + 1) * size;
	known = round_up(known, s->geometry.block_size);
	if (known > end)
		end = known;
	/* A segment is made only when the one before is used. */
	gap = highest_gap(s, runs->begin);
	if (gap != UINT64_MAX && (gap + 1) * size > end)
		end = (gap + 1) * size;
	/* What is wrong with a file may be wrong with all of it. */
	for (size_t i = s->names.count; i-- > 0;) {
		uint64_t behind = (s->names.number[i] + 1) * size;

		if (behind <= end)
			break;
		if (s->file[i].finding && s->file[i].junk)
			end = behind;
	}
	runs->end = end;
}

static int find_bounds(const struct jnl_source *s, struct jnl_runs *runs)
{
	uint64_t size = s->geometry.segment_size, newest, end = 0;
	size_t i, count = s->names.count;

	for (i = 0; i < runs->count; i++) {
		if (!runs->run[i].proven)
			continue;
		end = runs->run[i].end;
		if (runs->run[i].trim > runs->trim)
			runs->trim = runs->run[i].trim;
	}
	for (i = 0; i < count - 1; i++) {
		if (s->names.number[i] >= runs->trim / size)
			break;
	}
	runs->begin = s->names.number[i];
	newest = s->names.number[count - 1];
	if (newest - runs->begin + 1 - (count - i) > GAP_MAX)
		return -EFBIG;
	runs->given = runs->trim;
	if (runs->trim < runs->begin * size)
		runs->trim = runs->begin * size;
	if (end < runs->begin * size)
		end = runs->begin * size;
	find_end(s, runs, end);
	return runs->end >= JNL_LSN_MAX - size ? -EFBIG : 0;
}

int jnl_runs_find(struct jnl_source *s, struct jnl_runs *ret_runs)
{
	int ret = 0;

	memset(ret_runs, 0, sizeof(*ret_runs));
	for (size_t i = 0; i < s->names.count && !ret; i++)
		ret = scan_segment(s, &s->file[i], s->names.number[i],
				   ret_runs);
	if (!ret) {
		prove(s, ret_runs);
		ret = find_bounds(s, ret_runs);
	}
	if (ret < 0)
		jnl_runs_free(ret_runs);
	return ret;
}

void jnl_runs_free(struct jnl_runs *runs)
{
	free(runs->run);
	memset(runs, 0, sizeof(*runs));
}
