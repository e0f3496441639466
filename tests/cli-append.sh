#!/bin/sh
# journal-tool append: what is printed is durable, and nothing is invented.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

# A writer that waits for more: $writer is its pid, descriptor 9 its input.
start_writer() {
	rm -f input
	mkfifo input
	: >acks
	"$tool" append "$@" <input >acks 2>err &
	writer=$!
	exec 9>input
}

# The writer has read all there is, and waits.  Where a pipe cannot be asked
# a moment is to be enough.
idle() {
	"${PYTHON3:-python3}" -c 'import fcntl, struct, sys, termios
got = fcntl.ioctl(9, termios.FIONREAD, b"1234")
sys.exit(struct.unpack("i", got)[0] > 0)' 2>/dev/null ||
		{ [ $? -ne 1 ] && sleep 1; } || return 1
	grep -q '^State:[[:space:]]*S' "/proc/$writer/status"
}

acks_are() {
	[ "$(wc -l <acks)" -eq "$1" ]
}

begin "each line becomes a record and gets an LSN"
printf 'one\ntwo\n\nthree\n' >lines
run 0 "$tool" append j1 <lines
quiet
[ "$(wc -l <out)" -eq 4 ] || bad "not four LSNs"
sort -n -u -c out 2>/dev/null || bad "the LSNs do not rise"
cp out acks
run 0 "$tool" cat j1
same out lines
run 0 "$tool" cat --lsn j1
cut -f 1 out >lsns
same lsns acks

begin "a last line without a newline is a record too"
printf 'four\nfive' >more
run 0 "$tool" append j1 <more
[ "$(wc -l <out)" -eq 2 ] || bad "not two LSNs"
printf '\n' | cat lines more - >want
run 0 "$tool" cat j1
same out want

begin "empty input makes an empty journal"
run 0 "$tool" append j2 </dev/null
[ ! -s out ] || bad "an LSN for nothing"
run 0 "$tool" cat j2
[ ! -s out ] || bad "a record out of nothing"
run 0 "$tool" verify j2

begin "records may end with zero bytes and hold newlines"
printf 'a\nb\0\0c' >zeros
run 0 "$tool" append --null j3 <zeros
[ "$(wc -l <out)" -eq 3 ] || bad "not three LSNs"
printf 'a\nb\0\0c\0' >want
run 0 "$tool" cat --null j3
same out want

begin "options may stand behind the directory, and -- ends them"
run 0 "$tool" append --no-ack -- --batch <lines
[ -d ./--batch ] || bad "no directory of that name"
run 0 "$tool" append ./--batch --no-ack <lines
[ ! -s out ] || bad "LSNs in spite of --no-ack"

begin "without acknowledgements the records are durable all the same"
run 0 "$tool" cat ./--batch
cat lines lines >want
same out want

begin "an LSN is printed before the input goes on"
start_writer j4
printf 'first\n' >&9
wait_for 100 acks_are 1 || bad "no LSN for the first line"
printf 'second\n' >&9
wait_for 100 acks_are 2 || bad "no LSN for the second line"
exec 9>&-
wait "$writer" || bad "the writer fails"

begin "a batch is acknowledged when it is full, and at the end"
start_writer --batch 3 j5
printf '1\n2\n3\n4\n' >&9
wait_for 100 acks_are 3 || bad "no LSNs for a full batch"
sleep 0.2
acks_are 3 || bad "LSNs for half a batch"
exec 9>&-
wait "$writer" || bad "the writer fails"
acks_are 4 || bad "no LSN for the last record"

begin "many batched records come back in order"
counted 1 5000 >lines
run 0 "$tool" append --batch 64 --segment-size 1M j6 <lines
[ "$(wc -l <out)" -eq 5000 ] || bad "not 5000 LSNs"
sort -n -u -c out 2>/dev/null || bad "the LSNs do not rise"
cp out acks
run 0 "$tool" cat j6
same out lines
run 0 "$tool" cat --lsn j6
cut -f 1 out >lsns
same lsns acks

begin "the segment size is taken, and an old journal keeps its own"
[ "$(stat -c %s "$(segment j6 0)")" -eq 1048576 ] || bad "not 1M"
run 0 "$tool" append --segment-size 64K j6 </dev/null
[ "$(stat -c %s "$(segment j6 0)")" -eq 1048576 ] || bad "changed"

for method in direct buffered; do
	begin "the method $method can be asked for"
	have=0
	"$tool" append --method "$method" "j-$method" <more >out 2>err || have=$?
	if [ "$have" -eq 2 ] && grep -q "$method" err; then
		skip_case "$(cat err)"
	else
		[ "$have" -eq 0 ] || bad "exit code $have"
		run 0 "$tool" cat "j-$method"
		[ "$(wc -l <out)" -eq 2 ] || bad "not two records"
	fi
done

begin "a record of exactly record_max is taken"
awk 'BEGIN { for (i = 0; i < 1000; i++) printf "x"; print "" }' >kilo
run 0 "$tool" append --record-max 1000 j7 <kilo
run 0 "$tool" cat j7
same out kilo

begin "of a larger record nothing is written, and those before it are durable"
{ echo before; cat kilo; echo behind; } >lines
run 2 "$tool" append --batch 10 --record-max 999 j8 <lines
says j8 'line 2' 999 'record-max'
[ "$(wc -l <out)" -eq 1 ] || bad "not one LSN"
run 0 "$tool" cat j8
echo before >want
same out want

begin "an endless line is refused without being read to its end"
run 2 sh -c 'yes | tr -d "\n" | "$0" append --record-max 64K j9' "$tool"
says 'line 1' 65536

begin "a line longer than any buffer comes back whole"
awk 'BEGIN { s = "0123456789abcdef"; while (length(s) < 1048576) s = s s
	print s; print substr(s, 1, 600001); print "end" }' >lines
run 0 "$tool" append j10 <lines
[ "$(wc -l <out)" -eq 3 ] || bad "not three LSNs"
run 0 "$tool" cat j10
same out lines

# Not SIGINT: a shell without job control has its background jobs ignore it.
for number in 15 1; do
	begin "signal $number ends it by the signal, with everything acknowledged there"
	rm -rf j11
	start_writer --batch 100 j11
	printf 'one\ntwo\nthr' >&9
	wait_for 100 [ -f j11/0000000000000000.seg ] || bad "no journal"
	wait_for 100 sh -c '"$0" info --json j11 | grep -q "\"writer\":true"' \
		"$tool" || bad "no writer"
	# It has what was written, and waits for more.
	wait_for 100 idle || bad "it does not take its input"
	sleep 0.2
	kill -"$number" "$writer"
	have=0
	wait "$writer" || have=$?
	exec 9>&-
	[ "$have" -eq $((number + 128)) ] || bad "exit code $have"
	acks_are 2 || bad "not two LSNs"
	run 0 "$tool" cat j11
	printf 'one\ntwo\n' >want
	same out want
done

begin "a reader of the LSNs that goes away ends it without a message"
mkfifo gone
# So many that their LSNs do not fit into a pipe that nobody reads.
seq 1 20000 >lines
{ have=0; "$tool" append j12 <lines 2>err || have=$?; echo "$have" >code; } >gone &
head -n 1 <gone >out
wait
[ "$(cat code)" -eq 2 ] || bad "exit code $(cat code)"
quiet

begin "LSNs that cannot be written are an error"
if [ -c /dev/full ]; then
	have=0
	"$tool" append j13 <kilo >/dev/full 2>err || have=$?
	[ "$have" -eq 2 ] || bad "exit code $have"
	says 'standard output'
else
	skip_case "no /dev/full"
fi

begin "closed standard descriptors do no harm to the journal"
have=0
"$tool" append j14 <kilo >&- 2>err || have=$?
[ "$have" -eq 2 ] || bad "exit code $have"
says 'standard output'
have=0
"$tool" append j14 <kilo >&- 2>&- || have=$?
[ "$have" -eq 2 ] || bad "exit code $have"
run 2 "$tool" append j14 <&-
says 'standard input'
run 0 "$tool" verify j14

begin "input that cannot be read is an error"
run 2 "$tool" append j15 <.
says 'j15' 'standard input'

begin "progress is shown on a terminal, and only there"
if command -v script >/dev/null; then
	counted 1 20 >lines
	# It takes more than a second from the first of them on, however long
	# opening takes.
	cat >slow <<-'END'
		pause() {
			[ -c "$1" ] || until [ -s "$1" ]; do sleep 0.1; done
			sleep 1.5
		}
		{ cat lines; pause "$1"; cat lines; } |
			"$tool" append j16 >"$1"
	END
	: >out16
	tool=$tool timeout -k 5 300 script -qec 'sh slow out16' /dev/null \
		</dev/null >seen
	grep -q 'records' seen || bad "nothing shown"
	tool=$tool script -qec 'sh slow /dev/tty' /dev/null </dev/null >seen
	! grep -q 'records' seen || bad "shown over the LSNs"
else
	skip_case "no script(1)"
fi

finish
