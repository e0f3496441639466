/*
 * journal/recycle.c - what becomes of segments that have been given back.
 *
 * They are removed, or one of them becomes the next segment: its blocks are
 * reserved and written already.  The order is the promise:
 *
 *   rename to .tmp -> fsync the directory -> new header -> fsync the file
 *     -> rename to the new name -> fsync the directory -> only now use it
 *
 * Without the first fsync the file could come back under its old name with the
 * new header in it, a bad segment that only its place below the trim excuses;
 * without the second, under the new name with the old header; without the
 * third, not at all, with acknowledged batches in it.  Behind the header the
 * old content stays.  It cannot count: no batch of it lies where it says, and
 * none says that more was durable than what has been given back.
 *
 * The caller has made sure that a batch which gives the segments back is below
 * the frontier.
 */
#include "config.h"

#include <errno.h>

#include "journal/extents.h"
#include "journal/recycle.h"

static bool recyclable(const struct jnl_dir *dir, int fd)
{
	uint64_t size = dir->geometry.segment_size;
	struct jnl_extents extents;
	struct stat st;

	if (dir->sys->fstat(dir->sys, fd, &st) < 0)
		return false;
	return S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       (uint64_t)st.st_size == size &&
	       !jnl_extents_look(dir, fd, size, 0, &extents);
}

bool jnl_segment_recyclable(const struct jnl_dir *dir, uint64_t number)
{
	int fd = jnl_segment_open(dir, number, false);
	bool ret;

	if (fd < 0)
		return false;
	ret = recyclable(dir, fd);
	(void)dir->sys->close(dir->sys, fd);
	return ret;
}

int jnl_segment_recycle(struct jnl_dir *dir, uint64_t from, uint64_t to,
			bool *ret_final)
{
	char name[JNL_SEGMENT_NAME_LEN], tmp[JNL_SEGMENT_NAME_LEN];
	int fd, ret;

	*ret_final = false;
	jnl_segment_name(name, from);
	jnl_tmp_name(tmp, to);
	fd = jnl_segment_open(dir, from, false);
	if (fd < 0)
		return fd;
	/* Since it was looked at, somebody may have linked or cloned it. */
	ret = recyclable(dir, fd) ? jnl_dir_publish(dir, name, tmp, ret_final) :
				    -EOPNOTSUPP;
	if (ret < 0) {
		(void)dir->sys->close(dir->sys, fd);
		return ret;
	}
	return jnl_tmp_finish(dir, fd, to, tmp, 0, ret_final);
}

int jnl_segments_remove(struct jnl_dir *dir, uint64_t from, uint64_t below,
			uint64_t *ret_next, bool *ret_final)
{
	char name[JNL_SEGMENT_NAME_LEN];
	struct jnl_sys *sys = dir->sys;
	int ret, err = 0;

	pthread_mutex_lock(&dir->names_lock);
	ret = dir->names_error;
	*ret_next = from;
	for (uint64_t n = from; !ret && n < below; n++) {
		jnl_segment_name(name, n);
		err = sys->unlink(sys, dir->fd, name);
		if (err < 0 && err != -ENOENT)
			break;
		err = 0;
		*ret_next = n + 1;
	}
	if (!ret && *ret_next > from) {
		ret = sys->fsync(sys, dir->fd);
		dir->names_error = ret;
	}
	*ret_final = dir->names_error != 0;
	pthread_mutex_unlock(&dir->names_lock);
	return ret ? ret : err;
}
