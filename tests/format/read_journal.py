#!/usr/bin/env python3
"""Read a journal without the library, from journal-format(5) alone.

    read_journal.py [--ignore RULE]... DIRECTORY

Prints each record as its LSN in decimal, a tab, the payload and a newline; for
lost records, marked as holes, "hole before" and the LSN behind; then one line
that begins with "verdict:".  Exit status: 0 sound, a tail or holes, 1 damage or
loss, 2 not a journal or an error of the system.

--ignore switches a rule of the format off (prev_sum, padding, body_sum, scan, void,
void_zero),
for the tests: a reader that leaves it out must be caught.  Nobody else wants
it.

Numbers in comments are the steps of journal-format(5).
"""
import argparse
import os
import stat
import struct
import sys
from collections import namedtuple

from xxh3 import xxh3_64

SEGMENT_MAGIC = b"\x89JNLSEG\n"
BATCH_MAGIC = 0x424C4E4A
HEADER = 64
LSN_MAX = 1 << 63
OPEN, MARK, SKIP, UNTORN, HOLE = 1, 2, 4, 8, 16

Batch = namedtuple("Batch", "header_sum lsn prev_sum durable trim body_sum "
                            "body_len count flags")


class Finding(Exception):
    """The journal cannot be read to its end: kind, where and why."""

    def __init__(self, kind, lsn, why):
        super().__init__(why)
        self.kind, self.lsn = kind, lsn


class Segment:
    """One file; good if its header is, and then geometry is known."""

    def __init__(self, directory, name, number):
        self.name, self.number, self.good, self.newer = name, number, False, False
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK |
                     os.O_CLOEXEC, dir_fd=directory)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return
            size = os.fstat(fd).st_size
            if size < 65536 or not self.decode(file.read(HEADER)) or \
                    size != self.segment_size:
                return
            file.seek(0)
            self.data = file.read(size)
        self.good = (len(self.data) == size and
                     not any(self.data[HEADER:self.block_size]))

    def fault(self):
        return "newer" if self.newer else "bad-segment"

    def decode(self, head):
        if len(head) < HEADER or head[:8] != SEGMENT_MAGIC:
            return False
        (version, _compat, incompat, self.block_size, self.uuid, number,
         self.segment_size, header_sum) = struct.unpack("<4I16sQQQ", head[8:])
        self.seed = struct.unpack("<Q", self.uuid[:8])[0]
        if xxh3_64(head[:56], self.seed) != header_sum:
            return False
        self.newer = version > 1 or incompat != 0
        size, block = self.segment_size, self.block_size
        return (not self.newer and version == 1 and number == self.number and
                4096 <= block <= 65536 and block & (block - 1) == 0 and
                65536 <= size <= 1 << 40 and size % 65536 == 0 and
                size // block >= 2 and number < LSN_MAX // size)


class Journal:
    def __init__(self, path, ignore=()):
        self.ignore = ignore
        self.batches = self.remains = 0
        self.tail = self.holes = False
        self.segments = {}
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in os.listdir(directory):
                number = segment_number(name)
                if number is not None:
                    self.segments[number] = Segment(directory, name, number)
        finally:
            os.close(directory)
        if not self.segments:
            raise FileNotFoundError("no journal there")
        newest = self.segments[max(self.segments)]
        if not newest.good:                                             # 2
            raise Finding(newest.fault(), 0, newest.name)
        self.block, self.size = newest.block_size, newest.segment_size
        self.seed, self.uuid = newest.seed, newest.uuid

    def fault(self, number):
        """What is wrong with a segment, or None."""
        segment = self.segments.get(number)
        if segment is None:
            return "missing"
        if not segment.good or segment.block_size != self.block:
            return segment.fault()
        if segment.uuid != self.uuid or segment.segment_size != self.size:
            return "foreign"
        return None

    def need_segment(self, number):
        fault = self.fault(number)
        if fault:
            raise Finding(fault, number * self.size, "%016x.seg" % number)

    # ---------------------------------------------------------------- batches

    def header_at(self, position):
        """What lies there, if magic and checksum are right; else None."""
        if self.fault(position // self.size):
            return None
        segment = self.segments[position // self.size]
        offset = position % self.size
        head = segment.data[offset:offset + HEADER]
        fields = struct.unpack("<6Q4I", head)
        if fields[9] != BATCH_MAGIC:
            return None
        if xxh3_64(head[8:], self.seed) != fields[0]:
            return None
        return Batch(*fields[:9])

    def length(self, batch):
        """Bytes in whole blocks."""
        return -(-(HEADER + batch.body_len) // self.block) * self.block

    def end(self, batch):
        if batch.flags & SKIP:
            return (batch.lsn // self.size + 1) * self.size
        if batch.flags & HOLE:
            return batch.lsn + batch.count * self.block
        return batch.lsn + self.length(batch)

    def fits(self, batch):
        return self.length(batch) <= self.size - batch.lsn % self.size

    def sane(self, batch):
        kind = batch.flags & ~UNTORN
        if batch.lsn >= LSN_MAX or batch.lsn % self.block or \
                batch.lsn % self.size < self.block or not self.fits(batch):
            return False
        if batch.durable > batch.lsn or batch.trim > batch.lsn:
            return False
        if kind == 0:
            return batch.body_len > 0 and batch.body_len % 8 == 0 and \
                batch.body_len >= 8 * batch.count
        if kind == OPEN:
            return batch.count == 0 and batch.body_len == 16
        if kind == HOLE:
            return batch.count >= 1 and batch.body_len == 0 and batch.count <= \
                (self.size - batch.lsn % self.size) // self.block
        return kind in (MARK, SKIP) and batch.count == batch.body_len == 0

    def body(self, batch):
        """The body if it and the padding behind it are good, else None."""
        data = self.segments[batch.lsn // self.size].data
        begin = batch.lsn % self.size + HEADER
        end = begin + batch.body_len
        body = data[begin:end]
        if "padding" not in self.ignore and \
                any(data[end:begin - HEADER + self.length(batch)]):
            return None
        if "body_sum" not in self.ignore and \
                xxh3_64(body, self.seed) != batch.body_sum:
            return None
        return body

    def place(self, end):
        """Where the batch behind one that ends there lies."""
        return end + self.block if end % self.size == 0 else end

    def follow(self, position, prev_sum):
        """The batch that counts at position, and its records; or None.

        prev_sum None: an anchor, whose link is not known.
        """
        batch = self.header_at(position)
        if batch is None or batch.lsn != position:
            return None
        if prev_sum not in (None, batch.prev_sum) and \
                "prev_sum" not in self.ignore:
            return None
        if not self.sane(batch):
            raise Finding("bad-batch", position, "makes no sense")
        body = self.body(batch)
        if body is None:
            if batch.flags & UNTORN:
                raise Finding("bad-batch", position, "untorn, and torn")
            return None
        if batch.flags & ~UNTORN:
            return batch, []
        found = records(body, batch.lsn + HEADER, self.ignore)
        if found is None or len(found) != batch.count:
            raise Finding("bad-batch", position, "not made of its records")
        return batch, found

    # --------------------------------------------------------------- recovery

    def recover(self):
        """Find the end self.x, what lies behind it, and self.trim."""
        b = max(self.segments)
        a = b
        while a > 0 and not self.fault(a - 1):                          # 3
            a -= 1
        watermark = self.watermark(a, b)
        if watermark is None:                                           # 4
            if a > 0:
                self.need_segment(a - 1)
            watermark = 0
        start = (watermark - 1) // self.size if watermark else a        # 5
        start = min(max(start, a), b)
        first = start * self.size + self.block
        step = self.follow(first, None if start else 0)
        if step is None and start:
            raise Finding("lost", first, "no anchor")
        self.x, last = 0, None
        while step is not None:                                         # 6, 7
            last, self.x = step[0], self.end(step[0])
            step = self.follow(self.place(self.x), last.header_sum)
        self.trim = last.trim if last else 0
        self.scan(b)                                                    # 8, 9
        if a > 0 and self.trim < a * self.size:
            self.need_segment(a - 1)

    def watermark(self, a, b):
        for number in range(b, a - 1, -1):
            begin = number * self.size
            found = [batch.durable for p, batch in
                     self.places(begin + self.block, begin + self.size)
                     if batch is not None and self.belongs(batch, p)]
            if found:
                return max(found)
        return None

    def belongs(self, batch, position):
        return batch.lsn == position and self.sane(batch)

    def places(self, begin, end):
        """The blocks to look at, with the header there or None.

        A batch that is whole and in its place is passed over as a whole: its
        body is payload, whatever it looks like.  So is one that was whole in
        the same place of a segment whose file is used again.
        """
        p = begin
        while p < end:
            batch = self.header_at(p)
            yield p, batch
            if batch is not None and batch.lsn <= p and \
                    (p - batch.lsn) % self.size == 0 and self.sane(batch) and \
                    self.body(batch._replace(lsn=p)) is not None:
                p += self.length(batch)
            else:
                p += self.block

    def scan(self, b):
        """Whether anything lies behind the end, and how many headers."""
        for number in range(self.x // self.size, b + 1):
            if self.fault(number):
                continue
            begin = max(self.x, number * self.size + self.block)
            for p, batch in self.places(begin, (number + 1) * self.size):
                self.remain(p, batch)

    def remain(self, p, batch):
        offset = p % self.size
        data = self.segments[p // self.size].data
        if not any(data[offset:offset + self.block]):
            return
        # what a file held before it was used again is no remains
        if self.trim < self.size or (batch and self.belongs(batch, p)):
            self.tail = True
            self.remains += batch is not None
        if batch is None:
            return
        if batch.durable > self.x and "scan" not in self.ignore:
            raise Finding("lost", self.x, "header at %d" % p)

    # ---------------------------------------------------------------- reading

    def read(self):
        """Every record from the first to the end, as (lsn, payload).

        Holes that follow each other are one, (its end, None).
        """
        number = self.trim // self.size
        position = number * self.size + self.block
        prev_sum = None if number else 0
        end, hole = 0, None
        while end < self.x:
            try:
                self.need_segment(position // self.size)
                step = self.follow(position, prev_sum)
            except Finding:
                if hole:
                    yield hole, None
                raise
            if hole and (step is None or not step[0].flags & HOLE):
                yield hole, None
                hole = None
            if step is None:
                raise Finding("bad-batch", position, "does not count")
            batch, found = step
            if batch.flags & HOLE and self.end(batch) > self.trim:
                hole, self.holes = self.end(batch), True
            self.batches += 1
            for lsn, payload in found:
                if lsn >= self.trim:
                    yield lsn, payload
            end, prev_sum = self.end(batch), batch.header_sum
            position = self.place(end)
        if hole:
            yield hole, None


def segment_number(name):
    """The number in a segment's name, or None for any other name."""
    digits = name[:-4]
    if len(digits) != 16 or name[-4:] != ".seg" or \
            any(c not in "0123456789abcdef" for c in digits):
        return None
    return int(digits, 16)


def records(body, lsn, ignore=()):
    """[(lsn, payload)] of a body, or None if it is not made of records.

    A void is passed over, and must be zeros.
    """
    found, at = [], 0
    while at < len(body):
        if len(body) - at < 8:
            return None
        length, void = struct.unpack_from("<II", body, at)
        taken = 8 + -(-length // 8) * 8
        payload = body[at + 8:at + 8 + length]
        if void > 1 or taken > len(body) - at or any(body[at + 8 + length:at + taken]):
            return None
        if void and length % 8:
            return None
        if void and any(payload) and "void_zero" not in ignore:
            return None
        if not void or "void" in ignore:
            found.append((lsn + at, payload))
        at += taken
    return found


def read_journal(path, ignore, out):
    """Print it all; returns the exit status."""
    count = payload_bytes = 0
    journal = None
    try:
        journal = Journal(path, ignore)
        journal.recover()
        for lsn, payload in journal.read():
            if payload is None:
                out.write(b"hole before %d\n" % lsn)
                continue
            out.write(b"%d\t%s\n" % (lsn, payload))
            count += 1
            payload_bytes += len(payload)
    except Finding as finding:
        if finding.kind == "newer":             # not judged, so no place
            out.write(b"verdict: newer\n")
            return 2
        out.write(b"verdict: %s at %d\n" %
                  (finding.kind.encode(), finding.lsn))
        return 1
    out.write(b"verdict: %s end %d batches %d records %d payload %d "
              b"remains %d\n" %
              (b"hole" if journal.holes else
                b"tail" if journal.tail else b"sound", journal.x,
               journal.batches, count, payload_bytes, journal.remains))
    return 0


def main():
    parser = argparse.ArgumentParser(description="Read a journal by its format.")
    parser.add_argument("--ignore", action="append", default=[],
                        choices=("prev_sum", "padding", "body_sum", "scan",
                                 "void", "void_zero"))
    parser.add_argument("directory")
    args = parser.parse_args()
    try:
        return read_journal(args.directory, args.ignore, sys.stdout.buffer)
    except OSError as error:
        print("read_journal.py: %s: %s" % (args.directory, error),
              file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
