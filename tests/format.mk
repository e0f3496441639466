# Journals kept as files: the promise of the format, read by two readers.
check_PROGRAMS += tests/format/xxh3_vectors
tests_format_xxh3_vectors_SOURCES = tests/format/xxh3_vectors.c
tests_format_xxh3_vectors_LDADD = libcore.la

dist_check_SCRIPTS += tests/format/xxh3.sh
TESTS += tests/format/xxh3.sh

EXTRA_DIST += \
	tests/format/check_xxh3.py \
	tests/format/read_journal.py \
	tests/format/xxh3.py
