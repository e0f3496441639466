#!/bin/sh
# The same on file systems of their own: ext4, xfs and btrfs on loop devices.
# Needs root; a file system that cannot be made or mounted is skipped.
set -eu
. "${srcdir:-.}/tests/lib.sh"
here=$(pwd)
tests=$(cd "$(dirname "$0")" && pwd)
cd "$scratch"

[ "$(id -u)" -eq 0 ] || skip_all "mounting needs root"
for program in losetup mount umount; do
	command -v "$program" >/dev/null || skip_all "no $program"
done

writer=
loop=
mnt=$scratch/mnt
mkdir "$mnt"

detach() {
	if mountpoint -q "$mnt"; then
		umount "$mnt" 2>/dev/null || umount -l "$mnt" || :
	fi
	if [ -n "$loop" ]; then
		losetup -d "$loop" 2>/dev/null || :
		loop=
	fi
}

cleanup() {
	cd /
	if [ -n "$writer" ]; then
		kill -KILL "$writer" 2>/dev/null || :
		wait "$writer" 2>/dev/null || :
	fi
	detach
}

attach() {
	loop=$(losetup --find --show image 2>err) || return 1
	mount "$loop" "$mnt" 2>err || return 1
}

# make FS: an empty one, mounted.  1 and err if that cannot be.
make() {
	rm -f image
	case $1 in
	ext4)
		truncate -s 96M image
		set -- mkfs.ext4 -q -F -E lazy_itable_init=0 image
		;;
	xfs)
		truncate -s 320M image
		set -- mkfs.xfs -q -f image
		;;
	btrfs)
		truncate -s 160M image
		set -- mkfs.btrfs -q -f image
		;;
	esac
	if ! command -v "$1" >/dev/null; then
		echo "no $1" >err
		return 1
	fi
	"$@" >/dev/null 2>err || return 1
	attach
}

# Fill the file system, but for about $1 MiB.
fill() {
	dd if=/dev/zero of="$mnt/ballast" bs=1M 2>/dev/null || :
	sync -f "$mnt"
	size=$(stat -c %s "$mnt/ballast")
	truncate -s $((size - $1 * 1048576)) "$mnt/ballast"
	sync -f "$mnt"
}

essence() {
	begin "$fs: records come back by every method that is usable"
	counted 1 1500 >lines
	for method in direct buffered; do
		have=0
		"$tool" append --method "$method" --batch 8 --segment-size 1M \
			"$mnt/$method" <lines >acks 2>err || have=$?
		if [ "$have" -eq 2 ] && grep -q "$method" err; then
			echo "#   $fs: $method is refused: $(cat err)"
			continue
		fi
		[ "$have" -eq 0 ] || bad "$method: exit code $have"
		[ "$(wc -l <acks)" -eq 1500 ] || bad "$method: not 1500 LSNs"
		run 0 "$tool" cat "$mnt/$method"
		same out lines
		run 0 "$tool" verify "$mnt/$method"
		rm -rf "${mnt:?}/$method"
	done

	begin "$fs: what a kill leaves is complete"
	if ! JOURNAL_TEST_KILLS=12 TMPDIR=$mnt timeout 60 sh "$tests/kill.sh" \
		>killed 2>&1; then
		cat killed
		bad "see above"
	fi
}

full_disk() {
	begin "$fs: a full disk ends it with a message, and nothing is lost"
	rm -rf "${mnt:?}"/*
	counted 1 10000 >lines
	run 0 "$tool" append --segment-size 1M "$mnt/j" </dev/null
	fill 8
	run 2 "$tool" append --batch 4 "$mnt/j" <lines
	says "$mnt/j" 'space' 'durable'
	cp out acks
	n=$(wc -l <acks)
	[ "$n" -gt 100 ] || bad "only $n records fit"
	grep -q "$n records are durable" err || bad "not $n durable"
	head -n "$n" lines >want
	run 0 "$tool" cat "$mnt/j"
	same out want

	begin "$fs: on a full disk it can still be read, and verified"
	run 0 "$tool" verify "$mnt/j"
	run 0 "$tool" info "$mnt/j"

	begin "$fs: with space made the same journal goes on"
	rm "$mnt/ballast"
	sync -f "$mnt"
	tail -n "+$((n + 1))" lines | head -n 2000 >more
	run 0 "$tool" append --batch 32 "$mnt/j" <more
	cat want more >want2
	run 0 "$tool" cat "$mnt/j"
	same out want2

	begin "$fs: no room for a new journal is an error that leaves none"
	fill 0
	dd if=/dev/zero of="$mnt/ballast2" bs=4k 2>/dev/null || :
	run 2 "$tool" append "$mnt/new" <more
	says "$mnt/new" 'space'
	[ ! -s out ] || bad "an LSN was printed"
	[ ! -e "$mnt/new/0000000000000000.seg" ] || bad "half a journal"
	rm -f "$mnt/ballast" "$mnt/ballast2"
	sync -f "$mnt"
	run 0 "$tool" append --segment-size 1M "$mnt/new" <more
	rm -rf "$mnt/new"
}

read_only() {
	begin "$fs: mounted read-only it can be read, and not appended to"
	mount -o remount,ro "$mnt"
	run 2 "$tool" append "$mnt/j" <lines
	says "$mnt/j" 'read-only'
	run 0 "$tool" cat "$mnt/j"
	same out want2
	run 0 "$tool" verify "$mnt/j"
	run 2 "$tool" append "$mnt/new" <lines
	says "$mnt/new" 'read-only'
	mount -o remount,rw "$mnt"
}

# The highest byte of the device under the files, or nothing.
extents_end() {
	command -v filefrag >/dev/null || return 0
	filefrag -b1 -e "$@" 2>/dev/null | awk -F '[:.]+' '
		$1 + 0 == $1 && NF > 5 { end = $5 + 0; if (end > max) max = end }
		END { if (max) printf "%.0f\n", max + 1 }'
}

# The device loses its upper part under a running writer.
failing_device() {
	begin "$fs: a device that fails ends it, and nothing unwritten is acknowledged"
	rm -rf "${mnt:?}"/*
	sync -f "$mnt"
	counted 1 20000 >lines
	head -n 400 lines >first
	tail -n +401 lines >rest
	run 0 "$tool" append --segment-size 64K --record-max 4K "$mnt/j" <first
	sync -f "$mnt"
	end=$(extents_end "$mnt"/j/*.seg)
	size=$(stat -c %s image)
	[ -n "$end" ] || end=$((size / 2))
	cut=$(((end / 1048576 + 2) * 1048576))
	if [ "$cut" -ge "$size" ]; then
		skip_case "the file system put the journal at its very end"
		return 0
	fi
	# What is left below the cut is taken, so that it must go beyond.
	mkfifo feed
	"$tool" append --batch 4 "$mnt/j" <feed >acks 2>err &
	writer=$!
	exec 9>feed
	head -n 20 rest >&9
	wait_for 100 sh -c '[ "$(wc -l <acks)" -ge 20 ]' || bad "no LSNs"
	truncate -s "$cut" image
	{ tail -n +21 rest >&9; } 2>/dev/null || :
	exec 9>&-
	# It may also have had room enough below the cut.
	have=0
	wait "$writer" || have=$?
	writer=
	rm -f feed
	cp err werr
	n=$(($(wc -l <acks) + 400))
	case $have in
	2)
		says "$mnt/j" 'durable'
		grep -q " $((n - 400)) records are durable" err ||
			bad "printed $((n - 400)) LSNs: $(cat err)"
		;;
	*) bad "exit code $have: it was to meet the cut" ;;
	esac
	detach
	truncate -s "$size" image
	if ! attach; then
		echo "#   $fs does not mount any more: $(head -n 1 err)"
		detach
		return 0
	fi
	# What lies above the cut is zeros now; what lies below must be there,
	# and what is not there must be told.
	have=0
	timeout 60 "$tool" cat "$mnt/j" >out 2>err || have=$?
	got=$(wc -l <out)
	echo "#   $n acknowledged, $got read back, cat ends with $have"
	head -n "$got" lines >want
	same out want
	case $have in
	0) [ "$got" -ge "$n" ] || bad "a loss is not told" ;;
	1) ;;
	2) grep -q 'Input/output\|structure\|clean' err || bad "exit code 2" ;;
	*) bad "exit code $have" ;;
	esac
	if [ -n "$(extents_end "$mnt"/j/*.seg)" ] && [ "$have" -ne 2 ]; then
		[ "$got" -ge 400 ] ||
			bad "what lies below the cut is not readable"
	fi
}

some=no
for fs in ext4 xfs btrfs; do
	if ! make "$fs"; then
		begin "$fs"
		skip_case "$(head -n 1 err)"
		detach
		continue
	fi
	some=yes
	essence
	full_disk
	read_only
	failing_device
	detach
done
cd "$here"
[ "$some" = yes ] || skip_all "no file system could be mounted"
finish
