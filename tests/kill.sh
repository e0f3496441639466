#!/bin/sh
# SIGKILL at random moments: what was acknowledged is there, in order, and
# nothing else is.
#
# Lives of `journal-tool append` follow one another on the same journal, fed
# with lines that count on from what the life before left.  After each kill
# the journal must hold exactly the lines 1..n, n at least the last one
# acknowledged, each acknowledged LSN that of its line.
#
# JOURNAL_TEST_KILLS  how many (default 200; 20 in a sanitizer's build)
# JOURNAL_TEST_SEED   other lives (default 1, or random); the moments vary anyway
# JOURNAL_TEST_SLOWER  how many times slower this machine is than usual ones
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"

kills=200
! sanitized || kills=20
kills=${JOURNAL_TEST_KILLS:-$kills}
seed=$(test_seed)
echo "seed $seed, $kills kills"

writer=
feeder=
cleanup() {
	for pid in $writer $feeder; do
		kill -KILL "$pid" 2>/dev/null || :
	done
}

# life: fresh(0/1) segment-size batch method delay
awk -v seed="$seed" -v kills="$kills" \
	-v slower="${JOURNAL_TEST_SLOWER:-1}" '
	function pick(n) { return int(rand() * n) }
	BEGIN {
		srand(seed)
		split("64K 64K 1M 1M 4M", sizes)
		split("direct buffered", methods)
		for (i = 0; i < kills; i++) {
			fresh = i % 12 == 0
			if (fresh)
				size = sizes[1 + pick(5)]
			# Now and then so early that the journal is being made.
			delay = pick(5) ? 5 + pick(76) : 1 + pick(8)
			delay *= slower / 1000
			printf "%d %s %d %s %.3f\n", fresh, size,
				pick(2) ? 1 : 16, methods[1 + pick(2)], delay
		}
	}' >lives

counted 1 30000 >master
usable=
for method in direct buffered; do
	if "$tool" append --segment-size 64K --method "$method" "try-$method" \
		</dev/null 2>err; then
		usable="$usable $method"
	else
		echo "the method $method is not used: $(cat err)"
	fi
done
[ -n "$usable" ] || skip_all "no method is usable in $scratch"

# Compares out (LSN, tab, line) and acks with what was fed behind line $1;
# prints how many lines there are.
compare() {
	# A kill may have cut the last LSN in the middle of its digits.
	if [ -s acks ] && [ "$(tail -c 1 acks | tr '\n' x)" != x ]; then
		sed '$d' acks >whole && mv whole acks
	fi
	counted_awk='
	BEGIN {
		pad = "abcdefghijklmnopqrstuvwxyz"
		for (i = 0; i < 6; i++)
			pad = pad pad
	}
	FILENAME == "acks" { ack[before + FNR] = $1; acks = FNR; next }
	{
		tab = index($0, "\t")
		lsn = substr($0, 1, tab - 1)
		if (substr($0, tab + 1) != FNR " " substr(pad, 1, (FNR * 7919) % 1201)) {
			print "record " FNR " is not what was fed" >"why"
			exit
		}
		if (lsn + 0 <= last + 0) {
			print "the LSN of record " FNR " does not rise" >"why"
			exit
		}
		last = lsn
		n = FNR
		if (FNR in ack && ack[FNR] != lsn) {
			print "record " FNR " has LSN " lsn ", acknowledged was " ack[FNR] >"why"
			exit
		}
	}
	END {
		if (n < before + acks)
			print "record " before + acks " was acknowledged, and " n + 0 " are there" >"why"
		if (n < before)
			print before " were there before, and now " n + 0 >"why"
		print n + 0
	}'
	awk -v before="$1" "$counted_awk" acks out
}

begin "after $kills kills everything acknowledged is there, and nothing else"
life=0
there=0
acked=0
journals=0
killed=0
# A disk that is busy just now acknowledges nothing for long: kill later there.
stretch=1
early=0
while read -r fresh size batch method delay; do
	life=$((life + 1))
	delay=$(awk -v d="$delay" -v n="$stretch" 'BEGIN { print d * n }')
	if [ "$fresh" -eq 1 ] || [ "$there" -ge 25000 ]; then
		rm -rf j
		there=0
		journals=$((journals + 1))
	fi
	case " $usable " in
	*" $method "*) ;;
	*) method=${usable# } ;;
	esac
	rm -f input why
	mkfifo input
	: >acks
	tail -n "+$((there + 1))" master >input 2>/dev/null &
	feeder=$!
	"$tool" append --segment-size "$size" --record-max 4K --batch "$batch" \
		--method "$method" j <input >acks 2>err &
	writer=$!
	sleep "$delay"
	kill -KILL "$writer" 2>/dev/null || :
	have=0
	wait "$writer" 2>/dev/null || have=$?
	writer=
	kill -KILL "$feeder" 2>/dev/null || :
	wait "$feeder" 2>/dev/null || :
	feeder=
	if [ -s acks ]; then
		early=0
		[ "$stretch" -eq 1 ] || stretch=$((stretch / 2))
	else
		early=$((early + 1))
		[ "$early" -lt 2 ] || [ "$stretch" -ge 32 ] ||
			stretch=$((stretch * 4))
	fi
	where="life $life ($size, batch $batch, $method, after ${delay}s, $there before)"
	case $have in
	137) killed=$((killed + 1)) ;;
	0) ;;
	*)
		bad "$where: exit code $have"
		break
		;;
	esac

	have=0
	timeout -k 5 300 "$tool" cat --lsn j >out 2>err || have=$?
	if [ "$have" -eq 2 ] && [ ! -s acks ] && [ "$there" -eq 0 ] &&
		[ -z "$(find j -name '*.seg' 2>/dev/null)" ]; then
		# Killed before there was a journal.
		continue
	fi
	if [ "$have" -ne 0 ]; then
		bad "$where: cat ends with $have"
		break
	fi
	there=$(compare "$there")
	acked=$((acked + $(wc -l <acks)))
	if [ -e why ]; then
		bad "$where: $(cat why)"
		break
	fi
	if [ $((life % 10)) -eq 0 ] && ! timeout -k 5 300 "$tool" verify j >out 2>err; then
		bad "$where: verify finds damage"
		break
	fi
done <lives
# What was left is worth looking at: JOURNAL_TEST_KEEP names a place for it.
if [ "$case_good" != yes ] && [ -n "${JOURNAL_TEST_KEEP:-}" ]; then
	cp -a j acks out "$JOURNAL_TEST_KEEP"
fi
echo "$killed killed, $journals journals, $acked records acknowledged"

begin "the kills came while records were being acknowledged"
[ "$acked" -gt "$kills" ] || bad "only $acked in $kills lives"
[ "$killed" -gt $((kills / 2)) ] || bad "only $killed were killed at work"

finish
