/*
 * journal/raw-handle.c - the descriptors that a raw device's table gives out.
 *
 * The lock around their list is held for no call at all, so that no commit
 * waits for a change of names.  In a child of fork(2) no lock is taken: another
 * thread may have held it, and is not there.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "journal/raw-impl.h"
#include "lib/file.h"

void jnl_raw_enter(struct jnl_raw *raw, pthread_mutex_t *mutex)
{
	if (raw->alive[0])
		pthread_mutex_lock(mutex);
}

void jnl_raw_leave(struct jnl_raw *raw, pthread_mutex_t *mutex)
{
	if (raw->alive[0])
		pthread_mutex_unlock(mutex);
}


static struct jnl_raw_handle *find(struct jnl_raw *raw, int fd)
{
	for (int i = 0; i < JNL_RAW_HANDLES; i++)
		if (raw->handle[i].kind != JNL_RAW_IS_UNUSED &&
		    raw->handle[i].fd == fd)
			return &raw->handle[i];
	return NULL;
}

struct jnl_raw_handle jnl_raw_look(struct jnl_raw *raw, int fd)
{
	struct jnl_raw_handle h = { .kind = JNL_RAW_IS_UNUSED }, *found;

	jnl_raw_enter(raw, &raw->handles_lock);
	found = find(raw, fd);
	if (found)
		h = *found;
	jnl_raw_leave(raw, &raw->handles_lock);
	return h;
}

int jnl_raw_add(struct jnl_raw *raw, struct jnl_raw_handle h, int fd)
{
	int ret = -EMFILE;

	h.fd = fd;
	jnl_raw_enter(raw, &raw->handles_lock);
	for (int i = 0; i < JNL_RAW_HANDLES; i++) {
		if (raw->handle[i].kind != JNL_RAW_IS_UNUSED)
			continue;
		raw->handle[i] = h;
		raw->handles++;
		ret = fd;
		break;
	}
	jnl_raw_leave(raw, &raw->handles_lock);
	if (ret < 0)
		(void)raw->base->close(raw->base, fd);
	return ret;
}

int jnl_raw_open_device(struct jnl_raw *raw, int flags)
{
	struct jnl_sys *base = raw->base;
	struct stat st;
	int fd, ret;

	flags &= O_ACCMODE | O_DIRECT | O_EXCL;
	fd = base->openat(base, raw->parent, raw->name, flags | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = base->fstat(base, fd, &st);
	/* The node may have become another device's since. */
	if (!ret && (!S_ISBLK(st.st_mode) || st.st_rdev != raw->device))
		ret = -ENXIO;
	if (!ret)
		return fd;
	(void)base->close(base, fd);
	return ret;
}

int jnl_raw_open_handle(struct jnl_raw *raw, struct jnl_raw_handle h, int flags)
{
	int fd = jnl_raw_open_device(raw, flags & ~O_EXCL);

	return fd < 0 ? fd : jnl_raw_add(raw, h, fd);
}

void jnl_raw_free(struct jnl_raw *raw)
{
	if (raw->parent >= 0)
		(void)raw->base->close(raw->base, raw->parent);
	jnl_table_fini(&raw->table, raw->alive && raw->alive[0]);
	if (raw->alive && raw->alive[0]) {
		pthread_mutex_destroy(&raw->names_lock);
		pthread_mutex_destroy(&raw->handles_lock);
	}
	jnl_alive_free(raw->alive);
	free(raw->name);
	free(raw);
}

int jnl_raw_close(struct jnl_sys *sys, int fd)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	struct jnl_raw_handle h = { .kind = JNL_RAW_IS_UNUSED }, *found;
	bool last = false;
	int ret;

	jnl_raw_enter(raw, &raw->handles_lock);
	found = find(raw, fd);
	if (found) {
		h = *found;
		found->kind = JNL_RAW_IS_UNUSED;
		last = !--raw->handles;
	}
	jnl_raw_leave(raw, &raw->handles_lock);
	if (h.holds)
		raw->mine = raw->shared = raw->loaded = false;
	ret = raw->base->close(raw->base, fd);
	if (last)
		jnl_raw_free(raw);
	return ret;
}


int jnl_raw_table_fd(struct jnl_raw *raw)
{
	int fd = -EBADF;

	jnl_raw_enter(raw, &raw->handles_lock);
	for (int i = 0; i < JNL_RAW_HANDLES; i++) {
		if (raw->handle[i].kind == JNL_RAW_IS_DIRECTORY) {
			fd = raw->handle[i].fd;
			break;
		}
	}
	jnl_raw_leave(raw, &raw->handles_lock);
	return fd;
}

size_t jnl_raw_taken(struct jnl_raw *raw,
		     struct jnl_slots taken[JNL_RAW_HANDLES + 1])
{
	size_t n = 0;

	if (raw->room.count)
		taken[n++] = raw->room;
	jnl_raw_enter(raw, &raw->handles_lock);
	for (int i = 0; i < JNL_RAW_HANDLES; i++)
		if (raw->handle[i].kind == JNL_RAW_IS_SLOT)
			taken[n++] = (struct jnl_slots){
				.first = raw->handle[i].slot, .count = 1,
			};
	jnl_raw_leave(raw, &raw->handles_lock);
	return n;
}

void jnl_raw_holds(struct jnl_raw *raw, int fd, bool holds)
{
	struct jnl_raw_handle *h;

	jnl_raw_enter(raw, &raw->handles_lock);
	h = find(raw, fd);
	if (h)
		h->holds = holds;
	jnl_raw_leave(raw, &raw->handles_lock);
}
