#!/bin/sh
# SIGKILL while 16 threads append over rotating segments, with each driver and
# carrier: the next writer goes on at once, and everything acknowledged is
# there.
#
# JOURNAL_TEST_THREAD_KILLS  how many (default 50; 12 in a sanitizer's build)
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

program=$builddir/tests/kill_threads
kills=50
! sanitized || kills=12
kills=${JOURNAL_TEST_THREAD_KILLS:-$kills}
threads=16

writer=
cleanup() {
	[ -z "$writer" ] || kill -KILL "$writer" 2>/dev/null || :
}

# One life of DRIVER CARRIER; ends it after a moment.
one_life() {
	"$program" append j acks "$life" "$1" "$2" "$threads" 2>err &
	writer=$!
	sleep "0.$(awk -v s="$life$$" 'BEGIN { srand(s)
		printf "%03d", 20 + int(rand() * 150) }')"
	kill -KILL "$writer" 2>/dev/null || :
	have=0
	wait "$writer" 2>/dev/null || have=$?
	writer=
	if [ "$have" -ne 137 ]; then
		bad "life $life ($1, $2): exit code $have"
		return 0
	fi
	have=0
	timeout -k 5 60 "$program" check j acks >out 2>err || have=$?
	[ "$have" -eq 0 ] || bad "life $life ($1, $2): check ends with $have"
}

begin "after $kills kills of $threads threads everything acknowledged is there"
life=0
while [ "$life" -lt "$kills" ] && [ "$case_good" = yes ]; do
	[ $((life % 12)) -ne 0 ] || rm -rf j acks
	case $((life % 4)) in
	0) one_life caller pwritev2 ;;
	1) one_life thread - ;;
	2) one_life thread pwritev2 ;;
	3) one_life - - ;;
	esac
	life=$((life + 1))
done
[ "$case_good" != yes ] || echo "$(cat out) records acknowledged in the last journal"

begin "the kills came while records were being acknowledged"
[ "$(wc -l <acks)" -gt "$threads" ] || bad "only $(wc -l <acks) acknowledged"

finish
