/*
 * probe/tries.c - what cannot be asked is tried, on files in the directory.
 *
 * At most 256 KiB are written in all, to files that nobody else sees
 * (probe/machine-try.c).
 *
 *   fs.flush           a buffered write, fdatasync; fsync if there is none
 *   fs.direct_io       an O_DIRECT write of one block, then that flush
 *   kernel.rwf_dsync   pwritev2(RWF_DSYNC) on the direct file, else on the
 *                      buffered one
 *   fs.extents         FIEMAP of what was written and flushed
 *   kernel.rwf_atomic  one more direct block, with RWF_ATOMIC and RWF_DSYNC
 *   fs.write_zeroes    FALLOC_FL_WRITE_ZEROES
 *   fs.reflink         FICLONE of the file into another one
 *
 * A journal's own probe (JNL_PROBE_QUICK) does only those of the last four
 * that a method could want here.
 *
 * On a full file system there is nothing to write into, and a journal whose
 * segments are made has to open there all the same: the flush is then tried on
 * an empty file, direct I/O is what statx(2) reports, and RWF_DSYNC stays
 * unknown, so that it is not used.
 *
 * An error that means "not supported" is an answer (tried, no).  Any other one
 * leaves the fact unknown.  If it was the storage that failed, what was tried
 * before no longer counts: fs.flush becomes unknown with that error, so that
 * nothing is ever written here on the strength of a probe that met an I/O
 * error.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

#define FLUSH_BYTES	4096u

/* Three blocks, and zeros. */
static_assert(2 * FLUSH_BYTES + 3 * JNL_BLOCK_MAX <= 256 * 1024,
	      "a probe writes little");

static bool unsupported(int err)
{
	return err == -EINVAL || err == -ENOSYS || err == -EOPNOTSUPP;
}

/* Not a word about the storage: a sandbox or permissions said no. */
static bool forbidden(int err)
{
	return err == -EPERM || err == -EACCES;
}

static bool no_room(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

/* verb, bytes (0: none) and which file. */
static int try(journal_probe *p, const char *verb, unsigned int bytes,
	       bool direct)
{
	char subject[64], number[16] = "";

	if (bytes)
		snprintf(number, sizeof(number), " %u", bytes);
	snprintf(subject, sizeof(subject), "%s%s%s", verb, number,
		 direct ? " direct" : "");
	return jnl_ask_try(p->machine, subject);
}

/* What statx(2) says of the scratch file; -ENODATA where it does not. */
static void set_alignment(journal_probe *p, const char *keys, int error)
{
	static const char source[] = "statx(2)";
	uint64_t mem, offset;
	int ret = error;

	if (ret == 0)
		ret = jnl_key_number(keys, "dio_mem_align", &mem);
	if (ret == 0)
		ret = jnl_key_number(keys, "dio_offset_align", &offset);
	if (ret == 0 && (mem > UINT32_MAX || offset > UINT32_MAX))
		ret = -ERANGE;
	if (ret == 0)
		jnl_fact_number(p, JNL_FS_DIRECT_IO_ALIGNMENT,
				JOURNAL_FACT_REPORTED,
				mem > offset ? mem : offset, source);
	else
		jnl_fact_unknown(p, JNL_FS_DIRECT_IO_ALIGNMENT,
				 !error && ret == -ENODATA ? 0 : ret, source);
}

static void set_atomic_unit(journal_probe *p, enum jnl_fact id,
			    const char *keys, const char *key, int error)
{
	static const char source[] = "statx(2)";
	uint64_t value;
	int ret = error;

	if (ret == 0)
		ret = jnl_key_number(keys, key, &value);
	if (ret == 0 && (value > UINT32_MAX || (value & (value - 1))))
		ret = -EINVAL;
	if (ret == 0)
		jnl_fact_number(p, id, JOURNAL_FACT_REPORTED, value, source);
	else
		jnl_fact_unknown(p, id, !error && ret == -ENODATA ? 0 : ret,
				 source);
}

static void set_statx(journal_probe *p)
{
	char *keys = NULL;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "statx scratch", &keys);
	set_alignment(p, keys, ret);
	set_atomic_unit(p, JNL_FS_ATOMIC_UNIT_MIN, keys, "atomic_unit_min",
			ret);
	set_atomic_unit(p, JNL_FS_ATOMIC_UNIT_MAX, keys, "atomic_unit_max",
			ret);
	free(keys);
}

/* A file without a name has no links, where they are counted. */
static void set_counts_links(journal_probe *p)
{
	static const char source[] = "fstat(2)";
	uint64_t links;
	char *keys;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "fstat scratch", &keys);
	if (ret == 0) {
		ret = jnl_key_number(keys, "links", &links);
		free(keys);
	}
	if (ret == 0)
		jnl_fact_number(p, JNL_FS_COUNTS_LINKS, JOURNAL_FACT_TRIED,
				!links, source);
	else
		jnl_fact_unknown(p, JNL_FS_COUNTS_LINKS, ret, source);
}

/* Returns 0, also for "no", or the error that left the fact unknown. */
static int try_flush(journal_probe *p, unsigned int block)
{
	const char *call = "fdatasync";
	int ret;

	(void)block;
	ret = try(p, "write", FLUSH_BYTES, false);
	if (ret < 0 && !no_room(ret)) {
		jnl_fact_unknown(p, JNL_FS_FLUSH, ret, "pwritev2(2)");
		return ret;
	}
	ret = try(p, call, 0, false);
	if (unsupported(ret)) {
		call = "fsync";
		ret = try(p, call, 0, false);
	}
	if (ret == 0)
		jnl_fact_text(p, JNL_FS_FLUSH, JOURNAL_FACT_TRIED, call,
			      strcmp(call, "fsync") ? "fdatasync(2)" :
						      "fsync(2)");
	else if (unsupported(ret))
		jnl_fact_refused(p, JNL_FS_FLUSH, ret, "fsync(2)");
	else
		jnl_fact_unknown(p, JNL_FS_FLUSH, ret,
				 strcmp(call, "fsync") ? "fdatasync(2)" :
							 "fsync(2)");
	return unsupported(ret) ? 0 : ret;
}

/* As it was decided; 0 where there is none. */
static int flush_direct(journal_probe *p)
{
	if (!jnl_fact_known(p, JNL_FS_FLUSH) || !p->facts[JNL_FS_FLUSH].text)
		return 0;
	return try(p, p->facts[JNL_FS_FLUSH].text, 0, true);
}

static int try_direct(journal_probe *p, unsigned int block)
{
	static const char opening[] = "O_DIRECT open";
	static const char writing[] = "O_DIRECT write";
	const char *source = opening;
	int ret;

	ret = try(p, "open", 0, true);
	if (ret == 0) {
		source = writing;
		ret = try(p, "write", block, true);
	}
	if (unsupported(ret)) {
		jnl_fact_refused(p, JNL_FS_DIRECT_IO, ret, source);
		return 0;
	}
	/* An alignment of 0, reported or not known, is no promise. */
	if (no_room(ret) && p->facts[JNL_FS_DIRECT_IO_ALIGNMENT].value) {
		jnl_fact_number(p, JNL_FS_DIRECT_IO, JOURNAL_FACT_REPORTED, 1,
				"statx(2)");
		return 0;
	}
	if (ret == 0) {
		ret = flush_direct(p);
		if (ret < 0)
			source = jnl_fact_is(p, JNL_FS_FLUSH, "fsync") ?
				"fsync(2)" : "fdatasync(2)";
	}
	if (ret == 0)
		jnl_fact_number(p, JNL_FS_DIRECT_IO, JOURNAL_FACT_TRIED, 1,
				source);
	else
		jnl_fact_unknown(p, JNL_FS_DIRECT_IO, ret, source);
	return ret;
}

static int try_dsync(journal_probe *p, unsigned int block)
{
	static const char source[] = "RWF_DSYNC write";
	bool direct = p->facts[JNL_FS_DIRECT_IO].state == JOURNAL_FACT_TRIED &&
		      p->facts[JNL_FS_DIRECT_IO].value == 1;
	int ret;

	ret = try(p, "rwf_dsync", block, direct);
	if (ret == 0)
		jnl_fact_number(p, JNL_KERNEL_RWF_DSYNC, JOURNAL_FACT_TRIED, 1,
				source);
	else if (unsupported(ret))
		jnl_fact_refused(p, JNL_KERNEL_RWF_DSYNC, ret, source);
	else
		jnl_fact_unknown(p, JNL_KERNEL_RWF_DSYNC, ret, source);
	return unsupported(ret) ? 0 : ret;
}

static bool quick(const journal_probe *p)
{
	return p->flags & JNL_PROBE_QUICK;
}

/* Returns as try_flush() does; result is how the try ended. */
static int conclude(journal_probe *p, enum jnl_fact id, int result,
		    const char *source)
{
	if (result == 0)
		jnl_fact_number(p, id, JOURNAL_FACT_TRIED, 1, source);
	else if (unsupported(result))
		jnl_fact_refused(p, id, result, source);
	else
		jnl_fact_unknown(p, id, result, source);
	return unsupported(result) ? 0 : result;
}

/* The device's limits have to be there before a file system's are of use. */
static int try_atomic(journal_probe *p, unsigned int block)
{
	static const enum jnl_fact id = JNL_KERNEL_RWF_ATOMIC;

	if (quick(p) && !p->facts[JNL_DEVICE_ATOMIC_UNIT_MAX].value)
		return 0;
	if (p->facts[JNL_FS_DIRECT_IO].state != JOURNAL_FACT_TRIED ||
	    !p->facts[JNL_FS_DIRECT_IO].value) {
		jnl_fact_unknown(p, id, p->facts[JNL_FS_DIRECT_IO].error,
				 "fs.direct_io");
		return 0;
	}
	return conclude(p, id, try(p, "rwf_atomic", block, true),
			"RWF_ATOMIC write");
}

static int try_write_zeroes(journal_probe *p, unsigned int block)
{
	(void)block;
	if (quick(p))
		return 0;
	return conclude(p, JNL_FS_WRITE_ZEROES,
			try(p, "write_zeroes", FLUSH_BYTES, false),
			"fallocate(2)");
}

/* 1 if the file lies in extents of its own, all of them written. */
static int judge_extents(const char *keys, uint64_t *ret_sound)
{
	uint64_t extents, unwritten, shared, other;
	int ret;

	ret = jnl_key_number(keys, "extents", &extents);
	if (ret == 0)
		ret = jnl_key_number(keys, "unwritten", &unwritten);
	if (ret == 0)
		ret = jnl_key_number(keys, "shared", &shared);
	if (ret == 0)
		ret = jnl_key_number(keys, "other", &other);
	if (ret == 0)
		*ret_sound = extents && !unwritten && !shared && !other;
	return ret;
}

/* These two say nothing about the storage, and never return an error.  FIEMAP
 * comes after the flush: before it, it speaks of what is not committed yet. */
static int try_extents(journal_probe *p, unsigned int block)
{
	static const char source[] = "FIEMAP";
	uint64_t sound;
	char *keys;
	int ret;

	(void)block;
	/* Of a device without a file system it is known (probe/raw.c). */
	if (jnl_fact_known(p, JNL_FS_EXTENTS) ||
	    (quick(p) && !jnl_straight_on(p, "nvme")))
		return 0;
	ret = jnl_ask_keys(p->machine, JNL_ASK_TRY, "fiemap", &keys);
	if (ret == 0) {
		ret = judge_extents(keys, &sound);
		free(keys);
		if (ret == 0)
			jnl_fact_number(p, JNL_FS_EXTENTS, JOURNAL_FACT_TRIED,
					sound, source);
		else
			jnl_fact_unknown(p, JNL_FS_EXTENTS, ret, source);
	} else if (unsupported(ret) || ret == -ENOTTY) {
		jnl_fact_refused(p, JNL_FS_EXTENTS, ret, source);
	} else {
		jnl_fact_unknown(p, JNL_FS_EXTENTS, ret, source);
	}
	return 0;
}

static int try_reflink(journal_probe *p, unsigned int block)
{
	int ret;

	(void)block;
	if (quick(p) && !jnl_straight_on(p, "nvme"))
		return 0;
	ret = jnl_ask_try(p->machine, "reflink");

	/* ENOTTY: no file system knows of it, an old kernel. */
	if (ret == -ENOTTY)
		ret = -EOPNOTSUPP;
	/* EINVAL says that it is known, but not possible with these files. */
	if (ret == -EINVAL)
		jnl_fact_unknown(p, JNL_FS_REFLINK, ret, "FICLONE");
	else
		(void)conclude(p, JNL_FS_REFLINK, ret, "FICLONE");
	return 0;
}

/* In the order in which they are done. */
static const struct {
	int (*run)(journal_probe *p, unsigned int block);
	enum jnl_fact fact;
} tries[] = {
	{ try_flush, JNL_FS_FLUSH },
	{ try_direct, JNL_FS_DIRECT_IO },
	{ try_dsync, JNL_KERNEL_RWF_DSYNC },
	{ try_extents, JNL_FS_EXTENTS },
	{ try_atomic, JNL_KERNEL_RWF_ATOMIC },
	{ try_write_zeroes, JNL_FS_WRITE_ZEROES },
	{ try_reflink, JNL_FS_REFLINK },
};

static void run(journal_probe *p, unsigned int block)
{
	int failed = 0, ret;
	char *source;
	size_t i;

	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (failed) {
			jnl_fact_unknown(p, tries[i].fact, failed, "");
			continue;
		}
		ret = tries[i].run(p, block);
		if (ret == 0 || forbidden(ret) || no_room(ret) ||
		    ret == JNL_UNANSWERED)
			continue;
		failed = ret;
		if (tries[i].fact == JNL_FS_FLUSH)
			continue;
		source = jnl_probe_strdup(p, p->facts[tries[i].fact].source);
		if (source)
			jnl_fact_unknown(p, JNL_FS_FLUSH, ret, source);
		free(source);
	}
}

static void all_unknown(journal_probe *p, int error, const char *source)
{
	jnl_fact_unknown(p, JNL_FS_FLUSH, error, source);
	jnl_fact_unknown(p, JNL_FS_DIRECT_IO, error, source);
	jnl_fact_unknown(p, JNL_FS_DIRECT_IO_ALIGNMENT, error, source);
	jnl_fact_unknown(p, JNL_KERNEL_RWF_DSYNC, error, source);
	jnl_fact_unknown(p, JNL_KERNEL_RWF_ATOMIC, error, source);
	jnl_fact_unknown(p, JNL_FS_WRITE_ZEROES, error, source);
	jnl_fact_unknown(p, JNL_FS_EXTENTS, error, source);
	jnl_fact_unknown(p, JNL_FS_REFLINK, error, source);
	jnl_fact_unknown(p, JNL_FS_COUNTS_LINKS, error, source);
	jnl_fact_unknown(p, JNL_FS_ATOMIC_UNIT_MIN, error, source);
	jnl_fact_unknown(p, JNL_FS_ATOMIC_UNIT_MAX, error, source);
}

void jnl_prober_tries(journal_probe *p)
{
	uint64_t block;
	int ret;

	ret = jnl_ask_try(p->machine, "scratch");
	if (ret < 0) {
		all_unknown(p, ret, "open(2)");
		return;
	}
	set_statx(p);
	/* The block that a journal would use.  One that is too large for any
	 * is refused by the ranking; the rest can still be tried. */
	block = jnl_rank_block_size(p, NULL);
	run(p, block < JNL_BLOCK_MAX ? (unsigned int)block : JNL_BLOCK_MAX);
	if (!quick(p))
		set_counts_links(p);
}
