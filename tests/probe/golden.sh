#!/bin/sh
# Machines that were dumped once (tests/probe/machines/*.machine), replayed:
# what journal-probe shows of each is what it showed when somebody looked.
# NAME.screen is 80 columns without colour, NAME.json the JSON without the
# version.  With UPDATE=1 both are made again: read `git diff` before you
# believe it.
set -eu
. "${srcdir:-.}/tests/lib.sh"

probe=$builddir/journal-probe
machines=$srcdir/tests/probe/machines

# A screen has a width: 80 columns, as on a terminal.
on_a_terminal() {
	script -qec "stty cols 80 rows 50 && \"$probe\" --replay=\"$1\"; :" \
		/dev/null </dev/null | tr -d '\r'
}

terminal=yes
command -v script >/dev/null && script -qec true /dev/null </dev/null \
	>/dev/null 2>&1 || terminal=no
TERM=dumb
NO_COLOR=1
export TERM NO_COLOR

# shows NAME KIND: $scratch/KIND is what was expected.
shows() {
	expected=$machines/$1.$2
	[ "$case_good" = yes ] || return 0
	if [ -n "${UPDATE:-}" ]; then
		cp "$scratch/$2" "$expected"
	elif [ ! -f "$expected" ]; then
		bad "there is no $1.$2: make it with UPDATE=1, and read it"
	elif ! cmp -s "$scratch/$2" "$expected"; then
		bad "another $2 than in $1.$2"
		diff "$expected" "$scratch/$2" | sed 's/^/#   /'
	fi
}

# A program without libnvme cannot read the pages of a drive.
libnvme=yes
grep -q '^#define HAVE_LIBNVME' "$builddir/config.h" || libnvme=no

for file in "$machines"/*.machine; do
	name=$(basename "$file" .machine)
	if [ "$libnvme" = no ] && grep -q 'identify-controller' "$file"; then
		continue
	fi
	begin "$name: $(sed -n '2s/^# //p' "$file")"
	sed -n 2p "$file" | grep -q '^# .*[a-z]' ||
		bad "the second line does not say how it was made"
	have=0
	"$probe" --json --replay="$file" >"$scratch/out" 2>"$scratch/err" ||
		have=$?
	[ "$have" -le 1 ] || bad "exit code $have"
	sed 's/^  "version": ".*",$/  "version": "",/' "$scratch/out" \
		>"$scratch/json"
	shows "$name" json
	# The exit code is what the JSON says.
	if grep -q '"chosen": null' "$scratch/json"; then
		[ "$have" -eq 1 ] || bad "exit code $have and no method"
	fi
	[ "$terminal" = yes ] || continue
	on_a_terminal "$file" >"$scratch/screen"
	shows "$name" screen
	! grep -q '.\{81\}' "$scratch/screen" ||
		bad "a line of more than 80 columns"
done
[ "$libnvme" = yes ] ||
	echo "not compared: machines with NVMe drives; built without libnvme"
[ "$terminal" = yes ] || echo "not compared: screens; script(1) does not work"

finish
