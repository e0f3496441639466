# What is salvaged of damaged journals.
check_LTLIBRARIES += tests/libimage.la
tests_libimage_la_SOURCES = tests/salvage/image.c tests/salvage/image.h

check_PROGRAMS += tests/salvage/mutate
TESTS += tests/salvage/mutate
tests_salvage_mutate_SOURCES = tests/salvage/mutate.c
tests_salvage_mutate_LDADD = tests/libimage.la tests/libtest.la libcore.la

if HAVE_CHECK
check_PROGRAMS += tests/salvage/test_salvage
TESTS += tests/salvage/test_salvage
tests_salvage_test_salvage_SOURCES = tests/salvage/test_salvage.c \
	tests/lib/device.c
tests_salvage_test_salvage_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_salvage_test_salvage_LDADD = tests/libimage.la tests/libsim.la \
	tests/libtest.la libcore.la $(CHECK_LIBS)
endif

dist_check_SCRIPTS += tests/cli-salvage.sh
TESTS += tests/cli-salvage.sh
