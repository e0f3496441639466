#!/bin/sh
# The example server beside redis-server --appendonly yes --appendfsync always:
# SETs per second of redis-benchmark, both durable before they answer.
#
#     tests/bench/redis.sh [BUILD_DIR]
#
# Interleaved, a fresh directory for each run: A B A B ...; medians, spread and
# the median of the ratios of each round.  Before that both are traced, with
# one client and then fifty: how many answers for one fdatasync or one write
# with RWF_DSYNC.  The server is traced over pwritev2, since strace does not
# see into io_uring; under the ring the drive's flushes are counted instead.
#
#   ROUNDS (7)  CLIENTS (50)  BYTES (128)  SECONDS_EACH (5, about)
#   TMPDIR (/var/tmp)         where both keep their files
#   REDIS_SERVER (redis-server)
#
# Wants the Debian packages redis-server (its service stopped), redis-tools and
# strace, and a machine that is doing nothing else.
set -eu

build=$(cd "${1:-.}" && pwd)
rounds=${ROUNDS:-7}
clients=${CLIENTS:-50}
bytes=${BYTES:-128}
seconds=${SECONDS_EACH:-5}	# not SECONDS, which a shell may count
redis=${REDIS_SERVER:-redis-server}
ours=$build/doc/examples/kv-server/kv-server

die() {
	echo "redis.sh: $*" >&2
	exit 2
}

command -v "$redis" >/dev/null ||
	die "no $redis: apt-get install redis-server, or REDIS_SERVER=FILE"
command -v redis-benchmark >/dev/null ||
	die "no redis-benchmark: apt-get install redis-tools"
[ -x "$ours" ] || die "no $ours: make check TESTS=, or name the build directory"
# libtool's wrapper would be what strace and kill see.
if [ -x "$build/doc/examples/kv-server/.libs/kv-server" ]; then
	ours=$build/doc/examples/kv-server/.libs/kv-server
	LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	export LD_LIBRARY_PATH
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/redis-bench.XXXXXX")
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
sock=$work/socket

# start A|B [TRACER...]: a fresh server, until it answers.
start() {
	which=$1
	shift
	rm -rf "$work/data" "$sock"
	mkdir "$work/data"
	case $which in
	A)	# a journal's directory of its own, and no snapshots meanwhile
		"$@" "$ours" --dir "$work/data/kv" --port 0 --unix "$sock" \
			--snapshot-size 1024G ${carrier:+--carrier "$carrier"} \
			>"$work/log" 2>&1 & ;;
	B)	"$@" "$redis" --dir "$work/data" --port 0 --unixsocket "$sock" \
			--appendonly yes --appendfsync always --save '' \
			--auto-aof-rewrite-percentage 0 --daemonize no \
			>"$work/log" 2>&1 & ;;
	esac
	server=$!
	left=100
	until [ "$(redis-cli -s "$sock" ping 2>/dev/null)" = PONG ]; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || die "$which does not start: $(cat "$work/log")"
		sleep 0.1
	done
}

stop() {
	pid=$(redis-cli -s "$sock" info | sed -n 's/^process_id:\([0-9]*\).*/\1/p')
	kill "$pid"
	wait "$server" || :
	server=
}

# load N PIPELINE: SETs per second.
load() {
	redis-benchmark -s "$sock" -t set -n "$1" -c "$clients" -d "$bytes" \
		-r 100000 -P "$2" --csv | sed -n 's/^"SET","\([0-9.]*\)".*/\1/p'
}

# Requests that the whole disk has flushed for, field 16 of its stat file.
flushes() {
	disk=$(stat -c '%Hd:%Ld' "$work")
	block=/sys/dev/block/$disk
	[ ! -e "$block/partition" ] || block=$block/..
	awk '{ print $16 + 0 }' "$block/stat" 2>/dev/null || echo 0
}

# traced CLIENTS: what a trace says of durability, beside the answers.  The
# trace goes through a pipe, so that what belongs to the start can be cut off.
traced() {
	for which in A B; do
		carrier=pwritev2
		start "$which" strace -f -q -o "$work/trace" \
			-e trace=fdatasync,fsync,pwritev2
		n=$(($1 * 40))
		before=$(wc -l <"$work/trace")
		redis-benchmark -s "$sock" -t set -n "$n" -c "$1" -d "$bytes" \
			-r 100000 -q >/dev/null
		tail -n "+$((before + 1))" "$work/trace" >"$work/part"
		echo "$which, $1 client(s): $n SETs," \
			"$(grep -c RWF_DSYNC "$work/part") writes with" \
			"RWF_DSYNC, $(grep -c -e ' fdatasync(' -e ' fsync(' \
				"$work/part") fdatasync or fsync"
		stop
		carrier=
	done
}

median() {
	sort -n | awk '{ v[NR] = $1 } END {
		if (NR % 2) print v[(NR + 1) / 2]
		else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

spread() {
	sort -n | awk 'NR == 1 { low = $1 } { high = $1 }
		END { printf "%.0f to %.0f", low, high }'
}

# compare PIPELINE
compare() {
	: >"$work/A" && : >"$work/B" && : >"$work/ratios"
	for which in A B; do
		start "$which"
		rate=$(load $((clients * $1 * 20)) "$1")
		eval "n_$which=\$(awk -v r=$rate -v s=$seconds -v m=$1 \
			'BEGIN { print int(r * s / m) * m }')"
		stop
	done
	round=0
	while [ "$round" -lt "$rounds" ]; do
		round=$((round + 1))
		for which in A B; do
			start "$which"
			eval "n=\$n_$which"
			before=$(flushes)
			rate=$(load "$n" "$1")
			after=$(flushes)
			echo "$rate" >>"$work/$which"
			echo "  round $round, $which, -P $1: $rate SETs/s," \
				"$((after - before)) flushes of the disk for $n"
			eval "rate_$which=$rate"
			stop
		done
		# shellcheck disable=SC2154 # by eval
		awk -v a="$rate_A" -v b="$rate_B" 'BEGIN { print a / b }' \
			>>"$work/ratios"
	done
	printf '%-4s  %-24s  %10s  %s\n' "-P $1" \
		"kv-server" "$(median <"$work/A")" "($(spread <"$work/A"))" \
		"" "redis-server" "$(median <"$work/B")" "($(spread <"$work/B"))"
	printf '      ratio %.2f (median of %d rounds)\n' \
		"$(median <"$work/ratios")" "$rounds"
}

carrier=
echo "$(uname -sr), $(nproc) processors, load $(cut -d ' ' -f 1 /proc/loadavg)"
echo "A: $("$ours" --version); B: $("$redis" --version | cut -d ' ' -f 1-3)"
start A
redis-cli -s "$sock" info | grep '^journal_\(method\|barrier\|driver\|carrier\)'
stop
if command -v strace >/dev/null; then
	traced 1
	traced 50
fi
for pipeline in 1 16; do
	compare "$pipeline"
done
