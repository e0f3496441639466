"""Journals on block devices that are kept as text.

    raw.py check DIRECTORY PROGRAM    what `make check` does
    raw.py make DIRECTORY PROGRAM     write DIRECTORY again

DIRECTORY holds NAME.device (see pack.py) and NAME.expected; PROGRAM is
raw_golden.  The reader below was written from journal-format(5) alone: it takes
the segments out of their slots and has read_journal.py read them as files.
`make` is for what was never released: the rest must stay readable as it is.
"""
import io
import os
import subprocess
import sys
import tempfile

import pack
import read_journal
import xxh3
from golden_text import shorten

MAGIC = bytes.fromhex("894a4e4c5241570a")
COPIES = (0, 1048576)
FIRST_SLOT = 2097152
SLOTS_MAX = 122368
# Rules that a reader must not leave out, and the device that catches it.
CONTROLS = {
    "table_sum": "torn-copy",
    "sequence": "older-copy",
}


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def read_copy(data, which, ignore):
    """None if there is none, False if it is damaged, else what it says."""
    at = COPIES[which]
    header = data[at:at + 4096]
    if len(header) < 4096 or header[:8] != MAGIC:
        return None
    seed = number(header, 24, 8)
    if number(header, 120, 8) != xxh3.xxh3_64(header[:120], seed):
        return False
    if number(header, 80, 4) != which:
        return None
    slots = number(header, 56, 8)
    if number(header, 8, 4) != 1 or number(header, 16, 4) or \
            any(header[128:]) or any(header[84:120]) or \
            slots > SLOTS_MAX or number(header, 48, 8) != FIRST_SLOT:
        return False
    table = data[at + 4096:at + 4096 + 8 * slots]
    if "table_sum" not in ignore and \
            number(header, 72, 8) != xxh3.xxh3_64(table, seed):
        return False
    words = [number(table, 8 * i, 8) for i in range(slots)]
    used = [word for word in words if word]
    if len(set(used)) != len(used):
        return False
    return (number(header, 64, 8), number(header, 40, 8), words)


def read_device(path, ignore=()):
    """What raw_golden read prints."""
    with open(path, "rb") as file:
        data = file.read()
    copies = [read_copy(data, i, ignore) for i in range(2)]
    good = [copy for copy in copies if copy]
    if not good:
        return b"verdict: bad-superblock\n"
    if "sequence" in ignore:
        table = good[-1]
    else:
        table = max(good, key=lambda copy: copy[0])
    _, size, words = table
    with tempfile.TemporaryDirectory() as scratch:
        for i, word in enumerate(words):
            if not word:
                continue
            at = FIRST_SLOT + i * size
            name = os.path.join(scratch, "%016x.seg" % (word - 1))
            with open(name, "wb") as file:
                file.write(data[at:at + size])
        out = io.BytesIO()
        read_journal.read_journal(scratch, (), out)
        return out.getvalue()


failures = 0


def say(good, sentence):
    global failures
    print("%s - %s" % ("ok" if good else "not ok", sentence))
    failures += not good


def run(program, *args):
    return subprocess.run([program, *args], stdout=subprocess.PIPE,
                          check=False)


def made_by(program, scratch):
    path = os.path.join(scratch, "made")
    os.mkdir(path)
    done = run(program, "make", path)
    if done.returncode == 77:
        print(done.stdout.decode().strip())
        sys.exit(77)
    done.check_returncode()
    return path


def check_one(directory, name, made, program, scratch):
    with open(os.path.join(directory, name + ".device"),
              encoding="ascii") as file:
        text = file.read()
    with open(os.path.join(directory, name + ".expected"),
              encoding="ascii") as file:
        expected = file.read()
    say(pack.pack(os.path.join(made, name)) == text,
        "%s: made again, it has the same bytes" % name)
    pack.unpack(text, os.path.join(scratch, name))
    device = os.path.join(scratch, name, "device")
    python = read_device(device)
    say(shorten(python) == expected,
        "%s: the Python reader reads what is expected" % name)
    say(run(program, "read", device).stdout == python,
        "%s: the library reads the same" % name)
    for rule, caught in sorted(CONTROLS.items()):
        if caught == name:
            say(read_device(device, (rule,)) != python,
                "%s: a reader that ignores %s is caught" % (name, rule))
    done = run(program, "append", device)
    if b"bad-superblock" in python:
        say(done.returncode == 1 and
            pack.pack(os.path.join(scratch, name)) == text,
            "%s: opening it for writing fails and changes nothing" % name)
        return
    after = read_device(device)
    say(done.returncode == 0 and done.stdout == after and
        b"\tone more\n" in after and
        after.startswith(python[:python.rindex(b"verdict")]),
        "%s: it keeps its records and takes one more" % name)


def main(args):
    if len(args) != 3 or args[0] not in ("check", "make"):
        print(__doc__, file=sys.stderr)
        return 2
    verb, directory, program = args
    with tempfile.TemporaryDirectory() as scratch:
        made = made_by(program, scratch)
        if verb == "make":
            os.makedirs(directory, exist_ok=True)
            for name in os.listdir(made):
                path = os.path.join(made, name)
                for suffix, text in (
                        (".device", pack.pack(path)),
                        (".expected",
                         shorten(read_device(path + "/device")))):
                    with open(os.path.join(directory, name + suffix), "w",
                              encoding="ascii") as file:
                        file.write(text)
            return 0
        kept = sorted(name[:-7] for name in os.listdir(directory)
                      if name.endswith(".device"))
        say(kept == sorted(os.listdir(made)),
            "the devices that are kept are those that are made")
        for name in kept:
            check_one(directory, name, made, program, scratch)
    print("%d failed" % failures)
    return 1 if failures else 0


sys.exit(main(sys.argv[1:]))
