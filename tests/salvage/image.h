/*
 * tests/salvage/image.h - journals as bytes in memory, to be damaged.
 */
#ifndef TESTS_SALVAGE_IMAGE_H
#define TESTS_SALVAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/core.h"

#define IMAGE_SEGMENT	65536u
#define IMAGE_BLOCK	4096u
#define IMAGE_FILES	12

struct image_file {
	uint64_t number;
	size_t size;		/* may be what a damaged file has */
	uint8_t data[IMAGE_SEGMENT + IMAGE_BLOCK];
};

/* One batch of the journal's chain, as it was before the damage. */
struct image_batch {
	uint64_t lsn, end;	/* of its blocks, not of what it stands for */
	uint64_t prev_end;	/* of the batch before it */
	uint64_t durable, trim;
	uint32_t flags, count, body_len;
	/* Given to whoever damages it. */
	bool damaged;
};

struct image {
	struct image_file file[IMAGE_FILES];
	int files;
	uint64_t seed;
};

/* Read the segments of a journal; its directory may stay in use. */
void image_load(struct image *im, const char *dir);
/* Make dir hold exactly these segments. */
void image_store(const struct image *im, const char *dir);
struct image_file *image_find(struct image *im, uint64_t number);
void image_remove(struct image *im, uint64_t number);
/* The bytes at lsn. */
uint8_t *image_at(struct image *im, uint64_t lsn);

/* The chain from the oldest segment on; how many. */
int image_chain(struct image *im, struct image_batch *batch, int max);

/* Remove every file in dir. */
void image_clear(const char *dir);


/*
 * A journal in path that is written to, one commit at a time; and a record of
 * len bytes put into it, data or, if that is NULL, noise.  Its LSN.
 */
journal *image_open(const char *path);
uint64_t image_put(journal *j, size_t len, const uint8_t *data);

#endif
