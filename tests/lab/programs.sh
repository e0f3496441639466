# programs.sh - runs in the guest: the project's own tests that depend on the
# kernel, on a file system on the emulated NVMe drive "programs".
#
#     programs.sh FILE_SYSTEM KILLS
#
# Leaves results, a line "status seconds name" for each, and name.log.
# shellcheck shell=sh

make_fs "$1" "$(drive programs)" /mnt/drive
chmod 1777 /mnt/drive
export TMPDIR=/mnt/drive top_builddir=/lab/in/build srcdir=/lab/in
# The processor is emulated.
export CK_TIMEOUT_MULTIPLIER=20 JOURNAL_TEST_SLOWER=20
export JOURNAL_TEST_KILLS="$2" JOURNAL_TEST_LANDINGS=1

once()
{
	begin=$(date +%s)
	name=$1
	shift
	rc=0
	timeout -k 5 400 "$@" >"$name.log" 2>&1 || rc=$?
	echo "$rc $(($(date +%s) - begin)) $name" >>results
}

for name in file journal recycle ring thread loop nvme barrier untorn raw; do
	test=/lab/in/build/tests/unit/test_$name
	[ ! -x "$test" ] || once "test_$name" "$test"
done
once kill sh /lab/in/tests/kill.sh
once kill-threads sh /lab/in/tests/kill-threads.sh
