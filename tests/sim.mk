# The simulated disk.
check_LTLIBRARIES = tests/libsim.la
tests_libsim_la_SOURCES = \
	tests/sim/disk.c tests/sim/disk.h \
	tests/sim/sys.c tests/sim/sys.h

if HAVE_CHECK
check_PROGRAMS += tests/sim/test_disk
TESTS += tests/sim/test_disk
tests_sim_test_disk_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_sim_test_disk_LDADD = tests/libsim.la libcore.la $(CHECK_LIBS)
endif
