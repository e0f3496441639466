#!/bin/sh
# What README shows is true: its example compiles without a warning and does
# what it says, and its commands are the ones that exist.
set -eu
srcdir=${srcdir:-.}
top_builddir=${top_builddir:-.}
readme=$srcdir/README

tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/readme.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
bad=0

ok()
{
	echo "ok - $1"
}

not_ok()
{
	echo "not ok - $1"
	bad=1
}

# make_value NAME - as configure left it.
make_value()
{
	sed -n "s/^$1 = //p" "$top_builddir/Makefile"
}

name="the two commands stand in README, each on a line of its own"
sed -n 's/^    \(\.\/quickstart.*\)$/\1/p' "$readme" >"$tmp/commands"
printf './quickstart\n./quickstart check\n' >"$tmp/want"
if diff -u "$tmp/want" "$tmp/commands"; then
	ok "$name"
else
	not_ok "$name"
fi

sed -n '/^    #include <journal.h>$/,/^    }$/s/^    //p' "$readme" \
	>"$tmp/hello.c"
name="the example compiles without a warning"
cc=$(make_value CC)
sanitize=$(make_value SANITIZE_CFLAGS)
# shellcheck disable=SC2086 # words, as in a makefile
if [ -s "$tmp/hello.c" ] &&
   $cc $sanitize -Wall -Wextra -Werror -I"$srcdir/journal" -c \
		-o "$tmp/hello.o" "$tmp/hello.c" &&
   "$top_builddir/libtool" --silent --mode=link $cc $sanitize \
		-o "$tmp/hello" "$tmp/hello.o" "$top_builddir/libjournal.la"
then
	ok "$name"
else
	not_ok "$name"
	exit 1
fi

name="each run of the example appends one greeting and reads all of them"
(cd "$tmp" && ./hello >once && ./hello >twice) || :
printf 'hello, journal\n' >"$tmp/want.once"
printf 'hello, journal\nhello, journal\n' >"$tmp/want.twice"
if cmp "$tmp/want.once" "$tmp/once" && cmp "$tmp/want.twice" "$tmp/twice"; then
	ok "$name"
else
	not_ok "$name"
fi

name="every file that README names is there"
lost=0
for file in $(grep -o '\(doc\|journal\|probe\|tests\|lib\)/[a-z.0-9-]*' \
		"$readme" | sort -u); do
	if [ ! -e "$srcdir/$file" ]; then
		echo "README names $file, which is not there"
		lost=1
	fi
done
if [ "$lost" -eq 0 ]; then ok "$name"; else not_ok "$name"; fi

exit "$bad"
