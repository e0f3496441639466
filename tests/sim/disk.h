/*
 * tests/sim/disk.h - a simulated disk and file system that can lose power.
 *
 * One directory, SIM_DIR, with files of 4096-byte blocks; or, in its place, a
 * block device, which is one file that always was there.  For every block it
 * knows what the medium holds, which versions lie in the drive's volatile
 * cache, and a cached page, dirty or clean; for every file its size and which
 * of its extents are unwritten, in memory and on the medium; and which changes
 * of the directory an fsync of it has not yet covered.
 *
 *   - A direct write is in the drive's cache when it completes, with DSYNC on
 *     the medium; DSYNC (one FUA command) flushes nothing else.
 *   - A buffered write changes pages.  fsync of a file brings its dirty pages
 *     and its metadata to the medium and then flushes the device; without
 *     anything to bring, in particular for whoever opened the file after the
 *     writes of another process, it does nothing at all.
 *   - A device flush makes durable what was in the cache when it began.
 *   - fsync of the block device flushes it whether there is anything to bring
 *     or not.
 *   - A flush that fails leaves pages cached and clean, on the medium or not,
 *     and is reported once for each open file.
 *   - A power cut keeps of every block any version that was not yet durable,
 *     or none, or with 512-byte units a mixture; of the pending changes of the
 *     directory any subset.
 *   - The kill of a process keeps caches and directory as they are; its writes
 *     in flight land or not, block by block.
 *
 * A disk is a value: sim_disk_clone() costs a few hundred bytes, because files
 * are shared until one changes, and so a crash can be tried at every step
 * without running anything again.
 */
#ifndef JNL_SIM_DISK_H
#define JNL_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_BLOCK	4096u
#define SIM_SECTOR	512u
#define SIM_DIR		"/j"
#define SIM_FILES	96	/* files, of which many have lost their names */
#define SIM_NAMES	72
#define SIM_OPS		64
#define SIM_FLYING	72
#define SIM_NAME	40

/* ------------------------------------------------------------------------
 * Choices: drawn by a seed, or all of them one after the other.
 */

struct sim_pick {
	bool exhaustive;
	uint64_t state;		/* drawn: the generator */
	unsigned int bias;	/* drawn: of 256 binary choices so many are 1 */
	unsigned int pos, len;	/* exhaustive: an odometer */
	bool overflow;		/* exhaustive: more digits than there is room */
	uint16_t digit[64], radix[64];
};

void sim_pick_seed(struct sim_pick *p, uint64_t seed);
void sim_pick_all(struct sim_pick *p);
/* The next combination of an exhaustive one; false after the last. */
bool sim_pick_next(struct sim_pick *p);
/* A number below n (at least 1). */
unsigned int sim_pick(struct sim_pick *p, unsigned int n);
bool sim_coin(struct sim_pick *p);
uint64_t sim_random(struct sim_pick *p);

/* ------------------------------------------------------------------------
 * State
 */

/* The content of one block, immutable and shared.  NULL stands for zeros. */
struct sim_block {
	uint32_t refs;
	uint64_t hash;		/* 0: not computed yet */
	uint8_t data[SIM_BLOCK];
};

enum sim_cell_flags {
	SIM_PAGE	= 1,	/* page is cached */
	SIM_DIRTY	= 2,	/* and newer than drive and medium */
	SIM_UNW		= 4,	/* the extent is unwritten: reads as zeros */
	SIM_UNW_DISK	= 8,	/* so it says on the medium */
};

struct sim_cell {
	struct sim_block *medium, *page;
	uint32_t flags;
};

/* A version in the drive's cache. */
struct sim_version {
	struct sim_block *content;
	uint32_t block;
	uint64_t seq;		/* when it arrived there */
};

struct sim_file {
	uint32_t refs;
	uint32_t blocks;	/* cells */
	uint64_t size, size_disk;
	bool fresh;		/* the inode is not on the medium */
	bool written;		/* past the cache since the last fsync */
	uint32_t failures;	/* flushes that failed */
	struct sim_cell *cell;
	struct sim_version *version;
	uint32_t versions, version_room;
};

struct sim_name {
	char name[SIM_NAME];
	int file;
};

enum sim_op_kind { SIM_LINK, SIM_UNLINK, SIM_RENAME };

struct sim_op {
	enum sim_op_kind kind;
	int file;
	char name[SIM_NAME], from[SIM_NAME];
};

enum sim_how {
	SIM_TO_PAGE,		/* buffered */
	SIM_TO_DRIVE,		/* direct */
	SIM_TO_MEDIUM,		/* direct, DSYNC */
};

/* A write that was begun. */
struct sim_fly {
	uint32_t refs;
	bool whole;		/* cannot tear: all of it, or nothing */
	int file;
	enum sim_how how;
	uint64_t offset;
	size_t len;
	uint8_t data[];
};

struct sim_disk {
	struct sim_file *file[SIM_FILES];
	struct sim_name name[SIM_NAMES], name_disk[SIM_NAMES];
	int names, names_disk;
	struct sim_op op[SIM_OPS];
	int ops;
	bool dir, dir_disk;
	bool raw;		/* SIM_DIR is a block device */
	struct sim_fly *fly[SIM_FLYING];
	uint64_t seq;
};

#define SIM_DEVICE	"device"	/* the file that it is */

struct sim_disk *sim_disk_new(void);
/* A blank block device of so many bytes. */
struct sim_disk *sim_device_new(uint64_t size);
struct sim_disk *sim_disk_clone(const struct sim_disk *d);
void sim_disk_free(struct sim_disk *d);

/* ------------------------------------------------------------------------
 * What a running system does
 */

/* The file of that name as everybody sees it now, or -1. */
int sim_lookup(const struct sim_disk *d, const char *name);
int sim_create(struct sim_disk *d, const char *name);
void sim_unlink(struct sim_disk *d, const char *name);
void sim_rename(struct sim_disk *d, const char *from, const char *to);
void sim_dirsync(struct sim_disk *d);
void sim_resize(struct sim_disk *d, int file, uint64_t size);
void sim_reserve(struct sim_disk *d, int file, uint64_t offset, uint64_t len,
		 bool keep_size);

/* Returns the slot of the write in flight. */
int sim_write_begin(struct sim_disk *d, int file, const void *buf, size_t len,
		    uint64_t offset, enum sim_how how);
/* The drive is asked not to tear it: with power cuts, kills and failures. */
void sim_write_whole(struct sim_disk *d, int slot);
void sim_write_end(struct sim_disk *d, int slot);
/* It fails: any of its blocks may have arrived. */
void sim_write_fail(struct sim_disk *d, int slot, struct sim_pick *p);

/* fsync or fdatasync of a file, from its beginning to its end. */
struct sim_flush {
	int file;
	bool needed;
	uint64_t seq;
	uint32_t pages;
	struct sim_version *page;
};

void sim_flush_begin(struct sim_disk *d, int file, struct sim_flush *f);
void sim_flush_end(struct sim_disk *d, struct sim_flush *f);
/* Pages and metadata reach the medium, but the device is not flushed. */
void sim_flush_end_unflushed(struct sim_disk *d, struct sim_flush *f);
void sim_flush_fail(struct sim_disk *d, struct sim_flush *f,
		    struct sim_pick *p);
/* It never happened: of a process that was killed. */
void sim_flush_drop(struct sim_flush *f);

/* A flush of the drive that is sent past the file system. */
void sim_device_flush_begin(struct sim_disk *d, uint64_t *ret_seq);
void sim_device_flush_end(struct sim_disk *d, uint64_t seq);
void sim_device_flush_fail(struct sim_disk *d, uint64_t seq,
			   struct sim_pick *p);

/*
 * The file's blocks that hold zeros, but for the first, are moved elsewhere by
 * somebody, and the file system has not committed that: after a cut the old
 * place may be what is found.
 */
void sim_move(struct sim_disk *d, int file);

size_t sim_read(struct sim_disk *d, int file, void *buf, size_t len,
		uint64_t offset, bool direct);
/* Drop clean pages. */
void sim_forget(struct sim_disk *d, int file);

/* ------------------------------------------------------------------------
 * What a crash leaves; both change d itself.
 */

void sim_cut(struct sim_disk *d, struct sim_pick *p, unsigned int unit);
void sim_kill(struct sim_disk *d, struct sim_pick *p);

/* Identifies the content of the medium and, while there are any, of caches
 * and pending changes.  The lock file, or note, does not count, nor do the
 * figures, which hold clocks. */
uint64_t sim_disk_hash(const struct sim_disk *d);

/* How much a power cut could take: files that wait for a flush, above all. */
unsigned int sim_disk_pending(const struct sim_disk *d);

/* For damage: change the medium behind everybody's back. */
const uint8_t *sim_peek(const struct sim_disk *d, int file, uint32_t block);
void sim_poke(struct sim_disk *d, int file, uint32_t block,
	      const uint8_t *data);

#endif
