/*
 * journal/raw-names.c - a raw device's table of slots, as a directory's names.
 *
 * One lock around the table, held while it is read or written.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/raw-impl.h"
#include "journal/segment.h"

static struct jnl_raw_handle slot_handle(const struct jnl_raw *raw,
					 uint64_t slot)
{
	uint64_t size = raw->table.h.slot_size;

	return (struct jnl_raw_handle){
		.kind = JNL_RAW_IS_SLOT, .slot = slot, .size = size,
		.base = jnl_raw_place(size, slot),
	};
}

int jnl_raw_refresh(struct jnl_raw *raw)
{
	int ret;

	if (raw->loaded)
		return 0;
	ret = jnl_table_load(&raw->table, raw->base, jnl_raw_table_fd(raw));
	raw->loaded = !ret && (raw->mine || raw->shared);
	return ret;
}

static uint64_t word_of(const char *name)
{
	char digits[17];
	uint64_t number;

	if (jnl_segment_parse(name, &number))
		return number < JNL_LSN_MAX / JNL_SEGMENT_MIN ?
		       jnl_raw_entry(number) : JNL_RAW_FREE;
	if (!jnl_is_tmp(name) || !strncmp(name, "probe-", 6))
		return JNL_RAW_FREE;
	memcpy(digits, name, 16);
	digits[16] = 0;
	number = strtoull(digits, NULL, 16);
	return number < JNL_LSN_MAX / JNL_SEGMENT_MIN ?
	       jnl_raw_entry(number) | JNL_TABLE_TMP : JNL_RAW_FREE;
}

static void name_of(char name[JNL_SEGMENT_NAME_LEN], uint64_t word)
{
	uint64_t number = (word & ~JNL_TABLE_TMP) - 1;

	if (word & JNL_TABLE_TMP)
		jnl_tmp_name(name, number);
	else
		jnl_segment_name(name, number);
}

/* Whether names may be changed now. */
static int may_change(struct jnl_raw *raw)
{
	int ret;

	if (!raw->mine)
		return -EROFS;
	ret = jnl_raw_refresh(raw);
	if (ret < 0)
		return ret;
	return raw->table.formatted ? raw->table.error : -EROFS;
}

/*
 * Make the table durable through an open file of its own: it is told of
 * failures since, and not of those that a segment's file is told of already
 * and is replaced for.
 */
static int store(struct jnl_raw *raw, bool heal)
{
	int fd, ret;

	fd = jnl_raw_open_device(raw, O_RDWR | O_DIRECT);
	if (fd < 0)
		return fd;
	ret = jnl_table_store(&raw->table, raw->base, fd, heal);
	(void)raw->base->close(raw->base, fd);
	return ret;
}

static uint64_t free_slot(struct jnl_raw *raw)
{
	struct jnl_slots taken[JNL_RAW_HANDLES + 1], free;
	size_t n = jnl_raw_taken(raw, taken);

	free = jnl_table_free(&raw->table, taken, n, 1);
	return free.count ? free.first : UINT64_MAX;
}

/*
 * A slot for a new file.  The last resorts: what was removed and is still in
 * the table on the device, and a device that has grown.
 */
static int take_slot(struct jnl_raw *raw, uint64_t *ret_slot)
{
	int ret;

	*ret_slot = free_slot(raw);
	if (*ret_slot == UINT64_MAX && jnl_table_dirty(&raw->table)) {
		ret = store(raw, false);
		if (ret < 0)
			return ret;
		*ret_slot = free_slot(raw);
	}
	if (*ret_slot == UINT64_MAX) {
		ret = jnl_table_grow(&raw->table, raw->base,
				     jnl_raw_table_fd(raw));
		if (ret < 0)
			return ret;
		*ret_slot = free_slot(raw);
	}
	return *ret_slot == UINT64_MAX ? -ENOSPC : 0;
}

int jnl_raw_open_segment(struct jnl_raw *raw, const char *name, int flags)
{
	uint64_t word = word_of(name), slot;
	int ret;

	ret = jnl_raw_refresh(raw);
	if (ret < 0)
		return ret;
	slot = word == JNL_RAW_FREE ? UINT64_MAX :
	       jnl_table_find(&raw->table, word);
	if (slot != UINT64_MAX && flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (slot != UINT64_MAX)
		return jnl_raw_open_handle(raw, slot_handle(raw, slot), flags);
	if (!(flags & O_CREAT))
		return -ENOENT;
	/* A name that the table has no word for. */
	if (word == JNL_RAW_FREE)
		return -EOPNOTSUPP;
	ret = may_change(raw);
	if (!ret)
		ret = take_slot(raw, &slot);
	if (!ret)
		ret = jnl_raw_open_handle(raw, slot_handle(raw, slot), flags);
	if (ret >= 0)
		raw->table.now[slot] = word;
	return ret;
}

int jnl_raw_rename(struct jnl_sys *sys, int dirfd, const char *from,
		      const char *to)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	uint64_t a = word_of(from), b = word_of(to), slot, old;
	int ret;

	(void)dirfd;
	if (b == JNL_RAW_FREE)
		return -EOPNOTSUPP;
	jnl_raw_enter(raw, &raw->names_lock);
	ret = may_change(raw);
	if (!ret) {
		slot = a == JNL_RAW_FREE ? UINT64_MAX :
		       jnl_table_find(&raw->table, a);
		old = jnl_table_find(&raw->table, b);
		if (slot == UINT64_MAX)
			ret = -ENOENT;
		else if (old != UINT64_MAX)
			raw->table.now[old] = JNL_RAW_FREE;
	}
	if (!ret)
		raw->table.now[slot] = b;
	jnl_raw_leave(raw, &raw->names_lock);
	return ret;
}

int jnl_raw_unlink(struct jnl_sys *sys, int dirfd, const char *name)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	uint64_t word = word_of(name), slot;
	int ret = -ENOENT;

	(void)dirfd;
	jnl_raw_enter(raw, &raw->names_lock);
	if (word == JNL_RAW_FREE) {
		if (raw->scratch && jnl_is_tmp(name)) {
			raw->scratch = false;
			ret = 0;
		}
	} else {
		ret = may_change(raw);
		slot = ret ? UINT64_MAX : jnl_table_find(&raw->table, word);
		if (!ret && slot == UINT64_MAX)
			ret = -ENOENT;
		if (!ret)
			raw->table.now[slot] = JNL_RAW_FREE;
	}
	jnl_raw_leave(raw, &raw->names_lock);
	return ret;
}

int jnl_raw_list(struct jnl_sys *sys, int dirfd, jnl_list_fn fn, void *arg)
{
	struct jnl_raw *raw = jnl_raw_of(sys);
	char name[JNL_SEGMENT_NAME_LEN];
	uint64_t *now = NULL, slots;
	int ret;

	(void)dirfd;
	/* A copy: fn may change names. */
	jnl_raw_enter(raw, &raw->names_lock);
	ret = jnl_raw_refresh(raw);
	slots = ret ? 0 : raw->table.slots;
	if (slots) {
		now = malloc(slots * sizeof(*now));
		ret = now ? 0 : -ENOMEM;
	}
	if (now)
		memcpy(now, raw->table.now, slots * sizeof(*now));
	jnl_raw_leave(raw, &raw->names_lock);
	for (uint64_t i = 0; i < slots && !ret; i++) {
		if (now[i] == JNL_RAW_FREE)
			continue;
		name_of(name, now[i]);
		ret = fn(arg, name);
	}
	free(now);
	return ret;
}

int jnl_raw_sync(struct jnl_raw *raw, bool heal)
{
	int ret;

	jnl_raw_enter(raw, &raw->names_lock);
	ret = raw->mine ? jnl_raw_refresh(raw) : 0;
	if (!ret && raw->mine && raw->table.formatted)
		ret = store(raw, heal);
	jnl_raw_leave(raw, &raw->names_lock);
	return ret;
}
