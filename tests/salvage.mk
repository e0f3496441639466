# What is salvaged of damaged journals.
check_PROGRAMS += tests/salvage/mutate
TESTS += tests/salvage/mutate
tests_salvage_mutate_SOURCES = tests/salvage/mutate.c tests/salvage/image.c \
	tests/salvage/image.h
tests_salvage_mutate_LDADD = tests/libtest.la libcore.la
dist_check_SCRIPTS += tests/cli-salvage.sh
TESTS += tests/cli-salvage.sh
