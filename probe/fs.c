/*
 * probe/fs.c - what the file system says of itself: fstatfs(2).
 *
 * Its magic number also names the type where mountinfo does not, but for
 * those that share one (ext2, ext3 and ext4).  Where the two disagree about a
 * file system with a number of its own, the mountinfo line was another
 * mount's, and everything that came from it becomes unknown again.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe/facts.h"

static const char source[] = "fstatfs(2)";

/* statfs(2), linux/magic.h: ABI. */
static const struct {
	uint32_t magic;
	const char *type;
} types[] = {
	{ 0x58465342, "xfs" },
	{ 0x9123683e, "btrfs" },
	{ 0xf2f52010, "f2fs" },
	{ 0x01021994, "tmpfs" },
	{ 0x858458f6, "ramfs" },
	{ 0x794c7630, "overlay" },
	{ 0x00006969, "nfs" },
};

static const char *type_of(const struct statfs *fs)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if ((uint32_t)fs->f_type == types[i].magic)
			return types[i].type;
	return NULL;
}

/* "nfs4" is nfs; devtmpfs and rootfs are tmpfs or ramfs under other names. */
static bool agrees(const journal_probe *p, const char *type)
{
	const char *said = jnl_fact_text_or(p, JNL_FS_TYPE, "");

	return !strcmp(said, type) ||
	       (!strcmp(type, "nfs") && !strcmp(said, "nfs4")) ||
	       ((!strcmp(type, "tmpfs") || !strcmp(type, "ramfs")) &&
		(!strcmp(said, "devtmpfs") || !strcmp(said, "rootfs")));
}

static void forget_mount(journal_probe *p)
{
	jnl_fact_unknown(p, JNL_FS_MOUNT_POINT, -ENOENT, source);
	jnl_fact_unknown(p, JNL_FS_MOUNT_OPTIONS, -ENOENT, source);
	jnl_fact_unknown(p, JNL_FS_BARRIER, -ENOENT, source);
	free(p->mount_source);
	p->mount_source = NULL;
	free(p->barrier_option);
	p->barrier_option = NULL;
}

static void set_type(journal_probe *p, const char *type)
{
	if (!type || agrees(p, type))
		return;
	if (jnl_fact_known(p, JNL_FS_TYPE))
		forget_mount(p);
	jnl_fact_text(p, JNL_FS_TYPE, JOURNAL_FACT_REPORTED, type, source);
}

/*
 * f_frsize is the file system's own unit; f_bsize is in places only what it
 * likes to be given at a time.  Old kernels leave the first one 0.
 */
static uint64_t unit(const struct statfs *fs)
{
	return fs->f_frsize > 0 ? (uint64_t)fs->f_frsize :
				  (uint64_t)fs->f_bsize;
}

void jnl_prober_fs(journal_probe *p)
{
	uint64_t block, bytes;
	struct statfs fs;
	int ret;

	memset(&fs, 0, sizeof(fs));
	ret = p->sys->fstatfs(p->sys, p->dirfd, &fs);
	if (ret < 0) {
		jnl_fact_unknown(p, JNL_FS_BLOCK_SIZE, ret, source);
		jnl_fact_unknown(p, JNL_FS_FREE_BYTES, ret, source);
		return;
	}
	set_type(p, type_of(&fs));
	block = unit(&fs);
	if (block == 0 || block > UINT32_MAX) {
		jnl_fact_unknown(p, JNL_FS_BLOCK_SIZE, -EINVAL, source);
		jnl_fact_unknown(p, JNL_FS_FREE_BYTES, -EINVAL, source);
		return;
	}
	jnl_fact_number(p, JNL_FS_BLOCK_SIZE, JOURNAL_FACT_REPORTED, block,
			source);
	/* All three counts 0: a file system that keeps no account. */
	if ((!fs.f_blocks && !fs.f_bavail && !fs.f_files) ||
	    __builtin_mul_overflow(fs.f_bavail, block, &bytes))
		jnl_fact_unknown(p, JNL_FS_FREE_BYTES, 0, source);
	else
		jnl_fact_number(p, JNL_FS_FREE_BYTES, JOURNAL_FACT_REPORTED,
				bytes, source);
}
