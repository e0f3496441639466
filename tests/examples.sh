#!/bin/sh
# The small examples: each does what it says, in a program of a user's.
set -eu
. "${srcdir:-.}/tests/lib.sh"
source=$srcdir/doc/examples

# example NAME - the program itself, or nothing if it was not built.
example() {
	for place in "$builddir/doc/examples/.libs" "$builddir/doc/examples"; do
		[ ! -x "$place/$1" ] || echo "$place/$1"
	done | head -n 1
}

append=$(example append)
read=$(example read)
cd "$scratch"
seq 1 30000 >lines

begin "the lines that append takes are those that read prints, in order"
run 0 "$append" notes <lines
quiet
grep -qx '30000 lines are durable' out || bad "append says $(cat out)"
run 0 "$read" notes
quiet
cut -f 2- out | cmp -s - lines || bad "read prints something else"

begin "read goes on at the LSN that it is given"
lsn=$(sed -n '29990s/\t.*//p' out)
run 0 "$read" notes "$lsn"
[ "$(wc -l <out)" -eq 11 ] || bad "$(wc -l <out) lines, not 11"
run 2 "$read" notes 999999999
[ -s err ] || bad "it does not say what is wrong"
run 2 "$read" nowhere
run 2 "$append"

begin "lookup prints the last value of each key, wherever it lies"
lookup=$(example lookup)
awk '{ print "key" $1 % 700, "value", $1 }' lines >pairs
run 0 "$append" pairs-journal <pairs
run 0 "$lookup" pairs-journal key3 key699 key0 key3
quiet
printf 'key%s\n' '3 value 29403' '699 value 29399' '0 value 29400' \
	'3 value 29403' >want
cmp -s out want || bad "it prints $(cat out)"
# shellcheck disable=SC2046 # words
run 0 "$lookup" pairs-journal $(seq -f key%.0f 0 699)
quiet
tail -n 700 pairs | sort >want
sort out | cmp -s - want || bad "not the last of every key"
run 1 "$lookup" pairs-journal key1 nothing
[ "$(cat out)" = "key1 value 29401" ] || bad "it prints $(cat out)"
[ -s err ] || bad "it does not say what is not there"
run 2 "$lookup" nowhere key1
run 2 "$lookup" pairs-journal

begin "fill has every worker's records, in each one's order"
run 0 "$(example fill)" filled 8 400
quiet
[ "$(grep -c ': 400 records are durable$' out)" -eq 8 ] ||
	bad "fill says $(cat out)"
run 0 "$read" filled
quiet
[ "$(wc -l <out)" -eq 3200 ] || bad "$(wc -l <out) records, not 3200"
for worker in 0 1 2 3 4 5 6 7; do
	sed -n "s/.*worker $worker, record \([0-9]*\):.*/\1/p" out >order
	seq 0 399 | cmp -s - order || bad "worker $worker's are out of order"
done
run 2 "$(example fill)" filled

# Each LSN that an event loop's example printed is that of its line.
loop_example() {
	name=$1
	program=$(example "$name")
	begin "$name acknowledges each line once, in order, with its LSN"
	if [ -z "$program" ]; then
		skip_case "not built: no libuv"
		return 0
	fi
	run 0 sh -c 'cat lines | "$1" "$2"' sh "$program" "by $name"
	quiet
	mv out acks
	run 0 "$read" "by $name"
	cut -f 1 out | cmp -s - acks || bad "not the LSNs of the records"
	cut -f 2- out | cmp -s - lines || bad "not the lines that came in"

	begin "$name takes a last line without its end, and lines in pieces"
	run 0 sh -c '(printf "pie"; sleep 0.1; printf "ce\nlast") | "$1" "$2"' \
		sh "$program" "pieces by $name"
	[ "$(wc -l <out)" -eq 2 ] || bad "$(wc -l <out) acknowledged, not 2"
	run 0 "$read" "pieces by $name"
	[ "$(cut -f 2- out | tr '\n' ' ')" = "piece last " ] ||
		bad "the journal has $(cut -f 2- out)"

	begin "$name refuses a file, which no loop can wait for"
	run 2 "$program" "by $name" <lines
	[ -s err ] || bad "it does not say so"
}
loop_example event-loop
loop_example uv-append

begin "follow prints what comes, and after a restart goes on behind it"
follow=$(example follow)
lines_are() {
	[ "$(wc -l <followed)" -eq "$1" ]
}
follower=
cleanup() {
	[ -z "$follower" ] || kill "$follower" 2>/dev/null || :
}
# It ends when its input does.
follow_until() {
	rm -f input
	mkfifo input
	"$follow" tail place <input >>followed 2>err &
	follower=$!
	exec 3>input
	"$append" tail <"$1" >out 2>&1
	wait_for 200 lines_are "$2" || bad "$(wc -l <followed) lines, not $2"
	exec 3>&-
	have=0
	wait "$follower" || have=$?
	follower=
	[ "$have" -eq 0 ] || bad "it ends with $have"
	quiet
}
sed -n 1,1000p lines >first
sed -n 1001,1500p lines >second
sed -n 1501,1600p lines >third
: >followed
run 0 "$append" tail <first
follow_until second 1500
follow_until third 1600
sed -n 1,1600p lines | cmp -s - followed || bad "not the lines that came in"

begin "the examples need nothing but the public header and the library"
if grep -n '#include "' "$source"/*.c >found; then
	bad "a header of our own: $(head -n 1 found)"
fi
mkdir include
cp "$srcdir/journal/journal.h" include
for name in append event-loop follow lookup read; do
	# shellcheck disable=SC2086 # words, as in a makefile
	run 0 ${CC:-cc} ${SANITIZE_CFLAGS:-} -std=gnu11 -Wall -Wextra -Werror \
		-Iinclude -c -o "$name.o" "$source/$name.c"
done

finish
