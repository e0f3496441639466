# Unit and fault tests (check), and what they share.
noinst_HEADERS += tests/lib/drive.h tests/lib/fault.h \
	tests/lib/scratch.h tests/lib/suite.h

noinst_LTLIBRARIES += tests/libtest.la
tests_libtest_la_SOURCES = tests/lib/drive.c tests/lib/fault.c \
	tests/lib/scratch.c
tests_libtest_la_LIBADD = libcore.la

if HAVE_CHECK
unit_tests = tests/unit/test_format tests/unit/test_engine \
	tests/unit/test_file tests/unit/test_recover tests/unit/test_journal \
	tests/unit/test_fault tests/unit/test_trim tests/unit/test_recycle
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

unit_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_ldadd = tests/libtest.la $(CHECK_LIBS)

tests_unit_test_format_CFLAGS = $(unit_cflags)
tests_unit_test_format_LDADD = $(unit_ldadd)
tests_unit_test_engine_CFLAGS = $(unit_cflags)
tests_unit_test_engine_LDADD = $(unit_ldadd)
tests_unit_test_file_CFLAGS = $(unit_cflags)
tests_unit_test_file_LDADD = $(unit_ldadd)
tests_unit_test_recover_CFLAGS = $(unit_cflags)
tests_unit_test_recover_LDADD = $(unit_ldadd)
tests_unit_test_journal_CFLAGS = $(unit_cflags)
tests_unit_test_journal_LDADD = $(unit_ldadd)
tests_unit_test_fault_CFLAGS = $(unit_cflags)
tests_unit_test_fault_LDADD = $(unit_ldadd)
tests_unit_test_trim_CFLAGS = $(unit_cflags)
tests_unit_test_trim_LDADD = $(unit_ldadd)
tests_unit_test_recycle_CFLAGS = $(unit_cflags)
tests_unit_test_recycle_LDADD = $(unit_ldadd)
endif
