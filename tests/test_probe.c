/*
 * tests/test_probe.c - the probe against replayed machines and failing calls.
 *
 * A test writes the /proc and /sys of a machine below a directory of its own
 * (struct machine) and lends the probe a system-call table that tells device
 * numbers and mount ids of that machine and fails the calls it is told to
 * fail; everything else goes to the kernel.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/compat.h"
#include "probe/facts.h"

#define EXT4_MAGIC	0xef53

/* What the probe is made to see. */
struct fake {
	struct jnl_sys sys;	/* first: the table is the object */
	dev_t dev;
	uint64_t mnt_id;	/* 0: the kernel does not tell */
	long magic, block;
	uint32_t dio_align;	/* 0: the kernel does not tell */
	/* Errors to return, or 0. */
	int err_tmpfile, err_create, err_direct_open, err_direct_write;
	int err_dsync, err_write, err_fdatasync, err_fsync, err_statfs;
	/* What was done. */
	uint64_t written;
	int direct_fd, opened, closed, unlinked;
	int fdatasyncs, fsyncs;
};

static char root[256];		/* below it the machine's files */
static char dir[272];		/* the probed directory */
static const char *called;	/* what the probe is told it is called */
static int dirfd_;
static struct fake fake;

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
	if (rwf && f->err_dsync)
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
static void put_bytes(const char *path, const char *bytes, size_t len)
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

static void put(const char *path, const char *text)
{
	put_bytes(path, text, SIZE_MAX);
}

static void put_link(const char *path, const char *to)
{
	char full[640];

	snprintf(full, sizeof(full), "%s%s", root, path);
	put(path, "");
	ck_assert_int_eq(unlink(full), 0);
	ck_assert_int_eq(symlink(to, full), 0);
}

static void drop(const char *path)
{
	char full[640];

	snprintf(full, sizeof(full), "%s%s", root, path);
	ck_assert_int_eq(unlink(full), 0);
}

#define SDA "/sys/devices/pci0/block/sda"

/* A disk with a partition, ext4 on it, mounted at "/". */
static void put_machine(void)
{
	put("/proc/sys/kernel/osrelease", "5.10.0-test\n");
	put("/proc/self/mountinfo",
	    "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,discard\n"
	    "21 20 0:5 / /dev/shm rw - tmpfs tmpfs rw\n");
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

static void setup(void)
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
}

static void teardown(void)
{
	char command[272];

	close(dirfd_);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	ck_assert_int_eq(system(command), 0);
}

static journal_probe *probe(void)
{
	journal_probe *p = NULL;

	ck_assert_int_eq(jnl_probe_dir_at(&p, &fake.sys, dirfd_, called, root),
			 0);
	ck_assert_int_eq(fake.opened, fake.closed);
	return p;
}

static struct journal_fact fact(const journal_probe *p, const char *name)
{
	struct journal_fact f;

	ck_assert_int_eq(journal_probe_fact(p, name, &f), 0);
	return f;
}

static void assert_text(const journal_probe *p, const char *name,
			const char *text)
{
	ck_assert_int_ne(fact(p, name).state, JOURNAL_FACT_UNKNOWN);
	ck_assert_str_eq(fact(p, name).text, text);
}

static void assert_number(const journal_probe *p, const char *name,
			  uint64_t value)
{
	ck_assert_int_ne(fact(p, name).state, JOURNAL_FACT_UNKNOWN);
	ck_assert_ptr_null(fact(p, name).text);
	ck_assert_uint_eq(fact(p, name).value, value);
}

static void assert_unknown(const journal_probe *p, const char *name, int error)
{
	struct journal_fact f = fact(p, name);

	ck_assert_int_eq(f.state, JOURNAL_FACT_UNKNOWN);
	ck_assert_int_eq(f.error, error);
	ck_assert_uint_eq(f.value, 0);
	ck_assert_ptr_null(f.text);
}

static struct journal_probe_method method(const journal_probe *p, size_t i)
{
	struct journal_probe_method m;

	ck_assert_int_eq(journal_probe_method_at(p, i, &m), 0);
	return m;
}

static void assert_refused(const journal_probe *p, size_t i, const char *by)
{
	struct journal_probe_method m = method(p, i);

	ck_assert_int_eq(m.usable, 0);
	ck_assert_int_eq(m.chosen, 0);
	ck_assert_str_eq(m.fact, by);
	/* The reason names the fact, and what would help. */
	ck_assert_int_eq(strncmp(m.reason, by, strlen(by)), 0);
	ck_assert_ptr_nonnull(strchr(m.reason, ';'));
}

static struct jnl_choice choose(journal_probe *p)
{
	struct jnl_choice c;
	const char *reason;

	ck_assert_int_eq(jnl_probe_choose(p, NULL, false, &c, &reason), 0);
	return c;
}

static void assert_no_choice(journal_probe *p, bool allow_volatile)
{
	struct jnl_choice c;
	const char *reason = NULL;

	ck_assert_int_eq(jnl_probe_choose(p, NULL, allow_volatile, &c,
					  &reason), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(reason);
	ck_assert_ptr_null(strchr(reason, '\n'));
}

START_TEST(a_sound_machine_gets_direct_with_rwf_dsync)
{
	journal_probe *p = probe();
	struct jnl_choice c = choose(p);

	assert_text(p, "kernel.release", "5.10.0-test");
	ck_assert_str_eq(c.method->name, "direct");
	ck_assert(c.way.direct && c.way.dsync);
	ck_assert_int_eq(c.way.flush, JNL_FLUSH_FDATASYNC);
	ck_assert_uint_eq(c.block_size, 8192);
	ck_assert(!c.nocow);
	ck_assert_int_eq(method(p, 0).chosen, 1);
	ck_assert_str_eq(method(p, 0).barrier, "RWF_DSYNC");
	ck_assert_str_eq(method(p, 0).carrier, "pwritev2");
	ck_assert_int_eq(method(p, 1).usable, 1);
	ck_assert_int_eq(method(p, 1).chosen, 0);
	ck_assert_ptr_null(strstr(method(p, 0).reason, "not verified"));
	journal_probe_close(p);
}
END_TEST

START_TEST(a_probe_writes_no_more_than_256_kib_and_leaves_no_name)
{
	journal_probe *p;

	fake.dio_align = 65536;
	p = probe();
	ck_assert_uint_gt(fake.written, 2 * 65536);
	ck_assert_uint_le(fake.written, 256 * 1024);
	ck_assert_int_eq(fake.unlinked, 0);
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(refused_o_direct_leaves_buffered)
{
	static int *const errs[] = { &fake.err_direct_open,
				     &fake.err_direct_write };
	journal_probe *p;

	*errs[_i] = -EINVAL;
	p = probe();
	assert_number(p, "fs.direct_io", 0);
	ck_assert_int_eq(fact(p, "fs.direct_io").state, JOURNAL_FACT_TRIED);
	ck_assert_int_eq(fact(p, "fs.direct_io").error, -EINVAL);
	assert_number(p, "kernel.rwf_dsync", 1);
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	ck_assert(!choose(p).way.direct && !choose(p).way.dsync);
	ck_assert_uint_ge(choose(p).block_size, sysconf(_SC_PAGESIZE));
	ck_assert_str_eq(method(p, 1).barrier, "fdatasync");
	journal_probe_close(p);
}
END_TEST

START_TEST(refused_rwf_dsync_means_direct_with_fdatasync)
{
	journal_probe *p;

	fake.err_dsync = -EOPNOTSUPP;
	p = probe();
	assert_number(p, "kernel.rwf_dsync", 0);
	ck_assert_int_eq(fact(p, "kernel.rwf_dsync").error, -EOPNOTSUPP);
	ck_assert_str_eq(choose(p).method->name, "direct");
	ck_assert(!choose(p).way.dsync);
	ck_assert_str_eq(method(p, 0).barrier, "fdatasync");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_missing_fdatasync_means_fsync_everywhere)
{
	static const int errs[] = { -EINVAL, -ENOSYS, -EOPNOTSUPP };
	journal_probe *p;

	fake.err_fdatasync = errs[_i];
	fake.err_dsync = -EOPNOTSUPP;
	p = probe();
	assert_text(p, "fs.flush", "fsync");
	ck_assert_int_eq(choose(p).way.flush, JNL_FLUSH_FSYNC);
	ck_assert_str_eq(method(p, 0).barrier, "fsync");
	ck_assert_str_eq(method(p, 1).barrier, "fsync");
	/* The direct try used what was decided. */
	ck_assert_int_eq(fake.fdatasyncs, 1);
	ck_assert_int_eq(fake.fsyncs, 2);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_failed_fdatasync_is_not_tried_as_fsync_and_refuses_all)
{
	journal_probe *p;

	fake.err_fdatasync = -EIO;
	p = probe();
	assert_unknown(p, "fs.flush", -EIO);
	ck_assert_int_eq(fake.fsyncs, 0);
	assert_refused(p, 0, "fs.direct_io");
	assert_refused(p, 1, "fs.flush");
	assert_no_choice(p, false);
	assert_no_choice(p, true);
	journal_probe_close(p);
}
END_TEST

START_TEST(an_io_error_in_any_try_refuses_all)
{
	static int *const errs[] = { &fake.err_direct_write, &fake.err_dsync,
				     &fake.err_write };
	journal_probe *p;

	*errs[_i] = -EIO;
	p = probe();
	assert_unknown(p, "fs.flush", -EIO);
	assert_no_choice(p, false);
	journal_probe_close(p);
}
END_TEST

START_TEST(no_flush_at_all_refuses_all)
{
	journal_probe *p;

	fake.err_fdatasync = fake.err_fsync = -EINVAL;
	p = probe();
	ck_assert_int_eq(fact(p, "fs.flush").state, JOURNAL_FACT_TRIED);
	ck_assert_int_eq(fact(p, "fs.flush").error, -EINVAL);
	assert_refused(p, 0, "fs.flush");
	assert_refused(p, 1, "fs.flush");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_sandbox_that_forbids_rwf_dsync_costs_rwf_dsync_only)
{
	journal_probe *p;

	fake.err_dsync = -EPERM;
	p = probe();
	assert_unknown(p, "kernel.rwf_dsync", -EPERM);
	ck_assert_str_eq(method(p, 0).barrier, "fdatasync");
	journal_probe_close(p);
}
END_TEST

START_TEST(direct_io_that_is_not_known_refuses_direct_only)
{
	journal_probe *p;

	fake.err_direct_open = -EPERM;
	p = probe();
	assert_unknown(p, "fs.direct_io", -EPERM);
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_full_file_system_gets_what_is_reported)
{
	static const int errs[] = { -ENOSPC, -EDQUOT };
	journal_probe *p;

	fake.err_write = errs[_i];
	p = probe();
	assert_text(p, "fs.flush", "fdatasync");
	assert_number(p, "fs.direct_io", 1);
	ck_assert_int_eq(fact(p, "fs.direct_io").state, JOURNAL_FACT_REPORTED);
	assert_unknown(p, "kernel.rwf_dsync", errs[_i]);
	ck_assert(choose(p).way.direct && !choose(p).way.dsync);
	ck_assert_str_eq(method(p, 0).barrier, "fdatasync");
	ck_assert_ptr_nonnull(strstr(method(p, 0).reason, "reported"));
	journal_probe_close(p);
	/* Nobody reports, nothing can be tried: not known. */
	fake.dio_align = 0;
	p = probe();
	assert_unknown(p, "fs.direct_io", errs[_i]);
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	journal_probe_close(p);
}
END_TEST

START_TEST(rwf_dsync_on_another_file_says_nothing_about_direct_io)
{
	journal_probe *p;

	/* Room was freed between the tries. */
	fake.err_direct_write = -ENOSPC;
	p = probe();
	assert_number(p, "kernel.rwf_dsync", 1);
	ck_assert(choose(p).way.direct && !choose(p).way.dsync);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_to_leaves_tries_unknown)
{
	static const int errs[] = { -EROFS, -EACCES, -ENOSPC };
	journal_probe *p;

	fake.err_tmpfile = errs[_i];
	p = probe();
	assert_unknown(p, "fs.flush", errs[_i]);
	assert_unknown(p, "fs.direct_io", errs[_i]);
	assert_unknown(p, "kernel.rwf_dsync", errs[_i]);
	assert_unknown(p, "fs.direct_io_alignment", errs[_i]);
	assert_text(p, "fs.type", "ext4");
	assert_refused(p, 0, "fs.direct_io");
	assert_refused(p, 1, "fs.flush");
	ck_assert_uint_eq(fake.written, 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(without_o_tmpfile_a_named_file_is_unlinked_at_once)
{
	static const int errs[] = { -EOPNOTSUPP, -EISDIR, -EINVAL };
	journal_probe *p;

	fake.err_tmpfile = errs[_i];
	p = probe();
	assert_number(p, "fs.direct_io", 1);
	ck_assert_int_eq(fake.unlinked, 1);
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_named_file_refused_o_direct_is_unlinked_too)
{
	journal_probe *p;

	fake.err_tmpfile = -EOPNOTSUPP;
	fake.err_direct_open = -EINVAL;
	p = probe();
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_name_that_is_taken_is_left_alone)
{
	char name[320];
	struct stat st;
	journal_probe *p;

	snprintf(name, sizeof(name), "/dir/probe-%ld.tmp", (long)getpid());
	put(name, "somebody's");
	fake.err_tmpfile = -EOPNOTSUPP;
	p = probe();
	assert_number(p, "fs.direct_io", 1);
	snprintf(name, sizeof(name), "%s/probe-%ld.tmp", dir, (long)getpid());
	ck_assert_int_eq(stat(name, &st), 0);
	ck_assert_int_eq(st.st_size, strlen("somebody's"));
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

static const struct {
	const char *type, *options, *super;
	int barrier;		/* -1: unknown */
} mounts[] = {
	{ "ext4", "rw", "rw", 1 },
	{ "xfs", "rw,relatime", "rw,attr2,noquota", 1 },
	{ "btrfs", "rw", "rw,ssd,subvol=/", 1 },
	{ "f2fs", "rw", "rw,fsync_mode=posix", 1 },
	{ "ext4", "rw", "rw,nobarrier", 0 },
	{ "ext4", "rw", "nobarrier", 0 },
	{ "ext4", "rw", "rw,nobarrier,discard", 0 },
	{ "ext4", "rw", "rw,barrier=0", 0 },
	{ "ext3", "rw", "rw,barrier=0", 0 },
	{ "xfs", "rw", "rw,nobarrier", 0 },
	{ "btrfs", "rw", "rw,nobarrier,ssd", 0 },
	{ "f2fs", "rw", "rw,nobarrier", 0 },
	{ "f2fs", "rw", "rw,fsync_mode=nobarrier", 0 },
	{ "overlay", "rw", "rw,lowerdir=/a,volatile", 0 },
	{ "overlay", "rw", "rw,lowerdir=/a,fsync=volatile", 0 },
	{ "xfs", "rw,nobarrier", "rw", 0 },
	/* Means something else, or nothing, elsewhere. */
	{ "xfs", "rw", "rw,volatile", 1 },
	{ "ext4", "rw", "rw,fsync_mode=nobarrier", 1 },
	/* Not these options, only like them. */
	{ "ext4", "rw", "rw,nobarriers", 1 },
	{ "ext4", "rw", "rw,xnobarrier", 1 },
	{ "ext4", "rw", "rw,barrier=01", 1 },
	{ "ext3", "rw", "rw", -1 },
	{ "overlay", "rw", "rw,lowerdir=/a", -1 },
	{ "nfs4", "rw", "rw,hard", -1 },
	{ "fuse.sshfs", "rw", "rw", -1 },
};

static void put_mount(const char *type, const char *options, const char *super)
{
	char line[512];

	snprintf(line, sizeof(line), "20 1 8:1 / / %s - %s /dev/sda1 %s\n",
		 options, type, super);
	put("/proc/self/mountinfo", line);
}

START_TEST(the_barrier_is_what_the_mount_options_say)
{
	journal_probe *p;

	put_mount(mounts[_i].type, mounts[_i].options, mounts[_i].super);
	fake.magic = 0;
	p = probe();
	assert_text(p, "fs.type", mounts[_i].type);
	if (mounts[_i].barrier < 0)
		assert_unknown(p, "fs.barrier", 0);
	else
		assert_number(p, "fs.barrier", (uint64_t)mounts[_i].barrier);
	if (mounts[_i].barrier == 0) {
		assert_refused(p, 0, "fs.barrier");
		assert_refused(p, 1, "fs.barrier");
		assert_no_choice(p, false);
		assert_no_choice(p, true);
	} else {
		ck_assert_str_eq(choose(p).method->name, "direct");
		ck_assert_int_eq(!strstr(method(p, 0).reason, "not verified"),
				 mounts[_i].barrier > 0);
	}
	journal_probe_close(p);
}
END_TEST

START_TEST(a_refusal_by_nobarrier_says_where_and_what_to_do)
{
	journal_probe *p;

	put_mount("ext4", "rw", "rw,nobarrier");
	p = probe();
	ck_assert_str_eq(method(p, 0).reason, "fs.barrier: / is mounted with "
			 "nobarrier; remount it with barriers");
	journal_probe_close(p);
}
END_TEST

START_TEST(tmpfs_is_refused_unless_volatile_is_allowed)
{
	const char *reason;
	struct jnl_choice c;
	journal_probe *p;

	fake.dev = makedev(0, 5);
	fake.mnt_id = 21;
	fake.magic = 0x01021994;
	p = probe();
	assert_text(p, "fs.type", "tmpfs");
	assert_number(p, "fs.stable", 0);
	assert_unknown(p, "fs.barrier", 0);
	ck_assert_str_eq(fact(p, "fs.barrier").source, "");
	assert_refused(p, 0, "fs.stable");
	assert_refused(p, 1, "fs.stable");
	assert_no_choice(p, false);
	ck_assert_int_eq(jnl_probe_choose(p, NULL, true, &c, &reason), 0);
	ck_assert_str_eq(c.method->name, "direct");
	ck_assert_ptr_nonnull(strstr(jnl_probe_trail(p), "lost when the "
						     "power goes"));
	journal_probe_close(p);
}
END_TEST

START_TEST(tmpfs_is_known_without_proc_too)
{
	journal_probe *p;

	drop("/proc/self/mountinfo");
	fake.dev = makedev(0, 5);
	fake.magic = 0x01021994;
	p = probe();
	assert_text(p, "fs.type", "tmpfs");
	assert_refused(p, 1, "fs.stable");
	journal_probe_close(p);
}
END_TEST

START_TEST(no_proc_and_no_sys_leave_everything_unknown_but_the_tries)
{
	static const char *const names[] = {
		"kernel.release", "fs.type", "fs.mount_point",
		"fs.mount_options", "fs.barrier", "device.name", "device.kind",
		"device.write_cache", "device.fua",
		"device.logical_block_size", "device.physical_block_size",
		"device.rotational",
	};
	journal_probe *p = NULL;
	char nowhere[272];
	size_t i;

	snprintf(nowhere, sizeof(nowhere), "%s/nowhere", root);
	ck_assert_int_eq(jnl_probe_dir_at(&p, &fake.sys, dirfd_, "/j",
					  nowhere), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_unknown(p, names[i], -ENOENT);
	assert_unknown(p, "fs.stable", 0);
	ck_assert_str_eq(choose(p).method->name, "direct");
	ck_assert_uint_eq(choose(p).block_size, 4096);
	ck_assert_ptr_nonnull(strstr(method(p, 0).reason, "not verified"));
	journal_probe_close(p);
}
END_TEST

START_TEST(a_failing_fstatfs_costs_its_facts_only)
{
	journal_probe *p;

	fake.err_statfs = -ENOSYS;
	p = probe();
	assert_unknown(p, "fs.block_size", -ENOSYS);
	assert_unknown(p, "fs.free_bytes", -ENOSYS);
	ck_assert_str_eq(choose(p).method->name, "direct");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_partition_has_its_disks_queue)
{
	journal_probe *p = probe();

	assert_text(p, "device.name", "sda1");
	assert_text(p, "device.number", "8:1");
	assert_text(p, "device.kind", "scsi");
	assert_text(p, "device.write_cache", "write back");
	assert_number(p, "device.fua", 1);
	assert_number(p, "device.logical_block_size", 512);
	assert_number(p, "device.physical_block_size", 8192);
	assert_number(p, "device.rotational", 0);
	assert_number(p, "fs.stable", 1);
	ck_assert_str_eq(fact(p, "device.fua").source,
			 "/sys/dev/block/8:1/../queue/fua");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_whole_disk_has_its_own_queue)
{
	journal_probe *p;

	put("/proc/self/mountinfo",
	    "20 1 8:0 / / rw - ext4 /dev/sda rw\n");
	fake.dev = makedev(8, 0);
	p = probe();
	assert_text(p, "device.name", "sda");
	assert_text(p, "device.write_cache", "write back");
	ck_assert_str_eq(fact(p, "device.fua").source,
			 "/sys/dev/block/8:0/queue/fua");
	journal_probe_close(p);
}
END_TEST

static const struct {
	const char *name, *kind;
	int stable;		/* -1: unknown */
} disks[] = {
	{ "nvme0n1", "nvme", 1 }, { "sdaa", "scsi", 1 },
	{ "vda", "virtio", 1 }, { "dm-3", "dm", 1 }, { "md127", "md", 1 },
	{ "zram0", "zram", 0 }, { "ram0", "ram", 0 }, { "nullb0", "null", 0 },
	{ "loop7", "loop", -1 }, { "nbd0", "other", -1 },
};

START_TEST(the_kind_of_disk_says_if_data_outlives_the_power)
{
	char uevent[64];
	journal_probe *p;

	snprintf(uevent, sizeof(uevent), "DEVNAME=%s\n", disks[_i].name);
	put(SDA "/uevent", uevent);
	p = probe();
	assert_text(p, "device.kind", disks[_i].kind);
	if (disks[_i].stable < 0)
		assert_unknown(p, "fs.stable", 0);
	else
		assert_number(p, "fs.stable", (uint64_t)disks[_i].stable);
	ck_assert_int_eq(method(p, 0).usable, disks[_i].stable != 0);
	ck_assert_int_eq(!!strstr(method(p, 0).reason, "not verified"),
			 disks[_i].stable < 0);
	journal_probe_close(p);
}
END_TEST

static const struct {
	const char *file, *fact, *text;
	int error;
} garbage[] = {
	{ "write_cache", "device.write_cache", "", -ENODATA },
	{ "write_cache", "device.write_cache", "write sideways\n", -EINVAL },
	{ "write_cache", "device.write_cache", "write back", 0 },
	{ "fua", "device.fua", "2\n", -EINVAL },
	{ "fua", "device.fua", "\n", -EINVAL },
	{ "fua", "device.fua", "-1\n", -EINVAL },
	{ "fua", "device.fua", " 1\n", -EINVAL },
	{ "fua", "device.fua", "1\n0\n", -EINVAL },
	{ "rotational", "device.rotational", "yes\n", -EINVAL },
	{ "rotational", "device.rotational", NULL, -ENOENT },
	{ "logical_block_size", "device.logical_block_size", "0\n", -EINVAL },
	{ "logical_block_size", "device.logical_block_size", "513\n", -EINVAL },
	{ "logical_block_size", "device.logical_block_size", "512x\n", -EINVAL },
	{ "physical_block_size", "device.physical_block_size",
	  "99999999999999999999999\n", -ERANGE },
	{ "physical_block_size", "device.physical_block_size",
	  "4294967296\n", -EINVAL },
};

START_TEST(garbage_in_sysfs_is_unknown)
{
	char path[256];
	journal_probe *p;

	snprintf(path, sizeof(path), SDA "/queue/%s", garbage[_i].file);
	if (garbage[_i].text)
		put(path, garbage[_i].text);
	else
		drop(path);
	p = probe();
	if (garbage[_i].error)
		assert_unknown(p, garbage[_i].fact, garbage[_i].error);
	else
		ck_assert_int_eq(fact(p, garbage[_i].fact).state,
				 JOURNAL_FACT_REPORTED);
	/* And costs nothing else. */
	ck_assert_str_eq(choose(p).method->name, "direct");
	journal_probe_close(p);
}
END_TEST

START_TEST(huge_and_binary_sysfs_files_are_unknown)
{
	static char huge[100000];
	journal_probe *p;

	memset(huge, '1', sizeof(huge));
	put_bytes(SDA "/queue/fua", huge, sizeof(huge));
	put_bytes(SDA "/queue/rotational", "1\0\n", 3);
	put_bytes(SDA "/sda1/uevent", "\0DEVNAME=x\n", 11);
	put(SDA "/uevent", "NODEVNAME=1\nDEVNAME=\n");
	p = probe();
	assert_unknown(p, "device.fua", -EFBIG);
	assert_unknown(p, "device.rotational", -EINVAL);
	assert_unknown(p, "device.name", -EINVAL);
	assert_unknown(p, "device.kind", -EINVAL);
	assert_unknown(p, "fs.stable", 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(write_through_is_said_aloud)
{
	journal_probe *p;

	put(SDA "/queue/write_cache", "write through\n");
	p = probe();
	assert_text(p, "device.write_cache", "write through");
	ck_assert_int_eq(method(p, 0).usable, 1);
	ck_assert_ptr_nonnull(strstr(method(p, 0).reason,
				     "not verified: device.write_cache"));
	journal_probe_close(p);
}
END_TEST

START_TEST(octal_escapes_in_a_mount_point_are_undone)
{
	journal_probe *p;

	put("/proc/self/mountinfo",
	    "20 1 8:1 / /mnt/a\\040b\\134\\011c\\04 rw shared:1 master:2 - "
	    "ext4 /dev/sda1 rw\n");
	p = probe();
	assert_text(p, "fs.mount_point", "/mnt/a b\\\tc\\04");
	journal_probe_close(p);
}
END_TEST

START_TEST(mount_options_are_both_lists_in_one)
{
	journal_probe *p = probe();

	assert_text(p, "fs.mount_options", "rw,relatime,discard");
	journal_probe_close(p);
	put_mount("ext4", "ro,noatime", "rw");
	p = probe();
	assert_text(p, "fs.mount_options", "ro,noatime,rw");
	journal_probe_close(p);
}
END_TEST

START_TEST(the_mount_is_found_by_its_id)
{
	journal_probe *p;

	put("/proc/self/mountinfo",
	    "19 1 8:1 / /first rw - ext4 /dev/sda1 rw\n"
	    "20 1 8:1 / /second rw - ext4 /dev/sda1 rw\n"
	    "22 1 8:1 / /third rw - ext4 /dev/sda1 rw\n");
	p = probe();
	assert_text(p, "fs.mount_point", "/second");
	journal_probe_close(p);
}
END_TEST

START_TEST(an_id_on_another_device_is_somebody_elses)
{
	journal_probe *p;

	put("/proc/self/mountinfo",
	    "20 1 8:2 / /j rw - xfs /dev/sda2 rw\n"
	    "22 1 8:1 / /elsewhere rw - ext4 /dev/sda1 rw,nobarrier\n");
	p = probe();
	assert_text(p, "fs.mount_point", "/elsewhere");
	assert_refused(p, 0, "fs.barrier");
	journal_probe_close(p);
}
END_TEST

START_TEST(without_statx_fdinfo_tells_the_id)
{
	char file[64];
	journal_probe *p;

	fake.mnt_id = 0;
	snprintf(file, sizeof(file), "/proc/self/fdinfo/%d", dirfd_);
	put(file, "pos:\t0\nflags:\t0100000\nmnt_id:\t20\nino:\t2\n");
	put("/proc/self/mountinfo",
	    "19 1 8:1 / /first rw - ext4 /dev/sda1 rw\n"
	    "20 1 8:1 / /second rw - ext4 /dev/sda1 rw\n"
	    "22 1 8:1 / /third rw - ext4 /dev/sda1 rw\n");
	p = probe();
	assert_text(p, "fs.mount_point", "/second");
	journal_probe_close(p);
}
END_TEST

START_TEST(without_an_id_the_device_number_finds_the_mount)
{
	journal_probe *p;

	fake.mnt_id = 0;
	put("/proc/self/mountinfo",
	    "19 1 8:2 / /j rw - xfs /dev/sda2 rw\n"
	    "20 1 8:1 / /data rw - ext4 /dev/sda1 rw,nobarrier\n");
	p = probe();
	assert_text(p, "fs.mount_point", "/data");
	journal_probe_close(p);
}
END_TEST

START_TEST(btrfs_without_an_id_is_found_by_the_longest_mount_point)
{
	journal_probe *p;

	fake.mnt_id = 0;
	fake.dev = makedev(0, 99);
	fake.magic = 0x9123683e;
	put("/proc/self/mountinfo",
	    "19 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	    "20 1 0:40 / /j rw - btrfs /dev/sda2 rw,nobarrier\n"
	    "21 1 0:41 / /jj rw - tmpfs tmpfs rw\n");
	p = probe();
	assert_text(p, "fs.mount_point", "/j");
	assert_refused(p, 0, "fs.barrier");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_mount_point_ends_at_a_slash)
{
	journal_probe *p;

	called = "/jx/d";
	fake.mnt_id = 0;
	fake.dev = makedev(0, 99);
	fake.magic = 0x9123683e;
	put("/proc/self/mountinfo",
	    "20 1 0:40 / / rw - btrfs /dev/sda1 rw,nobarrier\n"
	    "21 1 0:41 / /j rw - btrfs /dev/sda2 rw\n");
	p = probe();
	assert_text(p, "fs.mount_point", "/");
	assert_refused(p, 0, "fs.barrier");
	journal_probe_close(p);
}
END_TEST

START_TEST(of_two_mounts_on_one_point_the_later_one_counts)
{
	journal_probe *p;

	fake.mnt_id = 0;
	fake.dev = makedev(0, 99);
	fake.magic = 0x9123683e;
	put("/proc/self/mountinfo",
	    "20 1 0:40 / /j rw - btrfs /dev/sda1 rw\n"
	    "21 1 0:41 / /j rw - btrfs /dev/sda2 rw,nobarrier\n");
	p = probe();
	assert_refused(p, 0, "fs.barrier");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_line_that_fstatfs_contradicts_is_forgotten)
{
	journal_probe *p;

	fake.mnt_id = 0;
	fake.dev = makedev(0, 99);
	fake.magic = 0x9123683e;
	put("/proc/self/mountinfo",
	    "21 1 0:41 / /j rw - tmpfs tmpfs rw,nobarrier\n");
	p = probe();
	assert_text(p, "fs.type", "btrfs");
	assert_unknown(p, "fs.mount_point", -ENOENT);
	assert_unknown(p, "fs.barrier", -ENOENT);
	journal_probe_close(p);
}
END_TEST

START_TEST(btrfs_is_on_no_single_device_and_asks_for_nocow)
{
	journal_probe *p;

	fake.dev = makedev(0, 99);
	fake.magic = 0x9123683e;
	put("/proc/self/mountinfo",
	    "20 1 0:40 / / rw - btrfs /dev/sda1 rw,ssd\n");
	put("/sys/class/block/sda1/dev", "8:1\n");
	p = probe();
	assert_unknown(p, "device.name", -ENODEV);
	assert_unknown(p, "device.fua", -ENODEV);
	assert_unknown(p, "device.logical_block_size", -ENODEV);
	assert_number(p, "fs.barrier", 1);
	assert_number(p, "fs.stable", 1);
	ck_assert(choose(p).nocow);
	journal_probe_close(p);
	/* A name that sysfs does not have may be anything. */
	drop("/sys/class/block/sda1/dev");
	p = probe();
	assert_unknown(p, "fs.stable", -ENOENT);
	journal_probe_close(p);
}
END_TEST

START_TEST(garbage_in_mountinfo_is_skipped)
{
	journal_probe *p;

	put("/proc/self/mountinfo",
	    "\n\n20\n20 1\n20 1 8:1 / / rw\n20 1 8:1 / / rw - ext4 x\n"
	    "x 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	    "20 1 8:1 / / rw - ext4 /dev/sda1 rw,nobarrier");
	p = probe();
	assert_number(p, "fs.barrier", 0);
	journal_probe_close(p);
	put("/proc/self/mountinfo", "nothing of the kind\n");
	p = probe();
	assert_unknown(p, "fs.type", -ENOENT);
	assert_unknown(p, "fs.barrier", -ENOENT);
	journal_probe_close(p);
}
END_TEST

static const struct {
	const char *logical, *physical;
	long fs;
	uint32_t dio, block;
} blocks[] = {
	{ "512\n", "512\n", 1024, 0, 4096 },
	{ "4096\n", "4096\n", 4096, 4096, 4096 },
	{ "512\n", "16384\n", 4096, 512, 16384 },
	{ "512\n", "512\n", 65536, 512, 65536 },
	{ "512\n", "512\n", 4096, 8192, 8192 },
	{ "512\n", "512\n", 4096, 12288, 16384 },
	{ "?\n", "\n", 4096, 0, 4096 },
};

START_TEST(the_block_is_the_largest_that_anything_asks_for)
{
	journal_probe *p;

	put(SDA "/queue/logical_block_size", blocks[_i].logical);
	put(SDA "/queue/physical_block_size", blocks[_i].physical);
	fake.block = blocks[_i].fs;
	fake.dio_align = blocks[_i].dio;
	p = probe();
	ck_assert_uint_eq(choose(p).block_size, blocks[_i].block);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_block_above_64_kib_refuses_direct_only)
{
	journal_probe *p;

	put(SDA "/queue/physical_block_size", "131072\n");
	p = probe();
	assert_refused(p, 0, "device.physical_block_size");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	ck_assert_uint_eq(choose(p).block_size, 65536);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_method_can_be_asked_for_by_name)
{
	struct jnl_choice c;
	const char *reason = NULL;
	journal_probe *p;

	fake.err_direct_open = -EINVAL;
	p = probe();
	ck_assert_int_eq(jnl_probe_choose(p, "nonsense", false, &c, &reason),
			 -EINVAL);
	ck_assert_int_eq(jnl_probe_choose(p, "buffered", false, &c, &reason),
			 0);
	ck_assert_str_eq(c.method->name, "buffered");
	ck_assert_int_eq(jnl_probe_choose(p, "direct", false, &c, &reason),
			 -EOPNOTSUPP);
	ck_assert_int_eq(strncmp(reason, "fs.direct_io", 12), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(the_trail_has_a_line_for_each_method)
{
	struct jnl_choice c;
	const char *reason;
	journal_probe *p = probe();

	ck_assert_int_eq(strncmp(jnl_probe_trail(p), "direct: chosen: ", 16),
			 0);
	ck_assert_ptr_nonnull(strstr(jnl_probe_trail(p),
				     "\nbuffered: usable: "));
	ck_assert_int_eq(jnl_probe_choose(p, "buffered", false, &c, &reason),
			 0);
	ck_assert_ptr_nonnull(strstr(jnl_probe_trail(p),
				     "\nbuffered: chosen: "));
	journal_probe_close(p);
}
END_TEST

START_TEST(every_fact_has_a_name_and_is_found_by_it)
{
	journal_probe *p = probe();
	struct journal_fact at, by;
	size_t i;

	for (i = 0; journal_probe_fact_at(p, i, &at) == 0; i++) {
		ck_assert_ptr_nonnull(at.name);
		ck_assert_ptr_nonnull(at.source);
		ck_assert_int_eq(journal_probe_fact(p, at.name, &by), 0);
		ck_assert_ptr_eq(at.name, by.name);
	}
	ck_assert_uint_eq(i, JNL_FACT_COUNT);
	ck_assert_int_eq(journal_probe_fact_at(p, i, &at), -ENOENT);
	ck_assert_int_eq(journal_probe_fact_at(p, SIZE_MAX, &at), -ENOENT);
	ck_assert_int_eq(journal_probe_fact(p, "fs.nothing", &at), -ENOENT);
	journal_probe_close(p);
	journal_probe_close(NULL);
}
END_TEST

START_TEST(the_real_machine_can_be_probed)
{
	struct journal_probe_method m;
	struct journal_fact f;
	journal_probe *p;

	ck_assert_int_eq(journal_probe_open(&p, dir, NULL), 0);
	ck_assert_int_eq(journal_probe_fact(p, "kernel.release", &f), 0);
	ck_assert_int_eq(f.state, JOURNAL_FACT_REPORTED);
	ck_assert_int_eq(journal_probe_method_at(p, 0, &m), 0);
	ck_assert_int_eq(journal_probe_method_at(p, 2, &m), -ENOENT);
	journal_probe_close(p);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(journal_probe_open(&p, dir, NULL), -ENOENT);
	put("/dir", "");
	ck_assert_int_eq(journal_probe_open(&p, dir, NULL), -ENOTDIR);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *t = tcase_create("probe");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_sound_machine_gets_direct_with_rwf_dsync);
	tcase_add_test(t, a_probe_writes_no_more_than_256_kib_and_leaves_no_name);
	tcase_add_loop_test(t, refused_o_direct_leaves_buffered, 0, 2);
	tcase_add_test(t, refused_rwf_dsync_means_direct_with_fdatasync);
	tcase_add_loop_test(t, a_missing_fdatasync_means_fsync_everywhere, 0, 3);
	tcase_add_test(t, a_failed_fdatasync_is_not_tried_as_fsync_and_refuses_all);
	tcase_add_loop_test(t, an_io_error_in_any_try_refuses_all, 0, 3);
	tcase_add_test(t, no_flush_at_all_refuses_all);
	tcase_add_test(t, a_sandbox_that_forbids_rwf_dsync_costs_rwf_dsync_only);
	tcase_add_test(t, direct_io_that_is_not_known_refuses_direct_only);
	tcase_add_loop_test(t, a_full_file_system_gets_what_is_reported, 0, 2);
	tcase_add_test(t, rwf_dsync_on_another_file_says_nothing_about_direct_io);
	tcase_add_loop_test(t, a_directory_that_cannot_be_written_to_leaves_tries_unknown, 0, 3);
	tcase_add_loop_test(t, without_o_tmpfile_a_named_file_is_unlinked_at_once, 0, 3);
	tcase_add_test(t, a_named_file_refused_o_direct_is_unlinked_too);
	tcase_add_test(t, a_name_that_is_taken_is_left_alone);
	tcase_add_loop_test(t, the_barrier_is_what_the_mount_options_say, 0,
			    COUNT(mounts));
	tcase_add_test(t, a_refusal_by_nobarrier_says_where_and_what_to_do);
	tcase_add_test(t, tmpfs_is_refused_unless_volatile_is_allowed);
	tcase_add_test(t, tmpfs_is_known_without_proc_too);
	tcase_add_test(t, no_proc_and_no_sys_leave_everything_unknown_but_the_tries);
	tcase_add_test(t, a_failing_fstatfs_costs_its_facts_only);
	tcase_add_test(t, a_partition_has_its_disks_queue);
	tcase_add_test(t, a_whole_disk_has_its_own_queue);
	tcase_add_loop_test(t, the_kind_of_disk_says_if_data_outlives_the_power,
			    0, COUNT(disks));
	tcase_add_loop_test(t, garbage_in_sysfs_is_unknown, 0, COUNT(garbage));
	tcase_add_test(t, huge_and_binary_sysfs_files_are_unknown);
	tcase_add_test(t, write_through_is_said_aloud);
	tcase_add_test(t, octal_escapes_in_a_mount_point_are_undone);
	tcase_add_test(t, mount_options_are_both_lists_in_one);
	tcase_add_test(t, the_mount_is_found_by_its_id);
	tcase_add_test(t, an_id_on_another_device_is_somebody_elses);
	tcase_add_test(t, without_statx_fdinfo_tells_the_id);
	tcase_add_test(t, without_an_id_the_device_number_finds_the_mount);
	tcase_add_test(t, btrfs_without_an_id_is_found_by_the_longest_mount_point);
	tcase_add_test(t, a_mount_point_ends_at_a_slash);
	tcase_add_test(t, of_two_mounts_on_one_point_the_later_one_counts);
	tcase_add_test(t, a_line_that_fstatfs_contradicts_is_forgotten);
	tcase_add_test(t, btrfs_is_on_no_single_device_and_asks_for_nocow);
	tcase_add_test(t, garbage_in_mountinfo_is_skipped);
	tcase_add_loop_test(t, the_block_is_the_largest_that_anything_asks_for,
			    0, COUNT(blocks));
	tcase_add_test(t, a_block_above_64_kib_refuses_direct_only);
	tcase_add_test(t, a_method_can_be_asked_for_by_name);
	tcase_add_test(t, the_trail_has_a_line_for_each_method);
	tcase_add_test(t, every_fact_has_a_name_and_is_found_by_it);
	tcase_add_test(t, the_real_machine_can_be_probed);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
