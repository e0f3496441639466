dist_check_SCRIPTS += tests/abi.sh tests/layers.sh
TESTS += tests/abi.sh tests/layers.sh
AM_TESTS_ENVIRONMENT = NM='$(NM)'; export NM; \
	top_builddir='$(abs_top_builddir)'; export top_builddir;

include tests/unit.mk
include tests/follow.mk
include tests/reserve.mk
include tests/reader.mk
include tests/ring.mk
include tests/observe.mk
include tests/nvme.mk
include tests/raw.mk
include tests/sim.mk
include tests/salvage.mk
include tests/probe.mk
include tests/replay.mk
include tests/measure.mk
include tests/cli.mk
include tests/format.mk
include tests/examples.mk
include tests/bench.mk
include tests/fuzz.mk
include tests/quick.mk
include tests/lab.mk
include tests/shake.mk

# The same programs under valgrind; CK_FORK=no so that it sees every test.  A
# check program that is no test of its own has no rule to be run by.
check-valgrind: all
	@tests=; for program in $(check_PROGRAMS); do \
	  case ' $(TESTS) ' in *" $$program "*) tests="$$tests $$program" ;; esac; \
	done; \
	$(MAKE) $(AM_MAKEFLAGS) check CK_FORK=no TESTS="$$tests" \
	  JOURNAL_TEST_VALGRIND=1 \
	  LOG_COMPILER='$(LIBTOOL) --mode=execute $(VALGRIND) -q --error-exitcode=1 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite'
.PHONY: check-valgrind

# Where several threads are in one journal: for a build with
# --enable-sanitizers=thread, where the rest is slow and shows nothing.
threads_tests = $(observe_tests) $(ring_tests) $(reader_tests) \
	$(reserve_tests) tests/unit/test_follow tests/unit/test_journal
check-threads:
	$(MAKE) $(AM_MAKEFLAGS) check VERBOSE=1 TESTS="$$(echo $(threads_tests))"
.PHONY: check-threads
