/*
 * tests/probe/test_mount.c - which mount it is, and whether it flushes.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/probe/fake.h"

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
	/* It ends before its end: what is missing may be "nobarrier". */
	put("/proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw");
	p = probe();
	assert_text(p, "fs.type", "ext4");
	assert_unknown(p, "fs.barrier", 0);
	journal_probe_close(p);
	put("/proc/self/mountinfo", "nothing of the kind\n");
	p = probe();
	assert_unknown(p, "fs.type", -ENOENT);
	assert_unknown(p, "fs.barrier", -ENOENT);
	journal_probe_close(p);
}
END_TEST

void add_mount_tests(TCase *t)
{
	tcase_add_loop_test(t, the_barrier_is_what_the_mount_options_say, 0, COUNT(mounts));
	tcase_add_test(t, a_refusal_by_nobarrier_says_where_and_what_to_do);
	tcase_add_test(t, tmpfs_is_refused_unless_volatile_is_allowed);
	tcase_add_test(t, tmpfs_is_known_without_proc_too);
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
	tcase_add_test(t, garbage_in_mountinfo_is_skipped);
}
