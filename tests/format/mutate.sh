#!/bin/sh
# The library and the reader in Python agree on what is damage and what is an
# end, on journals damaged at random; and a reader that leaves out a rule of
# the format is told from one that does not.
#
#     mutate.sh [SEED [COUNT]]
#
# JOURNAL_TEST_SEED  the seed where none is given (default 1, or random)
set -eu
dir=${srcdir:-.}/tests/format
read=${top_builddir:-.}/tests/format/read_golden
python=${PYTHON3:-python3}
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))'; then
	echo "skipped: no python3, version 3.6 or newer"
	exit 77
fi
"$python" "$dir/mutate.py" "$dir/golden" "$read" "${1-}" "${2-300}"
for rule in prev_sum padding body_sum scan void void_zero; do
	if ! "$python" "$dir/mutate.py" "$dir/golden" "$read" 1 2000 "$rule"
	then
		echo "not seen: $rule"
		exit 1
	fi
done
