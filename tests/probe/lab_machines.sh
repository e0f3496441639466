#!/bin/sh
# Make those machines again that need drives of their own, in the laboratory:
#
#     tests/probe/lab_machines.sh BUILD [DIRECTORY]
#
# BUILD is where journal-probe was built; DIRECTORY is tests/probe/machines.
# Takes a minute; LAB_KERNELS are the kernels (6.12 6.1 7).  Look at `git diff`
# afterwards, then UPDATE=1 tests/probe/golden.sh.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(readlink -f "$1")
machines=$(readlink -f "${2:-$here/machines}")
run=${LAB_RUN:-$here/../lab/run.sh}
out=$(mktemp -d /var/tmp/lab-machines.XXXXXX)
trap 'rm -rf "$out"' EXIT
trap 'exit 1' HUP INT TERM
status=0

# All of them in every guest: its script takes those that it wants.
for kernel in ${LAB_KERNELS:-6.12 6.1 7}; do
	sh "$run" --build "$build" --out "$out/$kernel" --file "$here/keep.sh" \
		--nvme plain-drive --nvme cache-off \
		--nvme nawupf-31,nawupf=31 \
		--nvme blocks-4k,size=512M,bs=4096,nawupf=3,nabspf=7 \
		--nvme nabo-1,nawupf=31,nabsn=63,nabspf=63,nabo=1 \
		--nvme awupf-7,awun=7,awupf=7 \
		--nvme raid-a --nvme raid-b --nvme crypt-drive \
		--shared two-paths,nawupf=31 --disk virtio-disk \
		"$kernel" "$here/guest_machines.sh" || status=$?
	cat "$out/$kernel/log" || :
	cp "$out/$kernel"/*.machine "$machines" || :
done
exit "$status"
