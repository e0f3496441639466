# Records that are filled in place.
if HAVE_CHECK
reserve_tests = tests/unit/test_reserve tests/unit/test_fill
check_PROGRAMS += $(reserve_tests)
TESTS += $(reserve_tests)
tests_unit_test_reserve_CFLAGS = $(unit_cflags)
tests_unit_test_reserve_LDADD = $(unit_ldadd)
tests_unit_test_fill_CFLAGS = $(unit_cflags)
tests_unit_test_fill_LDADD = $(unit_ldadd) -lpthread
endif
