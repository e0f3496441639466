/*
 * tests/probe/test_hostile.c - machines that mean harm to whoever asks them.
 *
 * They answer every question, and never come to an end: each device is made of
 * others, each link leads in a circle, each answer is as long as may be.  A
 * probe asks a bounded number of questions, takes bounded memory, and believes
 * nothing that would make records durable.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probe/facts.h"
#include "tests/lib/sanitized.h"
#include "tests/lib/suite.h"

/* No machine that was ever seen was asked for a hundredth of this. */
#define QUESTIONS_MAX	20000

#define NAMES		200

struct hostile {
	struct jnl_machine machine;
	/* By enum jnl_question: what everything there is; NULL: ENOENT. */
	const char *answers[JNL_ASK_NVME + 1];
	bool is_a_device;	/* what names files of one says so, too */
	/* One question that has an answer of its own; NULL: none. */
	const char *subject, *own;
	bool as_long_as_may_be;
	int asked;
};

static void give(struct jnl_answer *a, const char *text)
{
	a->len = strlen(text);
	a->data = strdup(text);
}

/* All that is asked for, and not one byte less; valgrind has no time for so
 * much. */
static void give_much(struct jnl_answer *a, size_t max)
{
	size_t i;

	if (getenv("JOURNAL_TEST_VALGRIND") && max > 65536)
		max = 65536;
	a->len = max;
	a->data = malloc(max + 1);
	if (!a->data) {
		a->error = -ENOMEM;
		a->len = 0;
		return;
	}
	/* Lines of two bytes: the most of them that there can be. */
	for (i = 0; i < max; i++)
		a->data[i] = "1\n"[i % 2];
	a->data[max] = '\0';
}

/* The files of a device in /sys, by how their names end. */
static const char *device_file(const char *subject)
{
	static const char *const files[][2] = {
		{ "/uevent", "MAJOR=253\nMINOR=0\nDEVNAME=dm-0\n" },
		{ "/dev", "253:0\n" },
		{ "/uuid", "LVM-0\n" },
		{ "/level", "raid1\n" },
		{ "/size", "2048\n" },
		{ "/offset", "0\n" },
		{ "/backing_file", "/dev/dm-0\n" },
		{ "/write_cache", "write back\n" },
		{ "/fua", "1\n" },
		{ "_block_size", "512\n" },
	};
	size_t len = strlen(subject), n;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		n = strlen(files[i][0]);
		if (len >= n && !strcmp(subject + len - n, files[i][0]))
			return files[i][1];
	}
	return NULL;
}

static void ask(struct jnl_machine *m, enum jnl_question kind,
		const char *subject, size_t max, struct jnl_answer *ret_a)
{
	struct hostile *h = (struct hostile *)m;
	const char *text = h->answers[kind];

	memset(ret_a, 0, sizeof(*ret_a));
	ck_assert_int_lt(h->asked++, QUESTIONS_MAX);
	if (h->is_a_device && kind == JNL_ASK_FILE)
		text = device_file(subject);
	if (h->subject && !strcmp(h->subject, subject))
		text = h->own;
	if (h->as_long_as_may_be)
		give_much(ret_a, max);
	else if (!text)
		ret_a->error = -ENOENT;
	else if (strlen(text) > max)
		ret_a->error = -EFBIG;
	else
		give(ret_a, text);
}

/* Is what is written there believed to outlive the power? */
static bool believed(struct hostile *h)
{
	struct journal_fact stable;
	journal_probe *p;

	h->machine.ask = ask;
	ck_assert_int_eq(jnl_probe_machine(&p, &h->machine, "/srv", 0), 0);
	ck_assert_int_eq(journal_probe_fact(p, "fs.stable", &stable), 0);
	journal_probe_close(p);
	return stable.state != JOURNAL_FACT_UNKNOWN && stable.value;
}

/* A file system on a device 253:0 that is mapped. */
static struct hostile mapped(void)
{
	return (struct hostile) {
		.is_a_device = true,
		.answers = {
			[JNL_ASK_CALL] = "kind block\nmajor 253\nminor 0\n"
				"rmajor 253\nrminor 0\nmnt_id 1\n"
				"type 61267\nbsize 4096\nfrsize 4096\n",
			[JNL_ASK_TRY] = "",
		},
		.subject = "/proc/self/mountinfo",
		.own = "1 0 253:0 / / rw - ext4 /dev/dm-0 rw\n",
	};
}

START_TEST(devices_made_of_themselves_are_left)
{
	struct hostile h = mapped();

	h.answers[JNL_ASK_LIST] = "dm-0\n";
	h.answers[JNL_ASK_LINK] = "../../devices/virtual/block/dm-0";
	ck_assert(!believed(&h));
}
END_TEST

START_TEST(devices_made_of_ever_more_devices_are_left)
{
	struct hostile h = mapped();
	char names[NAMES * 8], *at = names;

	for (int i = 0; i < NAMES; i++)
		at += sprintf(at, "dm-%d\n", i);
	h.answers[JNL_ASK_LIST] = names;
	h.answers[JNL_ASK_LINK] = "../../devices/virtual/block/dm-0";
	ck_assert(!believed(&h));
}
END_TEST

START_TEST(loops_in_loops_are_left)
{
	struct hostile h = mapped();

	h.subject = "/sys/dev/block/253:0/uevent";
	h.own = "DEVNAME=loop0\n";
	ck_assert(!believed(&h));
}
END_TEST

START_TEST(partitions_of_partitions_are_left)
{
	struct hostile h = mapped();

	/* Everything is there, also a file called "partition". */
	h.is_a_device = false;
	h.answers[JNL_ASK_FILE] = "1\n";
	h.answers[JNL_ASK_LIST] = "partition\nslaves\nnvme0\nnvme0c0n1\n";
	h.answers[JNL_ASK_LINK] = "nvme0n1p1";
	ck_assert(!believed(&h));
}
END_TEST

START_TEST(links_that_lead_in_circles_or_nowhere_are_left)
{
	static const char *const ends[] = {
		"", ".", "..", "/", "//", "../..", "./.", "a/", "../253:0",
		"../../../../../../../../../../../../../../../../etc",
		"nvme0n1/nvme0n1/nvme0n1", "\n", "%s%n", "dm-0/../dm-0",
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct hostile h = mapped();

		h.answers[JNL_ASK_LINK] = ends[i];
		h.answers[JNL_ASK_LIST] = "..\n.\n/\n\n../../x\n253:0\n";
		ck_assert(!believed(&h));
	}
}
END_TEST

/* With the memory of a small process. */
static void bound_memory(void)
{
	struct rlimit memory = { 512u << 20, 512u << 20 };

	if (!SANITIZED && !getenv("JOURNAL_TEST_VALGRIND"))
		ck_assert_int_eq(setrlimit(RLIMIT_AS, &memory), 0);
}

START_TEST(answers_as_long_as_may_be_are_borne)
{
	struct hostile h = { .as_long_as_may_be = true };

	bound_memory();
	ck_assert(!believed(&h));
}
END_TEST

START_TEST(a_machine_that_says_the_same_to_everything_is_not_believed)
{
	static const char *const words[] = {
		"", "\n", "0\n", "1\n", "write back\n", "-1\n",
		"18446744073709551615\n", "4096\n", "2\n", "=\n", "\n\n\n",
		"1 1 1:1 / / rw - ext4 /dev/vda rw\n",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct hostile h = { .asked = 0 };

		for (int kind = 0; kind <= JNL_ASK_NVME; kind++)
			h.answers[kind] = words[i];
		ck_assert(!believed(&h));
	}
}
END_TEST

RUN_SUITE("hostile", 60, devices_made_of_themselves_are_left,
	  devices_made_of_ever_more_devices_are_left,
	  loops_in_loops_are_left,
	  partitions_of_partitions_are_left,
	  links_that_lead_in_circles_or_nowhere_are_left,
	  answers_as_long_as_may_be_are_borne,
	  a_machine_that_says_the_same_to_everything_is_not_believed)
