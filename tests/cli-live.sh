#!/bin/sh
# Readers beside a writer at work: never an error, never more or less than a
# prefix, and at least what was acknowledged before the last watermark.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

writer=
feeder=
cleanup() {
	for pid in $writer $feeder; do
		kill -KILL "$pid" 2>/dev/null || :
	done
}

counted 1 20000 >lines
seconds=2
! sanitized || seconds=5

for batch in 1 16; do
	for method in direct buffered; do
		begin "readers beside a writer ($method, batch $batch) see a prefix and no damage"
		rm -rf j
		if ! "$tool" append --method "$method" --segment-size 64K j \
			</dev/null >out 2>err; then
			skip_case "$(cat err)"
			continue
		fi
		rm -f feed
		mkfifo feed
		# The writer empties it only when it has its input.
		: >acks
		# More than it can take: it ends by a signal, never in mid-line.
		sh -c 'while cat lines; do :; done' >feed 2>/dev/null &
		feeder=$!
		"$tool" append --method "$method" --batch "$batch" \
			--record-max 4K j <feed >acks 2>werr &
		writer=$!
		rounds=0
		last=0
		until=$(($(date +%s) + seconds))
		while [ "$case_good" = yes ] && kill -0 "$writer" 2>/dev/null &&
			{ [ "$rounds" -lt 3 ] || [ "$(date +%s)" -lt "$until" ]; }; do
			rounds=$((rounds + 1))
			acked=$(wc -l <acks)
			run 0 "$tool" cat j
			n=$(wc -l <out)
			# The last batch's own watermark is the next batch's.
			[ "$n" -ge $((acked - 8 * batch)) ] ||
				bad "$acked were acknowledged, $n are read"
			[ "$n" -ge "$last" ] || bad "$last were read before, now $n"
			last=$n
			# The input repeats: compare by the line number.
			awk 'NR == FNR { line[NR] = $0; n = NR; next }
				$0 != line[(FNR - 1) % n + 1] { bad = FNR; exit }
				END { if (bad) { print bad; exit 1 } }' \
				lines out >why || bad "record $(cat why) is not what was fed"
			case $((rounds % 3)) in
			0) run 0 "$tool" verify j ;;
			1) run 0 "$tool" info j ;;
			esac
			quiet
		done
		kill -TERM "$writer" 2>/dev/null || :
		have=0
		wait "$writer" || have=$?
		writer=
		wait
		feeder=
		[ "$have" -eq 143 ] || bad "the writer ends with $have: $(cat werr)"
		[ "$rounds" -ge 3 ] || bad "only $rounds rounds"
		run 0 "$tool" verify j
		run 0 "$tool" cat j
		[ "$(wc -l <out)" -eq "$(wc -l <acks)" ] || bad "not what was acknowledged"
	done
done

finish
