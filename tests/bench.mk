# Benchmarks: built by `make bench`, never run by `make check`.
EXTRA_PROGRAMS = tests/bench/floors
tests_bench_floors_SOURCES = tests/bench/floors.c \
	tests/bench/cold.c tests/bench/cold.h \
	tests/bench/loop.c tests/bench/loop.h
tests_bench_floors_LDADD = tests/libtest.la
EXTRA_PROGRAMS += tests/bench/fill
tests_bench_fill_SOURCES = tests/bench/fill.c
tests_bench_fill_LDADD = libjournal.la -lpthread
CLEANFILES += tests/bench/floors tests/bench/fill

bench: tests/bench/floors
	tests/bench/floors
.PHONY: bench
