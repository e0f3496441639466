/*
 * journal/barrier.c - carrying a flush: of a file, or of the drive beneath it.
 *
 * The method nvme-flush writes as direct does, without RWF_DSYNC, and makes
 * what was written durable by the NVMe command Flush, past the file system.
 * That covers a batch only if nothing but its blocks has to reach the medium:
 * if the extents it lies in are written and belong to this file alone, and
 * the file system has committed that.  So the first flush of every segment's
 * file, and of every file that takes its place, is one of the file; then its
 * extents are looked at, and only if they are as they should be is the segment
 * settled, and its later flushes are the drive's.
 *
 * A flush of the file does all that one of the drive does, and more.  So which
 * of the two a flush is may be decided each time, and giving nvme-flush up
 * costs nothing: the flush that could not be the drive's is the file's, and
 * from then on the journal goes on as with direct.
 *
 * How it fails: a command that was refused before it was sent gives way to a
 * flush of the file.  One that failed, or of which nobody knows, is a failed
 * flush: the engine has the segment replaced; the drive is not asked again.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include "journal/core.h"
#include "journal/error.h"
#include "journal/extents.h"
#include "lib/ring.h"

bool jnl_barrier_by_drive(const journal *j, uint64_t segment)
{
	return j->drive.on && jnl_file_of(j, segment)->settled;
}

/* On as with the method direct, because of what. */
static void give_up(journal *j, const char *what)
{
	char line[256];

	j->drive.on = false;
	j->method = "direct";
	/* At open the engine is not there yet, and is made so. */
	if (j->dir.way.dsync)
		jnl_engine_dsync(&j->engine);
	(void)snprintf(line, sizeof(line), "nvme-flush: given up, on with "
		       "direct: %s", what);
	jnl_step_down(j, line);
}

static void give_up_for(journal *j, const char *call, int err)
{
	char what[192];

	if (err > 0)
		(void)snprintf(what, sizeof(what), "%s: the drive answered "
			       "with status %#x", call, (unsigned int)err);
	else
		(void)snprintf(what, sizeof(what), "%s: %s", call,
			       jnl_system_words(err));
	give_up(j, what);
}

int jnl_barrier_open(journal *j, const struct jnl_choice *choice)
{
	int ret;

	ret = jnl_nvme_open(&j->drive.nvme, j->dir.sys, choice->generic,
			    choice->generic_major, choice->generic_minor);
	j->drive.on = !ret;
	if (ret < 0)
		give_up_for(j, choice->generic, ret);
	return ret;
}

/* A Flush has ended with err.  What the engine is told, or 1: by the file. */
static int flush_failed(journal *j, const char *call, int err)
{
	give_up_for(j, call, err);
	if (jnl_nvme_refused(err))
		return 1;
	return err > 0 ? -EIO : err;
}

/* All of the file has just become durable: see whether its extents are good.
 * Gives the lock up meanwhile. */
static void settle(journal *j, uint64_t segment)
{
	uint64_t size = j->engine.cfg.segment_size;
	const struct jnl_segment_file *f = jnl_file_of(j, segment);
	struct jnl_extents extents;
	int fd = f->fd, ret;

	pthread_mutex_unlock(&j->lock);
	ret = jnl_extents_look(&j->dir, fd, size, 0, &extents);
	pthread_mutex_lock(&j->lock);
	if (ret == -EUCLEAN)
		give_up(j, "a segment has extents that are not written, or "
			"that another file shares");
	else if (ret < 0)
		give_up_for(j, "FIEMAP of a segment", ret);
	for (size_t i = 0; !ret && i < j->nfiles; i++)
		j->files[i].settled |= j->files[i].number == segment;
}

int jnl_barrier_carry(journal *j, uint64_t segment)
{
	/* Segment 0 may still be filled meanwhile: then more of it may look
	 * written than what this flush makes durable. */
	bool whole = segment || j->engine.ready_end == UINT64_MAX;
	bool by_drive = jnl_barrier_by_drive(j, segment);
	int fd = jnl_file_of(j, segment)->fd, ret;

	if (by_drive) {
		pthread_mutex_unlock(&j->lock);
		ret = jnl_nvme_flush(&j->drive.nvme, j->dir.sys);
		pthread_mutex_lock(&j->lock);
		if (ret)
			ret = flush_failed(j, "NVMe Flush", ret);
		if (ret <= 0)
			return ret;
	}
	pthread_mutex_unlock(&j->lock);
	ret = jnl_way_flush(j->dir.sys, &j->dir.way, fd);
	pthread_mutex_lock(&j->lock);
	if (!ret && j->drive.on && whole)
		settle(j, segment);
	return ret;
}

int jnl_barrier_landed(journal *j, int err)
{
	if (!err)
		return 0;
	/* The ring does not take it, but an ioctl may. */
	if (jnl_nvme_refused(err)) {
		char line[128];

		j->drive.no_ring = true;
		(void)snprintf(line, sizeof(line), "nvme-flush: by ioctl: the "
			       "ring's command was refused: %s",
			       jnl_system_words(err));
		jnl_step_down(j, line);
		return JNL_RING_UNDONE;
	}
	return flush_failed(j, "NVMe Flush", err > 0 ? err - JNL_RING_STATUS :
			    err);
}
