#!/bin/sh
# The example server under load for long: memory, descriptors and files stay
# flat, and everything acknowledged is there at the end.
#
#     srcdir=../libjournal ../libjournal/tests/examples-soak.sh
#
# by hand, in a build directory.
#
# 50 clients write over and over the same keys and one after another comes and
# goes; snapshots are made all the time.  Ten times in the run, and at its end,
# the server's figures are printed: resident memory, descriptors, threads, the
# journal's size on disk, acknowledged writes, the longest pass of the loop.
# It fails if memory, after the first fifth, has grown by more than a tenth and
# 4 MiB, or if descriptors, threads or the journal's size have grown at all
# beyond what they vary by.
#
# JOURNAL_TEST_MINUTES  how long (default 30)
set -eu
. "${srcdir:-.}/tests/lib.sh"
. "$srcdir/tests/examples/server.sh"
cd "$scratch"
minutes=${JOURNAL_TEST_MINUTES:-30}

begin "after $minutes minutes nothing has grown, and everything is there"
start --segment-size 4M --snapshot-size 32M
if timeout -k 5 "$((minutes * 60 + 600))" "$python" \
	"$srcdir/tests/examples/soak.py" "$sock" kv "$((minutes * 60))" 2>err
then
	stop
	run 0 "$tool" verify kv/journal
else
	bad "$(tail -n 1 err)"
fi

finish
