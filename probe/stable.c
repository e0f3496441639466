/*
 * probe/stable.c - does what is flushed here outlive the power?
 *
 * No for memory, whatever it is dressed as; yes for a file system on a kind of
 * drive that is known to keep what it was told to flush; not known for
 * everything else: the network, FUSE, layers of directories, a loop device
 * (its file may be anywhere), a device of another kind.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

static const char *const memory_types[] = {
	"tmpfs", "ramfs", "devtmpfs", "rootfs", "hugetlbfs",
};

static void set(journal_probe *p, uint64_t stable, const char *source)
{
	jnl_fact_number(p, JNL_FS_STABLE, JOURNAL_FACT_REPORTED, stable,
			source);
}

static void judge_disk(journal_probe *p, const char *kind, const char *source)
{
	if (!strcmp(kind, "zram") || !strcmp(kind, "ram") ||
	    !strcmp(kind, "null"))
		set(p, 0, source);
	else if (strcmp(kind, "loop") && strcmp(kind, "other"))
		set(p, 1, source);
	else
		jnl_fact_unknown(p, JNL_FS_STABLE, 0, source);
}

/*
 * btrfs may span several drives and tells of one, in mountinfo.  A name in
 * /dev is a name in /sys/class/block unless it is somebody's alias: then
 * nothing is known.
 */
static void judge_mount_source(journal_probe *p)
{
	static const char dev[] = "/dev/";
	const char *name = p->mount_source;
	char *file, *line;
	int ret;

	if (!name || strncmp(name, dev, sizeof(dev) - 1) ||
	    strchr(name + sizeof(dev) - 1, '/'))
		return;
	name += sizeof(dev) - 1;
	file = jnl_probe_format(p, "/sys/class/block/%s/dev", name);
	if (!file)
		return;
	ret = jnl_ask_line(p->machine, file, &line);
	if (ret == 0) {
		free(line);
		judge_disk(p, jnl_device_kind(name), file);
	} else {
		jnl_fact_unknown(p, JNL_FS_STABLE, ret, file);
	}
	free(file);
}

void jnl_prober_stable(journal_probe *p)
{
	const char *kind = jnl_fact_text_or(p, JNL_DEVICE_KIND, NULL);
	size_t i;

	for (i = 0; i < sizeof(memory_types) / sizeof(memory_types[0]); i++) {
		if (jnl_fact_is(p, JNL_FS_TYPE, memory_types[i])) {
			set(p, 0, p->facts[JNL_FS_TYPE].source);
			return;
		}
	}
	if (kind)
		judge_disk(p, kind, p->facts[JNL_DEVICE_KIND].source);
	else if (jnl_fact_is(p, JNL_FS_TYPE, "btrfs"))
		judge_mount_source(p);
}
