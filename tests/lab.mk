# The lab: guests with NVMe drives, see tests/lab/run.sh and doc/lab.
EXTRA_DIST += tests/lab/check.py tests/lab/check.sh tests/lab/expect.txt \
	tests/lab/guest.sh tests/lab/init.sh tests/lab/programs.sh \
	tests/lab/run.sh tests/lab/setup.sh tests/lab/survey.sh

# Power cuts: the writer in the guest, the judge on the host.
check_PROGRAMS += tests/lab/powercut
tests_lab_powercut_SOURCES = tests/lab/powercut.c
tests_lab_powercut_LDADD = libcore.la
EXTRA_DIST += tests/lab/powercut.py tests/lab/powercut.sh

# By hand and in CI: it fetches kernels, and takes minutes.
check-lab: all
	@$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	@rc=0; top_builddir='$(abs_top_builddir)' \
	  $(SHELL) $(srcdir)/tests/lab/check.sh $(LAB_KERNELS) || rc=$$?; \
	test $$rc -eq 77 || exit $$rc
.PHONY: check-lab
