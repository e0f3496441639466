#!/bin/sh
# check.sh - the lab's tests, on each KERNEL named (all three unless named).
#
#     tests/lab/check.sh [--keep DIR] [KERNEL]...
#
# Wants $top_builddir, where everything is built.  What the guests bring back
# is judged by check.py.  The table that is made must be doc/lab-matrix, if all
# kernels ran; UPDATE=1 writes it there.  Ends with "N passed, N failed, N
# skipped"; exit status 0, 1, or 77 where there can be no guest.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
export LC_ALL=C

# NAME OPTIONS: the drives that are surveyed; check.py says what they are.
drives()
{
	cat <<'END'
none
awupf awupf=7
n512 nawupf=31
n4k bs=4096,nawupf=3,nabspf=7
nabo nawupf=7,nabsn=31,nabspf=31,nabo=8
END
}

skip()
{
	echo "skipped: $*"
	echo "0 passed, 0 failed, 1 skipped"
	exit 77
}

# guest NAME KERNEL OPTION... - a run, its output in $out/NAME-KERNEL.
guest()
{
	name=$1
	kernel=$2
	shift 2
	rc=0
	sh "$here/run.sh" --out "$out/$name-$kernel" --build "$build" "$@" ||
		rc=$?
	if [ "$rc" -ne 0 ]; then
		tail -n 20 "$out/$name-$kernel/log" 2>/dev/null || :
		echo "not ok - $kernel: $name ran: status $rc"
		failed=1
	fi
}

# judged COMMAND... - check.py's, and its sums.
judged()
{
	python3 "$here/check.py" "$@" >"$out/judged" || failed=1
	sed '$d' "$out/judged"
	sums="$sums $(tail -n 1 "$out/judged" | tr -cd '0-9 \n')"
}

kept=
out=
cleanup()
{
	rc=$?
	trap - EXIT
	[ -z "$out" ] || [ -n "$kept" ] || rm -rf "$out"
	exit "$rc"
}
if [ "${1:-}" = --keep ]; then
	kept=$2
	shift 2
fi
[ $# -gt 0 ] || set -- 6.1 6.12 7
command -v python3 >/dev/null || skip "no python3"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -n "$kept" ]; then
	mkdir -p "$kept"
	out=$(cd "$kept" && pwd)
else
	out=$(mktemp -d "${TMPDIR:-/var/tmp}/journal-lab-check.XXXXXX")
fi

rc=0
sh "$here/setup.sh" "$@" >"$out/lab" 2>"$out/why" || rc=$?
case $rc in
0) ;;
77) skip "$(tail -n 1 "$out/why")" ;;
*)	cat "$out/why"
	exit 1 ;;
esac

failed=0
sums=
surveyed=
ran=
names=$(drives | cut -d ' ' -f 1)
options=$(drives | while read -r name with; do
	echo "--nvme $name,size=384M${with:+,$with}"
done)
for kernel; do
	begin=$(date +%s)
	# shellcheck disable=SC2086 # words without blanks
	guest survey "$kernel" $options "$kernel" "$here/survey.sh" $names
	surveyed="$surveyed $kernel=$out/survey-$kernel"
	guest programs "$kernel" --file "$top/tests" \
		--nvme programs,size=1G --limit 400 \
		"$kernel" "$here/programs.sh" ext4 20
	ran="$ran $kernel=$out/programs-$kernel"
	echo "# Linux $kernel: $(($(date +%s) - begin)) s"
done
# shellcheck disable=SC2086 # a cache's name has no blanks in it
judged programs $ran
# shellcheck disable=SC2086
judged survey "$here/expect.txt" "$out/matrix" $surveyed
if [ "$*" = "6.1 6.12 7" ] && [ -e "$out/matrix" ]; then
	if [ -n "${UPDATE:-}" ]; then
		cp "$out/matrix" "$top/doc/lab-matrix"
	elif ! diff -u "$top/doc/lab-matrix" "$out/matrix"; then
		echo "not ok - doc/lab-matrix is what is found; UPDATE=1 makes it"
		failed=1
	fi
fi
echo "$sums" | awk -v failed="$failed" '{
	for (i = 1; i <= NF; i += 3) { p += $i; f += $(i + 1); s += $(i + 2) }
	if (failed && !f) f = 1
	printf "%d passed, %d failed, %d skipped\n", p, f, s
}'
exit "$failed"
