#!/bin/sh
# Everything that can be wrong with what journal-tool is given: the exit code
# is right, the message names the file and says what to do, nothing on disk
# changes, and nothing hangs.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

bystander=
cleanup() {
	[ -z "$bystander" ] || kill "$bystander" 2>/dev/null || :
	[ ! -d mounted ] || ! mountpoint -q mounted || umount mounted
}

counted 1 300 >lines
"$tool" append --batch 8 --segment-size 64K good <lines >acks
"$tool" append --batch 8 --segment-size 64K other <lines >/dev/null
# The newest segment that holds something, and the spare behind it.  The
# spare is made in the background, and given up when the writer closes first.
find_spare() {
	for file in good/*.seg; do
		[ -z "$("$forge" batches "$file")" ] || newest=${file#good/}
	done
	last=$(printf '%d' "0x${newest%.seg}")
	spare=$(segment good $((last + 1)))
	# Where a watermark came to lie alone there is no record to spoil.
	[ -f "$spare" ] &&
		"$forge" batches "good/$newest" | awk '$6 > 0 { found = 1 }
			END { exit !found }'
}
tries=0
until find_spare; do
	tries=$((tries + 1))
	[ "$tries" -lt 50 ] || exit 99
	counted $((300 + tries)) $((300 + tries)) >more
	cat more >>lines
	pause=0.2
	[ "$tries" -lt 10 ] || pause=2
	{ cat more; sleep "$pause"; } | "$tool" append good >>acks
done
rm -f more
spare=${spare#good/}
[ "$last" -gt 2 ] || exit 99

# A fresh copy to spoil.
copy() {
	rm -rf j
	cp -a good j
}

# refused CODE PATTERN...: by verify, cat, info and append alike.
refused() {
	code=$1
	shift
	remember j
	for command in verify cat info append; do
		run "$code" "$tool" "$command" j <lines
		says "$@"
		[ "$command" = cat ] || [ "$command" = verify ] || [ ! -s out ] ||
			bad "$command prints something"
		unchanged j
	done
}

# For damage below where a writer goes on: the whole is read by verify and cat.
found() {
	code=$1
	shift
	remember j
	for command in verify cat; do
		run "$code" "$tool" "$command" j
		says "$@"
		unchanged j
	done
}

begin "wrong options and arguments are told with the way to help"
while read -r args; do
	# shellcheck disable=SC2086 # words
	run 2 "$tool" $args </dev/null
	says "try '.*journal-tool.*--help'"
	[ ! -s out ] || bad "something on standard output: $args"
done <<'END'

frobnicate
--frobnicate
-x
append
append --frobnicate new
append -x new
append new surplus
append new --batch
append --batch 0 new
append --batch -1 new
append --batch 1.5 new
append --batch 0x10 new
append --batch 99999999999999999999 new
append --batch 18446744073709551617 new
append --null=1 new
append --segment-size 0 new
append --segment-size 64Q new
append --segment-size K new
append --segment-size 64KB new
append --segment-size 16777216T new
append --record-max 0 new
append --record-max 4G new
append --record-max 1M1 new
cat
cat --from new
cat --from=-1 new
cat --from=1x new
cat --from= new
cat --json --null new
cat --frobnicate new
info
info new surplus
info --lsn new
verify
verify --from 1 new
verify --json=yes new
END
[ ! -e new ] || bad "a journal came into being"

begin "help and version go to standard output"
for args in --help --version 'append --help' 'cat --help' 'info --help' \
	'verify --help' 'append new --help --batch 1'; do
	# shellcheck disable=SC2086 # words
	run 0 "$tool" $args
	[ -s out ] || bad "nothing said by $args"
	quiet
done
[ ! -e new ] || bad "a journal came into being"

begin "option values that the library refuses are told"
run 2 "$tool" append --segment-size 100000 new </dev/null
says new 'segment'
run 2 "$tool" append --method frobnicate new </dev/null
says new frobnicate
run 2 "$tool" append --segment-size 64K --record-max 1M new </dev/null
says new 'record'
[ ! -e new ] || [ -z "$(ls new)" ] || bad "something was left in new: $(ls new)"
rm -rf new

begin "no journal: nothing there, an empty directory, an empty name"
mkdir empty
remember .
for command in cat info verify; do
	run 2 "$tool" "$command" nowhere
	says nowhere
	run 2 "$tool" "$command" empty
	says empty
	run 2 "$tool" "$command" ''
	[ -s err ] || bad "no message"
done
[ ! -e nowhere ] || bad "nowhere came into being"
[ -z "$(ls -A empty)" ] || bad "something came into empty"

begin "a path whose parent is not there is an error of append too"
run 2 "$tool" append nowhere/deep </dev/null
says nowhere/deep

begin "a file in place of a directory is refused"
cp lines file
for command in append cat info verify; do
	run 2 "$tool" "$command" file </dev/null
	says file 'directory'
done
same file lines

begin "a directory with something else in it is not taken for a journal"
mkdir else
cp lines else/notes
remember else
run 2 "$tool" append else <lines
says else
unchanged else
for command in cat info verify; do
	run 2 "$tool" "$command" else
	says else
	unchanged else
done

begin "a newer format is refused, not judged"
for field in version=2 version=4294967295 incompat=1 incompat=2147483648; do
	for file in "$newest" "$spare"; do
		copy
		"$forge" header "j/$file" "$field"
		refused 2 j "$file" newer
	done
done

begin "bits that may be ignored are ignored"
copy
for file in j/*.seg; do
	"$forge" header "$file" compat=4
done
run 0 "$tool" verify j
run 0 "$tool" cat j
same out lines

begin "a newer format in an old segment is told by who reads it"
copy
"$forge" header "$(segment j 0)" version=2
found 2 j 0000000000000000.seg newer

begin "a segment of another journal is told"
copy
cp -a "other/$newest" "j/$newest"
remember j
for command in verify cat info append; do
	run 1 "$tool" "$command" j <lines
	says j '[0-9a-f]\{16\}.seg' 'another journal'
	unchanged j
done
copy
cp -a "$(segment other 1)" "$(segment j 1)"
found 1 j 0000000000000001.seg 'another journal'

begin "a segment under a wrong number is told"
copy
cp -a "$(segment j 0)" "$(segment j 1)"
found 1 j 0000000000000001.seg

begin "a missing segment is told: the first, one between, the last with records"
for n in 0 1; do
	copy
	rm "$(segment j "$n")"
	found 1 j
	grep -q "$(printf '%016x' "$n").seg" err || bad "not named: $(cat err)"
done
copy
rm "j/$newest"
remember j
for command in verify cat append; do
	run 1 "$tool" "$command" j <lines
	says j 'missing'
	unchanged j
done

begin "a truncated segment is told"
for size in 65535 32768 4097 4096 100 1; do
	for file in "$newest" "$spare"; do
		copy
		truncate -s "$size" "j/$file"
		refused 1 j "$file"
	done
	copy
	truncate -s "$size" "$(segment j 1)"
	found 1 j 0000000000000001.seg
done

begin "a segment without a byte is told"
for file in "$newest" "$spare"; do
	copy
	: >"j/$file"
	refused 1 j "$file"
done
copy
: >"$(segment j 0)"
found 1 j 0000000000000000.seg

begin "a segment that grew is told"
for file in "$newest" "$spare"; do
	copy
	truncate -s 65537 "j/$file"
	refused 1 j "$file"
done

begin "a second writer is refused with the number of the first"
copy
mkfifo input
"$tool" append j <input >acks1 2>err1 &
bystander=$!
exec 9>input
wait_for 100 sh -c '"$0" info j | grep -q "pid $1"' "$tool" "$bystander" ||
	bad "no writer"
echo more >&9
wait_for 100 [ -s acks1 ] || bad "no LSN"
# Its watermark may still come, which makes the record visible, the next segment,
# and what it says of that in its statistics: wait until nothing moves, and all
# of its threads sleep.
sees_more() {
	"$tool" cat j | tail -n 1 | grep -qx more
}
asleep() {
	! grep -h '^State:' "/proc/$bystander/task/"*/status | grep -qv 'S (sl'
}
wait_for 100 sees_more || bad "no watermark"
looks=0
until
	sleep 0.5
	remember j
	asleep && sleep 0.5 && asleep &&
		fingerprint j | cmp -s - "$scratch/before"
do
	looks=$((looks + 1))
	[ "$looks" -lt 60 ] || break
done
run 2 "$tool" append j <lines
says j 'open for writing' "$bystander"
[ ! -s out ] || bad "an LSN was printed"
unchanged j
exec 9>&-
wait "$bystander" || bad "the first one fails: $(cat err1)"
bystander=
run 0 "$tool" append j <lines

begin "numbers near the end of all numbers are survived"
for name in ffffffffffffffff 7fffffffffffffff 8000000000000000 0000ffffffffffff \
	0000800000000000; do
	copy
	cp "$(segment j 0)" "j/$name.seg"
	refused 1 j "$name.seg"
	copy
	cp "$(segment j 0)" "j/$name.seg"
	number=0x$name
	"$forge" header "j/$name.seg" "number=$number"
	remember j
	for command in verify cat info append; do
		run 1 "$tool" "$command" j <lines
		says j '[0-9a-f]\{16\}.seg'
		unchanged j
	done
done

begin "names that are almost a segment's are no segments"
copy
: >j/0000000000000000.SEG
: >j/00000000000000000.seg
: >j/000000000000000.seg
: >j/000000000000000g.seg
: >j/0000000000000001.seg.bak
: >j/-1.seg
run 0 "$tool" cat j
same out lines
run 0 "$tool" verify j

begin "headers with a right checksum and a wrong geometry are told"
for field in segment_size=0 segment_size=1 segment_size=131072 \
	segment_size=18446744073709551615 segment_size=9223372036854775808 \
	block_size=0 block_size=1 block_size=4097 block_size=8192 \
	block_size=4294967295 block_size=2147483648 version=0 \
	number=18446744073709551615 number=1 uuid=1; do
	copy
	"$forge" header "j/$newest" "$field"
	remember j
	for command in verify cat info append; do
		run 1 "$tool" "$command" j <lines
		says j '[0-9a-f]\{16\}.seg'
		unchanged j
	done
done

# The last batch that holds records, in the newest segment, and the one behind
# it (the closing watermark).
set -- $("$forge" batches "good/$newest" | awk '$6 > 0' | tail -n 1)
at=$1
first_line=$((300 + tries - $6 + 1))
closing=$("$forge" batches "good/$newest" | tail -n 1 | cut -d ' ' -f 1)

begin "batches with right checksums and hostile numbers are told"
for field in body_len=4294967295 body_len=65536 body_len=0 count=4294967295 \
	count=0 lsn=18446744073709551615 lsn=0 lsn=9223372036854775808 \
	prev_sum=0 flags=4294967295 flags=2 flags=4; do
	copy
	"$forge" batch "j/$newest" "$at" "$field"
	refused 1 j "$newest"
done

begin "hostile watermarks are told"
for field in durable=18446744073709551615 durable=9223372036854775807 \
	trim=18446744073709551615; do
	copy
	"$forge" batch "j/$newest" "$closing" "$field"
	refused 1 j
done

begin "records with hostile lengths and right checksums are told"
len=$(($(sed -n "${first_line}p" lines | wc -c) - 1))
copy
"$forge" record "j/$newest" "$at" "$len"
run 0 "$tool" verify j
# The last one differs from the true length above the 32nd bit only.
for len in 18446744073709551615 9223372036854775807 4294967295 4294967288 \
	65536 65528 $((len + 4294967296)); do
	copy
	"$forge" record "j/$newest" "$at" "$len"
	refused 1 j "$newest"
done

begin "a symbolic link in a segment's place is not followed"
copy
mv "j/$newest" kept
ln -s ../kept "j/$newest"
remember j
for command in verify cat info append; do
	timeout -k 5 300 "$tool" "$command" j <lines >out 2>err && have=0 || have=$?
	case $have in
	1 | 2) says j "$newest" ;;
	*) bad "exit code $have of $command" ;;
	esac
	unchanged j
done

begin "a FIFO, a directory or a socket in a segment's place does not hang it"
for kind in fifo directory; do
	copy
	rm "j/$newest"
	case $kind in
	fifo) mkfifo "j/$newest" ;;
	directory) mkdir "j/$newest" ;;
	esac
	remember j
	for command in verify cat info append; do
		timeout -k 5 300 "$tool" "$command" j <lines >out 2>err && have=0 || have=$?
		case $have in
		1 | 2) says j "$newest" ;;
		*) bad "exit code $have of $command for a $kind" ;;
		esac
		unchanged j
	done
done

begin "a FIFO, a directory or a link in place of the lock does not hang it"
for kind in fifo directory link; do
	copy
	rm -f j/lock
	case $kind in
	fifo) mkfifo j/lock ;;
	directory) mkdir j/lock ;;
	link) ln -s ../file j/lock ;;
	esac
	remember j
	run 2 "$tool" append j <lines
	says j lock
	unchanged j
	for command in verify cat info; do
		timeout -k 5 300 "$tool" "$command" j >out 2>err && have=0 || have=$?
		[ "$have" -le 2 ] || bad "exit code $have of $command for a $kind"
		unchanged j
	done
done
same file lines

begin "storage that forgets is refused"
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ -w /dev/shm ]; then
	volatile=$(mktemp -d /dev/shm/journal.XXXXXX)
	run 2 "$tool" append "$volatile/j" <lines
	says "$volatile/j" 'tmpfs'
	[ ! -s out ] || bad "an LSN was printed"
	[ ! -e "$volatile/j/0000000000000000.seg" ] || bad "a journal was made"
	rm -rf "$volatile"
else
	skip_case "no tmpfs at /dev/shm"
fi

begin "a directory that may not be written can be read, and not appended to"
copy
if [ "$(id -u)" -ne 0 ]; then
	chmod 555 j
	chmod 444 j/*
	readable=j
elif mkdir mounted && mount --bind j mounted 2>/dev/null; then
	mount -o remount,bind,ro mounted
	readable=mounted
else
	readable=
fi
if [ -n "$readable" ]; then
	remember j
	run 2 "$tool" append "$readable" <lines
	says "$readable" 'read-only\|permission\|denied'
	run 0 "$tool" cat "$readable"
	same out lines
	run 0 "$tool" verify "$readable"
	run 0 "$tool" info "$readable"
	unchanged j
else
	skip_case "root, and a bind mount is not possible here"
fi
if [ "$readable" = mounted ]; then
	wait_for 50 umount mounted || bad "cannot be unmounted"
else
	chmod 755 j
fi

begin "a directory of somebody else is refused in clear words"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
	setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$tool"; then
	copy
	chmod 700 j
	chmod 755 .
	remember j
	for command in append cat info verify; do
		run 2 setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$tool" "$command" "$PWD/j" </dev/null
		says "$PWD/j" 'permission\|denied'
		unchanged j
	done
else
	skip_case "not root, or no setpriv(1), or nobody cannot reach the program"
fi

begin "a directory that is removed under a writer does it no harm"
copy
mkfifo input2
"$tool" append j <input2 >acks1 2>err1 &
bystander=$!
exec 9>input2
echo more >&9
wait_for 100 [ -s acks1 ] || bad "no LSN"
# The writer may make its next segment between the listing and the removal.
wait_for 100 rm -rf j 2>rm.err || bad "cannot be removed: $(cat rm.err)"
head -n 100 lines >&9 2>/dev/null || :
exec 9>&-
have=0
wait "$bystander" || have=$?
bystander=
[ "$have" -eq 0 ] || [ "$have" -eq 2 ] || bad "exit code $have"

finish
