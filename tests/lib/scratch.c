/*
 * tests/lib/scratch.c - a directory to work in, and a choice without a probe.
 */
#include "config.h"

#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/lib/drive.h"
#include "tests/lib/scratch.h"

static const struct jnl_method direct = { .name = "direct" };
static const struct jnl_method buffered = { .name = "buffered" };
static const struct jnl_method past = {
	.name = "nvme-flush", .needs = JNL_NEED_PASSTHROUGH,
};

const struct jnl_choice choice_dsync = {
	.method = &direct,
	.way = { .direct = true, .dsync = true },
	.block_size = 4096,
};
const struct jnl_choice choice_flush = {
	.method = &direct,
	.way = { .direct = true },
	.block_size = 4096,
};
const struct jnl_choice choice_nvme = {
	.method = &past,
	.way = { .direct = true, .dsync = true },
	.block_size = 4096,
	.generic = DRIVE_NODE,
	.generic_major = DRIVE_MAJOR,
	.generic_minor = DRIVE_MINOR,
};
const struct jnl_choice choice_buffered = {
	.method = &buffered,
	.block_size = 4096,
};

char *scratch_make(bool on_disk)
{
	const char *base = getenv("TMPDIR");
	struct statfs fs;
	char *path;

	if (!base)
		base = "/var/tmp";
	if (!on_disk && !statfs("/dev/shm", &fs) &&
	    fs.f_type == TMPFS_MAGIC && !access("/dev/shm", W_OK))
		base = "/dev/shm";
	path = scratch_path(base, "journal-test-XXXXXX");
	if (!mkdtemp(path)) {
		perror(path);
		exit(99);
	}
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scratch_remove(char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

char *scratch_path(const char *path, const char *name)
{
	char *p;

	if (asprintf(&p, "%s/%s", path, name) < 0)
		abort();
	return p;
}
