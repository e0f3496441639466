/*
 * probe/histogram.h - times counted in buckets, about 3 % wide.
 *
 * Below 32 ns each value has a bucket of its own; from there on every power of
 * two is cut into 32 equal parts.  What is longer than the last bucket counts
 * in it.  Nothing is allocated and nothing fails.
 */
#ifndef JNL_PROBE_HISTOGRAM_H
#define JNL_PROBE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define JNL_HISTOGRAM_PARTS	32u	/* of each power of two */
/* Up to 2^41 ns, some 36 minutes. */
#define JNL_HISTOGRAM_BUCKETS	(JNL_HISTOGRAM_PARTS * 37u)

struct jnl_histogram {
	uint64_t count, max_ns;
	uint64_t bucket[JNL_HISTOGRAM_BUCKETS];
};

void jnl_histogram_add(struct jnl_histogram *h, uint64_t ns);

/* The least value that belongs to bucket i. */
uint64_t jnl_histogram_from_ns(size_t i);

/*
 * What per_100000 of 100000 values do not exceed: the upper end of that
 * value's bucket, or the largest value there was if that is less.  0 of none.
 */
uint64_t jnl_histogram_percentile_ns(const struct jnl_histogram *h,
				     uint32_t per_100000);

#endif
