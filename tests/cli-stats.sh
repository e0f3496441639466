#!/bin/sh
# journal-tool stats: what a writer does, seen from another process.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

command -v python3 >/dev/null || skip_all "no python3 to read the JSON with"
# ask EXPRESSION: whether it holds for the JSON object o in the file out.
ask() {
	python3 -c 'import json, sys
o = json.loads(open("out").readline())
sys.exit(not eval(sys.argv[1]))' "$1" || bad "$1: $(cat out)"
}
writer=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -z "$writer" ] || kill "$writer" 2>/dev/null || :
}

begin "without figures it says so and what to do"
run 2 "$tool" stats nowhere
says 'nowhere'
mkdir empty
run 2 "$tool" stats empty
says 'no figures' 'journal-tool info'

begin "of a writer that has closed the journal the last figures"
counted 1 300 >lines
"$tool" append --batch 10 --segment-size 64K j <lines >/dev/null
run 0 "$tool" stats j
quiet
grep -q '^writer: *no writer at work$' out || bad "a writer: $(cat out)"
grep -q 'which closed the journal$' out || bad "not closed: $(cat out)"
grep -q '^records: *300, ' out || bad "not 300 records: $(cat out)"
grep -q '^  [-0-9T:]*Z segment: segment 1 is ready' out ||
	bad "no event: $(cat out)"

begin "the same as JSON"
run 0 "$tool" stats --json j
quiet
ask 'o["writer"] == "none" and o["closed"] and o["records"] == 300'
ask '30 <= sum(o["batch_records"]) <= 40 and o["failed"] == 0'
ask 'o["payload"] == '"$(($(wc -c <lines) - 300))"
ask '0 < o["action_p50_below_ns"] <= o["action_p99_below_ns"]'
# The newest one, but for what a slow disk adds.
ask '[e for e in o["newest_events"]
	if not e["kind"].startswith("stall")][0]["kind"] == "segment"'

begin "beside a writer at work, with rates"
mkfifo pipe
"$tool" append j <pipe >acks &
writer=$!
exec 3>pipe
echo first >&3
while [ ! -s acks ]; do sleep 0.05; done
( while echo more; do sleep 0.01; done >&3 2>/dev/null ) &
feeder=$!
sleep 0.3
run 0 "$tool" stats --json j
ask 'o["writer"] == "at-work" and o["pid"] == '"$writer"
run 0 "$tool" stats --interval 0.3 --count 3 j
quiet
[ "$(wc -l <out)" -eq 3 ] || bad "not three lines"
# The writer may have been held up just then: some records come at last.
rated() {
	run 0 "$tool" stats --interval 0.3 --count 3 j
	grep -q '^[1-9][0-9]* records/s' out
}
wait_for 100 rated || bad "no rate: $(cat out)"
# Those of the interval: 100 in a second at most are fed.  A writer that was
# held up catches up in the one after; what it has in all only grows.
some() {
	run 0 "$tool" stats --interval 0.3 --count 1 --json j
	python3 -c 'import json
o = json.loads(open("out").readline())
assert o["seconds"] >= 0.3
assert 0 < o["records"] <= 60 + 100 * o["seconds"]'
}
wait_for 100 some || bad "not the records of the interval: $(cat out)"

begin "of a writer that was killed the last figures, and that it did not close"
kill -9 "$writer"
wait "$writer" 2>/dev/null || :
writer=
kill "$feeder" 2>/dev/null || :
exec 3>&-
run 0 "$tool" stats --json j
ask 'o["writer"] == "none" and not o["closed"] and o["records"] > 0'
run 0 "$tool" stats j
grep -q 'which ended without closing it$' out || bad "closed: $(cat out)"

begin "nothing else minds the file"
run 0 "$tool" verify j
run 0 "$tool" cat j
echo garbage >j/stats
run 0 "$tool" verify j
run 2 "$tool" stats j
says 'something else'
echo more | "$tool" append j >/dev/null || bad "no append beside garbage"
[ "$(cat j/stats)" = garbage ] || bad "somebody's file was written over"

begin "wrong usage is refused"
run 2 "$tool" stats --count 3 j
says 'needs --interval'
run 2 "$tool" stats --interval 0 j
says '0.1 to 86400'
run 2 "$tool" stats --interval 1.2345 j
run 2 "$tool" stats --interval 1..2 j
run 2 "$tool" stats --interval 1 --count 0 j
run 2 "$tool" stats
finish
