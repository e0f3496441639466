#!/bin/sh
# The executable model judges the kept journals as the library does, holes and
# voids included.
set -eu
dir=${srcdir:-.}/tests/format
python=${PYTHON3:-python3}
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))'; then
	echo "skipped: no python3, version 3.6 or newer"
	exit 77
fi
exec "$python" "$dir/model.py" "$dir/golden" \
	"${top_builddir:-.}/tests/format/read_golden" "$dir/../model"
