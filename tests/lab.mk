# The lab: guests with real NVMe drives, see tests/lab/run.sh.
EXTRA_DIST += tests/lab/guest.sh tests/lab/init.sh tests/lab/run.sh \
	tests/lab/setup.sh

# Power cuts: the writer in the guest, the judge on the host.
check_PROGRAMS += tests/lab/powercut
tests_lab_powercut_SOURCES = tests/lab/powercut.c
tests_lab_powercut_LDADD = libcore.la
EXTRA_DIST += tests/lab/powercut.py tests/lab/powercut.sh
