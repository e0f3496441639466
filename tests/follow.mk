# Live tails: a reader that waits at the end.
if HAVE_CHECK
check_PROGRAMS += tests/unit/test_follow
TESTS += tests/unit/test_follow
tests_unit_test_follow_CFLAGS = $(unit_cflags)
tests_unit_test_follow_LDADD = $(unit_ldadd)
endif
