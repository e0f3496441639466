/*
 * tests/sim/disk-impl.h - what the files of the simulated disk share.
 *
 * Whoever holds a block holds a reference to it.  sim_change() comes before
 * anything that changes a file: it may be another disk's too.
 */
#ifndef JNL_SIM_DISK_IMPL_H
#define JNL_SIM_DISK_IMPL_H

#include "tests/sim/disk.h"

/* ------------------------------------------------------------------------
 * disk-blocks.c
 */

/* Not NULL: without memory there is no test. */
void *sim_must(void *p);

/* NULL, zeros, may be held and dropped too. */
struct sim_block *sim_hold(struct sim_block *b);
void sim_drop(struct sim_block *b);
/* A block of this content, NULL for zeros. */
struct sim_block *sim_block_of(const uint8_t *data);
bool sim_same(struct sim_block *a, struct sim_block *b);

void sim_file_free(struct sim_file *f);
/* The file, its own and large enough for size bytes, to be changed. */
struct sim_file *sim_change(struct sim_disk *d, int file, uint64_t size);
void sim_put_version(struct sim_disk *d, struct sim_file *f, uint32_t block,
		     struct sim_block *content);
void sim_drop_versions(struct sim_file *f, uint32_t block);
void sim_set_page(struct sim_cell *c, struct sim_block *content,
		  uint32_t flags);
void sim_set_medium(struct sim_cell *c, struct sim_block *content);
/* What drive and medium hold, as a direct read sees it. */
struct sim_block *sim_direct_view(const struct sim_file *f, uint32_t block);
struct sim_block *sim_cached_view(const struct sim_file *f, uint32_t block);

/* ------------------------------------------------------------------------
 * disk.c
 */

/* The write in that slot is over, or never was. */
void sim_fly_drop(struct sim_disk *d, int slot);
void sim_op_apply(struct sim_name *name, int *names, const struct sim_op *op);

/* ------------------------------------------------------------------------
 * disk-io.c
 */

void sim_store(struct sim_disk *d, struct sim_file *f, uint32_t block,
	       struct sim_block *content, enum sim_how how);
/* The block as the write would leave it: base with its bytes laid over, of
 * those sectors whose bit is set in mask.  The caller owns the result. */
struct sim_block *sim_overlay(const struct sim_fly *w, uint32_t block,
			      struct sim_block *base, unsigned int mask);
void sim_land(struct sim_disk *d, const struct sim_fly *w, uint32_t block,
	      enum sim_how how);
/* The blocks that a write touches, and the one behind them. */
uint32_t sim_fly_first(const struct sim_fly *w);
uint32_t sim_fly_end(const struct sim_fly *w);
/* Whether the next block of a write arrives; of one that cannot tear all do
 * what the first does. */
bool sim_arrives(const struct sim_fly *w, uint32_t block, bool *first,
		 struct sim_pick *p);
/* A dirty page reaches the drive. */
void sim_write_back(struct sim_disk *d, struct sim_file *f, uint32_t block);

#endif
