# Journals kept as files: the promise of the format, read by two readers.
check_PROGRAMS += \
	tests/format/make_golden \
	tests/format/read_golden \
	tests/format/xxh3_vectors
tests_format_make_golden_SOURCES = tests/format/make_golden.c
tests_format_make_golden_LDADD = libcore.la
tests_format_read_golden_SOURCES = tests/format/read_golden.c
tests_format_read_golden_LDADD = libcore.la
tests_format_xxh3_vectors_SOURCES = tests/format/xxh3_vectors.c
tests_format_xxh3_vectors_LDADD = libcore.la

dist_check_SCRIPTS += tests/format/golden.sh tests/format/model.sh \
	tests/format/mutate.sh tests/format/xxh3.sh
TESTS += tests/format/golden.sh tests/format/model.sh \
	tests/format/mutate.sh tests/format/xxh3.sh

EXTRA_DIST += \
	tests/format/check_xxh3.py \
	tests/format/golden.py \
	tests/format/golden_text.py \
	tests/format/model.py \
	tests/format/mutate.py \
	tests/format/pack.py \
	tests/format/read_journal.py \
	tests/format/xxh3.py \
	tests/format/golden
