/*
 * journal/options.c - options of journal_open(): what they may be, and what
 * comes of them.
 *
 * It fails with -EINVAL for what is out of range, and with -E2BIG for what a
 * newer version may know; either before anything is made.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "journal/error.h"
#include "journal/options.h"

#define SEGMENT_DEFAULT	(64ull * 1024 * 1024)
#define RECORD_DEFAULT	(1024u * 1024)
#define RECORD_LIMIT	(1u << 30)	/* an image's size is 32 bits wide */
/* The fields there were in the beginning. */
#define SIZE_FIRST	offsetof(struct journal_options, observer)
#define FLAGS_KNOWN	(JOURNAL_CREATE | JOURNAL_EXCLUSIVE | \
			 JOURNAL_READ_ONLY | JOURNAL_VOLATILE | \
			 JOURNAL_OVERWRITE | JOURNAL_SQPOLL | \
			 JOURNAL_PASSTHROUGH | JOURNAL_MEASURE | \
			 JOURNAL_NO_STATS)


/*
 * A caller that was compiled with fewer fields has zeros in the others; one
 * with more must have zeros in those that are not known here.
 */
int jnl_options_copy(struct journal_options *ret_o,
		     const struct journal_options *o)
{
	const uint8_t *p = (const uint8_t *)o;

	memset(ret_o, 0, sizeof(*ret_o));
	if (!o)
		return 0;
	if (o->size < SIZE_FIRST)
		return -EINVAL;
	/* No future is that far: the size was never set. */
	if (o->size > 4096)
		return -E2BIG;
	memcpy(ret_o, o, o->size < sizeof(*ret_o) ? o->size : sizeof(*ret_o));
	for (size_t i = sizeof(*ret_o); i < o->size; i++) {
		if (p[i])
			return jnl_error(ret_o->error, -E2BIG,
					 JOURNAL_LSN_NONE, NULL,
					 "the options are from a newer version "
					 "of the library: install it, or build "
					 "against this one");
	}
	return 0;
}

int jnl_bad_option(const struct journal_options *o, const char *what)
{
	return jnl_error(o->error, -EINVAL, JOURNAL_LSN_NONE, NULL, "%s", what);
}

int jnl_options_check(const struct journal_options *o)
{
	if (o->flags & ~(uint64_t)FLAGS_KNOWN)
		return jnl_error(o->error, -E2BIG, JOURNAL_LSN_NONE, NULL,
				 "flags %#llx: not known to this version of "
				 "the library", (unsigned long long)o->flags);
	if (o->flags & JOURNAL_READ_ONLY &&
	    o->flags & (JOURNAL_CREATE | JOURNAL_EXCLUSIVE | JOURNAL_MEASURE))
		return jnl_bad_option(o, "JOURNAL_READ_ONLY does not go with "
				      "JOURNAL_CREATE, JOURNAL_EXCLUSIVE or "
				      "JOURNAL_MEASURE");
	if (o->flags & JOURNAL_EXCLUSIVE && !(o->flags & JOURNAL_CREATE))
		return jnl_bad_option(o, "JOURNAL_EXCLUSIVE needs JOURNAL_CREATE");
	if (o->flags & JOURNAL_OVERWRITE &&
	    (o->flags & (JOURNAL_CREATE | JOURNAL_EXCLUSIVE)) != JOURNAL_CREATE)
		return jnl_bad_option(o, "JOURNAL_OVERWRITE needs JOURNAL_CREATE "
				      "and does not go with JOURNAL_EXCLUSIVE");
	if (o->segment_size && (o->segment_size < JNL_SEGMENT_MIN ||
				o->segment_size > JNL_SEGMENT_MAX ||
				o->segment_size % JNL_SEGMENT_MIN))
		return jnl_bad_option(o, "segment_size: a multiple of 65536, at "
				      "most 1 TiB");
	if (o->method && !jnl_method_find(o->method))
		return jnl_error(o->error, -EINVAL, JOURNAL_LSN_NONE, NULL,
				 "there is no method \"%s\"", o->method);
	if (o->driver && strcmp(o->driver, "caller") &&
	    strcmp(o->driver, "thread") && strcmp(o->driver, "loop"))
		return jnl_bad_option(o, "driver: \"caller\", \"thread\" or "
				      "\"loop\"");
	if (o->carrier && strcmp(o->carrier, "pwritev2") &&
	    strcmp(o->carrier, "io_uring"))
		return jnl_bad_option(o, "carrier: \"pwritev2\" or \"io_uring\"");
	if (o->driver && !strcmp(o->driver, "caller") && o->carrier &&
	    !strcmp(o->carrier, "io_uring"))
		return jnl_bad_option(o, "the carrier io_uring needs the driver "
				      "thread or loop");
	if (o->queue_depth > JNL_DEPTH_MAX)
		return jnl_bad_option(o, "queue_depth: 1 to 64");
	if (o->reserved)
		return jnl_error(o->error, -E2BIG, JOURNAL_LSN_NONE, NULL,
				 "the options' reserved word: leave it 0");
	return 0;
}

uint64_t jnl_options_segment_size(const struct journal_options *o)
{
	return o->segment_size ? o->segment_size : SEGMENT_DEFAULT;
}

/* The largest record that fits into a segment beside the headers. */
static uint64_t record_limit(const struct jnl_segment_header *g)
{
	uint64_t room = g->segment_size - g->block_size - JNL_BATCH_HEADER -
			JNL_RECORD_WORD;

	return room < RECORD_LIMIT ? room : RECORD_LIMIT;
}

int jnl_options_record_max(const struct journal_options *o,
			   const struct jnl_segment_header *g)
{
	uint64_t limit = record_limit(g);

	if (o->record_max <= limit)
		return 0;
	return jnl_error(o->error, -EINVAL, JOURNAL_LSN_NONE, NULL,
			 "record_max: at most %llu with segments of %llu bytes",
			 (unsigned long long)limit,
			 (unsigned long long)g->segment_size);
}

int jnl_options_fresh(const struct journal_options *o)
{
	struct jnl_segment_header g = {
		.block_size = JNL_BLOCK_MIN,
		.segment_size = jnl_options_segment_size(o),
	};

	return jnl_options_record_max(o, &g);
}

int jnl_options_engine(struct jnl_engine *e, const struct journal_options *o,
		       const struct jnl_dir *dir, bool dsync)
{
	struct jnl_engine_config cfg = { 0 };
	uint64_t limit = record_limit(&dir->geometry);
	int ret;

	ret = jnl_options_record_max(o, &dir->geometry);
	if (ret < 0)
		return ret;
	cfg.segment_size = dir->geometry.segment_size;
	cfg.block_size = dir->geometry.block_size;
	cfg.record_max = o->record_max ? o->record_max : RECORD_DEFAULT;
	if (cfg.record_max > limit)
		cfg.record_max = (uint32_t)limit;
	cfg.queue_depth = o->queue_depth ? o->queue_depth :
						JNL_DEPTH_DEFAULT;
	cfg.seed = dir->seed;
	cfg.dsync = dsync;
	return jnl_engine_init(e, &cfg);
}
