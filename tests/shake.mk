# The same tests where the calls in which threads meet are late by chance:
#
#     make check-shaken JOURNAL_SHAKE_SEEDS='1 2 3'
#     make check-shaken SHAKEN='tests/unit/test_follow tests/cli-live.sh'
#
# What repeats one thing at very many places does it at fewer, as under
# valgrind, which may be added:
#
#     make check-shaken SHAKEN_UNDER='libtool --mode=execute valgrind -q ...'
#
# Not with sanitizers, which want to be loaded first.
check_LTLIBRARIES += tests/libshake.la
tests_libshake_la_SOURCES = tests/lib/shake.c
tests_libshake_la_CFLAGS = $(WARN_CFLAGS)
tests_libshake_la_LIBADD = -ldl
# For a shared library that is not installed libtool wants to know where to.
tests_libshake_la_LDFLAGS = -module -avoid-version -rpath /nowhere

JOURNAL_SHAKE_SEEDS = 1 2 3
SHAKEN = $(TESTS)
SHAKEN_UNDER =
shake = $(abs_top_builddir)/tests/.libs/libshake.so

check-shaken:
	@test -z '$(SANITIZE_CFLAGS)' || { \
	  echo "check-shaken: configure without --enable-sanitizers" >&2; \
	  exit 1; }
	$(MAKE) $(AM_MAKEFLAGS) check TESTS=
	@rm -f tests/shaken.log; failed=; \
	for seed in $(JOURNAL_SHAKE_SEEDS); do \
	  echo "== shaken, seed $$seed"; \
	  $(MAKE) $(AM_MAKEFLAGS) check VERBOSE=1 TESTS="$$(echo $(SHAKEN))" \
	    JOURNAL_TEST_VALGRIND=1 \
	    LOG_COMPILER="env JOURNAL_SHAKE_SEED=$$seed \
	      JOURNAL_SHAKE_UNDER=$(abs_top_builddir)/ \
	      JOURNAL_SHAKE_LOG=$(abs_top_builddir)/tests/shaken.log \
	      LD_PRELOAD=$(shake) $(SHAKEN_UNDER)" || \
	    failed="$$failed $$seed"; \
	done; \
	test -s tests/shaken.log || { \
	  echo "check-shaken: nothing was shaken" >&2; exit 1; }; \
	echo "$$(wc -l <tests/shaken.log) processes were shaken"; \
	test -z "$$failed" || { \
	  echo "check-shaken: failed with seeds$$failed" >&2; exit 1; }
.PHONY: check-shaken
CLEANFILES += tests/shaken.log
