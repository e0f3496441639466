/*
 * probe/machine-try.c - what can only be tried, done on files in the directory.
 *
 * They are files that nobody else sees: O_TMPFILE, or where the file system
 * has none a name that is unlinked at once.  Nothing is done twice here and
 * nothing judged: what an error means is the probers' business.
 */
#include "config.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/file.h"
#include "probe/machine-impl.h"

/* Enough for the probes of as many threads of one process in one place. */
#define NAME_TRIES	16

#define NAMED_FLAGS	(O_RDWR | O_CLOEXEC | O_NOFOLLOW)

/* No try writes more at a time. */
#define TRY_MAX_BYTES	65536u

/* Not zeros: a drive need not store those. */
#define PATTERN		0x5a

struct try {
	unsigned int len;
	bool direct;
};

/* Room for what a file of some writes comes to at most. */
#define EXTENTS_MAX	32

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

/* A new file and its name. */
static int make_named(struct jnl_machine_linux *l, char *name, size_t len)
{
	int fd, i;

	snprintf(name, len, "probe-%ld.tmp", (long)getpid());
	for (i = 1;; i++) {
		fd = l->sys->openat(l->sys, l->dirfd, name,
				    NAMED_FLAGS | O_CREAT | O_EXCL, 0600);
		if (fd != -EEXIST || i == NAME_TRIES)
			return fd;
		snprintf(name, len, "probe-%ld-%d.tmp", (long)getpid(), i);
	}
}

/*
 * The file is made without O_DIRECT and opened again: a kernel that refuses
 * O_DIRECT in open(2) may leave the new file behind.
 */
static int open_named(struct jnl_machine_linux *l)
{
	char name[64];
	int ret;

	l->scratch_fd = make_named(l, name, sizeof(name));
	if (l->scratch_fd < 0)
		return l->scratch_fd;
	l->direct_fd = l->sys->openat(l->sys, l->dirfd, name,
				      NAMED_FLAGS | O_DIRECT, 0);
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
	int ret;

	jnl_machine_linux_close(l);
	l->named = false;
	ret = open_unnamed(l);
	/* EISDIR and ENOENT: a kernel or file system that takes O_TMPFILE for
	 * an attempt to write to the directory itself. */
	if (unsupported(ret) || ret == -EISDIR || ret == -ENOENT) {
		ret = open_named(l);
		l->named = ret == 0;
	}
	if (ret < 0)
		return ret;
	return jnl_machine_format(ret_text, "named %d\n", l->named);
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

static int try_rwf_atomic(struct jnl_machine_linux *l, const struct try *t)
{
	return put(l, t, 0, RWF_ATOMIC | RWF_DSYNC);
}

static int try_write_zeroes(struct jnl_machine_linux *l, const struct try *t)
{
	if (l->scratch_fd < 0)
		return l->scratch_fd;
	return l->sys->fallocate(l->sys, l->scratch_fd, FALLOC_FL_WRITE_ZEROES,
				 0, t->len);
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

/* One more file that nobody else sees. */
static int open_another(struct jnl_machine_linux *l)
{
	char name[64];
	int fd, ret;

	if (!l->named)
		return l->sys->openat(l->sys, l->dirfd, ".",
				      O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	fd = make_named(l, name, sizeof(name));
	if (fd < 0)
		return fd;
	ret = l->sys->unlink(l->sys, l->dirfd, name);
	if (ret < 0 && ret != -ENOENT) {
		l->sys->close(l->sys, fd);
		return ret;
	}
	return fd;
}

static int try_reflink(struct jnl_machine_linux *l)
{
	int fd, ret;

	if (l->scratch_fd < 0)
		return l->scratch_fd;
	fd = open_another(l);
	if (fd < 0)
		return fd;
	ret = l->sys->clone(l->sys, fd, l->scratch_fd);
	l->sys->close(l->sys, fd);
	return ret;
}

/* Flags that say where the bytes are not, or not for good. */
#define EXTENT_OTHER	(FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | \
			 FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED | \
			 FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL)

static int try_fiemap(struct jnl_machine_linux *l, char **ret_text)
{
	union {
		struct fiemap map;
		unsigned char room[sizeof(struct fiemap) + EXTENTS_MAX *
				   sizeof(struct fiemap_extent)];
	} u;
	unsigned int unwritten = 0, shared = 0, other = 0, i;
	int ret;

	if (l->scratch_fd < 0)
		return l->scratch_fd;
	memset(&u, 0, sizeof(u));
	u.map.fm_length = UINT64_MAX;
	u.map.fm_extent_count = EXTENTS_MAX;
	ret = l->sys->fiemap(l->sys, l->scratch_fd, &u.map);
	if (ret < 0)
		return ret;
	if (u.map.fm_mapped_extents > EXTENTS_MAX)
		return -EOVERFLOW;
	for (i = 0; i < u.map.fm_mapped_extents; i++) {
		uint32_t flags = u.map.fm_extents[i].fe_flags;

		unwritten += !!(flags & FIEMAP_EXTENT_UNWRITTEN);
		shared += !!(flags & FIEMAP_EXTENT_SHARED);
		other += !!(flags & EXTENT_OTHER);
	}
	return jnl_machine_format(ret_text, "extents %u\nunwritten %u\n"
				  "shared %u\nother %u\n",
				  u.map.fm_mapped_extents, unwritten, shared,
				  other);
}

static const struct {
	const char *verb;
	bool has_len;
	int (*run)(struct jnl_machine_linux *l, const struct try *t);
} tries[] = {
	{ "open", false, try_open },
	{ "write", true, try_write },
	{ "rwf_dsync", true, try_rwf_dsync },
	{ "rwf_atomic", true, try_rwf_atomic },
	{ "write_zeroes", true, try_write_zeroes },
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
	if (!strcmp(subject, "fiemap"))
		return try_fiemap(l, ret_text);
	if (!strcmp(subject, "reflink"))
		return try_reflink(l);
	if (!strncmp(subject, "io_uring ", 9))
		return jnl_machine_ring(l, subject + 9, ret_text);
	if (!strncmp(subject, "nvme_node ", 10))
		return jnl_machine_nvme_node(l, subject + 10, ret_text);
	if (!strncmp(subject, "nvme_flush ", 11))
		return jnl_machine_nvme_flush(l, subject + 11);
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
