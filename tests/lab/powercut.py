#!/usr/bin/env python3
"""powercut.py - what a power cut leaves, out of a log of every write.

    powercut.py check LOG --size BYTES --fs TYPE --program PROGRAM
                      [--count N] [--seed S] [--dir DIR] [--verbose]
    powercut.py flushes LOG

LOG is what the device-mapper target "log-writes" has recorded: every write,
flush and FUA write of a device, and marks.  It holds a write in front of the
flush that covers it, or, if it was FUA, where it completed (see the kernel's
Documentation/admin-guide/device-mapper/log-writes.rst).  So of a cut before
entry P this is known:

  - what was FUA, or stands before a flush that stands before P, is durable;
  - of the other writes before P each sector may have survived or not;
  - entry P itself, if it is a write, was under way: any of its sectors may be
    there.

check makes N such images, one at a time, mounts each (TYPE ext4, xfs, btrfs;
raw: as a loop device) and has "PROGRAM check" judge it by the marks before the
cut.  The same seed gives the same images.  Needs root.  The last line says how
many images broke a promise; exit status 0 none, 1 some, 2 trouble.

flushes prints three numbers about the part between the marks "begin" and
"end": how many commits, each with its mark, there are; how many of them have
writes before the mark that no flush covers, or neither flush nor FUA write;
and how many flushes and FUA writes there are in all.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SECTOR = 512


class Entry:
    __slots__ = ("sector", "count", "flags", "at", "text")


def read_log(path):
    """Every entry of the log; data stays in the file."""
    entries = []
    f = open(path, "rb")
    magic, version, count, sectorsize = struct.unpack("<QQQI", f.read(28))
    if magic != MAGIC or version != 1:
        sys.exit(f"powercut: {path}: not a log of log-writes")
    at = sectorsize
    for _ in range(count):
        f.seek(at)
        e = Entry()
        e.sector, e.count, e.flags, length = struct.unpack("<QQQQ", f.read(32))
        e.text = None
        if e.flags & MARK:
            e.text = f.read(length).rstrip(b"\0").decode()
        at += sectorsize
        e.at = at
        if not e.flags & (DISCARD | MARK):
            at += e.count * sectorsize
        e.sector *= sectorsize
        e.count *= sectorsize
        entries.append(e)
    return f, entries


class Image:
    """What is durable at a cut, brought forward from cut to cut."""

    def __init__(self, log, entries, path, size):
        self.log, self.entries = log, entries
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.ftruncate(self.fd, size)
        self.done = 0
        self.marks = []
        self.cached = []    # completed, and covered by no flush yet

    def data(self, e):
        return os.pread(self.log.fileno(), e.count, e.at)

    def apply(self, fd, e):
        if e.count and not e.flags & DISCARD:
            os.pwrite(fd, self.data(e), e.sector)

    def settle(self, which):
        """Make these cached writes durable, in their order."""
        for e in which:
            self.apply(self.fd, e)
        self.cached = [e for e in self.cached if e not in which]

    def advance(self, cut):
        for e in self.entries[self.done:cut]:
            if e.flags & MARK:
                self.marks.append(e.text)
                continue
            if e.flags & FLUSH:
                self.settle(list(self.cached))
            if e.flags & FUA:
                # Not under an older write that is still cached: that one has
                # survived, then.
                self.settle([c for c in self.cached if overlap(c, e)])
                self.apply(self.fd, e)
            elif e.count:
                self.cached.append(e)
        self.done = cut


def overlap(a, b):
    return (a.sector < b.sector + b.count and b.sector < a.sector + a.count)


def survive(image, fd, e, rng, torn):
    """Some of the blocks of a write that nothing made durable."""
    if e.flags & DISCARD or not e.count:
        return
    fate = rng.random()
    if not torn and fate < 0.4:
        return
    if not torn and fate < 0.8:
        image.apply(fd, e)
        return
    data = image.data(e)
    for off in range(0, e.count, SECTOR):
        if rng.random() < 0.5:
            os.pwrite(fd, data[off:off + SECTOR], e.sector + off)


def choose_cuts(entries, count, rng):
    """Half of them right behind an acknowledgement, half anywhere."""
    acks = [i + 1 for i, e in enumerate(entries)
            if e.text and e.text.startswith("a:")]
    start = next((i for i, e in enumerate(entries) if e.text), 0)
    everywhere = range(start, len(entries) + 1)
    cuts = [rng.choice(acks) for _ in range(count // 2)] if acks else []
    cuts += [rng.choice(everywhere) for _ in range(count - len(cuts))]
    return sorted(cuts)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def judge(program, fs, image, marks, mount_point):
    """The program's verdict on one image: its status, and what it says."""
    if fs == "raw":
        journal = run("losetup", "--find", "--show", image)
    else:
        run("mount", "-o", "loop", "-t", fs, image, mount_point)
        journal = os.path.join(mount_point, "j")
    try:
        done = subprocess.run([program, "check", journal, marks],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=600)
    finally:
        if fs == "raw":
            run("losetup", "-d", journal)
        else:
            run("umount", mount_point)
    return done.returncode, done.stdout.strip()


def check(args):
    log, entries = read_log(args.log)
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory(dir=args.dir) as place:
        base = os.path.join(place, "base")
        name = os.path.join(place, "image")
        marks = os.path.join(place, "marks")
        mount_point = os.path.join(place, "mnt")
        os.mkdir(mount_point)
        image = Image(log, entries, base, args.size)
        broken = promised = 0
        for n, cut in enumerate(choose_cuts(entries, args.count, rng)):
            image.advance(cut)
            subprocess.run(["cp", "--sparse=always", base, name], check=True)
            fd = os.open(name, os.O_RDWR)
            for e in image.cached:
                survive(image, fd, e, rng, False)
            if cut < len(entries) and not entries[cut].flags & (MARK | DISCARD):
                survive(image, fd, entries[cut], rng, True)
            os.close(fd)
            with open(marks, "w") as f:
                f.writelines(m + "\n" for m in image.marks)
            status, said = judge(args.program, args.fs, name, marks,
                                 mount_point)
            promised += sum(m.startswith("a:") for m in image.marks)
            if status not in (0, 1):
                sys.exit(f"powercut: image {n}, cut {cut}: status {status}: "
                         f"{said}")
            if status or args.verbose:
                print(f"image {n}, cut {cut}: {said}", flush=True)
            broken += status
            os.unlink(name)
    print(f"{args.count} images of {len(entries)} entries, {promised} "
          f"acknowledgements held against them, seed {args.seed}: "
          f"{broken} broken")
    return 1 if broken else 0


def flushes(args):
    _, entries = read_log(args.log)
    waiting = found = total = commits = bare = 0
    counting = False
    for e in entries:
        if e.text == "begin":
            counting = True
        elif e.text == "end":
            break
        elif not counting:
            continue
        elif e.text:
            commits += 1
            bare += waiting > 0 or not found
            total += found
            waiting = found = 0
        elif e.flags & FLUSH:
            waiting = 0
            found += 1
        elif e.flags & FUA:
            found += 1
        elif e.count:
            waiting += 1
    print(commits, bare, total)
    return 0


def main():
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers(required=True)
    p = sub.add_parser("check")
    p.add_argument("log")
    p.add_argument("--size", type=int, required=True)
    p.add_argument("--fs", required=True,
                   choices=("ext4", "xfs", "btrfs", "raw"))
    p.add_argument("--program", required=True)
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--dir", default=os.environ.get("TMPDIR", "/var/tmp"))
    p.add_argument("--verbose", action="store_true")
    p.set_defaults(run=check)
    p = sub.add_parser("flushes")
    p.add_argument("log")
    p.set_defaults(run=flushes)
    args = parser.parse_args()
    sys.exit(args.run(args))


if __name__ == "__main__":
    main()
