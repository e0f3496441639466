/*
 * tests/sim/disk.c - the simulated disk (see disk.h).
 *
 * Blocks and files are counted references; a file is copied before its first
 * change when another disk shares it.  Everything runs in one thread.
 */
#include "config.h"

#include "tests/sim/disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "journal/raw-format.h"

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ------------------------------------------------------------------------
 * Blocks and files
 */

static struct sim_block *hold(struct sim_block *b)
{
	if (b)
		b->refs++;
	return b;
}

static void drop(struct sim_block *b)
{
	if (b && !--b->refs)
		free(b);
}

/* A block of this content, NULL for zeros. */
static struct sim_block *block_of(const uint8_t *data)
{
	struct sim_block *b;

	if (jnl_is_zero(data, SIM_BLOCK))
		return NULL;
	b = must(malloc(sizeof(*b)));
	b->refs = 1;
	b->hash = 0;
	memcpy(b->data, data, SIM_BLOCK);
	return b;
}

static uint64_t block_hash(struct sim_block *b)
{
	if (!b)
		return 1;
	if (!b->hash)
		b->hash = jnl_checksum(b->data, SIM_BLOCK, 7) | 2;
	return b->hash;
}

static bool same(struct sim_block *a, struct sim_block *b)
{
	return a == b || (a && b && !memcmp(a->data, b->data, SIM_BLOCK));
}

static void file_free(struct sim_file *f)
{
	if (!f || --f->refs)
		return;
	for (uint32_t i = 0; i < f->blocks; i++) {
		drop(f->cell[i].medium);
		drop(f->cell[i].page);
	}
	for (uint32_t i = 0; i < f->versions; i++)
		drop(f->version[i].content);
	free(f->cell);
	free(f->version);
	free(f);
}

static struct sim_file *file_copy(const struct sim_file *f)
{
	struct sim_file *n = must(malloc(sizeof(*n)));

	*n = *f;
	n->refs = 1;
	n->cell = must(malloc((f->blocks + !f->blocks) * sizeof(*n->cell)));
	for (uint32_t i = 0; i < f->blocks; i++) {
		n->cell[i] = f->cell[i];
		hold(n->cell[i].medium);
		hold(n->cell[i].page);
	}
	n->version = NULL;
	n->version_room = f->versions;
	if (f->versions) {
		n->version = must(malloc(f->versions * sizeof(*n->version)));
		memcpy(n->version, f->version,
		       f->versions * sizeof(*n->version));
	}
	for (uint32_t i = 0; i < f->versions; i++)
		hold(n->version[i].content);
	return n;
}

/* The file, its own and large enough for size bytes, to be changed. */
static struct sim_file *change(struct sim_disk *d, int file, uint64_t size)
{
	struct sim_file *f = d->file[file];
	uint32_t blocks = (size + SIM_BLOCK - 1) / SIM_BLOCK;

	if (f->refs > 1) {
		d->file[file] = file_copy(f);
		f->refs--;
		f = d->file[file];
	}
	if (blocks > f->blocks) {
		f->cell = must(realloc(f->cell, blocks * sizeof(*f->cell)));
		memset(f->cell + f->blocks, 0,
		       (blocks - f->blocks) * sizeof(*f->cell));
		f->blocks = blocks;
	}
	return f;
}

static void put_version(struct sim_disk *d, struct sim_file *f, uint32_t block,
			struct sim_block *content)
{
	if (f->versions == f->version_room) {
		f->version_room = f->version_room * 2 + 4;
		f->version = must(realloc(f->version, f->version_room *
					  sizeof(*f->version)));
	}
	f->version[f->versions++] = (struct sim_version){
		.content = hold(content), .block = block, .seq = ++d->seq,
	};
}

static void drop_versions(struct sim_file *f, uint32_t block)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->versions; i++) {
		if (f->version[i].block == block)
			drop(f->version[i].content);
		else
			f->version[n++] = f->version[i];
	}
	f->versions = n;
}

static void set_page(struct sim_cell *c, struct sim_block *content,
		     uint32_t flags)
{
	hold(content);
	drop(c->page);
	c->page = content;
	c->flags = (c->flags & ~(uint32_t)(SIM_PAGE | SIM_DIRTY)) | flags;
}

static void set_medium(struct sim_cell *c, struct sim_block *content)
{
	hold(content);
	drop(c->medium);
	c->medium = content;
}

/* What drive and medium hold, as a direct read sees it. */
static struct sim_block *direct_view(const struct sim_file *f, uint32_t block)
{
	if (block >= f->blocks || f->cell[block].flags & SIM_UNW)
		return NULL;
	for (uint32_t i = f->versions; i--; )
		if (f->version[i].block == block)
			return f->version[i].content;
	return f->cell[block].medium;
}

static struct sim_block *cached_view(const struct sim_file *f, uint32_t block)
{
	if (block < f->blocks && f->cell[block].flags & SIM_PAGE)
		return f->cell[block].page;
	return direct_view(f, block);
}

/* ------------------------------------------------------------------------
 * Disks
 */

struct sim_disk *sim_disk_new(void)
{
	return must(calloc(1, sizeof(struct sim_disk)));
}

struct sim_disk *sim_disk_clone(const struct sim_disk *d)
{
	struct sim_disk *n = must(malloc(sizeof(*n)));

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

static void fly_drop(struct sim_disk *d, int slot)
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
		file_free(d->file[i]);
	for (int i = 0; i < SIM_FLYING; i++)
		fly_drop(d, i);
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

static void op_apply(struct sim_name *name, int *names,
		     const struct sim_op *op)
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
	op_apply(d->name, &d->names, op);
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
	d->file[i] = must(calloc(1, sizeof(struct sim_file)));
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
 * Reading and writing
 */

void sim_resize(struct sim_disk *d, int file, uint64_t size)
{
	struct sim_file *f = change(d, file, size);

	for (uint32_t i = (size + SIM_BLOCK - 1) / SIM_BLOCK; i < f->blocks;
	     i++) {
		set_page(&f->cell[i], NULL, 0);
		set_medium(&f->cell[i], NULL);
		drop_versions(f, i);
	}
	f->size = size;
}

void sim_reserve(struct sim_disk *d, int file, uint64_t offset, uint64_t len,
		 bool keep_size)
{
	struct sim_file *f = change(d, file, offset + len);
	uint64_t end = offset + len;

	/* What was written already stays; what lies behind the end of the
	 * file was never written. */
	for (uint64_t i = offset / SIM_BLOCK; i * SIM_BLOCK < end; i++)
		if (i * SIM_BLOCK >= f->size && !cached_view(f, i))
			f->cell[i].flags |= SIM_UNW | SIM_UNW_DISK;
	if (!keep_size && end > f->size)
		f->size = end;
}

static void store(struct sim_disk *d, struct sim_file *f, uint32_t block,
		  struct sim_block *content, enum sim_how how)
{
	struct sim_cell *c = &f->cell[block];

	c->flags &= ~(uint32_t)SIM_UNW;
	switch (how) {
	case SIM_TO_PAGE:
		set_page(c, content, SIM_PAGE | SIM_DIRTY);
		return;
	case SIM_TO_DRIVE:
		put_version(d, f, block, content);
		f->written = true;
		break;
	case SIM_TO_MEDIUM:
		drop_versions(f, block);
		set_medium(c, content);
		c->flags &= ~(uint32_t)SIM_UNW_DISK;
		break;
	}
	set_page(c, NULL, 0);
}

/* The block as the write would leave it: base with its bytes laid over, of
 * those sectors whose bit is set in mask.  The caller owns the result. */
static struct sim_block *overlay(const struct sim_fly *w, uint32_t block,
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
	return block_of(data);
}

static void land(struct sim_disk *d, const struct sim_fly *w, uint32_t block,
		 enum sim_how how)
{
	struct sim_file *f = change(d, w->file, w->offset + w->len);
	struct sim_block *b = overlay(w, block, how == SIM_TO_PAGE ?
				      cached_view(f, block) :
				      direct_view(f, block), 255);
	uint64_t end = (uint64_t)(block + 1) * SIM_BLOCK;

	store(d, f, block, b, how);
	drop(b);
	if (end > w->offset + w->len)
		end = w->offset + w->len;
	if (end > f->size)
		f->size = end;
	if (how == SIM_TO_MEDIUM && end > f->size_disk)
		f->size_disk = end;
}

static uint32_t fly_first(const struct sim_fly *w)
{
	return w->offset / SIM_BLOCK;
}

static uint32_t fly_end(const struct sim_fly *w)
{
	return (w->offset + w->len + SIM_BLOCK - 1) / SIM_BLOCK;
}

int sim_write_begin(struct sim_disk *d, int file, const void *buf, size_t len,
		    uint64_t offset, enum sim_how how)
{
	int slot = 0;
	struct sim_fly *w = must(malloc(sizeof(*w) + len));

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

/* Whether the next block of a write arrives; of one that cannot tear all do
 * what the first does. */
static bool arrives(const struct sim_fly *w, uint32_t block, bool *first,
		    struct sim_pick *p)
{
	if (!w->whole || block == fly_first(w))
		*first = sim_coin(p);
	return *first;
}

void sim_write_end(struct sim_disk *d, int slot)
{
	const struct sim_fly *w = d->fly[slot];

	for (uint32_t b = fly_first(w); b < fly_end(w); b++)
		land(d, w, b, w->how);
	fly_drop(d, slot);
}

void sim_write_fail(struct sim_disk *d, int slot, struct sim_pick *p)
{
	const struct sim_fly *w = d->fly[slot];
	/* Nothing of a write that failed is promised to be on the medium; what
	 * a drive does not tear it does not tear then either (AWUPF). */
	enum sim_how how = w->how == SIM_TO_PAGE ? SIM_TO_PAGE :
			   w->whole ? w->how : SIM_TO_DRIVE;
	bool first = false;

	for (uint32_t b = fly_first(w); b < fly_end(w); b++)
		if (arrives(w, b, &first, p))
			land(d, w, b, how);
	fly_drop(d, slot);
}

static void write_back(struct sim_disk *d, struct sim_file *f, uint32_t block)
{
	struct sim_cell *c = &f->cell[block];

	if (!(c->flags & SIM_DIRTY))
		return;
	put_version(d, f, block, c->page);
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
			f = change(d, file, 0);
			write_back(d, f, block);
			f->written = true;
		}
		b = direct ? direct_view(f, block) : cached_view(f, block);
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
			f = change(d, file, 0);
			set_page(&f->cell[i], NULL, 0);
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
		f = change(d, i, 0);
		for (uint32_t v = 0; v < f->versions; v++) {
			struct sim_version *ver = &f->version[v];

			if (ver->seq > seq) {
				f->version[n++] = *ver;
				continue;
			}
			set_medium(&f->cell[ver->block], ver->content);
			drop(ver->content);
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
	fl->page = must(malloc((f->blocks + 1) * sizeof(*fl->page)));
	for (uint32_t i = 0; i < f->blocks; i++) {
		uint32_t flags = f->cell[i].flags;

		if ((flags & (SIM_UNW | SIM_UNW_DISK)) == SIM_UNW_DISK)
			fl->needed = true;
		if (!(flags & SIM_DIRTY))
			continue;
		fl->needed = true;
		fl->page[fl->pages++] = (struct sim_version){
			.content = hold(f->cell[i].page), .block = i,
		};
	}
}

void sim_flush_drop(struct sim_flush *fl)
{
	for (uint32_t i = 0; i < fl->pages; i++)
		drop(fl->page[i].content);
	free(fl->page);
	fl->page = NULL;
	fl->pages = 0;
}

/* A page reaches the medium by itself, whatever else lies in the cache. */
static void page_out(struct sim_file *f, const struct sim_version *page)
{
	struct sim_cell *c = &f->cell[page->block];

	drop_versions(f, page->block);
	set_medium(c, page->content);
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
			set_medium(&f->cell[ver->block], ver->content);
		drop(ver->content);
	}
	f->versions = n;
}

void sim_device_flush_fail(struct sim_disk *d, uint64_t seq,
			   struct sim_pick *p)
{
	for (int i = 0; i < SIM_FILES; i++)
		if (d->file[i] && d->file[i]->versions)
			lose_versions(change(d, i, 0), seq, p);
}

void sim_move(struct sim_disk *d, int file)
{
	struct sim_file *f = change(d, file, 0);

	for (uint32_t i = 1; i < f->blocks; i++)
		if (!cached_view(f, i))
			f->cell[i].flags |= SIM_UNW_DISK;
}

void sim_flush_end_unflushed(struct sim_disk *d, struct sim_flush *fl)
{
	if (fl->needed) {
		struct sim_file *f = change(d, fl->file, 0);

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
		change(d, file, 0)->written = true;
}

void sim_flush_fail(struct sim_disk *d, struct sim_flush *fl,
		    struct sim_pick *p)
{
	struct sim_file *f = change(d, fl->file, 0);

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

/* ------------------------------------------------------------------------
 * Crashes
 */

/* A candidate for the block: it stays away, arrives, or arrives in part. */
static void maybe(struct sim_cell *c, struct sim_block *content,
		  struct sim_pick *p, unsigned int unit)
{
	struct sim_fly *torn;
	struct sim_block *b;

	if (same(c->medium, content) || !sim_coin(p))
		return;
	if (unit == SIM_BLOCK || p->exhaustive || sim_pick(p, 3)) {
		set_medium(c, content);
		return;
	}
	torn = must(calloc(1, sizeof(*torn) + SIM_BLOCK));
	torn->len = SIM_BLOCK;
	if (content)
		memcpy(torn->data, content->data, SIM_BLOCK);
	b = overlay(torn, 0, c->medium, sim_pick(p, 256));
	set_medium(c, b);
	drop(b);
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
		f = change(d, w->file, w->offset + w->len);
		for (uint32_t b = fly_first(w); b < fly_end(w); b++) {
			struct sim_block *n;

			/* The page, if there is one, holds what the write is
			 * laid over; its blocks may arrive with it. */
			n = overlay(w, b, cached_view(f, b), 255);
			if (!w->whole) {
				maybe(&f->cell[b], n, p, unit);
			} else if (arrives(w, b, &first, p)) {
				/* Where it lies is not found in part either. */
				f->cell[b].flags &= ~(uint32_t)(SIM_UNW |
								SIM_UNW_DISK);
				set_medium(&f->cell[b], n);
			}
			drop(n);
		}
		/* An extending write may have moved the size. */
		if (w->offset + w->len > f->size)
			f->size = w->offset + w->len;
		fly_drop(d, i);
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
	f = change(d, file, 0);
	for (uint32_t v = 0; v < f->versions; v++) {
		maybe(&f->cell[f->version[v].block], f->version[v].content, p,
		      unit);
		drop(f->version[v].content);
	}
	f->versions = 0;
	for (uint32_t i = 0; i < f->blocks; i++) {
		struct sim_cell *c = &f->cell[i];

		if (c->flags & SIM_DIRTY)
			maybe(c, c->page, p, unit);
		set_page(c, NULL, 0);
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
	f = change(d, file, 0);
	for (uint32_t i = 0; i < f->blocks; i++) {
		struct sim_cell *c = &f->cell[i];

		if (!(c->flags & SIM_UNW_DISK))
			continue;
		if (!(c->flags & SIM_UNW) && c->medium && sim_coin(p)) {
			c->flags &= ~(uint32_t)SIM_UNW_DISK;
		} else {
			c->flags |= SIM_UNW;
			set_medium(c, NULL);
		}
	}
	if (f->size != f->size_disk && !sim_coin(p))
		f->size = f->size_disk;
	f->size_disk = f->size;
	for (uint32_t i = (f->size + SIM_BLOCK - 1) / SIM_BLOCK;
	     i < f->blocks; i++)
		set_medium(&f->cell[i], NULL);
}

void sim_cut(struct sim_disk *d, struct sim_pick *p, unsigned int unit)
{
	bool used[SIM_FILES] = { false };

	for (int i = 0; i < d->ops; i++)
		if (sim_coin(p))
			op_apply(d->name_disk, &d->names_disk, &d->op[i]);
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
			fly_drop(d, i);
	for (int i = 0; i < SIM_FILES; i++) {
		if (!d->file[i] || used[i])
			continue;
		file_free(d->file[i]);
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
		for (uint32_t b = fly_first(w); b < fly_end(w); b++)
			if (arrives(w, b, &first, p))
				land(d, w, b, w->how);
		fly_drop(d, i);
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
			file_free(f);
			d->file[i] = NULL;
			continue;
		}
		if (!f)
			continue;
		/* The inode may be dropped from memory and read again: nobody
		 * remembers that it was written to. */
		f = change(d, i, 0);
		f->written = false;
		for (uint32_t b = 0; back && b < f->blocks; b++)
			write_back(d, f, b);
	}
}

/* ------------------------------------------------------------------------
 * Looking at it, damaging it
 */

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
			if (f->version[v].block < JNL_RAW_FIRST_SLOT / SIM_BLOCK)
				n += 1000;
		n += blocks ? 100 + blocks : 0;
	}
	return n;
}

const uint8_t *sim_peek(const struct sim_disk *d, int file, uint32_t block)
{
	static const uint8_t zeros[SIM_BLOCK];
	struct sim_block *b = direct_view(d->file[file], block);

	return b ? b->data : zeros;
}

void sim_poke(struct sim_disk *d, int file, uint32_t block,
	      const uint8_t *data)
{
	struct sim_file *f = change(d, file, (uint64_t)(block + 1) * SIM_BLOCK);
	struct sim_block *b = block_of(data);

	store(d, f, block, b, SIM_TO_MEDIUM);
	drop(b);
}
