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

benchmark=
cleanup() {
	for pid in $server $benchmark; do
		kill -KILL "$pid" 2>/dev/null || :
	done
}

# bench: redis-benchmark in the background.
bench() {
	if [ -n "$alone" ] || ! command -v redis-benchmark >/dev/null; then
		return 0
	fi
	redis-benchmark -s "$sock" -t set,incr -c 50 -n 10000000 -r 1000 -d 128 \
		-P $((1 + 15 * (n % 2))) -q >/dev/null 2>&1 &
	benchmark=$!
}

# life TAG TARGET PROGRAM OPTION...: load, and kill when so much of it was
# acknowledged.  acks has what was.
life() {
	tag=$1
	target=$2
	shift 2
	start_program "$@"
	bench
	# The loader is bounded by its sockets' time limits.
	"$python" "$client" load "$sock" acks 50 "$tag" "$server" "$target" \
		>count 2>err || bad "$tag: $(tail -n 1 err)"
	ended 137
	# It may look for the server for ever.
	if [ -n "$benchmark" ]; then
		kill "$benchmark" 2>/dev/null || :
		wait "$benchmark" 2>/dev/null || :
		benchmark=
	fi
	acked=$((acked + $(cat count)))
}

alone=
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
	life "life $n" "$((100 + n * 7919 % 3000))" "$kv_server" "$@"
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
[ "$acked" -ge $((n * 100)) ] || bad "only $acked were acknowledged"

begin "a server that answers at the append is caught"
caught=
alone=yes
for n in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf kv acks
	life "early $n" 200 "$kv_early" --segment-size 1M --record-max 16K
	"$tool" cat --json kv/journal >records 2>/dev/null || :
	if ! "$python" "$client" journal records acks >out 2>err; then
		echo "caught in life $n: $(cat err)"
		caught=yes
		break
	fi
done
[ -n "$caught" ] || bad "10 lives, and nothing acknowledged was missing"

finish
