/*
 * tests/probe/test_layers.c - what lies under a file system, down to the drives.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tests/probe/fake.h"

/* A device of this name, with the number, and what lies below it. */
static void put_device(const char *name, const char *number,
		       const char *const *slaves)
{
	char path[256], text[128];

	snprintf(path, sizeof(path), "/sys/devices/virtual/block/%s/uevent",
		 name);
	snprintf(text, sizeof(text), "DEVNAME=%s\n", name);
	put(path, text);
	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	snprintf(text, sizeof(text), "../../devices/virtual/block/%s", name);
	put_link(path, text);
	snprintf(path, sizeof(path), "/sys/dev/block/%s", number);
	put_link(path, text);
	for (; slaves && *slaves; slaves++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/virtual/block/%s/slaves/%s", name,
			 *slaves);
		put_link(path, "x");
	}
}

static void put_file(const char *device, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/devices/virtual/block/%s/%s",
		 device, file);
	put(path, text);
}

/* The file system is on that device. */
static void mount_on(unsigned int major, unsigned int minor)
{
	char line[128];

	fake.dev = makedev(major, minor);
	snprintf(line, sizeof(line), "20 1 %u:%u / / rw - ext4 /dev/x rw\n",
		 major, minor);
	put("/proc/self/mountinfo", line);
}

static const char *const on_disk[] = { "sda1", NULL };
static const char *const on_memory[] = { "sda1", "zram0", NULL };

static void put_parts(void)
{
	put_link("/sys/class/block/sda1", "../../devices/pci0/block/sda/sda1");
	put_device("zram0", "253:0", NULL);
}

START_TEST(a_raid_keeps_what_all_its_members_keep)
{
	journal_probe *p;

	put_parts();
	put_device("md0", "9:0", _i ? on_memory : on_disk);
	put_file("md0", "md/level", "raid1\n");
	mount_on(9, 0);
	p = probe();
	assert_text(p, "device.stack", _i ?
		    "md0 (raid1) on sda1 (scsi) + zram0 (zram)" :
		    "md0 (raid1) on sda1 (scsi)");
	assert_text(p, "device.kind", "md");
	assert_number(p, "fs.stable", !_i);
	journal_probe_close(p);
}
END_TEST

START_TEST(layers_are_resolved_through_each_other)
{
	static const char *const on_md[] = { "md0", NULL };
	journal_probe *p;

	put_parts();
	put_device("dm-0", "252:0", on_md);
	put_file("dm-0", "dm/uuid", "LVM-abc\n");
	put_device("md0", "9:0", on_memory);
	mount_on(252, 0);
	p = probe();
	assert_text(p, "device.stack",
		    "dm-0 (lvm) on md0 (md) on sda1 (scsi) + zram0 (zram)");
	assert_number(p, "fs.stable", 0);
	assert_unknown(p, "drive.straight", -ENODEV);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_mapper_on_nothing_is_not_known)
{
	journal_probe *p;

	/* dm-zero, say: its list is there, and empty. */
	put_device("dm-0", "252:0", on_disk);
	drop("/sys/devices/virtual/block/dm-0/slaves/sda1");
	mount_on(252, 0);
	p = probe();
	assert_unknown(p, "fs.stable", 0);
	ck_assert_ptr_nonnull(strstr(method(p, 0).reason, "not verified"));
	journal_probe_close(p);
}
END_TEST

START_TEST(a_member_that_sysfs_does_not_have_is_not_known)
{
	static const char *const gone[] = { "sda1", "sdz", NULL };
	journal_probe *p;

	put_parts();
	put_device("md0", "9:0", gone);
	mount_on(9, 0);
	p = probe();
	assert_unknown(p, "fs.stable", 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(layers_that_lie_on_each_other_come_to_an_end)
{
	static const char *const on_a[] = { "dm-0", "dm-0", NULL };
	static const char *const on_b[] = { "dm-1", NULL };
	journal_probe *p;

	put_device("dm-0", "252:0", on_b);
	put_device("dm-1", "252:1", on_a);
	mount_on(252, 0);
	p = probe();
	assert_unknown(p, "fs.stable", 0);
	ck_assert_uint_le(strlen(fact(p, "device.stack").text), 4096);
	journal_probe_close(p);
}
END_TEST

START_TEST(more_members_than_are_looked_at_are_not_known)
{
	char path[128];
	journal_probe *p;
	int i;

	put_device("md0", "9:0", NULL);
	for (i = 0; i < JNL_LAYERS_MAX; i++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/virtual/block/md0/slaves/sd%02d", i);
		put(path, "");
		snprintf(path, sizeof(path), "/sys/class/block/sd%02d", i);
		put_link(path, "../../devices/pci0/block/sda");
	}
	mount_on(9, 0);
	p = probe();
	assert_unknown(p, "fs.stable", 0);
	journal_probe_close(p);
	drop("/sys/devices/virtual/block/md0/slaves/sd00");
	p = probe();
	assert_number(p, "fs.stable", 1);
	journal_probe_close(p);
}
END_TEST

/* A loop device over a file of the test's own, which has size bytes; where it
 * is mounted the test says. */
static void put_loop(const char *mount, const char *sectors)
{
	char text[320], line[512];
	struct stat st;

	put_device("loop0", "7:0", NULL);
	put_file("loop0", "size", sectors);
	put_file("loop0", "loop/offset", "1024\n");
	put_bytes("/img", (char[8192]){ 0 }, 8192);
	put_file("loop0", "loop/backing_file", "/img\n");
	snprintf(text, sizeof(text), "%s/img", root);
	ck_assert_int_eq(stat(text, &st), 0);
	snprintf(text, sizeof(text), "%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	snprintf(line, sizeof(line), "20 1 7:0 / / rw - ext4 /dev/loop0 rw\n"
		 "21 1 %s / /x rw - %s\n", text, mount);
	put("/proc/self/mountinfo", line);
	fake.dev = makedev(7, 0);
	snprintf(line, sizeof(line), "/sys/dev/block/%s", text);
	put_link(line, "../../devices/pci0/block/sda/sda1");
}

static const struct {
	const char *mount, *sectors;
	int stable;		/* -1: unknown */
} loops[] = {
	{ "ext4 /dev/sda1 rw", "14\n", 1 },
	{ "ext4 /dev/sda1 rw", "15\n", -1 },	/* the file is too short */
	{ "ext4 /dev/sda1 rw,nobarrier", "14\n", 0 },
	{ "tmpfs tmpfs rw", "14\n", 0 },
	{ "ext3 /dev/sda1 rw", "14\n", -1 },	/* may flush or not */
};

START_TEST(a_loop_device_keeps_what_its_files_file_system_keeps)
{
	journal_probe *p;

	put_loop(loops[_i].mount, loops[_i].sectors);
	p = probe();
	assert_text(p, "device.kind", "loop");
	ck_assert_ptr_nonnull(strstr(fact(p, "device.stack").text,
				     "loop0 (/img)"));
	if (loops[_i].stable < 0)
		assert_unknown(p, "fs.stable", 0);
	else
		assert_number(p, "fs.stable", (uint64_t)loops[_i].stable);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_loop_device_whose_file_is_elsewhere_is_not_known)
{
	journal_probe *p;

	put_loop(loops[0].mount, loops[0].sectors);
	put_file("loop0", "loop/backing_file", "/img (deleted)\n");
	p = probe();
	assert_unknown(p, "fs.stable", 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(btrfs_is_as_good_as_the_worst_of_its_devices)
{
	journal_probe *p;

	put_parts();
	put("/sys/fs/btrfs/features/x", "");
	put("/sys/fs/btrfs/other/devices/sdb", "");
	put("/sys/fs/btrfs/this/devices/sda1", "");
	put("/sys/fs/btrfs/this/devices/zram0", "");
	put("/proc/self/mountinfo",
	    "20 1 0:40 / / rw - btrfs /dev/sda1 rw\n");
	fake.dev = makedev(0, 40);
	fake.magic = 0x9123683e;
	p = probe();
	assert_text(p, "device.stack", "sda1 (scsi) + zram0 (zram)");
	assert_number(p, "fs.stable", 0);
	assert_unknown(p, "device.name", -ENODEV);
	journal_probe_close(p);
	/* Nobody says which ones belong to it. */
	drop("/sys/fs/btrfs/this/devices/sda1");
	p = probe();
	assert_unknown(p, "fs.stable", 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_scsi_disk_says_its_model_and_if_it_has_a_cache)
{
	static const char cache[] =
		SDA "/device/scsi_disk/0:0:0:0/cache_type";
	journal_probe *p;

	put(SDA "/device/model", "BIG DISK        \n");
	put(SDA "/device/rev", "A1  \n");
	put(cache, "write back, no read (daft)\n");
	put(SDA "/queue/write_cache", "write through\n");
	p = probe();
	assert_text(p, "drive.model", "BIG DISK");
	assert_text(p, "drive.firmware", "A1");
	assert_number(p, "drive.volatile_cache", 1);
	assert_unknown(p, "device.write_cache", 0);
	assert_refused(p, 0, "device.write_cache");
	journal_probe_close(p);
	put(cache, "none\n");
	p = probe();
	assert_number(p, "drive.volatile_cache", 0);
	assert_text(p, "device.write_cache", "write through");
	ck_assert_ptr_null(strstr(method(p, 0).reason, "not verified"));
	journal_probe_close(p);
	put(cache, "sideways\n");
	p = probe();
	assert_unknown(p, "drive.volatile_cache", -EINVAL);
	journal_probe_close(p);
}
END_TEST

void add_layers_tests(TCase *t)
{
	tcase_add_loop_test(t, a_raid_keeps_what_all_its_members_keep, 0, 2);
	tcase_add_test(t, layers_are_resolved_through_each_other);
	tcase_add_test(t, a_mapper_on_nothing_is_not_known);
	tcase_add_test(t, a_member_that_sysfs_does_not_have_is_not_known);
	tcase_add_test(t, layers_that_lie_on_each_other_come_to_an_end);
	tcase_add_test(t, more_members_than_are_looked_at_are_not_known);
	tcase_add_loop_test(t, a_loop_device_keeps_what_its_files_file_system_keeps,
			    0, COUNT(loops));
	tcase_add_test(t, a_loop_device_whose_file_is_elsewhere_is_not_known);
	tcase_add_test(t, btrfs_is_as_good_as_the_worst_of_its_devices);
	tcase_add_test(t, a_scsi_disk_says_its_model_and_if_it_has_a_cache);
}
