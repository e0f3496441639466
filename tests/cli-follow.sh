#!/bin/sh
# journal-tool cat --follow: what comes is printed, once and whole, and it ends
# when it is told to.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

follower=
writer=
cleanup() {
	for pid in $follower $writer; do
		kill -CONT "$pid" 2>/dev/null || :
		kill -KILL "$pid" 2>/dev/null || :
	done
}

counted 1 1500 >lines
part() {
	sed -n "$1,$2p" lines
}

# start OPTION...: output in followed, messages in err.  A shell has its
# background processes ignore SIGINT.
start() {
	env --default-signal=INT "$tool" cat --follow "$@" j >followed 2>err &
	follower=$!
}

# stop SIGNAL CODE
stop() {
	kill "-$1" "$follower" 2>/dev/null || :
	ended "$2"
}

ended() {
	have=0
	wait_for 100 gone || { bad "it does not end"; kill -KILL "$follower"; }
	wait "$follower" 2>/dev/null || have=$?
	follower=
	[ "$have" -eq "$1" ] || bad "ends with $have, not $1"
}

gone() {
	! kill -0 "$follower" 2>/dev/null
}

has() {
	[ "$(wc -l <followed)" -eq "$1" ]
}

add() {
	"$tool" append --segment-size 64K --record-max 4K j >acks 2>err ||
		bad "append ends with $?"
}

begin "what is appended later is printed, whenever that is"
part 1 20 | add
start
wait_for 100 has 20 || bad "$(wc -l <followed) printed, not 20"
part 21 600 | add
wait_for 200 has 600 || bad "$(wc -l <followed) printed, not 600"
part 601 601 | add
wait_for 200 has 601 || bad "$(wc -l <followed) printed, not 601"
stop TERM 143
quiet
part 1 601 >want
same followed want

begin "it is printed while the writer pauses, with its journal open"
mkfifo feed
"$tool" append --record-max 4K j <feed >acks 2>err &
writer=$!
exec 3>feed
start --lsn
part 602 700 >&3
wait_for 200 has 700 || bad "$(wc -l <followed) printed, not 700"

begin "a writer that stands still is no error"
kill -STOP "$writer"
sleep 1.2
has 700 || bad "$(wc -l <followed) printed, not 700"
! gone || bad "it has ended"
kill -CONT "$writer"
part 701 720 >&3
wait_for 200 has 720 || bad "$(wc -l <followed) printed, not 720"

begin "a writer that is killed leaves nothing unread"
kill -KILL "$writer"
wait "$writer" 2>/dev/null || :
writer=
exec 3>&-
wait_for 200 has 720 || bad "$(wc -l <followed) printed, not 720"
stop INT 130
quiet

begin "it goes on by --from behind the last line, with none missing or twice"
cp followed all
for upto in 800 900 1000; do
	last=$(tail -n 1 all | cut -f 1)
	start --lsn --from $((last + 1))
	part $((upto - 99 - (upto == 800 ? -20 : 0))) "$upto" | add
	wait_for 200 has $((upto - $(wc -l <all))) ||
		bad "$(wc -l <followed) printed to reach $upto"
	stop HUP 129
	cat followed >>all
done
cut -f 2- all >have
part 1 1000 >want
same have want

begin "it ends when its output goes away, also if nothing comes"
"$tool" cat --follow j 2>err | head -n 1 >out
part 1 1 >want
same out want
quiet

begin "a signal ends it while nobody takes its output"
mkfifo stuck
"$tool" cat --follow j >stuck 2>err &
follower=$!
exec 4<stuck
sleep 0.5
stop TERM 143
exec 4<&-
quiet

begin "who is overtaken by a trim is told at which LSN to go on"
start
wait_for 100 has 1000 || bad "$(wc -l <followed) printed, not 1000"
kill -STOP "$follower"
part 1001 1400 | add
first=$(tail -n 1 acks)
run 0 "$tool" trim j "$first"
part 1401 1401 | add
kill -CONT "$follower"
ended 2
says 'given back' 'go on at'
lsn=$(sed 's/.*below LSN \([0-9]*\) .*/\1/' err)
[ "$lsn" = "$first" ] || bad "it says LSN $lsn, not $first"
start --from "$first"
wait_for 100 has 2 || bad "$(wc -l <followed) printed, not 2"
stop TERM 143
quiet

begin "a journal that is not there is an error"
run 2 "$tool" cat --follow nowhere
says 'there is no journal'

finish
