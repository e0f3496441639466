# Measuring: the core with failing calls, the program, and the kept choice.
if HAVE_CHECK
check_PROGRAMS += tests/unit/test_measure
TESTS += tests/unit/test_measure
tests_unit_test_measure_CFLAGS = $(unit_cflags)
tests_unit_test_measure_LDADD = $(unit_ldadd)
endif
dist_check_SCRIPTS += tests/cli-measure.sh
TESTS += tests/cli-measure.sh
