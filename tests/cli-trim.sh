#!/bin/sh
# journal-tool trim: what is given back goes, and nothing else.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

counted 1 600 >lines
"$tool" append --batch 8 --segment-size 64K j <lines >acks
files() {
	find "$1" -name '*.seg' | wc -l
}
# The LSN of the n-th record.
lsn() {
	sed -n "$1p" acks
}

begin "what lies below is gone, what lies above is there"
had=$(files j)
[ "$had" -gt 5 ] || exit 99
run 0 "$tool" trim j "$(lsn 401)"
quiet
grep -q "^first lsn: *$(lsn 401)\$" out || bad "does not say where it begins"
gone=$(($(lsn 401) / 65536))
grep -q "^freed: *$((gone * 65536)) bytes in $gone segments\$" out ||
	bad "does not say what was freed: $(cat out)"
n=0
while [ "$n" -lt "$gone" ]; do
	[ ! -e "$(segment j "$n")" ] || bad "segment $n is still there"
	n=$((n + 1))
done
[ "$n" -gt 0 ] || bad "nothing was to go"
# What is spare comes and goes.
[ "$(files j)" -le $((had - gone + 2)) ] || bad "$(files j) files of $had"
tail -n +401 lines >want
run 0 "$tool" cat j
same out want
run 0 "$tool" verify j
grep -q '^finding: *sound$' out || bad "not sound"
run 0 "$tool" info j
grep -q "^first lsn: *$(lsn 401)\$" out || bad "info does not know of it"

begin "into the middle of a batch: the records before it are hidden"
run 0 "$tool" trim j "$(lsn 404)"
tail -n +404 lines >want
run 0 "$tool" cat j
same out want

begin "what was given back cannot be asked for"
run 2 "$tool" cat --from "$(lsn 10)" j
says 'outside'

begin "less than before changes nothing"
run 0 "$tool" trim j "$(lsn 10)"
grep -q '^freed: *0 bytes in 0 segments$' out || bad "freed something"
run 0 "$tool" cat j
same out want

begin "it goes on, and nothing reappears"
run 0 "$tool" append --batch 8 j <lines
cat want lines >want2
run 0 "$tool" cat j
same out want2

begin "above the frontier is refused, and says where that is"
run 2 "$tool" trim j 9000000000000000000
says 'j' 'frontier' 'nothing'
run 0 "$tool" cat j
same out want2

begin "everything can be given back"
frontier=$("$tool" info j | sed -n 's/^frontier: *//p')
run 0 "$tool" trim j "$frontier"
run 0 "$tool" cat j
[ ! -s out ] || bad "records are left"
run 0 "$tool" verify j
grep -q '^finding: *sound$' out || bad "not sound"
[ "$(files j)" -le 3 ] || bad "$(files j) files are left"
run 0 "$tool" append j <want
run 0 "$tool" cat j
same out want

begin "beside a writer it fails, and says who it is"
mkfifo pipe
"$tool" append j <pipe >acks2 2>err2 &
writer=$!
cleanup() {
	kill -KILL "$writer" 2>/dev/null || :
}
exec 3>pipe
echo more >&3
wait_for 100 test -s acks2 || bad "the writer does not write"
run 2 "$tool" trim j 0
says 'j' 'open' "$writer"
exec 3>&-
wait "$writer" || bad "the writer failed"

begin "wrong usage is told"
for args in 'trim' 'trim j' 'trim j x' 'trim j -1' 'trim j 1 2' \
	'trim --json j 1'; do
	# shellcheck disable=SC2086
	run 2 "$tool" $args
	[ -s err ] || bad "nothing is said to $args"
done
run 2 "$tool" trim none 1
says 'none' 'no journal'
[ ! -e none ] || bad "it made a journal"
run 0 "$tool" trim --help

finish
