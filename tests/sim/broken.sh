#!/bin/sh
# Every rule, switched off, is missed: tests/sim/crash finds what goes wrong.
set -eu

crash=${top_builddir:-.}/tests/sim/crash
rules=$("$crash" --list | cut -d ' ' -f 1)
status=0

test -n "$rules"
for rule in $rules; do
	if ! "$crash" --break="$rule"; then
		echo "broken.sh: nobody misses the rule $rule" >&2
		status=1
	fi
done
exit $status
