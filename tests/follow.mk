# Live tails: a reader that waits at the end.
if HAVE_CHECK
check_PROGRAMS += tests/unit/test_follow
TESTS += tests/unit/test_follow
tests_unit_test_follow_CFLAGS = $(unit_cflags)
tests_unit_test_follow_LDADD = $(unit_ldadd)
endif

follow_tests = tests/cli-follow.sh tests/followers.sh
dist_check_SCRIPTS += $(follow_tests)
TESTS += $(follow_tests)

check_PROGRAMS += tests/followers
tests_followers_SOURCES = tests/followers.c
tests_followers_LDADD = libcore.la
