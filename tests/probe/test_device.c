/*
 * tests/probe/test_device.c - the device and its queue, by sysfs.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/probe/fake.h"

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
	{ "vda", "virtio", 1 },
	/* On nothing that is known. */
	{ "dm-3", "dm", -1 }, { "md127", "md", -1 },
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

START_TEST(btrfs_is_on_no_single_device_and_asks_for_nocow)
{
	journal_probe *p;

	fake.dev = makedev(0, 99);
	fake.magic = 0x9123683e;
	put("/proc/self/mountinfo",
	    "20 1 0:40 / / rw - btrfs /dev/sda1 rw,ssd\n");
	put_link("/sys/class/block/sda1", "../../devices/pci0/block/sda/sda1");
	put("/sys/fs/btrfs/features/acl", "0\n");
	put("/sys/fs/btrfs/some-uuid/devices/sda1", "");
	p = probe();
	assert_unknown(p, "device.name", -ENODEV);
	assert_unknown(p, "device.fua", -ENODEV);
	assert_unknown(p, "device.logical_block_size", -ENODEV);
	assert_number(p, "fs.barrier", 1);
	assert_number(p, "fs.stable", 1);
	ck_assert(choose(p).nocow);
	journal_probe_close(p);
	/* A name that sysfs does not have may be anything. */
	drop("/sys/fs/btrfs/some-uuid/devices/sda1");
	p = probe();
	assert_unknown(p, "fs.stable", 0);
	journal_probe_close(p);
}
END_TEST

void add_device_tests(TCase *t)
{
	tcase_add_test(t, no_proc_and_no_sys_leave_everything_unknown_but_the_tries);
	tcase_add_test(t, a_failing_fstatfs_costs_its_facts_only);
	tcase_add_test(t, a_partition_has_its_disks_queue);
	tcase_add_test(t, a_whole_disk_has_its_own_queue);
	tcase_add_loop_test(t, the_kind_of_disk_says_if_data_outlives_the_power, 0, COUNT(disks));
	tcase_add_loop_test(t, garbage_in_sysfs_is_unknown, 0, COUNT(garbage));
	tcase_add_test(t, huge_and_binary_sysfs_files_are_unknown);
	tcase_add_test(t, write_through_is_said_aloud);
	tcase_add_test(t, btrfs_is_on_no_single_device_and_asks_for_nocow);
}
