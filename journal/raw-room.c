/*
 * journal/raw-room.c - room on a raw device for a measurement, and the place
 * where its result is kept.
 *
 * The room is a run of slots that hold nothing.  What a crash leaves in them
 * is noise, which nobody reads: a slot that becomes a segment is overwritten
 * from end to end before the table names it.  A write of a measurement that
 * goes through the page cache and was never flushed cannot land later either:
 * the kernel writes such pages out, and drops them, before a direct write to
 * their place (block/fops.c), and another buffered one goes over them.
 *
 * The result is one text in a place of its own, which begins with a zero byte
 * if there is none.  It is written over in place: a torn one fails its
 * checksum, and then there is none.
 */
#include "config.h"

#include <errno.h>

#include "journal/choice.h"
#include "journal/raw-impl.h"

#define MIB	(1024u * 1024)

static_assert(JNL_RAW_CHOICE_LEN == JNL_CHOICE_MAX, "any text has room");

uint64_t jnl_raw_room(struct jnl_sys *sys, uint64_t most)
{
	struct jnl_slots taken[JNL_RAW_HANDLES + 1], free;
	struct jnl_raw *raw = jnl_raw_of(sys);
	uint64_t size, bytes = 0;
	size_t n;

	assert(jnl_is_raw(sys) && !raw->room.count);
	jnl_raw_enter(raw, &raw->names_lock);
	if (raw->mine && !jnl_raw_refresh(raw) && raw->table.formatted) {
		size = raw->table.h.slot_size;
		n = jnl_raw_taken(raw, taken);
		free = jnl_table_free(&raw->table, taken, n,
				      (2 * most + size - 1) / size);
		bytes = free.count * size / 2;
		bytes = bytes < most ? bytes : most;
		bytes -= bytes % MIB;
		if (bytes) {
			raw->room = free;
			raw->room_file = bytes;
		}
	}
	jnl_raw_leave(raw, &raw->names_lock);
	return bytes;
}

void jnl_raw_room_end(struct jnl_sys *sys)
{
	struct jnl_raw *raw = jnl_raw_of(sys);

	jnl_raw_enter(raw, &raw->names_lock);
	raw->room.count = 0;
	jnl_raw_leave(raw, &raw->names_lock);
}

int jnl_raw_open_room(struct jnl_raw *raw, int flags)
{
	struct jnl_raw_handle h = { .kind = JNL_RAW_IS_ROOM };

	if (!raw->room.count)
		return -EOPNOTSUPP;
	h.slot = !!(flags & O_DIRECT);
	h.size = raw->room_file;
	h.base = jnl_raw_place(raw->table.h.slot_size, raw->room.first) +
		 h.slot * raw->room_file;
	return jnl_raw_open_handle(raw, h, flags);
}

/* 1 if there is a text, 0 if not, or -errno. */
static int has_text(struct jnl_raw *raw, int fd)
{
	char first;
	ssize_t n = raw->base->pread(raw->base, fd, &first, 1, JNL_RAW_CHOICE, 0);

	return n < 0 ? (int)n : n && first;
}

int jnl_raw_open_choice(struct jnl_raw *raw, int flags)
{
	static const struct jnl_raw_handle h = {
		.kind = JNL_RAW_IS_CHOICE,
		.base = JNL_RAW_CHOICE, .size = JNL_RAW_CHOICE_LEN,
	};
	int fd, ret = jnl_raw_refresh(raw);

	if (ret < 0)
		return ret;
	flags &= O_ACCMODE;
	if (flags != O_RDONLY && !raw->mine)
		return -EROFS;
	if (!raw->table.formatted)
		return -ENOENT;
	fd = jnl_raw_open_device(raw, flags);
	if (fd < 0)
		return fd;
	ret = flags == O_RDONLY ? has_text(raw, fd) : 1;
	if (ret == 1)
		return jnl_raw_add(raw, h, fd);
	(void)raw->base->close(raw->base, fd);
	return ret ? ret : -ENOENT;
}
