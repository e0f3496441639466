# The simulated disk, and what rests on it: crashes at every step, the rules
# switched off one by one, and the model beside the library.
check_LTLIBRARIES = tests/libsim.la
tests_libsim_la_SOURCES = \
	tests/sim/choice.c \
	tests/sim/disk.c tests/sim/disk.h tests/sim/disk-impl.h \
	tests/sim/disk-blocks.c \
	tests/sim/disk-crash.c \
	tests/sim/disk-io.c \
	tests/sim/sys.c tests/sim/sys.h

check_PROGRAMS += tests/sim/crash
TESTS += tests/sim/crash
tests_sim_crash_SOURCES = \
	tests/sim/alarm.c \
	tests/sim/broken.c \
	tests/sim/calls.c \
	tests/sim/crash.c tests/sim/crash.h \
	tests/sim/emit.c \
	tests/sim/engine.c \
	tests/sim/fill.c \
	tests/sim/follow.c \
	tests/sim/image.c \
	tests/sim/judge.c \
	tests/sim/life.c tests/sim/life.h \
	tests/sim/loop.c \
	tests/sim/records.c \
	tests/sim/ring.c
tests_sim_crash_LDADD = tests/libsim.la libcore.la

if HAVE_CHECK
check_PROGRAMS += tests/sim/test_disk
TESTS += tests/sim/test_disk
tests_sim_test_disk_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_sim_test_disk_LDADD = tests/libsim.la libcore.la $(CHECK_LIBS)
endif

EXTRA_DIST += tests/model/journal_model.py tests/model/replay.py
sim_scripts = tests/sim/broken.sh tests/model/model.sh tests/model/replay.sh
dist_check_SCRIPTS += $(sim_scripts)
TESTS += $(sim_scripts)
AM_TESTS_ENVIRONMENT += PYTHON3='$(PYTHON3)'; export PYTHON3;
