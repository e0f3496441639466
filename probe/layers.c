/*
 * probe/layers.c - what the file system lies on, down to the drives.
 *
 * See Documentation/ABI/stable/sysfs-block in the kernel.  A partition's disk
 * is the directory above it, found by following the link in /sys/dev/block and
 * then "..", never by cutting a name.  What a device mapper or RAID device
 * lies on is in its "slaves" directory, a loop device's file is found by its
 * path, and has to be of the size that the device says.
 *
 * At most JNL_LAYERS_MAX layers are looked at; a layer of which not everything
 * below could be found out is not "whole", and nothing good follows from it.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

#define UEVENT_MAX_BYTES	65536
#define LIST_MAX_BYTES		65536
#define SECTOR			512u
/* More file systems of that kind are not looked through. */
#define BTRFS_MAX		256

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
static int devname(journal_probe *p, const char *dir, char **ret_name)
{
	static const char key[] = "DEVNAME=";
	char *file, *text, *at, *end;
	int ret;

	file = jnl_probe_format(p, "%s/uevent", dir);
	if (!file)
		return -ENOMEM;
	ret = jnl_ask_text(p->machine, JNL_ASK_FILE, file, UEVENT_MAX_BYTES,
			   &text);
	free(file);
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

static bool is_whole_disk(journal_probe *p, const char *dir)
{
	char *file, *line;
	int ret;

	file = jnl_probe_format(p, "%s/partition", dir);
	if (!file)
		return false;
	ret = jnl_ask_line(p->machine, file, &line);
	if (ret == 0)
		free(line);
	free(file);
	return ret == -ENOENT;
}

/* dir: of the device or partition, below /sys.  False: there is no room. */
static bool add(journal_probe *p, size_t above, const char *dir)
{
	struct jnl_layer *l = &p->layers[p->layer_count];

	if (p->layer_count == JNL_LAYERS_MAX)
		return false;
	p->layer_count++;
	l->above = above;
	l->whole = true;
	l->name_error = devname(p, dir, &l->name);
	l->partition = !is_whole_disk(p, dir);
	l->dir = jnl_probe_format(p, "%s%s", dir, l->partition ? "/.." : "");
	if (!l->dir)
		return false;
	l->disk_error = devname(p, l->dir, &l->disk);
	if (l->disk)
		l->kind = jnl_device_kind(l->disk);
	return true;
}

static bool add_number(journal_probe *p, size_t above, unsigned int major,
		       unsigned int minor)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u", major, minor);
	return add(p, above, dir);
}

static bool add_name(journal_probe *p, size_t above, const char *name)
{
	char *dir = jnl_probe_format(p, "/sys/class/block/%s", name);
	bool added = dir && add(p, above, dir);

	free(dir);
	return added;
}

/* A line of a file in the layer's directory; NULL: none. */
static char *line_of(journal_probe *p, const struct jnl_layer *l,
		     const char *file)
{
	char *path, *line;
	int ret;

	path = jnl_probe_format(p, "%s/%s", l->dir, file);
	if (!path)
		return NULL;
	ret = jnl_ask_line(p->machine, path, &line);
	free(path);
	return ret == 0 ? line : NULL;
}

static int number_of(journal_probe *p, const struct jnl_layer *l,
		     const char *file, uint64_t *ret_value)
{
	char *line = line_of(p, l, file);
	int ret;

	if (!line)
		return -ENODATA;
	ret = jnl_number(line, ret_value);
	free(line);
	return ret;
}

static bool is_name(const char *s)
{
	return *s && !strchr(s, '/') && strcmp(s, ".") && strcmp(s, "..");
}

/* One layer for each name in a directory that has nothing but devices. */
static bool add_listed(journal_probe *p, size_t above, const char *dir)
{
	char *names, *name, *rest = NULL;
	bool whole = true;
	size_t len;

	if (jnl_ask_text(p->machine, JNL_ASK_LIST, dir, LIST_MAX_BYTES,
			 &names) < 0)
		return false;
	len = strlen(names);
	/* The last one may have lost its end. */
	if (names[len - 1] != '\n')
		whole = false;
	for (name = strtok_r(names, "\n", &rest); name;
	     name = strtok_r(NULL, "\n", &rest))
		if (!is_name(name) || !add_name(p, above, name))
			whole = false;
	free(names);
	return whole;
}

static bool add_slaves(journal_probe *p, size_t i)
{
	char *dir = jnl_probe_format(p, "%s/slaves", p->layers[i].dir);
	bool whole = dir && add_listed(p, i, dir);

	free(dir);
	return whole;
}

/* The device mapper's users put their name before the first '-' of the UUID:
 * "CRYPT-LUKS2-...", "LVM-...", "mpath-...". */
static char *dm_user(journal_probe *p, const struct jnl_layer *l)
{
	char *uuid = line_of(p, l, "dm/uuid"), *s;

	if (!uuid)
		return NULL;
	s = strchr(uuid, '-');
	if (!s || s == uuid) {
		free(uuid);
		return NULL;
	}
	*s = '\0';
	for (s = uuid; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return uuid;
}

/* The file behind the device: it has to be there, and long enough. */
static int backing_file(journal_probe *p, const struct jnl_layer *l,
			uint64_t *ret_major, uint64_t *ret_minor,
			bool *ret_block)
{
	uint64_t sectors, offset, size = 0;
	char *subject, *keys, *kind = NULL;
	bool block;
	int ret;

	ret = number_of(p, l, "size", &sectors);
	if (ret == 0)
		ret = number_of(p, l, "loop/offset", &offset);
	if (ret < 0)
		return ret;
	subject = jnl_probe_format(p, "stat %s", l->detail);
	if (!subject)
		return -ENOMEM;
	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, subject, &keys);
	free(subject);
	if (ret < 0)
		return ret;
	ret = jnl_key_text(keys, "kind", &kind);
	block = ret == 0 && !strcmp(kind, "block");
	if (ret == 0 && !block && strcmp(kind, "file"))
		ret = -EINVAL;
	if (ret == 0)
		ret = jnl_key_number(keys, block ? "rmajor" : "major",
				     ret_major);
	if (ret == 0)
		ret = jnl_key_number(keys, block ? "rminor" : "minor",
				     ret_minor);
	if (ret == 0 && !block)
		ret = jnl_key_number(keys, "size", &size);
	if (ret == 0 && (*ret_major > UINT_MAX || *ret_minor > UINT_MAX))
		ret = -ERANGE;
	/* Another file of that name, in another place than the device's. */
	if (ret == 0 && !block &&
	    (offset > size || (size - offset) / SECTOR < sectors))
		ret = -ESTALE;
	free(kind);
	free(keys);
	*ret_block = block;
	return ret;
}

static bool add_backing(journal_probe *p, size_t i)
{
	struct jnl_layer *l = &p->layers[i];
	uint64_t major, minor;
	int flushes = -1;
	bool block;
	char *type;

	if (!l->detail || l->detail[0] != '/' ||
	    backing_file(p, l, &major, &minor, &block) < 0)
		return false;
	if (!block && jnl_mount_of(p, (unsigned int)major, (unsigned int)minor,
				   &type, &flushes) == 0) {
		l->forgets = !flushes || jnl_type_is_memory(type);
		free(type);
	}
	return major && add_number(p, i, (unsigned int)major,
				   (unsigned int)minor) &&
	       (block || flushes > 0);
}

static void look_below(journal_probe *p, size_t i)
{
	struct jnl_layer *l = &p->layers[i];

	if (!l->kind) {
		l->whole = false;
	} else if (!strcmp(l->kind, "dm")) {
		l->detail = dm_user(p, l);
		l->whole = add_slaves(p, i);
	} else if (!strcmp(l->kind, "md")) {
		l->detail = line_of(p, l, "md/level");
		l->whole = add_slaves(p, i);
	} else if (!strcmp(l->kind, "loop")) {
		l->detail = line_of(p, l, "loop/backing_file");
		l->whole = add_backing(p, i);
	} else if (!strcmp(l->kind, "other")) {
		/* Whatever it is, it may lie on something that forgets. */
		l->whole = add_slaves(p, i);
	}
}

/*
 * btrfs may span several drives and tells of one, in mountinfo; which ones
 * belong together is in /sys/fs/btrfs.  Where the node cannot be looked at, its
 * name in /dev is taken for the kernel's, unless it is in a folder there.
 */
static char *mounted_device(journal_probe *p)
{
	static const char dev[] = "/dev/";
	const char *source = p->mount_source;
	unsigned int major, minor;
	char path[64], *name;

	if (!source || strncmp(source, dev, sizeof(dev) - 1))
		return NULL;
	if (jnl_ask_node(p, source, &major, &minor) == 0) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major,
			 minor);
		return devname(p, path, &name) == 0 ? name : NULL;
	}
	source += sizeof(dev) - 1;
	return is_name(source) ? jnl_probe_strdup(p, source) : NULL;
}

static bool has_name(const journal_probe *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->layer_count; i++)
		if (p->layers[i].name && !strcmp(p->layers[i].name, name))
			return true;
	return false;
}

static void add_btrfs(journal_probe *p)
{
	static const char all[] = "/sys/fs/btrfs";
	char *name, *ids, *id, *rest = NULL;
	size_t left = BTRFS_MAX;

	name = mounted_device(p);
	if (!name)
		return;
	if (jnl_ask_text(p->machine, JNL_ASK_LIST, all, LIST_MAX_BYTES,
			 &ids) < 0) {
		free(name);
		return;
	}
	for (id = strtok_r(ids, "\n", &rest); id && left--;
	     id = strtok_r(NULL, "\n", &rest)) {
		char *dir = jnl_probe_format(p, "%s/%s/devices", all, id);
		bool whole = dir && add_listed(p, SIZE_MAX, dir);

		free(dir);
		if (whole && has_name(p, name))
			break;
		jnl_layers_free(p);
	}
	free(ids);
	free(name);
}

/* The only layer on which i lies, SIZE_MAX if there are none or several. */
static size_t only_below(const journal_probe *p, size_t i, size_t *ret_count)
{
	size_t below = SIZE_MAX, j;

	*ret_count = 0;
	for (j = 0; j < p->layer_count; j++) {
		if (p->layers[j].above != i)
			continue;
		below = j;
		++*ret_count;
	}
	return *ret_count == 1 ? below : SIZE_MAX;
}

/* Down the row; where it forks there is no one drive. */
static size_t find_drive(const journal_probe *p)
{
	size_t at, below, count;

	at = only_below(p, SIZE_MAX, &count);
	while (at != SIZE_MAX && p->layers[at].whole) {
		below = only_below(p, at, &count);
		if (!count)
			return at;
		at = below;
	}
	return SIZE_MAX;
}

bool jnl_straight_on(const journal_probe *p, const char *kind)
{
	return p->drive == 0 && p->layer_count == 1 && p->layers[0].kind &&
	       !strcmp(p->layers[0].kind, kind);
}

bool jnl_probe_is_raw(const journal_probe *p)
{
	return jnl_fact_is(p, JNL_FS_TYPE, JNL_RAW_TYPE);
}

bool jnl_probe_whole_namespace(const journal_probe *p)
{
	const struct jnl_layer *l = &p->layers[0];

	return jnl_probe_is_raw(p) && jnl_straight_on(p, "nvme") && l->name &&
	       l->disk && !strcmp(l->name, l->disk);
}

void jnl_layers_free(journal_probe *p)
{
	size_t i;

	for (i = 0; i < p->layer_count; i++) {
		free(p->layers[i].name);
		free(p->layers[i].disk);
		free(p->layers[i].dir);
		free(p->layers[i].detail);
	}
	memset(p->layers, 0, sizeof(p->layers));
	p->layer_count = 0;
}

/* "md0 (raid1) on sda1 (scsi) + sdb1 (scsi)"; brackets where it needs them. */
static char *describe(journal_probe *p, size_t above)
{
	char *all = NULL, *below, *more;
	size_t i, count = 0;

	(void)only_below(p, above, &count);
	for (i = 0; i < p->layer_count; i++) {
		const struct jnl_layer *l = &p->layers[i];
		const char *what = l->detail ? l->detail : l->kind;

		if (l->above != above)
			continue;
		below = describe(p, i);
		more = jnl_probe_format(p, "%s%s%s%s (%s)%s%s%s",
					all ? all : "", all ? " + " : "",
					count > 1 && below ? "[" : "",
					l->name ? l->name : "?",
					what ? what : "?", below ? " on " : "",
					below ? below : "",
					count > 1 && below ? "]" : "");
		free(below);
		free(all);
		all = more;
	}
	return all;
}

/* Where the first name was found; NULL: not one is known. */
static const char *source_of_names(const journal_probe *p)
{
	static const char by_name[] = "/sys/class/block";
	size_t i;

	for (i = 0; i < p->layer_count; i++) {
		if (!p->layers[i].name || !p->layers[i].dir)
			continue;
		return strncmp(p->layers[i].dir, by_name, strlen(by_name)) ?
			"/sys/dev/block" : by_name;
	}
	return NULL;
}

static void set_stack(journal_probe *p)
{
	const char *source = source_of_names(p);
	char *text = describe(p, SIZE_MAX);

	/* Nothing but question marks is no answer. */
	if (text && source)
		jnl_fact_text(p, JNL_DEVICE_STACK, JOURNAL_FACT_REPORTED, text,
			      source);
	else
		jnl_fact_unknown(p, JNL_DEVICE_STACK, -ENODEV, "fstat(2)");
	free(text);
}

void jnl_prober_layers(journal_probe *p)
{
	unsigned int major = 0, minor;
	size_t i;

	if (jnl_ask_device(p, &major, &minor) == 0 && major)
		(void)add_number(p, SIZE_MAX, major, minor);
	else if (jnl_fact_is(p, JNL_FS_TYPE, "btrfs"))
		add_btrfs(p);
	/* What is added on the way comes at the end. */
	for (i = 0; i < p->layer_count; i++)
		look_below(p, i);
	p->drive = find_drive(p);
	set_stack(p);
}
