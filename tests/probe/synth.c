/*
 * tests/probe/synth.c - machines made of answers.
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/needs.h"
#include "tests/probe/synth.h"

#ifdef HAVE_LIBNVME
struct nvme_id_ctrl controller;
struct nvme_id_ns namespace;
#endif

struct jnl_answers answers;

/* 1 GiB in sectors of 512 bytes. */
#define SECTORS	2097152u

static size_t index_of(const struct jnl_kept *kept)
{
	size_t i;

	for (i = 0; answers.kept[i] != kept; i++)
		;
	return i;
}

static void set(enum jnl_question kind, const char *subject, int error,
		const void *data, size_t len)
{
	const struct jnl_kept *kept = jnl_answers_find(&answers, kind, subject);
	int ret;

	if (kept)
		ret = jnl_answers_replace(&answers, index_of(kept), error, data,
					  len);
	else
		ret = jnl_answers_add(&answers, kind, subject, error, data,
				      len);
	ck_assert_int_eq(ret, 0);
}

void say_bytes(enum jnl_question kind, const char *subject, const void *data,
	       size_t len)
{
	set(kind, subject, 0, data, len);
}

void say(enum jnl_question kind, const char *subject, const char *text)
{
	set(kind, subject, 0, text, strlen(text));
}

void say_error(enum jnl_question kind, const char *subject, int error)
{
	set(kind, subject, error, NULL, 0);
}

static const struct {
	enum jnl_question kind;
	const char *subject, *text;
} kernel[] = {
	{ JNL_ASK_FILE, "/proc/sys/kernel/osrelease", "7.2.0\n" },
	{ JNL_ASK_FILE, "/proc/self/status", "Name:\tx\nSeccomp:\t0\n" },
	{ JNL_ASK_FILE, "/proc/sys/kernel/io_uring_disabled", "0\n" },
	{ JNL_ASK_CALL, "getrlimit memlock", "soft 8388608\n" },
	{ JNL_ASK_TRY, "io_uring 0x0", "flags 0\nfeatures 1\n" },
	{ JNL_ASK_TRY, "io_uring 0x80", "" },
	{ JNL_ASK_TRY, "io_uring 0x100", "" },
	{ JNL_ASK_TRY, "io_uring 0x1000", "" },
	{ JNL_ASK_TRY, "io_uring 0x3000", "" },
	{ JNL_ASK_TRY, "io_uring 0x40", "" },
	{ JNL_ASK_TRY, "io_uring 0x2", "" },
	{ JNL_ASK_TRY, "io_uring 0xc00", "" },
	{ JNL_ASK_TRY, "io_uring ops", "op.3 1\nop.5 1\nop.23 1\nop.46 1\n" },
	{ JNL_ASK_TRY, "io_uring files", "" },
	{ JNL_ASK_TRY, "io_uring buffers 4194304", "" },
}, files[] = {
	{ JNL_ASK_CALL, "statx", "mnt_id 20\n" },
	{ JNL_ASK_CALL, "fstat", "major 259\nminor 2\n" },
	{ JNL_ASK_LINK, "/proc/self/fd/dir", "/data/j" },
	{ JNL_ASK_FILE, "/proc/self/mountinfo",
	  "20 1 259:2 / /data rw,relatime - ext4 /dev/nvme0n1p2 rw\n" },
	{ JNL_ASK_FILE, "/proc/fs/ext4/nvme0n1p2/options",
	  "rw\nbarrier\ndata=ordered\n" },
	{ JNL_ASK_CALL, "fstatfs", "type 61267\nbsize 4096\nfrsize 4096\n"
	  "blocks 1000\nbavail 100\nfiles 10\n" },
	{ JNL_ASK_TRY, "scratch", "named 0\n" },
	{ JNL_ASK_CALL, "statx scratch", "dio_mem_align 4\n"
	  "dio_offset_align 512\natomic_unit_min 4096\n"
	  "atomic_unit_max 65536\n" },
	{ JNL_ASK_TRY, "write 4096", "" },
	{ JNL_ASK_TRY, "fdatasync", "" },
	{ JNL_ASK_TRY, "open direct", "" },
	{ JNL_ASK_TRY, "write 4096 direct", "" },
	{ JNL_ASK_TRY, "fdatasync direct", "" },
	{ JNL_ASK_TRY, "rwf_dsync 4096 direct", "" },
	{ JNL_ASK_TRY, "fiemap",
	  "extents 1\nunwritten 0\nshared 0\nother 0\n" },
	{ JNL_ASK_TRY, "rwf_atomic 4096 direct", "" },
	{ JNL_ASK_CALL, "fstat scratch", "links 0\n" },
	{ JNL_ASK_CALL, "flags scratch", "flags 524288\n" },
}, device[] = {
	{ JNL_ASK_FILE, "/sys/dev/block/259:2/uevent", "DEVNAME=nvme0n1p2\n" },
	{ JNL_ASK_FILE, "/sys/dev/block/259:2/partition", "2\n" },
	{ JNL_ASK_FILE, "/sys/dev/block/259:2/start", "2048\n" },
	{ JNL_ASK_FILE, DISK "/uevent", "DEVNAME=nvme0n1\n" },
	{ JNL_ASK_FILE, DISK "/size", "2097152\n" },
	{ JNL_ASK_FILE, DISK "/dev", "259:0\n" },
	{ JNL_ASK_FILE, DISK "/nsid", "1\n" },
	{ JNL_ASK_FILE, DISK "/queue/write_cache", "write back\n" },
	{ JNL_ASK_FILE, DISK "/queue/fua", "1\n" },
	{ JNL_ASK_FILE, DISK "/queue/logical_block_size", "512\n" },
	{ JNL_ASK_FILE, DISK "/queue/physical_block_size", "512\n" },
	{ JNL_ASK_FILE, DISK "/queue/rotational", "0\n" },
	{ JNL_ASK_FILE, DISK "/queue/max_hw_sectors_kb", "512\n" },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_unit_min_bytes", "512\n" },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_unit_max_bytes", "16384\n" },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_boundary_bytes", "0\n" },
	{ JNL_ASK_FILE, DISK "/queue/atomic_write_max_bytes", "16384\n" },
	{ JNL_ASK_FILE, DISK "/device/cntlid", "1\n" },
	{ JNL_ASK_FILE, DISK "/device/model", "Good Drive          \n" },
	{ JNL_ASK_FILE, DISK "/device/firmware_rev", "1.0     \n" },
	{ JNL_ASK_FILE, DISK "/device/serial", "S123456789\n" },
	{ JNL_ASK_LINK, DISK "/device", "../../nvme0" },
	{ JNL_ASK_LIST, DISK "/device",
	  "cntlid\nmodel\nng0n1\nnvme0n1\nserial\nuevent\n" },
	{ JNL_ASK_LIST, "/sys/class/nvme-subsystem", "nvme-subsys0\n" },
	{ JNL_ASK_LIST, SYSTEM, "model\nnvme0\npower\nsubsysnqn\nuevent\n" },
	{ JNL_ASK_FILE, SYSTEM "/nvme0/cntlid", "1\n" },
	{ JNL_ASK_FILE, SYSTEM "/nvme0/transport", "pcie\n" },
	{ JNL_ASK_FILE, "/sys/class/nvme-generic/ng0n1/dev", "243:7\n" },
	{ JNL_ASK_TRY, "nvme_node ng0n1",
	  "kind char\nrmajor 243\nrminor 7\nnsid 1\n" },
	{ JNL_ASK_TRY, "nvme_flush ng0n1 1", "" },
	{ JNL_ASK_CALL, "stat /dev/ng0n1", "kind char\nmajor 0\nminor 5\n"
	  "rmajor 243\nrminor 7\nsize 0\n" },
	{ JNL_ASK_CALL, "stat /dev/nvme0n1", "kind block\nmajor 0\nminor 5\n"
	  "rmajor 259\nrminor 0\nsize 0\n" },
};

#define SAY_ALL(list) do { \
	for (size_t i_ = 0; i_ < sizeof(list) / sizeof((list)[0]); i_++) \
		say((list)[i_].kind, (list)[i_].subject, (list)[i_].text); \
} while (0)

#ifdef HAVE_LIBNVME
static void pad(char *field, size_t len, const char *text)
{
	memset(field, ' ', len);
	memcpy(field, text, strlen(text));
}

static void good_pages(void)
{
	memset(&controller, 0, sizeof(controller));
	pad(controller.sn, sizeof(controller.sn), "S123456789");
	pad(controller.mn, sizeof(controller.mn), "Good Drive");
	pad(controller.fr, sizeof(controller.fr), "1.0");
	controller.vwc = NVME_CTRL_VWC_PRESENT;
	controller.mdts = 7;
	memset(&namespace, 0, sizeof(namespace));
	namespace.nsze = namespace.ncap = htole64(SECTORS);
	namespace.nuse = htole64(1000);
	namespace.nsfeat = 2;
	namespace.nawun = htole16(63);
	namespace.nawupf = htole16(31);
	namespace.lbaf[0].ds = 9;
}

void synth_pages(void)
{
	static const char *const nodes[] = { "ng0n1", "nvme0n1" };
	char subject[64];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(subject, sizeof(subject), "identify-controller %s",
			 nodes[i]);
		say_bytes(JNL_ASK_NVME, subject, &controller,
			  sizeof(controller));
		snprintf(subject, sizeof(subject), "identify-namespace %s 1",
			 nodes[i]);
		say_bytes(JNL_ASK_NVME, subject, &namespace,
			  sizeof(namespace));
		snprintf(subject, sizeof(subject), "feature %s 6", nodes[i]);
		say_bytes(JNL_ASK_NVME, subject, "\1\0\0\0", 4);
	}
}
#endif

void synth_nvme(void)
{
	synth_free();
	jnl_answers_init(&answers);
	SAY_ALL(kernel);
	SAY_ALL(files);
	SAY_ALL(device);
	say_error(JNL_ASK_TRY, "write_zeroes 4096", -EOPNOTSUPP);
	say_error(JNL_ASK_TRY, "reflink", -EOPNOTSUPP);
#ifdef HAVE_LIBNVME
	good_pages();
	synth_pages();
#endif
}

void synth_dm(const char *below)
{
	char dir[96], line[80];
	size_t i;

	synth_nvme();
	say(JNL_ASK_CALL, "fstat", "major 252\nminor 0\n");
	say(JNL_ASK_FILE, "/proc/self/mountinfo",
	    "20 1 252:0 / /data rw,relatime - ext4 /dev/mapper/x rw\n");
	say(JNL_ASK_FILE, "/sys/dev/block/252:0/uevent", "DEVNAME=dm-0\n");
	say_error(JNL_ASK_FILE, "/sys/dev/block/252:0/partition", -ENOENT);
	say(JNL_ASK_FILE, "/sys/dev/block/252:0/dm/uuid",
	    "CRYPT-LUKS2-0123\n");
	snprintf(line, sizeof(line), "%s\n", below);
	say(JNL_ASK_LIST, "/sys/dev/block/252:0/slaves", line);
	for (i = 0; i < sizeof(device) / sizeof(device[0]); i++) {
		static const char from[] = "/sys/dev/block/259:2";
		const char *s = device[i].subject;

		if (strncmp(s, from, sizeof(from) - 1))
			continue;
		snprintf(dir, sizeof(dir), "/sys/class/block/nvme0n1p2%.40s",
			 s + sizeof(from) - 1);
		say(device[i].kind, dir, device[i].text);
	}
	snprintf(dir, sizeof(dir), "/sys/class/block/%.20s/uevent", below);
	snprintf(line, sizeof(line), "DEVNAME=%s\n", below);
	say(JNL_ASK_FILE, dir, line);
	if (strcmp(below, "nvme0n1p2")) {
		snprintf(dir, sizeof(dir), "/sys/class/block/%.20s/partition",
			 below);
		say_error(JNL_ASK_FILE, dir, -ENOENT);
	}
}

void synth_free(void)
{
	jnl_answers_free(&answers);
}

journal_probe *replay_of(const struct jnl_answers *a, uint64_t flags)
{
	struct jnl_replay r;
	journal_probe *p;

	jnl_replay_init(&r, a);
	ck_assert_int_eq(jnl_probe_machine(&p, &r.machine, "/data/j", flags),
			 0);
	return p;
}

journal_probe *replay(void)
{
	return replay_of(&answers, 0);
}

static const struct jnl_method everything = {
	.name = "everything",
	.needs = JNL_NEED_BARRIER | JNL_NEED_STABLE | JNL_NEED_DIRECT_IO |
		 JNL_NEED_FLUSH | JNL_NEED_NAMESPACE | JNL_NEED_ONE_CONTROLLER |
		 JNL_NEED_IN_PLACE | JNL_NEED_PASSTHROUGH,
};

char *refusal(journal_probe *p)
{
	enum jnl_fact fact = JNL_FACT_COUNT;

	return jnl_needs_why_not(p, &everything, 0, &fact);
}

const char *refused_by(journal_probe *p)
{
	enum jnl_fact fact = JNL_FACT_COUNT;

	free(jnl_needs_why_not(p, &everything, 0, &fact));
	return fact == JNL_FACT_COUNT ? "" : jnl_fact_name(fact);
}
