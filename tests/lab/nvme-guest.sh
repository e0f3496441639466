# nvme-guest.sh - the method nvme-flush and untorn batches on drives of a guest;
# run by tests/lab/nvme.sh, in it.
#
# Drives: plain promises nothing, big has NAWUPF=31 with blocks of 512 bytes
# (16 KiB), late the same with NABO=1, and gone is taken away in use.

bad=0
say() { echo "ok: $*"; }
miss()
{
	echo "FAILED: $*"
	bad=1
}

# has FILE WORDS... - each is in the file.
has()
{
	file=$1
	shift
	for word; do
		grep -q -e "$word" "$file" && continue
		miss "$what: no '$word' in:"
		cat "$file"
		return 1
	done
}

# chosen DIR METHOD DRIVER WORDS... - 20 commits, and all of them are read back.
chosen()
{
	dir=$1 method=$2 driver=$3
	shift 3
	rm -rf "$dir"
	if ! $as commit write "$dir" "$method" "$driver" 20 100 >said 2>&1; then
		miss "$what: refused"
		cat said
		return 0
	fi
	has said "$@" || return 0
	has said '^end .*replacements=0' || return 0
	$as commit read "$dir" >back 2>&1 || :
	has back '^records=20 ' || return 0
	say "$what: $(grep "^end" said | cut -d ' ' -f 2-6)"
}

# refused DIR METHOD WORDS... - with that reason.
refused()
{
	dir=$1 method=$2
	shift 2
	rm -rf "$dir"
	if $as commit write "$dir" "$method" caller 1 100 >said 2>&1; then
		miss "$what: not refused"
		cat said
		return 0
	fi
	has said 'refused: ' "$@" || return 0
	say "$what: $(sed -n 's/^refused: [^:]*: //p' said)"
}

# untorn DIR MAX - of 20 commits of one block each.
untorn()
{
	rm -rf "$1"
	$as commit write "$1" direct caller 20 100 >said 2>&1 || :
	$as commit read "$1" >back 2>&1 || :
	if [ "$2" = 0 ]; then
		has said '^end .*untorn_max=0 ' || return 0
		has back '^records=20 untorn=0$' || return 0
	else
		has said '^end .*untorn_max=4024 ' "up to $2 bytes" || return 0
		has back '^records=20 untorn=[2-9]' || return 0
	fi
	say "$what: $(cat back)"
}

as=
by_ring=io_uring
for kind in ext4 xfs-noreflink; do
	make_fs $kind "$(drive plain)" /mnt/fs
	what="$kind, caller"
	chosen /mnt/fs/j nvme-flush caller 'method=nvme-flush' 'barrier=Flush'
	what="$kind, thread"
	chosen /mnt/fs/j nvme-flush thread 'method=nvme-flush' \
		"^end .*carrier=$by_ring"
	what="$kind, loop"
	chosen /mnt/fs/j nvme-flush loop 'method=nvme-flush' \
		"^end .*carrier=$by_ring"
	what="$kind, by the flag"
	chosen /mnt/fs/j past caller 'method=nvme-flush'
	what="$kind, not asked for"
	chosen /mnt/fs/j best caller 'method=direct' 'nvme-flush: usable: '
	umount /mnt/fs
done

# A Flush for each commit, after its data: the first of a segment is the
# file's, by fdatasync.
make_fs ext4 "$(drive plain)" /mnt/fs
what="strace, ext4, caller"
strace -f -o trace -e trace=pwritev2,fdatasync,ioctl,write \
	commit write /mnt/fs/j nvme-flush caller 20 100 >said 2>&1 || miss "$what"
awk '
# The helper makes segments meanwhile: what counts is who acknowledges.
/ write\(1, "open/ { writer = $1 }
/pwritev2\(/ { written[$1] = 1 }
/fdatasync.*= 0$/ { written[$1] = 0 }
# A call that another thread came between is told in two lines.
/ ioctl\(/ {
	command[$1] = /NVME_IOCTL_IO_CMD|_IOC\(_IOC_READ\|_IOC_WRITE, 0x4e, 0x43, 0x48\)/
}
/ioctl.*= 0$/ && command[$1] {
	written[$1] = command[$1] = 0
	flushes += $1 == writer
	all++
}
/ write\(1, "[0-9]+\\n"/ {
	early += written[$1]; acks++; by_now = flushes; all_by_now = all
}
END {
	printf "%d acknowledged, %d Flushes, %d early\n", acks, by_now, early
	# 19; but the helper, whenever it writes a mark, may settle the segment,
	# or carry a batch of ours.
	exit !(acks == 20 && all_by_now >= 18 && by_now <= 20 && !early)
}
' trace >counted || {
	miss "$what: $(cat counted)"
	cat trace
}
say "$what: $(cat counted)"
what="strace, ext4, thread"
rm -rf /mnt/fs/j
strace -f -o trace -e trace=fdatasync,ioctl \
	commit write /mnt/fs/j nvme-flush thread 20 100 >said 2>&1 || miss "$what"
# The try at open is an ioctl; every other one is a command on the ring.
[ "$(grep -c 'NVME_IOCTL_IO_CMD\|0x4e, 0x43, 0x48' trace)" -le 2 ] || {
	miss "$what: Flushes by ioctl, and there is a ring"
	cat trace said
}
has said '^end method=nvme-flush ' && say "$what: by the ring"
umount /mnt/fs

# Who may.
make_fs ext4 "$(drive plain)" /mnt/fs
chmod 777 /mnt/fs
node=/dev/ng$(drive plain | tr -dc '0-9n' | sed 's/^n*//')
chmod 600 "$node"
as=as_user
what="a user without the node"
refused /mnt/fs/u nvme-flush "$node" 'raw access'
what="a user without the node, by the flag"
chosen /mnt/fs/u past caller 'method=direct' 'nvme-flush: refused: '
chmod 666 "$node"
what="a user with the node"
case $lab_kernel in
6.1|6.1.*) refused /mnt/fs/u nvme-flush 'ermission' ;;
*) chosen /mnt/fs/u nvme-flush caller 'method=nvme-flush' ;;
esac
chmod 600 "$node"
as=
umount /mnt/fs

# Where it is not honest.
make_fs xfs "$(drive plain)" /mnt/fs
what="xfs with reflink"
refused /mnt/fs/j nvme-flush 'reflink'
umount /mnt/fs
make_fs btrfs "$(drive plain)" /mnt/fs
what="btrfs"
refused /mnt/fs/j nvme-flush '.'
umount /mnt/fs
modprobe dm-mod
dmsetup create line --table "0 400000 linear $(drive plain) 0"
make_fs ext4 /dev/mapper/line /mnt/fs
what="ext4 on dm-linear"
refused /mnt/fs/j nvme-flush 'dm'
umount /mnt/fs
dmsetup remove line
make_fs ext4 "$(drive plain)" /mnt/fs
mount -o remount,data=journal /mnt/fs 2>/dev/null || {
	umount /mnt/fs
	mount -o data=journal "$(drive plain)" /mnt/fs
}
what="ext4, data=journal"
refused /mnt/fs/j nvme-flush 'journal'
umount /mnt/fs

# A raw namespace, and a partition of one.
wipefs -qa "$(drive plain)"
what="raw namespace"
as=
if commit write "$(drive plain)" nvme-flush thread 20 100 >said 2>&1; then
	has said '^end method=nvme-flush ' && say "$what: $(grep "^end" said)"
	commit read "$(drive plain)" >back 2>&1 || :
	has back '^records=20 '
else
	miss "$what"
	cat said
fi

# Measured there: the drive's Flush is compared without being asked for, and
# used if it is faster.
compared()
{
	sed -n 's/^  measured choice: //p' said | tail -n 1 >line
	# METHOD, driver D, carrier C (A us alone, B us among many, against M
	# with C us and D us; ...
	awk '{
		gsub(/,/, "")
		for (i = 1; i < NF; i++) {
			if ($(i + 1) == "us" && $(i + 2) == "alone")
				{ a = $i; sub(/\(/, "", a) }
			if ($(i + 1) == "us" && $(i + 2) == "among")
				b = $i
			if ($i == "against") {
				other = $(i + 1); c = $(i + 3); d = $(i + 6)
			}
		}
		if ($1 == "nvme-flush")
			good = other == "direct" && (a + 0 < c + 0 || b + 0 < d + 0)
		else
			good = other == "nvme-flush" &&
			       (a * 0.8 <= c + 0 || b * 0.7 <= d + 0)
		exit !good
	}' line
}
dev=$(drive plain)
wipefs -qa "$dev"
what="raw namespace, measured"
commit write "$dev" measure - 20 100 >said 2>&1 || miss "$what: $(cat said)"
if has said '^end method=' ': used$'; then
	if compared; then
		say "$what: $(cat line)"
	else
		miss "$what: $(cat line)"
	fi
fi
method=$(sed -n 's/^end method=\([^ ]*\) .*/\1/p' said)
what="raw namespace, measured before"
commit write "$dev" kept - 20 100 >said 2>&1 || miss "$what: $(cat said)"
has said "^end method=$method " ': used$' && say "$what: $method"
what="raw namespace, nvme-flush was faster"
commit keep "$dev" nvme-flush || miss "$what: it cannot be kept"
commit write "$dev" kept - 20 100 >said 2>&1 || miss "$what: $(cat said)"
has said '^end method=nvme-flush .*barrier=Flush' ': used$' &&
	say "$what: $(grep '^end' said)"
commit read "$dev" >back 2>&1 || :
has back '^records=60 '
# The same bytes on another drive are not for it.
what="raw namespace, copied to another drive"
other=$(drive late)
dd if="$dev" of="$other" bs=1M count=8 conv=fsync 2>/dev/null
commit write "$other" kept - 20 100 >said 2>&1 || miss "$what: $(cat said)"
has said '^end method=direct ' 'ignored: it is for .*: measure again' &&
	say "$what: $(grep -o 'ignored: .*' said | head -n 1)"
wipefs -qa "$other"
# Nor for a drive that differs in nothing but its serial number.
what="raw namespace, another serial number"
commit write "$lab_nvmet" measure - 20 100 >said 2>&1 || miss "$what: $(cat said)"
has said ': used$' || :
commit write "$lab_nvmet" kept - 20 100 >said 2>&1 || miss "$what: $(cat said)"
has said ': used$' || :
# A target's number stands once it was seen: a second one, of the same disk.
disconnect()
{
	for file in /sys/class/nvme/nvme*; do
		[ "$(cat "$file/subsysnqn" 2>/dev/null)" != "$1" ] ||
			echo 1 >"$file/delete_controller"
	done
}
disconnect lab
conf=/sys/kernel/config/nvmet
mkdir "$conf/subsystems/two" "$conf/subsystems/two/namespaces/1"
echo 1 >"$conf/subsystems/two/attr_allow_any_host"
echo another >"$conf/subsystems/two/attr_serial"
echo /dev/mapper/nvmet-log >"$conf/subsystems/two/namespaces/1/device_path"
echo 1 >"$conf/subsystems/two/namespaces/1/enable"
ln -s "$conf/subsystems/two" "$conf/ports/1/subsystems/two"
# shellcheck disable=SC2154 # guest.sh sets them
echo "nqn=two,transport=$lab_nvmet_kind$lab_where" >/dev/nvme-fabrics
other=$(drive another)
commit write "$other" kept - 20 100 >said 2>&1 || miss "$what: $(cat said)"
if [ "$other" = "$lab_nvmet" ]; then
	has said 'ignored: it is for a drive whose serial number' &&
		say "$what: $(grep -o 'ignored: .*' said | head -n 1)"
else
	has said 'ignored: it is for ' && say "$what: $other, was $lab_nvmet"
fi
commit write "$other" measure - 20 100 >said 2>&1 || miss "$what: $(cat said)"
has said ': used$' || :
disconnect two
rm "$conf/ports/1/subsystems/two"
echo 0 >"$conf/subsystems/two/namespaces/1/enable"

# A partition of it is not the namespace.
what="partition, measured"
wipefs -qa "$dev"
printf 'start=2048\n' | sfdisk -q --label gpt "$dev"
try=0
while [ ! -b "${dev}p1" ] && [ $((try += 1)) -lt 300 ]; do
	sleep 0.2
done
commit write "${dev}p1" measure - 20 100 >said 2>&1 || miss "$what: $(cat said)"
if grep -q 'against nvme-flush\|method=nvme-flush' said; then
	miss "$what: nvme-flush is compared: $(grep ' us alone' said)"
else
	has said '^end method=direct ' ': used$' && say "$what: without it"
fi
commit keep "${dev}p1" nvme-flush || miss "$what: it cannot be kept"
commit write "${dev}p1" kept - 20 100 >said 2>&1 || miss "$what: $(cat said)"
has said '^end method=direct ' 'it was measured with JOURNAL_PASSTHROUGH' &&
	say "$what: nvme-flush is not used there unasked"
sfdisk -q --delete "$dev" && wipefs -qa "$dev"

# What cannot tear.
unit=0 raw_unit=0
case $lab_kernel in
6.1|6.1.*) ;;
6.12*) raw_unit=16384 ;;
*) unit=4096 raw_unit=16384 ;;
esac
for name in plain late; do
	make_fs ext4 "$(drive $name)" /mnt/fs
	what="untorn, $name, ext4"
	untorn /mnt/fs/j 0
	umount /mnt/fs
done
make_fs ext4 "$(drive big)" /mnt/fs
what="untorn, big, ext4"
untorn /mnt/fs/j $unit
umount /mnt/fs
for driver in caller thread loop; do
	wipefs -qa "$(drive big)"
	what="untorn, big, raw, $driver"
	commit write "$(drive big)" direct $driver 20 100 >said 2>&1 ||
		miss "$what"
	commit read "$(drive big)" >back 2>&1 || :
	has said '^end .*replacements=0' || continue
	if [ $raw_unit = 0 ]; then
		has back '^records=20 untorn=0$' && say "$what: $(cat back)"
	else
		has back '^records=20 untorn=[2-9]' &&
			has said "up to $raw_unit bytes" &&
			say "$what: $(cat back)"
	fi
done

# A namespace that goes away in use: an error, nothing acknowledged is lost.
for driver in caller thread; do
	make_fs ext4 "$(drive gone)" /mnt/gone
	ctrl=$(basename "$(drive gone)")
	ctrl=${ctrl%n*}
	device=$(readlink -f "/sys/class/nvme/$ctrl/device")
	commit write /mnt/gone/j nvme-flush $driver 100000 100 >acks 2>errors &
	pid=$!
	# It is at work, however long that takes.
	try=0
	until grep -q '^[0-9]' acks || [ $((try += 1)) -gt 600 ]; do
		sleep 0.1
	done
	sleep 0.5
	echo 1 >"$device/remove"
	status=0
	wait $pid || status=$?
	umount -l /mnt/gone
	sleep 1
	echo 1 >/sys/bus/pci/rescan
	try=0
	until [ -b "$(drive gone)" ] || [ $((try += 1)) -gt 600 ]; do
		sleep 0.1
	done
	what="gone, $driver"
	[ $status = 1 ] || miss "$what: status $status"
	acked=$(grep -c '^[0-9]' acks || :)
	mount "$(drive gone)" /mnt/gone
	commit read /mnt/gone/j >back 2>&1 || miss "$what: $(cat back)"
	read_back=$(sed -n 's/^records=\([0-9]*\) .*/\1/p' back)
	if [ "${read_back:-0}" -ge "$acked" ] && [ "$acked" -gt 0 ]; then
		say "$what: $acked acknowledged, $read_back read back," \
			"$(head -n 1 errors)"
	else
		miss "$what: $acked acknowledged, ${read_back:-none} read back"
		cat errors
	fi
	umount /mnt/gone
done

exit $bad
