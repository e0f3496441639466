/*
 * tests/sim/test_disk.c - the simulated disk keeps the promises of disk.h.
 *
 * What may survive a crash is compared as a set: every choice is gone through,
 * and the test names exactly which contents may be found.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "tests/sim/sys.h"

static struct sim_disk *disk;
static struct sim sim;
static uint8_t buf[4 * SIM_BLOCK] __attribute__((aligned(4096)));
static int fd_dir, crash_now;

static int open_file(const char *name, int flags)
{
	int fd = sim.sys.openat(&sim.sys, fd_dir, name, flags | O_RDWR, 0640);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void put(int fd, char c, uint32_t block, uint32_t blocks, int rwf)
{
	memset(buf, c, sizeof(buf));
	ck_assert_int_eq(sim.sys.pwrite(&sim.sys, fd, buf, blocks * SIM_BLOCK,
					block * SIM_BLOCK, rwf),
			 blocks * SIM_BLOCK);
}

static char get(int fd, uint32_t block)
{
	ck_assert_int_ge(sim.sys.pread(&sim.sys, fd, buf, SIM_BLOCK,
				       block * SIM_BLOCK, 0), 0);
	return (char)buf[0];
}

static void flush(int fd)
{
	ck_assert_int_eq(sim.sys.fdatasync(&sim.sys, fd), 0);
}

/* An empty directory, and in it the file "a" of two blocks of 'o', durable. */
static void setup(void)
{
	int fd;

	disk = sim_disk_new();
	sim_init(&sim, disk, 1);
	ck_assert_int_eq(sim.sys.mkdir(&sim.sys, SIM_DIR, 0750), 0);
	fd = sim.sys.openat(&sim.sys, AT_FDCWD, "/", O_DIRECTORY, 0);
	ck_assert_int_eq(sim.sys.fsync(&sim.sys, fd), 0);
	fd_dir = sim.sys.openat(&sim.sys, AT_FDCWD, SIM_DIR, O_DIRECTORY, 0);
	fd = open_file("a", O_CREAT | O_DIRECT);
	put(fd, 'o', 0, 2, 0);
	flush(fd);
	ck_assert_int_eq(sim.sys.fsync(&sim.sys, fd_dir), 0);
}

static void teardown(void)
{
	sim_disk_free(disk);
}

/*
 * Every state a crash of from can leave, written as words: the two blocks of
 * each file among "a" and "b" ('-' for zeros, a file that is not there is
 * left out), sorted, each once.
 */
static const char *after(const struct sim_disk *from, bool kill)
{
	static char all[4096];
	char word[64][16];
	struct sim_pick p;
	int n = 0;

	sim_pick_all(&p);
	do {
		struct sim_disk *d = sim_disk_clone(from);
		char w[16] = "";
		size_t len = 0;
		int i = 0;

		if (kill)
			sim_kill(d, &p);
		else
			sim_cut(d, &p, SIM_BLOCK);
		for (char c = 'a'; c <= 'b'; c++) {
			char name[2] = { c, 0 };
			int f = sim_lookup(d, name);

			if (f < 0)
				continue;
			w[len++] = c;
			for (uint32_t b = 0; b < 2; b++) {
				uint8_t v = 0;

				sim_read(d, f, &v, 1, b * SIM_BLOCK, true);
				w[len++] = v ? (char)v : '-';
			}
		}
		sim_disk_free(d);
		while (i < n && strcmp(word[i], w) < 0)
			i++;
		if (i < n && !strcmp(word[i], w))
			continue;
		ck_assert_int_lt(n, 64);
		memmove(word + i + 1, word + i, (size_t)(n++ - i) * 16);
		strcpy(word[i], w);
	} while (sim_pick_next(&p));
	ck_assert(!p.overflow);
	*all = 0;
	for (int i = 0; i < n; i++) {
		strcat(all, i ? " " : "");
		strcat(all, word[i]);
	}
	return all;
}

#define after_cut() after(disk, false)

START_TEST(dsync_write_is_durable_and_flushes_nothing_else)
{
	int fd = open_file("a", O_DIRECT);

	put(fd, 'x', 0, 1, 0);
	put(fd, 'y', 1, 1, RWF_DSYNC);
	ck_assert_str_eq(after_cut(), "aoy axy");
}
END_TEST

START_TEST(direct_write_lies_in_the_drive_until_a_flush)
{
	int fd = open_file("a", O_DIRECT);

	put(fd, 'x', 0, 2, 0);
	ck_assert_int_eq(get(fd, 0), 'x');
	ck_assert_str_eq(after_cut(), "aoo aox axo axx");
	flush(fd);
	ck_assert_str_eq(after_cut(), "axx");
}
END_TEST

START_TEST(every_version_in_the_cache_may_survive)
{
	int fd = open_file("a", O_DIRECT);

	put(fd, 'x', 0, 1, 0);
	put(fd, 'y', 0, 1, 0);
	ck_assert_str_eq(after_cut(), "aoo axo ayo");
}
END_TEST

static void stop_here(void *arg)
{
	struct sim_disk **ret = arg;

	if (!crash_now--)
		*ret = sim_disk_clone(disk);
}

START_TEST(write_in_flight_is_kept_lost_or_torn_even_with_dsync)
{
	struct sim_disk *point = NULL;
	int fd = open_file("a", O_DIRECT);

	sim.step = stop_here;
	sim.arg = &point;
	crash_now = 0;
	put(fd, 'x', 0, 2, RWF_DSYNC);
	ck_assert_str_eq(after(point, false), "aoo aox axo axx");
	ck_assert_str_eq(after(point, true), "aoo aox axo axx");
	ck_assert_str_eq(after_cut(), "axx");
	sim_disk_free(point);
}
END_TEST

START_TEST(flush_covers_what_completed_before_it_began)
{
	struct sim_flush fl;
	int fd = open_file("a", O_DIRECT), f = sim_lookup(disk, "a");

	put(fd, 'x', 0, 1, 0);
	sim_flush_begin(disk, f, &fl);
	put(fd, 'y', 1, 1, 0);
	sim_flush_end(disk, &fl);
	ck_assert_str_eq(after_cut(), "axo axy");
	flush(fd);
	ck_assert_str_eq(after_cut(), "axy");
}
END_TEST

START_TEST(flush_of_a_clean_file_flushes_nothing)
{
	int fd = open_file("a", O_DIRECT), other = open_file("b", O_CREAT);

	flush(other);
	put(fd, 'x', 0, 1, 0);
	flush(other);
	ck_assert_str_eq(after_cut(), "aoo aoob-- axo axob--");
}
END_TEST

START_TEST(flush_after_a_kill_does_not_know_of_direct_writes)
{
	int fd = open_file("a", O_DIRECT);

	put(fd, 'x', 0, 1, 0);
	sim_kill(disk, &sim.chance);
	sim_init(&sim, disk, 2);
	fd_dir = sim.sys.openat(&sim.sys, AT_FDCWD, SIM_DIR, O_DIRECTORY, 0);
	fd = open_file("a", 0);
	flush(fd);
	ck_assert_str_eq(after_cut(), "aoo axo");
	/* A page of its own brings everything along. */
	put(fd, 'y', 1, 1, 0);
	flush(fd);
	ck_assert_str_eq(after_cut(), "axy");
}
END_TEST

START_TEST(buffered_write_may_reach_the_medium_before_its_flush)
{
	int fd = open_file("a", 0);

	put(fd, 'x', 0, 1, 0);
	ck_assert_int_eq(get(fd, 0), 'x');
	ck_assert_str_eq(after_cut(), "aoo axo");
	flush(fd);
	ck_assert_str_eq(after_cut(), "axo");
}
END_TEST

START_TEST(direct_read_of_a_dirty_page_does_not_hide_it_from_the_flush)
{
	int fd = open_file("a", 0), direct = open_file("a", O_DIRECT);

	put(fd, 'x', 0, 1, 0);
	ck_assert_int_eq(get(direct, 0), 'x');
	ck_assert_str_eq(after_cut(), "aoo axo");
	flush(fd);
	ck_assert_str_eq(after_cut(), "axo");
}
END_TEST

static int fail_flush(void *arg, enum sim_call call, const char *name)
{
	(void)arg;
	(void)name;
	return call == SIM_CALL_FLUSH ? -EIO : 0;
}

START_TEST(failed_flush_is_reported_once_and_leaves_a_page_that_is_lost)
{
	int fd = open_file("a", 0), other = open_file("a", 0), direct;

	put(fd, 'x', 0, 1, 0);
	sim.fault = fail_flush;
	sim.chance.bias = 0;
	ck_assert_int_eq(sim.sys.fdatasync(&sim.sys, fd), -EIO);
	sim.fault = NULL;
	ck_assert_int_eq(sim.sys.fdatasync(&sim.sys, fd), 0);
	ck_assert_int_eq(sim.sys.fdatasync(&sim.sys, other), -EIO);
	ck_assert_int_eq(sim.sys.fdatasync(&sim.sys, other), 0);
	other = open_file("a", 0);
	ck_assert_int_eq(sim.sys.fdatasync(&sim.sys, other), 0);
	ck_assert_int_eq(get(other, 0), 'x');
	direct = open_file("a", O_DIRECT);
	ck_assert_int_eq(get(direct, 0), 'o');
	ck_assert_str_eq(after_cut(), "aoo");
	ck_assert_int_eq(sim.sys.fadvise(&sim.sys, other, 0, 0,
					 POSIX_FADV_DONTNEED), 0);
	ck_assert_int_eq(get(other, 0), 'o');
}
END_TEST

START_TEST(unwritten_extent_reads_as_zeros_until_its_conversion_is_committed)
{
	int fd = open_file("b", O_CREAT | O_DIRECT);

	ck_assert_int_eq(sim.sys.fallocate(&sim.sys, fd, 0, 0, 2 * SIM_BLOCK),
			 0);
	ck_assert_int_eq(sim.sys.fsync(&sim.sys, fd), 0);
	ck_assert_int_eq(sim.sys.fsync(&sim.sys, fd_dir), 0);
	ck_assert_str_eq(after_cut(), "aoob--");
	put(fd, 'x', 0, 1, 0);
	/* The data alone, by another file's flush, is not enough. */
	put(open_file("a", 0), 'p', 0, 1, 0);
	flush(open_file("a", 0));
	ck_assert_str_eq(after_cut(), "apob-- apobx-");
	put(fd, 'y', 1, 1, RWF_DSYNC);
	ck_assert_str_eq(after_cut(), "apob-y apobxy");
	flush(fd);
	ck_assert_str_eq(after_cut(), "apobxy");
}
END_TEST

START_TEST(size_is_durable_with_the_flush)
{
	int fd = open_file("b", O_CREAT | O_DIRECT);

	ck_assert_int_eq(sim.sys.fsync(&sim.sys, fd), 0);
	ck_assert_int_eq(sim.sys.fsync(&sim.sys, fd_dir), 0);
	put(fd, 'x', 0, 2, 0);
	ck_assert_str_eq(after_cut(), "aoob-- aoob-x aoobx- aoobxx");
	flush(fd);
	ck_assert_str_eq(after_cut(), "aoobxx");
}
END_TEST

START_TEST(any_subset_of_directory_changes_survives_a_cut)
{
	open_file("b", O_CREAT);
	ck_assert_str_eq(after_cut(), "aoo aoob--");
	ck_assert_int_eq(sim.sys.unlink(&sim.sys, fd_dir, "a"), 0);
	ck_assert_str_eq(after_cut(), " aoo aoob-- b--");
	ck_assert_int_eq(sim.sys.fsync(&sim.sys, fd_dir), 0);
	ck_assert_str_eq(after_cut(), "b--");
}
END_TEST

START_TEST(rename_is_whole_and_a_kill_keeps_it_pending)
{
	ck_assert_int_eq(sim.sys.rename(&sim.sys, fd_dir, "a", "b"), 0);
	ck_assert_str_eq(after(disk, true), "boo");
	sim_kill(disk, &sim.chance);
	ck_assert_str_eq(after_cut(), "aoo boo");
}
END_TEST

START_TEST(new_directory_needs_the_fsync_of_its_parent)
{
	struct sim_disk *d = sim_disk_new(), *c;
	struct sim_pick p;
	struct sim s;
	int fd;

	sim_init(&s, d, 1);
	sim_pick_seed(&p, 1);
	p.bias = 0;
	ck_assert_int_eq(s.sys.mkdir(&s.sys, SIM_DIR, 0750), 0);
	c = sim_disk_clone(d);
	sim_cut(c, &p, SIM_BLOCK);
	ck_assert(!c->dir);
	sim_disk_free(c);
	fd = s.sys.openat(&s.sys, AT_FDCWD, SIM_DIR "/..", O_DIRECTORY, 0);
	ck_assert_int_eq(s.sys.fsync(&s.sys, fd), 0);
	sim_cut(d, &p, SIM_BLOCK);
	ck_assert(d->dir);
	sim_disk_free(d);
}
END_TEST

START_TEST(torn_write_mixes_sectors_only_with_small_units)
{
	int fd = open_file("a", O_DIRECT), f = sim_lookup(disk, "a");
	int mixed[2] = { 0 };

	put(fd, 'x', 0, 1, 0);
	for (int i = 0; i < 2000; i++) {
		struct sim_disk *d = sim_disk_clone(disk);
		const uint8_t *b;

		sim_cut(d, &sim.chance, i % 2 ? SIM_SECTOR : SIM_BLOCK);
		b = sim_peek(d, f, 0);
		for (uint32_t k = 1; k < SIM_BLOCK; k++) {
			if (b[k] == b[k - 1])
				continue;
			ck_assert_uint_eq(k % SIM_SECTOR, 0);
			mixed[i % 2]++;
		}
		sim_disk_free(d);
	}
	ck_assert_int_eq(mixed[0], 0);
	ck_assert_int_gt(mixed[1], 0);
}
END_TEST

START_TEST(clone_does_not_see_later_changes)
{
	struct sim_disk *c = sim_disk_clone(disk);
	uint64_t hash = sim_disk_hash(c);

	put(open_file("a", O_DIRECT), 'x', 0, 1, RWF_DSYNC);
	ck_assert_uint_eq(sim_disk_hash(c), hash);
	ck_assert_uint_ne(sim_disk_hash(disk), hash);
	ck_assert_int_eq(sim_peek(c, sim_lookup(c, "a"), 0)[0], 'o');
	sim_disk_free(c);
}
END_TEST

START_TEST(second_open_of_the_lock_file_conflicts_until_the_first_closes)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int one = open_file("lock", O_CREAT), two = open_file("lock", 0);

	ck_assert_int_eq(sim.sys.lock(&sim.sys, one, F_OFD_SETLK, &fl), 0);
	fl.l_type = F_RDLCK;
	ck_assert_int_eq(sim.sys.lock(&sim.sys, two, F_OFD_SETLK, &fl),
			 -EAGAIN);
	ck_assert_int_eq(sim.sys.lock(&sim.sys, two, F_OFD_GETLK, &fl), 0);
	ck_assert_int_eq(fl.l_type, F_WRLCK);
	ck_assert_int_eq(sim.sys.close(&sim.sys, one), 0);
	fl.l_type = F_RDLCK;
	ck_assert_int_eq(sim.sys.lock(&sim.sys, two, F_OFD_SETLK, &fl), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("disk");
	TCase *tc = tcase_create("disk");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, dsync_write_is_durable_and_flushes_nothing_else);
	tcase_add_test(tc, direct_write_lies_in_the_drive_until_a_flush);
	tcase_add_test(tc, every_version_in_the_cache_may_survive);
	tcase_add_test(tc,
		write_in_flight_is_kept_lost_or_torn_even_with_dsync);
	tcase_add_test(tc, flush_covers_what_completed_before_it_began);
	tcase_add_test(tc, flush_of_a_clean_file_flushes_nothing);
	tcase_add_test(tc, flush_after_a_kill_does_not_know_of_direct_writes);
	tcase_add_test(tc, buffered_write_may_reach_the_medium_before_its_flush);
	tcase_add_test(tc,
		direct_read_of_a_dirty_page_does_not_hide_it_from_the_flush);
	tcase_add_test(tc,
		failed_flush_is_reported_once_and_leaves_a_page_that_is_lost);
	tcase_add_test(tc,
	unwritten_extent_reads_as_zeros_until_its_conversion_is_committed);
	tcase_add_test(tc, size_is_durable_with_the_flush);
	tcase_add_test(tc, any_subset_of_directory_changes_survives_a_cut);
	tcase_add_test(tc, rename_is_whole_and_a_kill_keeps_it_pending);
	tcase_add_test(tc, new_directory_needs_the_fsync_of_its_parent);
	tcase_add_test(tc, torn_write_mixes_sectors_only_with_small_units);
	tcase_add_test(tc, clone_does_not_see_later_changes);
	tcase_add_test(tc,
		second_open_of_the_lock_file_conflicts_until_the_first_closes);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
