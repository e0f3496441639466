#!/bin/sh
# journal-tool cat and info: what is in a journal, and no more.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

counted 1 3000 >lines
"$tool" append --batch 32 --segment-size 256K j <lines >acks

nth_ack() {
	sed -n "$1p" acks
}

begin "all records of several segments come back"
[ -f "$(segment j 3)" ] || bad "there are no several segments"
run 0 "$tool" cat j
quiet
same out lines

begin "reading changes nothing"
remember j
for command in cat verify info; do
	run 0 "$tool" "$command" j
done
unchanged j

begin "--from begins at the record with this LSN"
run 0 "$tool" cat --from "$(nth_ack 1234)" j
tail -n +1234 lines >want
same out want

begin "--from between two records begins at the next one"
run 0 "$tool" cat --from "$(($(nth_ack 1233) + 1))" j
same out want

begin "--from the last record prints one"
run 0 "$tool" cat --from "$(nth_ack 3000)" j
tail -n 1 lines >want
same out want

begin "--from beyond the end is an error"
run 2 "$tool" cat --from 9223372036854775807 j
says j
run 2 "$tool" cat --from 18446744073709551615 j
says j

begin "--lsn prints the LSN that was acknowledged"
run 0 "$tool" cat --lsn j
paste acks lines >want
same out want

begin "JSON holds text as text and other bytes as base64"
printf 'plain\0quote" back\\ tab\t nl\n del\177 \001\0\303\251 \360\237\230\200\0' >odd
printf '\377\0\355\240\200\0\300\200\0\364\220\200\200\0\303\0ab\376\0' >>odd
run 0 "$tool" append --null odd-j <odd
run 0 "$tool" cat --json odd-j
sed 's/"lsn":[0-9]*/"lsn":N/' out >have
cat >want <<'END'
{"lsn":N,"data":"plain"}
{"lsn":N,"data":"quote\" back\\ tab\t nl\n del \u0001"}
{"lsn":N,"data":"é 😀"}
{"lsn":N,"base64":"/w=="}
{"lsn":N,"base64":"7aCA"}
{"lsn":N,"base64":"wIA="}
{"lsn":N,"base64":"9JCAgA=="}
{"lsn":N,"base64":"ww=="}
{"lsn":N,"base64":"YWL+"}
END
printf 'x\177x' | sed 's/x//g' >del
sed "s/ del / del$(cat del) /" want >want2
same have want2

begin "JSON is what a JSON parser takes"
if command -v python3 >/dev/null; then
	python3 - out odd <<-'END' || bad "python3 does not agree"
		import base64, json, sys
		have = []
		for line in open(sys.argv[1], encoding="utf-8"):
		    o = json.loads(line)
		    have.append(o["data"].encode() if "data" in o
		                else base64.b64decode(o["base64"], validate=True))
		want = open(sys.argv[2], "rb").read().split(b"\0")[:-1]
		sys.exit(have != want)
	END
	for command in info verify; do
		run 0 "$tool" "$command" --json odd-j
		python3 -c 'import json, sys; json.load(open("out"))' ||
			bad "$command --json is not JSON"
	done
else
	skip_case "no python3"
fi

begin "options that contradict each other are refused"
run 2 "$tool" cat --json --lsn j
says '--json' 'try'

begin "a reader that goes away is no reason for a message"
{ have=0; "$tool" cat j 2>err || have=$?; echo "$have" >code; } | head -n 1 >out
[ "$(wc -l <out)" -eq 1 ] || bad "no line"
[ "$(cat code)" -eq 2 ] || bad "exit code $(cat code)"
quiet

begin "output that cannot be written is an error"
if [ -c /dev/full ]; then
	have=0
	"$tool" cat j >/dev/full 2>err || have=$?
	[ "$have" -eq 2 ] || bad "exit code $have"
	says 'standard output'
else
	skip_case "no /dev/full"
fi

begin "beside a writer that pauses, what it acknowledged is read"
mkfifo input
"$tool" append live <input >live-acks 2>live-err &
writer=$!
exec 9>input
counted 1 50 >&9
wait_for 100 sh -c '[ "$(wc -l <live-acks)" -eq 50 ]' || bad "no LSNs"
counted 1 50 >want
all_there() {
	"$tool" cat live >out 2>err && cmp -s out want
}
wait_for 100 all_there || bad "not everything that was acknowledged"
quiet

begin "info names the writer"
run 0 "$tool" info live
grep -q "^writer: *pid $writer\$" out || bad "not pid $writer: $(grep writer out)"
run 0 "$tool" info --json live
grep -q "\"writer\":true,\"writer_pid\":$writer," out || bad "not in JSON"
exec 9>&-
wait "$writer" || bad "the writer fails"
run 0 "$tool" info live
grep -q "^writer: *none" out || bad "a writer that is gone"

begin "info tells the sizes and the end"
run 0 "$tool" info j
quiet
grep -Eq '^uuid: +[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' out ||
	bad "no UUID"
grep -Eq '^format: +1$' out || bad "not format 1"
grep -Eq '^segment size: +262144$' out || bad "not 262144"
frontier=$(sed -n 's/^frontier: *//p' out)
[ "$frontier" -gt "$(nth_ack 3000)" ] || bad "the frontier is not beyond the last record"

begin "damage stops it, behind everything that is good"
cp -a j broken
# The third batch of the second segment.
offset=$("$forge" batches "$(segment j 1)" | sed -n 3p | cut -d ' ' -f 1)
"$forge" flip "$(segment broken 1)" "$((offset + 100))" 3
remember broken
run 1 "$tool" cat broken
says broken 0000000000000001.seg
unchanged broken
n=$(wc -l <out)
[ "$n" -gt 100 ] || bad "only $n lines"
[ "$n" -lt 3000 ] || bad "everything"
head -n "$n" lines >want
same out want

begin "what lies behind the damage can be read from a later position"
run 0 "$tool" cat --from "$(nth_ack 2900)" broken
tail -n +2900 lines >want
same out want

finish
