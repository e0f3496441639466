# A journal on a raw block device.
noinst_HEADERS += tests/lib/device.h tests/unit/raw.h

if HAVE_CHECK
raw_tests = tests/unit/test_raw_format tests/unit/test_raw \
	tests/unit/test_raw_refused tests/unit/test_raw_names \
	tests/unit/test_raw_fault tests/unit/test_raw_measure \
	tests/unit/test_overtaken
check_PROGRAMS += $(raw_tests)
TESTS += $(raw_tests)
tests_unit_test_raw_format_CFLAGS = $(unit_cflags)
tests_unit_test_raw_format_LDADD = $(unit_ldadd)
tests_unit_test_raw_SOURCES = tests/unit/test_raw.c tests/lib/device.c
tests_unit_test_raw_CFLAGS = $(unit_cflags)
tests_unit_test_raw_LDADD = $(unit_ldadd)
tests_unit_test_raw_refused_SOURCES = tests/unit/test_raw_refused.c \
	tests/lib/device.c
tests_unit_test_raw_refused_CFLAGS = $(unit_cflags)
tests_unit_test_raw_refused_LDADD = $(unit_ldadd)
tests_unit_test_raw_names_SOURCES = tests/unit/test_raw_names.c \
	tests/lib/device.c
tests_unit_test_raw_names_CFLAGS = $(unit_cflags)
tests_unit_test_raw_names_LDADD = $(unit_ldadd)
tests_unit_test_raw_measure_SOURCES = tests/unit/test_raw_measure.c \
	tests/lib/device.c
tests_unit_test_raw_measure_CFLAGS = $(unit_cflags)
tests_unit_test_raw_measure_LDADD = $(unit_ldadd)
tests_unit_test_overtaken_SOURCES = tests/unit/test_overtaken.c \
	tests/lib/device.c
tests_unit_test_overtaken_CFLAGS = $(unit_cflags)
tests_unit_test_overtaken_LDADD = $(unit_ldadd)
tests_unit_test_raw_fault_SOURCES = tests/unit/test_raw_fault.c \
	tests/lib/device.c
tests_unit_test_raw_fault_CFLAGS = $(unit_cflags)
tests_unit_test_raw_fault_LDADD = $(unit_ldadd)
endif

check_PROGRAMS += tests/format/raw_golden
tests_format_raw_golden_SOURCES = tests/format/raw_golden.c tests/lib/device.c
tests_format_raw_golden_LDADD = libcore.la
dist_check_SCRIPTS += tests/raw-loop.sh tests/format/raw.sh
TESTS += tests/raw-loop.sh tests/format/raw.sh
EXTRA_DIST += tests/format/raw.py tests/format/golden-raw
