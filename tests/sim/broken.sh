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

# A world that hangs says which one it is: here somebody else rings its alarm.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# A machine that is busy may need longer until there is a world.
told=
for pause in 1 2 4 8; do
	"$crash" --seed=7 --jobs=1 --seconds=30 >/dev/null 2>"$said" &
	hanging=$!
	sleep "$pause"
	kill -ALRM "$hanging"
	ret=0
	wait "$hanging" || ret=$?
	if [ "$ret" -eq 1 ] && grep -q \
		'^again: tests/sim/crash --replay [0-9]* --verbose$' "$said"
	then
		told=yes
		break
	fi
done
if [ -z "$told" ]; then
	echo "broken.sh: a world that hangs does not say its seed ($ret):" >&2
	cat "$said" >&2
	status=1
fi
exit $status
