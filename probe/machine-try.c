/*
 * probe/machine-try.c - what can only be tried, done on files in the directory.
 *
 * They are files that nobody else sees: O_TMPFILE, or where the file system
 * has none a name that is unlinked at once.  Nothing is done twice here and
 * nothing judged: what an error means is the probers' business.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/file.h"
#include "probe/machine.h"

/* Enough for the probes of as many threads of one process in one place. */
#define NAME_TRIES	16

/* No try writes more at a time. */
#define TRY_MAX_BYTES	65536u

/* Not zeros: a drive need not store those. */
#define PATTERN		0x5a

struct try {
	unsigned int len;
	bool direct;
};

static int open_unnamed(struct jnl_machine_linux *l)
{
	const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;

	l->scratch_fd = l->sys->openat(l->sys, l->dirfd, ".", flags, 0600);
	if (l->scratch_fd < 0)
		return l->scratch_fd;
	l->direct_fd = l->sys->openat(l->sys, l->dirfd, ".", flags | O_DIRECT,
				      0600);
	return 0;
}

/*
 * The file is made without O_DIRECT and opened again: a kernel that refuses
 * O_DIRECT in open(2) may leave the new file behind.
 */
static int open_named(struct jnl_machine_linux *l)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	char name[64];
	int i, ret;

	snprintf(name, sizeof(name), "probe-%ld.tmp", (long)getpid());
	for (i = 1;; i++) {
		l->scratch_fd = l->sys->openat(l->sys, l->dirfd, name,
					       flags | O_CREAT | O_EXCL, 0600);
		if (l->scratch_fd != -EEXIST || i == NAME_TRIES)
			break;
		snprintf(name, sizeof(name), "probe-%ld-%d.tmp",
			 (long)getpid(), i);
	}
	if (l->scratch_fd < 0)
		return l->scratch_fd;
	l->direct_fd = l->sys->openat(l->sys, l->dirfd, name, flags | O_DIRECT,
				      0);
	ret = l->sys->unlink(l->sys, l->dirfd, name);
	if (ret < 0 && ret != -ENOENT) {
		jnl_machine_linux_close(l);
		return ret;
	}
	return 0;
}

static bool unsupported(int err)
{
	return err == -EINVAL || err == -ENOSYS || err == -EOPNOTSUPP;
}

static int try_scratch(struct jnl_machine_linux *l, char **ret_text)
{
	bool named = false;
	int ret;

	jnl_machine_linux_close(l);
	ret = open_unnamed(l);
	/* EISDIR and ENOENT: a kernel or file system that takes O_TMPFILE for
	 * an attempt to write to the directory itself. */
	if (unsupported(ret) || ret == -EISDIR || ret == -ENOENT) {
		named = true;
		ret = open_named(l);
	}
	if (ret < 0)
		return ret;
	*ret_text = strdup(named ? "named 1\n" : "named 0\n");
	return *ret_text ? 0 : -ENOMEM;
}

static int put(struct jnl_machine_linux *l, const struct try *t,
	       uint64_t offset, int rwf)
{
	int fd = t->direct ? l->direct_fd : l->scratch_fd, ret;
	unsigned char *buf;

	if (fd < 0)
		return fd;
	buf = jnl_buffer_alloc(t->len);
	if (!buf)
		return -ENOMEM;
	memset(buf, PATTERN, t->len);
	ret = jnl_write_full(l->sys, fd, buf, t->len, offset, rwf,
			     t->direct ? t->len : 1);
	jnl_buffer_free(buf, t->len);
	return ret;
}

static int try_write(struct jnl_machine_linux *l, const struct try *t)
{
	return put(l, t, 0, 0);
}

static int try_rwf_dsync(struct jnl_machine_linux *l, const struct try *t)
{
	return put(l, t, t->len, RWF_DSYNC);
}

static int try_fdatasync(struct jnl_machine_linux *l, const struct try *t)
{
	int fd = t->direct ? l->direct_fd : l->scratch_fd;

	return fd < 0 ? fd : l->sys->fdatasync(l->sys, fd);
}

static int try_fsync(struct jnl_machine_linux *l, const struct try *t)
{
	int fd = t->direct ? l->direct_fd : l->scratch_fd;

	return fd < 0 ? fd : l->sys->fsync(l->sys, fd);
}

static int try_open(struct jnl_machine_linux *l, const struct try *t)
{
	int fd = t->direct ? l->direct_fd : l->scratch_fd;

	return fd < 0 ? fd : 0;
}

static const struct {
	const char *verb;
	bool has_len;
	int (*run)(struct jnl_machine_linux *l, const struct try *t);
} tries[] = {
	{ "open", false, try_open },
	{ "write", true, try_write },
	{ "rwf_dsync", true, try_rwf_dsync },
	{ "fdatasync", false, try_fdatasync },
	{ "fsync", false, try_fsync },
};

/* What stands behind the verb: "", " 4096", " 4096 direct", " direct". */
static int parse(const char *s, bool has_len, struct try *t)
{
	int used = 0;

	memset(t, 0, sizeof(*t));
	if (has_len) {
		if (sscanf(s, " %u%n", &t->len, &used) != 1 || !t->len ||
		    t->len > TRY_MAX_BYTES)
			return -EINVAL;
		s += used;
	}
	t->direct = !strcmp(s, " direct");
	return t->direct || !*s ? 0 : -EINVAL;
}

int jnl_machine_try(struct jnl_machine_linux *l, const char *subject,
		    char **ret_text)
{
	struct try t;
	size_t i, len;
	int ret;

	if (!strcmp(subject, "scratch"))
		return try_scratch(l, ret_text);
	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		len = strlen(tries[i].verb);
		if (strncmp(subject, tries[i].verb, len) ||
		    (subject[len] && subject[len] != ' '))
			continue;
		ret = parse(subject + len, tries[i].has_len, &t);
		return ret < 0 ? ret : tries[i].run(l, &t);
	}
	return -EOPNOTSUPP;
}
