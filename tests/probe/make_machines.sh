#!/bin/sh
# Make those machines again that any Linux machine can be, from real runs:
#
#     tests/probe/make_machines.sh JOURNAL-PROBE [DIRECTORY]
#
# As root, with a disk at /var/tmp; DIRECTORY is tests/probe/machines.  The
# others in there were made by tests/probe/lab_machines.sh or by hand: each says
# so in its second line.  Look at `git diff` afterwards, then UPDATE=1
# tests/probe/golden.sh.
set -eu

# Mounts in a namespace of its own.
if [ -z "${MACHINES_UNSHARED:-}" ]; then
	MACHINES_UNSHARED=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck disable=SC2034 # for keep.sh
probe=$(readlink -f "$1")
machines=$(readlink -f "${2:-$(dirname "$0")/machines}")
work=$(mktemp -d /var/tmp/machines.XXXXXX)
trap 'cd /; umount -q "$work"/m 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

. "$(dirname "$0")/keep.sh"

kernel=$(uname -r)
kernel=${kernel%%-*}
mkdir "$work/m"

keep virtio "virtio disk with a write cache, ext4; Linux $kernel, as root" \
	"$work"

mkdir "$work/tmpfs"
mount -t tmpfs none "$work/m"
keep tmpfs "tmpfs; Linux $kernel, as root" "$work/m"
gone

for type in ext4 xfs btrfs; do
	truncate -s 512M "$work/image"
	"mkfs.$type" -q "$work/image" >/dev/null
	mount -o loop "$work/image" "$work/m"
	keep "loop-$type" "$type on a loop device; Linux $kernel, as root" \
		"$work/m"
	gone
	rm "$work/image"
done

truncate -s 128M "$work/image"
mkfs.ext4 -q "$work/image"
mount -o loop,nobarrier "$work/image" "$work/m"
keep loop-nobarrier \
	"ext4 mounted with nobarrier on a loop device; Linux $kernel, as root" \
	"$work/m"
gone
rm "$work/image"

mkdir "$work/lower" "$work/upper" "$work/upper-work"
mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/upper-work" \
	none "$work/m"
keep overlay "overlayfs over ext4, as in a container; Linux $kernel, as root" \
	"$work/m"
gone

mkdir "$work/root"
chmod 755 "$work"
keep not-mine "a directory of somebody else; Linux $kernel, as nobody" \
	"$work/root" setpriv --reuid=65534 --regid=65534 --clear-groups

keep seccomp "virtio disk; a seccomp filter refuses io_uring_setup with EPERM; Linux $kernel, as root" \
	"$work" python3 "$(dirname "$0")/refuse_ring.py"

# For all of this machine, for a moment.
sysctl=/proc/sys/kernel/io_uring_disabled
if [ -n "${JOURNAL_TEST_SYSCTL:-}" ]; then
	was=$(cat $sysctl)
	trap 'echo "$was" >$sysctl; rm -rf "$work"' EXIT
	echo 2 >$sysctl
	keep sysctl "virtio disk; kernel.io_uring_disabled is 2; Linux $kernel, as root" \
		"$work"
	echo "$was" >$sysctl
else
	echo "sysctl: not made; set JOURNAL_TEST_SYSCTL, and the machine is" \
		"without io_uring meanwhile"
fi
