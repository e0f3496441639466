#!/bin/sh
# The example server answers behind the device, seen from outside.
#
# When an answer arrives, its record can be read past the page cache; and in a
# trace of the system calls, with writes made slow, each answer is sent behind
# the end of the write that has its record and asked for durability.  The
# server that answers at the append fails both.
set -eu
. "${srcdir:-.}/tests/lib.sh"
. "$srcdir/tests/examples/server.sh"
cd "$scratch"
ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
LSAN_OPTIONS="$LSAN_OPTIONS:detect_leaks=0"

answers_behind_the_medium() {
	rm -rf kv
	start_program "$1" --segment-size 1M --record-max 64K
	good=0
	timeout -k 5 300 "$python" "$client" medium "$sock" kv/journal 15 \
		>out 2>err || good=$?
	carrier=$(info journal_carrier)
	kill_server
	return "$good"
}

begin "when an answer arrives its record is in the file"
answers_behind_the_medium "$kv_server" || bad "$(tail -n 1 err)"
echo "carried by $carrier"

begin "so it is where io_uring is refused"
JOURNAL_TEST_IO_URING=refused
answers_behind_the_medium "$kv_server" || bad "$(tail -n 1 err)"
[ "$carrier" = pwritev2 ] || bad "carried by $carrier"
unset JOURNAL_TEST_IO_URING

begin "answering at the append is seen in the file"
if answers_behind_the_medium "$kv_early"; then
	bad "it is not"
else
	echo "seen: $(tail -n 1 err)"
fi

# traced PROGRAM METHOD: a slow device, and who answers when.
traced() {
	rm -rf kv
	strace -f -q -s 100000 -o trace \
		-e trace=recvfrom,sendto,pwritev2,fdatasync \
		-e inject=pwritev2,fdatasync:delay_exit=5000 \
		"$1" --dir kv --port 0 --unix "$sock" --carrier pwritev2 \
		--method "$2" --segment-size 1M --record-max 64K \
		2>"$server_log" &
	server=$!
	if ! wait_for 200 "$python" "$client" ping "$sock"; then
		wait "$server" || :
		server=
		return 1
	fi
	checked sets "$sock" 8 10 3
	kill -TERM "$(info process_id)"
	ended 0
}

can_trace() {
	if ! command -v strace >/dev/null; then
		skip_case "there is no strace"
	elif ! strace -f -o trace -e trace=getppid \
		-e inject=getppid:delay_exit=1 true 2>err; then
		skip_case "strace may not trace or inject: $(head -n 1 err)"
	else
		return 0
	fi
	return 1
}

for method in direct buffered; do
	begin "no answer is sent before the write of its record is durable: $method"
	can_trace || continue
	if ! traced "$kv_server" "$method"; then
		if grep -q -i 'method' "$server_log"; then
			skip_case "not usable: $(head -n 1 "$server_log")"
		else
			bad "it does not start: $(head -n 1 "$server_log")"
		fi
		continue
	fi
	run 0 "$python" "$srcdir/tests/examples/order.py" trace
	cat out
	grep -q '^240 answers' out || bad "not 240 answers: $(cat err)"
	mv trace "trace $method"
done

begin "in a trace, writes that asked for no durability are no answer's reason"
if [ -e "trace direct" ]; then
	sed 's/RWF_DSYNC/0/' "trace direct" >weaker
	run 1 "$python" "$srcdir/tests/examples/order.py" weaker
else
	skip_case "there is no trace"
fi

begin "answering at the append is seen in the trace"
if can_trace; then
	traced "$kv_early" direct || bad "it does not start"
	run 1 "$python" "$srcdir/tests/examples/order.py" trace
	echo "seen: $(cat err)"
fi

begin "when the journal is full the server stops reading, and goes on later"
if can_trace; then
	rm -rf kv
	strace -f -q -o trace -e trace=pwritev2 \
		-e inject=pwritev2:delay_exit=20000 \
		"$kv_server" --dir kv --port 0 --unix "$sock" \
		--carrier pwritev2 --segment-size 1M --record-max 16K \
		2>"$server_log" &
	server=$!
	wait_for 200 "$python" "$client" ping "$sock" ||
		bad "it does not start: $(head -n 1 "$server_log")"
	"$python" "$client" load "$sock" acks 50 full >count 2>err &
	loader=$!
	wait_for 100 sh -c '[ "$("$1" "$2" info "$3" journal_full)" -gt 0 ]' \
		sh "$python" "$client" "$sock" || bad "it was never full"
	full=$(info journal_full)
	kill -TERM "$(info process_id)"
	ended 0
	wait "$loader" || bad "the clients: $(tail -n 1 err)"
	echo "full $full times, $(cat count) acknowledged"
	start --record-max 16K
	checked check "$sock" acks
	stop
fi

finish
