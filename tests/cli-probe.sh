#!/bin/sh
# journal-probe as its users run it: exit codes, where output goes, colour,
# JSON.  What it says about other machines is tests/test_probe.c's business.
set -eu

probe=${top_builddir:-.}/journal-probe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 99' HUP INT TERM
failures=0

fail() {
	echo "FAIL: $1" >&2
	failures=$((failures + 1))
}

# run STATUS ARGUMENT...: run it, keep what it says in $work/out and $work/err
run() {
	want=$1
	shift
	got=0
	"$probe" "$@" >"$work/out" 2>"$work/err" || got=$?
	[ "$got" -eq "$want" ] || fail "exit $got, not $want: journal-probe $*"
}

# "No method" is an answer too: where the tests run, not for them to say.
run_any() {
	got=0
	"$probe" "$@" >"$work/out" 2>"$work/err" || got=$?
	[ "$got" -le 1 ] || fail "exit $got: journal-probe $*"
}

says() {
	grep -q -e "$2" "$work/$1" || fail "standard $1 has no '$2'"
}

silent() {
	[ ! -s "$work/$1" ] || fail "standard $1 is not empty"
}

# help and version go to standard output, and nothing else does
run 0 --help
says out '^Usage: journal-probe'
silent err
run 0 --version
says out '^journal-probe (libjournal) [0-9]'
silent err

# wrong usage is 2, on standard error, and says where to look
run 2 --nonsense
silent out
says err 'journal-probe --help'
run 2 a b
silent out
says err 'one PATH'

# so is a path that cannot be probed, with its name and what to do
run 2 "$work/not there"
silent out
says err 'not there: No such file or directory; make the directory'
: >"$work/file"
run 2 "$work/file"
silent out
says err 'file: Not a directory; give the directory'

# a directory with a blank and worse in its name
odd="$work/a \"b\"\\ $(printf '\033[1m\001\377')"
mkdir "$odd"
run_any "$odd"
silent err
says out '^PROMISE'
says out '^  durable  *'
says out '^  never torn  *'
says out '^METHODS'
says out '^KERNEL  *VALUE  *KNOWN  *SOURCE$'
says out '^kernel.release '
says out '^[0-9]* more facts are as usual, or unknown: --all shows them'
# a screen has room for so much; the rest is there on request
[ "$(wc -l <"$work/out")" -le 45 ] || fail "more than a screen"
# each fact in its group, all of them, with --all
run_any --all "$odd"
silent err
if grep -q 'more facts' "$work/out"; then
	fail "--all hides something"
fi
awk '/^(KERNEL|FILE SYSTEM|DEVICE|DRIVE)/ { group = $1 }
	/^[a-z]*\./ {
		split($1, part, ".")
		n[part[1]]++
		if (group != (part[1] == "fs" ? "FILE" : toupper(part[1])))
			print "not its group: " $1
	}
	END {
		for (name in n)
			groups++
		if (groups != 4)
			print groups " groups"
	}' "$work/out" >"$work/awk"
[ ! -s "$work/awk" ] || fail "$(head -n 1 "$work/awk")"
for fact in kernel.release fs.type fs.barrier fs.stable fs.flush \
	    device.write_cache; do
	says out "^$fact "
done
esc=$(printf '\033')
if grep -q "$esc" "$work/out"; then
	fail "control characters of a path, or colour, on something not a terminal"
fi
[ -z "$(ls -A "$odd")" ] || fail "a probe left something behind"

# without PATH it is the current directory
probe_abs=$(cd "$(dirname "$probe")" && pwd)/journal-probe
(cd "$odd" && "$probe_abs" >"$work/out" || [ $? -eq 1 ])
says out '^\.: '

# exit status and words agree
if [ -d /dev/shm ] && [ -w /dev/shm ] &&
   [ "$(stat -f -c %T /dev/shm)" = tmpfs ]; then
	run 1 /dev/shm
	says out '^  direct .*refused  fs.stable: '
	says out '^  buffered .*refused  fs.stable: '
	says out 'No method makes a record durable here'
	run 1 --json /dev/shm
	says out '"chosen": null'
fi

# a full standard output is an I/O error
if [ -c /dev/full ]; then
	got=0
	"$probe" "$odd" >/dev/full 2>"$work/err" || got=$?
	[ "$got" -eq 2 ] || fail "exit $got with a full standard output"
	says err 'standard output'
fi

# JSON is one valid object with the documented keys
run_any --json "$odd"
silent err
status=$got
if command -v python3 >/dev/null; then
	python3 - "$work/out" "$status" <<'PYTHON' || fail "JSON is not as documented"
import json, sys
with open(sys.argv[1], encoding="utf-8") as f:
    o = json.load(f)
assert list(o) == ["schema", "version", "path", "facts", "methods", "chosen",
                   "carriers", "measurement"], list(o)
for c in o["carriers"]:
    assert list(c) == ["name", "usable", "fact", "reason"]
    assert (c["fact"] is None) == c["usable"] and c["reason"]
assert [c["name"] for c in o["carriers"]] == ["pwritev2", "io_uring"]
assert o["schema"] == 1 and o["measurement"] is None
assert o["path"].endswith('/a "b"\\ \x1b[1m\x01\ufffd'), o["path"]
for f in o["facts"]:
    assert list(f) == ["name", "state", "value", "source", "errno", "error"]
    assert f["state"] in ("unknown", "reported", "tried")
    assert (f["value"] is None) == (f["state"] == "unknown"), f
    assert (f["error"] is None) == (f["errno"] == 0), f
for m in o["methods"]:
    assert list(m) == ["name", "usable", "chosen", "fact", "reason",
                       "carrier", "barrier"]
    assert (m["fact"] is None) == m["usable"] == (m["barrier"] is not None)
chosen = [m["name"] for m in o["methods"] if m["chosen"]]
assert [o["chosen"]] == (chosen or [None])
assert int(sys.argv[2]) == (0 if chosen else 1)
PYTHON
fi

# colour on a terminal only, and never with NO_COLOR; lines fit its width
if command -v script >/dev/null &&
   script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	tty_run() {
		JOURNAL_PROBE="$probe_abs" TERM=xterm script -qc \
			"stty cols 80; $1 \"\$JOURNAL_PROBE\" /" /dev/null \
			</dev/null | tr -d '\r' >"$work/out"
	}
	tty_run env
	grep -q "$esc" "$work/out" || fail "no colour on a terminal"
	tty_run 'env NO_COLOR=1'
	says out '^METHODS'
	if grep -q "$esc" "$work/out"; then
		fail "colour in spite of NO_COLOR"
	fi
	if grep -q '.\{81\}' "$work/out"; then
		fail "a line wider than the terminal"
	fi
fi

[ "$failures" -eq 0 ] || exit 1
