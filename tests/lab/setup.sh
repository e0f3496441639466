#!/bin/sh
# setup.sh - fetch and unpack what the lab's guests are made of.
#
#     tests/lab/setup.sh [--fresh] [KERNEL]...
#
# KERNEL is 6.1, 6.12 or 7 (all three unless named).  Prints the directory:
#
#     qemu/           QEMU and its libraries, started by their own loader
#     guest/          the guest's root: busybox, mkfs.*, nvme, dmsetup, ...
#     kernel-K/       vmlinuz, modules.cpio, release
#
# It is $JOURNAL_LAB_DIR, or libjournal-lab in $XDG_CACHE_HOME, or in
# ${TMPDIR:-/var/tmp} with the user's number, never in the source tree, and is
# used again until a part's recipe changes or --fresh is given.  Everything
# comes from Debian by an apt with directories of its own, from the address
# that this machine's apt uses; nothing is installed and no right is needed.
#
# A part is built in a directory NAME.new and renamed when it is whole, under
# a lock: half a part is never used, and two runs at a time build one.
#
# Exit status: 0, 77 it cannot be had here (with the reason on standard
# error), 2 usage.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C
arch=x86_64-linux-gnu

cannot()
{
	echo "lab: $*" >&2
	exit 77
}

usage()
{
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
}

# ---------------------------------------------------------------------------
# Packages

# The address of Debian's archive, or with Debian-Security of that one.
archive()
{
	apt-get indextargets --format '$(REPO_URI) $(LABEL)' \
		'Created-By: Packages' | awk -v label="$1" \
		'$2 == label { print $1; exit }'
}

# own_apt NAME COMMAND... - an apt that knows nothing of what is installed.
own_apt()
{
	own=$lab/apt/$1
	shift
	apt-get -q -o Dir::Etc::sourcelist="$own/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State="$own/state" -o Dir::State::lists="$own/lists" \
		-o Dir::State::status="$own/status" -o Dir::Cache="$own/cache" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o Dir::Log="$own" -o Debug::NoLocking=true \
		-o APT::Sandbox::User="$(id -un)" -o APT::Update::Post-Invoke= \
		-o APT::Update::Post-Invoke-Success= -o DPkg::Post-Invoke= \
		-o Acquire::Check-Valid-Until=false \
		-o Acquire::Languages=none -o Acquire::Retries=2 "$@"
}

# suite NAME SUITE... - make such an apt for these suites; *-security of the
# first comes along.
suite()
{
	name=$1
	shift
	[ ! -e "$lab/apt/$name/ready" ] || return 0
	mkdir -p "$lab/apt/$name/state" "$lab/apt/$name/lists/partial" \
		"$lab/apt/$name/cache/archives/partial"
	: >"$lab/apt/$name/status"
	{
		for s; do
			echo "deb $debian $s main"
		done
		case $1 in
		sid) ;;
		*)	[ -z "$security" ] || echo "deb $security $1-security main" ;;
		esac
	} >"$lab/apt/$name/sources.list"
	own_apt "$name" update >"$lab/apt/$name/log" 2>&1 && updated=yes ||
		updated=no
	if [ "$updated" = no ] || grep '^[EW]:' "$lab/apt/$name/log" >&2; then
		cannot "the archive has no usable suite $*"
	fi
	: >"$lab/apt/$name/ready"
}

# fetch NAME OPTION... PACKAGE... - download them with all they depend on.
fetch()
{
	name=$1
	shift
	rm -f "$lab/apt/$name/cache/archives"/*.deb
	own_apt "$name" -y -d --no-install-recommends install "$@" \
		>"$lab/apt/$name/log" 2>&1
}

fetch_or_not()
{
	fetch "$@" || {
		tail -n 5 "$lab/apt/$1/log" >&2
		cannot "the archive does not give $*"
	}
}

# unpack NAME DIR [PATTERN] - what was fetched.
unpack()
{
	for deb in "$lab/apt/$1/cache/archives"/${3:-*}.deb; do
		dpkg-deb -x "$deb" "$2"
	done
	rm -f "$lab/apt/$1/cache/archives"/*.deb
}

# ---------------------------------------------------------------------------
# Parts

# part NAME FILE... - is it to be built?  A part's recipe is this file and the
# FILEs; it is in the stamp.
part()
{
	part=$1
	shift
	recipe=$(cat "$here/setup.sh" "$@" | cksum)
	if [ -z "$fresh" ] && [ "$(cat "$lab/$part/stamp" 2>/dev/null)" = \
			"$recipe" ]; then
		return 1
	fi
	rm -rf "$lab/$part.new"
	mkdir "$lab/$part.new"
	new=$lab/$part.new
}

# whole - the part's directory is as it shall be.
whole()
{
	echo "$recipe" >"$new/stamp"
	rm -rf "${lab:?}/$part"
	mv "$new" "$lab/$part"
}

# The atomic limits of a namespace are QEMU 11's.  It comes with every library
# down to the C library, so that it runs on any machine of this architecture.
build_qemu()
{
	part qemu || return 0
	suite qemu trixie trixie-updates trixie-backports
	fetch_or_not qemu -t trixie-backports qemu-system-x86
	unpack qemu "$new"
	rm -rf "$new/usr/share/doc" "$new/usr/share/locale" "$new/usr/share/man"
	whole
}

guest_packages="busybox-static coreutils findutils diffutils grep sed mawk \
dash tar util-linux fdisk mount procps strace nvme-cli dmsetup cryptsetup-bin mdadm \
e2fsprogs xfsprogs btrfs-progs"

# The programs of these packages and the libraries they load, of the release
# that this machine runs: what is built here runs there.
build_guest()
{
	part guest "$here/init.sh" || return 0
	# shellcheck disable=SC1091 # this machine's
	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$release" ] || cannot "/etc/os-release names no release"
	suite "$release" "$release" "$release-updates"
	# shellcheck disable=SC2086 # package names, one word each
	fetch_or_not "$release" $guest_packages
	for package in $guest_packages; do
		dpkg-deb -c "$lab/apt/$release/cache/archives/${package}_"*.deb |
			sed -n 's|^[-hl].* \./\(\(usr/\)*s*bin/[^ ]*\).*|\1|p'
	done >"$new/list"
	unpack "$release" "$new/all"
	mkdir -p "$new/root/usr/bin" "$new/root/usr/sbin" "$new/root/usr/lib64" \
		"$new/root/usr/lib/$arch"
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$new/root/$dir"
	done
	while read -r file; do
		case $file in
		# Needs ICU, which is larger than the rest together.
		*/xfs_scrub) continue ;;
		*/sbin/*) to=sbin ;;
		*) to=bin ;;
		esac
		cp -a "$new/all/$file" "$new/root/usr/$to/"
	done <"$new/list"
	libraries
	"$new/root/usr/bin/busybox" --list | while read -r name; do
		[ -e "$new/root/usr/bin/$name" ] ||
			[ -e "$new/root/usr/sbin/$name" ] ||
			ln -s busybox "$new/root/usr/bin/$name"
	done
	(
		cd "$new/root"
		mkdir -p dev proc sys run etc root lab mnt var/tmp
		mkdir -m 1777 tmp
		chmod 1777 var/tmp
		echo 'root:x:0:0:root:/root:/bin/sh
user:x:1000:1000:user:/tmp:/bin/sh' >etc/passwd
		echo 'root:x:0:
user:x:1000:' >etc/group
		ln -s ../proc/self/mounts etc/mtab
	)
	install -m 755 "$here/init.sh" "$new/root/init"
	rm -rf "$new/all" "$new/list"
	busybox=$new/root/usr/bin/busybox
	archived "$new/root" "$new/guest.cpio"
	whole
}

# Copies what the programs load into the root, where its own loader finds it.
libraries()
{
	for dir in lib/$arch usr/lib/$arch; do
		[ ! -d "$new/all/$dir" ] || echo "$new/all/$dir"
	done >"$new/dirs"
	path=$(paste -s -d : "$new/dirs")
	loader=$(find "$new/all" -name 'ld-linux-x86-64.so.2' -type f | head -n 1)
	[ -n "$loader" ] || cannot "the C library's package has no loader"
	cp "$loader" "$new/root/usr/lib64/ld-linux-x86-64.so.2"
	for file in "$new/root/usr/bin"/* "$new/root/usr/sbin"/*; do
		[ ! -L "$file" ] || continue
		"$loader" --library-path "$path" --list "$file" 2>/dev/null || :
	done | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u \
		>"$new/libs"
	# Loaded by name when a thread ends.
	find "$new/all" -name 'libgcc_s.so.1' >>"$new/libs"
	while read -r file; do
		cp -L "$file" "$new/root/usr/lib/$arch/${file##*/}"
	done <"$new/libs"
	rm -f "$new/dirs" "$new/libs"
}

archived()
{
	(cd "$1" && find . | "$busybox" cpio -o -H newc -R 0:0) >"$2" \
		2>/dev/null
}

# kernel_suite KERNEL - which suite, and what its packages are called.
kernel_suite()
{
	case $1 in
	6.1) echo bookworm '6\.1\.' ;;
	6.12) echo trixie '6\.12\.' ;;
	7) echo sid '7\.' ;;
	esac
}

# In sid the newest kernel may be there in part; the newest whole one is it.
fetch_kernel()
{
	apt-cache -o Dir::Etc::sourcelist="$lab/apt/$1/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State="$lab/apt/$1/state" \
		-o Dir::State::lists="$lab/apt/$1/lists" \
		-o Dir::State::status="$lab/apt/$1/status" \
		-o Dir::Cache="$lab/apt/$1/cache" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		pkgnames linux-image- |
		grep "^linux-image-$2.*-cloud-amd64\$" | sort -rV |
		head -n 4 >"$new/packages"
	while read -r package; do
		! fetch "$1" "$package" </dev/null || return 0
	done <"$new/packages"
	tail -n 5 "$lab/apt/$1/log" >&2
	cannot "suite $1 has no whole kernel"
}

module_dirs="drivers/block drivers/nvme drivers/md drivers/virtio \
drivers/char/hw_random drivers/configfs fs crypto lib arch/x86/crypto \
arch/x86/lib block"

build_kernel()
{
	part "kernel-$1" || return 0
	# shellcheck disable=SC2046 # two words
	set -- "$1" $(kernel_suite "$1")
	suite "kernel-$2" "$2"
	fetch_kernel "kernel-$2" "$3"
	unpack "kernel-$2" "$new/all" 'linux-[bim]*'
	image=$(find "$new/all" -name 'vmlinuz*' | head -n 1)
	modules=$(find "$new/all" -type d -path '*/modules/*/kernel' \
		-prune -print)
	[ -n "$image" ] && [ -n "$modules" ] ||
		cannot "the kernel's packages are not laid out as known"
	release=$(basename "$(dirname "$modules")")
	to=$new/root/usr/lib/modules/$release
	mkdir -p "$to/kernel"
	for dir in $module_dirs; do
		[ -d "$modules/$dir" ] || continue
		mkdir -p "$to/kernel/$dir"
		cp -a "$modules/$dir/." "$to/kernel/$dir/"
	done
	find "$to" -name '*.ko.xz' -exec xz -d {} +
	cp -a "$modules/../"modules.builtin* "$modules/../modules.order" "$to/"
	ln -s usr/lib "$new/root/lib"
	"$busybox" depmod -b "$new/root" "$release"
	rm "$new/root/lib"
	[ -s "$to/modules.dep" ] || cannot "depmod made nothing of $release"
	archived "$new/root" "$new/modules.cpio"
	cp "$image" "$new/vmlinuz"
	echo "$release" >"$new/release"
	rm -rf "$new/all" "$new/root" "$new/packages"
	whole
}

# ---------------------------------------------------------------------------

fresh=
while [ $# -gt 0 ]; do
	case $1 in
	--help)
		usage
		exit 0 ;;
	--fresh)
		fresh=1 ;;
	-*)
		echo "lab: unknown option $1; try --help" >&2
		exit 2 ;;
	*)
		break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- 6.1 6.12 7
for kernel; do
	if [ -z "$(kernel_suite "$kernel")" ]; then
		echo "lab: there is no kernel '$kernel': 6.1, 6.12 or 7" >&2
		exit 2
	fi
done

[ "$(uname -m)" = x86_64 ] || cannot "the guests are x86_64, this is" \
	"$(uname -m)"
for command in apt-get dpkg-deb xz flock; do
	command -v "$command" >/dev/null 2>&1 || cannot "there is no $command"
done

if [ -n "${JOURNAL_LAB_DIR:-}" ]; then
	lab=$JOURNAL_LAB_DIR
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
	lab=$XDG_CACHE_HOME/libjournal-lab
else
	lab=${TMPDIR:-/var/tmp}/libjournal-lab-$(id -u)
fi
mkdir -p -m 755 "$lab"
lab=$(cd "$lab" && pwd)
# Somebody else's directory of that name is not ours to trust.
[ -O "$lab" ] || cannot "$lab belongs to another user; set JOURNAL_LAB_DIR"

exec 8>"$lab/lock"
flock -w 900 8 || cannot "$lab is locked by another run"
debian=$(archive Debian)
security=$(archive Debian-Security)
[ -n "$debian" ] || cannot "this machine's apt has no Debian archive"

build_qemu
build_guest
busybox=$lab/guest/root/usr/bin/busybox
for kernel; do
	build_kernel "$kernel"
done
echo "$lab"
