#!/bin/sh
# journal-tool salvage: what is left of a damaged journal, and what is said.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

counted 1 370 >lines
"$tool" append --batch 16 --segment-size 64K j <lines >acks
newest=$(printf '%s\n' j/*.seg | tail -n 1)
"$forge" batches j/0000000000000001.seg >batches
# One with records: a pause leaves a watermark between them.
set -- $(awk 'NR > 1 && $6 > 0 { print; exit }' batches)
offset=$1 size=$2 lsn=$3

begin "a sound journal is saved as a whole, and nothing is said"
remember j
run 0 "$tool" salvage j whole
quiet
grep -q '^holes: *0$' out || bad "holes: $(grep holes: out)"
grep -q '^lost: *0 bytes$' out || bad "lost: $(grep lost: out)"
grep -q '^records: *370$' out || bad "not 370 records"
unchanged j
run 0 "$tool" cat whole
same out lines
run 0 "$tool" cat --lsn whole
cut -f 1 out >lsns
same lsns acks
run 0 "$tool" verify whole
grep -q '^finding: *sound$' out || bad "$(head -n 1 out)"

begin "a damaged batch becomes a hole, and all else is there with its LSN"
cp -a j hurt
"$forge" flip hurt/0000000000000001.seg "$((offset + 70))" 2
remember hurt
run 1 "$tool" salvage hurt saved
says hurt saved
unchanged hurt
grep -q "^hole: *$lsn to $((lsn + size)), 0000000000000001.seg: bad-batch: " \
	out || bad "$(grep hole: out)"
grep -q "^lost: *$size bytes\$" out || bad "$(grep lost: out)"
run 1 "$tool" cat --lsn saved
says saved "$((lsn + size))"
# Every line with its LSN, but those in the hole.
paste acks lines | awk -v a="$lsn" -v b="$((lsn + size))" \
	'$1 < a || $1 >= b' >want
same out want
[ "$(wc -l <want)" -lt 370 ] || exit 99
run 1 "$tool" cat --from "$lsn" saved
run 0 "$tool" cat --from "$((lsn + size))" saved

begin "verify lists the holes of a salvaged journal and calls it no damage"
run 0 "$tool" verify saved
quiet
grep -q '^finding: *hole$' out || bad "$(head -n 1 out)"
grep -q "^hole: *$lsn to $((lsn + size)), " out || bad "$(grep hole: out)"
run 0 "$tool" verify --json saved
grep -q '"finding":"hole","damaged":false,"code":0' out || bad "$(cat out)"
grep -q "\"holes\":\[{\"from\":$lsn,\"to\":$((lsn + size))," out ||
	bad "$(cat out)"

begin "info lists the holes if it is asked to, and else says nothing of them"
run 0 "$tool" info saved
! grep -q hole out || bad "$(grep hole out)"
run 0 "$tool" info --json saved
grep -q '"holes":null,"hole_bytes":null' out || bad "$(cat out)"
run 0 "$tool" info --holes saved
quiet
grep -q "^holes: *1, $size bytes\$" out || bad "$(grep hole out)"
grep -q "^hole: *$lsn to $((lsn + size)), 0000000000000001.seg: hole: " out ||
	bad "$(grep hole out)"
run 0 "$tool" info --holes --json saved
grep -q "\"holes\":\[{\"from\":$lsn,\"to\":$((lsn + size)),.*\],\"hole_bytes\":$size}" \
	out || bad "$(cat out)"
run 0 "$tool" info --holes whole
quiet
grep -q '^holes: *none$' out || bad "$(grep hole out)"
run 0 "$tool" info --holes --json whole
grep -q '"holes":\[\],"hole_bytes":0}' out || bad "$(cat out)"

begin "damage that opening does not see is told where holes are looked for"
run 0 "$tool" info hurt
run 1 "$tool" info --holes hurt
says hurt 0000000000000001.seg
grep -q '^frontier:' out || bad "the rest is not printed"
! grep -q hole out || bad "$(grep hole out)"
unchanged hurt

begin "a salvaged journal takes appends behind the old end"
end=$(tail -n 1 acks)
echo more | run 0 "$tool" append saved
[ "$(cat out)" -gt "$end" ] || bad "LSN $(cat out), and the end was $end"
run 1 "$tool" cat saved
[ "$(tail -n 1 out)" = more ] || bad "it is not the last record"

begin "a missing file, a short one and a lost header are told as what they are"
rm hurt/0000000000000002.seg
dd if=/dev/zero of=hurt/0000000000000001.seg bs=4096 count=1 conv=notrunc \
	2>dd
truncate -s 8192 "hurt/${newest#j/}"
remember hurt
run 1 "$tool" salvage --json hurt parts
unchanged hurt
grep -q '"file":"0000000000000002.seg","why":"missing"' out || bad "$(cat out)"
grep -q "\"file\":\"${newest#j/}\",\"why\":\"bad-segment\"" out ||
	bad "$(cat out)"
grep -q "\"from\":$lsn,\"to\":$((lsn + size)),\"file\":\"0000000000000001.seg\"" \
	out || bad "$(cat out)"
grep -q '"bad_segments":2' out || bad "$(cat out)"
run 0 "$tool" verify parts

begin "what is not a way to salvage is refused, and makes nothing"
run 2 "$tool" salvage j saved
says saved empty
run 2 "$tool" salvage j
says needed
run 2 "$tool" salvage nothing new
says nothing
[ ! -e new ] || bad "new was made"
mkfifo input
"$tool" append j <input >live-acks &
writer=$!
exec 9>input
echo one >&9
wait_for 100 sh -c '[ -s live-acks ]' || bad "no LSN"
run 2 "$tool" salvage j new
says j writer
[ ! -e new ] || bad "new was made"
exec 9>&-
wait "$writer" || bad "the writer failed"

begin "half-made files of an interrupted salvage are no obstacle"
mkdir again
echo junk >again/0000000000000000.tmp
run 1 "$tool" salvage hurt again
[ ! -e again/0000000000000000.tmp ] || bad "it is still there"
run 0 "$tool" verify again

finish
