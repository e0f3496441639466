/*
 * probe/tries.c - what cannot be asked is tried, on files in the directory.
 *
 * Three tries, at most 3 * 64 KiB written in all, to files that nobody else
 * sees (probe/machine-try.c).
 *
 *   fs.flush          a buffered write, fdatasync; fsync if there is none
 *   fs.direct_io      an O_DIRECT write of one block, then that flush
 *   kernel.rwf_dsync  pwritev2(RWF_DSYNC) on the direct file, else on the
 *                     buffered one
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

static_assert(FLUSH_BYTES + 2 * JNL_BLOCK_MAX <= 256 * 1024,
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

static void set_alignment(journal_probe *p)
{
	static const char source[] = "statx(2)";
	uint64_t mem, offset;
	char *keys;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "statx scratch", &keys);
	if (ret < 0) {
		jnl_fact_unknown(p, JNL_FS_DIRECT_IO_ALIGNMENT, ret, source);
		return;
	}
	ret = jnl_key_number(keys, "dio_mem_align", &mem);
	if (ret == 0)
		ret = jnl_key_number(keys, "dio_offset_align", &offset);
	if (ret == 0 && (mem > UINT32_MAX || offset > UINT32_MAX))
		ret = -ERANGE;
	free(keys);
	if (ret == 0)
		jnl_fact_number(p, JNL_FS_DIRECT_IO_ALIGNMENT,
				JOURNAL_FACT_REPORTED,
				mem > offset ? mem : offset, source);
	else
		jnl_fact_unknown(p, JNL_FS_DIRECT_IO_ALIGNMENT,
				 ret == -ENODATA ? 0 : ret, source);
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

static void run(journal_probe *p, unsigned int block)
{
	static int (*const tries[])(journal_probe *p, unsigned int block) = {
		try_flush, try_direct, try_dsync,
	};
	static const enum jnl_fact facts[] = {
		JNL_FS_FLUSH, JNL_FS_DIRECT_IO, JNL_KERNEL_RWF_DSYNC,
	};
	int failed = 0, ret;
	char *source;
	size_t i;

	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (failed) {
			jnl_fact_unknown(p, facts[i], failed, "");
			continue;
		}
		ret = tries[i](p, block);
		if (ret == 0 || forbidden(ret) || no_room(ret))
			continue;
		failed = ret;
		if (facts[i] == JNL_FS_FLUSH)
			continue;
		source = jnl_probe_strdup(p, p->facts[facts[i]].source);
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
	set_alignment(p);
	/* The block that a journal would use.  One that is too large for any
	 * is refused by the ranking; the rest can still be tried. */
	block = jnl_rank_block_size(p, NULL);
	run(p, block < JNL_BLOCK_MAX ? (unsigned int)block : JNL_BLOCK_MAX);
}
