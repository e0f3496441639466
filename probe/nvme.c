/*
 * probe/nvme.c - the drive below: its names, controllers and nodes, by sysfs.
 *
 * A namespace's disk has a "device" link to its controller or, with native
 * multipath, to its subsystem, whose controllers are its paths (the paths
 * themselves, nvme0c0n1, are hidden disks and are never looked at).  All is
 * found by links and directories.  Only the generic device's name is made from
 * the namespace's: the kernel makes both from the same two numbers
 * (drivers/nvme/host/core.c); it counts if it is listed beside it.
 *
 * Nodes in /dev are opened and commands sent only if the file system is
 * straight on the namespace: else nothing that is here could use them.
 *
 * Models of other drives are in sysfs as well.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

#define LIST_MAX_BYTES	65536
#define LINK_MAX_BYTES	4096
/* More subsystems, and more names in one, are not looked through. */
#define NAMES_MAX	256

static const char subsystems[] = "/sys/class/nvme-subsystem";

/* Where the link dir/device leads: the last part of it. */
static int parent_name(journal_probe *p, const char *dir, char **ret_name)
{
	char *path, *to, *last;
	int ret;

	path = jnl_probe_format(p, "%s/device", dir);
	if (!path)
		return -ENOMEM;
	ret = jnl_ask_text(p->machine, JNL_ASK_LINK, path, LINK_MAX_BYTES, &to);
	free(path);
	if (ret < 0)
		return ret;
	last = strrchr(to, '/');
	*ret_name = jnl_probe_strdup(p, last ? last + 1 : to);
	free(to);
	return *ret_name ? 0 : -ENOMEM;
}

/*
 * The names in a directory of sysfs.  Every device has a "uevent", and it
 * comes after all "nvme": without it the list is not whole.
 */
static int list(journal_probe *p, const char *dir, bool device, char **ret)
{
	char *names;
	int err;

	err = jnl_ask_text(p->machine, JNL_ASK_LIST, dir, LIST_MAX_BYTES,
			   &names);
	if (err < 0)
		return err;
	if (names[strlen(names) - 1] != '\n' ||
	    (device && !strstr(names, "\nuevent\n"))) {
		free(names);
		return -EINVAL;
	}
	*ret = names;
	return 0;
}

/* Is name one of the lines? */
static bool listed(const char *names, const char *name)
{
	size_t len = strlen(name);
	const char *at;

	for (at = names; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, name, len) && at[len] == '\n')
			return true;
	}
	return false;
}

/* The subsystem of which this is a controller. */
static int find_subsystem(journal_probe *p, const char *controller,
			  char **ret_name)
{
	char *names, *name, *rest = NULL;
	size_t left = NAMES_MAX;
	int ret;

	ret = list(p, subsystems, false, &names);
	if (ret < 0)
		return ret;
	ret = -ENOENT;
	for (name = strtok_r(names, "\n", &rest); name && left-- && ret < 0;
	     name = strtok_r(NULL, "\n", &rest)) {
		char *dir, *in;

		dir = jnl_probe_format(p, "%s/%s", subsystems, name);
		if (dir && list(p, dir, true, &in) == 0) {
			if (listed(in, controller)) {
				*ret_name = jnl_probe_strdup(p, name);
				ret = *ret_name ? 0 : -ENOMEM;
			}
			free(in);
		}
		free(dir);
	}
	free(names);
	return ret;
}

/* 1 if that is a controller, 0 if not, or an error: nobody knows. */
static int is_controller(journal_probe *p, const char *dir, const char *name)
{
	uint64_t id;
	char *path;
	int ret;

	path = jnl_probe_format(p, "%s/%s/cntlid", dir, name);
	if (!path)
		return -ENOMEM;
	ret = jnl_ask_number(p->machine, path, &id);
	free(path);
	return ret == -ENOENT || ret == -ENOTDIR ? 0 : ret < 0 ? ret : 1;
}

/* How many controllers dir, a subsystem's, has; *ret_one is one of them. */
static int count_controllers(journal_probe *p, const char *dir, char **ret_one)
{
	char *names, *name, *rest = NULL;
	size_t left = NAMES_MAX;
	int count = 0, ret;

	ret = list(p, dir, true, &names);
	if (ret < 0)
		return ret;
	for (name = strtok_r(names, "\n", &rest); name;
	     name = strtok_r(NULL, "\n", &rest)) {
		/* "power", "subsystem" and the like. */
		if (strncmp(name, "nvme", 4))
			continue;
		ret = left-- ? is_controller(p, dir, name) : -E2BIG;
		if (ret < 0)
			break;
		count += ret;
		if (ret && !*ret_one)
			*ret_one = jnl_probe_strdup(p, name);
	}
	free(names);
	return ret < 0 ? ret : count ? count : -ENOENT;
}

static void set_controllers(journal_probe *p, const struct jnl_layer *l)
{
	char *parent = NULL, *system = NULL, *dir = NULL, *one = NULL, *sub;
	int ret;

	ret = parent_name(p, l->dir, &parent);
	if (ret == 0)
		ret = is_controller(p, l->dir, "device");
	if (ret > 0)
		ret = find_subsystem(p, parent, &system);
	else if (ret == 0)
		system = jnl_probe_strdup(p, parent);
	if (ret == 0)
		dir = jnl_probe_format(p, "%s/%s", subsystems, system);
	if (dir)
		ret = count_controllers(p, dir, &one);
	if (ret > 0) {
		jnl_fact_number(p, JNL_DRIVE_CONTROLLERS,
				JOURNAL_FACT_REPORTED, (uint64_t)ret, dir);
		sub = jnl_probe_format(p, "%s/%s", dir, one ? one : "");
		if (sub)
			jnl_set_line(p, JNL_DRIVE_TRANSPORT, sub, "transport");
		free(sub);
	} else {
		jnl_fact_unknown(p, JNL_DRIVE_CONTROLLERS, ret,
				 dir ? dir : subsystems);
		jnl_fact_unknown(p, JNL_DRIVE_TRANSPORT, ret,
				 dir ? dir : subsystems);
	}
	free(parent);
	free(system);
	free(dir);
	free(one);
}

static int set_nsid(journal_probe *p, const struct jnl_layer *l)
{
	uint64_t nsid;
	char *path;
	int ret;

	path = jnl_probe_format(p, "%s/nsid", l->dir);
	if (!path)
		return -ENOMEM;
	ret = jnl_ask_number(p->machine, path, &nsid);
	/* FFFFFFFFh is "all of them", FFFFFFFEh reserved. */
	if (ret == 0 && (!nsid || nsid >= 0xfffffffe))
		ret = -EINVAL;
	if (ret == 0)
		jnl_fact_number(p, JNL_DRIVE_NSID, JOURNAL_FACT_REPORTED, nsid,
				path);
	else
		jnl_fact_unknown(p, JNL_DRIVE_NSID, ret, path);
	free(path);
	return ret;
}

/* The generic device beside the namespace's disk, and its number. */
static int find_node(journal_probe *p, const struct jnl_layer *l, char *name,
		     size_t len)
{
	unsigned int system, head;
	char *path, *names, *line;
	int used = 0, ret;

	if (sscanf(l->disk, "nvme%un%u%n", &system, &head, &used) != 2 ||
	    l->disk[used])
		return -EINVAL;
	snprintf(name, len, "ng%un%u", system, head);
	path = jnl_probe_format(p, "%s/device", l->dir);
	ret = path ? list(p, path, true, &names) : -ENOMEM;
	free(path);
	if (ret < 0)
		return ret;
	ret = listed(names, name) ? 0 : -ENOENT;
	free(names);
	if (ret < 0)
		return ret;
	path = jnl_probe_format(p, "/sys/class/nvme-generic/%s/dev", name);
	ret = path ? jnl_ask_line(p->machine, path, &line) : -ENOMEM;
	free(path);
	if (ret < 0)
		return ret;
	used = 0;
	if (sscanf(line, "%u:%u%n", &p->node_major, &p->node_minor, &used) !=
	    2 || line[used])
		ret = -EINVAL;
	free(line);
	return ret;
}

/* Is what was opened the device that was meant? */
static int judge_node(journal_probe *p, const char *keys)
{
	uint64_t major, minor, nsid;
	char *kind = NULL;
	int ret;

	ret = jnl_key_text(keys, "kind", &kind);
	if (ret == 0)
		ret = jnl_key_number(keys, "rmajor", &major);
	if (ret == 0)
		ret = jnl_key_number(keys, "rminor", &minor);
	if (ret == 0)
		ret = jnl_key_number(keys, "nsid", &nsid);
	if (ret == 0 && (strcmp(kind, "char") || major != p->node_major ||
			 minor != p->node_minor ||
			 nsid != p->facts[JNL_DRIVE_NSID].value))
		ret = -ENXIO;
	free(kind);
	return ret;
}

/* Whatever speaks against it, it cannot be used: that is an answer. */
static void try_node(journal_probe *p, const char *name)
{
	char subject[64], source[64], *keys;
	int ret;

	snprintf(source, sizeof(source), "open /dev/%s", name);
	snprintf(subject, sizeof(subject), "nvme_node %s", name);
	ret = jnl_ask_keys(p->machine, JNL_ASK_TRY, subject, &keys);
	if (ret == 0) {
		ret = judge_node(p, keys);
		free(keys);
	}
	if (ret < 0) {
		jnl_fact_refused(p, JNL_DRIVE_NODE_OPENS, ret, source);
		jnl_fact_unknown(p, JNL_DRIVE_FLUSH, ret, source);
		return;
	}
	jnl_fact_number(p, JNL_DRIVE_NODE_OPENS, JOURNAL_FACT_TRIED, 1, source);
	snprintf(source, sizeof(source), "NVMe Flush, /dev/%s", name);
	snprintf(subject, sizeof(subject), "nvme_flush %s %u", name,
		 (unsigned int)p->facts[JNL_DRIVE_NSID].value);
	ret = jnl_ask_try(p->machine, subject);
	if (ret == 0)
		jnl_fact_number(p, JNL_DRIVE_FLUSH, JOURNAL_FACT_TRIED, 1,
				source);
	else
		jnl_fact_refused(p, JNL_DRIVE_FLUSH, ret, source);
}

static void set_node(journal_probe *p, const struct jnl_layer *l)
{
	static const char source[] = "/sys/class/nvme-generic";
	char name[40], path[48];
	int ret;

	ret = find_node(p, l, name, sizeof(name));
	if (ret < 0) {
		jnl_fact_unknown(p, JNL_DRIVE_NODE, ret, source);
		jnl_fact_unknown(p, JNL_DRIVE_NODE_OPENS, ret, source);
		jnl_fact_unknown(p, JNL_DRIVE_FLUSH, ret, source);
		return;
	}
	snprintf(path, sizeof(path), "/dev/%s", name);
	jnl_fact_text(p, JNL_DRIVE_NODE, JOURNAL_FACT_REPORTED, path, source);
	if (jnl_straight_on(p, "nvme") && jnl_fact_known(p, JNL_DRIVE_NSID))
		try_node(p, name);
}

static void set_names(journal_probe *p, const struct jnl_layer *l,
		      const char *firmware)
{
	char *dir = jnl_probe_format(p, "%s/device", l->dir);

	if (!dir)
		return;
	jnl_set_line(p, JNL_DRIVE_MODEL, dir, "model");
	jnl_set_line(p, JNL_DRIVE_FIRMWARE, dir, firmware);
	if (p->flags & JOURNAL_PROBE_SERIALS)
		jnl_set_line(p, JNL_DRIVE_SERIAL, dir, "serial");
	else
		jnl_fact_unknown(p, JNL_DRIVE_SERIAL, 0, "not asked for");
	free(dir);
}

/* The kernel's own word for the cache of other drives than NVMe. */
static void set_cache(journal_probe *p, const char *dir, const char *file)
{
	static const enum jnl_fact id = JNL_DRIVE_VOLATILE_CACHE;
	char *source, *text;
	bool on, off;

	jnl_set_line(p, id, dir, file);
	text = jnl_probe_strdup(p, jnl_fact_text_or(p, id, ""));
	source = jnl_probe_strdup(p, p->facts[id].source);
	if (text && source && *text) {
		on = !strncmp(text, "write back", strlen("write back"));
		off = !strcmp(text, "write through") || !strcmp(text, "none");
		if (on || off)
			jnl_fact_number(p, id, JOURNAL_FACT_REPORTED, on,
					source);
		else
			jnl_fact_unknown(p, id, -EINVAL, source);
	}
	free(text);
	free(source);
}

/* The disk has one entry in there, by its SCSI address. */
static void set_scsi_cache(journal_probe *p, const struct jnl_layer *l)
{
	char *dir, *names, *file, *end;

	dir = jnl_probe_format(p, "%s/device/scsi_disk", l->dir);
	if (!dir)
		return;
	if (list(p, dir, false, &names) == 0) {
		end = strchr(names, '\n');
		*end = '\0';
		file = jnl_probe_format(p, "%s/cache_type", names);
		if (file && !end[1])
			set_cache(p, dir, file);
		free(file);
		free(names);
	}
	free(dir);
}

static void all_unknown(journal_probe *p, int error, const char *source)
{
	enum jnl_fact id;

	for (id = JNL_DRIVE_NAMESPACE; id <= JNL_DRIVE_UNTORN_BYTES; id++)
		jnl_fact_unknown(p, id, error, source);
}

void jnl_prober_nvme(journal_probe *p)
{
	const struct jnl_layer *l;

	if (p->drive == SIZE_MAX || !p->layers[p->drive].disk) {
		all_unknown(p, -ENODEV, "/sys/dev/block");
		return;
	}
	l = &p->layers[p->drive];
	all_unknown(p, 0, strcmp(l->kind, "nvme") ? "no NVMe drive" :
		    p->layer_count > 1 ? "not straight below" : "");
	if (!strcmp(l->kind, "scsi")) {
		set_names(p, l, "rev");
		set_scsi_cache(p, l);
	} else if (!strcmp(l->kind, "virtio")) {
		set_cache(p, l->dir, "cache_type");
	}
	jnl_fact_number(p, JNL_DRIVE_STRAIGHT, JOURNAL_FACT_REPORTED,
			p->layer_count == 1, l->dir);
	if (strcmp(l->kind, "nvme"))
		return;
	jnl_fact_text(p, JNL_DRIVE_NAMESPACE, JOURNAL_FACT_REPORTED, l->disk,
		      l->dir);
	set_names(p, l, "firmware_rev");
	(void)set_nsid(p, l);
	set_controllers(p, l);
	set_node(p, l);
}
