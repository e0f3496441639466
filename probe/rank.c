/*
 * probe/rank.c - which method, and why not the others.
 *
 * The methods stand in the order of preference (lib/method.c); the first one
 * whose needs are met (probe/needs.c) and that need not be asked for is chosen.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/facts.h"
#include "probe/needs.h"

uint64_t jnl_rank_block_size(const journal_probe *p, enum jnl_fact *ret_fact)
{
	static const enum jnl_fact asking[] = {
		JNL_FS_BLOCK_SIZE, JNL_FS_DIRECT_IO_ALIGNMENT,
		JNL_DEVICE_LOGICAL_BLOCK_SIZE, JNL_DEVICE_PHYSICAL_BLOCK_SIZE,
	};
	enum jnl_fact most = JNL_FACT_COUNT;
	uint64_t block = JNL_BLOCK_MIN;
	size_t i;

	for (i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
		/* Probers let nothing through that does not fit in 32 bits. */
		if (!jnl_fact_known(p, asking[i]) ||
		    p->facts[asking[i]].value <= block)
			continue;
		most = asking[i];
		while (block < p->facts[asking[i]].value)
			block *= 2;
	}
	if (ret_fact)
		*ret_fact = most;
	return block;
}

static uint32_t block_size(const journal_probe *p, const struct jnl_method *m)
{
	uint64_t block = jnl_rank_block_size(p, NULL);
	long page;

	if (block > JNL_BLOCK_MAX)
		block = JNL_BLOCK_MAX;
	if (m->needs & JNL_NEED_DIRECT_IO)
		return (uint32_t)block;
	page = sysconf(_SC_PAGESIZE);
	return page > (long)block ? (uint32_t)page : (uint32_t)block;
}

static bool dsync_works(const journal_probe *p, const struct jnl_method *m)
{
	return (m->needs & JNL_NEED_DIRECT_IO) &&
	       p->facts[JNL_FS_DIRECT_IO].state == JOURNAL_FACT_TRIED &&
	       p->facts[JNL_KERNEL_RWF_DSYNC].state == JOURNAL_FACT_TRIED &&
	       p->facts[JNL_KERNEL_RWF_DSYNC].value == 1;
}

static char *why_usable(journal_probe *p, const struct jnl_method *m,
			bool volatile_ok)
{
	const char *flush = jnl_fact_text_or(p, JNL_FS_FLUSH, "");
	bool direct = m->needs & JNL_NEED_DIRECT_IO;
	bool forgets = volatile_ok && jnl_fact_known(p, JNL_FS_STABLE) &&
		       !p->facts[JNL_FS_STABLE].value;
	char *doubt, *reason;

	doubt = jnl_needs_doubts(p, m->needs);
	if (m->needs & JNL_NEED_PASSTHROUGH)
		reason = jnl_probe_format(p, "O_DIRECT and NVMe Flush by %s "
					  "were tried here and work",
					  jnl_fact_text_or(p, JNL_DRIVE_NODE,
							   "its node"));
	else if (direct && dsync_works(p, m))
		reason = jnl_probe_format(p, "O_DIRECT and RWF_DSYNC were "
					  "tried here and work");
	else if (direct && p->facts[JNL_FS_DIRECT_IO].state ==
			   JOURNAL_FACT_REPORTED)
		reason = jnl_probe_format(p, "O_DIRECT is reported to work, "
					  "%s was tried here and works; there "
					  "was no room to try more", flush);
	else if (direct)
		reason = jnl_probe_format(p, "O_DIRECT and %s were tried here "
					  "and work, RWF_DSYNC does not (%s)",
					  flush,
					  jnl_why(p->facts[JNL_KERNEL_RWF_DSYNC].error));
	else
		reason = jnl_probe_format(p, "%s was tried here and works",
					  flush);
	if (reason && (doubt || forgets || m->on_request)) {
		char *more = jnl_probe_format(p, "%s%s%s%s", reason,
			!m->on_request ? "" : jnl_probe_whole_namespace(p) ?
			"; used if asked for, or measured to be faster" :
			"; used only if asked for",
			forgets ? "; what is written is lost when the power "
			"goes, which was allowed" : "", doubt ? doubt : "");

		free(reason);
		reason = more;
	}
	free(doubt);
	return reason;
}

static void rank_one(journal_probe *p, struct jnl_rank *rank, size_t i,
		     bool allow_volatile)
{
	struct journal_probe_method *out = &rank->methods[i];
	const struct jnl_method *m = jnl_method_at(i);
	enum jnl_fact fact = JNL_FACT_COUNT;

	out->name = m->name;
	rank->reasons[i] = jnl_needs_why_not(p, m, allow_volatile ?
					     JNL_NEED_STABLE : 0, &fact);
	/* A refusal whose text found no memory is a refusal. */
	out->usable = fact == JNL_FACT_COUNT;
	if (out->usable)
		rank->reasons[i] = why_usable(p, m, allow_volatile);
	out->reason = rank->reasons[i] ? rank->reasons[i] : "";
	out->fact = out->usable ? "" : jnl_fact_name(fact);
	out->carrier = out->usable ? "pwritev2" : "";
	out->barrier = "";
	if (out->usable && (m->needs & JNL_NEED_PASSTHROUGH))
		out->barrier = "NVMe Flush";
	else if (out->usable)
		out->barrier = dsync_works(p, m) ? "RWF_DSYNC" :
			       jnl_fact_is(p, JNL_FS_FLUSH, "fsync") ?
					"fsync" : "fdatasync";
	if (out->usable && !m->on_request && rank->chosen == JNL_METHODS_MAX)
		rank->chosen = i;
}

/* The reasons of all methods in one line, each different one once. */
static char *join_reasons(journal_probe *p, const struct jnl_rank *rank)
{
	char *all = NULL, *more;
	size_t i, j;

	for (i = 0; i < rank->count; i++) {
		for (j = 0; j < i; j++)
			if (!strcmp(rank->methods[i].reason,
				    rank->methods[j].reason))
				break;
		if (j < i)
			continue;
		more = jnl_probe_format(p, "%s%s%s", all ? all : "",
					all ? "; " : "",
					rank->methods[i].reason);
		free(all);
		all = more;
	}
	return all;
}

void jnl_rank_methods(journal_probe *p, bool allow_volatile,
		      struct jnl_rank *rank)
{
	size_t i;

	rank->chosen = JNL_METHODS_MAX;
	for (i = 0; jnl_method_at(i); i++) {
		assert(i < JNL_METHODS_MAX);
		rank_one(p, rank, i, allow_volatile);
	}
	rank->count = i;
	if (rank->chosen == JNL_METHODS_MAX) {
		rank->chosen = rank->count;
		rank->none = join_reasons(p, rank);
	} else {
		rank->methods[rank->chosen].chosen = 1;
	}
}

void jnl_rank_free(struct jnl_rank *rank)
{
	size_t i;

	for (i = 0; i < JNL_METHODS_MAX; i++)
		free(rank->reasons[i]);
	free(rank->none);
}

int jnl_rank_trail(journal_probe *p, const struct jnl_rank *rank,
		   size_t chosen)
{
	char *all = NULL, *more;
	const char *what;
	size_t i;

	for (i = 0; i < rank->count; i++) {
		what = !rank->methods[i].usable ? "refused" :
		       i == chosen ? "chosen" : "usable";
		more = jnl_probe_format(p, "%s%s%s: %s: %s", all ? all : "",
					all ? "\n" : "", rank->methods[i].name,
					what, rank->methods[i].reason);
		free(all);
		if (!more)
			return -ENOMEM;
		all = more;
	}
	free(p->trail);
	p->trail = all;
	return 0;
}

static uint64_t known_or_0(const journal_probe *p, enum jnl_fact id)
{
	return jnl_fact_known(p, id) ? p->facts[id].value : 0;
}

static bool is_0(const journal_probe *p, enum jnl_fact id)
{
	return jnl_fact_known(p, id) && !p->facts[id].value;
}

/*
 * A write with RWF_ATOMIC and RWF_DSYNC is one command that is on the medium
 * when it completes: with FUA, or where nothing forgets.  A method may be used
 * where barriers are not known; this may not.
 */
static bool atomic_works(const journal_probe *p, const struct jnl_method *m)
{
	return dsync_works(p, m) && known_or_0(p, JNL_FS_BARRIER) &&
	       known_or_0(p, JNL_FS_STABLE) &&
	       jnl_fact_known(p, JNL_DEVICE_WRITE_CACHE) &&
	       p->facts[JNL_KERNEL_RWF_ATOMIC].state == JOURNAL_FACT_TRIED &&
	       p->facts[JNL_KERNEL_RWF_ATOMIC].value == 1 &&
	       (known_or_0(p, JNL_DEVICE_FUA) ||
		is_0(p, JNL_DRIVE_VOLATILE_CACHE));
}

static uint64_t boundary(const journal_probe *p)
{
	uint64_t blocks = known_or_0(p, JNL_DRIVE_NABSPF);

	return blocks ? (blocks + 1) * known_or_0(p, JNL_DRIVE_BLOCK_BYTES) :
			known_or_0(p, JNL_DEVICE_ATOMIC_BOUNDARY);
}

/*
 * The smallest of what the drive promises, what the kernel lets through to the
 * device and what the file system says of a file; nothing unless all do.
 */
static struct jnl_untorn untorn(const journal_probe *p,
				const struct jnl_method *m, uint32_t block)
{
	static const enum jnl_fact limits[] = {
		JNL_DRIVE_UNTORN_BYTES, JNL_DEVICE_ATOMIC_UNIT_MAX,
		JNL_FS_ATOMIC_UNIT_MAX,
	};
	const struct jnl_untorn nothing = { .max = 0 };
	uint64_t max = 1u << 31, min;
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		while (max && max > known_or_0(p, limits[i]))
			max /= 2;
	min = known_or_0(p, JNL_FS_ATOMIC_UNIT_MIN);
	if (min < known_or_0(p, JNL_DEVICE_ATOMIC_UNIT_MIN))
		min = known_or_0(p, JNL_DEVICE_ATOMIC_UNIT_MIN);
	if (!atomic_works(p, m) || max < block || !min || min > block ||
	    !jnl_fact_known(p, JNL_DEVICE_START_BYTES) ||
	    !jnl_fact_known(p, JNL_DEVICE_ATOMIC_BOUNDARY) ||
	    boundary(p) > UINT32_MAX)
		return nothing;
	return (struct jnl_untorn){
		.min = (uint32_t)min,
		.max = (uint32_t)max,
		.boundary = (uint32_t)boundary(p),
		.start = p->facts[JNL_DEVICE_START_BYTES].value,
	};
}

static void fill_choice(const journal_probe *p, size_t i,
			struct jnl_choice *ret_choice)
{
	const struct jnl_method *m = jnl_method_at(i);
	struct jnl_choice c = { .method = m };

	c.way.direct = m->needs & JNL_NEED_DIRECT_IO;
	c.way.dsync = dsync_works(p, m);
	if (m->needs & JNL_NEED_PASSTHROUGH) {
		snprintf(c.generic, sizeof(c.generic), "%s",
			 jnl_fact_text_or(p, JNL_DRIVE_NODE, ""));
		c.generic_major = p->node_major;
		c.generic_minor = p->node_minor;
	}
	c.way.flush = jnl_fact_is(p, JNL_FS_FLUSH, "fsync") ?
		JNL_FLUSH_FSYNC : JNL_FLUSH_FDATASYNC;
	c.block_size = block_size(p, m);
	c.untorn = untorn(p, m, c.block_size);
	c.nocow = jnl_fact_is(p, JNL_FS_TYPE, "btrfs");
	*ret_choice = c;
}

int jnl_probe_choose(journal_probe *p, const char *name, bool allow_volatile,
		     struct jnl_choice *ret_choice, const char **ret_reason)
{
	const struct jnl_rank *rank = allow_volatile ? &p->tolerant :
						       &p->strict;
	size_t i = rank->chosen;

	if (name) {
		for (i = 0; i < rank->count; i++)
			if (!strcmp(rank->methods[i].name, name))
				break;
		if (i == rank->count)
			return -EINVAL;
	}
	if (i == rank->count || !rank->methods[i].usable) {
		*ret_reason = name ? rank->methods[i].reason : rank->none;
		return -EOPNOTSUPP;
	}
	if (jnl_rank_trail(p, rank, i) < 0)
		return -ENOMEM;
	fill_choice(p, i, ret_choice);
	return 0;
}

const char *jnl_probe_trail(const journal_probe *p)
{
	return p->trail;
}

int journal_probe_method_at(const journal_probe *p, size_t i,
			    struct journal_probe_method *ret_method)
{
	if (!p || !ret_method)
		return -EINVAL;
	if (i >= p->strict.count)
		return -ENOENT;
	*ret_method = p->strict.methods[i];
	return 0;
}
