"""Journals that are kept as text: read them, compare them, make them anew.

    golden.py check DIRECTORY MAKE READ TOOL    what `make check` does
    golden.py make DIRECTORY MAKE               write DIRECTORY again

DIRECTORY holds NAME.journal (see pack.py) and NAME.expected.  MAKE is the
program make_golden, READ the program read_golden, TOOL journal-tool.  `make` is for a journal
that is new, or was never released: what a released version has written must
stay readable as it is.

In .expected, a record too long for a line is its beginning, its length and a
checksum.
"""
import io
import os
import subprocess
import sys
import tempfile

import pack
import read_journal
from golden_text import shorten

# Rules that a reader must not leave out, and the journals that catch it.
CONTROLS = {
    "prev_sum": {"stale-life"},
    "padding": {"padding", "padding-in-tail"},
    "body_sum": {"damage-below-watermark", "damage-in-old-segment",
                 "torn-tail", "untorn-torn"},
    "scan": {"damage-below-watermark", "misdirected"},
    "void": {"voids", "salvaged-voids"},
    "void_zero": {"void-not-zero"},
}

# Damage in segments that opening does not read: the reader that gets there
# says so.
NOT_SEEN_BY_OPEN = {"damage-in-old-segment"}

failures = 0


def say(good, sentence, detail=""):
    global failures
    print("%s - %s" % ("ok" if good else "not ok", sentence))
    if not good:
        failures += 1
        print(detail)


def by_python(path, ignore=()):
    out = io.BytesIO()
    read_journal.read_journal(path, ignore, out)
    return out.getvalue()


def by_library(program, path):
    return subprocess.run([program, path], stdout=subprocess.PIPE,
                          check=True).stdout


def by_tool(program, path):
    return subprocess.run([program, "cat", "--lsn", path],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False).stdout


def records(output):
    """The lines of a reader's output without its verdict."""
    return output[:output.rindex(b"verdict: ")]


def without_holes(output):
    """The records alone, which begin with digits."""
    return b"".join(line for line in records(output).splitlines(True)
                    if not line.startswith(b"hole before "))


def verdict(output):
    return output[output.rindex(b"verdict: ") + 9:].split()[0].decode()


def difference(a, b):
    a, b = shorten(a).split("\n"), shorten(b).split("\n")
    for i in range(max(len(a), len(b))):
        left = a[i] if i < len(a) else "(nothing)"
        right = b[i] if i < len(b) else "(nothing)"
        if left != right:
            return "line %d: %s\n     not: %s" % (i + 1, left, right)
    return ""


def read_text(directory, name):
    with open(os.path.join(directory, name), encoding="ascii") as file:
        return file.read()


def names(directory):
    return sorted(name[:-8] for name in os.listdir(directory)
                  if name.endswith(".journal"))


def make_all(program, scratch):
    """A directory with all journals, None where they cannot be written."""
    path = os.path.join(scratch, "made")
    os.mkdir(path)
    done = subprocess.run([program, path], check=False)
    if done.returncode == 77:
        return None
    done.check_returncode()
    return path


def check_journal(directory, name, path, reader, tool):
    expected = read_text(directory, name + ".expected")
    python = by_python(path)
    say(shorten(python) == expected,
        "%s: the Python reader reads what is expected" % name,
        difference(python, expected.encode()))
    library = by_library(reader, path)
    say(library == python, "%s: the library reads the same" % name,
        difference(library, python))
    printed, lines = by_tool(tool, path), without_holes(python)
    say(printed == lines, "%s: journal-tool prints the same" % name,
        difference(printed, lines))
    for rule, caught in sorted(CONTROLS.items()):
        if name in caught:
            say(by_python(path, (rule,)) != python,
                "%s: a reader that ignores %s is caught" % (name, rule),
                "it reads the same")


def check_append(name, path, reader):
    """A journal that is whole can be written to; any other is left alone."""
    text, before = pack.pack(path), by_python(path)
    done = subprocess.run([reader, "--append", path], stdout=subprocess.PIPE,
                          check=False)
    if name in NOT_SEEN_BY_OPEN:
        say(done.returncode == 0 and by_python(path) == before,
            "%s: writing to it does not hide the damage" % name,
            shorten(by_python(path)))
        return
    if verdict(before) not in ("sound", "tail", "hole"):
        say(done.returncode == 1 and pack.pack(path) == text,
            "%s: opening it for writing fails and changes nothing" % name,
            "exit status %d" % done.returncode)
        return
    after = by_python(path)
    lines = records(after).split(b"\n")
    say(done.returncode == 0 and done.stdout == after and
        records(after).startswith(records(before)) and
        lines[-2].endswith(b"\tone more") and
        len(lines) == len(records(before).split(b"\n")) + 1,
        "%s: opened for writing, it keeps its records and takes one more" %
        name, "exit status %d\n%s" % (done.returncode, shorten(after)))


def check(directory, maker, reader, tool):
    kept = names(directory)
    say(bool(kept), "there are journals", directory)
    missing = set().union(*CONTROLS.values()) - set(kept)
    say(not missing, "every control has its journal", ", ".join(missing))
    with tempfile.TemporaryDirectory() as scratch:
        made = make_all(maker, scratch)
        if made:
            say(sorted(os.listdir(made)) == kept,
                "the journals that are kept are those that are made",
                "made: %s\nkept: %s" % (sorted(os.listdir(made)), kept))
        for name in kept:
            text = read_text(directory, name + ".journal")
            if made:
                say(pack.pack(os.path.join(made, name)) == text,
                    "%s: made again, it has the same bytes" % name,
                    "compare `make_golden DIRECTORY` with what is kept")
            path = os.path.join(scratch, name)
            pack.unpack(text, path)
            check_journal(directory, name, path, reader, tool)
            if made:
                check_append(name, path, reader)
    print("%d failed" % failures)
    return 1 if failures else 0


def make(directory, maker):
    os.makedirs(directory, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        made = make_all(maker, scratch)
        if not made:
            return 77
        for name in sorted(os.listdir(made)):
            path = os.path.join(made, name)
            for suffix, text in ((".journal", pack.pack(path)),
                                 (".expected", shorten(by_python(path)))):
                with open(os.path.join(directory, name + suffix), "w",
                          encoding="ascii") as file:
                    file.write(text)
    return 0


def main(args):
    if len(args) == 5 and args[0] == "check":
        return check(*args[1:])
    if len(args) == 3 and args[0] == "make":
        return make(*args[1:])
    print(__doc__, file=sys.stderr)
    return 2


sys.exit(main(sys.argv[1:]))
