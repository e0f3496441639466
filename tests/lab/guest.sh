#!/bin/sh
# guest.sh - what a script of the lab has at hand; runs in the guest, as
# process 1's only child, and then sources the script.
#
# In the script: $lab_kernel, $lab_nvmet (a node or nothing), the arguments of
# run.sh behind the script's name, and the functions here.  A function that
# fails ends the script.
set -eu
. /lab/in/settings

lab_nvmet=
export PATH="/lab/in/build:/lab/in/build/tests:/lab/in/build/tests/lab:$PATH"
export LD_LIBRARY_PATH=/lab/in/build/.libs
export TMPDIR=/mnt/tmp

# drive NAME - the node of the NVMe drive or virtio disk with this serial.  With
# native multipath the namespace belongs to the subsystem, else to the
# controller.
drive()
{
	lab_left=600
	while [ "$lab_left" -gt 0 ]; do
		lab_left=$((lab_left - 1))
		for lab_serial in /sys/class/nvme-subsystem/*/serial; do
			[ -e "$lab_serial" ] || continue
			[ "$(tr -d ' ' <"$lab_serial")" = "$1" ] || continue
			for lab_file in "${lab_serial%/*}"/nvme*n[0-9]* \
				"${lab_serial%/*}"/nvme*/nvme*n[0-9]*; do
				case ${lab_file##*/} in
				*\**|*c*) continue ;;
				esac
				echo "/dev/${lab_file##*/}"
				return 0
			done
		done
		for lab_file in /sys/block/vd*/serial; do
			if [ "$(cat "$lab_file" 2>/dev/null)" = "$1" ]; then
				lab_file=${lab_file%/serial}
				echo "/dev/${lab_file##*/}"
				return 0
			fi
		done
		sleep 0.1
	done
	echo "there is no drive '$1'" >&2
	return 1
}

# make_fs KIND NODE DIR - ext4, xfs, xfs-noreflink or btrfs, mounted there.
make_fs()
{
	mkdir -p "$3"
	modprobe "${1%%-*}" 2>/dev/null || :
	case $1 in
	ext4)
		mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0,nodiscard "$2" ;;
	xfs)
		mkfs.xfs -q -f -K "$2" ;;
	xfs-noreflink)
		mkfs.xfs -q -f -K -m reflink=0 "$2" ;;
	btrfs)
		mkfs.btrfs -q -f -K "$2" ;;
	*)
		echo "there is no file system '$1'" >&2
		return 1 ;;
	esac
	mount -t "${1%%-*}" "$2" "$3"
}

# as_user COMMAND... - without any right.
as_user()
{
	setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all \
		--bounding-set=-all --no-new-privs "$@"
}

# The namespace of --nvmet: a target in this kernel over dm-log-writes.
nvmet_start()
{
	modprobe dm-log-writes
	modprobe nvmet
	lab_data=$(drive nvmet-data)
	lab_log=$(drive nvmet-log)
	dmsetup create nvmet-log --table \
		"0 $(blockdev --getsz "$lab_data") log-writes $lab_data $lab_log"
	lab_nvmet_kind=loop
	modprobe nvme-loop 2>/dev/null || {
		modprobe nvmet-tcp
		modprobe nvme-tcp
		lab_nvmet_kind=tcp
	}
	lab_conf=/sys/kernel/config/nvmet
	mkdir "$lab_conf/subsystems/lab"
	echo 1 >"$lab_conf/subsystems/lab/attr_allow_any_host"
	echo nvmet >"$lab_conf/subsystems/lab/attr_serial"
	mkdir "$lab_conf/subsystems/lab/namespaces/1"
	echo /dev/mapper/nvmet-log \
		>"$lab_conf/subsystems/lab/namespaces/1/device_path"
	echo 1 >"$lab_conf/subsystems/lab/namespaces/1/enable"
	mkdir "$lab_conf/ports/1"
	echo "$lab_nvmet_kind" >"$lab_conf/ports/1/addr_trtype"
	lab_where=
	if [ "$lab_nvmet_kind" = tcp ]; then
		echo ipv4 >"$lab_conf/ports/1/addr_adrfam"
		echo 127.0.0.1 >"$lab_conf/ports/1/addr_traddr"
		echo 4420 >"$lab_conf/ports/1/addr_trsvcid"
		lab_where=,traddr=127.0.0.1,trsvcid=4420
	fi
	ln -s "$lab_conf/subsystems/lab" "$lab_conf/ports/1/subsystems/lab"
	echo "nqn=lab,transport=$lab_nvmet_kind$lab_where" >/dev/nvme-fabrics
	lab_nvmet=$(drive nvmet)
}

# Without the target's removal the log's end is not on the disk.
nvmet_stop()
{
	for lab_file in /sys/class/nvme/nvme*; do
		if [ "$(cat "$lab_file/subsysnqn" 2>/dev/null)" = lab ]; then
			echo 1 >"$lab_file/delete_controller"
		fi
	done
	lab_conf=/sys/kernel/config/nvmet
	rm "$lab_conf/ports/1/subsystems/lab"
	echo 0 >"$lab_conf/subsystems/lab/namespaces/1/enable"
	dmsetup remove --retry nvmet-log
}

# nvmet_mark TEXT - a mark in the log, behind all that was completed before.
nvmet_mark()
{
	dmsetup message nvmet-log 0 mark "$1"
}

[ -z "$lab_want_nvmet" ] || nvmet_start
mkdir -p "$TMPDIR"
lab_status=0
cd /lab/out
(
	set -eu
	. /lab/in/script
) || lab_status=$?
if [ -n "$lab_want_nvmet" ]; then
	cd /
	awk '$2 ~ /^\/mnt\// { print $2 }' /proc/mounts | sort -r |
		xargs -r -n 1 umount
	nvmet_stop
fi
exit "$lab_status"
