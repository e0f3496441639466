# Reading: in order, and many records at once.
if HAVE_CHECK
reader_tests = tests/unit/test_reader tests/unit/test_view
check_PROGRAMS += $(reader_tests)
TESTS += $(reader_tests)
tests_unit_test_reader_CFLAGS = $(unit_cflags)
tests_unit_test_reader_LDADD = $(unit_ldadd)
tests_unit_test_view_CFLAGS = $(unit_cflags)
tests_unit_test_view_LDADD = $(unit_ldadd)
endif
