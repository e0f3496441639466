# The probe: facts and ranking against replayed machines and failing calls,
# and journal-probe as its users run it.
if HAVE_CHECK
check_PROGRAMS += tests/test_probe
TESTS += tests/test_probe
tests_test_probe_SOURCES = tests/test_probe.c \
	tests/probe/fake.c tests/probe/fake.h \
	tests/probe/test_device.c \
	tests/probe/synth.c tests/probe/synth.h \
	tests/probe/test_kernel.c \
	tests/probe/test_layers.c \
	tests/probe/test_mount.c \
	tests/probe/test_nvme.c \
	tests/probe/test_property.c \
	tests/probe/test_rank.c \
	tests/probe/test_tries.c
tests_test_probe_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_test_probe_LDADD = libcore.la $(CHECK_LIBS)
endif
dist_check_SCRIPTS += tests/cli-probe.sh
TESTS += tests/cli-probe.sh
