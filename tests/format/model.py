"""The model of tests/model judges the kept journals as the library does.

    model.py DIRECTORY READ MODEL

DIRECTORY holds NAME.journal (see pack.py), READ is the program read_golden,
MODEL the folder of the model.  Bytes become the model's blocks by way of the
reader in Python: which blocks are headers, whose body is good, where records
begin.  What follows from that, the model finds by itself; verdict, end,
records and holes are compared with the library's.

Then the model forgets what it knows of holes, of voids and of voids that are
not zeros, and has to be caught.
"""
import os
import subprocess
import sys
import tempfile

import pack
import read_journal

# Kinds of batch that the model is to know, and the journals that need them.
CONTROLS = {
    "HOLE": {"salvaged", "salvaged-given-back", "salvaged-voids"},
    "VOID": {"voids", "salvaged-voids"},
    "WRONG": {"void-not-zero"},
}
FINE = ("sound", "tail", "hole")

failures = 0


def say(good, sentence, detail=""):
    global failures
    print("%s - %s" % ("ok" if good else "not ok", sentence))
    if not good:
        failures += 1
        print(detail)


class Sheet:
    """The blocks of a journal, as tests/sim/emit.c lists them."""

    def __init__(self, journal, ignore):
        self.j, self.ignore = journal, ignore
        self.sb = journal.size // journal.block
        self.seed = "0"
        self.segments, self.batches, self.number = [], [], {}
        rows = {n: self.row(n) for n in sorted(journal.segments)}
        for batch in list(self.number):
            self.claim(batch, rows)
        self.segments = sorted(rows.items())

    def row(self, n):
        if self.j.fault(n):
            return ["j"] * self.sb
        data, row = self.j.segments[n].data, ["s"]
        for at in range(self.j.block, self.j.size, self.j.block):
            batch = self.j.header_at(n * self.j.size + at)
            if batch is not None:
                self.number.setdefault(batch, len(self.number))
                row.append("h%d" % self.number[batch])
            else:
                row.append("j" if any(data[at:at + self.j.block]) else "z")
        return row

    def claim(self, batch, rows):
        """The blocks of a whole batch are its own."""
        block, size = self.j.block, self.j.size
        n, at = batch.lsn // size, batch.lsn % size // block
        i, blocks = self.number[batch], self.j.length(batch) // block
        there = n in rows and rows[n][at] == "h%d" % i and self.j.fits(batch)
        whole = there and self.j.body(batch) is not None
        found = ()
        if whole:
            for k in range(1, blocks):
                if rows[n][at + k][0] != "h":
                    rows[n][at + k] = "b%d.%d" % (i, k)
            if not batch.flags & ~read_journal.UNTORN:
                found = read_journal.records(
                    self.j.body(batch), batch.lsn + read_journal.HEADER,
                    ("void",) if "VOID" in self.ignore else ())
        if found is not None:
            found = tuple(lsn for lsn, _ in found)
        elif "WRONG" in self.ignore:
            found = (batch.lsn + read_journal.HEADER,)
        flags = batch.flags
        if flags & read_journal.HOLE and "HOLE" in self.ignore:
            flags = flags & ~read_journal.HOLE | 2      # one block, a mark
        elif flags & (read_journal.HOLE | read_journal.SKIP):
            blocks = (self.j.end(batch) - batch.lsn) // block
        self.batches.append((
            batch.header_sum, batch.lsn // block, batch.prev_sum,
            batch.durable // block, batch.trim, blocks, flags, whole, found))


def by_model(replay, path, ignore=()):
    """(fine, end, records and holes)."""
    verdict, end, given, reading = replay.answers(
        Sheet(read_journal.Journal(path), ignore))
    if verdict != "ok":
        return False, None, ()
    return reading == "ok", end * replay.BLOCK, given


def by_library(program, path, end_counts):
    lines = subprocess.run([program, path], stdout=subprocess.PIPE,
                           check=True).stdout.split(b"\n")
    given = []
    for line in lines[:-2]:
        if line.startswith(b"hole before "):
            given.append(("hole", int(line.split()[2])))
        else:
            given.append(int(line.split(b"\t")[0]))
    word = lines[-2].decode().split()
    fine = word[1] in FINE
    return fine, int(word[3]) if fine else end_counts, tuple(given)


def main(directory, reader, model):
    sys.path.insert(0, model)
    import replay
    judged = set()
    for name in sorted(os.listdir(directory)):
        name, kind = os.path.splitext(name)
        if kind != ".journal" or name == "blocks-16k":  # its blocks are 4096
            continue
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, name)
            with open(os.path.join(directory, name + kind),
                      encoding="ascii") as file:
                pack.unpack(file.read(), path)
            try:
                answer = by_model(replay, path)
            except read_journal.Finding:                # no segment to go by
                continue
            judged.add(name)
            library = by_library(reader, path, answer[1])
            say(answer == library, "%s: the model judges it alike" % name,
                "model   %s\nlibrary %s" % (answer, library))
            for what, caught in sorted(CONTROLS.items()):
                if name in caught:
                    say(by_model(replay, path, (what,)) != library,
                        "%s: a model without %s is caught" % (name, what),
                        "it judges the same")
    missing = set().union(*CONTROLS.values()) - judged
    say(not missing, "every control has its journal", ", ".join(missing))
    print("%d journals, %d failed" % (len(judged), failures))
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
