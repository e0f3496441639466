/*
 * tests/sim/disk.c - the simulated disk: disks, the names on them, and
 * looking at all of it (see disk.h).
 */
#include "config.h"

#include "tests/sim/disk-impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "journal/raw-format.h"

/* ------------------------------------------------------------------------
 * Disks
 */

struct sim_disk *sim_disk_new(void)
{
	return sim_must(calloc(1, sizeof(struct sim_disk)));
}

struct sim_disk *sim_disk_clone(const struct sim_disk *d)
{
	struct sim_disk *n = sim_must(malloc(sizeof(*n)));

	/* Names and operations beyond their counts need not travel. */
	memcpy(n->file, d->file, sizeof(d->file));
	memcpy(n->name, d->name, (size_t)d->names * sizeof(*d->name));
	memcpy(n->name_disk, d->name_disk,
	       (size_t)d->names_disk * sizeof(*d->name));
	memcpy(n->op, d->op, (size_t)d->ops * sizeof(*d->op));
	memcpy(n->fly, d->fly, sizeof(d->fly));
	n->names = d->names;
	n->names_disk = d->names_disk;
	n->ops = d->ops;
	n->dir = d->dir;
	n->dir_disk = d->dir_disk;
	n->raw = d->raw;
	n->seq = d->seq;
	for (int i = 0; i < SIM_FILES; i++)
		if (n->file[i])
			n->file[i]->refs++;
	for (int i = 0; i < SIM_FLYING; i++)
		if (n->fly[i])
			n->fly[i]->refs++;
	return n;
}

void sim_fly_drop(struct sim_disk *d, int slot)
{
	if (d->fly[slot] && !--d->fly[slot]->refs)
		free(d->fly[slot]);
	d->fly[slot] = NULL;
}

void sim_disk_free(struct sim_disk *d)
{
	if (!d)
		return;
	for (int i = 0; i < SIM_FILES; i++)
		sim_file_free(d->file[i]);
	for (int i = 0; i < SIM_FLYING; i++)
		sim_fly_drop(d, i);
	free(d);
}

/* ------------------------------------------------------------------------
 * Names
 */

static int name_find(const struct sim_name *name, int names, const char *what)
{
	for (int i = 0; i < names; i++)
		if (!strcmp(name[i].name, what))
			return i;
	return -1;
}

static void name_remove(struct sim_name *name, int *names, const char *what)
{
	int i = name_find(name, *names, what);

	if (i >= 0)
		name[i] = name[--*names];
}

static void name_set(struct sim_name *name, int *names, const char *what,
		     int file)
{
	int i = name_find(name, *names, what);

	if (i < 0) {
		assert(*names < SIM_NAMES);
		i = (*names)++;
		strcpy(name[i].name, what);
	}
	name[i].file = file;
}

void sim_op_apply(struct sim_name *name, int *names, const struct sim_op *op)
{
	int i;

	switch (op->kind) {
	case SIM_LINK:
		name_set(name, names, op->name, op->file);
		break;
	case SIM_UNLINK:
		name_remove(name, names, op->name);
		break;
	case SIM_RENAME:
		i = name_find(name, *names, op->from);
		if (i >= 0 && name[i].file == op->file)
			name_remove(name, names, op->from);
		name_set(name, names, op->name, op->file);
		break;
	}
}

static void op_push(struct sim_disk *d, enum sim_op_kind kind, int file,
		    const char *name, const char *from)
{
	struct sim_op *op;

	assert(d->ops < SIM_OPS);
	assert(strlen(name) < SIM_NAME && strlen(from) < SIM_NAME);
	op = &d->op[d->ops++];
	op->kind = kind;
	op->file = file;
	strcpy(op->name, name);
	strcpy(op->from, from);
	sim_op_apply(d->name, &d->names, op);
}

int sim_lookup(const struct sim_disk *d, const char *name)
{
	int i = name_find(d->name, d->names, name);

	return i < 0 ? -1 : d->name[i].file;
}

int sim_create(struct sim_disk *d, const char *name)
{
	int i = 0;

	while (i < SIM_FILES && d->file[i])
		i++;
	assert(i < SIM_FILES);
	d->file[i] = sim_must(calloc(1, sizeof(struct sim_file)));
	d->file[i]->refs = 1;
	d->file[i]->fresh = true;
	op_push(d, SIM_LINK, i, name, "");
	return i;
}

void sim_unlink(struct sim_disk *d, const char *name)
{
	op_push(d, SIM_UNLINK, sim_lookup(d, name), name, "");
}

void sim_rename(struct sim_disk *d, const char *from, const char *to)
{
	op_push(d, SIM_RENAME, sim_lookup(d, from), to, from);
}

void sim_dirsync(struct sim_disk *d)
{
	memcpy(d->name_disk, d->name, (size_t)d->names * sizeof(*d->name));
	d->names_disk = d->names;
	d->ops = 0;
}

struct sim_disk *sim_device_new(uint64_t size)
{
	struct sim_disk *d = sim_disk_new();
	int file = sim_create(d, SIM_DEVICE);

	sim_resize(d, file, size);
	d->file[file]->size_disk = size;
	d->file[file]->fresh = false;
	sim_dirsync(d);
	d->dir = d->dir_disk = d->raw = true;
	return d;
}

/* ------------------------------------------------------------------------
 * Looking at it, damaging it
 */

static uint64_t block_hash(struct sim_block *b)
{
	if (!b)
		return 1;
	if (!b->hash)
		b->hash = jnl_checksum(b->data, SIM_BLOCK, 7) | 2;
	return b->hash;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 29);
}

static uint64_t name_hash(const char *s)
{
	uint64_t h = 11;

	while (*s)
		h = mix(h, (uint8_t)*s++);
	return h;
}

static uint64_t file_hash(const struct sim_disk *d, const struct sim_file *f)
{
	uint64_t h = mix(mix(3, f->size), f->size_disk);

	for (uint32_t i = 0; i < f->blocks; i++) {
		if (d->raw && i == JNL_RAW_NOTE / SIM_BLOCK)
			continue;
		h = mix(h, block_hash(f->cell[i].medium));
		if (f->cell[i].flags & SIM_PAGE)
			h = mix(h, block_hash(f->cell[i].page) + 5);
	}
	for (uint32_t i = 0; i < f->versions; i++)
		h = mix(mix(h, f->version[i].block),
			block_hash(f->version[i].content));
	return h;
}

uint64_t sim_disk_hash(const struct sim_disk *d)
{
	uint64_t h = d->dir;

	/* A sum, so that the order of names does not count. */
	for (int i = 0; i < d->names; i++)
		if (strcmp(d->name[i].name, "lock") &&
		    strcmp(d->name[i].name, "stats"))
			h += mix(name_hash(d->name[i].name),
				 file_hash(d, d->file[d->name[i].file]));
	for (int i = 0; i < d->ops; i++)
		h = mix(h, name_hash(d->op[i].name) + d->op[i].kind);
	return h;
}

unsigned int sim_disk_pending(const struct sim_disk *d)
{
	unsigned int n = (unsigned int)d->ops;

	for (int i = 0; i < SIM_FLYING; i++)
		n += d->fly[i] != NULL;
	for (int i = 0; i < SIM_FILES; i++) {
		const struct sim_file *f = d->file[i];
		unsigned int blocks = f ? f->versions : 0;

		for (uint32_t b = 0; f && b < f->blocks; b++)
			blocks += !!(f->cell[b].flags & SIM_DIRTY);
		/* Of a device its table above all. */
		for (uint32_t v = 0; d->raw && f && v < f->versions; v++)
			if (f->version[v].block <
			    JNL_RAW_FIRST_SLOT / SIM_BLOCK)
				n += 1000;
		n += blocks ? 100 + blocks : 0;
	}
	return n;
}

const uint8_t *sim_peek(const struct sim_disk *d, int file, uint32_t block)
{
	static const uint8_t zeros[SIM_BLOCK];
	struct sim_block *b = sim_direct_view(d->file[file], block);

	return b ? b->data : zeros;
}

void sim_poke(struct sim_disk *d, int file, uint32_t block,
	      const uint8_t *data)
{
	struct sim_file *f = sim_change(d, file,
					(uint64_t)(block + 1) * SIM_BLOCK);
	struct sim_block *b = sim_block_of(data);

	sim_store(d, f, block, b, SIM_TO_MEDIUM);
	sim_drop(b);
}
