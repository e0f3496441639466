# tests/probe/guest_machines.sh - machines with drives, made in a guest of the
# laboratory; run by tests/probe/lab_machines.sh.
#
# shellcheck shell=sh disable=SC2154

. /lab/in/keep.sh
machines=/lab/out
probe=$(command -v journal-probe)
work=/mnt/tmp/machines
mkdir -p "$work/m"
release=$(uname -r)
on="emulated by QEMU; Linux ${release%%[+-]*}"

# fs KIND NODE, as a user would find it
fs() {
	make_fs "$1" "$2" "$work/m"
	chmod 777 "$work/m"
}

# The guest's own: by every kernel.
nawupf=$(drive nawupf-31)
fs ext4 "$nawupf"
keep "nvme-atomic-$lab_kernel" "NVMe, NAWUPF 31, 512-byte blocks, ext4, $on, as root" \
	"$work/m"
chmod 666 "$nawupf" /dev/ng* 2>/dev/null || :
keep "nvme-atomic-user-$lab_kernel" "NVMe, NAWUPF 31, 512-byte blocks, ext4, nodes open to all, $on, as a user" \
	"$work/m" as_user
chmod 600 "$nawupf" /dev/ng* 2>/dev/null || :
gone

[ "$lab_kernel" != 6.1 ] || exit 0

blocks_4k=$(drive blocks-4k)
fs xfs "$blocks_4k"
keep "nvme-4k-$lab_kernel" "NVMe, 4 KiB blocks, NAWUPF 3, NABSPF 7, xfs, $on, as root" \
	"$work/m"
gone

[ "$lab_kernel" = 6.12 ] || exit 0

plain=$(drive plain-drive)
printf 'label: gpt\n,64M\n,\n' | sfdisk -q "$plain"
for try in 1 2 3 4 5 6 7 8 9 10; do
	[ ! -b "${plain}p2" ] || break
	sleep 0.1
done
fs ext4 "${plain}p2"
keep nvme-partition "NVMe without atomics, ext4 on the second partition, $on, as root" \
	"$work/m"
keep nvme-user "NVMe without atomics, its nodes closed, $on, as a user" \
	"$work/m" as_user
echo 'write through' >"/sys/block/${plain#/dev/}/queue/write_cache"
keep nvme-write-through "NVMe with its cache on and write_cache set to write through by hand, $on, as root" \
	"$work/m"
echo 'write back' >"/sys/block/${plain#/dev/}/queue/write_cache"
echo 2 >/proc/sys/kernel/io_uring_disabled
keep sysctl "NVMe without atomics; kernel.io_uring_disabled is 2; $on, as root" \
	"$work/m"
echo 0 >/proc/sys/kernel/io_uring_disabled
gone

# QEMU's write-cache=off changes nothing that a drive says of itself.  The
# feature is the whole controller's, and nvme(1) takes 0 for the node's own.
cache_off=$(drive cache-off)
nvme set-feature "$cache_off" --namespace-id=0xffffffff --feature-id=6 \
	--value=0 >/dev/null
fs ext4 "$cache_off"
keep nvme-cache-off "NVMe, its write cache switched off by Set Features, ext4, $on, as root" \
	"$work/m"
gone

nabo=$(drive nabo-1)
fs ext4 "$nabo"
keep nvme-nabo "NVMe, NAWUPF 31, NABO 1, ext4, $on, as root" "$work/m"
gone

awupf=$(drive awupf-7)
fs ext4 "$awupf"
keep nvme-awupf "NVMe, AWUPF 7 and no NSFEAT bit 1, ext4, $on, as root" \
	"$work/m"
gone

shared=$(drive two-paths)
fs ext4 "$shared"
keep nvme-multipath "NVMe, one namespace by two controllers, native multipath, ext4, $on, as root" \
	"$work/m"
gone

crypt=$(drive crypt-drive)
for module in dm-crypt xts ecb aes_generic aes sha256_generic sha256; do
	modprobe "$module" 2>/dev/null || :
done
printf secret | cryptsetup -q luksFormat --pbkdf pbkdf2 \
	--pbkdf-force-iterations 1000 "$crypt" -
printf secret | cryptsetup open "$crypt" secrets --key-file -
fs ext4 /dev/mapper/secrets
keep dm-crypt "dm-crypt (LUKS2) on NVMe, ext4, $on, as root" "$work/m"
gone
cryptsetup close secrets

raid_a=$(drive raid-a)
raid_b=$(drive raid-b)
modprobe raid1
mdadm --create /dev/md0 --run --quiet --level=1 --metadata=1.2 \
	--homehost=any --raid-devices=2 "$raid_a" "$raid_b"
fs ext4 /dev/md0
keep md-raid1 "md RAID 1 over two NVMe drives, ext4, $on, as root" "$work/m"
gone
mdadm --stop /dev/md0
wipefs -qa "$raid_a" "$raid_b"

make_fs btrfs "$raid_a" "$work/m"
btrfs device add -f "$raid_b" "$work/m" >/dev/null
keep btrfs-two "btrfs over two NVMe drives, $on, as root" "$work/m"
gone

modprobe brd rd_nr=1 rd_size=131072
echo "0 $(blockdev --getsz /dev/ram0) linear /dev/ram0 0" |
	dmsetup create over-ram
fs ext4 /dev/mapper/over-ram
keep dm-ram "device mapper (linear) over a disk in memory, ext4, $on, as root" "$work/m"
gone
dmsetup remove over-ram

virtio=$(drive virtio-disk)
fs ext4 "$virtio"
keep virtio-qemu "virtio disk, ext4, $on, as root" "$work/m"
gone
