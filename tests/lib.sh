# tests/lib.sh - what the shell tests of the programs share; sourced, not run.
#
# A case is a sentence followed by its checks: the first check that fails
# prints "not ok" with the reason, the case's end prints "ok".  finish prints
# the sum and exits.
#
# shellcheck shell=sh

top_builddir=${top_builddir:-.}
# Absolute: tests go to other directories, and start each other from there.
srcdir=$(cd "${srcdir:-.}" && pwd) || exit 99
export srcdir
builddir=$(cd "$top_builddir" && pwd) || exit 99

# The programs themselves and not libtool's wrappers: a signal must reach the
# program, and a wrapper costs a shell on each of some hundred runs.
if [ -x "$builddir/.libs/journal-tool" ]; then
	tool=$builddir/.libs/journal-tool
	LD_LIBRARY_PATH=$builddir/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	export LD_LIBRARY_PATH
else
	tool=$builddir/journal-tool
fi
forge=$builddir/tests/forge

# A sanitizer's own exit code must not pass for one of ours.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=98"
UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}exitcode=98"
TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}exitcode=98"
LSAN_OPTIONS="${LSAN_OPTIONS:+$LSAN_OPTIONS:}exitcode=98"
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS LSAN_OPTIONS

sanitized() {
	grep -qa -e __asan_init -e __tsan_init "$tool"
}

# Scratch space: a journal refuses tmpfs, so not /tmp.
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/journal test.XXXXXX") || exit 99
# Tests that mount or start something put their own clean-up in here.
cleanup() { :; }
trap 'cleanup; rm -rf "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

skip_all() {
	echo "skipped: $*"
	exit 77
}

sentence=
failed=0
passed=0
skipped=0

end_case() {
	[ -n "$sentence" ] || return 0
	if [ "$case_good" = yes ]; then
		echo "ok - $sentence"
		passed=$((passed + 1))
	fi
	sentence=
}

begin() {
	end_case
	sentence=$*
	case_good=yes
}

# Only the first failure of a case is told.
bad() {
	[ "$case_good" = yes ] || return 0
	case_good=no
	failed=$((failed + 1))
	echo "not ok - $sentence"
	echo "#   $*"
	[ ! -s "$scratch/err" ] || sed 's/^/#   stderr: /' "$scratch/err" | head -n 5
}

skip_case() {
	case_good=skip
	skipped=$((skipped + 1))
	echo "skip - $sentence: $*"
}

finish() {
	end_case
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ] || exit 1
	[ "$passed" -gt 0 ] || exit 77
	exit 0
}

# What a random test begins with: the same each time, so that what is found was
# changed.  JOURNAL_TEST_SEED=N is another one, "random" is one of the clock.
test_seed() {
	case ${JOURNAL_TEST_SEED:-1} in
	random) od -An -N3 -tu4 /dev/urandom | tr -d ' ' ;;
	*) echo "${JOURNAL_TEST_SEED:-1}" ;;
	esac
}

# run CODE COMMAND...: bounded in time; output in $scratch/out and .../err.
run() {
	want=$1
	shift
	have=0
	timeout -k 5 300 "$@" >"$scratch/out" 2>"$scratch/err" || have=$?
	if [ "$have" -eq 124 ] || [ "$have" -eq 137 ]; then
		bad "hangs: $*"
		return 0
	fi
	[ "$have" -eq "$want" ] || bad "exit code $have, not $want: $*"
}

# The message is one line, says who speaks, and each pattern is in it.
says() {
	if [ "$(wc -l <"$scratch/err")" -ne 1 ]; then
		bad "not one line on standard error"
		return 0
	fi
	grep -q '^journal-tool: ' "$scratch/err" ||
		bad "the message does not begin with journal-tool:"
	for pattern; do
		grep -qi -e "$pattern" "$scratch/err" ||
			bad "the message does not say '$pattern'"
	done
}

quiet() {
	[ ! -s "$scratch/err" ] || bad "something on standard error"
}

same() {
	cmp -s "$1" "$2" || bad "$1 and $2 differ"
}

# What a directory holds: names, kinds, sizes, times, contents.
fingerprint() {
	(
		cd "$1" || exit 99
		find . -printf '%p %y %s %m %n %T@ %l\n' | LC_ALL=C sort
		find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2
	)
}

remember() {
	fingerprint "$1" >"$scratch/before"
}

unchanged() {
	fingerprint "$1" >"$scratch/after"
	cmp -s "$scratch/before" "$scratch/after" ||
		bad "something changed in $1: $(diff "$scratch/before" \
			"$scratch/after" | head -n 2 | tr '\n' ' ')"
}

# The n-th segment file (from 0) of a journal.
segment() {
	printf '%s/%016x.seg' "$1" "$2"
}

# wait_for N COMMAND...: until it holds, which takes N tenths of a second at
# most, and six times as long on a machine that does other things besides.
wait_for() {
	left=$(($1 * 6))
	shift
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.1
	done
}

# counted FROM TO: lines that say which they are, of many lengths.
counted() {
	awk -v from="$1" -v to="$2" 'BEGIN {
		pad = "abcdefghijklmnopqrstuvwxyz"
		for (i = 0; i < 6; i++)
			pad = pad pad
		for (n = from; n <= to; n++)
			print n " " substr(pad, 1, (n * 7919) % 1201)
	}'
}
