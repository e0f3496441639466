/*
 * tests/probe/test_nvme.c - NVMe drives: what they promise, and to whom.
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/probe/fake.h"
#include "tests/probe/synth.h"

START_TEST(a_good_drive_meets_every_need)
{
	journal_probe *p;

	synth_nvme();
	p = replay();
	ck_assert_str_eq(refused_by(p), "");
	assert_text(p, "device.stack", "nvme0n1p2 (nvme)");
	assert_number(p, "device.start_bytes", 2048 * 512);
	assert_text(p, "drive.namespace", "nvme0n1");
	assert_number(p, "drive.straight", 1);
	assert_number(p, "drive.nsid", 1);
	assert_text(p, "drive.model", "Good Drive");
	assert_text(p, "drive.firmware", "1.0");
	assert_unknown(p, "drive.serial", 0);
	assert_text(p, "drive.transport", "pcie");
	assert_number(p, "drive.controllers", 1);
	assert_text(p, "drive.node", "/dev/ng0n1");
	assert_number(p, "drive.node_opens", 1);
	assert_number(p, "drive.flush", 1);
	assert_number(p, "fs.in_place", 1);
	journal_probe_close(p);
	p = replay_of(&answers, JOURNAL_PROBE_SERIALS);
	assert_text(p, "drive.serial", "S123456789");
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(a_namespace_is_whole_only_as_a_device_and_not_a_partition)
{
	journal_probe *p;

	/* A file on a partition of one, the partition, all of it. */
	synth_nvme();
	p = replay();
	ck_assert(!jnl_probe_is_raw(p));
	ck_assert(!jnl_probe_whole_namespace(p));
	journal_probe_close(p);
	say(JNL_ASK_CALL, "fstat", "kind block\nmajor 259\nminor 2\n");
	p = replay();
	ck_assert(jnl_probe_is_raw(p));
	assert_text(p, "device.name", "nvme0n1p2");
	ck_assert(!jnl_probe_whole_namespace(p));
	journal_probe_close(p);
	say(JNL_ASK_FILE, "/sys/dev/block/259:2/uevent", "DEVNAME=nvme0n1\n");
	say_error(JNL_ASK_FILE, "/sys/dev/block/259:2/partition", -ENOENT);
	p = replay();
	assert_text(p, "device.name", "nvme0n1");
	ck_assert(jnl_probe_whole_namespace(p));
	journal_probe_close(p);
	/* A file on it is not it. */
	say(JNL_ASK_CALL, "fstat", "major 259\nminor 2\n");
	p = replay();
	ck_assert(!jnl_probe_whole_namespace(p));
	journal_probe_close(p);
	/* Nor is what something else lies on. */
	synth_dm("nvme0n1");
	say(JNL_ASK_CALL, "fstat", "kind block\nmajor 252\nminor 0\n");
	p = replay();
	ck_assert(jnl_probe_is_raw(p));
	ck_assert(!jnl_probe_whole_namespace(p));
	journal_probe_close(p);
	synth_free();
}
END_TEST

#define TWO_PATHS	"model\nnvme0\nnvme1\npower\nsubsysnqn\nuevent\n"

static const struct {
	enum jnl_question kind;
	const char *subject, *text;
	int error;
	const char *fact;
} spoilt[] = {
	{ JNL_ASK_FILE, "/proc/self/mountinfo", "20 1 259:2 / /data rw - ext4 "
	  "/dev/nvme0n1p2 rw,nobarrier\n", 0, "fs.barrier" },
	{ JNL_ASK_FILE, "/proc/self/mountinfo", "20 1 259:2 / /data rw - ext4 "
	  "/dev/nvme0n1p2 rw,data=journal\n", 0, "fs.in_place" },
	{ JNL_ASK_FILE, "/proc/fs/ext4/nvme0n1p2/options",
	  "rw\ndata=journal\n", 0, "fs.in_place" },
	{ JNL_ASK_FILE, "/proc/fs/ext4/nvme0n1p2/options", NULL, -ENOENT,
	  "fs.in_place" },
	{ JNL_ASK_FILE, "/proc/fs/ext4/nvme0n1p2/options", "nonsense\n", 0,
	  "fs.in_place" },
	/* FS_JOURNAL_DATA_FL */
	{ JNL_ASK_CALL, "flags scratch", "flags 540672\n", 0, "fs.in_place" },
	{ JNL_ASK_CALL, "flags scratch", NULL, -ENOTTY, "fs.in_place" },
	{ JNL_ASK_TRY, "fiemap", NULL, -EOPNOTSUPP, "fs.extents" },
	{ JNL_ASK_TRY, "fiemap", "extents 0\nunwritten 0\nshared 0\nother 0\n",
	  0, "fs.extents" },
	{ JNL_ASK_TRY, "fiemap", "extents 2\nunwritten 1\nshared 0\nother 0\n",
	  0, "fs.extents" },
	{ JNL_ASK_TRY, "fiemap", "extents 2\nunwritten 0\nshared 1\nother 0\n",
	  0, "fs.extents" },
	{ JNL_ASK_TRY, "fiemap", "extents 2\nunwritten 0\nshared 0\nother 1\n",
	  0, "fs.extents" },
	{ JNL_ASK_LIST, SYSTEM, TWO_PATHS, 0, "drive.controllers" },
	{ JNL_ASK_LIST, SYSTEM, "model\nnvme0\npow", 0, "drive.controllers" },
	/* Cut off where nobody sees it. */
	{ JNL_ASK_LIST, SYSTEM, "model\nnvme0\n", 0, "drive.controllers" },
	{ JNL_ASK_LIST, "/sys/class/nvme-subsystem", NULL, -ENOENT,
	  "drive.controllers" },
	{ JNL_ASK_FILE, SYSTEM "/nvme0/cntlid", NULL, -EIO,
	  "drive.controllers" },
	{ JNL_ASK_LIST, DISK "/device", "model\nuevent\n", 0,
	  "drive.node_opens" },
	{ JNL_ASK_FILE, "/sys/class/nvme-generic/ng0n1/dev", "243:\n", 0,
	  "drive.node_opens" },
	{ JNL_ASK_TRY, "nvme_node ng0n1", NULL, -EACCES, "drive.node_opens" },
	{ JNL_ASK_TRY, "nvme_node ng0n1", NULL, -ENOENT, "drive.node_opens" },
	{ JNL_ASK_TRY, "nvme_node ng0n1",
	  "kind char\nrmajor 243\nrminor 8\nnsid 1\n", 0, "drive.node_opens" },
	{ JNL_ASK_TRY, "nvme_node ng0n1",
	  "kind char\nrmajor 244\nrminor 7\nnsid 1\n", 0, "drive.node_opens" },
	{ JNL_ASK_TRY, "nvme_node ng0n1",
	  "kind block\nrmajor 243\nrminor 7\nnsid 1\n", 0, "drive.node_opens" },
	{ JNL_ASK_TRY, "nvme_node ng0n1",
	  "kind char\nrmajor 243\nrminor 7\nnsid 2\n", 0, "drive.node_opens" },
	{ JNL_ASK_FILE, DISK "/nsid", "0\n", 0, "drive.node_opens" },
	{ JNL_ASK_FILE, DISK "/nsid", "4294967295\n", 0, "drive.node_opens" },
	{ JNL_ASK_FILE, DISK "/queue/write_cache", NULL, -ENOENT,
	  "device.write_cache" },
	{ JNL_ASK_TRY, "nvme_flush ng0n1 1", NULL, -EACCES, "drive.flush" },
	{ JNL_ASK_TRY, "nvme_flush ng0n1 1", NULL, -EREMOTEIO, "drive.flush" },
	{ JNL_ASK_TRY, "open direct", NULL, -EINVAL, "fs.direct_io" },
	{ JNL_ASK_TRY, "fdatasync", NULL, -EIO, "fs.direct_io" },
};

START_TEST(one_thing_amiss_refuses_by_its_name)
{
	char *text;
	journal_probe *p;

	synth_nvme();
	/* In case it is counted. */
	say(JNL_ASK_FILE, SYSTEM "/nvme1/cntlid", "2\n");
	if (spoilt[_i].text)
		say(spoilt[_i].kind, spoilt[_i].subject, spoilt[_i].text);
	else
		say_error(spoilt[_i].kind, spoilt[_i].subject,
			  spoilt[_i].error);
	p = replay();
	ck_assert_str_eq(refused_by(p), spoilt[_i].fact);
	text = refusal(p);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(strncmp(text, spoilt[_i].fact,
				 strlen(spoilt[_i].fact)), 0);
	ck_assert_ptr_nonnull(strchr(text, ';'));
	free(text);
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(a_closed_node_is_said_to_give_raw_access)
{
	journal_probe *p;
	char *text;

	synth_nvme();
	say_error(JNL_ASK_TRY, "nvme_node ng0n1", -EACCES);
	p = replay();
	text = refusal(p);
	ck_assert_ptr_nonnull(strstr(text, "/dev/ng0n1: Permission denied"));
	ck_assert_ptr_nonnull(strstr(text, "raw access to the whole namespace"));
	free(text);
	journal_probe_close(p);
	synth_free();
}
END_TEST

/* The namespace is below the subsystem, its paths are the controllers. */
START_TEST(native_multipath_has_as_many_controllers_as_paths)
{
	static const int counts[] = { 1, 2 };
	journal_probe *p;

	synth_nvme();
	say_error(JNL_ASK_FILE, DISK "/device/cntlid", -ENOENT);
	say(JNL_ASK_LINK, DISK "/device",
	    "../../../virtual/nvme-subsystem/nvme-subsys0");
	if (counts[_i] == 2) {
		say(JNL_ASK_LIST, SYSTEM, "model\nng0n1\nnvme0\nnvme0n1\n"
		    "nvme1\nsubsysnqn\nuevent\n");
		say(JNL_ASK_FILE, SYSTEM "/nvme1/cntlid", "2\n");
		/* A namespace's folder, and no controller's. */
		say_error(JNL_ASK_FILE, SYSTEM "/nvme0n1/cntlid", -ENOENT);
	}
	p = replay();
	assert_number(p, "drive.controllers", (uint64_t)counts[_i]);
	ck_assert_str_eq(refused_by(p),
			 counts[_i] == 2 ? "drive.controllers" : "");
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(xfs_overwrites_in_place_without_reflink_only)
{
	static const struct {
		int reflink;
		const char *options, *fact;
	} cases[] = {
		{ -EOPNOTSUPP, "rw", "" },
		{ 0, "rw", "fs.in_place" },
		{ -EINVAL, "rw", "fs.in_place" },
		{ -EPERM, "rw", "fs.in_place" },
		{ -EOPNOTSUPP, "rw,rtdev=/dev/sdb", "fs.in_place" },
	};
	char line[128];
	journal_probe *p;

	synth_nvme();
	snprintf(line, sizeof(line), "20 1 259:2 / /data rw - xfs "
		 "/dev/nvme0n1p2 %s\n", cases[_i].options);
	say(JNL_ASK_FILE, "/proc/self/mountinfo", line);
	say(JNL_ASK_CALL, "fstatfs", "type 1481003842\nbsize 4096\nfrsize "
	    "4096\nblocks 1\nbavail 1\nfiles 1\n");
	if (cases[_i].reflink)
		say_error(JNL_ASK_TRY, "reflink", cases[_i].reflink);
	else
		say(JNL_ASK_TRY, "reflink", "");
	p = replay();
	ck_assert_str_eq(refused_by(p), cases[_i].fact);
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(btrfs_never_overwrites_in_place)
{
	journal_probe *p;

	synth_nvme();
	say(JNL_ASK_FILE, "/proc/self/mountinfo",
	    "20 1 259:2 / /data rw - btrfs /dev/nvme0n1p2 rw\n");
	say(JNL_ASK_CALL, "fstatfs", "type 2435016766\nbsize 4096\nfrsize "
	    "4096\nblocks 1\nbavail 1\nfiles 1\n");
	p = replay();
	assert_number(p, "fs.in_place", 0);
	ck_assert_str_eq(refused_by(p), "fs.in_place");
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(a_drive_below_a_mapper_is_named_and_promises_nothing)
{
	journal_probe *p;

	synth_dm("nvme0n1p2");
	p = replay();
	assert_text(p, "device.stack", "dm-0 (crypt) on nvme0n1p2 (nvme)");
	assert_text(p, "drive.namespace", "nvme0n1");
	assert_text(p, "drive.model", "Good Drive");
	assert_number(p, "drive.straight", 0);
	assert_number(p, "fs.stable", 1);
	assert_unknown(p, "drive.untorn_bytes", 0);
	assert_unknown(p, "drive.node_opens", 0);
	ck_assert_str_eq(refused_by(p), "drive.namespace");
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(a_mapper_over_memory_forgets)
{
	journal_probe *p;

	synth_dm("zram0");
	p = replay();
	assert_text(p, "device.stack", "dm-0 (crypt) on zram0 (zram)");
	assert_number(p, "fs.stable", 0);
	ck_assert_str_eq(refused_by(p), "fs.stable");
	journal_probe_close(p);
	synth_free();
}
END_TEST

#ifdef HAVE_LIBNVME

START_TEST(the_fields_of_the_pages_are_read)
{
	journal_probe *p;

	synth_nvme();
	controller.cmic = NVME_CTRL_CMIC_MULTI_CTRL;
	controller.awun = htole16(0x1234);
	controller.awupf = htole16(0x2345);
	namespace.nmic = NVME_NS_NMIC_SHARED;
	namespace.nabsn = htole16(0x3456);
	namespace.nabo = htole16(0x4567);
	namespace.nabspf = htole16(0x5678);
	synth_pages();
	p = replay();
	assert_number(p, "drive.volatile_cache", 1);
	assert_number(p, "drive.cache_enabled", 1);
	assert_number(p, "drive.multi_controller", 1);
	assert_number(p, "drive.shared", 1);
	assert_number(p, "drive.block_bytes", 512);
	assert_number(p, "drive.mdts", 7);
	assert_number(p, "drive.awun", 0x1234);
	assert_number(p, "drive.awupf", 0x2345);
	assert_number(p, "drive.nsfeat", 2);
	assert_number(p, "drive.nawun", 63);
	assert_number(p, "drive.nawupf", 31);
	assert_number(p, "drive.nabsn", 0x3456);
	assert_number(p, "drive.nabo", 0x4567);
	assert_number(p, "drive.nabspf", 0x5678);
	journal_probe_close(p);
	synth_free();
}
END_TEST

static const struct {
	uint8_t nsfeat;
	uint16_t nawupf, nabo, nabspf, awupf;
	unsigned int shift;		/* of the block */
	const char *max_hw_kb;
	uint64_t bytes;
	const char *rule;
} units[] = {
	{ 2, 31, 0, 0, 0, 9, "512\n", 16384, "NAWUPF" },
	{ 2, 0, 0, 0, 0, 9, "512\n", 512, "one block: NAWUPF" },
	/* A power of two, downwards. */
	{ 2, 30, 0, 0, 0, 9, "512\n", 8192, "NAWUPF" },
	{ 2, 3, 0, 7, 0, 12, "512\n", 16384, "NAWUPF" },
	/* The controller's number is not believed. */
	{ 0, 31, 0, 0, 7, 9, "512\n", 512, "AWUPF is not believed" },
	{ 0xfd, 31, 0, 0, 7, 9, "512\n", 512, "AWUPF is not believed" },
	{ 2, 31, 1, 0, 0, 9, "512\n", 512, "NABO is not 0" },
	{ 2, 31, 0, 15, 0, 9, "512\n", 512, "NABSPF is less than NAWUPF" },
	{ 2, 31, 0, 31, 0, 9, "512\n", 16384, "NAWUPF" },
	/* Boundaries every 48 blocks: 16 divide that, 32 do not. */
	{ 2, 31, 0, 47, 0, 9, "512\n", 8192, "NABSPF" },
	{ 2, 31, 0, 32, 0, 9, "512\n", 512, "one block: NAWUPF" },
	/* No limit but that of a command. */
	{ 2, 0xffff, 0, 0, 0, 9, "512\n", 524288, "device.max_hw_bytes" },
	{ 2, 0xffff, 0, 0xffff, 0, 9, "500\n", 262144, "device.max_hw_bytes" },
	{ 2, 0xffff, 0, 0, 0, 12, "4294967295\n", 268435456, "NAWUPF" },
	{ 2, 31, 0, 0, 0, 9, "8\n", 8192, "device.max_hw_bytes" },
	{ 2, 31, 0, 0, 0, 9, "0\n", 512, "how long a command may be" },
	{ 2, 31, 0, 0, 0, 9, "", 512, "how long a command may be" },
};

START_TEST(the_untorn_unit_follows_from_the_namespace)
{
	char blocks[16];
	journal_probe *p;

	synth_nvme();
	namespace.nsfeat = units[_i].nsfeat;
	namespace.nawupf = htole16(units[_i].nawupf);
	namespace.nabo = htole16(units[_i].nabo);
	namespace.nabspf = htole16(units[_i].nabspf);
	controller.awupf = htole16(units[_i].awupf);
	namespace.lbaf[0].ds = (uint8_t)units[_i].shift;
	namespace.nsze = namespace.ncap = htole64((1u << 30) >>
						  units[_i].shift);
	synth_pages();
	snprintf(blocks, sizeof(blocks), "%u\n", 1u << units[_i].shift);
	say(JNL_ASK_FILE, DISK "/queue/logical_block_size", blocks);
	say(JNL_ASK_FILE, DISK "/queue/max_hw_sectors_kb", units[_i].max_hw_kb);
	p = replay();
	assert_number(p, "drive.untorn_bytes", units[_i].bytes);
	ck_assert_ptr_nonnull(strstr(fact(p, "drive.untorn_bytes").source,
				     units[_i].rule));
	journal_probe_close(p);
	synth_free();
}
END_TEST

/* A format beyond the sixteenth: bits 6:5 of FLBAS count, bit 4 does not. */
START_TEST(the_block_size_is_that_of_the_format_in_use)
{
	journal_probe *p;

	synth_nvme();
	namespace.nlbaf = 17;
	namespace.flbas = 0x31;
	namespace.lbaf[1].ds = 12;
	namespace.lbaf[17].ds = 9;
	synth_pages();
	p = replay();
	assert_number(p, "drive.block_bytes", 512);
	journal_probe_close(p);
	/* Not one that the drive has. */
	namespace.nlbaf = 0;
	synth_pages();
	p = replay();
	assert_unknown(p, "drive.block_bytes", -EINVAL);
	assert_number(p, "drive.untorn_bytes", 512);
	journal_probe_close(p);
	synth_free();
}
END_TEST

static void fill(void *page, size_t len, int with)
{
	unsigned int seed = 12345;
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		((unsigned char *)page)[i] = with < 0 ?
			(unsigned char)(seed >> 16) : (unsigned char)with;
	}
}

START_TEST(pages_of_garbage_promise_one_block)
{
	static const int with[] = { 0, 0xff, 0x20, 0x41, -1 };
	journal_probe *p;

	synth_nvme();
	fill(&namespace, sizeof(namespace), with[_i]);
	synth_pages();
	p = replay();
	assert_unknown(p, "drive.nawupf", -EINVAL);
	assert_number(p, "drive.untorn_bytes", 512);
	ck_assert_uint_eq(choose(p).untorn.max, 0);
	journal_probe_close(p);
	synth_nvme();
	fill(&controller, sizeof(controller), with[_i]);
	synth_pages();
	p = replay();
	/* A model of As is one. */
	if (with[_i] != 0x41) {
		assert_unknown(p, "drive.volatile_cache", -EINVAL);
		assert_number(p, "drive.untorn_bytes", 512);
	}
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(pages_of_another_length_are_no_pages)
{
	static const size_t lens[] = { 0, 1, 4095, 4097 };
	static unsigned char page[4097];
	journal_probe *p;

	synth_nvme();
	memcpy(page, &namespace, sizeof(namespace));
	say_bytes(JNL_ASK_NVME, "identify-namespace ng0n1 1", page, lens[_i]);
	p = replay();
	ck_assert_int_eq(fact(p, "drive.nawupf").state, JOURNAL_FACT_UNKNOWN);
	assert_number(p, "drive.untorn_bytes", 512);
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(a_page_of_another_disk_is_not_believed)
{
	journal_probe *p;

	synth_nvme();
	say(JNL_ASK_FILE, DISK "/size", "2097153\n");
	p = replay();
	assert_unknown(p, "drive.nawupf", -EINVAL);
	journal_probe_close(p);
	synth_nvme();
	say(JNL_ASK_FILE, DISK "/queue/logical_block_size", "4096\n");
	p = replay();
	assert_unknown(p, "drive.nawupf", -EINVAL);
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(the_block_device_is_asked_where_the_generic_one_is_closed)
{
	journal_probe *p;

	synth_nvme();
	say_error(JNL_ASK_NVME, "identify-controller ng0n1", -EACCES);
	p = replay();
	assert_number(p, "drive.nawupf", 31);
	journal_probe_close(p);
	/* Not if another device has its name. */
	say(JNL_ASK_CALL, "stat /dev/nvme0n1", "kind block\nmajor 0\nminor 5\n"
	    "rmajor 8\nrminor 0\nsize 0\n");
	p = replay();
	assert_unknown(p, "drive.nawupf", -EACCES);
	assert_number(p, "drive.untorn_bytes", 512);
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(write_through_set_by_hand_is_not_trusted)
{
	journal_probe *p;

	synth_nvme();
	say(JNL_ASK_FILE, DISK "/queue/write_cache", "write through\n");
	p = replay();
	assert_unknown(p, "device.write_cache", 0);
	ck_assert_ptr_nonnull(strstr(fact(p, "device.write_cache").source,
				     "by hand"));
	assert_refused(p, 0, "device.write_cache");
	assert_refused(p, 1, "device.write_cache");
	assert_no_choice(p, true);
	journal_probe_close(p);
	/* The drive's cache is off: then it is right. */
	say_bytes(JNL_ASK_NVME, "feature ng0n1 6", "\0\0\0\0", 4);
	p = replay();
	assert_text(p, "device.write_cache", "write through");
	ck_assert_int_eq(method(p, 0).chosen, 1);
	ck_assert_ptr_null(strstr(method(p, 0).reason, "not verified"));
	journal_probe_close(p);
	/* It has none. */
	controller.vwc = 0;
	synth_pages();
	p = replay();
	assert_text(p, "device.write_cache", "write through");
	assert_unknown(p, "drive.cache_enabled", -EACCES);
	ck_assert_ptr_null(strstr(method(p, 0).reason, "not verified"));
	journal_probe_close(p);
	/* Nobody knows. */
	say_error(JNL_ASK_NVME, "identify-controller ng0n1", -EACCES);
	say_error(JNL_ASK_NVME, "identify-controller nvme0n1", -EACCES);
	p = replay();
	ck_assert_int_eq(method(p, 0).chosen, 1);
	ck_assert_ptr_nonnull(strstr(method(p, 0).reason,
				     "not verified: device.write_cache"));
	journal_probe_close(p);
	synth_free();
}
END_TEST

static const struct {
	enum jnl_question kind;
	const char *subject, *text;
	uint32_t max;
} promises[] = {
	{ JNL_ASK_CALL, "getrlimit memlock", "soft 1\n", 16384 },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_unit_max_bytes", "8192\n",
	  8192 },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_unit_max_bytes", "65536\n",
	  16384 },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_unit_max_bytes", "0\n", 0 },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_unit_max_bytes", NULL, 0 },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_unit_max_bytes", "2048\n",
	  0 },
	{ JNL_ASK_CALL, "statx scratch", "atomic_unit_min 4096\n"
	  "atomic_unit_max 4096\n", 4096 },
	{ JNL_ASK_CALL, "statx scratch", "atomic_unit_min 8192\n"
	  "atomic_unit_max 65536\n", 0 },
	{ JNL_ASK_CALL, "statx scratch", "atomic_unit_min 0\n"
	  "atomic_unit_max 0\n", 0 },
	{ JNL_ASK_CALL, "statx scratch", "dio_mem_align 4\n", 0 },
	{ JNL_ASK_TRY, "rwf_atomic 4096 direct", NULL, 0 },
	{ JNL_ASK_TRY, "rwf_dsync 4096 direct", NULL, 0 },
	{ JNL_ASK_FILE, DISK "/queue/fua", "0\n", 0 },
	{ JNL_ASK_FILE, DISK "/queue/fua", NULL, 0 },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_boundary_bytes", NULL, 0 },
	{ JNL_ASK_FILE, "/sys/dev/block/259:2/start", NULL, 0 },
	{ JNL_ASK_NVME, "identify-namespace ng0n1 1", NULL, 0 },
};

START_TEST(untorn_is_what_drive_kernel_and_file_system_all_promise)
{
	struct jnl_choice c;
	journal_probe *p;

	synth_nvme();
	if (promises[_i].text)
		say(promises[_i].kind, promises[_i].subject, promises[_i].text);
	else
		say_error(promises[_i].kind, promises[_i].subject, -EOPNOTSUPP);
	p = replay();
	c = choose(p);
	ck_assert_uint_eq(c.untorn.max, promises[_i].max);
	if (c.untorn.max) {
		ck_assert_uint_eq(c.untorn.min, 4096);
		ck_assert_uint_eq(c.untorn.start, 2048 * 512);
		ck_assert_uint_eq(c.untorn.boundary, 0);
	}
	journal_probe_close(p);
	synth_free();
}
END_TEST

START_TEST(without_fua_a_drive_without_a_cache_will_do)
{
	journal_probe *p;

	synth_nvme();
	controller.vwc = 0;
	namespace.nabspf = htole16(63);
	synth_pages();
	say(JNL_ASK_FILE, DISK "/queue/fua", "0\n");
	p = replay();
	ck_assert_uint_eq(choose(p).untorn.max, 16384);
	ck_assert_uint_eq(choose(p).untorn.boundary, 32768);
	journal_probe_close(p);
	synth_free();
}
END_TEST

#endif

void add_nvme_tests(TCase *t)
{
	tcase_add_test(t, a_good_drive_meets_every_need);
	tcase_add_test(t, a_namespace_is_whole_only_as_a_device_and_not_a_partition);
	tcase_add_loop_test(t, one_thing_amiss_refuses_by_its_name, 0,
			    COUNT(spoilt));
	tcase_add_test(t, a_closed_node_is_said_to_give_raw_access);
	tcase_add_loop_test(t, native_multipath_has_as_many_controllers_as_paths,
			    0, 2);
	tcase_add_loop_test(t, xfs_overwrites_in_place_without_reflink_only, 0,
			    5);
	tcase_add_test(t, btrfs_never_overwrites_in_place);
	tcase_add_test(t, a_drive_below_a_mapper_is_named_and_promises_nothing);
	tcase_add_test(t, a_mapper_over_memory_forgets);
#ifdef HAVE_LIBNVME
	tcase_add_test(t, the_fields_of_the_pages_are_read);
	tcase_add_loop_test(t, the_untorn_unit_follows_from_the_namespace, 0,
			    COUNT(units));
	tcase_add_test(t, the_block_size_is_that_of_the_format_in_use);
	tcase_add_loop_test(t, pages_of_garbage_promise_one_block, 0, 5);
	tcase_add_loop_test(t, pages_of_another_length_are_no_pages, 0, 4);
	tcase_add_test(t, a_page_of_another_disk_is_not_believed);
	tcase_add_test(t, the_block_device_is_asked_where_the_generic_one_is_closed);
	tcase_add_test(t, write_through_set_by_hand_is_not_trusted);
	tcase_add_loop_test(t, untorn_is_what_drive_kernel_and_file_system_all_promise,
			    0, COUNT(promises));
	tcase_add_test(t, without_fua_a_drive_without_a_cache_will_do);
#endif
}
