#!/bin/sh
# Debian packages out of a clone: built, looked at by lintian, installed into a
# bare system, and used there.
#
#     sudo tests/packages.sh [--cache DIR]
#
# The archive is the one that this machine's own apt uses. --cache keeps the
# bare system in DIR for the next time, as fresh-root.sh does. Needs root, git,
# dpkg-dev, debhelper, lintian, debootstrap, the network and two minutes, so
# that it is no part of `make check`. Exit status: 0 everything worked, 1 it did
# not, 2 it could not be tried.
set -eu

suite=bookworm
limit_s=900

fail()
{
	echo "packages: $*" >&2
	exit 1
}

fail_setup()
{
	echo "packages: $*" >&2
	exit 2
}

cache=
case ${1-} in
'') ;;
--cache)
	[ $# -eq 2 ] || fail_setup "--cache wants a directory"
	cache=$(cd "$2" && pwd) || fail_setup "there is no directory '$2'" ;;
--help)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
	exit 0 ;;
*)
	fail_setup "unknown option $1; try --help" ;;
esac

[ "$(id -u)" -eq 0 ] || fail_setup "chroot wants root: use sudo"
for tool in debootstrap dh dpkg-buildpackage git lintian; do
	command -v "$tool" >/dev/null 2>&1 || fail_setup "there is no $tool"
done
top=$(cd "$(dirname "$0")/.." && pwd)
[ -e "$top/.git" ] || fail_setup "$top is not a git clone"

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/packages.XXXXXX")
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# quietly NAME COMMAND... - its output only if it fails.
quietly()
{
	log=$scratch/$1.log
	shift
	"$@" >"$log" 2>&1 || {
		tail -n 50 "$log" >&2
		fail "failed: $*"
	}
}

echo "== build"
git clone -q "$top" "$scratch/libjournal"
(
	cd "$scratch/libjournal"
	DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" \
		quietly build timeout "$limit_s" \
		dpkg-buildpackage -b -us -uc
)
ls "$scratch"/*.deb | sed 's,.*/,   ,'

echo "== lintian"
lintian --fail-on error --tag-display-limit 0 \
	--suppress-tags bad-distribution-in-changes-file \
	"$scratch"/*.changes || fail "lintian found errors"

echo "== install into $suite and use"
root=$scratch/root
if [ -n "$cache" ] && [ -s "$cache/$suite.tar" ]; then
	mkdir "$root"
	tar -C "$root" -xpf "$cache/$suite.tar"
else
	archive=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' \
		'Created-By: Packages' | awk '$2 == "Debian" { print $1; exit }')
	quietly debootstrap timeout "$limit_s" \
		debootstrap --variant=minbase "$suite" "$root" \
		"$archive"
	apt-config dump Acquire | grep -v IndexTargets \
		>"$root/etc/apt/apt.conf.d/00acquire"
	[ -z "$cache" ] || tar -C "$root" -cf "$cache/$suite.tar" .
fi
mkdir "$root/opt/packages"
cp "$scratch"/*.deb "$root/opt/packages"
rm -f "$root"/opt/packages/*-dbgsym_*
cp "$top/debian/tests/example" "$root/opt/example"
# inside COMMAND - in the bare system, in a mount namespace of its own.
inside()
{
	# shellcheck disable=SC2016 # expanded in there
	timeout --kill-after=30 "$limit_s" unshare -m sh -euc '
		mount --make-rprivate /
		mount --bind "$1" "$1"
		for dir in proc sys dev; do
			mount --rbind "/$dir" "$1/$dir"
		done
		exec chroot "$1" env -i HOME=/root LANG=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -euc "$2"
	' sh "$root" "$1" </dev/null
}
quietly install inside '
	apt-get -q update
	# Documentation is what is looked at below.
	rm -f /etc/dpkg/dpkg.cfg.d/*
	apt-get -qy --no-install-recommends install gcc libc6-dev pkgconf \
		/opt/packages/*.deb'
inside '
	journal-probe --version
	journal-tool --version
	journal-probe /var/tmp >/dev/null
	/opt/example
	printf "a\nb\n" | journal-tool append /var/tmp/j
	journal-tool verify /var/tmp/j
	journal-tool cat /var/tmp/j
	for page in journal-probe.1 journal-tool.1 journal-format.5 libjournal.7
	do
		test -s "/usr/share/man/man${page##*.}/$page.gz"
	done
	apt-get -qy purge libjournal0 libjournal-dev journal-tools >/dev/null
	! ls /usr/lib/*/libjournal* /usr/bin/journal-* 2>/dev/null
' || fail "what was installed does not work"
echo "built, installed, used and removed"
