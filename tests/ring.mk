# The ring and the thread driver over it.
if HAVE_CHECK
ring_tests = tests/unit/test_ring
check_PROGRAMS += $(ring_tests)
TESTS += $(ring_tests)
tests_unit_test_ring_SOURCES = tests/unit/test_ring.c
tests_unit_test_ring_CFLAGS = $(unit_cflags)
tests_unit_test_ring_LDADD = $(unit_ldadd)
endif
