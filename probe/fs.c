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

#include "probe/ask.h"
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

/* The answer's numbers; all 0 where it has none. */
struct numbers {
	uint64_t type, bsize, frsize, blocks, bavail, files;
};

static const char *type_of(uint64_t magic)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (magic == types[i].magic)
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
	jnl_fact_unknown(p, JNL_FS_MOUNT_SOURCE, -ENOENT, source);
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

static int ask_numbers(journal_probe *p, struct numbers *ret_n)
{
	const struct {
		const char *key;
		uint64_t *to;
	} all[] = {
		{ "type", &ret_n->type }, { "bsize", &ret_n->bsize },
		{ "frsize", &ret_n->frsize }, { "blocks", &ret_n->blocks },
		{ "bavail", &ret_n->bavail }, { "files", &ret_n->files },
	};
	char *keys;
	size_t i;
	int ret;

	memset(ret_n, 0, sizeof(*ret_n));
	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "fstatfs", &keys);
	if (ret < 0)
		return ret;
	for (i = 0; ret == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		ret = jnl_key_number(keys, all[i].key, all[i].to);
	free(keys);
	return ret;
}

static void no_numbers(journal_probe *p, int error)
{
	jnl_fact_unknown(p, JNL_FS_BLOCK_SIZE, error, source);
	jnl_fact_unknown(p, JNL_FS_FREE_BYTES, error, source);
}

void jnl_prober_fs(journal_probe *p)
{
	uint64_t block, bytes;
	struct numbers fs;
	int ret;

	ret = ask_numbers(p, &fs);
	if (ret < 0) {
		no_numbers(p, ret);
		return;
	}
	set_type(p, type_of(fs.type));
	/* f_frsize is the file system's own unit; f_bsize is in places only
	 * what it likes to be given at a time.  Old kernels leave the first
	 * one 0. */
	block = fs.frsize ? fs.frsize : fs.bsize;
	if (block == 0 || block > UINT32_MAX) {
		no_numbers(p, -EINVAL);
		return;
	}
	jnl_fact_number(p, JNL_FS_BLOCK_SIZE, JOURNAL_FACT_REPORTED, block,
			source);
	/* All three counts 0: a file system that keeps no account. */
	if ((!fs.blocks && !fs.bavail && !fs.files) ||
	    __builtin_mul_overflow(fs.bavail, block, &bytes))
		jnl_fact_unknown(p, JNL_FS_FREE_BYTES, 0, source);
	else
		jnl_fact_number(p, JNL_FS_FREE_BYTES, JOURNAL_FACT_REPORTED,
				bytes, source);
}
