/*
 * journal/replace.c - a new file in the place of a failed segment.
 *
 * After a failed write or flush nobody knows what the file holds above the
 * frontier, and asking again would get an answer that means nothing.  So what
 * is below the frontier is read back and verified, what is above it is still
 * in memory, and both go into a new file that takes the name.  The images are
 * the same bytes: a batch that made it into the old file and is found there
 * after a crash is the one that the new file has.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>

#include "journal/recover.h"
#include "journal/replace.h"
#include "journal/view.h"

/*
 * Copy what the old file holds below keep, batch by batch: only what the
 * medium gives back whole, linked and in place may be carried over.
 */
static int copy_kept(const struct jnl_dir *dir, int fd, uint64_t number,
		     uint64_t keep)
{
	uint64_t base = number * dir->geometry.segment_size;
	uint32_t block = dir->geometry.block_size;
	uint64_t at = base + block, prev = 0;
	struct jnl_batch_header h;
	bool linked = !number;
	struct jnl_view view;
	const uint8_t *p;
	int ret = 0;

	jnl_view_init(&view, dir->sys, dir->fd, true);
	view.segment_size = dir->geometry.segment_size;
	view.block_size = block;
	while (at < base + keep) {
		ret = jnl_batch_at(&view, at, dir->seed, linked ? &prev : NULL,
				   &h, &p);
		if (ret != 1) {
			ret = ret < 0 ? ret : -EBADMSG;
			break;
		}
		ret = jnl_write_full(dir->sys, fd, p,
				     jnl_batch_size(&h, block), at - base, 0,
				     jnl_dir_alignment(dir));
		if (ret < 0)
			break;
		linked = true;
		prev = h.header_sum;
		at = jnl_batch_end(&h, block, dir->geometry.segment_size);
	}
	jnl_view_fini(&view);
	return ret < 0 ? ret : 0;
}

int jnl_segment_replace(struct jnl_dir *dir, uint64_t number, uint64_t keep,
			const struct jnl_piece *piece, size_t pieces)
{
	uint64_t size = dir->geometry.segment_size;
	uint64_t end = dir->geometry.block_size;
	char tmp[JNL_SEGMENT_NAME_LEN];
	int fd, ret = 0;
	bool final;

	jnl_tmp_name(tmp, number);
	fd = jnl_tmp_create(dir, tmp);
	if (fd < 0)
		return fd;
	if (keep > end) {
		ret = copy_kept(dir, fd, number, keep);
		end = keep;
	}
	for (size_t i = 0; i < pieces && !ret; i++) {
		assert(piece[i].offset == end);
		ret = jnl_write_full(dir->sys, fd, piece[i].image,
				     piece[i].size, end, 0, jnl_dir_alignment(dir));
		end += piece[i].size;
	}
	if (!ret)
		ret = jnl_segment_zeros(dir, fd, end, size, NULL);
	return jnl_tmp_finish(dir, fd, number, tmp, ret, &final);
}
