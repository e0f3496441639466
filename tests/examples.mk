# The examples of doc/: they do what they say.
example_tests = tests/examples.sh tests/examples-faults.sh \
	tests/examples-kill.sh \
	tests/examples-order.sh tests/examples-redis.sh \
	tests/examples-server.sh
dist_check_SCRIPTS += $(example_tests)
TESTS += $(example_tests)
AM_TESTS_ENVIRONMENT += CC='$(CC)'; export CC; \
	SANITIZE_CFLAGS='$(SANITIZE_CFLAGS)'; export SANITIZE_CFLAGS;

# The same server with a lie between it and the library.
check_PROGRAMS += tests/examples/kv-server-early tests/examples/no_io_uring
tests_examples_kv_server_early_SOURCES = $(kv_server_sources) \
	tests/examples/early.c
tests_examples_kv_server_early_CPPFLAGS = $(example_cppflags)
tests_examples_kv_server_early_LDADD = libjournal.la -lpthread
tests_examples_kv_server_early_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=journal_append,--wrap=journal_durable \
	-Wl,--wrap=journal_eventfd,--wrap=journal_submit
tests_examples_no_io_uring_SOURCES = tests/examples/no_io_uring.c

EXTRA_DIST += tests/examples/client.py tests/examples/order.py \
	tests/examples/protocol.py tests/examples/server.sh
# By hand: they take minutes.
EXTRA_DIST += tests/examples-soak.sh tests/examples/soak.py \
	tests/bench/redis.sh
