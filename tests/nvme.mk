# NVMe: Flush on the generic device, and writes that cannot tear.
if HAVE_CHECK
nvme_tests = tests/unit/test_nvme tests/unit/test_barrier \
	tests/unit/test_untorn
check_PROGRAMS += $(nvme_tests)
TESTS += $(nvme_tests)
tests_unit_test_nvme_CFLAGS = $(unit_cflags)
tests_unit_test_nvme_LDADD = $(unit_ldadd)
tests_unit_test_barrier_CFLAGS = $(unit_cflags)
tests_unit_test_barrier_LDADD = $(unit_ldadd)
tests_unit_test_untorn_CFLAGS = $(unit_cflags)
tests_unit_test_untorn_LDADD = $(unit_ldadd)
endif

# In the lab's guests (tests/lab/nvme.sh): real drives, real Flushes.
check_PROGRAMS += tests/lab/commit
tests_lab_commit_SOURCES = tests/lab/commit.c
tests_lab_commit_LDADD = libcore.la
EXTRA_DIST += tests/lab/nvme.sh tests/lab/nvme-guest.sh
