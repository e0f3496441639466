# Measuring: the core with failing calls, the program, and the kept choice.
if HAVE_CHECK
measure_tests = tests/unit/test_measure tests/unit/test_choice
check_PROGRAMS += $(measure_tests)
TESTS += $(measure_tests)
tests_unit_test_choice_CFLAGS = $(unit_cflags)
tests_unit_test_choice_LDADD = $(unit_ldadd)
tests_unit_test_measure_CFLAGS = $(unit_cflags)
tests_unit_test_measure_LDADD = $(unit_ldadd)
endif
dist_check_SCRIPTS += tests/cli-measure.sh
TESTS += tests/cli-measure.sh
EXTRA_DIST += tests/picture.py
