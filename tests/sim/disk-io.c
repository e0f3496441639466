/*
 * tests/sim/disk-io.c - the simulated disk: reads, writes and flushes (see
 * disk.h).
 */
#include "config.h"

#include "tests/sim/disk-impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------
 * Reading and writing
 */

void sim_resize(struct sim_disk *d, int file, uint64_t size)
{
	struct sim_file *f = sim_change(d, file, size);

	for (uint32_t i = (size + SIM_BLOCK - 1) / SIM_BLOCK; i < f->blocks;
	     i++) {
		sim_set_page(&f->cell[i], NULL, 0);
		sim_set_medium(&f->cell[i], NULL);
		sim_drop_versions(f, i);
	}
	f->size = size;
}

void sim_reserve(struct sim_disk *d, int file, uint64_t offset, uint64_t len,
		 bool keep_size)
{
	struct sim_file *f = sim_change(d, file, offset + len);
	uint64_t end = offset + len;

	/* What was written already stays; what lies behind the end of the
	 * file was never written. */
	for (uint64_t i = offset / SIM_BLOCK; i * SIM_BLOCK < end; i++)
		if (i * SIM_BLOCK >= f->size && !sim_cached_view(f, i))
			f->cell[i].flags |= SIM_UNW | SIM_UNW_DISK;
	if (!keep_size && end > f->size)
		f->size = end;
}

void sim_store(struct sim_disk *d, struct sim_file *f, uint32_t block,
	       struct sim_block *content, enum sim_how how)
{
	struct sim_cell *c = &f->cell[block];

	c->flags &= ~(uint32_t)SIM_UNW;
	switch (how) {
	case SIM_TO_PAGE:
		sim_set_page(c, content, SIM_PAGE | SIM_DIRTY);
		return;
	case SIM_TO_DRIVE:
		sim_put_version(d, f, block, content);
		f->written = true;
		break;
	case SIM_TO_MEDIUM:
		sim_drop_versions(f, block);
		sim_set_medium(c, content);
		c->flags &= ~(uint32_t)SIM_UNW_DISK;
		break;
	}
	sim_set_page(c, NULL, 0);
}

struct sim_block *sim_overlay(const struct sim_fly *w, uint32_t block,
			      struct sim_block *base, unsigned int mask)
{
	uint64_t start = (uint64_t)block * SIM_BLOCK;
	uint8_t data[SIM_BLOCK];

	if (base)
		memcpy(data, base->data, SIM_BLOCK);
	else
		memset(data, 0, SIM_BLOCK);
	for (unsigned int i = 0; i < SIM_BLOCK / SIM_SECTOR; i++) {
		uint64_t from = start + i * SIM_SECTOR;
		uint64_t to = from + SIM_SECTOR;

		if (!(mask & 1u << i))
			continue;
		if (from < w->offset)
			from = w->offset;
		if (to > w->offset + w->len)
			to = w->offset + w->len;
		if (from < to)
			memcpy(data + (from - start),
			       w->data + (from - w->offset), to - from);
	}
	return sim_block_of(data);
}

void sim_land(struct sim_disk *d, const struct sim_fly *w, uint32_t block,
	      enum sim_how how)
{
	struct sim_file *f = sim_change(d, w->file, w->offset + w->len);
	struct sim_block *b = sim_overlay(w, block, how == SIM_TO_PAGE ?
					  sim_cached_view(f, block) :
					  sim_direct_view(f, block), 255);
	uint64_t end = (uint64_t)(block + 1) * SIM_BLOCK;

	sim_store(d, f, block, b, how);
	sim_drop(b);
	if (end > w->offset + w->len)
		end = w->offset + w->len;
	if (end > f->size)
		f->size = end;
	if (how == SIM_TO_MEDIUM && end > f->size_disk)
		f->size_disk = end;
}

uint32_t sim_fly_first(const struct sim_fly *w)
{
	return w->offset / SIM_BLOCK;
}

uint32_t sim_fly_end(const struct sim_fly *w)
{
	return (w->offset + w->len + SIM_BLOCK - 1) / SIM_BLOCK;
}

int sim_write_begin(struct sim_disk *d, int file, const void *buf, size_t len,
		    uint64_t offset, enum sim_how how)
{
	int slot = 0;
	struct sim_fly *w = sim_must(malloc(sizeof(*w) + len));

	while (slot < SIM_FLYING && d->fly[slot])
		slot++;
	assert(slot < SIM_FLYING);
	w->refs = 1;
	w->whole = false;
	w->file = file;
	w->how = how;
	w->offset = offset;
	w->len = len;
	memcpy(w->data, buf, len);
	d->fly[slot] = w;
	return slot;
}

void sim_write_whole(struct sim_disk *d, int slot)
{
	d->fly[slot]->whole = true;
}

bool sim_arrives(const struct sim_fly *w, uint32_t block, bool *first,
		 struct sim_pick *p)
{
	if (!w->whole || block == sim_fly_first(w))
		*first = sim_coin(p);
	return *first;
}

void sim_write_end(struct sim_disk *d, int slot)
{
	const struct sim_fly *w = d->fly[slot];

	for (uint32_t b = sim_fly_first(w); b < sim_fly_end(w); b++)
		sim_land(d, w, b, w->how);
	sim_fly_drop(d, slot);
}

void sim_write_fail(struct sim_disk *d, int slot, struct sim_pick *p)
{
	const struct sim_fly *w = d->fly[slot];
	/* Nothing of a write that failed is promised to be on the medium; what
	 * a drive does not tear it does not tear then either (AWUPF). */
	enum sim_how how = w->how == SIM_TO_PAGE ? SIM_TO_PAGE :
			   w->whole ? w->how : SIM_TO_DRIVE;
	bool first = false;

	for (uint32_t b = sim_fly_first(w); b < sim_fly_end(w); b++)
		if (sim_arrives(w, b, &first, p))
			sim_land(d, w, b, how);
	sim_fly_drop(d, slot);
}

void sim_write_back(struct sim_disk *d, struct sim_file *f, uint32_t block)
{
	struct sim_cell *c = &f->cell[block];

	if (!(c->flags & SIM_DIRTY))
		return;
	sim_put_version(d, f, block, c->page);
	c->flags &= ~(uint32_t)SIM_DIRTY;
}

size_t sim_read(struct sim_disk *d, int file, void *buf, size_t len,
		uint64_t offset, bool direct)
{
	struct sim_file *f = d->file[file];
	size_t done = 0;

	if (offset >= f->size)
		return 0;
	if (len > f->size - offset)
		len = f->size - offset;
	while (done < len) {
		uint32_t block = (offset + done) / SIM_BLOCK;
		size_t at = (offset + done) % SIM_BLOCK;
		size_t n = SIM_BLOCK - at < len - done ?
			   SIM_BLOCK - at : len - done;
		struct sim_block *b;

		if (direct && block < f->blocks &&
		    f->cell[block].flags & SIM_DIRTY) {
			f = sim_change(d, file, 0);
			sim_write_back(d, f, block);
			f->written = true;
		}
		b = direct ? sim_direct_view(f, block) :
			     sim_cached_view(f, block);
		if (b)
			memcpy((uint8_t *)buf + done, b->data + at, n);
		else
			memset((uint8_t *)buf + done, 0, n);
		done += n;
	}
	return len;
}

void sim_forget(struct sim_disk *d, int file)
{
	struct sim_file *f = d->file[file];

	for (uint32_t i = 0; i < f->blocks; i++)
		if ((f->cell[i].flags & (SIM_PAGE | SIM_DIRTY)) == SIM_PAGE) {
			f = sim_change(d, file, 0);
			sim_set_page(&f->cell[i], NULL, 0);
		}
}

/* ------------------------------------------------------------------------
 * Flushing
 */

/* What arrived in the drive's cache up to seq is on the medium. */
static void device_flush(struct sim_disk *d, uint64_t seq)
{
	for (int i = 0; i < SIM_FILES; i++) {
		struct sim_file *f = d->file[i];
		uint32_t n = 0;

		if (!f || !f->versions)
			continue;
		f = sim_change(d, i, 0);
		for (uint32_t v = 0; v < f->versions; v++) {
			struct sim_version *ver = &f->version[v];

			if (ver->seq > seq) {
				f->version[n++] = *ver;
				continue;
			}
			sim_set_medium(&f->cell[ver->block], ver->content);
			sim_drop(ver->content);
		}
		f->versions = n;
	}
}

void sim_flush_begin(struct sim_disk *d, int file, struct sim_flush *fl)
{
	struct sim_file *f = d->file[file];

	*fl = (struct sim_flush){ .file = file, .seq = d->seq };
	fl->needed = f->fresh || f->written || f->size != f->size_disk ||
		     d->raw;
	fl->page = sim_must(malloc((f->blocks + 1) * sizeof(*fl->page)));
	for (uint32_t i = 0; i < f->blocks; i++) {
		uint32_t flags = f->cell[i].flags;

		if ((flags & (SIM_UNW | SIM_UNW_DISK)) == SIM_UNW_DISK)
			fl->needed = true;
		if (!(flags & SIM_DIRTY))
			continue;
		fl->needed = true;
		fl->page[fl->pages++] = (struct sim_version){
			.content = sim_hold(f->cell[i].page), .block = i,
		};
	}
}

void sim_flush_drop(struct sim_flush *fl)
{
	for (uint32_t i = 0; i < fl->pages; i++)
		sim_drop(fl->page[i].content);
	free(fl->page);
	fl->page = NULL;
	fl->pages = 0;
}

/* A page reaches the medium by itself, whatever else lies in the cache. */
static void page_out(struct sim_file *f, const struct sim_version *page)
{
	struct sim_cell *c = &f->cell[page->block];

	sim_drop_versions(f, page->block);
	sim_set_medium(c, page->content);
	if (c->page == page->content)
		c->flags &= ~(uint32_t)SIM_DIRTY;
}

static void metadata_out(struct sim_file *f)
{
	f->fresh = false;
	f->size_disk = f->size;
	for (uint32_t i = 0; i < f->blocks; i++)
		if (!(f->cell[i].flags & SIM_UNW))
			f->cell[i].flags &= ~(uint32_t)SIM_UNW_DISK;
}

void sim_device_flush_begin(struct sim_disk *d, uint64_t *ret_seq)
{
	*ret_seq = d->seq;
}

void sim_device_flush_end(struct sim_disk *d, uint64_t seq)
{
	device_flush(d, seq);
}

/* Of what lay in the cache some got through, some is gone, some stays. */
static void lose_versions(struct sim_file *f, uint64_t seq, struct sim_pick *p)
{
	uint32_t n = 0;

	for (uint32_t v = 0; v < f->versions; v++) {
		struct sim_version *ver = &f->version[v];
		unsigned int fate = ver->seq > seq ? 2 : sim_pick(p, 3);

		if (fate == 2) {
			f->version[n++] = *ver;
			continue;
		}
		if (fate == 1)
			sim_set_medium(&f->cell[ver->block], ver->content);
		sim_drop(ver->content);
	}
	f->versions = n;
}

void sim_device_flush_fail(struct sim_disk *d, uint64_t seq,
			   struct sim_pick *p)
{
	for (int i = 0; i < SIM_FILES; i++)
		if (d->file[i] && d->file[i]->versions)
			lose_versions(sim_change(d, i, 0), seq, p);
}

void sim_move(struct sim_disk *d, int file)
{
	struct sim_file *f = sim_change(d, file, 0);

	for (uint32_t i = 1; i < f->blocks; i++)
		if (!sim_cached_view(f, i))
			f->cell[i].flags |= SIM_UNW_DISK;
}

void sim_flush_end_unflushed(struct sim_disk *d, struct sim_flush *fl)
{
	if (fl->needed) {
		struct sim_file *f = sim_change(d, fl->file, 0);

		for (uint32_t i = 0; i < fl->pages; i++)
			page_out(f, &fl->page[i]);
		metadata_out(f);
		f->written = false;
	}
	sim_flush_drop(fl);
}

void sim_flush_end(struct sim_disk *d, struct sim_flush *fl)
{
	bool needed = fl->needed;
	int file = fl->file;
	uint64_t seq = fl->seq;

	sim_flush_end_unflushed(d, fl);
	if (needed)
		device_flush(d, seq);
	/* Direct writes that completed since it began still need one. */
	if (needed && d->file[file]->versions)
		sim_change(d, file, 0)->written = true;
}

void sim_flush_fail(struct sim_disk *d, struct sim_flush *fl,
		    struct sim_pick *p)
{
	struct sim_file *f = sim_change(d, fl->file, 0);

	for (uint32_t i = 0; i < fl->pages; i++) {
		struct sim_cell *c = &f->cell[fl->page[i].block];

		if (sim_coin(p))
			page_out(f, &fl->page[i]);
		else if (c->page == fl->page[i].content)
			c->flags &= ~(uint32_t)SIM_DIRTY;
	}
	lose_versions(f, fl->seq, p);
	f->written = false;
	f->failures++;
	sim_flush_drop(fl);
}
