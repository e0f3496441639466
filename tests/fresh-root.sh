#!/bin/sh
# README's two commands, word for word, on machines that have nothing: Debian
# made by debootstrap, the sources under a path with a space, as root and then,
# with everything installed, as somebody without any right.
#
#     sudo tests/fresh-root.sh [--cache DIR] [--keep] [SUITE]...
#
# Suites: bookworm and trixie unless named. The archive is the one that this
# machine's own apt uses. --cache keeps the bare systems in DIR for the next
# time. Needs root, debootstrap, git, the network and some minutes per suite,
# so that it is no part of `make check`. Exit status: 0 everything worked, 1 a
# command failed, 2 it could not be tried.
set -eu

limit_s=1800
nobody=4321

usage()
{
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
}

fail_setup()
{
	echo "fresh-root: $*" >&2
	exit 2
}

cleanup()
{
	rc=$?
	trap - EXIT
	if [ -n "$scratch" ]; then
		if [ -n "$keep" ]; then
			echo "Kept: $scratch"
		else
			rm -rf --one-file-system "$scratch"
		fi
	fi
	exit "$rc"
}

# The address this machine's apt fetches its own distribution from.
archive()
{
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' \
		'Created-By: Packages' | awk '$2 == "Debian" { print $1; exit }'
}

# bare SUITE DIR - the smallest system that has apt.
bare()
{
	if [ -n "$cache" ] && [ -s "$cache/$1.tar" ]; then
		mkdir "$2"
		tar -C "$2" -xpf "$cache/$1.tar"
		return
	fi
	timeout "$limit_s" debootstrap --variant=minbase "$1" "$2" \
		"$(archive)" >"$scratch/debootstrap.log" 2>&1 || {
		tail -n 20 "$scratch/debootstrap.log" >&2
		fail_setup "debootstrap of $1 failed"
	}
	# What this machine's apt needs to be told, that one needs as well.
	apt-config dump Acquire | grep -v IndexTargets \
		>"$2/etc/apt/apt.conf.d/00acquire"
	if [ -n "$cache" ]; then
		tar -C "$2" -cf "$cache/$1.tar.new" .
		mv "$cache/$1.tar.new" "$cache/$1.tar"
	fi
}

# inside ROOT USER COMMAND - in the clone, in a mount namespace of its own, so
# that nothing stays mounted whatever happens.
inside()
{
	# shellcheck disable=SC2016 # expanded in there
	timeout --kill-after=30 "$limit_s" unshare -m sh -euc '
		mount --make-rprivate /
		# A root that is no mount point is missing from mountinfo.
		mount --bind "$1" "$1"
		for dir in proc sys dev; do
			mount --rbind "/$dir" "$1/$dir"
		done
		exec chroot --userspec="$2:$2" --groups= "$1" env -i \
			HOME=/tmp LANG=C.UTF-8 \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			sh -euc "cd \"\$1\" && eval \"\$2\"" sh "$3" "$4"
	' sh "$1" "$2" "/opt/a clone" "$3" </dev/null
}

# attempt SUITE WHO ROOT USER COMMAND
attempt()
{
	echo "== $1, as $2: $5"
	start=$(date +%s)
	rc=0
	inside "$3" "$4" "$5" || rc=$?
	spent=$(($(date +%s) - start))
	if [ "$rc" -ne 0 ]; then
		echo "== $1, as $2: $5: FAILED with status $rc after $spent s"
		exit 1
	fi
	echo "== $1, as $2: $5: $spent s"
}

scratch=
keep=
cache=
while [ $# -gt 0 ]; do
	case $1 in
	--help)
		usage
		exit 0 ;;
	--keep)
		keep=1 ;;
	--cache)
		[ $# -ge 2 ] || fail_setup "--cache wants a directory"
		cache=$(cd "$2" 2>/dev/null && pwd) ||
			fail_setup "there is no directory '$2'"
		shift ;;
	-*)
		fail_setup "unknown option $1; try --help" ;;
	*)
		break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- bookworm trixie

[ "$(id -u)" -eq 0 ] || fail_setup "chroot and mount want root: use sudo"
for tool in debootstrap git unshare apt-get; do
	command -v "$tool" >/dev/null 2>&1 || fail_setup "there is no $tool"
done
top=$(cd "$(dirname "$0")/.." && pwd)
[ -e "$top/.git" ] || fail_setup "$top is not a git clone"
[ "$(sed -n '/^    \.\/quickstart/p' "$top/README" | wc -l)" -eq 2 ] ||
	fail_setup "README does not have the two commands"

trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/fresh-root.XXXXXX")

for suite; do
	root=$scratch/$suite
	bare "$suite" "$root"
	mkdir -p "$root/opt"
	git clone -q --no-hardlinks "$top" "$root/opt/a clone"
	sed -n 's/^    \(\.\/quickstart.*\)$/\1/p' \
		"$root/opt/a clone/README" >"$scratch/commands"
	while IFS= read -r command; do
		attempt "$suite" root "$root" 0 "$command"
	done <"$scratch/commands"
	attempt "$suite" "a user" "$root" "$nobody" \
		"$(head -n 1 "$scratch/commands")"
	if [ -n "$(git -C "$root/opt/a clone" status --porcelain \
			--ignored)" ]; then
		git -C "$root/opt/a clone" status --short --ignored
		echo "== $suite: FAILED: the clone was written to"
		exit 1
	fi
	if [ -n "$(ls -A "$root/var/tmp")" ]; then
		ls -la "$root/var/tmp"
		echo "== $suite: FAILED: something was left in /var/tmp"
		exit 1
	fi
	[ -n "$keep" ] || rm -rf --one-file-system "$root"
done
echo "$# systems, all well: $*"
