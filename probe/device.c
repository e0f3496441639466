/*
 * probe/device.c - the drive under the file system, by sysfs.
 *
 * See Documentation/ABI/stable/sysfs-block in the kernel.  A partition has no
 * queue of its own: its disk is the directory above it, found by following the
 * link in /sys/dev/block and then "..", never by cutting a name.  A file
 * system that is on no single block device has an anonymous device number
 * (major 0): all facts here stay unknown then.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

/* Above this a size is a mistake. */
#define BLOCK_SANE_MAX	(1u << 30)

static const struct {
	const char *prefix;
	const char *kind;
} kinds[] = {
	{ "nvme", "nvme" },
	{ "sd", "scsi" },
	{ "sr", "scsi" },
	{ "vd", "virtio" },
	{ "xvd", "xen" },
	{ "mmcblk", "mmc" },
	{ "pmem", "pmem" },
	{ "loop", "loop" },
	{ "dm-", "dm" },
	{ "md", "md" },
	{ "zram", "zram" },
	{ "ram", "ram" },
	{ "nullb", "null" },
};

const char *jnl_device_kind(const char *disk)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strncmp(disk, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].kind;
	return "other";
}

/* The kernel's name of a device: DEVNAME in its uevent file. */
static int devname(journal_probe *p, const char *file, char **ret_name)
{
	static const char key[] = "DEVNAME=";
	char *text, *at, *end;
	int ret;

	ret = jnl_ask_text(p->machine, JNL_ASK_FILE, file, 65536, &text);
	if (ret < 0)
		return ret;
	ret = -EINVAL;
	for (at = text; at; at = end ? end + 1 : NULL) {
		end = strchr(at, '\n');
		if (strncmp(at, key, sizeof(key) - 1))
			continue;
		at += sizeof(key) - 1;
		if (end)
			*end = '\0';
		if (*at) {
			*ret_name = jnl_probe_strdup(p, at);
			ret = *ret_name ? 0 : -ENOMEM;
		}
		break;
	}
	free(text);
	return ret;
}

static void set_names(journal_probe *p, const char *dir, const char *disk_dir)
{
	char file[128], *name;
	int ret;

	snprintf(file, sizeof(file), "%s/uevent", dir);
	ret = devname(p, file, &name);
	if (ret == 0) {
		jnl_fact_text(p, JNL_DEVICE_NAME, JOURNAL_FACT_REPORTED, name,
			      file);
		free(name);
	} else {
		jnl_fact_unknown(p, JNL_DEVICE_NAME, ret, file);
	}
	snprintf(file, sizeof(file), "%s/uevent", disk_dir);
	ret = devname(p, file, &p->disk);
	if (ret == 0)
		jnl_fact_text(p, JNL_DEVICE_KIND, JOURNAL_FACT_REPORTED,
			      jnl_device_kind(p->disk), file);
	else
		jnl_fact_unknown(p, JNL_DEVICE_KIND, ret, file);
}

static void set_write_cache(journal_probe *p, const char *disk_dir)
{
	char file[128], *line;
	int ret;

	snprintf(file, sizeof(file), "%s/queue/write_cache", disk_dir);
	ret = jnl_ask_line(p->machine, file, &line);
	if (ret < 0) {
		jnl_fact_unknown(p, JNL_DEVICE_WRITE_CACHE, ret, file);
		return;
	}
	if (!strcmp(line, "write back") || !strcmp(line, "write through"))
		jnl_fact_text(p, JNL_DEVICE_WRITE_CACHE, JOURNAL_FACT_REPORTED,
			      line, file);
	else
		jnl_fact_unknown(p, JNL_DEVICE_WRITE_CACHE, -EINVAL, file);
	free(line);
}

/* 0 or 1, and nothing else. */
static bool is_flag(uint64_t value)
{
	return value <= 1;
}

static bool is_block_size(uint64_t value)
{
	return value && value <= BLOCK_SANE_MAX && !(value & (value - 1));
}

static void set_number(journal_probe *p, enum jnl_fact id, const char *disk_dir,
		       const char *attribute, bool (*sane)(uint64_t value))
{
	char file[128];
	uint64_t value;
	int ret;

	snprintf(file, sizeof(file), "%s/queue/%s", disk_dir, attribute);
	ret = jnl_ask_number(p->machine, file, &value);
	if (ret == 0 && !sane(value))
		ret = -EINVAL;
	if (ret == 0)
		jnl_fact_number(p, id, JOURNAL_FACT_REPORTED, value, file);
	else
		jnl_fact_unknown(p, id, ret, file);
}

static void all_unknown(journal_probe *p, int error)
{
	enum jnl_fact id;

	for (id = JNL_DEVICE_NAME; id <= JNL_DEVICE_ROTATIONAL; id++)
		jnl_fact_unknown(p, id, error, "fstat(2)");
}

int jnl_ask_device(journal_probe *p, unsigned int *ret_major,
		   unsigned int *ret_minor)
{
	uint64_t major, minor;
	char *keys;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "fstat", &keys);
	if (ret < 0)
		return ret;
	ret = jnl_key_number(keys, "major", &major);
	if (ret == 0)
		ret = jnl_key_number(keys, "minor", &minor);
	free(keys);
	if (ret < 0)
		return ret;
	if (major > UINT32_MAX || minor > UINT32_MAX)
		return -ERANGE;
	*ret_major = (unsigned int)major;
	*ret_minor = (unsigned int)minor;
	return 0;
}

void jnl_prober_device(journal_probe *p)
{
	char dir[64], disk_dir[80], file[80], number[32], *line;
	unsigned int major, minor;
	int ret;

	ret = jnl_ask_device(p, &major, &minor);
	if (ret == 0 && major == 0)
		ret = -ENODEV;
	if (ret < 0) {
		all_unknown(p, ret);
		return;
	}
	snprintf(number, sizeof(number), "%u:%u", major, minor);
	jnl_fact_text(p, JNL_DEVICE_NUMBER, JOURNAL_FACT_REPORTED, number,
		      "fstat(2)");

	snprintf(dir, sizeof(dir), "/sys/dev/block/%s", number);
	snprintf(file, sizeof(file), "%s/partition", dir);
	ret = jnl_ask_line(p->machine, file, &line);
	if (ret == 0)
		free(line);
	snprintf(disk_dir, sizeof(disk_dir), "%s%s", dir,
		 ret == -ENOENT ? "" : "/..");
	set_names(p, dir, disk_dir);
	set_write_cache(p, disk_dir);
	set_number(p, JNL_DEVICE_FUA, disk_dir, "fua", is_flag);
	set_number(p, JNL_DEVICE_LOGICAL_BLOCK_SIZE, disk_dir,
		   "logical_block_size", is_block_size);
	set_number(p, JNL_DEVICE_PHYSICAL_BLOCK_SIZE, disk_dir,
		   "physical_block_size", is_block_size);
	set_number(p, JNL_DEVICE_ROTATIONAL, disk_dir, "rotational", is_flag);
}
