#!/bin/sh
# SIGKILL while 16 threads (or an event loop's 16 clients) append over rotating
# segments and one gives back what lies behind, with each driver and carrier: the next writer goes on at once,
# everything acknowledged above the last trim is there, and nothing below what
# was durably given back.
#
# Then, where a device can be slowed down (root, blkio cgroup): a writer is
# killed while its writes are under way and land late.
#
# JOURNAL_TEST_KILLS     how many (default 40; 12 in a sanitizer's build)
# JOURNAL_TEST_LANDINGS  how many of the others (default 6)
# JOURNAL_TEST_SEED      other moments (default 1, or random); they vary anyway
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

program=$builddir/tests/kill_threads
kills=40
! sanitized || kills=12
kills=${JOURNAL_TEST_KILLS:-$kills}
threads=16
seed=$(test_seed)

writer=
group=
cleanup() {
	[ -z "$writer" ] || kill -KILL "$writer" 2>/dev/null || :
	[ -z "$group" ] || rmdir "$group" 2>/dev/null || :
}

# More acknowledgements than that.
more_than() {
	[ "$(wc -c <acks)" -gt "$1" ]
}

# One life of DRIVER CARRIER; ends it after a moment.
one_life() {
	touch acks
	acked=$(wc -c <acks)
	"$program" append j acks trims "$life" "$1" "$2" "$threads" 2>err &
	writer=$!
	# Now and then so early that the journal is being opened, else when it
	# acknowledges something, however long that takes here.
	[ $((life % 7)) -eq 6 ] || wait_for 100 more_than "$acked" ||
		bad "life $life ($1, $2): nothing is acknowledged: $(cat err)"
	sleep "$(awk -v s="$seed$life" -v n="$stretch" 'BEGIN { srand(s)
		printf "%.3f", n * (0.02 + rand() * 0.15) }')"
	kill -KILL "$writer" 2>/dev/null || :
	have=0
	wait "$writer" 2>/dev/null || have=$?
	writer=
	if [ "$have" -ne 137 ]; then
		bad "life $life ($1, $2): exit code $have"
		return 0
	fi
	have=0
	timeout -k 5 300 "$program" check j acks trims >out 2>err || have=$?
	if [ "$have" -ne 0 ]; then
		bad "life $life ($1, $2): check ends with $have"
		return 0
	fi
	read -r _ wanted first <out
	all_wanted=$((all_wanted + wanted))
	if [ "$first" -gt 262144 ]; then
		trimmed=$((trimmed + 1))
	fi
}

begin "after $kills kills of $threads threads everything acknowledged is there"
life=0
all_wanted=0
trimmed=0
trimmed_before=0
# A disk that is slow just now fills no segment in such a life: longer ones.
stretch=1
while [ "$case_good" = yes ] && { [ "$life" -lt "$kills" ] ||
	{ [ "$trimmed" -le $((kills / 4)) ] && [ "$life" -lt 120 ]; }; }; do
	if [ $((life % 12)) -eq 0 ]; then
		rm -rf j acks trims
		[ "$life" -eq 0 ] || [ $((trimmed - trimmed_before)) -ge 4 ] ||
			[ "$stretch" -ge 8 ] || stretch=$((stretch * 2))
		trimmed_before=$trimmed
	fi
	case $((life % 6)) in
	0) one_life caller pwritev2 ;;
	1) one_life thread - ;;
	2) one_life loop - ;;
	3) one_life thread pwritev2 ;;
	4) one_life loop pwritev2 ;;
	5) one_life - - ;;
	esac
	life=$((life + 1))
done
echo "$all_wanted records were looked for; a segment and more was gone $trimmed times"

begin "the kills came while records were being acknowledged"
[ "$(wc -l <acks)" -gt "$threads" ] || bad "only $(wc -l <acks) acknowledged"
[ "$all_wanted" -gt "$kills" ] || bad "only $all_wanted were looked for"

begin "the kills came while files were given back"
[ "$trimmed" -gt $((kills / 4)) ] || bad "only $trimmed times of $kills"

# A group of processes whose writes to the scratch directory's disk take their
# time; empty if there can be none.
slow_group() {
	blkio=$(awk '$3 == "cgroup" && $4 ~ /blkio/ { print $2; exit }' \
		/proc/mounts)
	device=$(stat -c '%Hd:%Ld' "$scratch")
	# The limit is the whole disk's, never a partition's.
	[ ! -e "/sys/dev/block/$device/partition" ] ||
		device=$(cat "/sys/dev/block/$device/../dev")
	[ -n "$blkio" ] && mkdir "$blkio/journal-test.$$" 2>/dev/null || return 0
	group=$blkio/journal-test.$$
	echo "$device 2" >"$group/blkio.throttle.write_iops_device" 2>/dev/null ||
		{ rmdir "$group"; group=; }
}

begin "a dead writer's last writes do not land over the next writer's"
slow_group
if [ -z "$group" ]; then
	skip_case "no disk here can be slowed down (root and the blkio cgroup)"
else
	landings=${JOURNAL_TEST_LANDINGS:-6}
	life=0
	held=0
	refused=
	while [ "$life" -lt "$landings" ] && [ "$case_good" = yes ]; do
		rm -rf j acks
		: >acks
		# two lives of each driver in turn
		driver=thread
		[ $((life / 2 % 2)) -eq 0 ] || driver=loop
		"$program" append j acks - "$life" "$driver" io_uring 4 2>err &
		writer=$!
		if ! wait_for 50 test -s acks; then
			grep 'is not to be had' err >/dev/null && refused=yes ||
				bad "nothing is acknowledged"
			break
		fi
		echo "$writer" >"$group/cgroup.procs" || bad "not slowed down"
		sleep 0.3
		kill -KILL "$writer" 2>/dev/null || :
		wait "$writer" 2>/dev/null || :
		writer=
		have=0
		if [ $((life % 2)) -eq 0 ]; then
			timeout -k 5 300 "$program" land j >out 2>err || have=$?
			[ "$(cat out)" -lt 20 ] || held=$((held + 1))
		else
			timeout -k 5 300 "$program" check j acks - >out 2>err ||
				have=$?
		fi
		[ "$have" -eq 0 ] || bad "life $life: ends with $have"
		timeout -k 5 300 "$program" check j acks - >out 2>err ||
			bad "life $life: something is lost"
		life=$((life + 1))
	done
	if [ -n "$refused" ]; then
		wait "$writer" 2>/dev/null || :
		writer=
		skip_case "this machine refuses io_uring"
	elif [ "$held" -eq 0 ] && [ "$case_good" = yes ]; then
		skip_case "no write was under way at any of the kills"
	fi
fi

finish
