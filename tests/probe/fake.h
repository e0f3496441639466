/*
 * tests/probe/fake.h - a machine in a directory, and calls that fail.
 *
 * A test writes the /proc and /sys of a machine below a directory of its own
 * and lends the probe a system-call table that tells device numbers and mount
 * ids of that machine and fails the calls it is told to fail; everything else
 * goes to the kernel.  setup() makes a disk with a partition, ext4 on it,
 * mounted at "/".
 */
#ifndef TESTS_PROBE_FAKE_H
#define TESTS_PROBE_FAKE_H

#include <check.h>

#include "lib/compat.h"
#include "probe/facts.h"

#define EXT4_MAGIC	0xef53

#define SDA "/sys/devices/pci0/block/sda"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

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
	int err_atomic, err_zeroes, err_clone, err_fiemap, err_flags;
	int err_ring, err_register;
	unsigned int ring_lacks;	/* flags of rings that are EINVAL */
	uint32_t extent_flags;		/* FIEMAP_EXTENT_* of the only extent */
	uint32_t extents;		/* 0: none */
	int inode_flags;
	/* What was done. */
	uint64_t written;
	int direct_fd, opened, closed, unlinked;
	int fdatasyncs, fsyncs;
};

extern char root[256];		/* below it the machine's files */
extern char dir[272];		/* the probed directory */
extern const char *called;	/* what the probe is told it is called */
extern int dirfd_;
extern struct fake fake;

void setup(void);
void teardown(void);

/* Write a file of the machine; its folders are made.  len SIZE_MAX: a string. */
void put_bytes(const char *path, const char *bytes, size_t len);
void put(const char *path, const char *text);
void put_link(const char *path, const char *to);
void drop(const char *path);

/* Probe it; nothing is left open. */
journal_probe *probe(void);

struct journal_fact fact(const journal_probe *p, const char *name);
void assert_text(const journal_probe *p, const char *name, const char *text);
void assert_number(const journal_probe *p, const char *name, uint64_t value);
void assert_unknown(const journal_probe *p, const char *name, int error);
struct journal_probe_method method(const journal_probe *p, size_t i);
void assert_refused(const journal_probe *p, size_t i, const char *by);
struct jnl_choice choose(journal_probe *p);
void assert_no_choice(journal_probe *p, bool allow_volatile);

/* One for each file. */
void add_tries_tests(TCase *t);
void add_mount_tests(TCase *t);
void add_device_tests(TCase *t);
void add_layers_tests(TCase *t);
void add_kernel_tests(TCase *t);
void add_nvme_tests(TCase *t);
void add_rank_tests(TCase *t);
void add_property_tests(TCase *t);

#endif
