#!/bin/sh
# run.sh - run a shell script in a guest that has NVMe drives.
#
#     tests/lab/run.sh [OPTION]... KERNEL SCRIPT [ARGUMENT]...
#
# KERNEL is 6.1, 6.12 or 7.  SCRIPT runs there as root, by `sh -eu`, in an
# empty directory, /lab/out; what it leaves there comes back, its output as
# the file log.  tests/lab/guest.sh is sourced before it: functions that find
# the drives, make file systems, change user.
#
#   --out DIR          where /lab/out goes; made, or empty
#   --build DIR        take the programs built in DIR along, into
#                      /lab/in/build; journal-tool and journal-probe are in
#                      $PATH
#   --file PATH        take a file or directory along, into /lab/in
#   --nvme NAME[,OPTION=VALUE]...
#                      an emulated NVMe drive, NAME its serial number.  size
#                      (256M), bs (512; logical blocks), cache (on, off);
#                      of the controller: awun awupf dn; of the namespace:
#                      nawun nawupf nabsn nabspf nabo; as the device has them
#                      (0's based).  It ignores FUA: not for power cuts
#   --shared NAME[,OPTION=VALUE]...
#                      the same with two controllers: native multipath
#   --disk NAME[,size=SIZE]
#                      a virtio disk, NAME its serial
#   --nvmet [SIZE]     an NVMe namespace of SIZE (256M) with a volatile cache
#                      and FUA, $lab_nvmet in the guest.  Every write, flush
#                      and FUA comes back in order in DIR/nvmet-log.img, in
#                      the format of dm-log-writes; the namespace is zeros at
#                      the log's beginning
#   --memory MIB       (1024)
#   --append WORDS     for the kernel's command line
#   --limit SECONDS    (1800) then the guest is ended
#   --show             print the guest's console while it runs
#
# Exit status: the script's; 77 if there can be no guest here, with the reason
# on standard error; 124 after the limit; 125 if the guest died, with the end
# of its console on standard error; 2 usage.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C

usage()
{
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
}

wrong()
{
	echo "lab: $*; try --help" >&2
	exit 2
}

# ---------------------------------------------------------------------------
# Devices.  QEMU's arguments are gathered in the file "arguments", one a line.

arguments()
{
	printf '%s\n' "$@" >>"$work/arguments"
}

# image NAME SIZE - an empty one, of zeros.
image()
{
	case $1 in
	''|*[!A-Za-z0-9-]*) wrong "a disk's name is letters, digits and -" ;;
	esac
	[ ! -e "$work/$1.img" ] || wrong "there are two disks '$1'"
	truncate -s "$2" "$work/$1.img" || wrong "'$2' is no size"
}

# virtio NAME SIZE [OPTION]
virtio()
{
	image "$1" "$2"
	virtio_file "$1" "$work/$1.img" "${3:-}"
}

virtio_file()
{
	arguments -drive "if=none,id=d-$1,format=raw,cache=unsafe,file=$2${3:+,$3}" \
		-device "virtio-blk-pci,drive=d-$1,serial=$1"
}

# nvme SHARED NAME,OPTIONS
nvme()
{
	name=${2%%,*}
	size=256M
	bs=512
	cache=on
	controller=
	namespace=
	rest=${2#"$name"}
	while [ -n "$rest" ]; do
		rest=${rest#,}
		option=${rest%%,*}
		rest=${rest#"$option"}
		value=${option#*=}
		case $option in
		size=*) size=$value ;;
		bs=*) bs=$value ;;
		cache=*) cache=$value ;;
		dn=*|awun=*|awupf=*)
			controller=$controller,atomic.$option ;;
		nawun=*|nawupf=*|nabsn=*|nabspf=*|nabo=*)
			namespace=$namespace,atomic.$option ;;
		*)	wrong "drive $name: there is no option '$option'" ;;
		esac
	done
	image "$name" "$size"
	namespace=$namespace,logical_block_size=$bs,physical_block_size=$bs
	arguments -drive "if=none,id=d-$name,format=raw,cache=unsafe,file=$work/$name.img"
	# Without a subsystem of its own a controller says that it is alone.
	if [ "$1" = on ]; then
		arguments -device "nvme-subsys,id=s-$name,nqn=$name"
		controller=$controller,subsys=s-$name
		arguments -device "nvme,id=d-$name-2,serial=$name$controller"
	fi
	arguments -device "nvme,id=c-$name,serial=$name$controller"
	arguments -device "nvme-ns,drive=d-$name,bus=c-$name,nsid=1,shared=$1,write-cache=$cache$namespace"
}

# ---------------------------------------------------------------------------
# What goes in

elf()
{
	[ "$(head -c 4 "$1" 2>/dev/null | tr -d '\177')" = ELF ]
}

# take_programs DIR - the real files, not libtool's wrappers, where they lay,
# and what they load beyond what the guest has.
take_programs()
{
	[ -x "$1/journal-tool" ] || wrong "there is no journal-tool in $1"
	mkdir -p "$work/in/build/.libs"
	(cd "$1" && find . -type f -perm -u+x ! -path '*/.libs/*' \
		! -name '*.sh' ! -name '*.la') >"$work/programs"
	while IFS= read -r file; do
		name=${file##*/}
		# A program that is there itself may have an old one in .libs.
		real=$1/$file
		elf "$real" || real=$1/${file%/*}/.libs/$name
		elf "$real" || continue
		mkdir -p "$work/in/build/${file%/*}"
		cp "$real" "$work/in/build/$file"
	done <"$work/programs"
	cp -P "$1"/.libs/libjournal.so* "$work/in/build/.libs/"
	while IFS= read -r file; do
		[ ! -e "$work/in/build/$file" ] ||
			LD_LIBRARY_PATH=$1/.libs ldd "$work/in/build/$file" \
				2>/dev/null || :
	done <"$work/programs" |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
		while IFS= read -r file; do
			name=${file##*/}
			[ -e "$work/in/build/.libs/$name" ] ||
				[ -e "$lab/guest/root/usr/lib/x86_64-linux-gnu/$name" ] ||
				cp -L "$file" "$work/in/build/.libs/$name"
		done
}

# quoted WORD... - for the guest's shell.
quoted()
{
	for word; do
		printf " '"
		printf '%s' "$word" | sed "s/'/'\\\\''/g"
		printf "'"
	done
}

# ---------------------------------------------------------------------------

work=
qemu=
cleanup()
{
	rc=$?
	trap - EXIT
	if [ -n "$qemu" ]; then
		# timeout hands it on.
		kill -TERM "$qemu" 2>/dev/null || :
		wait "$qemu" 2>/dev/null || :
	fi
	[ -z "$work" ] || rm -rf "$work"
	exit "$rc"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d "${TMPDIR:-/var/tmp}/journal-lab.XXXXXX")
mkdir "$work/in"
: >"$work/arguments"

out=
build=
memory=1024
append=
limit_s=1800
show=
nvmet=
while [ $# -gt 0 ]; do
	case $1 in
	--help)
		usage
		exit 0 ;;
	--show)
		show=1 ;;
	--nvmet)
		nvmet=256M
		case ${2:-} in
		[0-9]*[KMG])
			nvmet=$2
			shift ;;
		esac ;;
	--out|--build|--file|--nvme|--shared|--disk|--memory|--append|--limit)
		[ $# -ge 2 ] || wrong "$1 wants a value"
		case $1 in
		--out) out=$2 ;;
		--build)
			build=$(cd "$2" 2>/dev/null && pwd) ||
				wrong "there is no directory '$2'" ;;
		--file)
			[ -e "$2" ] || wrong "there is no file '$2'"
			cp -a "$2" "$work/in/" ;;
		--nvme) nvme off "$2" ;;
		--shared) nvme on "$2" ;;
		--disk)
			size=256M
			case $2 in
			*,size=*) size=${2##*,size=} ;;
			esac
			virtio "${2%%,*}" "$size" ;;
		--memory) memory=$2 ;;
		--append) append=$2 ;;
		--limit) limit_s=$2 ;;
		esac
		shift ;;
	-*)
		wrong "unknown option $1" ;;
	*)
		break ;;
	esac
	shift
done
[ $# -ge 2 ] || wrong "a kernel and a script are wanted"
kernel=$1
script=$2
shift 2
[ -r "$script" ] || wrong "there is no script '$script'"
if [ -n "$out" ]; then
	mkdir -p "$out"
	[ -z "$(ls -A "$out")" ] || wrong "$out is not empty"
	out=$(cd "$out" && pwd)
fi

lab=$(sh "$here/setup.sh" "$kernel")

cp "$here/guest.sh" "$work/in/"
cp "$script" "$work/in/script"
{
	echo "lab_kernel=$kernel"
	echo "lab_want_nvmet=$nvmet"
	echo "set --$(quoted "$@")"
} >"$work/in/settings"
[ -z "$build" ] || take_programs "$build"
tar -C "$work/in" -cf "$work/lab-in.img" .
# A disk is whole sectors.
truncate -s %4096 "$work/lab-in.img"
virtio_file lab-in "$work/lab-in.img" readonly=on
virtio lab-out 512M
if [ -n "$nvmet" ]; then
	virtio nvmet-data "$nvmet"
	virtio nvmet-log 8G
fi
cat "$lab/guest/guest.cpio" "$lab/kernel-$kernel/modules.cpio" >"$work/initrd"

# On a busy machine the emulated timer looks broken to the kernel, which would
# then wait for ever.
set -- -nodefaults -no-reboot -display none -serial stdio -nic none \
	-accel tcg,thread=multi -cpu max -smp 2 -m "$memory" -M q35 \
	-L "$lab/qemu/usr/share/qemu" -L "$lab/qemu/usr/share/seabios" \
	-kernel "$lab/kernel-$kernel/vmlinuz" -initrd "$work/initrd" \
	-append "console=ttyS0 quiet panic=-1 oops=panic no_timer_check $append"
while IFS= read -r argument; do
	set -- "$@" "$argument"
done <"$work/arguments"

# With its own loader and libraries, whatever this machine has.
libs=$lab/qemu/usr/lib/x86_64-linux-gnu
QEMU_MODULE_DIR=$libs/qemu timeout --kill-after=5 "$limit_s" \
	"$lab/qemu/usr/lib64/ld-linux-x86-64.so.2" --library-path "$libs" \
	"$lab/qemu/usr/bin/qemu-system-x86_64" "$@" \
	</dev/null >"$work/console" 2>&1 &
qemu=$!
if [ -n "$show" ]; then
	tail -f --pid "$qemu" "$work/console" &
fi
rc=0
wait "$qemu" || rc=$?
qemu=

mkdir "$work/out"
tar -C "$work/out" -xf "$work/lab-out.img" 2>/dev/null || :
status=$(cat "$work/out/status" 2>/dev/null || :)
if [ -n "$out" ]; then
	rm -f "$work/out/status"
	cp -a "$work/out/." "$out/"
	cp "$work/console" "$out/console"
	[ -z "$nvmet" ] || mv "$work/nvmet-log.img" "$out/"
fi
case $rc in
124|137)
	tail -n 20 "$work/console" >&2
	echo "lab: the guest was ended after $limit_s s" >&2
	exit 124 ;;
esac
if [ -z "$status" ]; then
	tail -n 40 "$work/console" >&2
	echo "lab: the guest died (QEMU's status $rc)" >&2
	exit 125
fi
if [ -z "$out" ]; then
	cat "$work/out/log"
fi
exit "$status"
