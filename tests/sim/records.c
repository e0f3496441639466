/*
 * tests/sim/records.c - what is appended: the n-th record of a world.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "tests/sim/crash.h"

static uint64_t draw(const struct world *w, uint32_t n)
{
	struct sim_pick p;

	sim_pick_seed(&p, w->seed * 1000003 + w->what[n]);
	return sim_random(&p);
}

uint32_t record_len(const struct world *w, uint32_t n)
{
	uint64_t r = draw(w, n);
	uint32_t block = SIM_BLOCK, over = JNL_BATCH_HEADER + JNL_RECORD_WORD;
	uint32_t len;

	/* Large ones, so that what was filled first is soon used up. */
	if (w->young)
		return w->record_max - (uint32_t)(r >> 8) % 4096;
	if (w->harsh)
		return (r & 1) ? (uint32_t)(r >> 8) % w->record_max :
		       9000 + (uint32_t)(r >> 8) % 9000;
	if (w->small)
		return (r & 3) ? 8 + (uint32_t)(r >> 8) % 64 : block;
	switch (r & 15) {
	case 0:
		len = 0;
		break;
	case 1 ... 6:
		len = (uint32_t)(r >> 8) % 100;
		break;
	case 7: case 8:
		len = (uint32_t)(r >> 8) % 2500;
		break;
	case 9:				/* one block, to the byte */
		len = block - over;
		break;
	case 10:			/* and one byte more */
		len = block - over + 1;
		break;
	case 11:
		len = 2 * block - over;
		break;
	case 12:
		len = block;
		break;
	case 13:			/* the largest there may be */
		len = w->record_max;
		break;
	default:
		len = (uint32_t)(r >> 8) % (w->record_max + 1);
		break;
	}
	return len < w->record_max ? len : w->record_max;
}

void record_fill(const struct world *w, uint32_t n, uint8_t *p)
{
	uint32_t len = record_len(w, n), done = 0;
	struct sim_pick pick;
	bool zeros = draw(w, n) >> 60 == 3;

	sim_pick_seed(&pick, w->seed ^ ((uint64_t)w->what[n] << 32));
	while (done < len) {
		uint64_t v = zeros && done ? 0 : sim_random(&pick);
		uint32_t k = len - done < 8 ? len - done : 8;

		memcpy(p + done, &v, k);
		done += k;
	}
}

bool record_good(const struct world *w, uint32_t n, const void *p, size_t len)
{
	uint8_t *want;
	bool good;

	if (len != record_len(w, n))
		return false;
	want = malloc(len + 1);
	if (!want)
		abort();
	record_fill(w, n, want);
	good = !len || !memcmp(want, p, len);
	free(want);
	return good;
}

uint32_t records_below(const struct world *w, uint64_t lsn)
{
	uint32_t n = 0;

	while (n < w->appended && w->lsn[n] < lsn)
		n++;
	return n;
}
