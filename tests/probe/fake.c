/*
 * tests/probe/fake.c - a machine in a directory, and calls that fail.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <liburing.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/probe/fake.h"

char root[256];
char dir[272];
const char *called;
int dirfd_;
struct fake fake;

static int fake_openat(struct jnl_sys *sys, int at, const char *name,
		       int flags, mode_t mode)
{
	struct fake *f = (struct fake *)sys;
	bool tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
	int fd;

	if (tmpfile && f->err_tmpfile)
		return f->err_tmpfile;
	if ((flags & O_CREAT) && f->err_create)
		return f->err_create;
	if ((flags & O_DIRECT) && f->err_direct_open)
		return f->err_direct_open;
	/* The machine that runs the tests may have no direct I/O itself. */
	fd = jnl_sys_linux()->openat(sys, at, name, flags & ~O_DIRECT, mode);
	if (fd >= 0)
		f->opened++;
	if (fd >= 0 && (flags & O_DIRECT))
		f->direct_fd = fd;
	return fd;
}

static int fake_close(struct jnl_sys *sys, int fd)
{
	((struct fake *)sys)->closed++;
	return jnl_sys_linux()->close(sys, fd);
}

static ssize_t fake_pwrite(struct jnl_sys *sys, int fd, const void *buf,
			   size_t len, uint64_t offset, int rwf)
{
	struct fake *f = (struct fake *)sys;

	if (f->err_write)
		return f->err_write;
	if ((rwf & RWF_ATOMIC) && f->err_atomic)
		return f->err_atomic;
	if (rwf == RWF_DSYNC && f->err_dsync)
		return f->err_dsync;
	if (fd == f->direct_fd && f->err_direct_write)
		return f->err_direct_write;
	f->written += len;
	return jnl_sys_linux()->pwrite(sys, fd, buf, len, offset, 0);
}

static int fake_fdatasync(struct jnl_sys *sys, int fd)
{
	struct fake *f = (struct fake *)sys;

	(void)fd;
	f->fdatasyncs++;
	return f->err_fdatasync;
}

static int fake_fsync(struct jnl_sys *sys, int fd)
{
	struct fake *f = (struct fake *)sys;

	(void)fd;
	f->fsyncs++;
	return f->err_fsync;
}

static int fake_fallocate(struct jnl_sys *sys, int fd, int mode,
			  uint64_t offset, uint64_t len)
{
	(void)fd;
	(void)offset;
	ck_assert_int_eq(mode, FALLOC_FL_WRITE_ZEROES);
	((struct fake *)sys)->written += len;
	return ((struct fake *)sys)->err_zeroes;
}

static int fake_clone(struct jnl_sys *sys, int fd, int from_fd)
{
	ck_assert_int_ne(fd, from_fd);
	return ((struct fake *)sys)->err_clone;
}

static int fake_fiemap(struct jnl_sys *sys, int fd, struct fiemap *map)
{
	struct fake *f = (struct fake *)sys;

	(void)fd;
	if (f->err_fiemap)
		return f->err_fiemap;
	map->fm_mapped_extents = f->extents;
	map->fm_extents[0].fe_flags = f->extent_flags;
	return 0;
}

static int fake_get_flags(struct jnl_sys *sys, int fd, int *ret_flags)
{
	(void)fd;
	*ret_flags = ((struct fake *)sys)->inode_flags;
	return ((struct fake *)sys)->err_flags;
}

/* Never entered, so that any descriptor will do. */
static int fake_ring_setup(struct jnl_sys *sys, unsigned int entries,
			   struct io_uring_params *p)
{
	struct fake *f = (struct fake *)sys;

	(void)entries;
	if (f->err_ring)
		return f->err_ring;
	if (p->flags & f->ring_lacks)
		return -EINVAL;
	f->opened++;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int fake_ring_register(struct jnl_sys *sys, int fd, unsigned int opcode,
			      const void *arg, unsigned int n)
{
	struct io_uring_probe *probe = (void *)arg;
	struct fake *f = (struct fake *)sys;
	unsigned int i;

	(void)fd;
	if (f->err_register)
		return f->err_register;
	if (opcode != IORING_REGISTER_PROBE)
		return 0;
	ck_assert_uint_le(48, n);
	probe->ops_len = 48;
	for (i = 0; i < probe->ops_len; i++)
		probe->ops[i].flags = IO_URING_OP_SUPPORTED;
	return 0;
}

static int fake_unlink(struct jnl_sys *sys, int at, const char *name)
{
	((struct fake *)sys)->unlinked++;
	return jnl_sys_linux()->unlink(sys, at, name);
}

static int fake_fstat(struct jnl_sys *sys, int fd, struct stat *ret_st)
{
	int ret = jnl_sys_linux()->fstat(sys, fd, ret_st);

	ret_st->st_dev = ((struct fake *)sys)->dev;
	return ret;
}

static int fake_statx(struct jnl_sys *sys, int fd, unsigned int mask,
		      struct statx *ret_stx)
{
	struct fake *f = (struct fake *)sys;

	(void)fd;
	memset(ret_stx, 0, sizeof(*ret_stx));
	if ((mask & STATX_MNT_ID) && f->mnt_id) {
		ret_stx->stx_mask |= STATX_MNT_ID;
		memcpy((char *)ret_stx + 0x90, &f->mnt_id, 8);
	}
	if ((mask & STATX_DIOALIGN) && f->dio_align) {
		ret_stx->stx_mask |= STATX_DIOALIGN;
		memcpy((char *)ret_stx + 0x9c, &f->dio_align, 4);
	}
	return 0;
}

static int fake_fstatfs(struct jnl_sys *sys, int fd, struct statfs *ret_fs)
{
	struct fake *f = (struct fake *)sys;

	(void)fd;
	if (f->err_statfs)
		return f->err_statfs;
	memset(ret_fs, 0, sizeof(*ret_fs));
	ret_fs->f_type = f->magic;
	ret_fs->f_bsize = ret_fs->f_frsize = f->block;
	ret_fs->f_blocks = 1000;
	ret_fs->f_bavail = 100;
	return 0;
}

/* Write a file of the machine; its folders are made.  len SIZE_MAX: a string. */
void put_bytes(const char *path, const char *bytes, size_t len)
{
	char full[640], *s;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (s = strchr(full + strlen(root) + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(full, 0755) < 0)
			ck_assert_int_eq(errno, EEXIST);
		*s = '/';
	}
	f = fopen(full, "w");
	ck_assert_ptr_nonnull(f);
	if (len == SIZE_MAX)
		len = strlen(bytes);
	ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

void put(const char *path, const char *text)
{
	put_bytes(path, text, SIZE_MAX);
}

void put_link(const char *path, const char *to)
{
	char full[640];

	snprintf(full, sizeof(full), "%s%s", root, path);
	put(path, "");
	ck_assert_int_eq(unlink(full), 0);
	ck_assert_int_eq(symlink(to, full), 0);
}

void drop(const char *path)
{
	char full[640];

	snprintf(full, sizeof(full), "%s%s", root, path);
	ck_assert_int_eq(unlink(full), 0);
}

/* A disk with a partition, ext4 on it, mounted at "/". */
static void put_machine(void)
{
	put("/proc/sys/kernel/osrelease", "5.10.0-test\n");
	put("/proc/self/mountinfo",
	    "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,discard\n"
	    "21 20 0:5 / /dev/shm rw - tmpfs tmpfs rw\n");
	put("/proc/self/status", "Name:\tx\nSeccomp:\t0\n");
	put("/proc/sys/kernel/io_uring_disabled", "0\n");
	put(SDA "/uevent", "MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk\n");
	put(SDA "/queue/write_cache", "write back\n");
	put(SDA "/queue/fua", "1\n");
	put(SDA "/queue/logical_block_size", "512\n");
	put(SDA "/queue/physical_block_size", "8192\n");
	put(SDA "/queue/rotational", "0\n");
	put(SDA "/sda1/uevent", "MAJOR=8\nMINOR=1\nDEVNAME=sda1\n");
	put(SDA "/sda1/partition", "1\n");
	put_link("/sys/dev/block/8:0", "../../devices/pci0/block/sda");
	put_link("/sys/dev/block/8:1", "../../devices/pci0/block/sda/sda1");
}

void setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(root, sizeof(root), "%.200s/probe-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/dir", root);
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd_, 0);
	put_machine();

	called = "/j";
	memset(&fake, 0, sizeof(fake));
	fake.sys = *jnl_sys_linux();
	fake.sys.openat = fake_openat;
	fake.sys.close = fake_close;
	fake.sys.pwrite = fake_pwrite;
	fake.sys.fsync = fake_fsync;
	fake.sys.fdatasync = fake_fdatasync;
	fake.sys.fallocate = fake_fallocate;
	fake.sys.clone = fake_clone;
	fake.sys.fiemap = fake_fiemap;
	fake.sys.get_flags = fake_get_flags;
	fake.sys.ring_setup = fake_ring_setup;
	fake.sys.ring_register = fake_ring_register;
	fake.sys.unlink = fake_unlink;
	fake.sys.fstat = fake_fstat;
	fake.sys.statx = fake_statx;
	fake.sys.fstatfs = fake_fstatfs;
	fake.dev = makedev(8, 1);
	fake.mnt_id = 20;
	fake.magic = EXT4_MAGIC;
	fake.block = 4096;
	fake.dio_align = 512;
	fake.direct_fd = -1;
	fake.extents = 1;
	fake.err_atomic = -EOPNOTSUPP;
	fake.err_zeroes = -EOPNOTSUPP;
	fake.err_clone = -EOPNOTSUPP;
}

void teardown(void)
{
	char command[272];

	close(dirfd_);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	ck_assert_int_eq(system(command), 0);
}

journal_probe *probe(void)
{
	journal_probe *p = NULL;

	ck_assert_int_eq(jnl_probe_dir_at(&p, &fake.sys, dirfd_, called, root),
			 0);
	ck_assert_int_eq(fake.opened, fake.closed);
	return p;
}

struct journal_fact fact(const journal_probe *p, const char *name)
{
	struct journal_fact f;

	ck_assert_int_eq(journal_probe_fact(p, name, &f), 0);
	return f;
}

void assert_text(const journal_probe *p, const char *name,
			const char *text)
{
	ck_assert_int_ne(fact(p, name).state, JOURNAL_FACT_UNKNOWN);
	ck_assert_str_eq(fact(p, name).text, text);
}

void assert_number(const journal_probe *p, const char *name,
			  uint64_t value)
{
	ck_assert_int_ne(fact(p, name).state, JOURNAL_FACT_UNKNOWN);
	ck_assert_ptr_null(fact(p, name).text);
	ck_assert_uint_eq(fact(p, name).value, value);
}

void assert_unknown(const journal_probe *p, const char *name, int error)
{
	struct journal_fact f = fact(p, name);

	ck_assert_int_eq(f.state, JOURNAL_FACT_UNKNOWN);
	ck_assert_int_eq(f.error, error);
	ck_assert_uint_eq(f.value, 0);
	ck_assert_ptr_null(f.text);
}

struct journal_probe_method method(const journal_probe *p, size_t i)
{
	struct journal_probe_method m;

	ck_assert_int_eq(journal_probe_method_at(p, i, &m), 0);
	return m;
}

void assert_refused(const journal_probe *p, size_t i, const char *by)
{
	struct journal_probe_method m = method(p, i);

	ck_assert_int_eq(m.usable, 0);
	ck_assert_int_eq(m.chosen, 0);
	ck_assert_str_eq(m.fact, by);
	/* The reason names the fact, and what would help. */
	ck_assert_int_eq(strncmp(m.reason, by, strlen(by)), 0);
	ck_assert_ptr_nonnull(strchr(m.reason, ';'));
}

struct jnl_choice choose(journal_probe *p)
{
	struct jnl_choice c;
	const char *reason;

	ck_assert_int_eq(jnl_probe_choose(p, NULL, false, &c, &reason), 0);
	return c;
}

void assert_no_choice(journal_probe *p, bool allow_volatile)
{
	struct jnl_choice c;
	const char *reason = NULL;

	ck_assert_int_eq(jnl_probe_choose(p, NULL, allow_volatile, &c,
					  &reason), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(reason);
	ck_assert_ptr_null(strchr(reason, '\n'));
}
