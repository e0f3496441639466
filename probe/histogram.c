/*
 * probe/histogram.c - times counted in buckets, about 3 % wide.
 */
#include "config.h"

#include <assert.h>

#include "probe/histogram.h"

#define PART_BITS	5
#define WHOLE		100000u

static_assert(JNL_HISTOGRAM_PARTS == 1u << PART_BITS, "one follows the other");

static size_t index_of(uint64_t ns)
{
	unsigned int shift;
	size_t i;

	if (ns < JNL_HISTOGRAM_PARTS)
		return ns;
	shift = 63 - (unsigned int)__builtin_clzll(ns) - PART_BITS;
	i = shift * JNL_HISTOGRAM_PARTS + (ns >> shift);
	return i < JNL_HISTOGRAM_BUCKETS ? i : JNL_HISTOGRAM_BUCKETS - 1;
}

uint64_t jnl_histogram_from_ns(size_t i)
{
	size_t shift;

	if (i < 2 * JNL_HISTOGRAM_PARTS)
		return i;
	shift = i / JNL_HISTOGRAM_PARTS - 1;
	return (uint64_t)(i - shift * JNL_HISTOGRAM_PARTS) << shift;
}

void jnl_histogram_add(struct jnl_histogram *h, uint64_t ns)
{
	h->bucket[index_of(ns)]++;
	h->count++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

uint64_t jnl_histogram_percentile_ns(const struct jnl_histogram *h,
				     uint32_t per_100000)
{
	uint64_t seen = 0, wanted, end;
	size_t i;

	assert(per_100000 <= WHOLE);
	if (!h->count)
		return 0;
	/* Not one product: count has no bound that would keep it in range. */
	wanted = h->count / WHOLE * per_100000 +
		 (h->count % WHOLE * per_100000 + WHOLE - 1) / WHOLE;
	for (i = 0; i < JNL_HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && seen >= wanted)
			break;
	}
	assert(i < JNL_HISTOGRAM_BUCKETS);
	end = jnl_histogram_from_ns(i + 1) - 1;
	/* The last bucket has no end. */
	return end < h->max_ns && i + 1 < JNL_HISTOGRAM_BUCKETS ? end :
								  h->max_ns;
}
