#!/bin/sh
# check.sh - the lab's tests, on each KERNEL named (all three unless named).
#
#     tests/lab/check.sh [--short] [--only PART] [--keep DIR] [KERNEL]...
#
# Wants $top_builddir, where everything is built.
#
#   surveys    facts and methods on every drive, judged by check.py.  The table
#              that is made must be doc/lab-matrix, if that has the same
#              kernels; UPDATE=1 writes it there
#   programs   the project's tests that depend on the kernel
#   flushes    the method nvme-flush and untorn writes
#   cuts       recorded writes, and what a power cut leaves; needs root
#
# --short is for continuous integration: fewer drives, power cuts and kills.
# --keep leaves what the guests brought back in DIR.  Ends with "N passed, N
# failed, N skipped"; exit status 0, 1, or 77 where there can be no guest.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
export LC_ALL=C

# NAME OPTIONS: the drives that are surveyed; check.py says what they are.
drives()
{
	[ -n "$short" ] || cat <<'END'
none
awupf awupf=7
n512 nawupf=31
END
	cat <<'END'
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
	sh "$here/run.sh" --out "$out/$name-$kernel" --build "$build" \
		"$@" >"$out/said" 2>&1 || rc=$?
	if [ "$rc" -ne 0 ]; then
		tail -n 20 "$out/said" "$out/$name-$kernel/log" || :
		echo "not ok - $kernel: $name ran: status $rc"
		failed=$((failed + 1))
	fi
}

# judged COMMAND... - check.py's, and its sums.
judged()
{
	python3 -B "$here/check.py" "$@" >"$out/judged" || :
	sed '$d' "$out/judged"
	if read -r p _ f _ s _ <<-END
		$(tail -n 1 "$out/judged")
	END
	then
		passed=$((passed + p))
		failed=$((failed + f))
		skipped=$((skipped + s))
	fi
}

# cases COMMAND... - prints lines that begin with ok, not ok or FAILED, skip.
cases()
{
	rc=0
	"$@" >"$out/said" 2>&1 || rc=$?
	cat "$out/said"
	p=$(grep -c '^ok[ :]' "$out/said") || :
	f=$(grep -c -e '^not ok' -e '^FAILED' "$out/said") || :
	s=$(grep -c '^skip' "$out/said") || :
	if [ "$rc" -eq 77 ]; then
		s=$((s + 1))
	elif [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
		echo "not ok - $1: status $rc"
		f=1
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
}

surveys()
{
	names=$(drives | cut -d ' ' -f 1)
	options=$(drives | while read -r name with; do
		echo "--nvme $name,size=384M${with:+,$with}"
	done)
	pairs=
	for kernel; do
		# shellcheck disable=SC2086 # words without blanks
		guest survey "$kernel" --limit 1800 $options \
			"$kernel" "$here/survey.sh" $names
		pairs="$pairs $kernel=$out/survey-$kernel"
	done
	# shellcheck disable=SC2086 # a cache's name has no blanks in it
	judged survey "$here/expect.txt" "$out/matrix" $pairs
	[ -z "$short" ] && [ -e "$out/matrix" ] || return 0
	if [ -n "${UPDATE:-}" ]; then
		cp "$out/matrix" "$top/doc/lab-matrix"
	elif [ "$(sed -n 's/^Kernels: //p' "$top/doc/lab-matrix")" != "$*" ]; then
		echo "# doc/lab-matrix is of other kernels, and not compared"
	elif ! diff -u "$top/doc/lab-matrix" "$out/matrix"; then
		echo "not ok - doc/lab-matrix is what is found; UPDATE=1 makes it"
		failed=$((failed + 1))
	fi
}

programs()
{
	kills=20
	[ -z "$short" ] || kills=8
	pairs=
	for kernel; do
		guest programs "$kernel" --file "$top/tests" --limit 1800 \
			--nvme programs,size=1G \
			"$kernel" "$here/programs.sh" ext4 "$kills"
		pairs="$pairs $kernel=$out/programs-$kernel"
	done
	# shellcheck disable=SC2086
	judged programs $pairs
}

flushes()
{
	cases env srcdir="$top" builddir="$build" sh "$here/nvme.sh" "$@"
}

cuts()
{
	if [ "$(id -u)" -ne 0 ]; then
		echo "skip - power cuts: mounting images needs root"
		skipped=$((skipped + 1))
		return 0
	fi
	options=
	for kernel; do
		options="$options --kernel $kernel"
	done
	cases=
	if [ -n "$short" ]; then
		options="$options --images 15"
		cases="ext4:direct:caller raw:direct:thread ext4:direct:caller:lazy"
	fi
	# shellcheck disable=SC2086 # words without blanks
	cases sh "$here/powercut.sh" --build "$build" $options $cases
}

timed()
{
	begin=$(date +%s)
	"$@"
	echo "# $*: $(($(date +%s) - begin)) s"
}

parts="surveys programs flushes cuts"
short=
kept=
out=
cleanup()
{
	rc=$?
	trap - EXIT
	[ -z "$out" ] || [ -n "$kept" ] || rm -rf "$out"
	exit "$rc"
}
while [ $# -gt 0 ]; do
	case $1 in
	--help)
		sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
		exit 0 ;;
	--short)
		short=1 ;;
	--only)
		case " surveys programs flushes cuts " in
		*" ${2-} "*) parts=$2 ;;
		*)
			echo "lab: --only surveys, programs, flushes or cuts" >&2
			exit 2 ;;
		esac
		shift ;;
	--keep)
		kept=${2:-kept}
		[ $# -lt 2 ] || shift ;;
	-*)
		echo "lab: unknown option $1; try --help" >&2
		exit 2 ;;
	*)
		break ;;
	esac
	shift
done
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
sh "$here/setup.sh" "$@" >/dev/null 2>"$out/why" || rc=$?
case $rc in
0) ;;
77) skip "$(tail -n 1 "$out/why")" ;;
*)	cat "$out/why"
	exit 1 ;;
esac

passed=0
failed=0
skipped=0
for part in $parts; do
	timed "$part" "$@"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
