# journal-tool, seen from outside.  lib.sh is sourced by the others.
check_PROGRAMS += tests/forge
tests_forge_SOURCES = tests/forge.c
tests_forge_LDADD = libcore.la

cli_tests = tests/cli-append.sh tests/cli-bad-input.sh tests/cli-cat.sh \
	tests/cli-live.sh tests/cli-trim.sh tests/cli-verify.sh tests/inject.sh \
	tests/kill.sh tests/loopfs.sh
dist_check_SCRIPTS += $(cli_tests)
TESTS += $(cli_tests)
EXTRA_DIST += tests/lib.sh
