/*
 * tests/probe/test_rank.c - the ranking, and reading a probe from outside.
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
	const char *logical, *physical;
	long fs;
	uint32_t dio, block;
} blocks[] = {
	{ "512\n", "512\n", 1024, 0, 4096 },
	{ "4096\n", "4096\n", 4096, 4096, 4096 },
	{ "512\n", "16384\n", 4096, 512, 16384 },
	{ "512\n", "512\n", 65536, 512, 65536 },
	{ "512\n", "512\n", 4096, 8192, 8192 },
	{ "512\n", "512\n", 4096, 12288, 16384 },
	{ "?\n", "\n", 4096, 0, 4096 },
};

START_TEST(the_block_is_the_largest_that_anything_asks_for)
{
	journal_probe *p;

	put(SDA "/queue/logical_block_size", blocks[_i].logical);
	put(SDA "/queue/physical_block_size", blocks[_i].physical);
	fake.block = blocks[_i].fs;
	fake.dio_align = blocks[_i].dio;
	p = probe();
	ck_assert_uint_eq(choose(p).block_size, blocks[_i].block);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_block_above_64_kib_refuses_direct_only)
{
	journal_probe *p;

	put(SDA "/queue/physical_block_size", "131072\n");
	p = probe();
	assert_refused(p, 0, "device.physical_block_size");
	ck_assert_str_eq(choose(p).method->name, "buffered");
	ck_assert_uint_eq(choose(p).block_size, 65536);
	journal_probe_close(p);
}
END_TEST

START_TEST(a_method_can_be_asked_for_by_name)
{
	struct jnl_choice c;
	const char *reason = NULL;
	journal_probe *p;

	fake.err_direct_open = -EINVAL;
	p = probe();
	ck_assert_int_eq(jnl_probe_choose(p, "nonsense", false, &c, &reason),
			 -EINVAL);
	ck_assert_int_eq(jnl_probe_choose(p, "buffered", false, &c, &reason),
			 0);
	ck_assert_str_eq(c.method->name, "buffered");
	ck_assert_int_eq(jnl_probe_choose(p, "direct", false, &c, &reason),
			 -EOPNOTSUPP);
	ck_assert_int_eq(strncmp(reason, "fs.direct_io", 12), 0);
	journal_probe_close(p);
}
END_TEST

START_TEST(the_trail_has_a_line_for_each_method)
{
	struct jnl_choice c;
	const char *reason;
	journal_probe *p = probe();

	ck_assert_int_eq(strncmp(jnl_probe_trail(p), "direct: chosen: ", 16),
			 0);
	ck_assert_ptr_nonnull(strstr(jnl_probe_trail(p),
				     "\nbuffered: usable: "));
	ck_assert_int_eq(jnl_probe_choose(p, "buffered", false, &c, &reason),
			 0);
	ck_assert_ptr_nonnull(strstr(jnl_probe_trail(p),
				     "\nbuffered: chosen: "));
	journal_probe_close(p);
}
END_TEST

START_TEST(every_fact_has_a_name_and_is_found_by_it)
{
	journal_probe *p = probe();
	struct journal_fact at, by;
	size_t i;

	for (i = 0; journal_probe_fact_at(p, i, &at) == 0; i++) {
		ck_assert_ptr_nonnull(at.name);
		ck_assert_ptr_nonnull(at.source);
		ck_assert_int_eq(journal_probe_fact(p, at.name, &by), 0);
		ck_assert_ptr_eq(at.name, by.name);
	}
	ck_assert_uint_eq(i, JNL_FACT_COUNT);
	ck_assert_int_eq(journal_probe_fact_at(p, i, &at), -ENOENT);
	ck_assert_int_eq(journal_probe_fact_at(p, SIZE_MAX, &at), -ENOENT);
	ck_assert_int_eq(journal_probe_fact(p, "fs.nothing", &at), -ENOENT);
	journal_probe_close(p);
	journal_probe_close(NULL);
}
END_TEST

START_TEST(the_real_machine_can_be_probed)
{
	struct journal_probe_method m;
	struct journal_fact f;
	journal_probe *p;

	ck_assert_int_eq(journal_probe_open(&p, dir, NULL), 0);
	ck_assert_int_eq(journal_probe_fact(p, "kernel.release", &f), 0);
	ck_assert_int_eq(f.state, JOURNAL_FACT_REPORTED);
	ck_assert_int_eq(journal_probe_method_at(p, 0, &m), 0);
	ck_assert_int_eq(journal_probe_method_at(p, 3, &m), -ENOENT);
	journal_probe_close(p);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(journal_probe_open(&p, dir, NULL), -ENOENT);
	put("/dir", "");
	ck_assert_int_eq(journal_probe_open(&p, dir, NULL), -ENOTDIR);
}
END_TEST

void add_rank_tests(TCase *t)
{
	tcase_add_loop_test(t, the_block_is_the_largest_that_anything_asks_for, 0, COUNT(blocks));
	tcase_add_test(t, a_block_above_64_kib_refuses_direct_only);
	tcase_add_test(t, a_method_can_be_asked_for_by_name);
	tcase_add_test(t, the_trail_has_a_line_for_each_method);
	tcase_add_test(t, every_fact_has_a_name_and_is_found_by_it);
	tcase_add_test(t, the_real_machine_can_be_probed);
}
