#!/usr/bin/env python3
"""Runs the model's recovery on images that the C simulator wrote.

    tests/sim/crash --emit FILE --states N
    python3 replay.py FILE                  "-" is standard input

Each image lists what its blocks hold and what the library answered (see
tests/sim/emit.c).  The image is translated into the model's blocks, the model
recovers and reads it, and both must agree: on the verdict, on the tail, and
on every record that is read back.

A batch's first block holds its header and the beginning of its body; the
model's holds the header alone.  So one fact is taken over from the image: that
the body of a batch is bad although every block is in its place.

Exit status: 0 everywhere the same, 1 not, 2 usage or input that is no such
list.
"""
import sys

import journal_model as model

BLOCK = 4096

FLAG_OPEN, FLAG_MARK, FLAG_SKIP, FLAG_UNTORN, FLAG_HOLE = 1, 2, 4, 8, 16
ENODATA, EBADMSG = -61, -74


class Bad(Exception):
    """The input is not what tests/sim/emit.c writes."""


class Image:
    def __init__(self, sb, seed):
        self.sb, self.seed = sb, seed
        self.batches, self.segments = [], []
        self.open = self.read = None


def images(lines):
    """Every complete image in turn."""
    im = None
    for number, line in enumerate(lines, 1):
        word = line.split()
        try:
            if word[0] == "image":
                im = Image(int(word[1]), word[2])
            elif word[0] == "batch":
                if int(word[1]) != len(im.batches):
                    raise Bad("line %d: batches out of order" % number)
                im.batches.append((int(word[2], 16), int(word[3]), int(word[4], 16)) + tuple(int(x) for x in word[5:10]) +
                                  (tuple(int(x) for x in word[10:]),))
            elif word[0] == "segment":
                im.segments.append((int(word[1]), word[2:]))
            elif word[0] == "open":
                im.open = (int(word[1]), int(word[2]))
            elif word[0] == "read":
                im.read = (int(word[1]), tuple(int(x) for x in word[2:]))
                yield im
            else:
                raise Bad("line %d: %s" % (number, word[0]))
        except (IndexError, ValueError, AttributeError):
            raise Bad("line %d: %s" % (number, line.strip())) from None


def translate(im):
    """The model's segments; the header ids; the ids whose body is bad."""
    by_sum = {b[0]: i for i, b in enumerate(im.batches)}
    ids = {}

    def header(i):
        """Interned, the batch it links to first: a link is an identity."""
        todo = [i]
        while todo:
            j = todo[-1]
            csum, lsn, prev, durable, trim, nblk, flags, whole, recs = im.batches[j]
            before = by_sum.get(prev)
            if j in ids:
                todo.pop()
            elif before is not None and before not in ids:
                if before in todo:
                    raise Bad("a chain that bites its tail")
                todo.append(before)
            else:
                kind = model.OPEN if flags & FLAG_OPEN else model.MARK if flags & (FLAG_MARK | FLAG_SKIP | FLAG_HOLE) else model.DATA
                kind |= model.HOLE if flags & FLAG_HOLE else 0
                if kind == model.DATA:
                    kind |= model.WRONG if recs is None else 0 if recs else model.VOID
                kind |= (model.SKIP if flags & FLAG_SKIP else 0) | (model.UNTORN if flags & FLAG_UNTORN else 0)
                # a link to what is not in the image equals no identity
                link = ids[before] if before is not None else -prev
                ids[j] = model.intern(model.Hdr(lsn, link, durable, trim // BLOCK, nblk, kind, ("batch", csum), durable))
                todo.pop()
        return ids[i]

    segs = {}
    for number, classes in im.segments:
        blocks = []
        for c in classes:
            if c == "z":
                blocks.append(model.ZERO)
            elif c == "s":
                blocks.append(model.seg_header(number))
            elif c == "j":
                blocks.append(model.JUNK)
            elif c[0] == "h":
                blocks.append(header(int(c[1:])))
            elif c[0] == "b":
                i, k = c[1:].split(".")
                blocks.append(model.body(("batch", im.batches[int(i)][0]), int(k)))
            else:
                raise Bad("block " + c)
        if len(blocks) != im.sb:
            raise Bad("segment %d has %d blocks" % (number, len(blocks)))
        segs[number] = tuple(blocks)
    torn = {ids[i] for i, b in enumerate(im.batches) if i in ids and not b[7]}
    return segs, ids, torn


def answers(im):
    """(verdict, tail, records, verdict of reading) by the model."""
    segs, ids, torn = translate(im)
    cfg = model.Cfg("replay", SB=im.sb)
    whole = model.body_good
    model.body_good = lambda s, hid, sb: hid not in torn and whole(s, hid, sb)
    try:
        rec = model.recover(segs, cfg)
        if rec.verdict != "ok":
            return rec.verdict, 0, (), rec.verdict
        # the model gives back whole batches, the library records
        verdict, recs = model.read_all(segs, rec._replace(trim=rec.trim // im.sb * im.sb), cfg)
    finally:
        model.body_good = whole
    records = {("batch", b[0]): b[8] for b in im.batches}
    trim = max([im.batches[i][4] for i, hid in ids.items() if hid == rec.last], default=0)
    given = []
    for lsn, pay in recs:
        if pay is None:
            given += [("hole", lsn * BLOCK)] if lsn * BLOCK > trim else []
        else:
            given += [lsn for lsn in records[pay] if lsn >= trim]
    return rec.verdict, rec.tail, tuple(given), verdict


def code_fits(code, verdict, im):
    if verdict == "ok":
        return code == 0
    there = {n for n, _ in im.segments}
    if verdict.startswith("missing"):
        # the file may be there, with a bad header
        return code == ENODATA or (code == EBADMSG and int(verdict.split()[-1]) in there)
    # where no batch is left, the library names the file that is missing
    return code == EBADMSG or (code == ENODATA and "no batch" in verdict and len(there) <= max(there))


def compare(im):
    """None, or how the two differ."""
    verdict, tail, records, reading = answers(im)
    if not code_fits(im.open[0], verdict, im):
        return "recovery: library %d, model %s" % (im.open[0], verdict)
    if verdict == "ok" and im.open[1] != tail * BLOCK:
        return "tail: library %d, model %d" % (im.open[1], tail * BLOCK)
    if not code_fits(im.read[0], verdict if verdict != "ok" else reading, im):
        return "reading: library %d, model %s" % (im.read[0], reading)
    if im.read[1] != records:
        return "records: library %s, model %s" % (list(im.read[1]), list(records))
    return None


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("--help", "-h"):
        print(__doc__.strip(), file=sys.stdout if "--help" in sys.argv[1:] else sys.stderr)
        return 0 if "--help" in sys.argv[1:] else 2
    n = damaged = different = 0
    try:
        source = sys.stdin if sys.argv[1] == "-" else open(sys.argv[1])
        with source:
            for im in images(source):
                n += 1
                damaged += im.open[0] != 0 or im.read[0] != 0
                what = compare(im)
                if what:
                    different += 1
                    if different <= 10:
                        print("image %d, world %s: %s" % (n, im.seed, what))
    except (OSError, Bad) as e:
        print("replay.py: %s" % e, file=sys.stderr)
        return 2
    print("%d images, %d with a verdict of damage, %d judged differently" % (n, damaged, different))
    return 1 if different or not n else 0


if __name__ == "__main__":
    sys.exit(main())
