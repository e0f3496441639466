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
mounted=no
mnt=$scratch/mnt
mkdir "$mnt" thin
image=image

detach() {
	# mountpoint(1) cannot look at a file system that has shut down.
	if [ "$mounted" = yes ]; then
		# Somebody may be looking at it just now; a lazy one would leave
		# it mounted behind the next mount of the same image.
		wait_for 50 umount "$mnt" || umount -l "$mnt" || :
		mounted=no
	fi
	if [ -n "$loop" ]; then
		losetup -d "$loop" 2>/dev/null || :
		loop=
	fi
}

cleanup() {
	if [ -n "$writer" ]; then
		kill -KILL "$writer" 2>/dev/null || :
		wait "$writer" 2>/dev/null || :
	fi
	detach
	! mountpoint -q "$scratch/thin" || wait_for 50 umount "$scratch/thin" ||
		umount -l "$scratch/thin"
}

attach() {
	loop=$(losetup --find --show "$image" 2>err) || return 1
	mount "$loop" "$mnt" 2>err || return 1
	mounted=yes
}

# make FS: an empty one, mounted.  1 and err if that cannot be.
make() {
	rm -f "$image"
	case $1 in
	ext4)
		truncate -s 96M "$image"
		set -- mkfs.ext4 -q -F -E lazy_itable_init=0 "$image"
		;;
	xfs)
		truncate -s 320M "$image"
		set -- mkfs.xfs -q -f "$image"
		;;
	btrfs)
		truncate -s 160M "$image"
		set -- mkfs.btrfs -q -f "$image"
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
	head -n 1500 lines >some
	for method in direct buffered; do
		have=0
		"$tool" append --method "$method" --batch 8 --segment-size 1M \
			"$mnt/$method" <some >acks 2>err || have=$?
		if [ "$have" -eq 2 ] && grep -q "$method" err; then
			echo "#   $fs: $method is refused: $(cat err)"
			continue
		fi
		[ "$have" -eq 0 ] || bad "$method: exit code $have"
		[ "$(wc -l <acks)" -eq 1500 ] || bad "$method: not 1500 LSNs"
		run 0 "$tool" cat "$mnt/$method"
		same out some
		run 0 "$tool" verify "$mnt/$method"
		rm -rf "${mnt:?}/$method"
	done

	begin "$fs: what a kill leaves is complete"
	if ! JOURNAL_TEST_KILLS=12 TMPDIR=$mnt timeout -k 5 300 sh "$tests/kill.sh" \
		>killed 2>&1; then
		cat killed
		bad "see above"
	fi
}

used_again() {
	begin "$fs: only a file that is known to be its own is used again"
	program=$builddir/tests/unit/test_recycle
	if [ ! -x "$program" ]; then
		skip_case "tests/unit/test_recycle was not built"
		return 0
	fi
	if ! TMPDIR=$mnt timeout -k 5 300 "$program" >used 2>&1; then
		cat used
		bad "see above"
	fi
	sed -n "s/^test_recycle: /#   $fs: /p" used | sort -u
}

full_disk() {
	begin "$fs: a full disk ends it with a message, and nothing is lost"
	rm -rf "${mnt:?}"/*
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
	wait_for 50 mount -o remount,ro "$mnt" || bad "it stays writable"
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

# feed_writer JOURNAL: $writer takes the rest of the lines, 20 of them are
# acknowledged, then the command in $@ makes the device fail, then it gets all
# the others.  $have is how it ended.
feed_writer() {
	journal=$1
	shift
	rm -f feed
	mkfifo feed
	: >acks
	"$tool" append --batch 4 "$journal" <feed >acks 2>err &
	writer=$!
	exec 9>feed
	head -n 20 rest >&9
	wait_for 100 sh -c '[ "$(wc -l <acks)" -ge 20 ]' || bad "no LSNs"
	"$@" || bad "cannot make the device fail"
	{ tail -n +21 rest >&9; } 2>/dev/null || :
	exec 9>&-
	have=0
	wait "$writer" || have=$?
	writer=
	n=$(wc -l <acks)
	case $have in
	2)
		says "$journal" 'durable'
		grep -q " $n records are durable" err ||
			bad "printed $n LSNs: $(cat err)"
		;;
	*) bad "exit code $have: the device was to fail" ;;
	esac
	n=$((n + 400))
}

cut_device() {
	truncate -s "$cut" image && losetup -c "$loop"
}

# What an administrator would do before the next mount.
mend() {
	case $fs in
	ext4) e2fsck -fy image ;;
	xfs) xfs_repair -L image ;;
	esac >/dev/null 2>&1 || :
}

# The device loses its upper part under a running writer.
failing_device() {
	begin "$fs: a device that loses its end stops it, and what lies before is there"
	rm -rf "${mnt:?}"/*
	sync -f "$mnt"
	# Little room, so that it cannot go on below the cut.
	fill 24
	run 0 "$tool" append --segment-size 64K --record-max 4K "$mnt/j" <first
	# So that none of it lives in the file system's own journal only.
	detach
	attach || bad "$(head -n 1 err)"
	end=$(extents_end "$mnt"/j/*.seg)
	size=$(stat -c %s image)
	below=yes
	if [ -z "$end" ]; then
		below=no
		end=$((size / 2))
	fi
	cut=$(((end / 1048576 + 2) * 1048576))
	echo "#   $fs: the journal ends at $end, the cut is at $cut of $size"
	if [ "$cut" -ge "$size" ]; then
		skip_case "the file system put the journal at its very end"
		return 0
	fi
	feed_writer "$mnt/j" cut_device
	detach
	# What lay above the cut is zeros now.
	truncate -s "$size" image
	mend
	if ! attach; then
		echo "#   $fs does not mount after that: $(head -n 1 err)"
		return 0
	fi
	have=0
	timeout -k 5 300 "$tool" cat "$mnt/j" >out 2>err || have=$?
	got=$(wc -l <out)
	echo "#   $n acknowledged, $got read back, cat ends with $have"
	head -n "$got" lines >want
	same out want
	# Whether the loss can be told depends on what survived above: with the
	# last watermarks gone too, only a witness knows.
	[ "$have" -le 1 ] || bad "exit code $have"
	[ "$got" -ge 400 ] || [ "$below" = no ] ||
		bad "what lies below the cut is not readable"
}

# make_thin MIB: thin/ is a file system with so much room left, on a disk: in
# memory a journal would be refused.  1 and err if that cannot be.
make_thin() {
	rm -f outer
	truncate -s 640M outer
	mkfs.ext4 -q -F -m 0 -N 64 -O ^has_journal outer >/dev/null 2>err ||
		return 1
	mount -o loop outer thin 2>err || return 1
	# shellcheck disable=SC2046 # two numbers
	set -- "$1" $(stat -f -c '%a %S' thin)
	fallocate -l $(($2 * $3 - $1 * 1048576)) thin/ballast 2>err
}

# Space that is promised and not there: the device fails, and what it took it
# keeps.  So nothing that was acknowledged may be missing.
thin_device() {
	begin "$fs: a thin device that runs out stops it, and nothing acknowledged is lost"
	if ! make_thin "$2"; then
		skip_case "$(head -n 1 err)"
		return 0
	fi
	image=thin/image
	if ! make "$fs"; then
		skip_case "$(head -n 1 err)"
		return 0
	fi
	run 0 "$tool" append --batch 16 --segment-size 64K --record-max 4K \
		"$mnt/j" <first
	feed_writer "$mnt/j" true
	detach
	rm thin/ballast
	if ! attach; then
		echo "#   $fs does not mount after that: $(head -n 1 err)"
		return 0
	fi
	run 0 "$tool" cat "$mnt/j"
	got=$(wc -l <out)
	echo "#   $n acknowledged, $got read back"
	[ "$got" -ge "$n" ] || bad "a loss of $((n - got)) records"
	head -n "$got" lines >want
	same out want
	tail -n "+$((got + 1))" lines | head -n 500 >more
	run 0 "$tool" append --batch 8 "$mnt/j" <more
	run 0 "$tool" cat "$mnt/j"
	head -n $((got + 500)) lines >want
	same out want
	rm -rf "${mnt:?}"/*
}

counted 1 20000 >lines
head -n 400 lines >first
tail -n +401 lines >rest

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
	used_again
	full_disk
	read_only
	failing_device
	detach
	# Room for the empty file system and some of the lines.
	case $fs in
	ext4) thin_device "$fs" 16 ;;
	xfs) thin_device "$fs" 80 ;;
	btrfs) thin_device "$fs" 48 ;;
	esac
	detach
	! mountpoint -q thin || wait_for 50 umount thin || bad "thin is busy"
	image=image
done
cd "$here"
[ "$some" = yes ] || skip_all "no file system could be mounted"
finish
