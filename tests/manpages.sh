#!/bin/sh
# What the manual pages say is true: their examples are compiled and run, they
# have every option of the programs and no other, every function they name is
# there, and the tables describe the files.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"
doc=$srcdir/doc

# make_value NAME - as configure left it.
make_value() {
	sed -n "s/^$1 = //p" "$builddir/Makefile"
}
# plain FILE - without what troff wants escaped.
plain() {
	sed 's/\\e/\\/g; s/\\-/-/g; s/\\~/ /g; s/\\&//g' "$1"
}
# blocks PAGE - its examples, each behind a line "== block".
blocks() {
	plain "$1" | sed -n '/^\.EX/,/^\.EE/{s/^\.EX.*/== block/;/^\.EE/d;p;}'
}
mkdir bin
for program in journal-tool journal-probe; do
	if [ -x "$builddir/.libs/$program" ]; then
		ln -s "$builddir/.libs/$program" "bin/$program"
	else
		ln -s "$builddir/$program" "bin/$program"
	fi
done
PATH=$scratch/bin:$PATH
export PATH

begin "each program in libjournal(7) compiles without a warning and runs"
blocks "$doc/libjournal.7" | awk '/^== block/ { n++; next }
	{ print >("example" n ".c") }'
[ -s example1.c ] || bad "no example was found"
for example in example*.c; do
	# shellcheck disable=SC2015,SC2046 # words, as in a makefile
	$(make_value CC) $(make_value SANITIZE_CFLAGS) -Wall -Wextra -Werror \
		-I"$srcdir/journal" -I"$srcdir/probe" -c -o example.o \
		"$example" >out 2>&1 &&
	"$builddir/libtool" --silent --mode=link $(make_value CC) \
		$(make_value SANITIZE_CFLAGS) -o "${example%.c}" example.o \
		"$builddir/libjournal.la" >>out 2>&1 ||
		bad "$example: $(cat out)"
done
run 0 ./example1 said
echo "it was said" >want
same out want
run 0 ./example1 said
[ "$(wc -l <out)" -eq 2 ] || bad "not both lines: $(cat out)"

begin "each command in the pages of the programs runs"
# What they speak of besides: a source, an alarm, a JSON reader, places.
printf '#!/bin/sh\nseq 1 100\n' >bin/sensor
printf '#!/bin/sh\nexit 9\n' >bin/alarm
cat >bin/jq <<'END'
#!/usr/bin/env python3
import json, sys
print(json.load(sys.stdin)[sys.argv[-1][1:]])
END
chmod +x bin/sensor bin/alarm bin/jq
mkdir -p var/lib/orders srv/orders
ran=0
for page in "$doc/journal-tool.1" "$doc/journal-probe.1"; do
	blocks "$page" | sed -n 's/^\.RB \$ *"\(.*\)"$/\1/p' |
		sed 's#\([ =]\)/\(srv\|var\)/#\1\2/#g
			s/--interval 1 --count 10/--interval 0.2 --count 2/' >commands
	[ -s commands ] || bad "no command in $page"
	while IFS= read -r command; do
		# The LSN of the page is of another journal.
		case $command in
		*--from*) command=$(echo "$command" |
			sed "s/--from [0-9]*/--from $(sed -n 50p acked)/") ;;
		esac
		code=0
		sh -c "$command" >out 2>err </dev/null || code=$?
		[ "$code" -eq 0 ] || bad "status $code: $command"
		ran=$((ran + 1))
	done <commands
done
[ "$ran" -ge 6 ] || bad "only $ran commands were found"

begin "the dump in journal-machine(5) can be probed"
plain "$doc/journal-machine.5" | sed -n '/^\.nf/,/^\.fi/{/^\./d;p;}' >dump
[ -s dump ] || bad "there is none"
journal-probe --replay=dump --json >out 2>err && code=0 || code=$?
# 1: no method is usable there, which is an answer.
[ "$code" -le 1 ] || bad "status $code: $(cat err)"

begin "the pages have every option of --help, and no other"
{
	journal-tool --help
	for command in $(journal-tool --help |
		sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		journal-tool "$command" --help
	done
} | grep -o -e '^ *--[a-z-]*' | tr -d ' ' | LC_ALL=C sort -u >helps
journal-probe --help | grep -Eo -e '^ *(-[a-zA-Z], )?--[a-z-]*' |
	grep -o -e '--.*' | LC_ALL=C sort -u >probe-helps
for pair in journal-tool.1:helps journal-probe.1:probe-helps; do
	plain "$doc/${pair%:*}" | sed '/^\.EX/,/^\.EE/d' |
		grep -Eo -e '(^|[^-a-z0-9])--[a-z][a-z-]*' | grep -o -e '--.*' |
		LC_ALL=C sort -u >page
	comm -13 page "${pair#*:}" >missing
	[ ! -s missing ] || bad "${pair%:*} lacks: $(cat missing)"
	comm -23 page "${pair#*:}" >unknown
	[ ! -s unknown ] || bad "${pair%:*} has: $(cat unknown)"
done

begin "every command has its part of journal-tool(1)"
for command in $(journal-tool --help |
	sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
	grep -q "^\.SS $command\$" "$doc/journal-tool.1" || bad "no $command"
	grep -q "^\.B $command\$" "$doc/journal-tool.1" ||
		bad "no synopsis of $command"
done

begin "every function that a page names is exported"
sed -n 's/^[[:space:]]*\(journal_[a-z0-9_]*\);.*/\1/p' \
	"$srcdir/journal/libjournal.map" | LC_ALL=C sort >exported
plain "$doc/libjournal.7" | sed '/^\.EX/,/^\.EE/d' |
	grep -Eo '(^\.BR|"\(\),|[^_a-z]) "?journal_[a-z_]+ ?("?\(\)|\(\))' |
	grep -o 'journal_[a-z_]*' | LC_ALL=C sort -u >named
[ "$(wc -l <named)" -gt 10 ] || bad "few were found: $(cat named)"
comm -23 named exported >unknown
[ ! -s unknown ] || bad "not exported: $(cat unknown)"

begin "every page of ours that a page points to is there"
for page in "$doc"/*.[157]; do
	plain "$page" | sed -n 's/^\.BR \(journal[a-z-]*\|libjournal\) (\([1-8]\)).*/\1.\2/p'
done | LC_ALL=C sort -u >pages
while IFS= read -r page; do
	[ -e "$doc/$page" ] || bad "there is no $page"
done <pages

begin "the table of the file stats is where the figures are"
seq 1 500 | journal-tool append --batch 7 --segment-size 64K figures >acked
journal-tool stats --json figures >out
plain "$doc/journal-format.5" | sed -n '/^\.SH STATISTICS/,/^An event/p' >table
code=0
python3 - table figures/stats out >err 2>&1 <<'END' || code=$?
import json, re, struct, sys
rows = re.findall(r'^ *(\d+) +(\d+) +([a-z]\w*)', open(sys.argv[1]).read(), re.M)
page = open(sys.argv[2], 'rb').read()
want = json.load(open(sys.argv[3]))
assert len(page) == 4096, len(page)
checked, last = 0, 0
for at, size, name in rows:
    at, size = int(at), int(size)
    assert at == last, (name, at, last)
    last = at + size
    if name not in want or name == 'events':
        continue
    if isinstance(want[name], str):
        have = page[at:last].split(b'\0')[0].decode()
    else:
        have = list(struct.unpack('<%dq' % (size // 8), page[at:last]))
        have = have if isinstance(want[name], list) else have[0]
    assert have == want[name], (name, have, want[name])
    checked += 1
assert last == 2896 and checked > 22, (last, checked)
END
if ! command -v python3 >/dev/null; then
	skip_case "no python3"
elif [ "$code" -ne 0 ]; then
	bad "$(tail -n 1 err)"
fi

begin "no page has a mistake in its markup"
if ! command -v groff >/dev/null; then
	skip_case "no groff"
else
	for page in "$doc"/*.[157]; do
		groff -man -Tutf8 -ww -z "$page" 2>&1 |
			grep -v "can't find hyphenation\|hyphenation patterns" \
			>err || :
		[ ! -s err ] || bad "$page: $(head -n 2 err)"
	done
fi
finish
