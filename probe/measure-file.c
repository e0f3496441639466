/*
 * probe/measure-file.c - the file that a measurement writes to.
 *
 * Made as a segment is: space reserved, zeros written, synced.  It has no
 * name; where the file system cannot do that it has "probe-<pid>-m<n>.tmp",
 * removed before anything is written, and if the process dies in between the
 * next journal_open() removes it.
 */
#include "config.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "probe/measure-inner.h"

#define CHUNK		(1024u * 1024)
#define NAME_TRIES	16

uint64_t jnl_measure_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int fail(struct jnl_measure_file *f, const char *call, int err)
{
	f->err = err;
	f->failed = call;
	return err;
}

static int open_unnamed(struct jnl_measure *m, bool direct)
{
	return m->sys->openat(m->sys, m->dirfd, ".", O_TMPFILE | O_RDWR |
			      O_CLOEXEC | (direct ? O_DIRECT : 0), 0600);
}

/*
 * Made without O_DIRECT and opened again: a kernel that refuses O_DIRECT in
 * open(2) may leave the new file behind.
 */
static int open_named(struct jnl_measure *m, bool direct,
		      struct jnl_measure_file *f)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	struct jnl_sys *sys = m->sys;
	char name[64];
	int fd, again, ret;

	for (int i = 0;; i++) {
		(void)snprintf(name, sizeof(name), "probe-%ld-m%d.tmp",
			       (long)getpid(), i);
		fd = sys->openat(sys, m->dirfd, name, flags | O_CREAT | O_EXCL,
				 0600);
		if (fd != -EEXIST || i + 1 == NAME_TRIES)
			break;
	}
	if (fd < 0)
		return fail(f, "open", fd);
	if (direct) {
		again = sys->openat(sys, m->dirfd, name, flags | O_DIRECT, 0);
		(void)sys->close(sys, fd);
		fd = again;
	}
	ret = sys->unlink(sys, m->dirfd, name);
	if (fd < 0)
		return fail(f, "open", fd);
	if (ret < 0 && ret != -ENOENT) {
		(void)sys->close(sys, fd);
		return fail(f, "unlink", ret);
	}
	return fd;
}

static int open_file(struct jnl_measure *m, bool direct,
		     struct jnl_measure_file *f)
{
	int fd = open_unnamed(m, direct);

	/* EISDIR and ENOENT: O_TMPFILE is taken for an attempt to write to
	 * the directory itself. */
	if (fd == -EOPNOTSUPP || fd == -EINVAL || fd == -ENOSYS ||
	    fd == -EISDIR || fd == -ENOENT)
		return open_named(m, direct, f);
	return fd < 0 ? fail(f, "open", fd) : fd;
}

static int reserve(struct jnl_measure *m, const struct jnl_choice *choice,
		   struct jnl_measure_file *f)
{
	struct jnl_sys *sys = m->sys;
	int flags, ret;

	/* As for a segment: best effort. */
	if (choice->nocow && !sys->get_flags(sys, f->fd, &flags))
		(void)sys->set_flags(sys, f->fd, flags | FS_NOCOW_FL);
	ret = sys->fallocate(sys, f->fd, 0, 0, m->cfg.file_bytes);
	if (ret == -EOPNOTSUPP || ret == -ENOSYS)
		ret = sys->ftruncate(sys, f->fd, m->cfg.file_bytes);
	return ret < 0 ? fail(f, "fallocate", ret) : 0;
}

static int fill(struct jnl_measure *m, const struct jnl_choice *choice,
		struct jnl_measure_file *f)
{
	uint64_t end = jnl_measure_now_ns() + m->cfg.fill_ns;
	uint8_t *zeros = jnl_buffer_alloc(CHUNK);
	int ret = 0;

	if (!zeros)
		return fail(f, "mmap", -ENOMEM);
	while (!ret && f->size + CHUNK <= m->cfg.file_bytes &&
	       (!f->size || jnl_measure_now_ns() < end)) {
		ret = jnl_write_full(m->sys, f->fd, zeros, CHUNK, f->size, 0,
				     choice->way.direct ? m->block : 1);
		f->size += CHUNK;
	}
	jnl_buffer_free(zeros, CHUNK);
	if (ret < 0)
		return fail(f, "pwritev2", ret);
	/* fsync and not fdatasync: size and extents have to be there too. */
	ret = m->sys->fsync(m->sys, f->fd);
	return ret < 0 ? fail(f, "fsync", ret) : 0;
}

void jnl_measure_file_make(struct jnl_measure *m,
			   const struct jnl_choice *choice,
			   struct jnl_measure_file *f)
{
	f->made = true;
	f->generation = ++m->generation;
	f->fd = open_file(m, choice->way.direct, f);
	if (f->fd >= 0 && m->cfg.base)
		f->base = m->cfg.base(m->sys, f->fd);
	if (f->fd < 0 || (!reserve(m, choice, f) && !fill(m, choice, f)))
		return;
	jnl_measure_file_close(m, f);
}

void jnl_measure_file_close(struct jnl_measure *m, struct jnl_measure_file *f)
{
	if (f->made && f->fd >= 0)
		(void)m->sys->close(m->sys, f->fd);
	f->fd = -1;
}
