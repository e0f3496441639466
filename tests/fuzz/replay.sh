#!/bin/sh
# Three seconds of hostile dumps; `make fuzz` does it for longer.
set -eu
srcdir=$(cd "${srcdir:-.}" && pwd)
fuzz=$(cd "${top_builddir:-.}" && pwd)/tests/fuzz/replay
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
timeout -k 5 120 "$fuzz" --seconds=3 "$srcdir"/tests/probe/machines/*.machine
