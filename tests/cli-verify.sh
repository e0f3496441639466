#!/bin/sh
# journal-tool verify: every flipped bit is found, and a tail is not damage.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

# The newest segment has several batches: its first is found by one rule, the
# others by another.  A writer that is held up leaves a watermark in between,
# and then they may lie otherwise: once more.
counted 1 370 >lines
tries=0
until
	rm -rf j
	"$tool" append --batch 16 --segment-size 64K j <lines >acks
	# file offset size lsn durable flags count body_len
	for file in j/*.seg; do
		"$forge" batches "$file" | sed "s|^|$file |"
	done >batches
	# The last one is the watermark that closing wrote; what it calls
	# durable is everything before it.
	closing=$(tail -n 1 batches)
	newest=${closing%% *}
	[ "$(grep -c "^$newest " batches)" -ge 4 ]
do
	tries=$((tries + 1))
	[ "$tries" -lt 50 ] || exit 99
done
closing_offset=$(echo "$closing" | cut -d ' ' -f 2)

begin "a sound journal is sound, with everything counted"
remember j
run 0 "$tool" verify j
quiet
grep -q '^finding: *sound$' out || bad "not sound"
grep -q '^records: *370$' out || bad "not 370 records"
payload=$(($(wc -c <lines) - 370))
grep -q "^payload: *$payload\$" out || bad "not $payload bytes"
run 0 "$tool" verify --json j
grep -q '"finding":"sound","damaged":false,"code":0' out || bad "JSON: $(cat out)"
unchanged j

begin "closing leaves a watermark that covers everything"
[ "$(echo "$closing" | awk '{ print ($4 == $5) }')" = 1 ] ||
	bad "the last batch is no watermark: $closing"

# file byte bit, spread over all batches below the closing one, headers,
# bodies and padding alike; then over the segments' header blocks.
positions=200
! sanitized || positions=40
spread() {
	sed '$d' batches | awk -v n="$positions" '
		{ file[NR] = $1; at[NR] = $2; len[NR] = $3; total += $3 }
		END {
			b = 1; before = 0
			for (i = 0; i < n; i++) {
				p = int((i + 0.5) * total / n)
				while (p >= before + len[b]) {
					before += len[b]
					b++
				}
				print file[b], at[b] + p - before, (i * 5) % 8
			}
			# The first and last byte of headers and of batches.
			for (b = 1; b <= NR; b += int(NR / 8) + 1) {
				print file[b], at[b], 0
				print file[b], at[b] + 63, 7
				print file[b], at[b] + len[b] - 1, 7
			}
		}'
	for file in j/*.seg; do
		for byte in 0 8 12 16 20 24 40 48 56 63 64 4095; do
			echo "$file $byte 1"
		done
	done | awk 'NR % 3 == 1 || NR <= 12'
}

begin "one flipped bit anywhere below the last watermark is damage"
cp -a j flipped
spread >spread
missed=0
while read -r file byte bit; do
	file=flipped/${file#j/}
	"$forge" flip "$file" "$byte" "$bit"
	have=0
	timeout -k 5 300 "$tool" verify flipped >out 2>err || have=$?
	"$forge" flip "$file" "$byte" "$bit"
	if [ "$have" -ne 1 ]; then
		missed=$((missed + 1))
		[ "$missed" -gt 3 ] || bad "exit code $have for $file byte $byte bit $bit"
	elif ! grep -q "${file##*/}" err; then
		bad "$file byte $byte: the message does not name the file: $(cat err)"
	fi
done <spread
[ "$missed" -eq 0 ] || echo "#   $missed of $(wc -l <spread) were missed"
run 0 "$tool" verify flipped

begin "damage is told with kind, file, place and size"
set -- $(sed -n 5p batches)
"$forge" flip "flipped/${1#j/}" "$(($2 + 70))" 2
remember flipped
run 1 "$tool" verify flipped
says flipped "${1#j/}"
grep -Eq '^finding: *(bad-batch|lost)$' out || bad "finding: $(head -n 1 out)"
grep -q "^file: *${1#j/}\$" out || bad "no file"
grep -q "^lsn: *$4\$" out || bad "not LSN $4: $(grep lsn: out)"
grep -q "^bytes: *$3\$" out || bad "not $3 bytes: $(grep bytes: out)"
run 1 "$tool" verify --json flipped
grep -q '"damaged":true' out || bad "JSON: $(cat out)"
unchanged flipped
"$forge" flip "flipped/${1#j/}" "$(($2 + 70))" 2

begin "a writer refuses damage in the segment where it would go on"
grep "^$newest " batches | sed '$d' >places
while read -r _ offset _; do
	"$forge" flip "flipped/${newest#j/}" "$((offset + 70))" 2
	remember flipped
	run 1 "$tool" append flipped <lines
	says flipped "${newest#j/}"
	[ ! -s out ] || bad "an LSN was printed"
	run 1 "$tool" info flipped
	unchanged flipped
	"$forge" flip "flipped/${newest#j/}" "$((offset + 70))" 2
done <places

begin "bits in the last window are a tail, which is said, and the rest is there"
for byte in 0 10 30 60; do
	"$forge" flip "flipped/${newest#j/}" "$((closing_offset + byte))" 4
	remember flipped
	run 0 "$tool" verify flipped
	quiet
	grep -q '^finding: *tail$' out || bad "byte $byte: $(head -n 1 out)"
	grep -q '^records: *370$' out || bad "byte $byte: records are missing"
	run 0 "$tool" info flipped
	grep -q '^tail: *[1-9]' out || bad "info does not tell the tail"
	run 0 "$tool" cat flipped
	same out lines
	unchanged flipped
	"$forge" flip "flipped/${newest#j/}" "$((closing_offset + byte))" 4
done

begin "the next writer makes an end of a tail"
"$forge" flip "flipped/${newest#j/}" "$((closing_offset + 10))" 4
counted 371 380 >more
run 0 "$tool" append flipped <more
run 0 "$tool" verify flipped
grep -q '^finding: *sound$' out || bad "$(head -n 1 out)"
cat lines more >want
run 0 "$tool" cat flipped
same out want

begin "a journal whose writer was killed is sound or has a tail"
mkfifo input
"$tool" append killed <input >killed-acks 2>killed-err &
writer=$!
exec 9>input
cat lines >&9
wait_for 100 sh -c '[ "$(wc -l <killed-acks)" -ge 200 ]' || bad "no LSNs"
kill -KILL "$writer"
wait "$writer" 2>/dev/null || :
exec 9>&-
run 0 "$tool" verify killed
grep -Eq '^finding: *(sound|tail)$' out || bad "$(head -n 1 out)"

finish
