/*
 * tests/sim/disk-blocks.c - the simulated disk: blocks, and files of them (see
 * disk.h).
 *
 * Both are counted references; a file is copied before its first change when
 * another disk shares it.  Everything runs in one thread.
 */
#include "config.h"

#include "tests/sim/disk-impl.h"

#include <stdlib.h>
#include <string.h>

#include "journal/format.h"

void *sim_must(void *p)
{
	if (!p)
		abort();
	return p;
}

struct sim_block *sim_hold(struct sim_block *b)
{
	if (b)
		b->refs++;
	return b;
}

void sim_drop(struct sim_block *b)
{
	if (b && !--b->refs)
		free(b);
}

struct sim_block *sim_block_of(const uint8_t *data)
{
	struct sim_block *b;

	if (jnl_is_zero(data, SIM_BLOCK))
		return NULL;
	b = sim_must(malloc(sizeof(*b)));
	b->refs = 1;
	b->hash = 0;
	memcpy(b->data, data, SIM_BLOCK);
	return b;
}

bool sim_same(struct sim_block *a, struct sim_block *b)
{
	return a == b || (a && b && !memcmp(a->data, b->data, SIM_BLOCK));
}

void sim_file_free(struct sim_file *f)
{
	if (!f || --f->refs)
		return;
	for (uint32_t i = 0; i < f->blocks; i++) {
		sim_drop(f->cell[i].medium);
		sim_drop(f->cell[i].page);
	}
	for (uint32_t i = 0; i < f->versions; i++)
		sim_drop(f->version[i].content);
	free(f->cell);
	free(f->version);
	free(f);
}

static struct sim_file *file_copy(const struct sim_file *f)
{
	struct sim_file *n = sim_must(malloc(sizeof(*n)));

	*n = *f;
	n->refs = 1;
	n->cell = sim_must(malloc((f->blocks + !f->blocks) * sizeof(*n->cell)));
	for (uint32_t i = 0; i < f->blocks; i++) {
		n->cell[i] = f->cell[i];
		sim_hold(n->cell[i].medium);
		sim_hold(n->cell[i].page);
	}
	n->version = NULL;
	n->version_room = f->versions;
	if (f->versions) {
		n->version = sim_must(malloc(f->versions *
					     sizeof(*n->version)));
		memcpy(n->version, f->version,
		       f->versions * sizeof(*n->version));
	}
	for (uint32_t i = 0; i < f->versions; i++)
		sim_hold(n->version[i].content);
	return n;
}

struct sim_file *sim_change(struct sim_disk *d, int file, uint64_t size)
{
	struct sim_file *f = d->file[file];
	uint32_t blocks = (size + SIM_BLOCK - 1) / SIM_BLOCK;

	if (f->refs > 1) {
		d->file[file] = file_copy(f);
		f->refs--;
		f = d->file[file];
	}
	if (blocks > f->blocks) {
		f->cell = sim_must(realloc(f->cell, blocks * sizeof(*f->cell)));
		memset(f->cell + f->blocks, 0,
		       (blocks - f->blocks) * sizeof(*f->cell));
		f->blocks = blocks;
	}
	return f;
}

void sim_put_version(struct sim_disk *d, struct sim_file *f, uint32_t block,
		     struct sim_block *content)
{
	if (f->versions == f->version_room) {
		f->version_room = f->version_room * 2 + 4;
		f->version = sim_must(realloc(f->version, f->version_room *
					      sizeof(*f->version)));
	}
	f->version[f->versions++] = (struct sim_version){
		.content = sim_hold(content), .block = block, .seq = ++d->seq,
	};
}

void sim_drop_versions(struct sim_file *f, uint32_t block)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->versions; i++) {
		if (f->version[i].block == block)
			sim_drop(f->version[i].content);
		else
			f->version[n++] = f->version[i];
	}
	f->versions = n;
}

void sim_set_page(struct sim_cell *c, struct sim_block *content,
		  uint32_t flags)
{
	sim_hold(content);
	sim_drop(c->page);
	c->page = content;
	c->flags = (c->flags & ~(uint32_t)(SIM_PAGE | SIM_DIRTY)) | flags;
}

void sim_set_medium(struct sim_cell *c, struct sim_block *content)
{
	sim_hold(content);
	sim_drop(c->medium);
	c->medium = content;
}

struct sim_block *sim_direct_view(const struct sim_file *f, uint32_t block)
{
	if (block >= f->blocks || f->cell[block].flags & SIM_UNW)
		return NULL;
	for (uint32_t i = f->versions; i--; )
		if (f->version[i].block == block)
			return f->version[i].content;
	return f->cell[block].medium;
}

struct sim_block *sim_cached_view(const struct sim_file *f, uint32_t block)
{
	if (block < f->blocks && f->cell[block].flags & SIM_PAGE)
		return f->cell[block].page;
	return sim_direct_view(f, block);
}
