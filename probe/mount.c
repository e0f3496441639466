/*
 * probe/mount.c - which mount the directory is on, and does it flush?
 *
 * Source: /proc/self/mountinfo (proc_pid_mountinfo(5)).  The line is found by
 * the mount's id where the kernel tells it (statx, else fdinfo), else by the
 * device number, else, for file systems whose files bear another device number
 * than their superblock (btrfs, overlayfs), by the longest mount point that
 * leads to the directory.  A line found in one of the last two ways may be
 * another mount of the same file system, never another file system: a wrong
 * answer here would be worse than none.
 *
 * fs.barrier is 0 as soon as an option says so, whatever the file system; it
 * is 1 only for file systems that are known to flush and to show in their
 * options when they do not.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"
#include "probe/facts.h"

static const char mountinfo[] = "/proc/self/mountinfo";

/* Some hosts of containers have tens of thousands of mounts. */
#define MOUNTINFO_MAX_BYTES	(32u << 20)

struct line {
	unsigned int id;
	unsigned int major, minor;
	char *point;		/* unescaped */
	char *options;		/* of this mount */
	char *type;
	char *source;		/* unescaped */
	char *super_options;	/* of the file system */
	bool whole;		/* nothing of them is cut off */
};

/* What is known about the directory before a line is looked for. */
struct wanted {
	bool has_id, has_dev;
	uint64_t id;
	unsigned int major, minor;
	char *path;		/* absolute, or NULL */
};

static bool octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Undo the octal escapes (\040) of mountinfo, in place. */
static void unescape(char *s)
{
	char *to = s;
	int c;

	while (*s) {
		c = 0;
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    octal(s[2]) && octal(s[3]))
			c = (s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0';
		if (c) {
			*to++ = (char)c;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Splits at single blanks, like strtok_r but an empty field is a field. */
static char *field(char **rest)
{
	char *start = *rest, *end;

	if (!start)
		return NULL;
	end = strchr(start, ' ');
	if (end)
		*end++ = '\0';
	*rest = end;
	return start;
}

/* False for a line that is not one of mountinfo. */
static bool parse(char *text, struct line *l)
{
	char *f, *rest = text;

	f = field(&rest);
	if (!f || sscanf(f, "%u", &l->id) != 1)
		return false;
	field(&rest);				/* the parent's id */
	f = field(&rest);
	if (!f || sscanf(f, "%u:%u", &l->major, &l->minor) != 2)
		return false;
	field(&rest);				/* the root within it */
	l->point = field(&rest);
	l->options = field(&rest);
	do
		f = field(&rest);		/* any number of tags */
	while (f && strcmp(f, "-"));
	l->type = field(&rest);
	l->source = field(&rest);
	l->super_options = field(&rest);
	if (!l->super_options)
		return false;
	unescape(l->point);
	unescape(l->source);
	return true;
}

/* 0 is the major number of superblocks that are on no block device. */
static bool same_dev(const struct line *l, const struct wanted *w)
{
	if (!w->has_dev)
		return true;
	return l->major == w->major && (!w->major || l->minor == w->minor);
}

/* How well a line fits: more is better, 0 is not at all. */
static size_t fit(const struct line *l, const struct wanted *w)
{
	size_t len = strlen(l->point), below = 0;

	if (w->has_id && l->id == w->id && same_dev(l, w))
		return SIZE_MAX;
	if (w->path && !strncmp(w->path, l->point, len) &&
	    (w->path[len] == '/' || !w->path[len] || len == 1))
		below = len;
	if (w->has_dev && l->major == w->major && l->minor == w->minor)
		return SIZE_MAX / 2 + below;
	/* A mount that hides this one would have been the longer or the later
	 * one; the type has to agree with what fstatfs(2) says later. */
	if (w->has_dev && !w->major && !l->major)
		return below;
	return 0;
}

/* Returns the best line in text, which is cut up, or one without a type. */
static struct line best_line(char *text, const struct wanted *w)
{
	struct line best = { .type = NULL }, l;
	size_t best_fit = 0, f;
	char *next;

	for (; text && *text; text = next) {
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		l.whole = next;
		if (!parse(text, &l))
			continue;
		f = fit(&l, w);
		/* Of equals the later one was mounted over the earlier. */
		if (f && f >= best_fit) {
			best_fit = f;
			best = l;
		}
	}
	return best;
}

static bool id_from_statx(journal_probe *p, uint64_t *ret_id)
{
	char *keys;
	int ret;

	ret = jnl_ask_keys(p->machine, JNL_ASK_CALL, "statx", &keys);
	if (ret < 0)
		return false;
	ret = jnl_key_number(keys, "mnt_id", ret_id);
	free(keys);
	return ret == 0;
}

static bool id_from_fdinfo(journal_probe *p, uint64_t *ret_id)
{
	unsigned long long id;
	bool found = false;
	char *text, *at;

	if (jnl_ask_text(p->machine, JNL_ASK_FILE, "/proc/self/fdinfo/dir",
			 65536, &text) < 0)
		return false;
	at = strstr(text, "mnt_id:");
	if (at && sscanf(at, "mnt_id: %llu", &id) == 1) {
		*ret_id = id;
		found = true;
	}
	free(text);
	return found;
}

/* Where the directory really is; NULL if nobody tells. */
static char *absolute(journal_probe *p)
{
	char *path;

	if (jnl_ask_text(p->machine, JNL_ASK_LINK, "/proc/self/fd/dir",
			 PATH_MAX, &path) == 0) {
		if (path[0] == '/')
			return path;
		free(path);
	}
	return p->path[0] == '/' ? jnl_probe_strdup(p, p->path) : NULL;
}

static struct wanted look_at_dir(journal_probe *p)
{
	struct wanted w = { .has_id = false };

	w.has_id = id_from_statx(p, &w.id) || id_from_fdinfo(p, &w.id);
	w.has_dev = jnl_ask_device(p, &w.major, &w.minor) == 0;
	w.path = absolute(p);
	return w;
}

bool jnl_has_option(const char *list, const char *option)
{
	size_t len = strlen(option);
	const char *s;

	for (s = list; *s; s += strcspn(s, ",\n"), s += !!*s)
		if (!strncmp(s, option, len) &&
		    (option[len - 1] == '=' || !s[len] || s[len] == ',' ||
		     s[len] == '\n'))
			return true;
	return false;
}

/* Options that switch flushes off; type NULL: whatever the file system. */
static const struct {
	const char *type;
	const char *option;
} off_options[] = {
	{ NULL, "nobarrier" },
	{ NULL, "barrier=0" },
	{ NULL, "barrier=none" },
	{ "f2fs", "fsync_mode=nobarrier" },
	{ "overlay", "volatile" },
	{ "overlay", "fsync=volatile" },
};

/* These flush, and show an option above when they do not. */
static const char *const flushing_types[] = { "ext4", "xfs", "btrfs", "f2fs" };

static bool is_flushing(const char *type)
{
	size_t i;

	for (i = 0; i < sizeof(flushing_types) / sizeof(flushing_types[0]); i++)
		if (!strcmp(flushing_types[i], type))
			return true;
	return false;
}

static const char *off_option(const struct line *l)
{
	size_t i;

	for (i = 0; i < sizeof(off_options) / sizeof(off_options[0]); i++) {
		if (off_options[i].type && strcmp(off_options[i].type, l->type))
			continue;
		if (jnl_has_option(l->super_options, off_options[i].option) ||
		    jnl_has_option(l->options, off_options[i].option))
			return off_options[i].option;
	}
	return NULL;
}

static void set_barrier(journal_probe *p, const struct line *l)
{
	const char *off = off_option(l);

	if (off) {
		p->barrier_option = jnl_probe_strdup(p, off);
		jnl_fact_number(p, JNL_FS_BARRIER, JOURNAL_FACT_REPORTED, 0,
				mountinfo);
		return;
	}
	if (l->whole && is_flushing(l->type))
		jnl_fact_number(p, JNL_FS_BARRIER, JOURNAL_FACT_REPORTED, 1,
				mountinfo);
}

/* Both lists in one; "rw" and "ro" of the file system only if they differ. */
static void set_options(journal_probe *p, const struct line *l)
{
	const char *super = l->super_options;
	char *all;

	if ((!strncmp(super, "rw", 2) || !strncmp(super, "ro", 2)) &&
	    (super[2] == ',' || !super[2]) && !strncmp(super, l->options, 2))
		super += super[2] ? 3 : 2;
	all = jnl_probe_format(p, "%s%s%s", l->options, *super ? "," : "",
			       super);
	if (all)
		jnl_fact_text(p, JNL_FS_MOUNT_OPTIONS, JOURNAL_FACT_REPORTED,
			      all, mountinfo);
	free(all);
}

static void all_unknown(journal_probe *p, int error)
{
	jnl_fact_unknown(p, JNL_FS_TYPE, error, mountinfo);
	jnl_fact_unknown(p, JNL_FS_MOUNT_POINT, error, mountinfo);
	jnl_fact_unknown(p, JNL_FS_MOUNT_SOURCE, error, mountinfo);
	jnl_fact_unknown(p, JNL_FS_MOUNT_OPTIONS, error, mountinfo);
	jnl_fact_unknown(p, JNL_FS_BARRIER, error, mountinfo);
}

int jnl_mount_of(journal_probe *p, unsigned int major, unsigned int minor,
		 char **ret_type, int *ret_flushes)
{
	const struct wanted w = {
		.has_dev = true, .major = major, .minor = minor,
	};
	struct line l;
	char *text;
	int ret;

	ret = jnl_ask_text(p->machine, JNL_ASK_FILE, mountinfo,
			   MOUNTINFO_MAX_BYTES, &text);
	if (ret < 0)
		return ret;
	l = best_line(text, &w);
	if (l.type) {
		*ret_type = jnl_probe_strdup(p, l.type);
		*ret_flushes = off_option(&l) ? 0 :
			       l.whole && is_flushing(l.type) ? 1 : -1;
		ret = *ret_type ? 0 : -ENOMEM;
	} else {
		ret = -ENOENT;
	}
	free(text);
	return ret;
}

void jnl_prober_mount(journal_probe *p)
{
	struct wanted w;
	struct line l;
	char *text;
	int ret;

	ret = jnl_ask_text(p->machine, JNL_ASK_FILE, mountinfo,
			   MOUNTINFO_MAX_BYTES, &text);
	if (ret < 0) {
		all_unknown(p, ret);
		return;
	}
	w = look_at_dir(p);
	l = best_line(text, &w);
	if (l.type) {
		jnl_fact_text(p, JNL_FS_TYPE, JOURNAL_FACT_REPORTED, l.type,
			      mountinfo);
		jnl_fact_text(p, JNL_FS_MOUNT_POINT, JOURNAL_FACT_REPORTED,
			      l.point, mountinfo);
		set_options(p, &l);
		set_barrier(p, &l);
		p->mount_source = jnl_probe_strdup(p, l.source);
		jnl_fact_text(p, JNL_FS_MOUNT_SOURCE, JOURNAL_FACT_REPORTED,
			      l.source, mountinfo);
	} else {
		/* A mount that this process's root cannot reach. */
		all_unknown(p, -ENOENT);
	}
	free(w.path);
	free(text);
}
