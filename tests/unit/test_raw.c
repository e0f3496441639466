/*
 * A journal on a block device, which is a file that the table lies about:
 * slots are used, freed and used again, the device grows and shrinks, and what
 * is not a journal is left alone.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/core.h"
#include "journal/raw-format.h"
#include "journal/raw.h"
#include "tests/lib/device.h"
#include "tests/lib/fault.h"
#include "tests/lib/scratch.h"
#include "tests/lib/suite.h"

#define SMALL	65536u
#define MANY	2000
#define AREA	JNL_RAW_FIRST_SLOT

static char *dir, *path;
static struct device device;
static struct fault fault;
static struct journal_error error;
static uint64_t lsn_of[MANY];
static int appended;

static void make(uint64_t slots)
{
	device_init(&device, path, AREA + slots * SMALL);
	fault_init(&fault, &device.sys);
	appended = 0;
}

static void setup(void)
{
	dir = scratch_make(false);
	path = scratch_path(dir, "device");
	make(8);
}

static void teardown(void)
{
	free(path);
	scratch_remove(dir);
}

static int open_flags(journal **j, const struct jnl_choice *choice,
		      uint64_t flags, const char *carrier)
{
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	struct jnl_env env = {
		.sys = &fault.sys, .choice = choice, .no_helper = true,
	};

	memset(&error, 0, sizeof(error));
	o.flags = flags;
	o.segment_size = SMALL;
	o.carrier = carrier;
	o.error = &error;
	return jnl_open(j, path, &o, &env);
}

static journal *open_journal(void)
{
	journal *j;
	int ret = open_flags(&j, &choice_dsync, JOURNAL_CREATE, NULL);

	ck_assert_msg(!ret, "%d: %s", ret, error.message);
	return j;
}

static int open_existing(void)
{
	journal *j;
	int ret = open_flags(&j, &choice_dsync, 0, NULL);

	if (!ret)
		ck_assert_int_eq(journal_close(j), 0);
	return ret;
}

static void payload(char *text, size_t size, int i)
{
	(void)snprintf(text, size, "%d %*s", i, i * 617 % 9000, "");
}

static int try_put(journal *j)
{
	static char text[9100];
	struct iovec iov = { text, 0 };
	int ret;

	payload(text, sizeof(text), appended);
	iov.iov_len = strlen(text);
	ret = journal_commit(j, &iov, 1, &lsn_of[appended]);
	if (!ret)
		appended++;
	while (jnl_helper_step(j, false))
		;
	return ret;
}

static void put(journal *j, int count)
{
	while (count--)
		ck_assert_int_eq(try_put(j), 0);
}

/* Every record from the first-th on is there, and nothing else. */
static void check_from(int first)
{
	struct jnl_env env = { .sys = &fault.sys };
	struct journal_record rec;
	journal_reader *r;
	char text[9100];
	int n = first, ret;

	ck_assert_int_eq(jnl_reader_open(&r, path, 0, &error, &env), 0);
	while ((ret = journal_reader_next(r, &rec)) == 1) {
		ck_assert_int_lt(n, appended);
		payload(text, sizeof(text), n);
		ck_assert_uint_eq(rec.lsn, lsn_of[n]);
		ck_assert_uint_eq(rec.len, strlen(text));
		ck_assert_mem_eq(rec.data, text, rec.len);
		n++;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(n, appended);
	journal_reader_close(r);
}

static int verify(struct journal_report *rep)
{
	struct jnl_env env = { .sys = &fault.sys };

	*rep = (struct journal_report)JOURNAL_REPORT_INIT;
	return jnl_verify(path, rep, &env);
}

static void poke(uint64_t at, const void *data, size_t len)
{
	FILE *f = fopen(path, "r+b");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, (long)at, SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

/* The whole device; freed by the caller. */
static uint8_t *content(size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	*ret_len = (size_t)ftell(f);
	rewind(f);
	p = malloc(*ret_len);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fread(p, 1, *ret_len, f), *ret_len);
	ck_assert_int_eq(fclose(f), 0);
	return p;
}

/* The table, as the first copy has it. */
static struct jnl_raw_header table(uint64_t *entry)
{
	struct jnl_raw_header h;
	size_t len;
	uint8_t *p = content(&len);

	ck_assert_int_eq(jnl_raw_decode(p, &h), 0);
	ck_assert_int_eq(jnl_raw_decode_table(p, &h, entry), 0);
	/* After every change of names both say the same. */
	ck_assert_mem_eq(p, p + JNL_RAW_COPY_STRIDE, JNL_RAW_UNIT);
	free(p);
	return h;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ------------------------------------------------------------------------ */

static void by_every_way(const char *carrier)
{
	const struct jnl_choice *const choices[] = {
		&choice_dsync, &choice_flush, &choice_buffered,
	};
	int fds = open_fds();
	journal *j;

	for (int i = 0; i < 3; i++) {
		if (carrier && i == 2)
			continue;
		make(40);
		for (int life = 0; life < 3; life++) {
			int ret = open_flags(&j, choices[i], JOURNAL_CREATE,
					     carrier);

			if (ret == -EOPNOTSUPP && carrier) {
				printf("test_raw: %s\n", error.message);
				return;
			}
			ck_assert_msg(!ret, "%s", error.message);
			put(j, 60);
			ck_assert_int_eq(journal_close(j), 0);
			check_from(0);
		}
		ck_assert_int_eq(open_fds(), fds);
	}
}

START_TEST(records_come_back_over_many_slots)
{
	by_every_way(NULL);
}
END_TEST

START_TEST(a_ring_writes_where_the_slot_is)
{
	by_every_way("io_uring");
}
END_TEST

START_TEST(verify_and_info_know_the_device)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	uint64_t entry[8];
	struct journal_report rep;
	struct jnl_raw_header h;
	journal *j = open_journal();

	put(j, 30);
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_uint_eq(info.slots, 8);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(verify(&rep), 0);
	ck_assert_uint_eq(rep.finding, JOURNAL_SOUND);
	ck_assert_uint_eq(rep.records, 30);
	h = table(entry);
	ck_assert_uint_eq(h.slots, 8);
	ck_assert_mem_eq(h.uuid, info.uuid, sizeof(h.uuid));
}
END_TEST

START_TEST(a_full_device_goes_on_once_records_are_given_back)
{
	journal *j;
	int ret, first;

	make(4);
	j = open_journal();
	while (!(ret = try_put(j)))
		;
	ck_assert_int_eq(ret, -ENOSPC);
	ck_assert_int_gt(appended, 20);
	first = appended - 5;
	ck_assert_int_eq(journal_trim(j, lsn_of[first]), 0);
	put(j, 10);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(first);
}
END_TEST

START_TEST(slots_are_used_for_ever)
{
	journal *j;

	make(4);
	j = open_journal();
	for (int round = 0; round < 100; round++) {
		put(j, 10);
		ck_assert_int_eq(journal_trim(j, lsn_of[appended - 1]), 0);
		if (round % 20 == 19) {
			ck_assert_int_eq(journal_close(j), 0);
			check_from(appended - 1);
			j = open_journal();
		}
	}
	ck_assert_int_eq(journal_close(j), 0);
	check_from(appended - 1);
}
END_TEST

START_TEST(a_device_that_has_grown_has_more_slots)
{
	struct journal_info info = JOURNAL_INFO_INIT;
	journal *j;

	make(2);
	j = open_journal();
	while (!try_put(j))
		;
	/* While it is open: the next segment finds the room. */
	ck_assert_int_eq(truncate(path, AREA + 4 * SMALL), 0);
	put(j, 1);
	ck_assert_int_eq(journal_close(j), 0);
	/* And when it is opened. */
	ck_assert_int_eq(truncate(path, AREA + 9 * SMALL), 0);
	j = open_journal();
	ck_assert_int_eq(journal_info(j, &info), 0);
	ck_assert_uint_eq(info.slots, 9);
	put(j, 60);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(0);
}
END_TEST

START_TEST(a_device_that_has_shrunk_below_a_segment_is_damage)
{
	struct journal_report rep;
	journal *j = open_journal();

	put(j, 40);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(truncate(path, AREA + 2 * SMALL), 0);
	ck_assert_int_eq(open_existing(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error.message, "shrunk"));
	ck_assert_int_eq(verify(&rep), 0);
	ck_assert_uint_eq(rep.finding, JOURNAL_BAD_SEGMENT);
	ck_assert_ptr_nonnull(strstr(rep.message, "shrunk"));
	/* Back at its size it is as it was. */
	ck_assert_int_eq(truncate(path, AREA + 8 * SMALL), 0);
}
END_TEST

START_TEST(a_device_that_has_shrunk_behind_all_segments_is_not)
{
	journal *j;

	make(40);
	j = open_journal();
	put(j, 10);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(truncate(path, AREA + 7 * SMALL), 0);
	j = open_journal();
	put(j, 10);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(0);
}
END_TEST

/* ------------------------------------------------------------------------
 * Damage
 */

START_TEST(either_copy_may_be_lost_and_is_made_whole_again)
{
	uint64_t entry[8];
	static const uint8_t zeros[8192];
	journal *j = open_journal();

	put(j, 30);
	ck_assert_int_eq(journal_close(j), 0);
	for (uint64_t i = 0; i < 2; i++) {
		poke(i * JNL_RAW_COPY_STRIDE, "lost", 4);
		check_from(0);
		ck_assert_int_eq(open_existing(), 0);
		(void)table(entry);
		poke(i * JNL_RAW_COPY_STRIDE + 4096, "lost", 4);
		check_from(0);
		ck_assert_int_eq(open_existing(), 0);
		(void)table(entry);
		poke(i * JNL_RAW_COPY_STRIDE, zeros, sizeof(zeros));
		check_from(0);
		ck_assert_int_eq(open_existing(), 0);
		(void)table(entry);
	}
}
END_TEST

START_TEST(both_copies_lost_is_damage_and_nothing_is_changed)
{
	struct journal_report rep;
	uint8_t *before, *after;
	size_t len;
	journal *j = open_journal();

	put(j, 30);
	ck_assert_int_eq(journal_close(j), 0);
	poke(100, "x", 1);
	poke(JNL_RAW_COPY_STRIDE + 4096, "x", 1);
	before = content(&len);
	ck_assert_int_eq(open_existing(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error.message, "both copies"));
	ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_CREATE, NULL),
			 -EBADMSG);
	ck_assert_int_eq(verify(&rep), 0);
	ck_assert_int_eq(rep.code, -EBADMSG);
	after = content(&len);
	ck_assert_mem_eq(before, after, len);
	free(before);
	free(after);
	/* Who says so may have the device all the same. */
	ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_CREATE |
				    JOURNAL_OVERWRITE, NULL), 0);
	appended = 0;
	put(j, 3);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(0);
}
END_TEST

START_TEST(copies_that_contradict_each_other_are_damage)
{
	struct jnl_raw_header h;
	static uint8_t copy[JNL_RAW_UNIT];
	uint64_t entry[8];
	journal *j = open_journal();

	put(j, 30);
	ck_assert_int_eq(journal_close(j), 0);
	h = table(entry);
	entry[7] = jnl_raw_entry(99);
	jnl_raw_encode(copy, &h, entry);
	poke(JNL_RAW_COPY_STRIDE, copy, sizeof(copy));
	ck_assert_int_eq(open_existing(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error.message, "contradict"));
}
END_TEST

START_TEST(a_table_of_a_newer_version_is_left_alone)
{
	struct jnl_raw_header h;
	static uint8_t copy[JNL_RAW_UNIT];
	uint64_t entry[8];
	journal *j = open_journal();

	put(j, 3);
	ck_assert_int_eq(journal_close(j), 0);
	h = table(entry);
	h.version = 2;
	jnl_raw_encode(copy, &h, entry);
	poke(0, copy, sizeof(copy));
	ck_assert_int_eq(open_existing(), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(error.message, "newer version"));
}
END_TEST

START_TEST(segments_of_another_journal_are_not_taken_for_its_own)
{
	struct jnl_raw_header h;
	static uint8_t copy[JNL_RAW_UNIT];
	uint64_t entry[8];
	journal *j = open_journal();

	put(j, 3);
	ck_assert_int_eq(journal_close(j), 0);
	h = table(entry);
	h.uuid[0] ^= 1;
	jnl_raw_encode(copy, &h, entry);
	poke(0, copy, sizeof(copy));
	poke(JNL_RAW_COPY_STRIDE, copy, sizeof(copy));
	ck_assert_int_eq(open_existing(), -EXDEV);
	ck_assert_ptr_nonnull(strstr(error.message, "another journal"));
}
END_TEST

/* ------------------------------------------------------------------------
 * What is refused
 */

static void refused_and_untouched(uint64_t flags, int want, const char *words)
{
	uint8_t *before, *after;
	size_t len;
	journal *j;

	before = content(&len);
	ck_assert_int_eq(open_flags(&j, &choice_dsync, flags, NULL), want);
	ck_assert_msg(strstr(error.message, words), "%s", error.message);
	after = content(&len);
	ck_assert_mem_eq(before, after, len);
	free(before);
	free(after);
}

START_TEST(a_device_that_is_not_blank_is_refused)
{
	static const uint64_t at[] = { 0, 1080, 65600, AREA - 70000,
				       AREA + 8 * SMALL - 512 };
	journal *j;

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		make(8);
		poke(at[i], "someone's", 9);
		refused_and_untouched(JOURNAL_CREATE, -EEXIST, "--overwrite");
		refused_and_untouched(0, -ENOENT, "no journal");
		ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_CREATE |
					    JOURNAL_OVERWRITE, NULL), 0);
		put(j, 40);
		ck_assert_int_eq(journal_close(j), 0);
		check_from(0);
	}
}
END_TEST

START_TEST(what_lay_in_the_slots_before_is_never_read)
{
	static uint8_t junk[8 * SMALL];
	struct journal_report rep;
	journal *j;

	memset(junk, 0xa5, sizeof(junk));
	poke(AREA, junk, sizeof(junk));
	ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_CREATE |
				    JOURNAL_OVERWRITE, NULL), 0);
	put(j, 30);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(verify(&rep), 0);
	ck_assert_uint_eq(rep.finding, JOURNAL_SOUND);
	check_from(0);
}
END_TEST

START_TEST(a_journal_is_overwritten_only_on_demand)
{
	journal *j = open_journal();

	put(j, 5);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_CREATE |
				    JOURNAL_EXCLUSIVE, NULL), -EEXIST);
	j = open_journal();
	put(j, 5);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(0);
	ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_CREATE |
				    JOURNAL_OVERWRITE, NULL), 0);
	appended = 0;
	put(j, 2);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(0);
}
END_TEST

START_TEST(overwriting_is_for_new_journals_on_devices)
{
	char *directory = scratch_path(dir, "directory");
	struct journal_options o = JOURNAL_OPTIONS_INIT;
	journal *j;

	ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_OVERWRITE, NULL),
			 -EINVAL);
	ck_assert_int_eq(open_flags(&j, &choice_dsync, JOURNAL_CREATE |
				    JOURNAL_OVERWRITE | JOURNAL_EXCLUSIVE,
				    NULL), -EINVAL);
	o.flags = JOURNAL_CREATE | JOURNAL_OVERWRITE | JOURNAL_VOLATILE;
	o.error = &error;
	ck_assert_int_eq(journal_open(&j, directory, &o), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.message, "block devices"));
	free(directory);
}
END_TEST

START_TEST(a_device_without_room_for_two_segments_is_refused)
{
	make(1);
	refused_and_untouched(JOURNAL_CREATE, -ENOSPC, "two segments");
	device_init(&device, path, 4096);
	refused_and_untouched(JOURNAL_CREATE, -ENOSPC, "too small");
}
END_TEST

START_TEST(a_device_that_somebody_holds_is_refused)
{
	device.held = true;
	refused_and_untouched(JOURNAL_CREATE, -EBUSY, "in use");
	refused_and_untouched(JOURNAL_CREATE | JOURNAL_OVERWRITE, -EBUSY,
			      "in use");
}
END_TEST

START_TEST(a_second_writer_is_refused_and_told_by_whom)
{
	journal *j = open_journal(), *k;
	char want[64];

	put(j, 3);
	ck_assert_int_eq(open_flags(&k, &choice_dsync, 0, NULL), -EBUSY);
	(void)snprintf(want, sizeof(want), "process %ld", (long)getpid());
	ck_assert_msg(strstr(error.message, want), "%s", error.message);
	ck_assert_int_eq(open_flags(&k, &choice_dsync, JOURNAL_CREATE |
				    JOURNAL_OVERWRITE, NULL), -EBUSY);
	/* Readers are welcome: they see what is known to be durable. */
	while (jnl_helper_step(j, true))
		;
	check_from(0);
	ck_assert_int_eq(journal_close(j), 0);
	ck_assert_int_eq(open_existing(), 0);
}
END_TEST

START_TEST(what_is_neither_directory_nor_device_is_no_journal)
{
	journal *j;
	struct journal_options o = JOURNAL_OPTIONS_INIT;

	o.error = &error;
	o.flags = JOURNAL_CREATE;
	/* A regular file, for the real table. */
	ck_assert_int_eq(journal_open(&j, path, &o), -ENOTDIR);
	ck_assert_ptr_nonnull(strstr(error.message, "neither"));
	ck_assert_int_eq(journal_open(&j, "/dev/null", &o), -ENOTDIR);
}
END_TEST

/* ------------------------------------------------------------------------
 * What is held, and for how long
 */

START_TEST(a_reader_goes_on_beside_a_writer_that_removes_and_reuses)
{
	struct jnl_env env = { .sys = &fault.sys };
	struct journal_record rec;
	journal_reader *r;
	journal *j;
	int ret;

	make(4);
	j = open_journal();
	put(j, 20);
	while (jnl_helper_step(j, true))
		;
	ck_assert_int_eq(jnl_reader_open(&r, path, 0, &error, &env), 0);
	ck_assert_int_eq(journal_reader_next(r, &rec), 1);
	for (int round = 0; round < 10; round++) {
		ck_assert_int_eq(journal_trim(j, lsn_of[appended - 1]), 0);
		put(j, 10);
	}
	while ((ret = journal_reader_next(r, &rec)) == 1)
		;
	/* Never damage: it was given back. */
	ck_assert_int_eq(ret, -ERANGE);
	journal_reader_close(r);
	ck_assert_int_eq(journal_close(j), 0);
}
END_TEST

START_TEST(a_change_of_the_working_directory_is_none)
{
	char was[4096];
	char *slash = strrchr(path, '/'), *whole = path;
	journal *j;

	ck_assert_ptr_nonnull(getcwd(was, sizeof(was)));
	ck_assert_int_eq(chdir(dir), 0);
	path = slash + 1;
	j = open_journal();
	ck_assert_int_eq(chdir("/"), 0);
	put(j, 40);
	ck_assert_int_eq(journal_close(j), 0);
	path = whole;
	check_from(0);
	ck_assert_int_eq(chdir(was), 0);
}
END_TEST

START_TEST(a_child_of_fork_closes_and_disturbs_nothing)
{
	journal *j = open_journal();
	int status;
	pid_t pid;

	put(j, 10);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(journal_commit(j, NULL, 0, NULL) == -EOWNERDEAD &&
		      !journal_close(j) ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	put(j, 40);
	ck_assert_int_eq(open_existing(), -EBUSY);
	ck_assert_int_eq(journal_close(j), 0);
	check_from(0);
}
END_TEST

START_TEST(a_failed_write_gets_another_slot)
{
	uint64_t before[8], after[8];
	struct journal_stats stats = JOURNAL_STATS_INIT;
	journal *j = open_journal();

	put(j, 30);
	(void)table(before);
	fault_set(&fault, FAULT_PWRITE, 1, 1, -EIO);
	put(j, 5);
	ck_assert_uint_eq(fault.hit, 1);
	ck_assert_int_eq(journal_stats(j, &stats), 0);
	ck_assert_uint_eq(stats.replacements, 1);
	ck_assert_int_eq(journal_close(j), 0);
	(void)table(after);
	ck_assert_mem_ne(before, after, sizeof(before));
	check_from(0);
}
END_TEST

START_TEST(a_failed_write_on_a_full_device_ends_the_journal)
{
	journal *j;
	int acked;

	make(2);
	j = open_journal();
	put(j, 12);
	acked = appended;
	fault_set(&fault, FAULT_PWRITE, 1, 1, -EIO);
	ck_assert_int_lt(try_put(j), 0);
	ck_assert_int_lt(try_put(j), 0);
	(void)journal_close(j);
	appended = acked;
	check_from(0);
}
END_TEST

RUN_SUITE_WITH("raw", 120, setup, teardown, records_come_back_over_many_slots,
	  a_ring_writes_where_the_slot_is, verify_and_info_know_the_device,
	  a_full_device_goes_on_once_records_are_given_back,
	  slots_are_used_for_ever, a_device_that_has_grown_has_more_slots,
	  a_device_that_has_shrunk_below_a_segment_is_damage,
	  a_device_that_has_shrunk_behind_all_segments_is_not,
	  either_copy_may_be_lost_and_is_made_whole_again,
	  both_copies_lost_is_damage_and_nothing_is_changed,
	  copies_that_contradict_each_other_are_damage,
	  a_table_of_a_newer_version_is_left_alone,
	  segments_of_another_journal_are_not_taken_for_its_own,
	  a_device_that_is_not_blank_is_refused,
	  what_lay_in_the_slots_before_is_never_read,
	  a_journal_is_overwritten_only_on_demand,
	  overwriting_is_for_new_journals_on_devices,
	  a_device_without_room_for_two_segments_is_refused,
	  a_device_that_somebody_holds_is_refused,
	  a_second_writer_is_refused_and_told_by_whom,
	  what_is_neither_directory_nor_device_is_no_journal,
	  a_reader_goes_on_beside_a_writer_that_removes_and_reuses,
	  a_change_of_the_working_directory_is_none,
	  a_child_of_fork_closes_and_disturbs_nothing,
	  a_failed_write_gets_another_slot,
	  a_failed_write_on_a_full_device_ends_the_journal)
