# What is salvaged of damaged journals.
check_LTLIBRARIES += tests/libimage.la
tests_libimage_la_SOURCES = tests/salvage/image.c tests/salvage/image.h

check_PROGRAMS += tests/salvage/mutate
TESTS += tests/salvage/mutate
tests_salvage_mutate_SOURCES = tests/salvage/mutate.c
tests_salvage_mutate_LDADD = tests/libimage.la tests/libtest.la libcore.la

if HAVE_CHECK
salvage_tests = tests/salvage/test_list tests/salvage/test_salvage \
	tests/salvage/test_verify
check_PROGRAMS += $(salvage_tests)
TESTS += $(salvage_tests)
tests_salvage_test_list_SOURCES = tests/salvage/test_list.c \
	journal/tool-common.c journal/tool-holes.c journal/tool-output.c \
	journal/tool-progress.c
tests_salvage_test_list_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_salvage_test_list_LDADD = tests/libtest.la libcore.la $(CHECK_LIBS)
tests_salvage_test_verify_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_salvage_test_verify_LDADD = tests/libtest.la libcore.la $(CHECK_LIBS)
tests_salvage_test_salvage_SOURCES = tests/salvage/test_salvage.c \
	tests/lib/device.c
tests_salvage_test_salvage_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_salvage_test_salvage_LDADD = tests/libimage.la tests/libsim.la \
	tests/libtest.la libcore.la $(CHECK_LIBS)
endif

dist_check_SCRIPTS += tests/cli-salvage.sh
TESTS += tests/cli-salvage.sh
