#!/bin/sh
# journal-probe --measure, seen from outside: what it prints and where, what it
# leaves behind, how it ends; and that nothing is measured unasked.
set -eu

. "${srcdir:-.}/tests/lib.sh"

probe=$builddir/journal-probe
place=$scratch/place
mkdir "$place"

# JOURNAL_PROBE is what runs under script(1), which takes one string.
JOURNAL_PROBE=$probe
PLACE=$place
export JOURNAL_PROBE PLACE

have_script() {
	command -v script >/dev/null &&
		script -qec true /dev/null </dev/null >/dev/null 2>&1
}

nothing_left() {
	[ -z "$(ls -A "$place")" ] || bad "left behind: $(ls -A "$place")"
}

run_any() {
	have=0
	timeout -k 5 300 "$@" >"$scratch/out" 2>"$scratch/err" || have=$?
	[ "$have" -le 1 ] || bad "exit code $have: $*"
}

prints() {
	grep -q -e "$1" "$scratch/out" || bad "standard output has no '$1'"
}

begin "a measurement has a line for each way, and leaves nothing behind"
run_any env LC_ALL=C "$probe" --measure=0.1 "$place"
quiet
if [ "$have" -eq 0 ]; then
	prints '^MEASURED  *PER S  *P50  *P99  *P99.9 '
	prints '^[* ] buffered  *pwritev2  *[0-9]'
	prints '^Best here: '
else
	prints '^There is no usable method to measure'
fi
nothing_left
usable=$have

begin "a chart is ASCII where the character set is"
if LC_ALL=C grep -q '[^ -~]' "$scratch/out"; then
	bad "bytes that are not ASCII"
fi
if [ "$usable" -eq 0 ]; then
	begin "a chart has blocks of Unicode where the character set is UTF-8"
	run_any env LC_ALL=C.UTF-8 "$probe" --measure=0.1 "$place"
	prints '█'
fi

begin "a wrong number of seconds is refused before anything is done"
for seconds in 0 0.05 61 -1 abc 1x inf nan 0x1 1e1 ''; do
	run 2 "$probe" "--measure=$seconds" "$place"
	[ ! -s "$scratch/out" ] || bad "'$seconds': something was printed"
	grep -q 'seconds from 0.1 to 60' "$scratch/err" ||
		bad "'$seconds': the message does not say what is right"
done

begin "a measurement in JSON adds up"
run_any "$probe" --json --measure=0.2 "$place"
quiet
if [ -z "${PYTHON3:-}" ]; then
	skip_case "no python3"
else
	"$PYTHON3" - "$scratch/out" <<'PYTHON' || bad "not as documented"
import json, sys
with open(sys.argv[1], encoding="utf-8") as f:
    o = json.load(f)
m = o["measurement"]
assert list(m) == ["append_bytes", "hop_ns", "pairs", "best"]
usable = {x["name"] for x in o["methods"] if x["usable"]}
assert {p["method"] for p in m["pairs"]} == usable
assert m["append_bytes"] >= 4096 or not usable
for p in m["pairs"]:
    assert list(p) == ["method", "carrier", "barrier", "depth", "errno",
                       "error", "failed", "appends", "ns", "p50_ns", "p99_ns",
                       "p999_ns", "max_ns", "histogram"]
    if p["errno"]:
        assert p["error"] and p["failed"] and p["histogram"] is None
        assert p["carrier"] == "io_uring", p
        continue
    h = p["histogram"]
    assert h == sorted(h) and all(n for _, n in h)
    assert sum(n for _, n in h) == p["appends"] > 0
    assert h[0][0] <= p["p50_ns"] <= p["p99_ns"] <= p["p999_ns"] <= p["max_ns"]
    below = sum(n for start, n in h if start <= p["p50_ns"])
    assert 2 * below >= p["appends"]
    assert p["ns"] < 60e9
if m["best"]:
    assert m["best"]["method"] in usable
PYTHON
fi

# The program goes on for minutes if nobody stops it.
interrupt() {
	# A shell without job control has its children ignore SIGINT.
	timeout -s "$1" --preserve-status 1 "$probe" --measure=60 "$place" \
		>"$scratch/out" 2>"$scratch/err" || have=$?
}

for number in 2 15; do
	signal=$(kill -l "$number")
	begin "SIG$signal ends a measurement at once and leaves nothing behind"
	if [ "$usable" -ne 0 ]; then
		skip_case "no durable method in $place"
		continue
	fi
	have=0
	begun=$(date +%s)
	interrupt "$signal"
	[ "$have" -eq $((128 + number)) ] ||
		bad "exit code $have after SIG$signal"
	[ $(($(date +%s) - begun)) -lt 30 ] || bad "it went on"
	[ ! -s "$scratch/out" ] || bad "something on standard output"
	quiet
	nothing_left
done

begin "on a terminal the total is said before, and the bar goes"
if ! have_script; then
	skip_case "no script(1) that works here"
elif [ "$usable" -ne 0 ]; then
	skip_case "no durable method in $place"
else
	# shellcheck disable=SC2016 # expanded in there
	TERM=xterm script -qc \
		'stty cols 80; "$JOURNAL_PROBE" --measure=0.1 "$PLACE"' \
		/dev/null </dev/null >"$scratch/out"
	prints '^Measuring [0-9]* ways: about [0-9]* s, at most'
	prints '\[#* *\] *100 %'
	tr -d '\r' <"$scratch/out" | sed '1,/^.*100 %/d' >"$scratch/lines"
	[ -s "$scratch/lines" ] || bad "nothing after the bar"
	sed 's/\x1b\[[0-9;]*[mK]//g' "$scratch/lines" >"$scratch/plain"
	if LC_ALL=C.UTF-8 grep -q '.\{81\}' "$scratch/plain"; then
		bad "a line wider than the terminal"
	fi
fi

begin "a device or a file is nothing to measure"
: >"$scratch/file"
run 2 "$probe" --measure=0.1 "$scratch/file"
[ ! -s "$scratch/file" ] || bad "the file was written to"

begin "another machine cannot be measured, nor can what is not shown"
run 2 "$probe" --measure=0.1 --replay="$scratch/file"
grep -q 'leave --replay out' "$scratch/err" || bad "it does not say why"
run 2 "$probe" --measure=0.1 --dump=- "$place"
grep -q 'dump to a file' "$scratch/err" || bad "it does not say why"

# took COMMAND...: its milliseconds.
took() {
	begun=$(date +%s%N)
	run_any "$@"
	took_ms=$((($(date +%s%N) - begun) / 1000000))
}

begin "without --measure nothing is timed: a probe takes under 0.2 s"
# Where a flush takes long so does a probe.  Then it is at least quicker than one
# that measures, which times two ways at least, 0.1 s each.  The best of many:
# what else the machine does is no fault of ours.
if sanitized; then
	skip_case "a sanitizer takes its time"
elif [ "$usable" -ne 0 ]; then
	skip_case "no durable method in $place"
else
	best_ms=999999999
	measured_ms=999999999
	for _ in $(seq 50); do
		took "$probe" "$place"
		[ "$took_ms" -ge "$best_ms" ] || best_ms=$took_ms
		[ "$best_ms" -ge 200 ] || break
		took "$probe" --measure=0.1 "$place"
		[ "$took_ms" -ge "$measured_ms" ] || measured_ms=$took_ms
		[ $((best_ms + 100)) -ge "$measured_ms" ] || break
	done
	[ "$best_ms" -lt 200 ] || [ $((best_ms + 100)) -lt "$measured_ms" ] ||
		bad "it took $best_ms ms, and measuring $measured_ms ms"
fi

begin "append --measure keeps a choice, and info shows it"
cd "$scratch"
run_any "$tool" append --measure --segment-size 64K kept <"$scratch/file"
if [ "$usable" -ne 0 ]; then
	skip_case "no durable method here"
else
	quiet
	[ -s kept/choice ] || bad "there is no file 'choice'"
	run 0 "$tool" info kept
	prints '^measured: .*, driver .*, carrier .* us alone'
	run 0 "$tool" info --json kept
	prints '"measured":"'
	echo one >"$scratch/in"
	run 0 "$tool" append kept <"$scratch/in"
	run 0 "$tool" verify kept
	prints sound
	# A reader that knows nothing of it reads on.
	run 0 "$tool" cat kept
	same "$scratch/in" "$scratch/out"
fi

begin "what was not measured is not shown"
run_any "$tool" append --segment-size 64K unmeasured <"$scratch/file"
if [ "$usable" -eq 0 ]; then
	run 0 "$tool" info unmeasured
	if grep -q '^measured' "$scratch/out"; then
		bad "something measured"
	fi
	run 0 "$tool" info --json unmeasured
	prints '"measured":null'
fi

begin "driver and carrier are as asked for, or refused with a reason"
run 2 "$tool" append --driver loop d </dev/null
says "caller or thread"
run 2 "$tool" append --driver nobody d </dev/null
says driver caller thread
run 2 "$tool" append --carrier pigeon d </dev/null
says carrier pwritev2 io_uring
run 2 "$tool" append --driver caller --carrier io_uring d </dev/null
says io_uring thread
[ ! -d d ] || bad "a refused option has made a journal"
if [ "$usable" -eq 0 ]; then
	echo two >"$scratch/in"
	run 0 "$tool" append --driver thread --carrier pwritev2 \
		--segment-size 64K d <"$scratch/in"
	run 0 "$tool" cat d
	same "$scratch/in" "$scratch/out"
fi

finish
