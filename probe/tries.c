/*
 * probe/tries.c - what cannot be asked is tried, on files in the directory.
 *
 * Three tries, at most 3 * 64 KiB written in all, to files that nobody else
 * sees: O_TMPFILE, or where the file system has none a name that is unlinked
 * at once.
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
#include <unistd.h>

#include "lib/compat.h"
#include "probe/facts.h"

/* Enough for the probes of as many threads of one process in one place. */
#define NAME_TRIES	16

#define FLUSH_BYTES	4096u

static_assert(FLUSH_BYTES + 2 * JNL_BLOCK_MAX <= 256 * 1024,
	      "a probe writes little");

struct scratch {
	int fd;			/* buffered */
	int direct_fd;		/* or the negative errno of opening it */
	unsigned char *buf;
	size_t block;		/* a direct write; the buffer's size */
};

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

static int open_unnamed(journal_probe *p, struct scratch *s)
{
	const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;

	s->fd = p->sys->openat(p->sys, p->dirfd, ".", flags, 0600);
	if (s->fd < 0)
		return s->fd;
	s->direct_fd = p->sys->openat(p->sys, p->dirfd, ".", flags | O_DIRECT,
				      0600);
	return 0;
}

/*
 * The file is made without O_DIRECT and opened again: a kernel that refuses
 * O_DIRECT in open(2) may leave the new file behind.
 */
static int open_named(journal_probe *p, struct scratch *s)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	char name[64];
	int i, ret;

	snprintf(name, sizeof(name), "probe-%ld.tmp", (long)getpid());
	for (i = 1;; i++) {
		s->fd = p->sys->openat(p->sys, p->dirfd, name,
				       flags | O_CREAT | O_EXCL, 0600);
		if (s->fd != -EEXIST || i == NAME_TRIES)
			break;
		snprintf(name, sizeof(name), "probe-%ld-%d.tmp",
			 (long)getpid(), i);
	}
	if (s->fd < 0)
		return s->fd;
	s->direct_fd = p->sys->openat(p->sys, p->dirfd, name, flags | O_DIRECT,
				      0);
	ret = p->sys->unlink(p->sys, p->dirfd, name);
	if (ret < 0 && ret != -ENOENT) {
		if (s->direct_fd >= 0)
			p->sys->close(p->sys, s->direct_fd);
		p->sys->close(p->sys, s->fd);
		return ret;
	}
	return 0;
}

static int open_scratch(journal_probe *p, struct scratch *s)
{
	int ret;

	ret = open_unnamed(p, s);
	/* EISDIR and ENOENT: a kernel or file system that takes O_TMPFILE for
	 * an attempt to write to the directory itself. */
	if (unsupported(ret) || ret == -EISDIR || ret == -ENOENT)
		ret = open_named(p, s);
	return ret;
}

static void close_scratch(journal_probe *p, struct scratch *s)
{
	/* What was written is gone with the last descriptor; an error in
	 * closing changes nothing about what was tried. */
	if (s->direct_fd >= 0)
		p->sys->close(p->sys, s->direct_fd);
	p->sys->close(p->sys, s->fd);
}

static void set_alignment(journal_probe *p, int fd)
{
	static const char source[] = "statx(2)";
	uint32_t mem, offset;
	struct statx stx;
	int ret;

	memset(&stx, 0, sizeof(stx));
	ret = p->sys->statx(p->sys, fd, STATX_DIOALIGN, &stx);
	if (ret < 0 || !(stx.stx_mask & STATX_DIOALIGN)) {
		jnl_fact_unknown(p, JNL_FS_DIRECT_IO_ALIGNMENT, ret, source);
		return;
	}
	mem = jnl_statx_dio_mem_align(&stx);
	offset = jnl_statx_dio_offset_align(&stx);
	jnl_fact_number(p, JNL_FS_DIRECT_IO_ALIGNMENT, JOURNAL_FACT_REPORTED,
			mem > offset ? mem : offset, source);
}

/* Returns 0, also for "no", or the error that left the fact unknown. */
static int try_flush(journal_probe *p, struct scratch *s)
{
	const char *call = "fdatasync";
	int ret;

	ret = jnl_write_full(p->sys, s->fd, s->buf, FLUSH_BYTES, 0, 0, 1);
	if (ret < 0 && !no_room(ret)) {
		jnl_fact_unknown(p, JNL_FS_FLUSH, ret, "pwritev2(2)");
		return ret;
	}
	ret = p->sys->fdatasync(p->sys, s->fd);
	if (unsupported(ret)) {
		call = "fsync";
		ret = p->sys->fsync(p->sys, s->fd);
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
static int flush(journal_probe *p, int fd)
{
	if (jnl_fact_is(p, JNL_FS_FLUSH, "fdatasync"))
		return p->sys->fdatasync(p->sys, fd);
	if (jnl_fact_is(p, JNL_FS_FLUSH, "fsync"))
		return p->sys->fsync(p->sys, fd);
	return 0;
}

static int try_direct(journal_probe *p, struct scratch *s)
{
	static const char opening[] = "O_DIRECT open";
	static const char writing[] = "O_DIRECT write";
	const char *source = opening;
	int ret = s->direct_fd;

	if (ret >= 0) {
		source = writing;
		ret = jnl_write_full(p->sys, s->direct_fd, s->buf, s->block, 0,
				     0, s->block);
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
		ret = flush(p, s->direct_fd);
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

static int try_dsync(journal_probe *p, struct scratch *s)
{
	static const char source[] = "RWF_DSYNC write";
	bool direct = p->facts[JNL_FS_DIRECT_IO].state == JOURNAL_FACT_TRIED &&
		      p->facts[JNL_FS_DIRECT_IO].value == 1;
	int ret;

	ret = jnl_write_full(p->sys, direct ? s->direct_fd : s->fd, s->buf,
			     s->block, s->block, RWF_DSYNC,
			     direct ? s->block : 1);
	if (ret == 0)
		jnl_fact_number(p, JNL_KERNEL_RWF_DSYNC, JOURNAL_FACT_TRIED, 1,
				source);
	else if (unsupported(ret))
		jnl_fact_refused(p, JNL_KERNEL_RWF_DSYNC, ret, source);
	else
		jnl_fact_unknown(p, JNL_KERNEL_RWF_DSYNC, ret, source);
	return unsupported(ret) ? 0 : ret;
}

static void run(journal_probe *p, struct scratch *s)
{
	static int (*const tries[])(journal_probe *p, struct scratch *s) = {
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
		ret = tries[i](p, s);
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
	struct scratch s;
	uint64_t block;
	int ret;

	ret = open_scratch(p, &s);
	if (ret < 0) {
		all_unknown(p, ret, "open(2)");
		return;
	}
	set_alignment(p, s.fd);
	/* The block that a journal would use.  One that is too large for any
	 * is refused by the ranking; the rest can still be tried. */
	block = jnl_rank_block_size(p, NULL);
	s.block = block < JNL_BLOCK_MAX ? block : JNL_BLOCK_MAX;
	s.buf = jnl_buffer_alloc(s.block);
	if (s.buf) {
		/* Not zeros: a drive need not store those. */
		memset(s.buf, 0x5a, s.block);
		run(p, &s);
		jnl_buffer_free(s.buf, s.block);
	} else {
		p->oom = true;
	}
	close_scratch(p, &s);
}
