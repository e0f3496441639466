/*
 * journal/raw-table.c - which slot of a raw device holds which segment.
 *
 * See journal/raw-table.h for the invariants.  Storing:
 *
 *   (flush, if what was loaded may still lie in the drive's cache)
 *     -> the copy that may be lost -> flush -> the other copy -> flush
 *
 * Whatever a crash leaves, one copy is whole: the old one before the first
 * flush, the new one after it.  Both are written, so that afterwards either
 * may rot: were there only one with the newest segment in it, its loss would
 * look like a journal that ends before.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/raw-table.h"
#include "lib/file.h"

/* Beside a writer a copy may be half written when it is read. */
#define LOAD_TRIES	20
#define TAIL_LEN	(1024u * 1024)
#define CHUNK		(1024u * 1024)
#define COPY_NONE	UINT_MAX

static uint64_t copy_at(unsigned int i)
{
	return (uint64_t)i * JNL_RAW_COPY_STRIDE;
}

/* Back to nothing, but for the buffer. */
static void forget(struct jnl_table *t)
{
	struct jnl_table none = { .buf = t->buf, .buf_len = t->buf_len };

	free(t->now);
	free(t->disk);
	*t = none;
}

void jnl_table_fini(struct jnl_table *t, bool mapped)
{
	forget(t);
	if (mapped)
		jnl_buffer_free(t->buf, t->buf_len);
	memset(t, 0, sizeof(*t));
}

/* Room for len bytes; what is in the first unit stays. */
static int reserve(struct jnl_table *t, size_t len)
{
	uint8_t *buf;

	if (t->buf_len >= len)
		return 0;
	buf = jnl_buffer_alloc(len);
	if (!buf)
		return -ENOMEM;
	if (t->buf)
		memcpy(buf, t->buf, JNL_RAW_UNIT);
	jnl_buffer_free(t->buf, t->buf_len);
	t->buf = buf;
	t->buf_len = len;
	return 0;
}

static int trouble(struct jnl_table *t, int err, const char *words)
{
	(void)snprintf(t->trouble, sizeof(t->trouble), "%s", words);
	return err;
}

/* ------------------------------------------------------------------------
 * Loading
 */

struct copy {
	int err;		/* 0: whole; -ENOENT: there is none */
	struct jnl_raw_header h;
	uint64_t *entry;
};

/* Read copy i; *c says what it is worth.  -errno: it cannot be read. */
static int read_copy(struct jnl_table *t, struct jnl_sys *sys, int fd,
		     unsigned int i, struct copy *c)
{
	uint64_t at = copy_at(i), size;
	ssize_t n;
	int ret;

	ret = reserve(t, JNL_RAW_UNIT);
	if (ret < 0)
		return ret;
	n = jnl_read_full(sys, fd, t->buf, JNL_RAW_UNIT, at);
	if (n >= 0 && n < (ssize_t)JNL_RAW_UNIT) {
		c->err = -ENOENT;
		return 0;
	}
	if (n < 0)
		return (int)n;
	c->err = jnl_raw_decode(t->buf, i, &c->h);
	if (c->err)
		return 0;
	size = jnl_raw_copy_size(c->h.slots);
	ret = reserve(t, size);
	if (ret < 0)
		return ret;
	if (size > JNL_RAW_UNIT) {
		n = jnl_read_full(sys, fd, t->buf + JNL_RAW_UNIT,
				  size - JNL_RAW_UNIT, at + JNL_RAW_UNIT);
		if (n < 0)
			return (int)n;
		if ((uint64_t)n < size - JNL_RAW_UNIT) {
			c->err = -EBADMSG;
			return 0;
		}
	}
	c->entry = calloc(c->h.slots + 1, sizeof(*c->entry));
	if (!c->entry)
		return -ENOMEM;
	c->err = jnl_raw_decode_table(t->buf, &c->h, c->entry);
	return c->err == -ENOMEM ? -ENOMEM : 0;
}

static bool same(const struct copy *a, const struct copy *b)
{
	return a->h.slots == b->h.slots && a->h.slot_size == b->h.slot_size &&
	       a->h.block_size == b->h.block_size &&
	       !memcmp(a->h.uuid, b->h.uuid, JNL_UUID_LEN) &&
	       !memcmp(a->entry, b->entry, a->h.slots * sizeof(*a->entry));
}

/*
 * Which copy stands.  COPY_NONE and 0: there never was one.  A copy that
 * cannot be read, for a bad block, is a damaged one.
 */
static int judge_copies(struct jnl_table *t, const struct copy c[2],
			unsigned int *ret_which)
{
	*ret_which = COPY_NONE;
	for (unsigned int i = 0; i < JNL_RAW_COPIES; i++)
		if (c[i].err == -EPROTONOSUPPORT)
			return trouble(t, -EPROTONOSUPPORT, "written by a "
				       "newer version of the library: open it "
				       "with that version");
	if (!c[0].err && !c[1].err) {
		*ret_which = c[1].h.sequence > c[0].h.sequence;
		if (c[0].h.sequence == c[1].h.sequence && !same(&c[0], &c[1]))
			return trouble(t, -EBADMSG, "its two copies contradict "
				       "each other: restore the first 2 MiB of "
				       "the device from a copy");
		return 0;
	}
	if (!c[0].err || !c[1].err) {
		*ret_which = !c[1].err;
		return 0;
	}
	if (c[0].err == -ENOENT && c[1].err == -ENOENT)
		return 0;
	return trouble(t, -EBADMSG, "both copies are damaged: restore the "
		       "first 2 MiB of the device from a copy");
}

/* Errors of a medium that does not give something back. */
static bool unreadable(int err)
{
	return err == -EIO || err == -ENODATA || err == -EBADMSG ||
	       err == -EILSEQ;
}

static int read_copies(struct jnl_table *t, struct jnl_sys *sys, int fd,
		       struct copy c[2], unsigned int *ret_which)
{
	int ret = 0;

	for (unsigned int i = 0; i < JNL_RAW_COPIES && !ret; i++) {
		ret = read_copy(t, sys, fd, i, &c[i]);
		if (unreadable(ret)) {
			c[i].err = -EIO;
			ret = 0;
		}
	}
	return ret ? ret : judge_copies(t, c, ret_which);
}

/* What was loaded, in a table with room for what the device has room for. */
static int adopt(struct jnl_table *t, const struct copy *c, uint64_t size)
{
	uint64_t slots = jnl_raw_slots_for(size, c->h.slot_size);

	for (uint64_t i = slots; i < c->h.slots; i++) {
		if (c->entry[i] == JNL_RAW_FREE)
			continue;
		(void)snprintf(t->trouble, sizeof(t->trouble), "the device "
			       "has shrunk: segment %llu lies behind its end, "
			       "which has to be at %llu bytes or more",
			       (unsigned long long)c->entry[i] - 1,
			       (unsigned long long)jnl_raw_place(
				       c->h.slot_size, i + 1));
		return -EBADMSG;
	}
	t->now = calloc(slots + 1, sizeof(*t->now));
	t->disk = calloc(slots + 1, sizeof(*t->disk));
	if (!t->now || !t->disk)
		return -ENOMEM;
	for (uint64_t i = 0; i < slots && i < c->h.slots; i++)
		t->now[i] = t->disk[i] = c->entry[i];
	t->h = c->h;
	t->slots = slots;
	t->formatted = true;
	return 0;
}

static int load_once(struct jnl_table *t, struct jnl_sys *sys, int fd)
{
	struct copy c[JNL_RAW_COPIES] = { 0 };
	unsigned int which;
	uint64_t size;
	int ret;

	ret = sys->device_size(sys, fd, &size);
	if (!ret)
		ret = read_copies(t, sys, fd, c, &which);
	if (!ret && which != COPY_NONE)
		ret = adopt(t, &c[which], size);
	if (!ret && which != COPY_NONE) {
		t->whole = 1u << which;
		if (!c[!which].err &&
		    c[!which].h.sequence == c[which].h.sequence)
			t->whole = 3;
	}
	free(c[0].entry);
	free(c[1].entry);
	return ret;
}

int jnl_table_load(struct jnl_table *t, struct jnl_sys *sys, int fd)
{
	int ret, tries = 0;

	do {
		forget(t);
		ret = load_once(t, sys, fd);
	} while (ret == -EBADMSG && ++tries < LOAD_TRIES);
	return ret;
}

/* ------------------------------------------------------------------------
 * Storing
 */

bool jnl_table_dirty(const struct jnl_table *t)
{
	/* Half-made segments are not on the device. */
	for (uint64_t i = 0; i < t->slots; i++) {
		uint64_t word = t->now[i] & JNL_TABLE_TMP ? JNL_RAW_FREE :
							    t->now[i];

		if (word != t->disk[i])
			return true;
	}
	return false;
}

static int write_copy(struct jnl_table *t, struct jnl_sys *sys, int fd,
		      unsigned int i)
{
	int ret;

	jnl_raw_encode(t->buf, i, &t->h, t->disk);
	ret = jnl_write_full(sys, fd, t->buf, jnl_raw_copy_size(t->h.slots),
			     copy_at(i), 0, JNL_RAW_UNIT);
	return ret ? ret : sys->fsync(sys, fd);
}

/* The copies one after the other, the one that may be lost first. */
static int write_copies(struct jnl_table *t, struct jnl_sys *sys, int fd)
{
	unsigned int first = t->whole == 1;
	int ret;

	ret = write_copy(t, sys, fd, first);
	return ret ? ret : write_copy(t, sys, fd, !first);
}

static int store(struct jnl_table *t, struct jnl_sys *sys, int fd)
{
	int ret = reserve(t, jnl_raw_copy_size(t->slots));

	if (ret < 0)
		return ret;
	t->h.compat = 0;
	t->h.slots = t->slots;
	t->h.sequence++;
	for (uint64_t i = 0; i < t->slots; i++)
		t->disk[i] = t->now[i] & JNL_TABLE_TMP ? JNL_RAW_FREE :
							 t->now[i];
	ret = write_copies(t, sys, fd);
	t->error = ret;
	if (!ret)
		t->whole = 3;
	return ret;
}

int jnl_table_store(struct jnl_table *t, struct jnl_sys *sys, int fd,
		    bool heal)
{
	int ret;

	assert(t->formatted);
	if (t->error)
		return t->error;
	/*
	 * A process that died may have written the copy that was chosen, and
	 * not flushed it: then the other one is all that is durable.
	 */
	if (!t->settled) {
		ret = sys->fsync(sys, fd);
		if (ret < 0)
			return ret;
		t->settled = true;
	}
	if (!jnl_table_dirty(t) && (t->whole == 3 || !heal))
		return 0;
	return store(t, sys, fd);
}

/* ------------------------------------------------------------------------
 * Making one
 */

static int zeros(struct jnl_sys *sys, int fd, uint64_t from, uint64_t to)
{
	uint8_t *buf = jnl_buffer_alloc(CHUNK);
	int ret = buf ? 0 : -ENOMEM;

	for (; from < to && !ret; from += CHUNK)
		ret = jnl_write_full(sys, fd, buf, to - from < CHUNK ?
				     (size_t)(to - from) : CHUNK, from, 0,
				     JNL_BLOCK_MIN);
	jnl_buffer_free(buf, CHUNK);
	return ret;
}

/* Where the last MiB begins, on a block; behind the first slot at least. */
static uint64_t tail_of(uint64_t size)
{
	uint64_t at;

	if (size < JNL_RAW_FIRST_SLOT + TAIL_LEN)
		return JNL_RAW_FIRST_SLOT;
	at = size - TAIL_LEN;
	return at - at % JNL_BLOCK_MAX;
}

int jnl_table_format(struct jnl_table *t, struct jnl_sys *sys, int fd,
		     const struct jnl_segment_header *g, bool wipe)
{
	uint64_t size, slots, sequence = t->formatted ? t->h.sequence : 0;
	int ret;

	ret = sys->device_size(sys, fd, &size);
	if (ret < 0)
		return ret;
	slots = jnl_raw_slots_for(size, g->segment_size);
	if (slots < 2)
		return -ENOSPC;
	if (wipe)
		ret = zeros(sys, fd, 0, JNL_RAW_FIRST_SLOT);
	if (wipe && !ret)
		ret = zeros(sys, fd, tail_of(size), size);
	if (!ret)
		ret = sys->fsync(sys, fd);
	if (ret < 0)
		return ret;
	forget(t);
	t->now = calloc(slots, sizeof(*t->now));
	t->disk = calloc(slots, sizeof(*t->disk));
	if (!t->now || !t->disk)
		return -ENOMEM;
	t->slots = slots;
	t->h.version = JNL_RAW_VERSION;
	t->h.block_size = g->block_size;
	t->h.slot_size = g->segment_size;
	/* Above what an interrupted wipe may have left of another one. */
	t->h.sequence = sequence;
	memcpy(t->h.uuid, g->uuid, JNL_UUID_LEN);
	t->formatted = t->settled = true;
	return store(t, sys, fd);
}

/* 1, 0 or -errno. */
static int blank_range(struct jnl_sys *sys, int fd, uint8_t *buf, uint64_t from,
		       uint64_t to)
{
	while (from < to) {
		size_t len = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t n = jnl_read_full(sys, fd, buf, len, from);

		if (n < 0)
			return (int)n;
		if ((size_t)n < len)
			return -EIO;
		if (!jnl_is_zero(buf, len))
			return 0;
		from += len;
	}
	return 1;
}

int jnl_table_blank(struct jnl_sys *sys, int fd)
{
	uint8_t *buf = jnl_buffer_alloc(CHUNK);
	uint64_t size;
	int ret = -ENOMEM;

	if (!buf)
		return ret;
	ret = sys->device_size(sys, fd, &size);
	if (!ret && size < JNL_RAW_FIRST_SLOT)
		ret = -ENOSPC;
	/* What an earlier try to make a journal has left does not count. */
	if (!ret)
		ret = blank_range(sys, fd, buf, 0, JNL_RAW_SCRATCH);
	if (ret == 1)
		ret = blank_range(sys, fd, buf, tail_of(size), size);
	jnl_buffer_free(buf, CHUNK);
	return ret;
}

/* ------------------------------------------------------------------------
 * Slots
 */

static uint64_t *grown(uint64_t *words, uint64_t from, uint64_t to)
{
	uint64_t *n = realloc(words, to * sizeof(*n));

	if (n)
		memset(n + from, 0, (to - from) * sizeof(*n));
	return n;
}

int jnl_table_grow(struct jnl_table *t, struct jnl_sys *sys, int fd)
{
	uint64_t size, slots, *n;
	int ret;

	ret = sys->device_size(sys, fd, &size);
	if (ret < 0)
		return ret;
	slots = jnl_raw_slots_for(size, t->h.slot_size);
	if (slots <= t->slots)
		return 0;
	n = grown(t->now, t->slots, slots);
	if (!n)
		return -ENOMEM;
	t->now = n;
	n = grown(t->disk, t->slots, slots);
	if (!n)
		return -ENOMEM;
	t->disk = n;
	t->slots = slots;
	return 0;
}

uint64_t jnl_table_find(const struct jnl_table *t, uint64_t word)
{
	for (uint64_t i = 0; i < t->slots; i++)
		if (t->now[i] == word)
			return i;
	return UINT64_MAX;
}

static bool is_taken(uint64_t slot, const struct jnl_slots *taken, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slot >= taken[i].first &&
		    slot - taken[i].first < taken[i].count)
			return true;
	return false;
}

struct jnl_slots jnl_table_free(const struct jnl_table *t,
				const struct jnl_slots *taken, size_t n,
				uint64_t want)
{
	struct jnl_slots most = { 0 }, run = { 0 };

	for (uint64_t i = 0; i < t->slots && most.count < want; i++) {
		if (t->now[i] != JNL_RAW_FREE || t->disk[i] != JNL_RAW_FREE ||
		    is_taken(i, taken, n)) {
			run.count = 0;
			continue;
		}
		if (!run.count)
			run.first = i;
		run.count++;
		if (run.count > most.count)
			most = run;
	}
	return most;
}
