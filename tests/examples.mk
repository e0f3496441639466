# The examples of doc/: they do what they say.
example_tests = tests/examples.sh
dist_check_SCRIPTS += $(example_tests)
TESTS += $(example_tests)
AM_TESTS_ENVIRONMENT += CC='$(CC)'; export CC; \
	SANITIZE_CFLAGS='$(SANITIZE_CFLAGS)'; export SANITIZE_CFLAGS;
