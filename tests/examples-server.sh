#!/bin/sh
# The example server: how it speaks, starts, ends and bounds what it takes.
set -eu
. "${srcdir:-.}/tests/lib.sh"
. "$srcdir/tests/examples/server.sh"
cd "$scratch"

# speaks CASE [ARGUMENT]...
speaks() {
	case=$1
	shift
	timeout -k 5 600 "$python" "$srcdir/tests/examples/protocol.py" "$case" \
		"$sock" "$@" >out 2>err || bad "$case: $(tail -n 1 err)"
}

complains() {
	if [ "$(grep -c '^kv-server: ' "$server_log")" -ne 1 ]; then
		bad "not one line: $(head -n 3 "$server_log" | tr '\n' ' ')"
	fi
	for pattern; do
		grep -q -e "$pattern" "$server_log" ||
			bad "it does not say '$pattern': $(head -n 1 "$server_log")"
	done
}

# starts_not CODE PATTERN: it ends by itself with that status and message.
starts_not() {
	: >"$server_log"
	code=$1
	pattern=$2
	shift 2
	have=0
	timeout -k 5 300 "$kv_server" --dir kv --port 0 --unix "$sock" "$@" \
		2>"$server_log" || have=$?
	[ "$have" -eq "$code" ] || bad "exit status $have, not $code"
	complains "$pattern"
}

begin "it tells how it is used, and what is wrong with a command line"
run 0 "$kv_server" --help
grep -q '^Usage: kv-server' out || bad "no usage"
run 0 "$kv_server" --version
for wrong in "--dir" "--dir d --nonsense" "--dir d x" "" "--dir d --port 65536" \
	"--dir d --port x" "--dir d --max-clients 0" "--dir d --port 0" \
	"--dir d --snapshot-size 1Q"; do
	# shellcheck disable=SC2086 # words
	run 2 "$kv_server" $wrong
	[ "$(wc -l <err)" -eq 1 ] || bad "not one line for: $wrong"
done
[ ! -e d ] || bad "a wrong command line has made a directory"

begin "it answers as it should, and refuses what it does not support"
start --segment-size 1M --record-max 200K
speaks session
speaks refusals
speaks inline
speaks half_closed

begin "a request may come in pieces"
speaks fragments

begin "what is no request ends its own connection only"
speaks garbage

begin "a value may be as large as a record, and a larger one is refused"
speaks large $((200 * 1024))

begin "a client that does not read holds up no other and costs little memory"
# A sanitizer keeps what was freed.
if sanitized; then own_kb=262144; else own_kb=16384; fi
speaks slow_reader "$own_kb"

begin "SIGTERM ends it with everything durable and the journal sound"
"$python" "$client" load "$sock" acks 5 term >out 2>err &
loader=$!
sleep 0.5
stop
wait "$loader" || bad "the clients: $(tail -n 1 err)"
[ ! -e "$sock" ] || bad "it has left its socket behind"
run 0 "$tool" verify kv/journal
start
checked check "$sock" acks

begin "a second server is refused, and the first lives on"
starts_not 2 'journal' --unix "$scratch/other"
checked ping "$sock"
kill_server

begin "a socket file that nobody listens to is taken over"
[ -e "$sock" ] || bad "there is none"
start --max-clients 5
speaks max_clients 5
stop
echo text >"$sock"
starts_not 2 'socket'
rm "$sock"

begin "it listens at a TCP port, too"
# One that no other program gets unless it asks for it.
port=$("$python" -c 'import random, socket
for _ in range(1000):
    port = random.randrange(15000, 32000)
    try:
        s = socket.socket()
        s.bind(("127.0.0.1", port))
        break
    except OSError:
        pass
print(port)')
start --port "$port"
have=$("$python" -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"PING\r\n")
print(s.recv(100).decode())' "$port" 2>err) || :
[ "$have" = "$(printf '+PONG\r')" ] || bad "it says '$have'"
stop

begin "snapshots let the journal be short, and a restart find everything"
rm -rf kv
start --segment-size 64K --record-max 16K --snapshot-size 512K
speaks fill 1000 500
wait_for 50 sh -c '[ "$("$1" "$2" info "$3" snapshot_lsn)" -gt 0 ]' sh \
	"$python" "$client" "$sock" || bad "no snapshot was made"
speaks fill 1000 600
speaks filled 1000 600
wait_for 100 sh -c '[ "$("$1" "$2" info "$3" journal_first_lsn)" -gt 1000000 ]' \
	sh "$python" "$client" "$sock" || bad "nothing was given back"
kill_server
start --segment-size 64K --record-max 16K
speaks filled 1000 600
[ "$(info loaded_keys)" -gt 0 ] || bad "nothing came from the snapshot"
stop
start
speaks filled 1000 600
stop

begin "a snapshot that is damaged, missing, old or foreign is told of"
cp kv/snapshot good
cp -a kv spare
printf 'X' | dd of=kv/snapshot bs=1 seek=1000 conv=notrunc 2>/dev/null
starts_not 1 'snapshot: '
head -c 2000 good >kv/snapshot
starts_not 1 'snapshot: '
head -c 20 good >kv/snapshot
starts_not 1 'snapshot: '
: >kv/snapshot
starts_not 1 'snapshot: '
rm kv/snapshot
starts_not 1 'begins at LSN'
# the journal of before a snapshot has lost something
cp good kv/snapshot
rm -rf kv/journal
starts_not 1 'journal'
mv kv broken
start
stop
cp good kv/snapshot
starts_not 1 ''
rm -rf kv
mv spare kv

begin "a snapshot that cannot be written costs nothing but room"
rm -rf kv
start --segment-size 64K --record-max 16K
stop
mkdir kv/snapshot.tmp
: >"$server_log"
start --segment-size 64K --record-max 16K --snapshot-size 512K
speaks fill 500 500
wait_for 50 sh -c '[ "$("$1" "$2" info "$3" snapshots_failed)" -gt 0 ]' sh \
	"$python" "$client" "$sock" || bad "it has not failed"
grep -q 'snapshot: not written: Is a directory' "$server_log" ||
	bad "it does not say so"
rmdir kv/snapshot.tmp
speaks fill 500 600
wait_for 50 sh -c '[ "$("$1" "$2" info "$3" snapshot_lsn)" -gt 0 ]' sh \
	"$python" "$client" "$sock" || bad "no snapshot was made later"
speaks filled 500 600
stop

finish
