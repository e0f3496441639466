/*
 * probe/needs.c - what a method needs, the fact that judges it, and the remedy.
 *
 * Every need of a method is judged by facts, one to each row of the table.  A
 * fact that says no refuses, always.  A fact that is not known refuses if it
 * could have been tried or asked here (direct I/O, flush, all about a drive
 * that is spoken to directly); what nobody can try (barriers behind a network,
 * what a FUSE server does) is let through, and said aloud in the reason as
 * "not verified".  The remedy stands behind the semicolon of each refusal.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/facts.h"
#include "probe/needs.h"

static enum jnl_verdict judge_number(const journal_probe *p, enum jnl_fact id)
{
	if (!jnl_fact_known(p, id))
		return JNL_UNKNOWN;
	return p->facts[id].value ? JNL_YES : JNL_NO;
}

static enum jnl_verdict judge_text(const journal_probe *p, enum jnl_fact id)
{
	if (!jnl_fact_known(p, id))
		return JNL_UNKNOWN;
	return p->facts[id].text ? JNL_YES : JNL_NO;
}

const char *jnl_why(int error)
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

static char *explain_barrier(journal_probe *p, enum jnl_verdict v)
{
	const char *option = p->barrier_option;
	bool plain;

	if (v == JNL_UNKNOWN)
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

static char *explain_stable(journal_probe *p, enum jnl_verdict v)
{
	const char *device = jnl_fact_text_or(p, JNL_DEVICE_NAME, NULL);

	if (v == JNL_UNKNOWN)
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
				p->path, jnl_why(p->facts[id].error),
				*p->facts[id].source ? p->facts[id].source :
						       "an earlier try",
				remedy(p->facts[id].error));
}

static char *explain_direct(journal_probe *p, enum jnl_verdict v)
{
	if (v == JNL_UNKNOWN)
		return untried(p, JNL_FS_DIRECT_IO);
	return jnl_probe_format(p, "%s refuses O_DIRECT (%s); a file system on "
				"a drive of its own has it", type(p),
				jnl_why(p->facts[JNL_FS_DIRECT_IO].error));
}

static char *explain_flush(journal_probe *p, enum jnl_verdict v)
{
	if (v == JNL_UNKNOWN)
		return untried(p, JNL_FS_FLUSH);
	return jnl_probe_format(p, "%s has neither fdatasync nor fsync (%s); "
				"use another file system", type(p),
				jnl_why(p->facts[JNL_FS_FLUSH].error));
}

/* The drive says so itself. */
static bool has_no_cache(const journal_probe *p)
{
	return p->layer_count == 1 &&
	       ((jnl_fact_known(p, JNL_DRIVE_VOLATILE_CACHE) &&
		 !p->facts[JNL_DRIVE_VOLATILE_CACHE].value) ||
		(jnl_fact_known(p, JNL_DRIVE_CACHE_ENABLED) &&
		 !p->facts[JNL_DRIVE_CACHE_ENABLED].value));
}

/* No flush is sent: as if there were no barriers. */
static enum jnl_verdict judge_cache(const journal_probe *p, enum jnl_fact id)
{
	const struct journal_fact *f = &p->facts[id];

	if (p->cache_by_hand)
		return JNL_NO;
	/* Where there is no one device, there is nobody to ask. */
	return p->layer_count != 1 || jnl_fact_known(p, id) ||
	       f->error == -ENODEV ? JNL_YES : JNL_UNKNOWN;
}

/* Who speaks to the drive himself has to know it. */
static enum jnl_verdict judge_cache_known(const journal_probe *p,
					  enum jnl_fact id)
{
	if (jnl_fact_is(p, id, "write through") && !has_no_cache(p))
		return JNL_UNKNOWN;
	return judge_cache(p, id);
}

static char *explain_cache(journal_probe *p, enum jnl_verdict v)
{
	const char *disk = jnl_fact_text_or(p, JNL_DEVICE_DISK, "DISK");

	if (v == JNL_UNKNOWN)
		return jnl_probe_format(p, "device.write_cache (whether the "
					"kernel sends %s flushes is not known: "
					"%s)", disk, jnl_why(
					p->facts[JNL_DEVICE_WRITE_CACHE].error));
	return jnl_probe_format(p, "%s has a volatile cache and the kernel was "
				"told that it has none, so it sends no flushes; "
				"echo write back > /sys/block/%s/queue/"
				"write_cache", disk, disk);
}

static char *explain_cache_unknown(journal_probe *p, enum jnl_verdict v)
{
	if (v == JNL_NO)
		return explain_cache(p, v);
	return jnl_probe_format(p, "whether the kernel sends flushes of what "
				"lies beside the journal is not known (%s); "
				"mount /sys and let the drive be asked",
				jnl_fact_text_or(p, JNL_DEVICE_WRITE_CACHE,
				jnl_why(p->facts[JNL_DEVICE_WRITE_CACHE].error)));
}

static enum jnl_verdict judge_namespace(const journal_probe *p,
					enum jnl_fact id)
{
	if (jnl_straight_on(p, "nvme"))
		return JNL_YES;
	/* Of what it is on, everything is known. */
	(void)id;
	return jnl_fact_known(p, JNL_DRIVE_STRAIGHT) ? JNL_NO : JNL_UNKNOWN;
}

static char *explain_namespace(journal_probe *p, enum jnl_verdict v)
{
	const char *stack = jnl_fact_text_or(p, JNL_DEVICE_STACK, NULL);

	(void)v;
	return jnl_probe_format(p, "%s is %s%s%s, not straight on an NVMe "
				"namespace; use a directory that is", place(p),
				type(p), stack ? " on " : "",
				stack ? stack : "");
}

static enum jnl_verdict judge_controllers(const journal_probe *p,
					  enum jnl_fact id)
{
	if (!jnl_fact_known(p, id))
		return JNL_UNKNOWN;
	return p->facts[id].value == 1 ? JNL_YES : JNL_NO;
}

static char *explain_controllers(journal_probe *p, enum jnl_verdict v)
{
	const struct journal_fact *f = &p->facts[JNL_DRIVE_CONTROLLERS];

	if (v == JNL_UNKNOWN)
		return jnl_probe_format(p, "how many controllers the drive has "
					"is not known (%s: %s); mount /sys",
					f->source, jnl_why(f->error));
	return jnl_probe_format(p, "the drive has %llu controllers, and a "
				"Flush that one is sent need not cover what "
				"another one wrote; use direct",
				(unsigned long long)f->value);
}

static char *explain_in_place(journal_probe *p, enum jnl_verdict v)
{
	const struct journal_fact *f = &p->facts[JNL_FS_IN_PLACE];

	if (v == JNL_UNKNOWN)
		return jnl_probe_format(p, "whether %s overwrites in place is "
					"not known (%s: %s); use direct",
					type(p), *f->source ? f->source :
					"fs.type", jnl_why(f->error));
	if (jnl_fact_is(p, JNL_FS_TYPE, "ext4"))
		return jnl_probe_format(p, "%s journals file data, so a write "
					"may be durable in its journal only; "
					"mount it with data=ordered, chattr -j",
					place(p));
	if (jnl_fact_is(p, JNL_FS_TYPE, "xfs"))
		return jnl_probe_format(p, "xfs on %s may share blocks between "
					"files or put them on another device; "
					"make it with mkfs.xfs -m reflink=0 "
					"and without a realtime device",
					place(p));
	return jnl_probe_format(p, "%s does not overwrite in place; use ext4, "
				"or xfs without reflink", type(p));
}

static char *explain_extents(journal_probe *p, enum jnl_verdict v)
{
	const struct journal_fact *f = &p->facts[JNL_FS_EXTENTS];

	if (v == JNL_UNKNOWN || f->error)
		return jnl_probe_format(p, "%s does not say where a file's "
					"blocks are (%s); use direct", type(p),
					jnl_why(f->error));
	return jnl_probe_format(p, "a file that was written and flushed in %s "
				"is not in extents of its own; use direct",
				p->path);
}

static char *explain_node(journal_probe *p, enum jnl_verdict v)
{
	const struct journal_fact *f = &p->facts[JNL_DRIVE_NODE_OPENS];
	const char *node = jnl_fact_text_or(p, JNL_DRIVE_NODE, NULL);

	if (v == JNL_UNKNOWN || !node)
		return jnl_probe_format(p, "%s has no generic device that is "
					"known (%s); Linux 5.13 or newer makes "
					"one", jnl_fact_text_or(p,
						JNL_DRIVE_NAMESPACE, "it"),
					jnl_why(f->error));
	if (f->error == -EACCES || f->error == -EPERM)
		return jnl_probe_format(p, "%s: %s; permission to open it "
					"gives raw access to the whole "
					"namespace, past all file permissions: "
					"give it only to whom that may be "
					"given", node, jnl_why(f->error));
	return jnl_probe_format(p, "%s: %s; make the node in /dev be that "
				"device", node, jnl_why(f->error));
}

static char *explain_nvme_flush(journal_probe *p, enum jnl_verdict v)
{
	(void)v;
	return jnl_probe_format(p, "%s refused NVMe Flush (%s); before Linux "
				"6.2 it needs CAP_SYS_ADMIN",
				jnl_fact_text_or(p, JNL_DRIVE_NODE,
						 "the drive"),
				jnl_why(p->facts[JNL_DRIVE_FLUSH].error));
}

/* In the order in which they are named when several are missing. */
static const struct need {
	enum jnl_need bit;
	enum jnl_fact fact;
	bool may_be_unknown;
	enum jnl_verdict (*judge)(const journal_probe *p, enum jnl_fact id);
	char *(*explain)(journal_probe *p, enum jnl_verdict v);
} needs[] = {
	{ JNL_NEED_BARRIER, JNL_FS_BARRIER, true, judge_number,
	  explain_barrier },
	{ JNL_NEED_BARRIER, JNL_DEVICE_WRITE_CACHE, true, judge_cache,
	  explain_cache },
	{ JNL_NEED_STABLE, JNL_FS_STABLE, true, judge_number, explain_stable },
	{ JNL_NEED_DIRECT_IO, JNL_FS_DIRECT_IO, false, judge_number,
	  explain_direct },
	{ JNL_NEED_FLUSH, JNL_FS_FLUSH, false, judge_text, explain_flush },
	{ JNL_NEED_NAMESPACE, JNL_DRIVE_NAMESPACE, false, judge_namespace,
	  explain_namespace },
	{ JNL_NEED_ONE_CONTROLLER, JNL_DRIVE_CONTROLLERS, false,
	  judge_controllers, explain_controllers },
	{ JNL_NEED_IN_PLACE, JNL_FS_IN_PLACE, false, judge_number,
	  explain_in_place },
	{ JNL_NEED_IN_PLACE, JNL_FS_EXTENTS, false, judge_number,
	  explain_extents },
	{ JNL_NEED_PASSTHROUGH, JNL_DEVICE_WRITE_CACHE, false,
	  judge_cache_known, explain_cache_unknown },
	{ JNL_NEED_PASSTHROUGH, JNL_DRIVE_NODE_OPENS, false, judge_number,
	  explain_node },
	{ JNL_NEED_PASSTHROUGH, JNL_DRIVE_FLUSH, false, judge_number,
	  explain_nvme_flush },
};

#define NEEDS	(sizeof(needs) / sizeof(needs[0]))

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

char *jnl_needs_doubts(journal_probe *p, unsigned int wanted)
{
	char *all = NULL;
	size_t i;

	for (i = 0; i < NEEDS; i++)
		if ((needs[i].bit & wanted) &&
		    needs[i].judge(p, needs[i].fact) == JNL_UNKNOWN)
			all = add_doubt(p, all, needs[i].explain(p, JNL_UNKNOWN));
	/* Set by hand it looks the same as a drive without a cache. */
	if (jnl_fact_is(p, JNL_DEVICE_WRITE_CACHE, "write through") &&
	    !has_no_cache(p))
		all = add_doubt(p, all, jnl_probe_format(p,
			"device.write_cache (\"write through\": the kernel "
			"sends %s no flushes)",
			jnl_fact_text_or(p, JNL_DEVICE_NAME, "the drive")));
	return all;
}

char *jnl_needs_why_not(journal_probe *p, const struct jnl_method *m,
			unsigned int waived, enum jnl_fact *ret_fact)
{
	enum jnl_fact most;
	uint64_t block;
	size_t i;

	for (i = 0; i < NEEDS; i++) {
		const struct need *n = &needs[i];
		enum jnl_verdict v;
		char *text, *line;

		if (!(m->needs & ~waived & n->bit))
			continue;
		v = n->judge(p, n->fact);
		if (v == JNL_YES || (v == JNL_UNKNOWN && n->may_be_unknown))
			continue;
		*ret_fact = n->fact;
		text = n->explain(p, v);
		line = jnl_probe_format(p, "%s: %s", jnl_fact_name(n->fact),
					text ? text : "no");
		free(text);
		return line;
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
