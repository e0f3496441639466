#!/bin/sh
# The method nvme-flush and untorn batches on real NVMe drives, in guests of
# the lab: one kernel after the other, or those that are named.
#
#     tests/lab/nvme.sh [KERNEL]...
#
# Run in the build directory, or with builddir set.  77 where there is no lab.
set -eu
srcdir=${srcdir:-$(dirname "$0")/../..}
here=$srcdir/tests/lab
builddir=${builddir:-$PWD}
status=0
[ $# -gt 0 ] || set -- 6.1 6.12 7
for kernel; do
	echo "# kernel $kernel"
	ret=0
	sh "$here/run.sh" --build "$builddir" --nvme plain,size=512M --nvme big,nawupf=31 \
		--nvme late,nawupf=31,nabsn=31,nabspf=31,nabo=1 --nvme gone \
		--nvmet 64M "$kernel" \
		"$here/nvme-guest.sh" || ret=$?
	[ $ret = 0 ] || status=$ret
	[ $ret != 77 ] || break
done
exit $status
