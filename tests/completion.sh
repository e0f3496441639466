#!/bin/sh
# The completion for bash offers what the programs know: every command, every
# option, every name that an option can have, and nothing else.
set -eu
. "${srcdir:-.}/tests/lib.sh"
cd "$scratch"
command -v bash >/dev/null || skip_all "no bash"

# Under the names that somebody types.
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
mkdir -p place/journal "place/my journal"
: >place/file

cat >ask <<'END'
# ask WORD... - what is offered for the last word, sorted.
. "$srcdir/completion/journal-tool"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
case $1 in
journal-tool) _journal_tool ;;
*) _journal_probe ;;
esac
[[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort
END
offered() {
	bash ask "$@" >out 2>err || bad "fails: $*"
	quiet
}
# offers WORD... :: EXPECTED...
offers() {
	: >want
	n=0
	for word; do
		n=$((n + 1))
		[ "$word" != :: ] || break
	done
	i=0
	for word; do
		i=$((i + 1))
		[ $i -le $n ] || printf '%s\n' "$word" >>want
	done
	LC_ALL=C sort -o want want
	# shellcheck disable=SC2046 # numbers
	set -- "$n" "$@"
	args=
	k=1
	while [ $k -lt "$n" ]; do
		args="$args \"\${$((k + 1))}\""
		k=$((k + 1))
	done
	eval "offered $args"
	same out want
}
# Each "--word" that begins an entry of a help text, found in another way than
# the completion does.
options_of() {
	"$@" --help | awk '/^ +(-[A-Za-z], +)?--/ {
		for (i = 1; i <= 2; i++)
			if ($i ~ /^--/) {
				split($i, part, /[=[]/)
				print part[1]
				break
			}
	}' | LC_ALL=C sort
}
commands=$(journal-tool --help | awk '/^Commands:/ { on = 1; next }
	on && !NF { exit }
	on { print $1 }')

begin "the commands are those of --help"
[ "$(echo "$commands" | wc -l)" -ge 6 ] || bad "few commands: $commands"
# shellcheck disable=SC2086 # words
offers journal-tool '' :: $commands
offers journal-tool ap :: append
offers journal-tool --v :: --version

begin "each command's options are those of its --help"
for command in $commands; do
	options_of journal-tool "$command" >want
	grep -q -x -e --help want || bad "no options of $command"
	offered journal-tool "$command" --
	same out want
done

begin "journal-probe's options are those of its --help"
options_of journal-probe >want
offered journal-probe --
same out want
offers journal-probe --du :: --dump

begin "an option's names are those that the program takes"
offers journal-tool append --carrier '' :: io_uring pwritev2
offers journal-tool append --driver = :: caller thread
offers journal-tool append --driver = t :: thread
for driver in caller thread; do
	echo line | journal-tool append --driver "$driver" place/journal \
		>/dev/null || bad "refuses the driver $driver"
done

begin "numbers are not guessed, files are"
offers journal-tool append --batch '' ::
offers journal-probe --replay place/ :: place/file place/journal \
	'place/my journal'
offers journal-probe --dump = place/f :: place/file

begin "operands are directories"
offers journal-tool cat place/ :: place/journal 'place/my journal'
offers journal-tool cat --json place/m :: 'place/my journal'
offers journal-tool cat -- place/j :: place/journal
offers journal-probe place/j :: place/journal

begin "where there is no program nothing is said"
PATH=/usr/bin:/bin
offers journal-tool '' ::
offers journal-tool cat -- ::
finish
