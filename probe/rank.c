/*
 * probe/rank.c - which method, and why not the others.
 *
 * Every need of a method is judged by one fact.  A fact that says no refuses,
 * always.  A fact that is not known refuses if it could have been tried here
 * (direct I/O, flush); what nobody can try (barriers behind a network, what a
 * FUSE server does) is let through, and said aloud in the reason as "not
 * verified".  The remedy stands beside each refusal.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/facts.h"

enum verdict { YES, NO, UNKNOWN };

static enum verdict judge_number(const journal_probe *p, enum jnl_fact id)
{
	if (!jnl_fact_known(p, id))
		return UNKNOWN;
	return p->facts[id].value ? YES : NO;
}

static enum verdict judge_text(const journal_probe *p, enum jnl_fact id)
{
	if (!jnl_fact_known(p, id))
		return UNKNOWN;
	return p->facts[id].text ? YES : NO;
}

static const char *why(int error)
{
	const char *text = error ? strerrordesc_np(-error) : NULL;

	return text ? text : "nobody says";
}

/* The place, as people know it. */
static const char *place(const journal_probe *p)
{
	return jnl_fact_text_or(p, JNL_FS_MOUNT_POINT, p->path);
}

static const char *type(const journal_probe *p)
{
	return jnl_fact_text_or(p, JNL_FS_TYPE, "this file system");
}

static char *explain_barrier(journal_probe *p, enum verdict v)
{
	const char *option = p->barrier_option;
	bool plain;

	if (v == UNKNOWN)
		return jnl_probe_format(p, "fs.barrier (%s does not say if "
					"flushes reach the drive)", type(p));
	if (!option)
		return NULL;
	plain = !strncmp(option, "barrier", 7) || !strcmp(option, "nobarrier");
	return jnl_probe_format(p, "%s is mounted with %s; remount it %s%s",
				place(p), option,
				plain ? "with barriers" : "without ",
				plain ? "" : option);
}

static char *explain_stable(journal_probe *p, enum verdict v)
{
	const char *device = jnl_fact_text_or(p, JNL_DEVICE_NAME, NULL);

	if (v == UNKNOWN)
		return jnl_probe_format(p, "fs.stable (where %s keeps its data "
					"is not known)",
					device ? device : type(p));
	return jnl_probe_format(p, "%s is %s%s%s, which forgets when the power "
				"goes; use a directory on a drive", place(p),
				type(p), device ? " on " : "",
				device ? device : "");
}

/* What to do about a try that came to nothing. */
static const char *remedy(int error)
{
	switch (-error) {
	case EROFS:
		return "remount it for writing";
	case EACCES:
	case EPERM:
		return "get write permission for it";
	case ENOSPC:
	case EDQUOT:
		return "free some space";
	case EIO:
		return "see the kernel log for what is wrong with the drive";
	default:
		return "see the kernel log";
	}
}

static char *untried(journal_probe *p, enum jnl_fact id)
{
	return jnl_probe_format(p, "could not be tried in %s: %s (%s); %s",
				p->path, why(p->facts[id].error),
				*p->facts[id].source ? p->facts[id].source :
						       "an earlier try",
				remedy(p->facts[id].error));
}

static char *explain_direct(journal_probe *p, enum verdict v)
{
	if (v == UNKNOWN)
		return untried(p, JNL_FS_DIRECT_IO);
	return jnl_probe_format(p, "%s refuses O_DIRECT (%s); a file system on "
				"a drive of its own has it", type(p),
				why(p->facts[JNL_FS_DIRECT_IO].error));
}

static char *explain_flush(journal_probe *p, enum verdict v)
{
	if (v == UNKNOWN)
		return untried(p, JNL_FS_FLUSH);
	return jnl_probe_format(p, "%s has neither fdatasync nor fsync (%s); "
				"use another file system", type(p),
				why(p->facts[JNL_FS_FLUSH].error));
}

/* In the order in which they are named when several are missing. */
static const struct need {
	enum jnl_need bit;
	enum jnl_fact fact;
	bool may_be_unknown;
	enum verdict (*judge)(const journal_probe *p, enum jnl_fact id);
	char *(*explain)(journal_probe *p, enum verdict v);
} needs[] = {
	{ JNL_NEED_BARRIER, JNL_FS_BARRIER, true, judge_number,
	  explain_barrier },
	{ JNL_NEED_STABLE, JNL_FS_STABLE, true, judge_number, explain_stable },
	{ JNL_NEED_DIRECT_IO, JNL_FS_DIRECT_IO, false, judge_number,
	  explain_direct },
	{ JNL_NEED_FLUSH, JNL_FS_FLUSH, false, judge_text, explain_flush },
};

#define NEEDS	(sizeof(needs) / sizeof(needs[0]))

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

/* Appends "; not verified: " or ", " and what; takes both strings over. */
static char *add_doubt(journal_probe *p, char *doubts, char *what)
{
	char *both = NULL;

	if (what)
		both = jnl_probe_format(p, "%s%s%s", doubts ? doubts : "",
					doubts ? ", " : "; not verified: ",
					what);
	free(doubts);
	free(what);
	return both;
}

static char *doubts(journal_probe *p, unsigned int wanted)
{
	char *all = NULL;
	size_t i;

	for (i = 0; i < NEEDS; i++)
		if ((needs[i].bit & wanted) &&
		    needs[i].judge(p, needs[i].fact) == UNKNOWN)
			all = add_doubt(p, all, needs[i].explain(p, UNKNOWN));
	/* Set by hand it looks the same as a drive without a cache. */
	if (jnl_fact_is(p, JNL_DEVICE_WRITE_CACHE, "write through"))
		all = add_doubt(p, all, jnl_probe_format(p,
			"device.write_cache (\"write through\": the kernel "
			"sends %s no flushes)",
			jnl_fact_text_or(p, JNL_DEVICE_NAME, "the drive")));
	return all;
}

static char *why_usable(journal_probe *p, const struct jnl_method *m,
			bool volatile_ok)
{
	const char *flush = jnl_fact_text_or(p, JNL_FS_FLUSH, "");
	bool direct = m->needs & JNL_NEED_DIRECT_IO;
	bool forgets = volatile_ok && judge_number(p, JNL_FS_STABLE) == NO;
	char *doubt, *reason;

	doubt = doubts(p, m->needs);
	if (direct && dsync_works(p, m))
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
					  why(p->facts[JNL_KERNEL_RWF_DSYNC].error));
	else
		reason = jnl_probe_format(p, "%s was tried here and works",
					  flush);
	if (reason && (doubt || forgets)) {
		char *more = jnl_probe_format(p, "%s%s%s", reason, forgets ?
			"; what is written is lost when the power goes, which "
			"was allowed" : "", doubt ? doubt : "");

		free(reason);
		reason = more;
	}
	free(doubt);
	return reason;
}

/* NULL: usable.  Else why not, and *ret_fact is what said so. */
static char *why_not(journal_probe *p, const struct jnl_method *m,
		     unsigned int waived, enum jnl_fact *ret_fact)
{
	unsigned int judged = 0;
	enum jnl_fact most;
	uint64_t block;
	size_t i;

	for (i = 0; i < NEEDS; i++) {
		const struct need *n = &needs[i];
		enum verdict v;
		char *text, *line;

		if (!(m->needs & ~waived & n->bit))
			continue;
		v = n->judge(p, n->fact);
		if (v == YES || (v == UNKNOWN && n->may_be_unknown))
			continue;
		*ret_fact = n->fact;
		text = n->explain(p, v);
		line = jnl_probe_format(p, "%s: %s", jnl_fact_name(n->fact),
					text ? text : "no");
		free(text);
		return line;
	}
	/* What no fact judges is not met. */
	for (i = 0; i < NEEDS; i++)
		judged |= needs[i].bit;
	if (m->needs & ~judged) {
		*ret_fact = JNL_DEVICE_KIND;
		return jnl_probe_format(p, "%s: what the method needs of the "
					"drive is not known here",
					jnl_fact_name(JNL_DEVICE_KIND));
	}
	block = jnl_rank_block_size(p, &most);
	if (!(m->needs & JNL_NEED_DIRECT_IO) || block <= JNL_BLOCK_MAX)
		return NULL;
	*ret_fact = most;
	return jnl_probe_format(p, "%s: blocks of %llu bytes are asked for and "
				"a journal's are %u at most; use a device with "
				"smaller ones", jnl_fact_name(most),
				(unsigned long long)block, JNL_BLOCK_MAX);
}

static void rank_one(journal_probe *p, struct jnl_rank *rank, size_t i,
		     bool allow_volatile)
{
	struct journal_probe_method *out = &rank->methods[i];
	const struct jnl_method *m = jnl_method_at(i);
	enum jnl_fact fact = JNL_FACT_COUNT;

	out->name = m->name;
	rank->reasons[i] = why_not(p, m, allow_volatile ? JNL_NEED_STABLE : 0,
				   &fact);
	/* A refusal whose text found no memory is a refusal. */
	out->usable = fact == JNL_FACT_COUNT;
	if (out->usable)
		rank->reasons[i] = why_usable(p, m, allow_volatile);
	out->reason = rank->reasons[i] ? rank->reasons[i] : "";
	out->fact = out->usable ? "" : jnl_fact_name(fact);
	out->carrier = out->usable ? "pwritev2" : "";
	out->barrier = "";
	if (out->usable)
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

static void fill_choice(const journal_probe *p, size_t i,
			struct jnl_choice *ret_choice)
{
	const struct jnl_method *m = jnl_method_at(i);
	struct jnl_choice c = { .method = m };

	c.way.direct = m->needs & JNL_NEED_DIRECT_IO;
	c.way.dsync = dsync_works(p, m);
	c.way.flush = jnl_fact_is(p, JNL_FS_FLUSH, "fsync") ?
		JNL_FLUSH_FSYNC : JNL_FLUSH_FDATASYNC;
	c.block_size = block_size(p, m);
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
