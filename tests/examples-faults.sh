#!/bin/sh
# The example server when the disk is full, slow or fails: system calls are made
# to fail once it is at work.
set -eu
. "${srcdir:-.}/tests/lib.sh"
. "$srcdir/tests/examples/server.sh"
cd "$scratch"
# Looking for leaks is a trace of its own, and there can be one only.
ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
LSAN_OPTIONS="$LSAN_OPTIONS:detect_leaks=0"

command -v strace >/dev/null || skip_all "there is no strace"

tracer=
cleanup() {
	for pid in $tracer $server; do
		kill -KILL "$pid" 2>/dev/null || :
	done
}

# inject FAULT: from now on, in all threads of the server.
inject() {
	: >attached
	strace -f -p "$server" -o trace -e trace="${1%%:*}" -e inject="$1" \
		2>attached &
	tracer=$!
	wait_for 100 grep -q attached attached || {
		cleanup
		skip_all "strace may not attach: $(head -n 1 attached)"
	}
}

let_go() {
	kill "$tracer" 2>/dev/null || :
	wait "$tracer" 2>/dev/null || :
	tracer=
}

begin "with the disk full a write is refused, and taken when there is room"
start --segment-size 64K --record-max 16K
inject fallocate:error=ENOSPC
checked until_refused "$sock" acks "No space left"
checked ping "$sock"
let_go
checked until_taken "$sock"
kill_server
start --record-max 16K
checked check "$sock" acks
stop

begin "a reader waits for what it reads to be durable, and for nothing else"
rm -rf kv
start --carrier pwritev2
inject pwritev2:delay_exit=1000000
checked reads_wait "$sock"
let_go
stop

begin "a journal that fails ends the server, and the write has no answer"
# The next segment and the first watermark, of the helper, are not to meet the
# fault before anybody has written; if something does, then once more.
settled() {
	"$tool" stats kv/journal | grep -q 'segment: segment 1 is ready' &&
		stat -c %y kv/journal/stats >before && sleep 0.5 &&
		stat -c %y kv/journal/stats | cmp -s - before
}
for attempt in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf kv
	start --carrier pwritev2 --segment-size 64K --record-max 16K
	wait_for 100 settled || bad "there is no next segment"
	inject pwritev2,pwrite64,fsync,fdatasync,renameat,renameat2:error=EIO
	have=0
	timeout -k 5 600 "$python" "$client" never_answered "$sock" \
		>out 2>err || have=$?
	let_go
	[ "$have" -eq 3 ] || break
	ended 1
done
[ "$have" -eq 0 ] || bad "attempt $attempt: $have: $(tail -n 1 err)"
ended 1
grep -q '^kv-server: .*journal: .*nothing more can be acknowledged' \
	"$server_log" || bad "it says: $(tail -n 1 "$server_log")"

finish
