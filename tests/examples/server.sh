# tests/examples/server.sh - starting and ending the example server; sourced
# behind tests/lib.sh.
#
# JOURNAL_TEST_IO_URING=refused runs the server where io_uring is refused.
#
# shellcheck shell=sh

# program NAME - the program itself and not libtool's wrapper.
program() {
	for place in "$builddir/$(dirname "$1")/.libs" \
			"$builddir/$(dirname "$1")"; do
		[ ! -x "$place/$(basename "$1")" ] || echo "$place/$(basename "$1")"
	done | head -n 1
}

kv_server=$(program doc/examples/kv-server/kv-server)
kv_early=$(program tests/examples/kv-server-early)
no_io_uring=$(program tests/examples/no_io_uring)
client=$srcdir/tests/examples/client.py
python=${PYTHON3:-python3}
sock=$scratch/socket
# Nothing is written beside the sources.
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null ||
	skip_all "there is no python3"
# A sanitizer's report would be lost with the server's end.
server_log=$scratch/server.err

server=
cleanup() {
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || :
}

# start OPTION...: in the directory kv; waits until it answers.
start() {
	start_program "$kv_server" "$@"
}

start_program() {
	program=$1
	shift
	set -- "$program" --dir "$scratch/kv" --port 0 --unix "$sock" "$@"
	if [ "${JOURNAL_TEST_IO_URING:-}" = refused ]; then
		set -- "$no_io_uring" "$@"
	fi
	"$@" 2>>"$server_log" &
	server=$!
	if ! wait_for 200 "$python" "$client" ping "$sock"; then
		bad "the server does not answer: $(tail -n 1 "$server_log")"
		return 0
	fi
}

gone() {
	! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

# ended CODE: the server has ended, or does so now, with that exit status.
ended() {
	if ! wait_for 300 gone "$server"; then
		bad "the server does not end"
		kill -KILL "$server"
	fi
	have=0
	wait "$server" 2>/dev/null || have=$?
	server=
	[ "$have" -eq "$1" ] ||
		bad "the server ends with $have, not $1: $(tail -n 3 "$server_log" | tr '\n' ' ')"
}

stop() {
	kill -TERM "$server"
	ended 0
}

# kill_server: the hard way; it must have been at work until then.
kill_server() {
	kill -KILL "$server" 2>/dev/null || bad "the server was gone"
	ended 137
}

# checked MODE ARGUMENT...: a check by client.py, which says what is wrong.
checked() {
	timeout -k 5 600 "$python" "$client" "$@" >"$scratch/out" \
		2>"$scratch/err" || bad "$1: $(tail -n 1 "$scratch/err")"
}

# info FIELD
info() {
	"$python" "$client" info "$sock" "$1"
}
