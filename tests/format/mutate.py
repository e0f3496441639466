"""Damage the kept journals in many ways; the two readers must still agree.

    mutate.py DIRECTORY READ [SEED [COUNT [RULE]]]

DIRECTORY holds NAME.journal (see pack.py), READ is the program read_golden.
Each of COUNT journals gets one to three of: a flipped bit, a block that is
zero, that lies elsewhere or is exchanged for another one, a header field with
another value and a good checksum, a file that is short or gone.  Records and
verdicts are compared.  Then every third is opened for writing: that fails and
changes nothing, or adds a record and loses none.  The seed is printed and
replays the run; it is JOURNAL_TEST_SEED, or 1, and "random" is one of the
system's.  With RULE the
Python reader ignores that rule of the format, and the run succeeds as soon as
the two are seen to differ.
"""
import io
import os
import random
import struct
import subprocess
import sys
import tempfile

import pack
import read_journal
from xxh3 import xxh3_64

BLOCK = 4096
# Interesting values for a field, besides those near what it was.
VALUES = (0, 1, 8, 16, 64, 4032, 4096, 65536, 1 << 31, (1 << 32) - 1, 1 << 62,
          (1 << 63) - 4096, 1 << 63, (1 << 64) - 4096, (1 << 64) - 1)
BATCH_FIELDS = ((8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (48, 4), (52, 4),
                (56, 4))
SEGMENT_FIELDS = ((8, 4), (12, 4), (16, 4), (20, 4), (24, 8), (40, 8), (48, 8))


class Mutator:
    def __init__(self, rng, path):
        self.rng, self.path, self.log = rng, path, []
        self.files = {}
        for name in sorted(os.listdir(path)):
            with open(os.path.join(path, name), "rb") as file:
                self.files[name] = bytearray(file.read())
        first = min(self.files)
        self.seed = struct.unpack_from("<Q", self.files[first], 24)[0]

    def used_block(self):
        """(file, offset) of a block that is not zero."""
        blocks = [(name, at) for name, data in self.files.items()
                  for at in range(0, len(data), BLOCK)
                  if any(data[at:at + BLOCK])]
        return self.rng.choice(blocks) if blocks else self.any_block()

    def any_block(self):
        name = self.rng.choice(sorted(self.files))
        return name, self.rng.randrange(len(self.files[name]) // BLOCK) * BLOCK

    def flip(self):
        name, at = self.used_block()
        if self.rng.random() < 0.7:             # near the header
            at += self.rng.randrange(160)
        else:
            at += self.rng.randrange(BLOCK)
        self.files[name][at] ^= 1 << self.rng.randrange(8)
        return "flip %s %d" % (name, at)

    def zero(self):
        name, at = self.used_block()
        self.files[name][at:at + BLOCK] = bytes(BLOCK)
        return "zero %s %d" % (name, at)

    def copy(self):
        (a, i), (b, k) = self.used_block(), self.any_block()
        self.files[b][k:k + BLOCK] = self.files[a][i:i + BLOCK]
        return "copy %s %d to %s %d" % (a, i, b, k)

    def exchange(self):
        (a, i), (b, k) = self.used_block(), self.used_block()
        one, two = self.files[a][i:i + BLOCK], self.files[b][k:k + BLOCK]
        self.files[a][i:i + BLOCK], self.files[b][k:k + BLOCK] = two, one
        return "exchange %s %d and %s %d" % (a, i, b, k)

    def field(self):
        name, at = self.used_block()
        data = self.files[name]
        offset, size = self.rng.choice(BATCH_FIELDS if at else SEGMENT_FIELDS)
        old = int.from_bytes(data[at + offset:at + offset + size], "little")
        near = [old + d for d in (-4096, -8, -1, 1, 8, 4096, 65536)]
        value = self.rng.choice(near + list(VALUES)) % (1 << 8 * size)
        data[at + offset:at + offset + size] = value.to_bytes(size, "little")
        if at:
            header = bytes(data[at + 8:at + 64])
            struct.pack_into("<Q", data, at, xxh3_64(header, self.seed))
        else:
            seed = struct.unpack_from("<Q", data, 24)[0]
            struct.pack_into("<Q", data, 56,
                             xxh3_64(bytes(data[:56]), seed))
        return "field %s %d+%d = %d" % (name, at, offset, value)

    def relink(self):
        """A field of a batch changed, and all behind it chained again."""
        what = self.field()
        prev = 0
        for name in sorted(self.files):
            data = self.files[name]
            at = BLOCK
            while at < len(data):
                length, count, flags, magic = struct.unpack_from(
                    "<IIII", data, at + 48)
                if magic != read_journal.BATCH_MAGIC:
                    break
                struct.pack_into("<Q", data, at + 16, prev)
                prev = xxh3_64(bytes(data[at + 8:at + 64]), self.seed)
                struct.pack_into("<Q", data, at, prev)
                if flags & read_journal.HOLE:
                    length = max(count, 1) * BLOCK - 64
                at += -(-(64 + length) // BLOCK) * BLOCK
                if flags & read_journal.SKIP:
                    break
        return what + ", chained again"

    def record(self):
        """A word of a body changed, mostly a length, under a good checksum."""
        name, at = self.used_block()
        data = self.files[name]
        if at == 0:
            return "nothing"
        length, = struct.unpack_from("<I", data, at + 48)
        body = data[at + 64:at + 64 + length]
        if not 8 <= len(body) == length:
            return "nothing"
        value = self.rng.choice(VALUES + tuple(range(12))) % (1 << 64)
        if self.rng.random() < 0.3:             # a void, or nearly one
            value = 1 << 32 | self.rng.choice((0, 1, 8, 16, len(body) - 8,
                                               len(body)))
        word = 0
        if self.rng.random() < 0.5:
            word = self.rng.randrange(len(body) // 8) * 8
        struct.pack_into("<Q", data, at + 64 + word, value)
        struct.pack_into("<Q", data, at + 40, xxh3_64(
            bytes(data[at + 64:at + 64 + length]), self.seed))
        struct.pack_into("<Q", data, at,
                         xxh3_64(bytes(data[at + 8:at + 64]), self.seed))
        return "record %s %d+%d = %d" % (name, at, word, value)

    def resize(self):
        name = self.rng.choice(sorted(self.files))
        size = self.rng.choice((0, 1, 63, 64, 4096, 65535, 65537, 131072))
        data = self.files[name]
        self.files[name] = (data + bytes(size))[:size]
        return "resize %s %d" % (name, size)

    def remove(self):
        if len(self.files) == 1:
            return "nothing"
        name = self.rng.choice(sorted(self.files))
        del self.files[name]
        return "remove %s" % name

    def run(self):
        kinds = (self.flip, self.flip, self.zero, self.zero, self.copy,
                 self.exchange, self.field, self.field, self.relink,
                 self.relink, self.relink, self.record)
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            self.log.append(self.rng.choice(kinds)())
        if self.rng.random() < 0.1:
            self.log.append(self.rng.choice((self.resize, self.remove))())
        for name in os.listdir(self.path):
            os.unlink(os.path.join(self.path, name))
        for name, data in self.files.items():
            with open(os.path.join(self.path, name), "wb") as file:
                file.write(data)


def by_python(path, ignore):
    out = io.BytesIO()
    read_journal.read_journal(path, ignore, out)
    return out.getvalue()


def files_of(path):
    """What is there but the lock, which every writer makes."""
    found = {}
    for name in os.listdir(path):
        if name != "lock":
            with open(os.path.join(path, name), "rb") as file:
                found[name] = file.read()
    return found


def append(reader, path, before):
    """What is wrong with how the journal is written to, or None."""
    files = files_of(path)
    done = subprocess.run([reader, "--append", path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False)
    after = by_python(path, ())
    sound = verdict(before).split(" ")[0] in ("sound", "tail", "hole")
    if done.returncode == 1:
        if sound:
            return "refused"
        return None if files_of(path) == files else "refused, and changed"
    # Damage that opening does not look at is still there.
    if not sound:
        return None if after == before else "damage gone, or other damage"
    records = before[:before.rindex(b"verdict: ")]
    added = after[:after.rindex(b"verdict: ")]
    if done.returncode or done.stdout != after:
        return "read otherwise afterwards"
    if not added.startswith(records) or \
            added[len(records):].count(b"\n") != 1 or \
            not added.endswith(b"\tone more\n"):
        return "records lost or gained"
    return None


def verdict(output):
    return output.decode("ascii", "replace").rsplit("verdict: ", 1)[-1].strip()


def main(directory, reader, seed=None, count="300", rule=None):
    seed = seed or os.environ.get("JOURNAL_TEST_SEED") or "1"
    seed = (int.from_bytes(os.urandom(4), "little") if seed == "random"
            else int(seed))
    print("seed %d" % seed)
    texts = []
    for name in sorted(os.listdir(directory)):
        if name.endswith(".journal") and name != "blocks-16k.journal":
            with open(os.path.join(directory, name), encoding="ascii") as file:
                texts.append((name[:-8], file.read()))
    kinds, bad = {}, 0
    with tempfile.TemporaryDirectory() as scratch:
        for i in range(int(count)):
            rng = random.Random("%d %d" % (seed, i))
            name, text = rng.choice(texts)
            path = os.path.join(scratch, "%d" % i)
            pack.unpack(text, path)
            mutator = Mutator(rng, path)
            mutator.run()
            python = by_python(path, (rule,) if rule else ())
            library = subprocess.run([reader, path], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, timeout=300,
                                     check=False)
            kind = verdict(python).split(" ")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
            if library.returncode or library.stdout != python:
                if rule:
                    print("%s: seen at journal %d" % (rule, i))
                    return 0
                bad += 1
                print("not ok - %d: %s: %s\n  Python:  %s\n  library: %s %s" %
                      (i, name, "; ".join(mutator.log), verdict(python),
                       verdict(library.stdout),
                       library.stderr.decode("utf-8", "replace")))
            wrong = None if rule or i % 3 else append(reader, path, python)
            if wrong:
                bad += 1
                print("not ok - %d: %s: %s\n  %s, opened for writing: %s" %
                      (i, name, "; ".join(mutator.log), verdict(python),
                       wrong))
            for file in os.listdir(path):
                os.unlink(os.path.join(path, file))
            os.rmdir(path)
    print(", ".join("%s %d" % item for item in sorted(kinds.items())))
    print("%s journals damaged, the readers differ on %d" % (count, bad))
    return 1 if bad or rule else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
