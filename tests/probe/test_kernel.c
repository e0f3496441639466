/*
 * tests/probe/test_kernel.c - what the kernel lets this process do.
 */
#include "config.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <string.h>

#include "tests/probe/fake.h"

static struct journal_probe_carrier carrier(const journal_probe *p, size_t i)
{
	struct journal_probe_carrier c;

	ck_assert_int_eq(journal_probe_carrier_at(p, i, &c), 0);
	return c;
}

START_TEST(a_ring_with_everything)
{
	journal_probe *p = probe();
	struct journal_probe_carrier c;

	assert_number(p, "kernel.io_uring", 1);
	assert_number(p, "kernel.io_uring.defer_taskrun", 1);
	assert_number(p, "kernel.io_uring.sqe128_cqe32", 1);
	assert_number(p, "kernel.io_uring.uring_cmd", 1);
	assert_number(p, "kernel.io_uring.files", 1);
	assert_number(p, "kernel.io_uring.buffers", 1);
	assert_text(p, "kernel.seccomp", "off");
	assert_number(p, "kernel.io_uring_disabled", 0);
	ck_assert_str_eq(carrier(p, 0).name, "pwritev2");
	ck_assert_int_eq(carrier(p, 0).usable, 1);
	ck_assert_str_eq(carrier(p, 1).name, "io_uring");
	ck_assert_int_eq(carrier(p, 1).usable, 1);
	ck_assert_str_eq(carrier(p, 1).fact, "");
	ck_assert_int_eq(journal_probe_carrier_at(p, 2, &c), -ENOENT);
	ck_assert_int_eq(journal_probe_carrier_at(NULL, 0, &c), -EINVAL);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_flag_that_the_kernel_does_not_know_is_an_answer)
{
	journal_probe *p;

	fake.ring_lacks = 1u << 13;
	p = probe();
	ck_assert_int_eq(fact(p, "kernel.io_uring.defer_taskrun").state,
			 JOURNAL_FACT_TRIED);
	assert_number(p, "kernel.io_uring.defer_taskrun", 0);
	assert_number(p, "kernel.io_uring.single_issuer", 1);
	ck_assert_int_eq(carrier(p, 1).usable, 1);
	journal_probe_close(p);
}
END_TEST

static const struct {
	int err;
	const char *disabled, *seccomp, *fact, *part;
} refusals[] = {
	{ -ENOSYS, NULL, "0", "kernel.io_uring", "CONFIG_IO_URING" },
	{ -ENOSYS, "0\n", "2", "kernel.seccomp", "let the filter pass" },
	{ -EPERM, "2\n", "0", "kernel.io_uring_disabled",
	  "switched off for everybody" },
	{ -EPERM, "2\n", "2", "kernel.io_uring_disabled", "=2" },
	{ -EPERM, "1\n", "0", "kernel.io_uring_disabled", "io_uring_group" },
	{ -EPERM, "0\n", "2", "kernel.seccomp", "let the filter pass" },
	{ -EPERM, "0\n", "0", "kernel.io_uring", "security module" },
	{ -EPERM, "7\n", "0", "kernel.io_uring", "security module" },
	{ -EMFILE, "0\n", "0", "kernel.io_uring", "ulimit -n" },
};

START_TEST(a_refused_ring_names_what_refused_it)
{
	char status[64];
	const char *words;
	journal_probe *p;

	fake.err_ring = refusals[_i].err;
	snprintf(status, sizeof(status), "Seccomp:\t%s\n",
		 refusals[_i].seccomp);
	put("/proc/self/status", status);
	if (refusals[_i].disabled)
		put("/proc/sys/kernel/io_uring_disabled",
		    refusals[_i].disabled);
	else
		drop("/proc/sys/kernel/io_uring_disabled");
	p = probe();
	ck_assert_int_eq(carrier(p, 1).usable, 0);
	ck_assert_str_eq(carrier(p, 1).fact, refusals[_i].fact);
	ck_assert_int_eq(strncmp(carrier(p, 1).reason, refusals[_i].fact,
				 strlen(refusals[_i].fact)), 0);
	ck_assert_ptr_nonnull(strstr(carrier(p, 1).reason, refusals[_i].part));
	ck_assert_ptr_nonnull(strchr(carrier(p, 1).reason, ';'));
	/* No flag is known to be missing for that. */
	assert_unknown(p, "kernel.io_uring.submit_all", refusals[_i].err);
	/* And a driver says the same. */
	words = jnl_probe_ring_refused(p, "io_uring_setup", refusals[_i].err);
	ck_assert_str_eq(words, carrier(p, 1).reason);
	/* The guarantee is no weaker. */
	ck_assert_str_eq(method(p, 0).barrier, "RWF_DSYNC");
	journal_probe_close(p);
}
END_TEST

START_TEST(a_kernel_before_the_switch_has_none)
{
	journal_probe *p;

	drop("/proc/sys/kernel/io_uring_disabled");
	p = probe();
	assert_text(p, "kernel.io_uring_disabled", "no such switch");
	journal_probe_close(p);
	/* Nor is anything else there: then nobody knows. */
	drop("/proc/sys/kernel/osrelease");
	p = probe();
	assert_unknown(p, "kernel.io_uring_disabled", -ENOENT);
	journal_probe_close(p);
}
END_TEST

START_TEST(registering_that_fails_costs_its_facts_only)
{
	static const int errs[] = { -EINVAL, -ENOMEM };
	journal_probe *p;

	fake.err_register = errs[_i];
	p = probe();
	assert_number(p, "kernel.io_uring", 1);
	assert_unknown(p, "kernel.io_uring.write", errs[_i]);
	if (errs[_i] == -EINVAL)
		assert_number(p, "kernel.io_uring.buffers", 0);
	else
		assert_unknown(p, "kernel.io_uring.buffers", errs[_i]);
	ck_assert_str_eq(carrier(p, 1).fact, "kernel.io_uring.write");
	journal_probe_close(p);
}
END_TEST

START_TEST(garbage_about_seccomp_is_unknown)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{ "Seccomp:\t3\n", -EINVAL }, { "Seccomp:\t\n", -EINVAL },
		{ "Seccomp:\t22\n", -EINVAL }, { "Seccomp_filters:\t2\n",
						 -ENODATA },
	};
	journal_probe *p;

	put("/proc/self/status", cases[_i].text);
	p = probe();
	assert_unknown(p, "kernel.seccomp", cases[_i].error);
	journal_probe_close(p);
}
END_TEST

/* What a journal_open() does not need is not tried there. */
START_TEST(a_journals_own_probe_makes_no_rings)
{
	journal_probe *p;
	int opened;

	p = probe();
	opened = fake.opened;
	journal_probe_close(p);
	fake.opened = fake.closed = 0;
	ck_assert_int_eq(jnl_probe_linux(&p, &fake.sys, dirfd_, called, root,
					 JNL_PROBE_QUICK), 0);
	ck_assert_int_eq(fake.opened, 2);
	ck_assert_int_eq(fake.closed, 2);
	ck_assert_int_gt(opened, 10);
	assert_unknown(p, "kernel.io_uring", 0);
	assert_unknown(p, "kernel.rwf_atomic", 0);
	assert_unknown(p, "fs.reflink", 0);
	assert_number(p, "kernel.io_uring_disabled", 0);
	ck_assert_str_eq(choose(p).method->name, "direct");
	ck_assert(choose(p).way.dsync);
	journal_probe_close(p);
}
END_TEST

static const struct {
	uint32_t extents, flags;
	uint64_t sound;
} extents[] = {
	{ 1, 0, 1 }, { 0, 0, 0 },
	{ 1, FIEMAP_EXTENT_UNWRITTEN, 0 }, { 1, FIEMAP_EXTENT_SHARED, 0 },
	{ 1, FIEMAP_EXTENT_DELALLOC, 0 }, { 1, FIEMAP_EXTENT_UNKNOWN, 0 },
	{ 1, FIEMAP_EXTENT_DATA_INLINE, 0 }, { 1, FIEMAP_EXTENT_ENCODED, 0 },
	{ 1, FIEMAP_EXTENT_NOT_ALIGNED, 0 }, { 1, FIEMAP_EXTENT_DATA_TAIL, 0 },
	{ 1, FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED, 1 },
};

START_TEST(extents_have_to_be_written_and_a_files_own)
{
	journal_probe *p;

	fake.extents = extents[_i].extents;
	fake.extent_flags = extents[_i].flags;
	p = probe();
	assert_number(p, "fs.extents", extents[_i].sound);
	journal_probe_close(p);
}
END_TEST

START_TEST(extras_that_are_refused_cost_their_facts_only)
{
	journal_probe *p;

	fake.err_fiemap = -EOPNOTSUPP;
	fake.err_clone = -ENOTTY;
	fake.err_flags = -ENOTTY;
	p = probe();
	assert_number(p, "fs.extents", 0);
	assert_number(p, "fs.reflink", 0);
	assert_number(p, "fs.write_zeroes", 0);
	assert_number(p, "kernel.rwf_atomic", 0);
	ck_assert_int_eq(fact(p, "kernel.rwf_atomic").error, -EOPNOTSUPP);
	ck_assert_str_eq(choose(p).method->name, "direct");
	journal_probe_close(p);
	fake.err_fiemap = fake.err_clone = -EIO;
	p = probe();
	assert_unknown(p, "fs.extents", -EIO);
	assert_unknown(p, "fs.reflink", -EIO);
	assert_text(p, "fs.flush", "fdatasync");
	journal_probe_close(p);
}
END_TEST

START_TEST(an_io_error_of_an_atomic_write_refuses_all)
{
	static int *const errs[] = { &fake.err_atomic, &fake.err_zeroes };
	journal_probe *p;

	*errs[_i] = -EIO;
	p = probe();
	assert_unknown(p, "fs.flush", -EIO);
	assert_no_choice(p, false);
	journal_probe_close(p);
}
END_TEST

START_TEST(what_works_beyond_the_needed_is_known_too)
{
	journal_probe *p;

	fake.err_atomic = fake.err_zeroes = fake.err_clone = 0;
	p = probe();
	assert_number(p, "kernel.rwf_atomic", 1);
	assert_number(p, "fs.write_zeroes", 1);
	assert_number(p, "fs.reflink", 1);
	ck_assert_int_eq(fact(p, "fs.counts_links").state, JOURNAL_FACT_TRIED);
	journal_probe_close(p);
}
END_TEST

void add_kernel_tests(TCase *t)
{
	tcase_add_test(t, a_ring_with_everything);
	tcase_add_test(t, a_flag_that_the_kernel_does_not_know_is_an_answer);
	tcase_add_loop_test(t, a_refused_ring_names_what_refused_it, 0,
			    COUNT(refusals));
	tcase_add_test(t, a_kernel_before_the_switch_has_none);
	tcase_add_loop_test(t, registering_that_fails_costs_its_facts_only, 0,
			    2);
	tcase_add_loop_test(t, garbage_about_seccomp_is_unknown, 0, 4);
	tcase_add_test(t, a_journals_own_probe_makes_no_rings);
	tcase_add_loop_test(t, extents_have_to_be_written_and_a_files_own, 0,
			    COUNT(extents));
	tcase_add_test(t, extras_that_are_refused_cost_their_facts_only);
	tcase_add_loop_test(t, an_io_error_of_an_atomic_write_refuses_all, 0,
			    2);
	tcase_add_test(t, what_works_beyond_the_needed_is_known_too);
}
