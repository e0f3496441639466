/*
 * probe/device.c - the device under the file system, and its queue.
 *
 * See Documentation/ABI/stable/sysfs-block in the kernel.  These facts are of
 * the topmost layer, the one that the file system writes to; a partition has
 * its disk's queue.  A file system that is on no single block device has an
 * anonymous device number (major 0): all facts here stay unknown then.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

/* Above this a size is a mistake. */
#define BLOCK_SANE_MAX	(1u << 30)
#define SECTOR		512u

static int two_numbers(const char *keys, const char *first, const char *second,
		       unsigned int *ret_first, unsigned int *ret_second)
{
	uint64_t a, b;
	int ret;

	ret = jnl_key_number(keys, first, &a);
	if (ret == 0)
		ret = jnl_key_number(keys, second, &b);
	if (ret < 0)
		return ret;
	if (a > UINT32_MAX || b > UINT32_MAX)
		return -ERANGE;
	*ret_first = (unsigned int)a;
	*ret_second = (unsigned int)b;
	return 0;
}

int jnl_ask_device(journal_probe *p, unsigned int *ret_major,
		   unsigned int *ret_minor)
{
	char *keys;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "fstat", &keys);
	if (ret < 0)
		return ret;
	ret = two_numbers(keys, "major", "minor", ret_major, ret_minor);
	free(keys);
	return ret;
}

int jnl_ask_node(journal_probe *p, const char *path, unsigned int *ret_major,
		 unsigned int *ret_minor)
{
	char *subject, *keys, *kind = NULL;
	int ret;

	subject = jnl_probe_format(p, "stat %s", path);
	if (!subject)
		return -ENOMEM;
	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, subject, &keys);
	free(subject);
	if (ret < 0)
		return ret;
	ret = jnl_key_text(keys, "kind", &kind);
	if (ret == 0 && strcmp(kind, "block") && strcmp(kind, "char"))
		ret = -EINVAL;
	if (ret == 0)
		ret = two_numbers(keys, "rmajor", "rminor", ret_major,
				  ret_minor);
	free(kind);
	free(keys);
	return ret;
}

/* Padded with blanks by its maker; NULL if it is not plain text. */
static char *trim(char *s)
{
	size_t len = strlen(s), i;

	while (len && s[len - 1] == ' ')
		s[--len] = '\0';
	for (i = 0; i < len; i++)
		if (!isprint((unsigned char)s[i]))
			return NULL;
	s += strspn(s, " ");
	return *s ? s : NULL;
}

void jnl_set_line(journal_probe *p, enum jnl_fact id, const char *dir,
		  const char *file)
{
	char *path, *line, *text;
	int ret;

	path = jnl_probe_format(p, "%s/%s", dir, file);
	if (!path)
		return;
	ret = jnl_ask_line(p->machine, path, &line);
	text = ret == 0 ? trim(line) : NULL;
	if (text)
		jnl_fact_text(p, id, JOURNAL_FACT_REPORTED, text, path);
	else
		jnl_fact_unknown(p, id, ret < 0 ? ret : -EINVAL, path);
	if (ret == 0)
		free(line);
	free(path);
}

static void set_write_cache(journal_probe *p, const char *dir)
{
	static const enum jnl_fact id = JNL_DEVICE_WRITE_CACHE;

	jnl_set_line(p, id, dir, "queue/write_cache");
	if (jnl_fact_known(p, id) && !jnl_fact_is(p, id, "write back") &&
	    !jnl_fact_is(p, id, "write through"))
		jnl_fact_unknown(p, id, -EINVAL, p->facts[id].source);
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

/* 0 is "none" here. */
static bool is_unit(uint64_t value)
{
	return !value || is_block_size(value);
}

static bool is_limit(uint64_t value)
{
	return value <= UINT32_MAX;
}

static bool is_count(uint64_t value)
{
	return value <= UINT64_MAX / 1024;
}

static const struct {
	enum jnl_fact fact;
	const char *file;
	bool (*sane)(uint64_t value);
	unsigned int times;	/* what is counted there, in bytes */
} numbers[] = {
	{ JNL_DEVICE_SIZE_BYTES, "size", is_count, SECTOR },
	{ JNL_DEVICE_FUA, "queue/fua", is_flag, 1 },
	{ JNL_DEVICE_LOGICAL_BLOCK_SIZE, "queue/logical_block_size",
	  is_block_size, 1 },
	{ JNL_DEVICE_PHYSICAL_BLOCK_SIZE, "queue/physical_block_size",
	  is_block_size, 1 },
	{ JNL_DEVICE_ROTATIONAL, "queue/rotational", is_flag, 1 },
	{ JNL_DEVICE_MAX_HW_BYTES, "queue/max_hw_sectors_kb", is_limit, 1024 },
	{ JNL_DEVICE_ATOMIC_UNIT_MIN, "queue/atomic_write_unit_min_bytes",
	  is_unit, 1 },
	{ JNL_DEVICE_ATOMIC_UNIT_MAX, "queue/atomic_write_unit_max_bytes",
	  is_unit, 1 },
	{ JNL_DEVICE_ATOMIC_BOUNDARY, "queue/atomic_write_boundary_bytes",
	  is_limit, 1 },
	{ JNL_DEVICE_ATOMIC_MAX, "queue/atomic_write_max_bytes", is_limit, 1 },
};

static void set_numbers(journal_probe *p, const char *dir)
{
	uint64_t value;
	char *path;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		path = jnl_probe_format(p, "%s/%s", dir, numbers[i].file);
		if (!path)
			return;
		ret = jnl_ask_number(p->machine, path, &value);
		if (ret == 0 && !numbers[i].sane(value))
			ret = -EINVAL;
		if (ret == 0)
			jnl_fact_number(p, numbers[i].fact,
					JOURNAL_FACT_REPORTED,
					value * numbers[i].times, path);
		else
			jnl_fact_unknown(p, numbers[i].fact, ret, path);
		free(path);
	}
}

static void set_names(journal_probe *p, const struct jnl_layer *l,
		      const char *number)
{
	char file[128];

	snprintf(file, sizeof(file), "/sys/dev/block/%s/uevent", number);
	if (l->name)
		jnl_fact_text(p, JNL_DEVICE_NAME, JOURNAL_FACT_REPORTED,
			      l->name, file);
	else
		jnl_fact_unknown(p, JNL_DEVICE_NAME, l->name_error, file);
	snprintf(file, sizeof(file), "%.100s/uevent", l->dir);
	if (l->disk) {
		jnl_fact_text(p, JNL_DEVICE_DISK, JOURNAL_FACT_REPORTED,
			      l->disk, file);
		jnl_fact_text(p, JNL_DEVICE_KIND, JOURNAL_FACT_REPORTED,
			      l->kind, file);
	} else {
		jnl_fact_unknown(p, JNL_DEVICE_DISK, l->disk_error, file);
		jnl_fact_unknown(p, JNL_DEVICE_KIND, l->disk_error, file);
	}
}

/* Where a partition begins on its disk; a whole disk begins at 0. */
static void set_start(journal_probe *p, const struct jnl_layer *l,
		      const char *number)
{
	uint64_t sectors = 0;
	char file[64];
	int ret;

	/* That it is no partition is known only where it is anything. */
	snprintf(file, sizeof(file), "/sys/dev/block/%s/%s", number,
		 l->partition ? "start" : "uevent");
	ret = l->partition ? jnl_ask_number(p->machine, file, &sectors) :
			     l->name_error;
	if (ret == 0 && !is_count(sectors))
		ret = -ERANGE;
	if (ret == 0)
		jnl_fact_number(p, JNL_DEVICE_START_BYTES,
				JOURNAL_FACT_REPORTED, sectors * SECTOR, file);
	else
		jnl_fact_unknown(p, JNL_DEVICE_START_BYTES, ret, file);
}

static void all_unknown(journal_probe *p, int error)
{
	enum jnl_fact id;

	for (id = JNL_DEVICE_NAME; id <= JNL_DEVICE_ATOMIC_MAX; id++)
		if (id != JNL_DEVICE_STACK)
			jnl_fact_unknown(p, id, error, "fstat(2)");
}

void jnl_prober_device(journal_probe *p)
{
	const struct jnl_layer *l = &p->layers[0];
	unsigned int major, minor;
	char number[32];
	int ret;

	ret = jnl_ask_device(p, &major, &minor);
	if (ret == 0 && major == 0)
		ret = -ENODEV;
	if (ret == 0 && !l->dir)
		ret = -ENOMEM;
	if (ret < 0) {
		all_unknown(p, ret);
		return;
	}
	snprintf(number, sizeof(number), "%u:%u", major, minor);
	jnl_fact_text(p, JNL_DEVICE_NUMBER, JOURNAL_FACT_REPORTED, number,
		      "fstat(2)");
	set_names(p, l, number);
	set_start(p, l, number);
	set_write_cache(p, l->dir);
	set_numbers(p, l->dir);
}
