# Dumps of machines, and replaying them.
if HAVE_CHECK
replay_tests = tests/probe/test_dump tests/probe/test_hostile \
	tests/probe/test_mask
check_PROGRAMS += $(replay_tests)
TESTS += $(replay_tests)
tests_probe_test_dump_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_probe_test_dump_LDADD = libcore.la $(CHECK_LIBS)
tests_probe_test_mask_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_probe_test_mask_LDADD = libcore.la $(CHECK_LIBS)
tests_probe_test_hostile_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_probe_test_hostile_LDADD = libcore.la $(CHECK_LIBS)
endif
dist_check_SCRIPTS += tests/probe/replay.sh
TESTS += tests/probe/replay.sh
dist_check_SCRIPTS += tests/probe/golden.sh
TESTS += tests/probe/golden.sh
EXTRA_DIST += \
	tests/probe/machines \
	tests/probe/guest_machines.sh \
	tests/probe/keep.sh \
	tests/probe/lab_machines.sh \
	tests/probe/make_machines.sh \
	tests/probe/refuse_ring.py
