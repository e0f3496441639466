# The rings, and the drivers over them.
noinst_HEADERS += tests/unit/loop.h tests/unit/settle.h
if HAVE_CHECK
ring_tests = tests/unit/test_ring tests/unit/test_ring_async \
	tests/unit/test_thread \
	tests/unit/test_loop tests/unit/test_loop_turn tests/unit/test_loop_fail
check_PROGRAMS += $(ring_tests)
TESTS += $(ring_tests)
tests_unit_test_ring_CFLAGS = $(unit_cflags)
tests_unit_test_ring_LDADD = $(unit_ldadd)
tests_unit_test_ring_async_CFLAGS = $(unit_cflags)
tests_unit_test_ring_async_LDADD = $(unit_ldadd)
tests_unit_test_thread_CFLAGS = $(unit_cflags)
tests_unit_test_thread_LDADD = $(unit_ldadd)
tests_unit_test_loop_CFLAGS = $(unit_cflags)
tests_unit_test_loop_LDADD = $(unit_ldadd)
tests_unit_test_loop_turn_CFLAGS = $(unit_cflags)
tests_unit_test_loop_turn_LDADD = $(unit_ldadd)
tests_unit_test_loop_fail_CFLAGS = $(unit_cflags)
tests_unit_test_loop_fail_LDADD = $(unit_ldadd)
endif

check_PROGRAMS += tests/kill_threads
tests_kill_threads_SOURCES = tests/kill_threads.c
tests_kill_threads_LDADD = libcore.la
dist_check_SCRIPTS += tests/kill-threads.sh
TESTS += tests/kill-threads.sh
