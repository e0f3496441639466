#!/bin/sh
# A producer and three followers in other processes, with small segments, used
# again and given back, and SIGKILLs of all of them: see tests/followers.c.
#
# JOURNAL_TEST_FOLLOW_S  seconds for each (default 6 and 4), and as many more as
#                        it takes for some hundred records to be seen
# JOURNAL_TEST_SEED      other choices (default 1, or random); the moments vary
#                        anyway
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

program=$builddir/tests/followers
seed=$(test_seed)
echo "seed $seed"
loop=
cleanup() {
	[ -z "$loop" ] || wait_for 50 losetup -d "$loop" || :
}

# go JOURNAL SECONDS
go() {
	seconds=${JOURNAL_TEST_FOLLOW_S:-$2}
	have=0
	timeout -k 5 $((seconds + 700)) "$program" "$1" "$seconds" "$seed" \
		>out 2>err || have=$?
	[ "$have" -eq 0 ] || bad "ends with $have"
	cat out
	gaps=$(sed -n 's/^follower 2.* in \([0-9]*\) gaps.*/\1/p' out)
}

begin "three followers see what is durable, each record once, whoever is killed"
go j 6
# In a few seconds that is a matter of chance.
[ "$seconds" -lt 60 ] || [ "${gaps:-0}" -gt 0 ] ||
	bad "no follower was overtaken by a trim"

begin "on a block device they see it too"
if [ "$(id -u)" -ne 0 ]; then
	skip_case "loop devices need root"
elif truncate -s 16M image && ! loop=$(losetup --find --show image 2>err); then
	loop=
	skip_case "no loop device can be made: $(cat err)"
else
	go "$loop" 4
fi

finish
