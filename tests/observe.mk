# Those who watch a journal: observer, watchdog.
noinst_HEADERS += tests/unit/observe.h
if HAVE_CHECK
observe_tests = tests/unit/test_observe tests/unit/test_stall \
	tests/unit/test_stats
check_PROGRAMS += $(observe_tests)
TESTS += $(observe_tests)
tests_unit_test_observe_CFLAGS = $(unit_cflags)
tests_unit_test_observe_LDADD = $(unit_ldadd)
tests_unit_test_stall_CFLAGS = $(unit_cflags)
tests_unit_test_stall_LDADD = $(unit_ldadd)
tests_unit_test_stats_CFLAGS = $(unit_cflags)
tests_unit_test_stats_LDADD = $(unit_ldadd)
endif

dist_check_SCRIPTS += tests/cli-stats.sh
TESTS += tests/cli-stats.sh
