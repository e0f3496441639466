/*
 * tests/probe/test_tries.c - what is tried, and what its errors mean.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/probe/fake.h"

START_TEST(a_sound_machine_gets_direct_with_rwf_dsync)
{
	journal_probe *p = probe();
	struct jnl_choice c = choose(p);

	assert_text(p, "kernel.release", "5.10.0-test");
	ck_assert_str_eq(c.method->name, "direct");
	ck_assert(c.way.direct && c.way.dsync);
	ck_assert_int_eq(c.way.flush, JNL_FLUSH_FDATASYNC);
	ck_assert_uint_eq(c.block_size, 8192);
	ck_assert(!c.nocow);
	ck_assert_int_eq(method(p, 0).chosen, 1);
	ck_assert_str_eq(method(p, 0).barrier, "RWF_DSYNC");
	ck_assert_str_eq(method(p, 0).carrier, "pwritev2");
	ck_assert_int_eq(method(p, 1).usable, 1);
	ck_assert_int_eq(method(p, 1).chosen, 0);
	ck_assert_ptr_null(strstr(method(p, 0).reason, "not verified"));
	journal_probe_close(p);
}
END_TEST

START_TEST(a_probe_writes_no_more_than_256_kib_and_leaves_no_name)
{
	journal_probe *p;

	fake.dio_align = 65536;
	p = probe();
	ck_assert_uint_gt(fake.written, 2 * 65536);
	ck_assert_uint_le(fake.written, 256 * 1024);
	ck_assert_int_eq(fake.unlinked, 0);
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(refused_o_direct_leaves_buffered)
{
	static int *const errs[] = { &fake.err_direct_open,
				     &fake.err_direct_write };
	journal_probe *p;

	*errs[_i] = -EINVAL;
	p = probe();
	assert_number(p, "fs.direct_io", 0);
	ck_assert_int_eq(fact(p, "fs.direct_io").state, JOURNAL_FACT_TRIED);
	ck_assert_int_eq(fact(p, "fs.direct_io").error, -EINVAL);
	assert_number(p, "kernel.rwf_dsync", 1);
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	ck_assert(!choose(p).way.direct && !choose(p).way.dsync);
	ck_assert_uint_ge(choose(p).block_size, sysconf(_SC_PAGESIZE));
	ck_assert_str_eq(method(p, 1).barrier, "fdatasync");
	journal_probe_close(p);
}
END_TEST

START_TEST(refused_rwf_dsync_means_direct_with_fdatasync)
{
	journal_probe *p;

	fake.err_dsync = -EOPNOTSUPP;
	p = probe();
	assert_number(p, "kernel.rwf_dsync", 0);
	ck_assert_int_eq(fact(p, "kernel.rwf_dsync").error, -EOPNOTSUPP);
	ck_assert_str_eq(choose(p).method->name, "direct");
	ck_assert(!choose(p).way.dsync);
	ck_assert_str_eq(method(p, 0).barrier, "fdatasync");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_missing_fdatasync_means_fsync_everywhere)
{
	static const int errs[] = { -EINVAL, -ENOSYS, -EOPNOTSUPP };
	journal_probe *p;

	fake.err_fdatasync = errs[_i];
	fake.err_dsync = -EOPNOTSUPP;
	p = probe();
	assert_text(p, "fs.flush", "fsync");
	ck_assert_int_eq(choose(p).way.flush, JNL_FLUSH_FSYNC);
	ck_assert_str_eq(method(p, 0).barrier, "fsync");
	ck_assert_str_eq(method(p, 1).barrier, "fsync");
	/* The direct try used what was decided. */
	ck_assert_int_eq(fake.fdatasyncs, 1);
	ck_assert_int_eq(fake.fsyncs, 2);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_failed_fdatasync_is_not_tried_as_fsync_and_refuses_all)
{
	journal_probe *p;

	fake.err_fdatasync = -EIO;
	p = probe();
	assert_unknown(p, "fs.flush", -EIO);
	ck_assert_int_eq(fake.fsyncs, 0);
	assert_refused(p, 0, "fs.direct_io");
	assert_refused(p, 1, "fs.flush");
	assert_no_choice(p, false);
	assert_no_choice(p, true);
	journal_probe_close(p);
}
END_TEST

START_TEST(an_io_error_in_any_try_refuses_all)
{
	static int *const errs[] = { &fake.err_direct_write, &fake.err_dsync,
				     &fake.err_write };
	journal_probe *p;

	*errs[_i] = -EIO;
	p = probe();
	assert_unknown(p, "fs.flush", -EIO);
	assert_no_choice(p, false);
	journal_probe_close(p);
}
END_TEST

START_TEST(no_flush_at_all_refuses_all)
{
	journal_probe *p;

	fake.err_fdatasync = fake.err_fsync = -EINVAL;
	p = probe();
	ck_assert_int_eq(fact(p, "fs.flush").state, JOURNAL_FACT_TRIED);
	ck_assert_int_eq(fact(p, "fs.flush").error, -EINVAL);
	assert_refused(p, 0, "fs.flush");
	assert_refused(p, 1, "fs.flush");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_sandbox_that_forbids_rwf_dsync_costs_rwf_dsync_only)
{
	journal_probe *p;

	fake.err_dsync = -EPERM;
	p = probe();
	assert_unknown(p, "kernel.rwf_dsync", -EPERM);
	ck_assert_str_eq(method(p, 0).barrier, "fdatasync");
	journal_probe_close(p);
}
END_TEST

START_TEST(direct_io_that_is_not_known_refuses_direct_only)
{
	journal_probe *p;

	fake.err_direct_open = -EPERM;
	p = probe();
	assert_unknown(p, "fs.direct_io", -EPERM);
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_full_file_system_gets_what_is_reported)
{
	static const int errs[] = { -ENOSPC, -EDQUOT };
	journal_probe *p;

	fake.err_write = errs[_i];
	p = probe();
	assert_text(p, "fs.flush", "fdatasync");
	assert_number(p, "fs.direct_io", 1);
	ck_assert_int_eq(fact(p, "fs.direct_io").state, JOURNAL_FACT_REPORTED);
	assert_unknown(p, "kernel.rwf_dsync", errs[_i]);
	ck_assert(choose(p).way.direct && !choose(p).way.dsync);
	ck_assert_str_eq(method(p, 0).barrier, "fdatasync");
	ck_assert_ptr_nonnull(strstr(method(p, 0).reason, "reported"));
	journal_probe_close(p);
	/* Nobody reports, nothing can be tried: not known. */
	fake.dio_align = 0;
	p = probe();
	assert_unknown(p, "fs.direct_io", errs[_i]);
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	journal_probe_close(p);
}
END_TEST

START_TEST(rwf_dsync_on_another_file_says_nothing_about_direct_io)
{
	journal_probe *p;

	/* Room was freed between the tries. */
	fake.err_direct_write = -ENOSPC;
	p = probe();
	assert_number(p, "kernel.rwf_dsync", 1);
	ck_assert(choose(p).way.direct && !choose(p).way.dsync);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_to_leaves_tries_unknown)
{
	static const int errs[] = { -EROFS, -EACCES, -ENOSPC };
	journal_probe *p;

	fake.err_tmpfile = errs[_i];
	p = probe();
	assert_unknown(p, "fs.flush", errs[_i]);
	assert_unknown(p, "fs.direct_io", errs[_i]);
	assert_unknown(p, "kernel.rwf_dsync", errs[_i]);
	assert_unknown(p, "fs.direct_io_alignment", errs[_i]);
	assert_text(p, "fs.type", "ext4");
	assert_refused(p, 0, "fs.direct_io");
	assert_refused(p, 1, "fs.flush");
	ck_assert_uint_eq(fake.written, 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(without_o_tmpfile_a_named_file_is_unlinked_at_once)
{
	static const int errs[] = { -EOPNOTSUPP, -EISDIR, -EINVAL };
	journal_probe *p;

	fake.err_tmpfile = errs[_i];
	p = probe();
	assert_number(p, "fs.direct_io", 1);
	/* And the one that it was cloned into. */
	ck_assert_int_eq(fake.unlinked, 2);
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_named_file_refused_o_direct_is_unlinked_too)
{
	journal_probe *p;

	fake.err_tmpfile = -EOPNOTSUPP;
	fake.err_direct_open = -EINVAL;
	p = probe();
	assert_refused(p, 0, "fs.direct_io");
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_name_that_is_taken_is_left_alone)
{
	char name[320];
	struct stat st;
	journal_probe *p;

	snprintf(name, sizeof(name), "/dir/probe-%ld.tmp", (long)getpid());
	put(name, "somebody's");
	fake.err_tmpfile = -EOPNOTSUPP;
	p = probe();
	assert_number(p, "fs.direct_io", 1);
	snprintf(name, sizeof(name), "%s/probe-%ld.tmp", dir, (long)getpid());
	ck_assert_int_eq(stat(name, &st), 0);
	ck_assert_int_eq(st.st_size, strlen("somebody's"));
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	journal_probe_close(p);
}
END_TEST

void add_tries_tests(TCase *t)
{
	tcase_add_test(t, a_sound_machine_gets_direct_with_rwf_dsync);
	tcase_add_test(t, a_probe_writes_no_more_than_256_kib_and_leaves_no_name);
	tcase_add_loop_test(t, refused_o_direct_leaves_buffered, 0, 2);
	tcase_add_test(t, refused_rwf_dsync_means_direct_with_fdatasync);
	tcase_add_loop_test(t, a_missing_fdatasync_means_fsync_everywhere, 0, 3);
	tcase_add_test(t, a_failed_fdatasync_is_not_tried_as_fsync_and_refuses_all);
	tcase_add_loop_test(t, an_io_error_in_any_try_refuses_all, 0, 3);
	tcase_add_test(t, no_flush_at_all_refuses_all);
	tcase_add_test(t, a_sandbox_that_forbids_rwf_dsync_costs_rwf_dsync_only);
	tcase_add_test(t, direct_io_that_is_not_known_refuses_direct_only);
	tcase_add_loop_test(t, a_full_file_system_gets_what_is_reported, 0, 2);
	tcase_add_test(t, rwf_dsync_on_another_file_says_nothing_about_direct_io);
	tcase_add_loop_test(t, a_directory_that_cannot_be_written_to_leaves_tries_unknown, 0, 3);
	tcase_add_loop_test(t, without_o_tmpfile_a_named_file_is_unlinked_at_once, 0, 3);
	tcase_add_test(t, a_named_file_refused_o_direct_is_unlinked_too);
	tcase_add_test(t, a_name_that_is_taken_is_left_alone);
}
