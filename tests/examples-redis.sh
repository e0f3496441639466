#!/bin/sh
# Redis's own programs as clients of the example server.
set -eu
. "${srcdir:-.}/tests/lib.sh"
. "$srcdir/tests/examples/server.sh"
cd "$scratch"

command -v redis-cli >/dev/null || skip_all "there is no redis-cli"
command -v redis-benchmark >/dev/null || skip_all "there is no redis-benchmark"

start

begin "redis-cli sees what it would see from Redis"
cat >session <<'END'
PING
SET greeting "hello, world"
GET greeting
INCR visits
INCR visits
GET nothing
DEL greeting visits nothing
DBSIZE
SET k v EX 10
INCR
nonsense
ECHO "a b"
FLUSHALL
CONFIG GET appendonly
END
cat >want <<'END'
PONG
OK
"hello, world"
(integer) 1
(integer) 2
(nil)
(integer) 2
(integer) 0
(error) ERR SET takes a key and a value; its options are not supported here
(error) ERR wrong number of arguments for 'incr' command
(error) ERR unknown command 'nonsense'
"a b"
OK
1) "appendonly"
2) "yes"
END
redis-cli --no-raw -s "$sock" <session >have 2>err ||
	bad "redis-cli ends with $?"
sed '/^$/d' have >out
same want out

begin "redis-benchmark runs, with and without a pipeline, and counts right"
for pipeline in 1 16; do
	redis-cli -s "$sock" flushall >out
	run 0 redis-benchmark -s "$sock" -t set,get,incr -n 8000 -c 50 \
		-P "$pipeline" --csv
	[ "$(grep -c '^"\(SET\|GET\|INCR\)"' out)" -eq 3 ] ||
		bad "not three results: $(tr '\n' ' ' <out)"
	! grep -qi 'error\|warning' out err || bad "$(head -n 1 err)"
	redis-cli -s "$sock" get 'counter:__rand_int__' >out
	[ "$(cat out)" = 8000 ] || bad "the counter is $(cat out), not 8000"
done

begin "what redis-benchmark left is there after a kill"
kill_server
start
redis-cli -s "$sock" get 'counter:__rand_int__' >out
[ "$(cat out)" = 8000 ] || bad "the counter is $(cat out), not 8000"
stop

finish
