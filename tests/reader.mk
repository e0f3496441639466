# Reading: in order, and many records at once.
if HAVE_CHECK
reader_tests = tests/unit/test_reader tests/unit/test_read_many \
	tests/unit/test_read_ring tests/unit/test_view
check_PROGRAMS += $(reader_tests)
TESTS += $(reader_tests)
tests_unit_test_reader_SOURCES = tests/unit/test_reader.c \
	tests/unit/records.h
tests_unit_test_reader_CFLAGS = $(unit_cflags)
tests_unit_test_reader_LDADD = $(unit_ldadd)
tests_unit_test_read_many_SOURCES = tests/unit/test_read_many.c \
	tests/unit/records.h
tests_unit_test_read_many_CFLAGS = $(unit_cflags)
tests_unit_test_read_many_LDADD = $(unit_ldadd)
tests_unit_test_read_ring_SOURCES = tests/unit/test_read_ring.c \
	tests/lib/device.c
tests_unit_test_read_ring_CFLAGS = $(unit_cflags)
tests_unit_test_read_ring_LDADD = $(unit_ldadd) $(URING_LIBS)
tests_unit_test_view_CFLAGS = $(unit_cflags)
tests_unit_test_view_LDADD = $(unit_ldadd)
endif
