/*
 * tests/probe/test_mask.c - serial numbers out of a dump.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/dump.h"
#include "probe/mask.h"
#include "tests/lib/suite.h"

static struct jnl_answers answers;

static void add(enum jnl_question kind, const char *subject, const char *text)
{
	ck_assert_int_eq(jnl_answers_add(&answers, kind, subject, 0, text,
					 strlen(text)), 0);
}

static char *written(const char *of)
{
	size_t len;
	char *text;
	FILE *out;

	out = open_memstream(&text, &len);
	jnl_dump_write(out, of, &answers);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static void done(void)
{
	jnl_answers_free(&answers);
}

static void add_page(const char *subject, const char *page)
{
	ck_assert_int_eq(jnl_answers_add(&answers, JNL_ASK_NVME, subject, 0,
					 page, 4096), 0);
}

/* A drive, with everything about it that is nobody's business. */
static void add_drive(void)
{
	char page[4096] = "";

	memcpy(page + 4, "S4EWNX0R123456      ", 20);
	memcpy(page + 24, "Fine Drive 960                          ", 40);
	memset(page + 112, 0xab, 16);
	strcpy(page + 768, "nqn.2014.08.org.nvmexpress:144d144d"
	       "S4EWNX0R123456      Fine Drive 960");
	add_page("identify-controller nvme0n1", page);
	memset(page, 0, sizeof(page));
	page[24] = 2;
	memset(page + 104, 0xcd, 16);
	memset(page + 120, 0xef, 8);
	add_page("identify-namespace nvme0n1", page);
	/* One whose serial number stands nowhere else, and a short one. */
	memset(page, 0, sizeof(page));
	memcpy(page + 4, "  OTHER-0042        ", 20);
	add_page("identify-controller nvme1n1", page);
	memcpy(page + 4, "QX7                 ", 20);
	add_page("identify-controller nvme2n1", page);
	add(JNL_ASK_FILE, "/sys/block/nvme0n1/wwid", "eui.0025385b9150a2f1\n");
	add(JNL_ASK_FILE, "/sys/block/nvme0n1/device/serial",
	    "S4EWNX0R123456      \n");
	add(JNL_ASK_FILE, "/sys/block/dm-0/dm/uuid",
	    "CRYPT-LUKS2-6c0f1a2b3c4d5e6f708192a3b4c5d6e7-data\n");
	add(JNL_ASK_FILE, "/sys/block/dm-1/dm/uuid",
	    "LVM-abcdefgHIJKLMNOPqrstuvwxyz012345"
	    "6789ABCDEFGHIJKLMNOPQRSTUVWXYZab\n");
	add(JNL_ASK_FILE, "/sys/block/dm-2/dm/uuid",
	    "part1-mpath-3600508b4000156d700012000000b0000\n");
	add(JNL_ASK_FILE, "/sys/block/md0/md/uuid",
	    "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n");
	add(JNL_ASK_LINK, "/sys/dev/block/8:1",
	    "../../devices/wwn-0x5000c500a1b2c3d4/block/sda/sda1");
	add(JNL_ASK_FILE,
	    "/sys/devices/wwn-0x5000c500a1b2c3d4/block/sda/queue/fua", "1\n");
	add(JNL_ASK_FILE, "/proc/self/mountinfo",
	    "27 1 254:0 / / rw - ext4 "
	    "/dev/disk/by-uuid/0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0 rw\n"
	    "28 1 254:1 / /b rw - ext4 "
	    "/dev/disk/by-uuid/77778888-9999-aaaa-bbbb-ccccddddeeee rw\n");
	add(JNL_ASK_FILE, "/sys/class/nvme/nvme0/firmware_rev",
	    "1 nqn.2019-08.org.example:box-17-drive-4\n");
	add(JNL_ASK_CALL, "stat /dev/disk/by-uuid/"
	    "0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0", "major 8\nminor 1\n");
	/* Digits that happen to be a serial number's. */
	add(JNL_ASK_FILE, "/sys/block/sdc/device/serial", "551615\n");
	add(JNL_ASK_CALL, "fstatfs", "bavail 18446744073709551615\n");
	add(JNL_ASK_FILE, "/sys/block/sdb/device/serial", "ab1\n");
}

static const char *masked_answer(const struct jnl_answers *a,
				 enum jnl_question kind, const char *subject)
{
	const struct jnl_kept *k = jnl_answers_find(a, kind, subject);

	ck_assert_msg(k && !k->error, "%s", subject);
	return k->data;
}

START_TEST(serial_numbers_are_masked_wherever_they_stand)
{
	static const char *const secret[] = {
		"S4EWNX0R123456", "s4ewnx0r", "0025385b9150a2f1", "144d144d",
		"6c0f1a2b", "abcdefgHIJ", "3600508b4000", "0f1e2d3c",
		"0F1E2D3C", "5000c500a1b2c3d4", "ab ab ab", "cd cd cd",
		"ef ef ef", "ab1", "4f 54 48 45 52", "51 58 37",
		"53 34 45 57 4e", "31 34 34 64 31", "77778888", "box-17",
	};
	struct jnl_answers masked, was;
	char *text, at[] = "/srv/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

	add_drive();
	jnl_answers_init(&masked);
	ck_assert_int_eq(jnl_mask_answers(&answers, at, &masked), 0);
	ck_assert_uint_eq(masked.count, answers.count);
	was = answers;
	answers = masked;
	text = written(at);
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		ck_assert_msg(!strstr(text, secret[i]), "%s: %s", secret[i],
			      strstr(text, secret[i]));
	free(text);
	jnl_answers_free(&was);
	done();
}
END_TEST

START_TEST(what_is_masked_still_fits_together)
{
	const char *model, *link, *end;
	struct jnl_answers masked;
	char file[128], at[] = "/srv";

	add_drive();
	jnl_answers_init(&masked);
	ck_assert_int_eq(jnl_mask_answers(&answers, at, &masked), 0);
	/* What is no secret is untouched. */
	ck_assert_str_eq(at, "/srv");
	model = masked_answer(&masked, JNL_ASK_NVME,
			      "identify-controller nvme0n1") + 24;
	ck_assert_mem_eq(model, "Fine Drive 960  ", 16);
	ck_assert_str_eq(masked_answer(&masked, JNL_ASK_CALL, "fstatfs"),
			 "bavail 18446744073709551615\n");
	ck_assert_mem_eq(masked_answer(&masked, JNL_ASK_FILE,
				       "/sys/block/dm-0/dm/uuid"),
			 "CRYPT-LUKS2-x", 13);
	ck_assert_mem_eq(masked_answer(&masked, JNL_ASK_FILE,
				       "/sys/block/dm-1/dm/uuid"),
			 "LVM-x", 5);
	ck_assert_mem_eq(masked_answer(&masked, JNL_ASK_FILE,
				       "/sys/block/dm-2/dm/uuid"),
			 "part1-mpath-x", 13);
	/* The same drive is still the same, padded as it was. */
	ck_assert_mem_eq(masked_answer(&masked, JNL_ASK_FILE,
				       "/sys/block/nvme0n1/device/serial"),
			 model - 20, 20);
	/* One UUID is one whatever its case, another one is another. */
	snprintf(file, sizeof(file), "stat /dev/disk/by-uuid/%.36s",
		 masked_answer(&masked, JNL_ASK_FILE, "/sys/block/md0/md/uuid"));
	masked_answer(&masked, JNL_ASK_CALL, file);
	ck_assert_ptr_null(strstr(strstr(masked_answer(&masked, JNL_ASK_FILE,
						       "/proc/self/mountinfo"),
					 "28 1"),
				  file + strlen("stat /dev/disk/by-uuid/")));
	/* A link leads to a file that is there. */
	link = masked_answer(&masked, JNL_ASK_LINK, "/sys/dev/block/8:1");
	end = strstr(link, "/sda1");
	snprintf(file, sizeof(file), "/sys/%.*s/queue/fua",
		 (int)(end - link - 6), link + 6);
	ck_assert_str_eq(masked_answer(&masked, JNL_ASK_FILE, file), "1\n");
	jnl_answers_free(&masked);
	done();
}
END_TEST

START_TEST(masking_what_is_masked_changes_nothing_in_length)
{
	struct jnl_answers once, twice;
	char at[] = "/";

	add_drive();
	jnl_answers_init(&once);
	jnl_answers_init(&twice);
	ck_assert_int_eq(jnl_mask_answers(&answers, at, &once), 0);
	ck_assert_int_eq(jnl_mask_answers(&once, at, &twice), 0);
	ck_assert_uint_eq(twice.count, once.count);
	ck_assert_uint_eq(twice.bytes, answers.bytes);
	jnl_answers_free(&once);
	jnl_answers_free(&twice);
	done();
}
END_TEST

RUN_SUITE("mask", 60, serial_numbers_are_masked_wherever_they_stand,
	  what_is_masked_still_fits_together,
	  masking_what_is_masked_changes_nothing_in_length)
