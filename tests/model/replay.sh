#!/bin/sh
# Library and model judge the same images alike; and an answer that is made
# wrong is noticed.
set -eu

python=${PYTHON3:-python3}
if ! "$python" -c '' 2>/dev/null; then
	echo "replay.sh: skipped: there is no python3"
	exit 77
fi
crash=${top_builddir:-.}/tests/sim/crash
replay=${srcdir:-.}/tests/model/replay.py
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

"$crash" --emit="$dir/images" --states="${REPLAY_IMAGES:-5000}"
"$python" -B "$replay" "$dir/images"

"$crash" --emit="$dir/wrong" --states=200 --falsify
status=0
"$python" -B "$replay" "$dir/wrong" >"$dir/out" || status=$?
if test "$status" -ne 1 || ! grep -q 'records: library' "$dir/out"; then
	echo "replay.sh: wrong answers are not noticed:" >&2
	cat "$dir/out" >&2
	exit 1
fi
