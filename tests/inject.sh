#!/bin/sh
# System calls of the real program that fail, each at a few moments of a run
# that rotates over many segments: once, or from then on for good.
#
# A commit's write or flush that fails is made up for by a new file: nothing is
# missing and the exit status says so.  Where that file cannot be made the
# program ends with a message.  However it ends, all that it had printed is
# there, with its LSN, what is there is the input up to some record, nothing is
# damage, and the next run goes on.
#
# strace counts each thread's calls on its own, and either of two threads may
# carry a commit.  So faults of a commit are asked for by the name of its
# segment's file, which is another one while that file is being made.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"
here=$(pwd -P)

command -v strace >/dev/null || skip_all "there is no strace"
strace -f -o trace -e trace=getppid -e inject=getppid:error=EIO:when=2+ true \
	2>err || skip_all "strace may not trace or inject: $(head -n 1 err)"
# Looking for leaks is a trace of its own, and there can be one only.
ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
LSAN_OPTIONS="$LSAN_OPTIONS:detect_leaks=0"

# Each record is a batch of one block, and a segment has room for 15.  There
# is a beginning, so that segment 0 is made before the faults.
counted 1 6 >beginning
counted 7 126 >input
cat beginning input >both
records=$(wc -l <both)

append() {
	"$tool" append --segment-size 64K --record-max 4K --method "$method" "$@"
}

# What is in out begins with what was acknowledged, and is the beginning of
# what was appended, $1 records of it at least.
compare() {
	there=$(wc -l <out)
	[ "$there" -ge "$1" ] || bad "$where: $there of $1 records are there"
	head -n "$there" both >want
	cut -f 2- out | cmp -s - want || bad "$where: not what was appended"
	cut -f 1 out | head -n "$(wc -l <acks)" | cmp -s - acks ||
		bad "$where: what was acknowledged is gone, or is elsewhere"
}

# look: everything a journal has to stand, after a run with $have.
look() {
	least=$(wc -l <acks)
	[ "$have" -ne 0 ] || [ "$least" -eq "$records" ] ||
		bad "$where: exit status 0, and $least acknowledged"
	have=0
	timeout -k 5 300 "$tool" cat --lsn j >out 2>err || have=$?
	[ "$have" -eq 0 ] || bad "$where: cat ends with $have"
	compare "$least"
	timeout -k 5 300 "$tool" verify j >out 2>err ||
		bad "$where: verify: $(tail -n 1 out)"
	if ! append j <beginning >more 2>err; then
		bad "$where: the next run fails"
		return 0
	fi
	"$tool" cat j 2>err | tail -n 6 | cmp -s - beginning ||
		bad "$where: what the next run appended is not there"
}

# fault EXPECTED STRACE-OPTION...: one run.  EXPECTED is "survives" (exit
# status 0, all there), "ends" (2 and a message) or "either".
fault() {
	expected=$1
	shift
	where=$method
	for option; do
		case $option in
		inject=*) where="$where ${option#inject=}" ;;
		esac
	done
	runs=$((runs + 1))
	rm -rf j
	cp -a "base $method" j
	cp "acks $method" acks
	have=0
	timeout -k 5 300 strace -f -o trace "$@" "$tool" append \
		--record-max 4K --method "$method" j <input >>acks 2>err || have=$?
	if ! grep INJECTED trace >/dev/null; then
		bad "$where: no call failed"
		return 0
	fi
	case $expected:$have in
	survives:0 | either:0) ;;
	ends:2 | either:2)
		ended=$((ended + 1))
		says j
		;;
	*) bad "$where: exit status $have" ;;
	esac
	look
}

# of_commits CALL: fails at moments all over the run.
of_commits() {
	for moment in 1 2 3 5; do
		case $moment in
		1 | 3) error=EIO ;;
		*) error=ENOSPC ;;
		esac
		fault survives -P "$(segment "$here/j" $((moment + 1)))" \
			-e "trace=$1" \
			-e "inject=$1:error=$error:when=$moment"
	done
	# Every file that takes its place fails too, and is replaced.
	fault survives -P "$(segment "$here/j" 3)" -e "trace=$1" \
		-e "inject=$1:error=EIO:when=1+"
}

# no_new_file CALL HOW: a commit's CALL fails, and then each HOW on segment 0's
# new file, which is the only one that has this name.
no_new_file() {
	fault ends -P "$(segment "$here/j" 0)" -P 0000000000000000.tmp \
		-P "$here/j/0000000000000000.tmp" -e "trace=$1,$2" \
		-e "inject=$1:error=EIO:when=$3" -e "inject=$2:error=$4:when=1+"
}

runs=0
ended=0
usable=
for method in direct buffered; do
	if append "base $method" <beginning >"acks $method" 2>err; then
		usable="$usable $method"
	else
		echo "the method $method is not used: $(cat err)"
	fi
done
[ -n "$usable" ] || skip_all "no method is usable in $scratch"

for method in $usable; do
	# What a commit consists of, here.
	rm -rf j
	cp -a "base $method" j
	strace -f -o trace -P "$(segment "$here/j" 3)" -e trace=pwritev2,fdatasync,fsync \
		"$tool" append --record-max 4K --method "$method" j <input \
		>acks 2>err || skip_all "strace ends with $?: $(head -n 1 err)"
	calls=
	for call in pwritev2 fdatasync fsync; do
		if [ "$(grep -c "$call(" trace)" -ge 8 ]; then
			calls="$calls $call"
		fi
	done

	begin "$method: a commit's call that fails is made up for ($calls )"
	for call in $calls; do
		of_commits "$call"
	done
	[ -n "$calls" ] || bad "no call of a commit was found"

	begin "$method: no new file in the place of a failed one: it ends"
	for call in $calls; do
		no_new_file "$call" renameat 3 EIO
		no_new_file "$call" fallocate 4 ENOSPC
	done

	begin "$method: a write that was interrupted is made again"
	fault survives -P "$(segment "$here/j" 2)" -e trace=pwritev2 \
		-e inject=pwritev2:error=EINTR:when=1
	fault survives -e trace=pwritev2 \
		-e inject=pwritev2:error=EINTR:when=1+3
	[ "$(grep -c INJECTED trace)" -gt 20 ] || bad "too few were interrupted"

	begin "$method: for good, in each thread: everything acknowledged is there"
	ended=0
	for call in $calls fallocate renameat unlinkat; do
		case $call in
		pwritev2 | fdatasync) moments="12 20 30" ;;
		*) moments="1 2 3" ;;
		esac
		for moment in $moments; do
			fault either -e "trace=$call" \
				-e "inject=$call:error=EIO:when=$moment+"
		done
	done
	fault either -e trace=fallocate \
		-e inject=fallocate:error=ENOSPC:when=2+
	fault either -e trace=fsync -e inject=fsync:error=EIO:when=3+
	[ "$ended" -gt 3 ] || bad "only $ended runs ended"

	begin "$method: making a segment fails for once: everything acknowledged is there"
	for call in fallocate renameat unlinkat fsync; do
		for error in EIO ENOSPC; do
			fault either -e "trace=$call" \
				-e "inject=$call:error=$error:when=2"
		done
	done
done
echo "$runs runs with faults"

finish
