#!/usr/bin/dash
# init.sh - process 1 of a guest of the lab: mounts, loads the drivers, unpacks
# what the disk "lab-in" holds, runs it, and leaves what it made and its exit
# status as a tar on the disk "lab-out".
#
# Disks are found by serial: their names move between boots.  Whatever goes
# wrong, the machine goes off; a tar without a status is a guest that died.

export PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C TERM=dumb
# There is no udev to wait for.
export DM_DISABLE_UDEV=1 MDADM_NO_UDEV=1

off()
{
	sync
	poweroff -f
	while :; do sleep 1; done
}

# by_serial SERIAL - the virtio disk of that serial, once it is there.
by_serial()
{
	for try in 1 2 3 4 5 6 7 8 9 10; do
		for file in /sys/block/vd*/serial; do
			if [ "$(cat "$file" 2>/dev/null)" = "$1" ]; then
				file=${file%/serial}
				echo "/dev/${file##*/}"
				return 0
			fi
		done
		sleep 0.1
	done
	return 1
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
for module in virtio_pci virtio_blk configfs; do
	modprobe "$module" 2>/dev/null
done
mount -t configfs configfs /sys/kernel/config 2>/dev/null
in=$(by_serial lab-in) || { echo "lab: no disk lab-in"; off; }
out=$(by_serial lab-out) || { echo "lab: no disk lab-out"; off; }

mkdir -p /lab/in /lab/out
cd /lab/in || off
tar -xf "$in" || off
ulimit -l unlimited
status=0
dash /lab/in/guest.sh </dev/null >/lab/out/log 2>&1 || status=$?
cat /lab/out/log
echo "$status" >/run/status
# The status comes last: with it everything is there.
tar -cf "$out" -C /lab/out . -C /run ./status ||
	echo "lab: what was made does not fit the disk lab-out"
off
