/*
 * A journal on a block device: slots are used, freed and used again, the device
 * grows and shrinks, and what is held is held as long as it has to be.
 */
#include "config.h"

#include "tests/unit/raw.h"

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

RUN_SUITE_WITH("raw", 120, setup, teardown,
	       records_come_back_over_many_slots, a_ring_writes_where_the_slot_is,
	       verify_and_info_know_the_device,
	       a_full_device_goes_on_once_records_are_given_back,
	       slots_are_used_for_ever, a_device_that_has_grown_has_more_slots,
	       a_device_that_has_shrunk_below_a_segment_is_damage,
	       a_device_that_has_shrunk_behind_all_segments_is_not,
	       a_reader_goes_on_beside_a_writer_that_removes_and_reuses,
	       a_change_of_the_working_directory_is_none,
	       a_child_of_fork_closes_and_disturbs_nothing,
	       a_failed_write_gets_another_slot,
	       a_failed_write_on_a_full_device_ends_the_journal)
