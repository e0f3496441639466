# Replays of dumps that an enemy wrote.  `make check` does it for seconds;
#
#     make fuzz FUZZ_SECONDS=600
#
# for as long as one likes, best in a build with --enable-sanitizers=address.
# AFL++ runs tests/fuzz/replay on a file; libFuzzer is linked into
# tests/fuzz/libfuzzer (configure with CC=clang):
#
#     afl-fuzz -i tests/probe/machines -o findings -- tests/fuzz/replay @@
#     make tests/fuzz/libfuzzer && tests/fuzz/libfuzzer corpus
noinst_HEADERS += tests/lib/sanitized.h
check_PROGRAMS += tests/fuzz/replay
tests_fuzz_replay_SOURCES = \
	tests/fuzz/fuzz.h \
	tests/fuzz/fuzz_replay.c \
	tests/fuzz/main.c \
	tests/fuzz/mutate.c tests/fuzz/mutate.h \
	$(probe_show_sources)
tests_fuzz_replay_LDADD = libcore.la

# Every source again: what is not compiled for it, it does not see.
EXTRA_PROGRAMS += tests/fuzz/libfuzzer
tests_fuzz_libfuzzer_SOURCES = \
	tests/fuzz/fuzz.h \
	tests/fuzz/fuzz_replay.c \
	$(probe_show_sources) \
	$(libcore_la_SOURCES)
tests_fuzz_libfuzzer_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer,address
tests_fuzz_libfuzzer_LDADD = $(libcore_la_LIBADD)
tests_fuzz_libfuzzer_LDFLAGS = -fsanitize=fuzzer,address
CLEANFILES += tests/fuzz/libfuzzer

dist_check_SCRIPTS += tests/fuzz/replay.sh
TESTS += tests/fuzz/replay.sh

FUZZ_SECONDS = 60
# No more than so many; empty: as many as there is time for.
FUZZ_ROUNDS =
fuzz: tests/fuzz/replay
	tests/fuzz/replay --seconds=$(FUZZ_SECONDS) \
	  $(FUZZ_ROUNDS:%=--rounds=%) \
	  --seed=$${JOURNAL_TEST_SEED:-1} \
	  $(srcdir)/tests/probe/machines/*.machine
.PHONY: fuzz
