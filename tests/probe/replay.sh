#!/bin/sh
# journal-probe --dump and --replay as their users run them.
set -eu
. "${srcdir:-.}/tests/lib.sh"

probe=$builddir/journal-probe
here=$scratch/here
mkdir "$here"

# What the program says about itself; status 1 (no method) is an answer.
probe() {
	have=0
	timeout -k 5 300 "$probe" "$@" >"$scratch/out" 2>"$scratch/err" ||
		have=$?
	[ "$have" -le 1 ] || bad "exit code $have: journal-probe $*"
}

# One line on standard error, and status 2.
complains() {
	pattern=$1
	shift
	run 2 "$probe" "$@"
	[ ! -s "$scratch/out" ] || bad "something on standard output"
	[ "$(grep -c . "$scratch/err")" -eq 1 ] ||
		bad "not one line on standard error"
	grep -q -e "^journal-probe: .*$pattern" "$scratch/err" ||
		bad "the message does not say '$pattern'"
}

begin "a replay shows what was shown where the dump was made"
probe --dump="$scratch/dump" "$here"
quiet
status=$have
mv "$scratch/out" "$scratch/screen"
rmdir "$here"
probe --replay="$scratch/dump"
quiet
same "$scratch/out" "$scratch/screen"
[ "$have" -eq "$status" ] || bad "status $have, not $status"
mkdir "$here"

begin "and the same JSON"
probe --json --dump="$scratch/dump" "$here"
mv "$scratch/out" "$scratch/json"
probe --json --replay="$scratch/dump"
same "$scratch/out" "$scratch/json"

begin "a replay through a pipe, dumped again, is the same dump"
probe --replay=- --dump=- <"$scratch/dump"
quiet
same "$scratch/out" "$scratch/dump"

begin "a replay makes no call about the directory that it is about"
if command -v strace >/dev/null &&
   strace -o /dev/null true >/dev/null 2>&1 && ! sanitized; then
	run "$status" strace -f -o "$scratch/trace" "$probe" \
		--replay="$scratch/dump"
	sed -n '/openat.*dump"/,$p' "$scratch/trace" |
		grep -e '/proc' -e '/sys/' -e "$here" -e fstatfs -e uname \
		>"$scratch/calls" && bad "$(head -n 1 "$scratch/calls")"
else
	skip_case "no strace that works here"
fi

begin "with a dump on standard output there is no screen"
probe --dump=- "$here"
quiet
head -n 1 "$scratch/out" | grep -qx 'libjournal machine 1' ||
	bad "the first line is no dump's"
tail -n 1 "$scratch/out" | grep -qx end || bad "nor the last one"
! grep -q METHODS "$scratch/out" || bad "there is a screen"

begin "what a dump does not answer is unknown and shown as such"
awk '/^file .*osrelease$/ { skip = 1; next }
	skip && /^$/ { skip = 0 } !skip' "$scratch/dump" >"$scratch/less"
probe --json --replay="$scratch/less"
grep -q '"kernel.release", "state": "unknown"' "$scratch/out" ||
	bad "the live machine answered"
probe --replay="$scratch/less" --dump=-
grep -A 1 'file /proc/sys/kernel/osrelease' "$scratch/out" |
	grep -qx '! ENOMSG' || bad "the question is not marked"

begin "serial numbers are masked in a dump unless they are asked for"
serial=1b4e28ba-2fa1-11d2-883f-0016d3cca427
sed "s,^= .* - \([a-z0-9]* \)[^ ]*,&-$serial," "$scratch/dump" \
	>"$scratch/with serial"
grep -q -e "-$serial" "$scratch/with serial" || bad "there is none to mask"
probe --replay="$scratch/with serial" --dump=-
! grep -q "$serial" "$scratch/out" || bad "it is there"
probe --replay="$scratch/with serial" --dump=- --serials
grep -q "$serial" "$scratch/out" || bad "it is not there"

begin "a dump replaces a file whole, with the usual permissions"
echo old >"$scratch/dump"
(umask 022 && "$probe" --dump="$scratch/dump" "$here" >/dev/null || [ $? -eq 1 ])
tail -n 1 "$scratch/dump" | grep -qx end || bad "not replaced"
[ "$(stat -c %a "$scratch/dump")" = 644 ] || bad "not mode 644"
[ "$(find "$scratch" -name 'dump.*' | wc -l)" -eq 0 ] ||
	bad "a temporary file is left"

begin "a dump that cannot be written is an error, and leaves nothing"
run 2 "$probe" --dump="$scratch/no such directory/dump" "$here"
grep -q 'cannot write the dump' "$scratch/err" || bad "it is not said"
if [ -c /dev/full ]; then
	have=0
	"$probe" --dump=- "$here" >/dev/full 2>"$scratch/err" || have=$?
	[ "$have" -eq 2 ] || bad "exit code $have with a full standard output"
fi
mkdir "$scratch/directory"
run 2 "$probe" --dump="$scratch/directory" "$here"
[ -z "$(find "$scratch" -name 'directory.*')" ] ||
	bad "a temporary file is left"

begin "files that are no dumps, or not all of one, are refused in words"
echo hello >"$scratch/bad"
complains 'bad: line 1: not what' --replay="$scratch/bad"
head -n 20 "$scratch/dump" >"$scratch/bad"
complains 'the end is missing' --replay="$scratch/bad"
sed 's/^= /=/' "$scratch/dump" >"$scratch/bad"
complains 'line [0-9]*: this line makes no sense' --replay="$scratch/bad"
{ sed '/^end$/d' "$scratch/dump"; sed 1,6d "$scratch/dump"; } >"$scratch/bad"
complains 'line [0-9]*: this question was answered' --replay="$scratch/bad"
sed 's/^\(libjournal machine\) 1$/\1 2/' "$scratch/dump" >"$scratch/bad"
complains 'a newer version' --replay="$scratch/bad"
complains 'No such file' --replay="$scratch/not there"
complains 'Is a directory' --replay="$scratch"

begin "a path beside a dump to replay is wrong usage"
run 2 "$probe" --replay="$scratch/dump" "$here"
grep -q 'leave one of them out' "$scratch/err" || bad "it is not said"

finish
