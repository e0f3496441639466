#!/bin/sh
# Journals on block devices stay readable, by the library and by a reader that
# was written from journal-format(5) alone; and the library still writes them so.
set -eu
dir=${srcdir:-.}/tests/format
python=${PYTHON3:-python3}
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))'; then
	echo "skipped: no python3, version 3.6 or newer"
	exit 77
fi
exec "$python" "$dir/raw.py" check "$dir/golden-raw" \
	"${top_builddir:-.}/tests/format/raw_golden"
