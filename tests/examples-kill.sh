#!/bin/sh
# The example server, killed at work: what it acknowledged is there.
#
# 50 clients write unique keys and log what was acknowledged, beside
# redis-benchmark if that is there; the server is killed, what was logged is
# looked for in the journal from outside and asked for after a restart.  A
# server that answers at the append must be caught by the same test.
#
# JOURNAL_TEST_KILLS  how many (default 3)
set -eu
. "${srcdir:-.}/tests/lib.sh"
. "$srcdir/tests/examples/server.sh"
cd "$scratch"
kills=${JOURNAL_TEST_KILLS:-3}

# bench: redis-benchmark in the background, until the server is gone.
bench() {
	benchmark=
	command -v redis-benchmark >/dev/null || return 0
	redis-benchmark -s "$sock" -t set,incr -c 50 -n 10000000 -r 1000 -d 128 \
		-P $((1 + 15 * (n % 2))) -q >/dev/null 2>&1 &
	benchmark=$!
}

# life TAG PROGRAM OPTION...: load, kill.  acks has what was acknowledged.
life() {
	tag=$1
	shift
	start_program "$@"
	bench
	"$python" "$client" load "$sock" acks 50 "$tag" >count 2>err &
	loader=$!
	sleep "0.$((3 + n * 7 % 6))"
	kill_server
	wait "$loader" || bad "$tag: $(tail -n 1 err)"
	[ -z "$benchmark" ] || wait "$benchmark" || :
	acked=$((acked + $(cat count)))
}

begin "after $kills kills everything that was acknowledged is there"
acked=0
n=0
while [ "$n" -lt "$kills" ] && [ "$case_good" = yes ]; do
	n=$((n + 1))
	# Every third time without snapshots: then all of it is in the journal.
	case $((n % 3)) in
	1)
		rm -rf kv acks
		set -- --segment-size 1M --record-max 16K ;;
	2)	set -- --record-max 16K --snapshot-size 256K ;;
	0)	set -- --record-max 16K --snapshot-size 4M --carrier pwritev2 ;;
	esac
	life "life $n" "$kv_server" "$@"
	run 0 "$tool" verify kv/journal
	if [ $((n % 3)) -eq 1 ]; then
		"$tool" cat --json kv/journal >records
		checked journal records acks
	fi
	start --record-max 16K
	checked check "$sock" acks
	stop
done
echo "$acked acknowledged in $n lives"
[ "$acked" -gt $((n * 100)) ] || bad "only $acked were acknowledged"

begin "a server that answers at the append is caught"
caught=
for n in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf kv acks
	life "early $n" "$kv_early" --segment-size 1M --record-max 16K
	"$tool" cat --json kv/journal >records 2>/dev/null || :
	if ! "$python" "$client" journal records acks >out 2>err; then
		echo "caught in life $n: $(cat err)"
		caught=yes
		break
	fi
done
[ -n "$caught" ] || bad "10 lives, and nothing acknowledged was missing"

finish
