/*
 * journal/untorn.c - which writes to a segment cannot tear.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/error.h"
#include "journal/extents.h"
#include "journal/untorn.h"
#include "lib/compat.h"

/* The lowest bit that is set, or all of it. */
static uint64_t low_bit(uint64_t v)
{
	return v ? v & -v : 1ull << 63;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t power_below(uint64_t v)
{
	while (v & (v - 1))
		v &= v - 1;
	return v;
}

/* The file's own limits; 0: it has none, so it promises nothing. */
static uint64_t file_limit(const struct jnl_dir *dir, int fd)
{
	struct statx stx;

	memset(&stx, 0, sizeof(stx));
	if (dir->sys->statx(dir->sys, fd, STATX_WRITE_ATOMIC, &stx) < 0 ||
	    !(stx.stx_mask & STATX_WRITE_ATOMIC) ||
	    jnl_statx_atomic_min(&stx) > dir->geometry.block_size)
		return 0;
	return jnl_statx_atomic_max(&stx);
}

/* Zeros over zeros, or over what no batch of this segment is in. */
static int try_out(const struct jnl_dir *dir, int fd, uint32_t len,
		   uint64_t offset)
{
	uint8_t *zeros = jnl_buffer_alloc(len);
	int ret;

	if (!zeros)
		return -ENOMEM;
	ret = jnl_write_full(dir->sys, fd, zeros, len, offset,
			     RWF_DSYNC | RWF_ATOMIC, jnl_dir_alignment(dir));
	jnl_buffer_free(zeros, len);
	return ret;
}

uint32_t jnl_untorn_look(const struct jnl_dir *dir,
			 const struct jnl_untorn *promise, int fd,
			 uint64_t offset, const char **ret_why)
{
	uint64_t size = dir->geometry.segment_size, max;
	struct jnl_extents extents;
	int ret;

	*ret_why = "the drive promises nothing";
	/* The header block is never in it. */
	max = least(promise->max, size / 2);
	if (!max || promise->min > dir->geometry.block_size)
		return 0;
	*ret_why = "the file's extents are not known to be its own";
	if (jnl_extents_look(dir, fd, size, promise->start, &extents) < 0)
		return 0;
	*ret_why = "the file is not aligned on the namespace";
	max = least(max, extents.alignment);
	max = least(max, low_bit(promise->boundary));
	if (max >= dir->geometry.block_size) {
		*ret_why = "the file system does not promise it";
		max = least(max, file_limit(dir, fd));
	}
	max = least(power_below(max), low_bit(size));
	if (max < dir->geometry.block_size)
		return 0;
	*ret_why = "there is no room left to try it in the segment";
	if (offset > size - max)
		return 0;
	ret = try_out(dir, fd, (uint32_t)max, size - max);
	*ret_why = ret < 0 ? jnl_system_words(ret) : "";
	return ret < 0 ? 0 : (uint32_t)max;
}

void jnl_untorn_begin(journal *j, uint64_t end, bool filled)
{
	const char *why = "the first segment is not filled yet";
	uint64_t size = j->dir.geometry.segment_size, base;
	uint32_t max = 0;
	char line[160];

	if (!j->untorn.max)
		return;
	for (size_t i = 0; i < j->nfiles && filled; i++) {
		/* Whoever comes later is the newer segment. */
		base = j->files[i].number * size;
		max = jnl_untorn_look(&j->dir, &j->untorn, j->files[i].fd,
				      end > base ? end - base : 0, &why);
		jnl_engine_untorn(&j->engine, j->files[i].number, max);
	}
	if (max)
		(void)snprintf(line, sizeof(line), "untorn: batches of up to "
			       "%u bytes", max);
	else
		(void)snprintf(line, sizeof(line), "untorn: not now: %s", why);
	jnl_say(j, line);
}
