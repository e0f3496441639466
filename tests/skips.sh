#!/bin/sh
# tests/skips.sh BUILD_DIR - which tests of the last `make check` there were
# skipped, whole or in part, and why; one line each, nothing if none was.
set -eu
cd "$1"
find . -name '*.trs' | LC_ALL=C sort | while IFS= read -r trs; do
	test=${trs#./}
	test=${test%.trs}
	# A whole test gives its reason last; the count of its cases and what
	# the harness adds are none.
	if grep '^:test-result: SKIP' "$trs" >/dev/null; then
		reason=$(sed -e '/^SKIP /d' -e '/^$/d' -e '/ skipped$/d' \
			-e 's/^skip[a-z]*: *//' "$test.log" | tail -n 1)
		printf '%s: %s\n' "$test" "${reason:-it does not say why}"
	else
		sed -n 's/^skip - //p' "$test.log" | while IFS= read -r case; do
			printf '%s, a part: %s\n' "$test" "$case"
		done
	fi
done
