#!/bin/sh
# Three seconds of hostile dumps, and no more than were tried when this was
# written; `make fuzz` does it for longer.
#
# JOURNAL_TEST_SEED  other ones (default 1, or random)
set -eu
srcdir=$(cd "${srcdir:-.}" && pwd)
fuzz=$(cd "${top_builddir:-.}" && pwd)/tests/fuzz/replay
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
timeout -k 5 600 "$fuzz" --seconds=3 --rounds=100000 \
	--seed="${JOURNAL_TEST_SEED:-1}" "$srcdir"/tests/probe/machines/*.machine
