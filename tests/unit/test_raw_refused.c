/*
 * A journal on a block device: damage to what says where everything is, and
 * devices that are not taken.
 */
#include "config.h"

#include "tests/unit/raw.h"

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
	uint64_t entry[8];
	journal *j = open_journal();

	put(j, 30);
	ck_assert_int_eq(journal_close(j), 0);
	h = table(entry);
	entry[7] = jnl_raw_entry(99);
	poke_copy(1, &h, entry);
	ck_assert_int_eq(open_existing(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error.message, "contradict"));
}
END_TEST

START_TEST(a_table_of_a_newer_version_is_left_alone)
{
	struct jnl_raw_header h;
	uint64_t entry[8];
	journal *j = open_journal();

	put(j, 3);
	ck_assert_int_eq(journal_close(j), 0);
	h = table(entry);
	h.version = 2;
	poke_copy(0, &h, entry);
	ck_assert_int_eq(open_existing(), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(error.message, "newer version"));
}
END_TEST

START_TEST(segments_of_another_journal_are_not_taken_for_its_own)
{
	struct jnl_raw_header h;
	uint64_t entry[8];
	journal *j = open_journal();

	put(j, 3);
	ck_assert_int_eq(journal_close(j), 0);
	h = table(entry);
	h.uuid[0] ^= 1;
	poke_copy(0, &h, entry);
	poke_copy(1, &h, entry);
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

RUN_SUITE_WITH("raw_refused", 120, setup, teardown,
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
	       what_is_neither_directory_nor_device_is_no_journal)
