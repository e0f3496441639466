/*
 * journal/attach.c - getting at a journal on disk, to read it.
 *
 * Without a writer: the lock, shared, for as long as recovery reads; what is
 * then known to lie below the end is never written again.  Beside a writer:
 * up to the newest watermark, and what looks like damage is read again a few
 * times before it is believed.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "journal/core.h"
#include "journal/error.h"
#include "journal/lock.h"
#include "journal/raw.h"

int jnl_open_dir(struct jnl_sys **sys, const char *path)
{
	int fd = (*sys)->openat(*sys, AT_FDCWD, path,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	return fd == -ENOTDIR ? jnl_raw_open(sys, path) : fd;
}

int jnl_dir_error(struct journal_error *error, int ret, const char *path)
{
	switch (ret) {
	case -ENOENT:
		return jnl_error(error, ret, JOURNAL_LSN_NONE, path,
				 "%s: there is no journal: check the path, or "
				 "create one", path);
	case -ENOTDIR:
		return jnl_error(error, ret, JOURNAL_LSN_NONE, path,
				 "%s: neither a directory nor a block device: "
				 "a journal is one of them", path);
	default:
		return jnl_error(error, ret, JOURNAL_LSN_NONE, path,
				 "%s: %s", path, jnl_system_words(ret));
	}
}

int jnl_damage_error(struct journal_error *error, int code, const char *path,
		     const struct jnl_damage *damage)
{
	if (!damage->finding)
		return jnl_error(error, code, JOURNAL_LSN_NONE, path, "%s: %s",
				 path, jnl_system_words(code));
	return jnl_error(error, code, damage->lsn, damage->file,
			 "%s/%s: %s", path, damage->file, damage->message);
}

void jnl_detach(struct jnl_attached *at)
{
	if (at->lock_fd >= 0)
		(void)at->sys->close(at->sys, at->lock_fd);
	if (at->dirfd >= 0)
		(void)at->sys->close(at->sys, at->dirfd);
	jnl_names_free(&at->names);
	at->lock_fd = at->dirfd = -1;
}

/* One try at recovering; beside a writer what is read may change under us. */
static int recover_once(struct jnl_attached *at)
{
	struct jnl_view view;
	int ret;

	jnl_names_free(&at->names);
	ret = jnl_names_read(at->sys, at->dirfd, &at->names);
	if (ret < 0)
		return ret;
	if (!at->names.count)
		return -ENOENT;
	jnl_view_init(&view, at->sys, at->dirfd, true);
	ret = jnl_recover(&view, &at->names,
			  at->live ? JNL_RECOVER_LIVE : JNL_RECOVER_SHARED,
			  &at->rec, &at->damage);
	jnl_view_fini(&view);
	return ret ? ret : jnl_raw_check(at->sys, &at->rec.geometry);
}

/*
 * Recover under the lock, shared.  Records below the end are never written
 * again, so the lock has done its work then, and a writer need not wait for
 * readers.  -EAGAIN: there was no lock file, and now there is.
 */
static int lock_and_recover(struct jnl_attached *at)
{
	bool none;
	int ret;

	ret = jnl_lock_read(at->sys, at->dirfd);
	at->live = ret == -EBUSY;
	none = ret == -ENOENT;
	if (ret < 0 && !at->live && !none)
		return ret;
	at->lock_fd = ret < 0 ? -1 : ret;
	ret = recover_once(at);
	if (none) {
		at->lock_fd = jnl_lock_read(at->sys, at->dirfd);
		if (at->lock_fd != -ENOENT)
			ret = -EAGAIN;
	}
	if (at->lock_fd >= 0)
		(void)at->sys->close(at->sys, at->lock_fd);
	at->lock_fd = -1;
	return ret;
}

/*
 * Beside a writer what is read may change: that often, then believe it.  While
 * segments come and go under the hands it is no sign of damage, however often.
 */
#define ATTACH_TRIES	5
#define ATTACH_TRIES_MAX 1000

/* Whether the segments are no longer those that recovery was given. */
static bool names_changed(const struct jnl_attached *at)
{
	const struct jnl_names *was = &at->names;
	struct jnl_names now;
	bool changed;

	if (jnl_names_read(at->sys, at->dirfd, &now) < 0)
		return false;
	changed = now.count != was->count ||
		  (now.count && memcmp(now.number, was->number,
				       now.count * sizeof(*now.number)));
	jnl_names_free(&now);
	return changed;
}

int jnl_attach(struct jnl_sys *sys, const char *path,
	       struct jnl_attached *ret_at, struct journal_error *error)
{
	struct jnl_attached *at = ret_at;
	int ret, tries = 0, all_tries = 0;

	memset(at, 0, sizeof(*at));
	at->sys = sys;
	at->lock_fd = -1;
	at->dirfd = jnl_open_dir(&at->sys, path);
	if (at->dirfd < 0)
		return jnl_dir_error(error, at->dirfd, path);
	do {
		/* The writer may have gone since the last try, or have come. */
		ret = lock_and_recover(at);
		if (ret != -EAGAIN && (!ret || !at->live))
			break;
		if (!names_changed(at))
			tries++;
	} while (tries < ATTACH_TRIES && ++all_tries < ATTACH_TRIES_MAX);
	if (!ret)
		return 0;
	jnl_raw_explain(at->sys, &at->damage);
	if (at->damage.finding)
		(void)jnl_damage_error(error, ret, path, &at->damage);
	else
		(void)jnl_dir_error(error, ret, path);
	jnl_detach(at);
	return ret;
}

int jnl_given_back(struct jnl_sys *sys, const char *path,
		    const struct jnl_recovery *rec, uint64_t lsn,
		    uint64_t *ret_first)
{
	uint64_t size = rec->geometry.segment_size;
	struct jnl_attached now;
	bool gone;
	int ret;

	ret = jnl_attach(sys, path, &now, NULL);
	/* Damage, or no journal, is what it seems to be already. */
	if (ret < 0)
		return now.damage.finding || ret == -ENOENT ||
		       ret == -ENOTDIR ? 0 : ret;
	/* Nothing goes but whole segments. */
	gone = !memcmp(now.rec.geometry.uuid, rec->geometry.uuid,
		       JNL_UUID_LEN) && now.rec.first / size > lsn / size;
	if (gone)
		*ret_first = now.rec.first;
	jnl_detach(&now);
	return gone;
}
