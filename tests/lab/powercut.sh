#!/bin/sh
# powercut.sh - cut the power, many times, and see if the journal kept its word.
#
#     sudo tests/lab/powercut.sh [--build DIR] [--images N] [--seed N]
#                                [--kernel K]... [CASE]...
#
# Each case is FS:METHOD:DRIVER, or FS:METHOD:DRIVER:CHEAT for a control that
# has to be caught: FS is ext4, xfs, xfs-noreflink, btrfs or raw; "-" leaves the
# choice to the library; CHEAT is early or lazy (tests/lab/powercut.c).  With
# "count" for the DRIVER there are no images: of 50 commits, one after the other,
# each is covered in the record before it returns, by one flush or FUA write.
# A guest
# with an NVMe namespace that has a volatile cache and FUA runs the writer, and
# every write, flush and mark is recorded; then --images (25) images of cuts are
# made, mounted and judged here (tests/lab/powercut.py).  Without a CASE: all of
# them; without --kernel: all that the lab has.  Needs root.
#
# Exit status: 0 nothing was lost and every control was caught, 1 not so, 2
# usage, 77 there can be no guest here.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
size_mib=320

wrong()
{
	echo "powercut: $*; try --help" >&2
	exit 2
}

all_cases="ext4:direct:caller ext4:direct:thread ext4:direct:loop
	ext4:buffered:caller ext4:nvme-flush:caller ext4:nvme-flush:thread
	xfs:direct:thread xfs:buffered:thread xfs-noreflink:nvme-flush:caller
	btrfs:direct:caller btrfs:buffered:caller
	raw:direct:caller raw:direct:thread raw:nvme-flush:caller
	raw:nvme-flush:thread raw:buffered:caller
	ext4:nvme-flush:count ext4:direct:count ext4:buffered:count
	raw:nvme-flush:count raw:direct:count
	ext4:direct:caller:early ext4:direct:caller:lazy
	raw:nvme-flush:caller:lazy"

build=.
images=25
seed=1
kernels=
while [ $# -gt 0 ]; do
	case $1 in
	--help)
		sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
		exit 0 ;;
	--build|--images|--seed|--kernel)
		[ $# -ge 2 ] || wrong "$1 wants a value" ;;
	-*)
		wrong "unknown option $1" ;;
	esac
	case $1 in
	--build) build=$2 ;;
	--images) images=$2 ;;
	--seed) seed=$2 ;;
	--kernel) kernels="$kernels $2" ;;
	*) break ;;
	esac
	shift 2
done
[ -n "$kernels" ] || kernels="6.1 6.12 7"
[ $# -gt 0 ] || set -- $all_cases
[ "$(id -u)" -eq 0 ] || wrong "mounting images wants root"
build=$(cd "$build" && pwd)
[ -x "$build/tests/lab/powercut" ] ||
	wrong "$build has no tests/lab/powercut: make check TESTS="

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/powercut.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cat >"$scratch/guest" <<'END'
fs=$1 method=$2 driver=$3 cheat=${4-}
journal=$lab_nvmet
if [ "$fs" != raw ]; then
	make_fs "$fs" "$lab_nvmet" /mnt/powercut
	journal=/mnt/powercut/j
fi
if [ "$driver" = count ]; then
	powercut count "$journal" nvmet-log "$method" 50
else
	powercut write "$journal" nvmet-log "$method" "$driver" 2 0.7 $cheat
fi
END

# counted KERNEL CASE - each commit is covered before its mark, and costs one
# flush or FUA write; the file system and the watermark may need a few more.
counted()
{
	read -r commits bare found <<-END
		$(python3 -B "$here/powercut.py" flushes "$out/nvmet-log.img")
	END
	said="$commits commits, $bare not covered, $found flushes and FUA writes"
	if [ "$commits" -ne 50 ] || [ "$bare" -ne 0 ] || [ "$found" -gt 56 ]
	then
		echo "not ok - $1 $2: $said"
		return 1
	fi
	echo "ok - $1 $2: $said"
}

# one KERNEL CASE - 0 it went as it has to.
one()
{
	kernel=$1 case=$2
	out=$scratch/out
	rm -rf "$out"
	IFS=:
	# shellcheck disable=SC2086 # its parts
	set -- $case
	unset IFS
	cheat=${4-}
	rc=0
	sh "$here/run.sh" --build "$build" --out "$out" \
		--nvmet "${size_mib}M" "$kernel" "$scratch/guest" "$@" \
		>"$scratch/run.log" 2>&1 || rc=$?
	[ "$rc" -ne 77 ] || {
		cat "$scratch/run.log" >&2
		exit 77
	}
	if [ "$rc" -ne 0 ]; then
		tail -n 20 "$scratch/run.log" "$out/log" >&2
		echo "not ok - $kernel $case: the writer ended with $rc"
		return 1
	fi
	said=$(sed -n 's/^life 0: \(method .*barrier [^;]*\);.*/\1/p' \
		"$out/log")
	if [ "${3-}" = count ]; then
		counted "$kernel" "$case"
		return
	fi
	# What a control loses is a matter of chance: more cuts, until it is seen.
	turn=0
	while :; do
		verdict=$(python3 -B "$here/powercut.py" check \
			"$out/nvmet-log.img" --size $((size_mib * 1048576)) \
			--fs "${case%%[:-]*}" \
			--program "$build/tests/lab/powercut" \
			--count "$images" --seed $((seed + turn)) \
			--dir "$scratch") && broken=0 || broken=$?
		turn=$((turn + 1))
		[ -n "$cheat" ] && [ "$broken" -eq 0 ] && [ "$turn" -lt 10 ] ||
			break
	done
	if [ "$broken" -gt 1 ]; then
		echo "not ok - $kernel $case: no verdict"
		return 1
	fi
	total=$((total + images))
	last=$(echo "$verdict" | tail -n 1)
	if [ -n "$cheat" ] && [ "$broken" -eq 0 ]; then
		echo "not ok - $kernel $case: nobody noticed: $last"
		return 1
	fi
	if [ -z "$cheat" ] && [ "$broken" -ne 0 ]; then
		echo "$verdict"
		echo "not ok - $kernel $case ($said)"
		return 1
	fi
	echo "ok - $kernel $case ($said): $last"
}

total=0
failed=0
for kernel in $kernels; do
	for case; do
		one "$kernel" "$case" || failed=$((failed + 1))
	done
done
echo "$total images, $failed cases that went wrong"
[ "$failed" -eq 0 ]
