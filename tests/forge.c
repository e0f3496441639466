/*
 * tests/forge.c - damaged and hostile segment files, for the shell tests.
 *
 *   forge batches FILE                  list: offset size lsn durable flags
 *                                       count body_len, one batch a line
 *   forge header FILE NAME=VALUE...     change the segment header; its
 *                                       checksum is made right again
 *   forge batch FILE OFFSET NAME=VALUE...
 *                                       the same for the batch at OFFSET
 *   forge record FILE OFFSET LEN        the length word of the batch's first
 *                                       record, all checksums made right
 *   forge flip FILE BYTE BIT            flip one bit
 *
 * Values are decimal or 0x.  Exit 0, or 2 with a message.
 */
#include "config.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/format.h"

#define SIZE_MAX_BYTES	(64u * 1024 * 1024)

static uint8_t *data;
static uint64_t size;
static int fd;

static void load(const char *path)
{
	struct stat st;

	fd = open(path, O_RDWR);
	if (fd < 0 || fstat(fd, &st) < 0)
		err(2, "%s", path);
	size = (uint64_t)st.st_size;
	if (size < JNL_BLOCK_MIN || size > SIZE_MAX_BYTES)
		errx(2, "%s: unexpected size", path);
	data = malloc(size);
	if (!data || pread(fd, data, size, 0) != (ssize_t)size)
		err(2, "%s", path);
}

static void store(uint64_t offset, uint64_t len)
{
	if (pwrite(fd, data + offset, len, (off_t)offset) != (ssize_t)len)
		err(2, "write");
	if (close(fd) < 0)
		err(2, "close");
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t v = strtoull(text, &end, 0);

	if (!*text || *end)
		errx(2, "not a number: %s", text);
	return v;
}

static struct jnl_segment_header header(void)
{
	struct jnl_segment_header h;

	if (jnl_segment_decode(data, &h) < 0)
		errx(2, "no segment header");
	return h;
}

/* True, and the value, if arg is NAME=VALUE. */
static bool assigned(const char *arg, const char *name, uint64_t *ret_v)
{
	size_t n = strlen(name);

	if (strncmp(arg, name, n) || arg[n] != '=')
		return false;
	*ret_v = number(arg + n + 1);
	return true;
}

static void change_header(int argc, char **argv)
{
	struct jnl_segment_header h = header();
	uint8_t block[JNL_BLOCK_MAX];
	uint64_t v;

	for (int i = 0; i < argc; i++) {
		if (assigned(argv[i], "version", &v))
			h.version = (uint32_t)v;
		else if (assigned(argv[i], "compat", &v))
			h.compat = (uint32_t)v;
		else if (assigned(argv[i], "incompat", &v))
			h.incompat = (uint32_t)v;
		else if (assigned(argv[i], "number", &v))
			h.number = v;
		else if (assigned(argv[i], "segment_size", &v))
			h.segment_size = v;
		else if (assigned(argv[i], "block_size", &v))
			h.block_size = (uint32_t)v;
		else if (assigned(argv[i], "uuid", &v))
			jnl_put64(h.uuid, v);
		else
			errx(2, "unknown field: %s", argv[i]);
	}
	/* The encoder fills a block of the size it is told. */
	v = h.block_size;
	h.block_size = JNL_BLOCK_MIN;
	jnl_segment_encode(block, &h);
	if (v != h.block_size) {
		struct jnl_segment_disk *d = (struct jnl_segment_disk *)block;

		jnl_put32(d->block_size, (uint32_t)v);
		jnl_put64(d->header_sum,
			  jnl_checksum(block, offsetof(struct jnl_segment_disk,
						       header_sum),
				       jnl_seed(h.uuid)));
	}
	memcpy(data, block, sizeof(struct jnl_segment_disk));
	store(0, sizeof(struct jnl_segment_disk));
}

static void list_batches(void)
{
	struct jnl_segment_header h = header();
	uint64_t at = h.block_size;
	struct jnl_batch_header b;

	while (at < size && jnl_batch_decode(data + at, jnl_seed(h.uuid), &b)) {
		uint64_t len = jnl_batch_size(&b, h.block_size);

		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %"
		       PRIu32 " %" PRIu32 " %" PRIu32 "\n", at, len, b.lsn,
		       b.durable, b.flags, b.count, b.body_len);
		at += len;
	}
}

static struct jnl_batch_header batch(uint64_t at)
{
	struct jnl_segment_header h = header();
	struct jnl_batch_header b;

	if (at > size - JNL_BATCH_HEADER ||
	    !jnl_batch_decode(data + at, jnl_seed(h.uuid), &b))
		errx(2, "no batch at %" PRIu64, at);
	return b;
}

static void change_batch(uint64_t at, int argc, char **argv)
{
	struct jnl_segment_header h = header();
	struct jnl_batch_header b = batch(at);
	uint64_t v;

	for (int i = 0; i < argc; i++) {
		if (assigned(argv[i], "lsn", &v))
			b.lsn = v;
		else if (assigned(argv[i], "prev_sum", &v))
			b.prev_sum = v;
		else if (assigned(argv[i], "durable", &v))
			b.durable = v;
		else if (assigned(argv[i], "trim", &v))
			b.trim = v;
		else if (assigned(argv[i], "body_len", &v))
			b.body_len = (uint32_t)v;
		else if (assigned(argv[i], "count", &v))
			b.count = (uint32_t)v;
		else if (assigned(argv[i], "flags", &v))
			b.flags = (uint32_t)v;
		else
			errx(2, "unknown field: %s", argv[i]);
	}
	jnl_batch_encode(data + at, &b, jnl_seed(h.uuid));
	store(at, JNL_BATCH_HEADER);
}

static void change_record(uint64_t at, uint64_t len)
{
	struct jnl_segment_header h = header();
	struct jnl_batch_header b = batch(at);
	uint64_t seed = jnl_seed(h.uuid);

	if (b.body_len < JNL_RECORD_WORD)
		errx(2, "no record in the batch at %" PRIu64, at);
	jnl_put64(data + at + JNL_BATCH_HEADER, len);
	b.body_sum = jnl_checksum(data + at + JNL_BATCH_HEADER, b.body_len,
				  seed);
	jnl_batch_encode(data + at, &b, seed);
	store(at, JNL_BATCH_HEADER + b.body_len);
}

static void flip(uint64_t at, uint64_t bit)
{
	if (at >= size || bit > 7)
		errx(2, "no bit %" PRIu64 " at %" PRIu64, bit, at);
	data[at] ^= (uint8_t)(1u << bit);
	store(at, 1);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (argc == 1) {
		/* Where every program of the tests is run as one. */
		puts("skipped: a tool of the shell tests");
		return 77;
	}
	if (argc > 2)
		load(argv[2]);
	if (!strcmp(what, "batches") && argc == 3)
		list_batches();
	else if (!strcmp(what, "header") && argc > 3)
		change_header(argc - 3, argv + 3);
	else if (!strcmp(what, "batch") && argc > 4)
		change_batch(number(argv[3]), argc - 4, argv + 4);
	else if (!strcmp(what, "record") && argc == 5)
		change_record(number(argv[3]), number(argv[4]));
	else if (!strcmp(what, "flip") && argc == 5)
		flip(number(argv[3]), number(argv[4]));
	else
		errx(2, "see the top of tests/forge.c");
	free(data);
	return 0;
}
