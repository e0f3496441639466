#!/bin/sh
# The executable model of the protocol, with small bounds: its properties hold,
# and the rules it switches off are missed.
set -eu

python=${PYTHON3:-python3}
if ! "$python" -c '' 2>/dev/null; then
	echo "model.sh: skipped: there is no python3"
	exit 77
fi
exec "$python" -B "${srcdir:-.}/tests/model/journal_model.py" --short
