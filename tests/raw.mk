# A journal on a raw block device.
noinst_HEADERS += tests/lib/device.h

if HAVE_CHECK
raw_tests = tests/unit/test_raw_format tests/unit/test_raw \
	tests/unit/test_raw_fault
check_PROGRAMS += $(raw_tests)
TESTS += $(raw_tests)
tests_unit_test_raw_format_CFLAGS = $(unit_cflags)
tests_unit_test_raw_format_LDADD = $(unit_ldadd)
tests_unit_test_raw_SOURCES = tests/unit/test_raw.c tests/lib/device.c
tests_unit_test_raw_CFLAGS = $(unit_cflags)
tests_unit_test_raw_LDADD = $(unit_ldadd)
tests_unit_test_raw_fault_SOURCES = tests/unit/test_raw_fault.c \
	tests/lib/device.c
tests_unit_test_raw_fault_CFLAGS = $(unit_cflags)
tests_unit_test_raw_fault_LDADD = $(unit_ldadd)
endif

dist_check_SCRIPTS += tests/raw-loop.sh
TESTS += tests/raw-loop.sh
