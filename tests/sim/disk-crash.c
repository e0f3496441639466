/*
 * tests/sim/disk-crash.c - the simulated disk: what a power cut and a kill
 * leave (see disk.h).
 */
#include "config.h"

#include "tests/sim/disk-impl.h"

#include <stdlib.h>
#include <string.h>

/* A candidate for the block: it stays away, arrives, or arrives in part. */
static void maybe(struct sim_cell *c, struct sim_block *content,
		  struct sim_pick *p, unsigned int unit)
{
	struct sim_fly *torn;
	struct sim_block *b;

	if (sim_same(c->medium, content) || !sim_coin(p))
		return;
	if (unit == SIM_BLOCK || p->exhaustive || sim_pick(p, 3)) {
		sim_set_medium(c, content);
		return;
	}
	torn = sim_must(calloc(1, sizeof(*torn) + SIM_BLOCK));
	torn->len = SIM_BLOCK;
	if (content)
		memcpy(torn->data, content->data, SIM_BLOCK);
	b = sim_overlay(torn, 0, c->medium, sim_pick(p, 256));
	sim_set_medium(c, b);
	sim_drop(b);
	free(torn);
}

static void cut_writes(struct sim_disk *d, struct sim_pick *p,
		       unsigned int unit)
{
	for (int i = 0; i < SIM_FLYING; i++) {
		const struct sim_fly *w = d->fly[i];
		struct sim_file *f;
		bool first = false;

		if (!w)
			continue;
		f = sim_change(d, w->file, w->offset + w->len);
		for (uint32_t b = sim_fly_first(w); b < sim_fly_end(w); b++) {
			struct sim_block *n;

			/* The page, if there is one, holds what the write is
			 * laid over; its blocks may arrive with it. */
			n = sim_overlay(w, b, sim_cached_view(f, b), 255);
			if (!w->whole) {
				maybe(&f->cell[b], n, p, unit);
			} else if (sim_arrives(w, b, &first, p)) {
				/* Where it lies is not found in part either. */
				f->cell[b].flags &= ~(uint32_t)(SIM_UNW |
								SIM_UNW_DISK);
				sim_set_medium(&f->cell[b], n);
			}
			sim_drop(n);
		}
		/* An extending write may have moved the size. */
		if (w->offset + w->len > f->size)
			f->size = w->offset + w->len;
		sim_fly_drop(d, i);
	}
}

static void cut_file(struct sim_disk *d, int file, struct sim_pick *p,
		     unsigned int unit)
{
	struct sim_file *f = d->file[file];
	bool quiet = !f->versions && !f->fresh && f->size == f->size_disk;

	for (uint32_t i = 0; quiet && i < f->blocks; i++)
		quiet = !(f->cell[i].flags & ~(uint32_t)SIM_UNW_DISK);
	if (quiet && !f->written)
		return;
	f = sim_change(d, file, 0);
	for (uint32_t v = 0; v < f->versions; v++) {
		maybe(&f->cell[f->version[v].block], f->version[v].content, p,
		      unit);
		sim_drop(f->version[v].content);
	}
	f->versions = 0;
	for (uint32_t i = 0; i < f->blocks; i++) {
		struct sim_cell *c = &f->cell[i];

		if (c->flags & SIM_DIRTY)
			maybe(c, c->page, p, unit);
		sim_set_page(c, NULL, 0);
	}
	f->fresh = f->written = false;
}

/* What only the metadata decides: the size, and what an extent whose
 * conversion was not committed reads as. */
static void cut_metadata(struct sim_disk *d, int file, struct sim_pick *p)
{
	struct sim_file *f = d->file[file];
	bool quiet = f->size == f->size_disk;

	for (uint32_t i = 0; quiet && i < f->blocks; i++)
		quiet = !(f->cell[i].flags & SIM_UNW_DISK);
	if (quiet)
		return;
	f = sim_change(d, file, 0);
	for (uint32_t i = 0; i < f->blocks; i++) {
		struct sim_cell *c = &f->cell[i];

		if (!(c->flags & SIM_UNW_DISK))
			continue;
		if (!(c->flags & SIM_UNW) && c->medium && sim_coin(p)) {
			c->flags &= ~(uint32_t)SIM_UNW_DISK;
		} else {
			c->flags |= SIM_UNW;
			sim_set_medium(c, NULL);
		}
	}
	if (f->size != f->size_disk && !sim_coin(p))
		f->size = f->size_disk;
	f->size_disk = f->size;
	for (uint32_t i = (f->size + SIM_BLOCK - 1) / SIM_BLOCK;
	     i < f->blocks; i++)
		sim_set_medium(&f->cell[i], NULL);
}

void sim_cut(struct sim_disk *d, struct sim_pick *p, unsigned int unit)
{
	bool used[SIM_FILES] = { false };

	for (int i = 0; i < d->ops; i++)
		if (sim_coin(p))
			sim_op_apply(d->name_disk, &d->names_disk, &d->op[i]);
	if (d->dir && !d->dir_disk && !sim_coin(p)) {
		d->dir = false;
		d->names_disk = 0;
	}
	d->dir_disk = d->dir;
	memcpy(d->name, d->name_disk,
	       (size_t)d->names_disk * sizeof(*d->name));
	d->names = d->names_disk;
	d->ops = 0;
	for (int i = 0; i < d->names; i++)
		used[d->name[i].file] = true;
	/* Files without a name are gone, and so are writes to them. */
	for (int i = 0; i < SIM_FLYING; i++)
		if (d->fly[i] && !used[d->fly[i]->file])
			sim_fly_drop(d, i);
	for (int i = 0; i < SIM_FILES; i++) {
		if (!d->file[i] || used[i])
			continue;
		sim_file_free(d->file[i]);
		d->file[i] = NULL;
	}
	cut_writes(d, p, unit);
	for (int i = 0; i < SIM_FILES; i++) {
		if (!d->file[i])
			continue;
		cut_file(d, i, p, unit);
		cut_metadata(d, i, p);
	}
	d->seq = 0;
}

void sim_kill(struct sim_disk *d, struct sim_pick *p)
{
	bool used[SIM_FILES] = { false };
	bool back = sim_coin(p), first = false;

	for (int i = 0; i < SIM_FLYING; i++) {
		const struct sim_fly *w = d->fly[i];

		if (!w)
			continue;
		for (uint32_t b = sim_fly_first(w); b < sim_fly_end(w); b++)
			if (sim_arrives(w, b, &first, p))
				sim_land(d, w, b, w->how);
		sim_fly_drop(d, i);
	}
	/* A file without a name lives as long as a change of the directory
	 * that a cut may undo still knows it. */
	for (int i = 0; i < d->names; i++)
		used[d->name[i].file] = true;
	for (int i = 0; i < d->names_disk; i++)
		used[d->name_disk[i].file] = true;
	for (int i = 0; i < d->ops; i++)
		if (d->op[i].file >= 0)
			used[d->op[i].file] = true;
	for (int i = 0; i < SIM_FILES; i++) {
		struct sim_file *f = d->file[i];

		if (f && !used[i]) {
			sim_file_free(f);
			d->file[i] = NULL;
			continue;
		}
		if (!f)
			continue;
		/* The inode may be dropped from memory and read again: nobody
		 * remembers that it was written to. */
		f = sim_change(d, i, 0);
		f->written = false;
		for (uint32_t b = 0; back && b < f->blocks; b++)
			sim_write_back(d, f, b);
	}
}
