#!/bin/sh
# A journal on real block devices: loop devices, a partition of one, one with
# blocks of 4 KiB.  Needs root.
#
# JOURNAL_TEST_KILLS     how often a writer is killed (default 12)
# JOURNAL_TEST_LANDINGS  how often with writes under way (default 4)
# JOURNAL_TEST_SEED      other moments (default 1, or random); they vary anyway
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

[ "$(id -u)" -eq 0 ] || skip_all "loop devices need root"
command -v losetup >/dev/null || skip_all "no losetup"

program=$builddir/tests/kill_threads
probe=$builddir/.libs/journal-probe
[ -x "$probe" ] || probe=$builddir/journal-probe
loops=
writer=
group=
mounted=
cleanup() {
	if [ -n "$writer" ]; then
		kill -KILL "$writer" 2>/dev/null || :
		wait "$writer" 2>/dev/null || :
	fi
	[ -z "$mounted" ] || wait_for 50 umount mnt || :
	for device in $loops; do
		wait_for 50 losetup -d "$device" || :
	done
	[ -z "$group" ] || rmdir "$group" 2>/dev/null || :
}

# device SIZE [OPTION]...: a blank one, in $dev, with its file $image.
device() {
	image=image$1.$$
	rm -f "$image"
	truncate -s "$1" "$image"
	shift
	dev=$(losetup --find --show "$@" "$image" 2>err) || return 1
	loops="$loops $dev"
}

gone() {
	losetup -d "$1"
	loops=$(echo "$loops" | sed "s#$1\$##; s#$1 ##")
	rm -f "$image"
}

device 40M || skip_all "no loop device can be made: $(cat err)"
counted 1 3000 >lines

begin "records come back from a device by every method"
for method in direct buffered; do
	run 0 "$tool" append --overwrite --method "$method" --batch 8 \
		--segment-size 1M "$dev" <lines
	[ "$(wc -l <out)" -eq 3000 ] || bad "$method: not 3000 LSNs"
	cp out acks
	run 0 "$tool" cat "$dev"
	same out lines
	run 0 "$tool" verify "$dev"
	grep -q 'sound' out || bad "$method: not sound"
	run 0 "$tool" info "$dev"
	grep -q '^slots: *38$' out || bad "$method: not 38 slots"
done

begin "what was given back is gone, and its slots are used again"
lsn=$(sed -n 2900p acks)
run 0 "$tool" trim "$dev" "$lsn"
run 0 "$tool" cat "$dev"
tail -n +2900 lines >want
same out want
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	run 0 "$tool" append --batch 64 "$dev" <lines
	lsn=$(sed -n 2999p out)
	run 0 "$tool" trim "$dev" "$lsn"
done
run 0 "$tool" cat "$dev"
tail -n 2 lines >want
same out want
run 0 "$tool" verify "$dev"

begin "a device is followed and salvaged, and has no statistics to show"
run 2 "$tool" stats "$dev"
says "$dev" 'device'
run 0 "$tool" salvage "$dev" saved
run 0 "$tool" cat saved
same out want
"$tool" cat --follow "$dev" >followed 2>err &
writer=$!
wait_for 100 cmp -s followed want || bad "followed and want differ"
sleep 0.5
same followed want
kill "$writer" || bad "it has ended: $(cat err)"
wait "$writer" 2>/dev/null || :
writer=

begin "a full device ends it with a message, and a larger one goes on"
gone "$dev"
device 6M
run 2 "$tool" append --segment-size 1M "$dev" <lines
says "$dev" 'space'
n=$(wc -l <out)
[ "$n" -gt 500 ] || bad "only $n records fit"
truncate -s 20M "$image"
losetup -c "$dev"
tail -n "+$((n + 1))" lines >more
run 0 "$tool" append --batch 64 "$dev" <more
run 0 "$tool" cat "$dev"
same out lines
run 0 "$tool" info --json "$dev"
grep -q '"slots":18,' out || bad "not 18 slots: $(cat out)"

begin "a device that was cut off is damage"
truncate -s 4M "$image"
losetup -c "$dev"
run 1 "$tool" append "$dev" <lines
says "shrunk" "segment"
run 1 "$tool" verify "$dev"
gone "$dev"

begin "a mounted device is refused, and one that holds a file system"
device 32M
if mkfs.ext4 -q -F "$dev" >/dev/null 2>&1 && mkdir mnt &&
   mount "$dev" mnt 2>/dev/null; then
	mounted=yes
	run 2 "$tool" append "$dev" <lines
	says "$dev" 'in use' 'mounted'
	run 2 "$tool" append --overwrite "$dev" <lines
	says "$dev" 'in use'
	# Somebody may be looking at it just now.
	wait_for 50 umount mnt || bad "cannot be unmounted"
	mounted=
	sha256sum <"$image" >before
	run 2 "$tool" append "$dev" <lines
	says "$dev" 'not blank' 'ext4' 'overwrite'
	sha256sum <"$image" >after
	same before after
	run 0 "$tool" append --overwrite --segment-size 1M "$dev" <lines
	run 0 "$tool" cat "$dev"
	same out lines
	if command -v blkid >/dev/null; then
		[ -z "$(blkid -p "$dev" || :)" ] ||
			bad "a signature is left: $(blkid -p "$dev")"
	fi
else
	skip_case "no ext4 can be made and mounted here"
fi

begin "a device that another program has for itself is refused"
if "${PYTHON3:-python3}" -c '' 2>/dev/null; then
	"${PYTHON3:-python3}" -c 'import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)
print("held", flush=True)
time.sleep(60)' "$dev" >held &
	writer=$!
	wait_for 50 grep -q held held || bad "it is not held"
	run 2 "$tool" append "$dev" <lines
	says "$dev" 'in use'
	# Who reads does no harm.
	run 0 "$tool" cat "$dev"
	kill -KILL "$writer"
	wait "$writer" 2>/dev/null || :
	writer=
else
	skip_case "no python3"
fi

begin "a second writer is told who the first one is"
mkfifo pipe
"$tool" append "$dev" <pipe >out1 2>err1 &
writer=$!
exec 3>pipe
echo one >&3
wait_for 100 test -s out1 || bad "nothing is acknowledged"
run 2 "$tool" append "$dev" <lines
says "process $writer"
exec 3>&-
wait "$writer" || bad "the first one fails"
writer=

begin "a probe tells of the device and does not write to it"
sha256sum <"$image" >before
have=0
"$probe" "$dev" >out 2>err || have=$?
[ "$have" -eq 0 ] || bad "exit code $have"
grep -q 'raw device' out || bad "it does not say what it is"
have=0
"$probe" --measure=0.1 "$dev" >out 2>err || have=$?
[ "$have" -eq 2 ] || bad "--measure: exit code $have"
grep -q "$dev.*never writes to a device.*append --measure" err ||
	bad "it does not say what to do: $(cat err)"
sha256sum <"$image" >after
same before after

begin "a device is measured where no segment is, and the choice is kept"
truncate -s 64M "$image"
losetup -c "$dev"
run 0 "$tool" append --overwrite --measure --segment-size 1M "$dev" <lines
run 0 "$tool" info "$dev"
grep -q '^measured: .*no file system on loop.*used at open' out ||
	bad "it is not kept: $(grep '^measured' out)"
run 0 "$tool" append --batch 100 "$dev" <lines
run 0 "$tool" append --batch 100 --measure "$dev" <lines
run 0 "$tool" cat "$dev"
cat lines lines lines >want
same out want
run 0 "$tool" verify "$dev"
truncate -s 80M "$image"
losetup -c "$dev"
run 0 "$tool" append "$dev" <lines
run 0 "$tool" info "$dev"
grep -q '^slots: *78$' out || bad "not 78 slots"

begin "a device that is read-only can be read"
# Another device of the same file: its number may be somebody else's by now.
losetup -d "$dev"
loops=$(echo "$loops" | sed "s#$dev\$##; s#$dev ##")
dev=$(losetup --find --show -r "$image")
loops="$loops $dev"
run 0 "$tool" cat "$dev"
run 0 "$tool" verify "$dev"
run 2 "$tool" append "$dev" <lines
says "$dev"
gone "$dev"

begin "a device with blocks of 4 KiB has a journal"
if device 16M --sector-size 4096; then
	run 0 "$tool" append --segment-size 1M --batch 16 "$dev" <lines
	run 0 "$tool" cat "$dev"
	same out lines
	gone "$dev"
else
	skip_case "no such loop device: $(cat err)"
fi

begin "a partition has a journal, and its disk is refused"
device 24M -P
# What a table of partitions has at its end; nobody need read it.
printf '\125\252' | dd of="$image" bs=1 seek=510 conv=notrunc 2>/dev/null
if addpart "$dev" 1 2048 40960 2>/dev/null && wait_for 20 test -b "${dev}p1"
then
	run 0 "$tool" append --segment-size 1M --batch 16 "${dev}p1" <lines
	run 0 "$tool" cat "${dev}p1"
	same out lines
	run 2 "$tool" append "$dev" <lines
	says 'not blank'
	run 2 "$tool" cat "$dev"
	says 'no journal'
	delpart "$dev" 1 2>/dev/null || :
else
	skip_case "no partition can be made here"
fi
gone "$dev"

# More acknowledgements than that.
more_than() {
	[ "$(wc -c <acks)" -gt "$1" ]
}

# One life of DRIVER CARRIER; ends it after a moment.
one_life() {
	touch acks
	acked=$(wc -c <acks)
	"$program" append "$dev" acks trims "$life" "$1" "$2" 16 2>err &
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
	timeout -k 5 300 "$program" check "$dev" acks trims >out 2>err || have=$?
	if [ "$have" -ne 0 ]; then
		bad "life $life ($1, $2): check ends with $have"
		return 0
	fi
	read -r _ wanted first <out
	all_wanted=$((all_wanted + wanted))
	last_first=$first
}

kills=${JOURNAL_TEST_KILLS:-12}
seed=$(test_seed)
stretch=1
begin "after $kills kills of 16 threads everything acknowledged is there"
device 64M
: >acks
: >trims
life=0
all_wanted=0
last_first=0
while [ "$life" -lt "$kills" ] && [ "$case_good" = yes ]; do
	case $((life % 4)) in
	0) one_life caller pwritev2 ;;
	1) one_life thread - ;;
	2) one_life thread pwritev2 ;;
	3) one_life - - ;;
	esac
	life=$((life + 1))
done
echo "$all_wanted records were looked for; the journal begins at $last_first"
[ "$all_wanted" -gt "$kills" ] || bad "only $all_wanted were looked for"
gone "$dev"

# The device, so slow that writes are under way when their process dies.
slow() {
	blkio=$(awk '$3 == "cgroup" && $4 ~ /blkio/ { print $2; exit }' \
		/proc/mounts)
	[ -n "$blkio" ] && mkdir "$blkio/journal-raw.$$" 2>/dev/null || return 1
	group=$blkio/journal-raw.$$
	echo "$(stat -c '%Hr:%Lr' "$dev") 2" \
		>"$group/blkio.throttle.write_iops_device" 2>/dev/null ||
		return 1
}

begin "a dead writer's last writes keep the device until they have landed"
device 64M
if slow; then
	landings=${JOURNAL_TEST_LANDINGS:-4}
	life=0
	held=0
	refused=
	while [ "$life" -lt "$landings" ] && [ "$case_good" = yes ]; do
		"$tool" append --overwrite --segment-size 256K "$dev" \
			</dev/null >out 2>err || bad "no journal can be made"
		: >acks
		"$program" append "$dev" acks - "$life" thread io_uring 4 2>err &
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
			timeout -k 5 300 "$program" land "$dev" >out 2>err ||
				have=$?
			[ "$(cat out)" -lt 3 ] || held=$((held + 1))
			[ "$have" -eq 0 ] || bad "life $life: ends with $have"
		fi
		have=0
		timeout -k 5 300 "$program" check "$dev" acks - >out 2>err ||
			have=$?
		[ "$have" -eq 0 ] || bad "life $life: ends with $have"
		life=$((life + 1))
	done
	if [ -n "$refused" ]; then
		wait "$writer" 2>/dev/null || :
		writer=
		skip_case "this machine refuses io_uring"
	elif [ "$held" -eq 0 ] && [ "$case_good" = yes ]; then
		skip_case "no write was under way at any of the kills"
	else
		echo "the device was held $held times of $((life / 2))"
	fi
else
	skip_case "no device here can be slowed down (blkio cgroup)"
fi
gone "$dev"

finish
