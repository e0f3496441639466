#!/bin/sh
# ./quickstart's job on the programs of this build, and on programs that lie:
# what it would report as a broken promise, it must report.
set -eu
srcdir=${srcdir:-.}
top_builddir=$(cd "${top_builddir:-.}" && pwd)
quickstart=$srcdir/quickstart

tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/quick.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
bad=0
mkdir "$tmp/place" "$tmp/liar"

# expect STATUS SENTENCE ARGUMENT... - run it; output in $tmp/out.
expect()
{
	want=$1
	sentence=$2
	shift 2
	rc=0
	TMPDIR="$tmp/place" "$quickstart" "$@" >"$tmp/out" 2>&1 </dev/null ||
		rc=$?
	if [ "$rc" -eq "$want" ]; then
		echo "ok - $sentence"
	else
		echo "not ok - $sentence: status $rc, not $want"
		cat "$tmp/out"
		bad=1
	fi
}

# holds SENTENCE COMMAND...
holds()
{
	sentence=$1
	shift
	if "$@"; then
		echo "ok - $sentence"
	else
		echo "not ok - $sentence"
		bad=1
	fi
}

# liar COMMAND SHELL - journal-tool, but for COMMAND, which SHELL runs with
# $tool as the true one.
liar()
{
	cat >"$tmp/liar/journal-tool" <<END
#!/bin/sh
tool=$tmp/true/journal-tool
if [ "\$1" = $1 ]; then
	$2
fi
exec "\$tool" "\$@"
END
	chmod +x "$tmp/liar/journal-tool"
}

no_escapes()
{
	! LC_ALL=C grep "$(printf '\033')" "$1" >/dev/null
}

fits()
{
	# The probe's screen answers for itself.
	! sed '1,/^input/d' "$1" | LC_ALL=C grep '.\{81\}'
}

is_empty()
{
	[ -z "$(ls -A "$1")" ]
}

ln -s "$top_builddir" "$tmp/true"
ln -s "$top_builddir/journal-probe" "$tmp/liar/journal-probe"

# A busy machine may see the writer end before it is killed: then once more.
killed=0
for size in 1 4 16; do
	LC_ALL=C expect 0 "a file of $size MiB survives the death of its writer" \
		--programs "$top_builddir" --size "$size" --kills 3
	killed=$(sed -n 's/.* was lost in \([0-9]*\) kills.*/\1/p' "$tmp/out")
	[ "${killed:-0}" -lt 1 ] || break
done
holds "it is said how it ended" \
	grep 'Nothing that was acknowledged was lost' "$tmp/out"
holds "it is killed at work" [ "${killed:-0}" -ge 1 ]
holds "every kill is in the picture" \
	[ "$(grep -c '^ *[0-9]* .*X .*ms$' "$tmp/out")" -eq "${killed:-0}" ]
holds "what goes into a pipe has no escapes" no_escapes "$tmp/out"
holds "the picture fits into 80 columns" fits "$tmp/out"
holds "nothing is left behind" is_empty "$tmp/place"

liar cat "\"\$tool\" \"\$@\" | sed -n '\$!p'; exit"
expect 1 "a lost record is found out" \
	--programs "$tmp/liar" --size 1 --kills 0
holds "and named" grep 'PROMISE BROKEN: .* records were ackn' "$tmp/out"

liar cat "\"\$tool\" \"\$@\" | sed '7s/\$/~/'; exit"
expect 1 "a changed record is found out" \
	--programs "$tmp/liar" --size 1 --kills 0
holds "and named" grep 'PROMISE BROKEN: .* not the beginning' "$tmp/out"

liar cat "\"\$tool\" \"\$@\"; echo phantom; exit"
expect 1 "a record that nobody appended is found out" \
	--programs "$tmp/liar" --size 1 --kills 0
holds "and named" grep 'PROMISE BROKEN: .* not the beginning' "$tmp/out"

liar cat "[ \"\$2\" != --lsn ] || { \"\$tool\" \"\$@\" | sed '9s/^/1/'; exit; }"
expect 1 "a record at another position is found out" \
	--programs "$tmp/liar" --size 1 --kills 0
holds "and named" grep 'PROMISE BROKEN: .* not at the LSN' "$tmp/out"

liar verify "exit 1"
expect 1 "damage is found out" --programs "$tmp/liar" --size 1 --kills 0

liar append "exit 0"
expect 2 "a writer that acknowledges nothing is no success" \
	--programs "$tmp/liar" --size 1 --kills 0

rm -rf "$tmp/place"/*
expect 2 "an unknown option is refused" --nonsense
holds "and --help recommended" grep -e --help "$tmp/out"
expect 2 "an unknown command is refused" nonsense
expect 2 "a number that is none is refused" --kills 3x
expect 2 "an unknown kind of packages is refused" deps nonsense
expect 0 "--help helps" --help
expect 0 "--version says which" --version
holds "nothing is left behind by these" is_empty "$tmp/place"

exit "$bad"
