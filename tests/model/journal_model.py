#!/usr/bin/env python3
"""Executable model of the journal protocol (doc/design.md, section 3).

    python3 journal_model.py                 all scenarios, all negative controls, random walks
    python3 journal_model.py --deep          larger bounds
    python3 journal_model.py --short         the beginning of every scenario, short walks, the quick controls
    python3 journal_model.py --seed N        seed of the random walks
    python3 journal_model.py --break NAME    one rule switched off; prints the shortest counterexample
    python3 journal_model.py --list          the names --break takes

Exit status: 0 everything as expected, 1 not, 2 usage.

What is modelled
  Disk      Every block has: the medium's content, versions in the drive's volatile cache, a cached page (dirty or clean). A power cut
            leaves each block, on its own, with any of medium / cached version / dirty page, so a batch of two blocks tears between
            them. A process kill keeps the caches; writes in flight land or not, block by block. Directory changes stay pending until
            the directory is fsynced; a power cut keeps any subset of them, a kill leaves them visible *and* pending.
            fsync of a file without dirty pages does nothing at all, in particular no device flush. A failed flush leaves
            pages cached, clean and not on the medium, and is reported once.
  Methods   direct: durable at completion (FUA).  nvme: completion puts it into the drive's cache, a device flush makes it durable.
            buffered: page cache, fdatasync.  Each life picks one of those its scenario allows.
  Engine    Seal, complete in any order, frontier in order, rotation, idle watermark, trim, recycling, replacement (3.6), the first
            segment's chunked filling (3.5), the open procedure (3.4), every step of which can be followed by a crash.
  Workload  The n-th record of a journal always has the payload n: an application that retries the same appends after a crash, which
            is the hardest case for telling lives apart. Batches hold one record and take 1 or 2 blocks.

Positions are block numbers: segment * SB + offset; offset 0 is the segment's header block. header_sum is modelled as the identity of
the interned header (a perfect hash).

Properties
  P1 what was acknowledged (or returned by an earlier open) is read back.    P2 what is read is a prefix of what was appended.
  P3 no damage verdict without damage.    P4 damage below the newest surviving watermark is reported, never a silent shortening.
  P5 trim: nothing given back reappears, trim never goes back, a lost segment is not taken for a trim.
"""
import argparse
import itertools
import random
import sys
import time
from collections import deque, namedtuple

# ---------------------------------------------------------------------------------------------------------------- block contents
# Contents are interned to small integers; ZERO and JUNK are fixed.
Hdr = namedtuple("Hdr", "lsn prev durable trim nblk kind pay truth")   # truth: what durable should be; recovery never looks at it
DATA, OPEN, MARK = 1, 2, 3                                             # kinds of batch: records, open batch, watermark
UNTORN, SKIP = 4, 8                                                    # added to kind; SKIP: nothing follows in this segment
HOLE = 16                   # added to MARK: nblk blocks are lost, the batch itself is its header. Only salvage writes it: no walk makes one.
VOID = 32                   # added to DATA: its record was abandoned, and is zeros: nothing to give out. No walk makes one.
WRONG = 64                  # added to DATA: under good checksums something that is no records, as a void that is not zeros
SEG_T, BODY_T = 10 ** 6, 2 * 10 ** 6                                   # tags of segment headers and body blocks
_ids, _objs = {}, []


def intern(obj):
    i = _ids.get(obj)
    if i is None:
        i = _ids[obj] = len(_objs)
        _objs.append(obj)
    return i


ZERO, JUNK = intern((0,)), intern((1,))


def seg_header(seg):
    return intern((SEG_T, seg))


def body(pay, k):
    return intern((BODY_T, pay, k))


def image(hid):
    """The blocks a batch writes. A skip batch stands for the rest of its segment, and writes one block."""
    h = _objs[hid]
    return (hid,) + (() if h.kind & (SKIP | HOLE) else tuple(body(h.pay, k) for k in range(1, h.nblk)))


# ---------------------------------------------------------------------------------------------------------------- rules, violations
RULES = {   # name: what the rule says; --break NAME switches it off
    "chain": "a batch must link to the one before it (prev_sum)",
    "watermark": "headers carry the durable watermark",
    "scan": "a header further on with durable > x makes x damage",
    "ack-after-durable": "acknowledge only what is durable",
    "frontier-in-order": "the frontier moves in LSN order",
    "reread": "open fsyncs the files and reads past the page cache",
    "epoch": "the open batch carries a random epoch (shown with open-awaited off too: with it on, the epoch is a second line)",
    "open-awaited": "nothing is appended before the open batch is durable (with the epoch, chain and order do the same)",
    "open-batch": "each life begins with an open batch",
    "open-flush": "after the open batch a real device flush, not FUA alone",
    "open-watermark": "the open batch carries the old watermark, not the tail just read",
    "open-dirsync": "open fsyncs the directory before anything is believed",
    "tidy-after-open": "files below trim are removed only after the open batch is durable",
    "rotate-dirsync": "a segment takes batches only after the fsync of the directory that names it",
    "recycle-dirsync-out": "recycling: fsync of the directory between the rename to .tmp and the new header (shown with run off too)",
    "recycle-dirsync-in": "recycling: fsync of the directory after the rename to the new name",
    "recycle-header": "recycling: the new header is fsynced before the rename",
    "trim-first": "a batch carrying trim is durable before files go",
    "run": "segments are judged from the newest down; what lies below a gap or a bad header is judged by trim alone",
    "skip": "a batch that does not fit is preceded by a skip batch: every batch has exactly one place to follow",
    "any-place": "a header with a good checksum counts for its watermark wherever it lies (its lsn need not match)",
    "trim-linked": "only the trim of the last linked batch counts, not that of any valid header",
    "ready-end": "no batch passes ready_end",
    "ready-on-open": "open knows that the first segment may be half filled and fills on from the tail",
    "flush-error": "a failed flush fails every unacknowledged batch of the file (and is not asked again)",
    "replace-dirsync": "replacement: fsync of the directory before its batches are acknowledged",
    "replace-images": "replacement writes the same batch images",
    "dead-writer": "no write of a dead process lands after the next open has begun",
    "untorn-error": "(assumption) a failed untorn write is all or nothing too, as NVMe promises for AWUPF",
    "untorn-link": "an untorn batch with a bad body is damage only where it links",
    "tail-is-end": "the tail x is the end of the last batch, as durable is, not the place of the next one",
    "window": "the depth counts unacknowledged batches, not writes in flight (widens the silent window only)",
}


SHORT_STATES = 5000                                     # --short: states of a scenario, breadth first
SLOW = set("run skip open-awaited recycle-dirsync-in".split())     # controls that --short leaves out: 10,000 states and more


class Violation(Exception):
    def __init__(self, prop, text):
        super().__init__(prop, text)
        self.prop, self.text = prop, text


class Cfg:
    """A scenario: bounds and faults. Everything not given is off."""

    def __init__(self, name, **kw):
        self.name = name
        self.SB, self.depth, self.sizes, self.batches = 4, 2, (1, 2), (3, 1, 0)
        self.methods = (("direct",),)             # per life, the last repeats
        self.kill = self.power = True
        self.trims = self.marks = self.fail_write = self.fail_flush = 0
        self.recycle = self.ready = self.untorn = self.damage = False
        self.last_open = True                     # the last life's open is gone through to its end
        self.max_seg = 3
        self.off = frozenset()                    # rules switched off
        self.__dict__.update(kw)

    def on(self, rule):
        return rule not in self.off

    def method(self, life):
        return self.methods[min(life, len(self.methods) - 1)]


# ---------------------------------------------------------------------------------------------------------------- recovery (pure)
Rec = namedtuple("Rec", "verdict recs tail last trim durable chain")    # chain: ((lsn, nblk, header id), ...)


def valid_header(segs, p, sb):
    """The header at position p, if it is one: checksum and lsn good. Returns its id or None."""
    blocks = segs.get(p // sb)
    if blocks is None or p % sb == 0:
        return None
    hid = blocks[p % sb]
    h = _objs[hid]
    if type(h) is not Hdr or h.lsn != p or p % sb + h.nblk > sb:
        return None
    return hid


def body_good(segs, hid, sb):
    h = _objs[hid]
    blocks, off = segs[h.lsn // sb], h.lsn % sb
    return bool(h.kind & (SKIP | HOLE)) or all(blocks[off + k] == body(h.pay, k) for k in range(1, h.nblk))


def next_places(x, cfg):
    """Where the batch after one that ends at x can be: the next block; the first block of the next segment if x is a segment's end
    (without skip batches: also if it is not, which is a fork)."""
    sb = cfg.SB
    return (x + 1,) if x % sb == 0 else (x,) if cfg.on("skip") else (x, (x // sb + 1) * sb + 1)


def bad(why):
    return Rec(why, (), 0, 0, 0, 0, ())


def recover(segs, cfg):
    """The open procedure's reading part: segs maps segment number to a tuple of block contents. Changes nothing."""
    sb = cfg.SB
    if not segs:
        return Rec("ok", (), 0, 0, 0, 0, ())
    b = max(segs)
    good = {s for s in segs if segs[s][0] == seg_header(s)}
    if b not in good:
        return bad("damage: header of segment %d" % b)
    if not cfg.on("run"):
        if len(good) < len(segs):
            return bad("damage: header of segment %d" % min(set(segs) - good))
        if len(segs) != b - min(segs) + 1:
            return bad("missing: a segment above %d" % min(segs))
    a = b
    while a - 1 in good:
        a -= 1
    # 1. the newest watermark: downwards from the newest segment to the first that holds a valid header
    mark = None
    for s in range(b, a - 1, -1):
        found = [valid_header(segs, s * sb + o, sb) for o in range(1, sb)]
        found = [_objs[h] for h in found if h is not None]
        if found:
            mark = max(h.durable for h in found)
            ghost_trim = max(h.trim for h in found)
            break
    if mark is None:
        if a > 0:
            return bad("damage: no batch, and the journal does not begin at 0")
        mark = ghost_trim = 0                                               # empty, unless a header out of its place says otherwise
    # 2. walk from the first batch of the segment that holds the byte below the watermark (everything below it is in the chain)
    start = a if mark == 0 else max(a, min(b, (mark - 1) // sb))
    if not cfg.on("trim-linked"):
        start = max(a, min(b, ghost_trim // sb))
    x, last, chain, places = start * sb, 0, [], (start * sb + 1,)
    anchored = start == 0
    while True:
        nxt = None
        for p in places:
            hid = valid_header(segs, p, sb)
            if hid is None:
                continue
            links = (not chain and not anchored) or _objs[hid].prev == last or not cfg.on("chain")
            whole = body_good(segs, hid, sb)
            if _objs[hid].kind & UNTORN and not whole and (links or not cfg.on("untorn-link")):
                return bad("damage: untorn batch at %d" % p)
            if links and whole:
                nxt = hid
                break
        if nxt is None:
            break
        h = _objs[nxt]
        if h.kind & WRONG:
            return bad("damage: no records at %d" % h.lsn)
        chain.append((h.lsn, h.nblk, nxt))
        x, last = h.lsn + h.nblk, nxt
        places = next_places(x, cfg)
    if not chain and start != 0:
        return bad("damage: nothing to begin the walk with in segment %d" % start)
    # 3. tail or damage
    if cfg.on("scan"):
        for s in range(x // sb, b + 1):
            for o in range(1, sb):
                p = s * sb + o
                if p >= x and s in segs:
                    h = _objs[segs[s][o]]
                    if type(h) is Hdr and h.durable > x and (h.lsn == p or cfg.on("any-place")):
                        return bad("damage: %d was acknowledged (header at %d)" % (x, p))
    # 4. is the beginning where trim says?
    trim = _objs[last].trim if chain else 0
    if not cfg.on("trim-linked"):
        trim = ghost_trim
    if a > 0 and trim < a * sb:
        return bad("missing: segment %d" % (a - 1))
    recs = tuple((l, _objs[h].pay) for l, n, h in chain if _objs[h].kind & (3 | VOID) == DATA and l >= trim)
    return Rec("ok", recs, x, last, trim, _objs[last].durable if chain else 0, tuple(chain))


def read_all(segs, rec, cfg):
    """What a reader gets from the first record to the tail that open found: it walks from the segment of trim, every batch must link.
    A hole, or several that follow each other, is (its end, None)."""
    sb = cfg.SB
    if not rec.last:
        return "ok", ()
    s = rec.trim // sb
    p, last, out, hole = s * sb + 1, 0 if s == 0 else None, [], False
    places = (p,)
    while True:
        hit = None
        for p in places:
            hid = valid_header(segs, p, sb)
            if hid is not None and (last is None or _objs[hid].prev == last or not cfg.on("chain")) and body_good(segs, hid, sb):
                hit = hid
                break
        if hit is None:
            return "damage: at %d, below the tail" % places[0], tuple(out)
        h = _objs[hit]
        x = h.lsn + h.nblk
        if h.kind & WRONG:
            return "damage: no records at %d" % h.lsn, tuple(out)
        if h.kind & HOLE and x > rec.trim:
            if hole:
                out.pop()
            out.append((x, None))
        elif h.kind & (3 | VOID) == DATA and h.lsn >= rec.trim:
            out.append((h.lsn, h.pay))
        hole = h.kind & HOLE and x > rec.trim
        last = hit
        if x >= rec.tail:
            return "ok", tuple(out)
        places = next_places(x, cfg)


# ---------------------------------------------------------------------------------------------------------------- state
Fly = namedtuple("Fly", "hid ino st")       # st: 0 issued, 1 complete but not durable, 2 durable, 3 failed
FIELDS = ("life ph meth files names dops seg2ino infl pos infl_end prev front treq tack left trims marks faults mk rdy filling unw "
          "L rec zomb").split()


class S:
    """One state. Immutable by convention: every step copies."""
    __slots__ = FIELDS

    def copy(self):
        n = S.__new__(S)
        for f in FIELDS:
            setattr(n, f, getattr(self, f))
        return n

    def key(self):
        return hash((self.life, self.ph, self.meth, self.files, self.names, self.dops, self.seg2ino, self.infl, self.pos, self.infl_end, self.prev,
                     self.front, self.treq, self.tack, self.left, self.trims, self.marks, self.faults, self.mk, self.rdy, self.filling,
                     self.unw, self.L, self.rec, self.zomb))


def initial(cfg):
    """A journal just created: segment 0 durable and named, nothing in it."""
    s = S()
    s.life, s.ph, s.meth = 0, "down", None
    s.files = ((seg_header(0),) + (ZERO,) * (cfg.SB - 1),)
    s.names, s.dops, s.seg2ino, s.infl, s.zomb = ((0, 0),), (), (), (), ()
    s.pos = s.infl_end = s.prev = s.front = s.treq = s.tack = s.left = s.rdy = 0
    s.trims = s.marks = 0
    s.faults = (cfg.fail_write, cfg.fail_flush)
    s.mk = s.filling = s.rec = None
    s.unw = sum(1 << i for i in range(3, cfg.SB)) if cfg.ready else 0      # segment 0: blocks 0..2 written, the rest reserved only
    s.L = ()
    return s


# cells: an int (medium only), or (medium, versions in the drive's cache, cached page or -1, dirty)
def cell(c):
    return (c, (), -1, False) if type(c) is int else c


def norm(m, v, pc, d):
    if pc >= 0 and not d and pc == (v[-1] if v else m):
        pc = -1
    return m if not v and pc < 0 else (m, v, pc, d)


def rd_direct(c):
    return c if type(c) is int else (c[1][-1] if c[1] else c[0])


def rd_cached(c):
    return c if type(c) is int else (c[2] if c[2] >= 0 else rd_direct(c))


def store(s, ino, blk, content, how):
    f = list(s.files[ino])
    m, v, pc, d = cell(f[blk])
    if how == "medium":
        f[blk] = content
    elif how == "drive":
        f[blk] = norm(m, v + (content,), -1, False)
    else:
        f[blk] = norm(m, v, content, True)
    s.files = s.files[:ino] + (tuple(f),) + s.files[ino + 1:]


def device_flush(s):
    s.files = tuple(f if f is None or all(type(c) is int for c in f) else
                    tuple(c if type(c) is int else norm(rd_direct(c), (), c[2], c[3]) for c in f) for f in s.files)


def fsync(s, ino):
    """fsync of a file: dirty pages to the medium, then a device flush; without dirty pages nothing happens."""
    f = s.files[ino]
    meta = s.unw and dict(s.names).get(0) == ino and any(s.unw >> i & 1 and rd_cached(c) != ZERO for i, c in enumerate(f))
    if not meta and not any(type(c) is tuple and c[3] for c in f):
        return
    s.files = s.files[:ino] + (tuple(c[2] if type(c) is tuple and c[3] else c for c in f),) + s.files[ino + 1:]
    if meta:
        for i, c in enumerate(f):
            if rd_cached(c) != ZERO:
                s.unw &= ~(1 << i)
    device_flush(s)


def apply_dops(names, dops):
    d = dict(names)
    for op in dops:
        if op[0] == 0:
            d.pop(op[1], None)          # unlink, or rename to .tmp (which the next open removes)
        else:
            d[op[1]] = op[2]            # rename from .tmp
    return d


def dirsync(s):
    s.names = tuple(sorted(apply_dops(s.names, s.dops).items()))
    s.dops = ()


def make_down(s, names, files, dops=()):
    """The state between two lives: renumbered files, no engine."""
    n = s.copy()
    n.ph, n.meth = "down", None
    d = dict(names)
    used = []
    for ino in [d[k] for k in sorted(d)] + [op[2] for op in dops if op[0] == 1]:
        if ino not in used:
            used.append(ino)
    new = {ino: i for i, ino in enumerate(used)}
    n.files = tuple(files[i] for i in used)
    n.names = tuple((k, new[d[k]]) for k in sorted(d))
    n.dops = tuple((1, op[1], new[op[2]]) if op[0] == 1 else op for op in dops)
    n.zomb = tuple((new[i], b, c) for i, b, c in s.zomb if i in new)
    n.seg2ino, n.infl = (), ()
    n.pos = n.infl_end = n.prev = n.left = n.rdy = n.trims = n.marks = 0
    n.mk = n.filling = n.rec = None
    return n


def in_flight_blocks(s, sb):
    out = {}
    for e in s.infl:
        if e.st == 0:
            h = _objs[e.hid]
            img = image(e.hid)
            if h.kind & UNTORN:
                out[(e.ino, h.lsn % sb)] = img                            # all or nothing
            else:
                for k, c in enumerate(img):
                    out[(e.ino, h.lsn % sb + k)] = (c,)
    return out


def power_cuts(s, cfg, rng=None):
    """Every disk a power cut can leave (or one of them, drawn by rng)."""
    fly = in_flight_blocks(s, cfg.SB)
    subsets = itertools.product((0, 1), repeat=len(s.dops))
    if rng:
        subsets = [tuple(rng.randrange(2) for _ in s.dops)]
    seen = set()
    for sub in subsets:
        names = apply_dops(s.names, [op for op, keep in zip(s.dops, sub) if keep])
        inos = sorted(set(names.values()))
        choices, slots = [], []
        base = {}
        for ino in inos:
            f = s.files[ino]
            base[ino] = [c if type(c) is int else c[0] for c in f]
            for b, c in enumerate(f):
                opts = [((b, c),)] if type(c) is int else [((b, c[0]),)] + [((b, v),) for v in c[1]] + ([((b, c[2]),)] if c[3] else [])
                if (ino, b) in fly:
                    img = fly[(ino, b)]
                    opts.append(tuple((b + k, x) for k, x in enumerate(img)))
                if s.filling and ino == names.get(0) and s.filling[0] <= b < s.filling[1]:
                    opts.append(((b, ZERO),))
                opts = list(dict.fromkeys(opts))
                if len(opts) > 1:
                    slots.append(ino)
                    choices.append(opts)
        picks = [[rng.choice(o) for o in choices]] if rng else itertools.product(*choices)
        for pick in picks:
            files = {i: list(base[i]) for i in inos}
            for ino, o in zip(slots, pick):
                for b, c in o:
                    files[ino][b] = c
            if s.unw and 0 in names:
                f = files[names[0]]
                for b in range(cfg.SB):
                    if s.unw >> b & 1:
                        f[b] = ZERO                                       # an unwritten extent reads as zeros
            k = (tuple(sorted(names.items())), tuple(tuple(files[i]) for i in inos))
            if k not in seen:
                seen.add(k)
                n = make_down(s, names, {i: tuple(files[i]) for i in inos})
                n.zomb = ()
                yield "POWER CUT", n


def kills(s, cfg, rng=None):
    """Every state a process kill can leave: caches stay, writes in flight land or not, pages are or are not written back."""
    how = {"direct": "medium", "nvme": "drive", "buffered": "page", None: "page"}[s.meth]
    fly = sorted(in_flight_blocks(s, cfg.SB).items())
    subs = [tuple(rng.randrange(2) for _ in fly)] if rng else itertools.product((0, 1), repeat=len(fly))
    for sub in subs:
        n = s.copy()
        z = ()
        for ((ino, b), img), landed in zip(fly, sub):
            if landed:
                for k, c in enumerate(img):
                    store(n, ino, b + k, c, how)
            elif not cfg.on("dead-writer"):
                z += tuple((ino, b + k, c) for k, c in enumerate(img))
        n.zomb = z
        wb = [0]
        if any(type(c) is tuple and c[3] for f in n.files if f for c in f):
            wb = [rng.randrange(2)] if rng else [0, 1]
        for w in wb:
            m = n
            if w:                                                          # the kernel wrote the dirty pages back, no flush
                m = n.copy()
                m.files = tuple(f if f is None else tuple(norm(c[0], c[1] + (c[2],), c[2], False) if type(c) is tuple and c[3] else c
                                                          for c in f) for f in n.files)
            yield "KILL", make_down(m, m.names, m.files, m.dops)


# ---------------------------------------------------------------------------------------------------------------- steps
def seal(s, cfg, kind, nblk, pay, durable=None):
    """Seal and issue a batch at s.pos (room has been checked). Changes s."""
    if cfg.on("skip") and s.infl_end % cfg.SB and s.infl_end != s.pos and not kind & SKIP:
        p, s.pos = s.pos, s.infl_end
        seal(s, cfg, MARK | SKIP, cfg.SB - s.pos % cfg.SB, 0, durable)
        s.pos = p
    truth = s.front if durable is None else durable
    if not cfg.on("tail-is-end") and truth and truth % cfg.SB == 0:
        truth += 1                                                           # the place of the next batch
    k = kind | (UNTORN if cfg.untorn and nblk > 1 else 0)
    hid = intern(Hdr(s.pos, s.prev if cfg.on("chain") else 0, truth if cfg.on("watermark") else 0, s.treq, nblk, k, pay, truth))
    ino = dict(s.seg2ino)[s.pos // cfg.SB]
    s.infl += (Fly(hid, ino, 0),)
    s.pos, s.prev = s.pos + nblk, hid
    s.infl_end = s.pos
    if kind == DATA:
        s.L += ((_objs[hid].lsn, pay),)
    return hid


def room(s, cfg, nblk):
    """Where a batch of nblk blocks goes, or None if its segment is not there (or not ready)."""
    sb, x = cfg.SB, s.pos
    if x % sb == 0:
        p = x + 1
    elif x % sb + nblk > sb:
        p = (x // sb + 1) * sb + 1
    else:
        p = x
    if p // sb not in dict(s.seg2ino):
        return None
    if cfg.ready and p // sb == 0 and p + nblk > s.rdy and cfg.on("ready-end"):
        return None
    return p


def advance(s, cfg):
    """The frontier moves over durable batches, in LSN order."""
    infl = list(s.infl)
    if not cfg.on("frontier-in-order"):
        done = [i for i, e in enumerate(infl) if e.st == 2]
        if done:
            h = _objs[infl[done[-1]].hid]
            s.front = max(s.front, h.lsn + h.nblk)
    while infl and infl[0].st == 2:
        h = _objs[infl[0].hid]
        s.front = max(s.front, h.lsn + h.nblk)
        s.tack = max(s.tack, h.trim)
        infl.pop(0)
    s.infl = tuple(infl)
    if not cfg.on("ack-after-durable") and infl:
        h = _objs[infl[-1].hid]
        if any(e.st < 3 for e in infl):
            s.front = max(s.front, h.lsn + h.nblk)


def set_st(s, i, st):
    s.infl = s.infl[:i] + (s.infl[i]._replace(st=st),) + s.infl[i + 1:]


def complete(s, cfg, i):
    """The device (or the page cache) reports the write of batch i as done."""
    n = s.copy()
    e = n.infl[i]
    how = {"direct": "medium", "nvme": "drive", "buffered": "page"}[n.meth]
    off = _objs[e.hid].lsn % cfg.SB
    for k, c in enumerate(image(e.hid)):
        store(n, e.ino, off + k, c, how)
        if how == "medium" and _objs[e.hid].lsn // cfg.SB == 0:
            n.unw &= ~(1 << (off + k))                                     # DSYNC commits the extent too
    need_flush = n.meth != "direct" or (n.ph == "op4" and cfg.on("open-flush"))
    set_st(n, i, 1 if need_flush else 2)
    return n


def what_was_read(s):
    """The log as the new life knows it: what was given back before, then what the open read (not what it overwrites)."""
    return tuple(x for x in s.L if x[0] < s.rec.trim) + s.rec.recs


def believe(s, cfg):
    """The open batch is durable: what open read is now a promise."""
    s.L, s.rec, s.ph = what_was_read(s), None, "run"
    s.front = max(s.front, s.pos)
    s.infl = ()
    s.tack = s.treq
    s.left = cfg.batches[min(s.life - 1, len(cfg.batches) - 1)]
    s.trims, s.marks = cfg.trims, cfg.marks


def check_recovered(s, rec, cfg):
    """P1, P2, P3, P5 for an undamaged disk."""
    if rec.verdict != "ok":
        raise Violation("P5" if rec.verdict.startswith("missing") else "P3", "false verdict, nothing was damaged: " + rec.verdict)
    if not s.tack <= rec.trim <= s.treq:
        raise Violation("P5", "trim read %d, durable %d, asked %d" % (rec.trim, s.tack, s.treq))
    want = tuple(r for r in s.L if r[0] >= rec.trim)
    got = rec.recs
    start = max(rec.trim, (rec.chain[0][0] if rec.chain else 0))           # open reads from its anchor on; the reader does the rest
    want = tuple(r for r in want if r[0] >= start)
    if got != want[:len(got)]:
        raise Violation("P2", "read %s, appended %s" % (got, want))
    lost = [r for r in want[len(got):] if r[0] < s.front]
    if lost:
        raise Violation("P1", "acknowledged and lost: %s (frontier %d)" % (lost, s.front))


def read_view(s, cfg):
    rd = rd_direct if cfg.on("reread") else rd_cached
    vis = apply_dops(s.names, s.dops)
    return {seg: tuple(rd(c) for c in s.files[ino]) for seg, ino in vis.items()}


def opening(s, cfg):
    """The open procedure, step by step."""
    out = []
    if s.ph == "down":
        if s.life >= len(cfg.batches):
            return out
        for m in cfg.method(s.life):
            n = s.copy()
            n.life, n.meth, n.ph = s.life + 1, m, "op1"
            out.append(("life %d opens (%s)" % (n.life, m), n))
    elif s.ph == "op1":                                   # files, then the directory
        n = s.copy()
        if cfg.on("reread"):
            for ino in sorted(set(apply_dops(n.names, n.dops).values())):
                fsync(n, ino)
        if cfg.on("open-dirsync"):
            dirsync(n)
        n.ph = "op2"
        out.append(("open: fsync files and directory", n))
    elif s.ph == "op2":                                   # read and judge
        segs = read_view(s, cfg)
        rec = recover(segs, cfg)
        check_recovered(s, rec, cfg)
        verdict, recs = read_all(segs, rec, cfg)
        check_recovered(s, rec._replace(verdict=verdict, recs=recs, chain=()), cfg)
        n = s.copy()
        n.rec, n.pos, n.prev, n.treq = rec._replace(recs=recs, chain=()), rec.tail, rec.last, rec.trim
        n.infl_end = rec.tail
        n.seg2ino = tuple(sorted((g, i) for g, i in apply_dops(s.names, s.dops).items() if g >= rec.trim // cfg.SB))
        if cfg.ready:
            n.rdy = cfg.SB if not cfg.on("ready-on-open") else (max(rec.tail, 1) if s.unw else cfg.SB)
        n.ph = "op3"
        if not cfg.on("open-batch"):
            believe(n, cfg)
            n.front = max(s.front, rec.tail)
        out.append(("open: reads %d records, tail %d, watermark %d" % (len(recs), rec.tail, rec.durable), n))
    elif s.ph == "op3":                                   # the open batch
        p = room(s, cfg, 1)
        if p is not None:
            n = s.copy()
            n.pos = p
            naive = not cfg.on("open-watermark")
            pipelined = not cfg.on("open-awaited")
            seal(n, cfg, OPEN, 1, 1000 + s.life if cfg.on("epoch") else 0, durable=s.rec.tail if naive else s.rec.durable)
            n.ph = "op4"
            if pipelined:
                n.L = what_was_read(n)
                n.rec, n.ph, n.left = None, "run", cfg.batches[min(s.life - 1, len(cfg.batches) - 1)]
            out.append(("open: writes open batch at %d" % p, n))
        if not cfg.on("tidy-after-open"):
            vis = apply_dops(s.names, s.dops)
            for g in sorted(vis):
                if (g + 1) * cfg.SB <= s.rec.trim:
                    n = s.copy()
                    n.dops += ((0, g),)
                    out.append(("open: removes segment %d" % g, n))
                    break
    return out


def flushes(s, cfg):
    """Steps that make complete writes durable."""
    out = []
    if s.ph == "op4" and s.meth == "direct" and any(e.st == 1 for e in s.infl):
        n = s.copy()
        device_flush(n)
        n.infl = tuple(e._replace(st=2) if e.st == 1 else e for e in n.infl)
        out.append(("device flush", n))
    elif s.meth == "nvme" and any(e.st == 1 for e in s.infl):
        n = s.copy()
        device_flush(n)
        n.infl = tuple(e._replace(st=2) if e.st == 1 else e for e in n.infl)
        out.append(("device flush", n))
        if s.faults[1] and s.ph == "run":
            n = s.copy()
            n.faults = (s.faults[0], s.faults[1] - 1)
            n.infl = tuple(e._replace(st=3 if cfg.on("flush-error") else 2) if e.st == 1 else e for e in n.infl)
            out.append(("device flush FAILS", n))
    elif s.meth == "buffered":
        for ino in sorted({e.ino for e in s.infl if e.st == 1}):
            n = s.copy()
            fsync(n, ino)
            n.infl = tuple(e._replace(st=2) if e.st == 1 and e.ino == ino else e for e in n.infl)
            out.append(("fdatasync of file %d" % ino, n))
            if s.faults[1] and s.ph == "run":
                dirty = [b for b, c in enumerate(s.files[ino]) if type(c) is tuple and c[3]]
                for sub in itertools.product((0, 1), repeat=len(dirty)):
                    n = s.copy()
                    n.faults = (s.faults[0], s.faults[1] - 1)
                    f = list(n.files[ino])
                    for b, kept in zip(dirty, sub):
                        m, v, pc, _ = f[b]
                        f[b] = norm(pc if kept else m, v, pc, False)      # cached and clean; on the medium or not
                    n.files = n.files[:ino] + (tuple(f),) + n.files[ino + 1:]
                    if cfg.on("flush-error"):
                        n.infl = tuple(e._replace(st=3) if e.ino == ino else e for e in n.infl)
                    # without the rule the engine asks again, and the second fdatasync of the clean file answers 0
                    out.append(("fdatasync of file %d FAILS" % ino, n))
    return out


def segments(s, cfg):
    """Making, recycling, removing segments; the directory's fsync; filling the first segment."""
    out = []
    sb = cfg.SB
    segs = dict(s.seg2ino)
    top = max(segs) if segs else -1
    if s.mk is None and top + 1 < cfg.max_seg and top >= 0 and s.ph in ("run", "op3") and s.pos >= top * sb:
        n = s.copy()
        ino = len(n.files)
        n.files += ((seg_header(top + 1),) + (ZERO,) * (sb - 1),)          # made as .tmp: filled, header, fsynced
        n.dops += ((1, top + 1, ino),)
        n.mk = ("new", top + 1, ino)
        if not cfg.on("rotate-dirsync"):
            n.seg2ino = tuple(sorted(n.seg2ino + ((top + 1, ino),)))
            n.mk = None
        out.append(("segment %d made and renamed" % (top + 1), n))
    limit = s.tack if cfg.on("trim-first") else s.treq
    low = min(segs) if segs else 0
    if s.ph == "run" and segs and (low + 1) * sb <= limit and low < top:
        n = s.copy()
        n.dops += ((0, low),)
        n.seg2ino = tuple(x for x in n.seg2ino if x[0] != low)
        out.append(("segment %d removed" % low, n))
        if cfg.recycle and s.mk is None and top + 1 < cfg.max_seg:
            n = n.copy()
            n.mk = ("out", top + 1, segs[low]) if cfg.on("recycle-dirsync-out") else ("hdr", top + 1, segs[low])
            out.append(("segment %d renamed to .tmp" % low, n))
    if s.mk and s.mk[0] == "hdr":
        n = s.copy()
        store(n, s.mk[2], 0, seg_header(s.mk[1]), "page")
        n.mk = ("fsy",) + s.mk[1:] if cfg.on("recycle-header") else ("ren",) + s.mk[1:]
        out.append(("recycled file gets header %d" % s.mk[1], n))
    if s.mk and s.mk[0] == "fsy":
        n = s.copy()
        fsync(n, s.mk[2])
        n.mk = ("ren",) + s.mk[1:]
        out.append(("recycled file fsynced", n))
    if s.mk and s.mk[0] == "ren":
        n = s.copy()
        n.dops += ((1, s.mk[1], s.mk[2]),)
        n.mk = ("new",) + s.mk[1:]
        if not cfg.on("recycle-dirsync-in"):
            n.seg2ino = tuple(sorted(n.seg2ino + (s.mk[1:],)))
            n.mk = None
        out.append(("recycled file renamed to segment %d" % s.mk[1], n))
    if s.dops and s.ph in ("run", "op3"):
        n = s.copy()
        dirsync(n)
        if s.mk and s.mk[0] == "new":
            n.seg2ino = tuple(sorted(n.seg2ino + (s.mk[1:],)))
            n.mk = None
        elif s.mk and s.mk[0] == "out":
            n.mk = ("hdr",) + s.mk[1:]
        elif s.mk and s.mk[0] == "repl":
            replaced(n, cfg, s.mk[1], s.mk[2])
            n.mk = None
        out.append(("directory fsynced", n))
    if cfg.ready and s.ph in ("run", "op3"):
        if s.filling is None and s.rdy < sb and (s.unw or not cfg.on("ready-end")):
            n = s.copy()
            n.filling = (s.rdy, min(sb, s.rdy + 2))
            out.append(("filler writes zeros to %d..%d" % n.filling, n))
        elif s.filling:
            n = s.copy()
            ino = dict(s.seg2ino)[0]
            for b in range(*s.filling):
                store(n, ino, b, ZERO, "medium")
                n.unw &= ~(1 << b)
            n.rdy, n.filling = s.filling[1], None
            device_flush(n)
            out.append(("filler: fdatasync, ready_end %d" % n.rdy, n))
    return out


def replaced(n, cfg, seg, ino):
    """The new file has the name, durably: its batches are durable."""
    n.seg2ino = tuple(sorted((g, ino if g == seg else i) for g, i in n.seg2ino))
    n.infl = tuple(e._replace(ino=ino, st=2) if _objs[e.hid].lsn // cfg.SB == seg else e for e in n.infl)


def replacement(s, cfg):
    """3.6: what may happen while a write or flush has failed."""
    out = []
    sb = cfg.SB
    if s.mk is not None or (any(e.st == 0 for e in s.infl)):
        return out
    seg = min(_objs[e.hid].lsn // sb for e in s.infl if e.st == 3)
    old = dict(s.seg2ino)[seg]
    n = s.copy()
    blocks = [seg_header(seg)] + [ZERO] * (sb - 1)
    for o in range(1, sb):
        if seg * sb + o < s.front:
            blocks[o] = rd_direct(s.files[old][o])                          # acknowledged: read from the medium and verified
    infl = n.infl
    if not cfg.on("replace-images"):                                        # sealed anew: another watermark, so another header_sum
        prev, infl = None, ()
        for e in n.infl:
            h = _objs[e.hid]
            if h.lsn // sb == seg:
                h = h._replace(durable=s.front, truth=s.front, prev=h.prev if prev is None else prev, trim=s.treq)
                e = e._replace(hid=intern(h))
                prev = e.hid
            infl += (e,)
        n.infl = infl
    for e in infl:
        h = _objs[e.hid]
        if h.lsn // sb == seg:
            for k, c in enumerate(image(e.hid)):
                blocks[h.lsn % sb + k] = c
    ino = len(n.files)
    n.files += (tuple(blocks),)
    n.dops += ((1, seg, ino),)
    n.mk = ("repl", seg, ino)
    if not cfg.on("replace-dirsync"):
        replaced(n, cfg, seg, ino)
        n.mk = None
    out.append(("segment %d replaced (renamed over)" % seg, n))
    return out


def running(s, cfg):
    out = []
    failed = any(e.st == 3 for e in s.infl)
    for i, e in enumerate(s.infl):
        if e.st == 0:
            out.append(("write at %d completes" % _objs[e.hid].lsn, complete(s, cfg, i)))
            if s.faults[0] and s.meth != "buffered" and s.ph == "run":
                h = _objs[e.hid]
                img = image(e.hid)
                whole = h.kind & UNTORN and cfg.on("untorn-error")
                for sub in ((0,) * len(img), (1,) * len(img)) if whole else itertools.product((0, 1), repeat=len(img)):
                    n = s.copy()
                    n.faults = (s.faults[0] - 1, s.faults[1])
                    for k, kept in enumerate(sub):
                        if kept:
                            store(n, e.ino, h.lsn % cfg.SB + k, img[k], "medium" if whole else "drive")
                    set_st(n, i, 3)
                    out.append(("write at %d FAILS" % h.lsn, n))
    out += flushes(s, cfg)
    if failed:
        out += replacement(s, cfg)
        if s.mk:
            out += [x for x in segments(s, cfg) if x[0] == "directory fsynced"]
    elif s.ph == "run":
        window = sum((e.st == 0 or cfg.on("window")) and not _objs[e.hid].kind & SKIP for e in s.infl)
        if s.left and window < cfg.depth:
            for nblk in cfg.sizes:
                p = room(s, cfg, nblk)
                if p is not None:
                    n = s.copy()
                    n.pos, n.left = p, s.left - 1
                    seal(n, cfg, DATA, nblk, 1 + (n.L[-1][1] if n.L else 0))
                    out.append(("append: %d block(s) at %d, durable %d, trim %d" % (nblk, p, _objs[n.prev].durable, s.treq), n))
        carried = not s.prev or _objs[s.prev].trim >= s.treq
        idle = not s.infl and s.marks and s.prev and _objs[s.prev].kind & 3 == DATA
        if idle or (not carried and window < cfg.depth):
            p = room(s, cfg, 1)
            if p is not None:
                n = s.copy()
                n.pos = p
                n.marks -= 1 if carried else 0
                seal(n, cfg, MARK, 1, 0)
                out.append(("watermark batch at %d, durable %d, trim %d" % (p, s.front, s.treq), n))
        if s.trims and s.front > s.treq:
            acked = [r[0] for r in s.L if s.treq < r[0] < s.front]
            for t in {s.front} | set(acked[-1:]):
                n = s.copy()
                n.trims, n.treq = s.trims - 1, t
                out.append(("application trims to %d" % t, n))
        out += segments(s, cfg)
    for lab, n in out:
        if n.ph == "run":
            advance(n, cfg)
        elif n.ph == "op4" and n.infl and n.infl[0].st == 2:
            believe(n, cfg)
    return out


def steps(s, cfg, rng=None):
    """All successors of s as (label, state). Raises Violation."""
    if s.ph == "down":
        out = opening(s, cfg)
    else:
        out = opening(s, cfg) if s.ph.startswith("op") else []
        if s.ph in ("run", "op4"):
            out += running(s, cfg)
        elif s.ph == "op3":
            out += segments(s, cfg)
        if s.zomb:
            for i, (ino, b, c) in enumerate(s.zomb):
                n = s.copy()
                store(n, ino, b, c, "medium")
                n.zomb = s.zomb[:i] + s.zomb[i + 1:]
                out.append(("a write of the dead process lands in file %d block %d" % (ino, b), n))
        if s.life < len(cfg.batches) and (not rng or rng.random() < 0.15):
            if cfg.power:
                out += power_cuts(s, cfg, rng)
            if cfg.kill:
                out += kills(s, cfg, rng)
    if s.ph == "down" and (s.dops or any(type(c) is tuple for f in s.files for c in f)):
        out += power_cuts(s, cfg, rng)                                       # killed, then the power goes
    return out


# ---------------------------------------------------------------------------------------------------------------- damage at rest
class Damage:
    """P4 and P5 on every disk a power cut left: one block rotten, one block misdirected, one segment lost."""

    def __init__(self):
        self.seen, self.cases, self.reported, self.harmless, self.silent = set(), 0, 0, 0, 0
        self.lost_acked = {}       # (kind of damage, number of acknowledged records lost in a tail) -> cases

    def check(self, s, cfg):
        segs = {g: s.files[i] for g, i in s.names}
        k = hash((s.names, s.files, s.front, s.tack, s.L))
        if k in self.seen:
            return
        self.seen.add(k)
        truth = recover(segs, cfg)
        if truth.verdict != "ok":
            return                                                            # the next open will raise it
        v, recs = read_all(segs, truth, cfg)
        chain = full_chain(segs, truth, cfg)
        places = [(g, o) for g in sorted(segs) for o in range(cfg.SB) if segs[g][o] != ZERO or o == 0]
        for g, o in places:
            d = dict(segs)
            d[g] = segs[g][:o] + (JUNK,) + segs[g][o + 1:]
            self.one(s, cfg, d, recs, chain, {(g, o)}, "rot of block %d" % (g * cfg.SB + o))
        hs = [(l, n, h) for l, n, h in chain[-2:]]
        for l, n, h in hs:                                                    # a batch's first block went elsewhere
            for g, o in places:
                if g * cfg.SB + o != l:
                    d = dict(segs)
                    q = l // cfg.SB
                    d[q] = d[q][:l % cfg.SB] + (ZERO,) + d[q][l % cfg.SB + 1:]
                    d[g] = d[g][:o] + (h,) + d[g][o + 1:]
                    self.one(s, cfg, d, recs, chain, {(q, l % cfg.SB), (g, o)}, "write for %d went to %d" % (l, g * cfg.SB + o))
        if len(segs) > 1:
            for g in segs:
                d = {k: v for k, v in segs.items() if k != g}
                if g == max(segs):
                    continue                                                  # only a witness can see this one
                needed = (g + 1) * cfg.SB > truth.trim
                r = recover(d, cfg)
                v, got = read_all(d, r, cfg) if r.verdict == "ok" else (r.verdict, ())
                if needed and r.verdict == "ok" and v == "ok":
                    raise Violation("P5", "segment %d lost, and nobody noticed: read %s of %s" % (g, got, recs))
                if not needed and (r.verdict != "ok" or got != recs):
                    raise Violation("P5", "segment %d, given back, lost: %s" % (g, r.verdict))

    def one(self, s, cfg, d, recs, chain, where, what):
        self.cases += 1
        r = recover(d, cfg)
        v, got = read_all(d, r, cfg) if r.verdict == "ok" else (r.verdict, ())
        if v != "ok":
            self.reported += 1
            return
        if got == recs:
            self.harmless += 1
            return
        want = tuple(x for x in s.L if x[0] >= r.trim)                        # a lost trim in the window brings records back
        if got != want[:len(got)]:
            raise Violation("P2", "%s: read %s, appended %s" % (what, got, want))
        self.silent += 1
        hit = [b for b in chain if any((b[0] + k) // cfg.SB == g and (b[0] + k) % cfg.SB == o for k in range(b[1]) for g, o in where)]
        mark = max([_objs[b[2]].truth for b in chain if b not in hit] or [0])
        lost = [x for x in recs if x not in got]
        below = [x for x in lost if x[0] < mark]
        if below:
            raise Violation("P4", "%s: silently lost %s, a surviving header says durable %d" % (what, below, mark))
        n = sum(x[0] < s.front for x in lost)
        k = ("rot" if len(where) == 1 else "misdirected", n)
        self.lost_acked[k] = self.lost_acked.get(k, 0) + 1
        if n > cfg.depth:
            raise Violation("P4", "%s: a tail of %d acknowledged records, but the depth is %d" % (what, n, cfg.depth))


def full_chain(segs, rec, cfg):
    """Every batch from the segment of trim to the tail."""
    if not rec.last:
        return ()
    by, out, h = {}, [], rec.last
    while h and _objs[h].lsn >= rec.trim // cfg.SB * cfg.SB:
        o = _objs[h]
        out.append((o.lsn, o.nblk, h))
        if o.prev == 0 or not cfg.on("chain"):
            break
        h = o.prev
    return tuple(reversed(out))


# ---------------------------------------------------------------------------------------------------------------- exploration
Result = namedtuple("Result", "states steps secs violation trace complete damage")


def explore(cfg, limit=10 ** 9, seconds=10 ** 9):
    """Breadth first, so that the first counterexample is a shortest one."""
    t0 = time.monotonic()
    s0 = initial(cfg)
    seen = {s0.key()}
    todo = deque([(s0, None, "start")])
    damage = Damage() if cfg.damage else None
    nsteps = 0
    while todo:
        node = todo.popleft()
        s = node[0]
        try:
            if damage and s.ph == "down" and not s.dops and all(type(c) is int for f in s.files for c in f):
                damage.check(s, cfg)
            succ = steps(s, cfg)
        except Violation as v:
            trace = []
            while node:
                trace.append(node[2])
                node = node[1]
            return Result(len(seen), nsteps, time.monotonic() - t0, v, trace[::-1], False, damage)
        nsteps += len(succ)
        for lab, n in succ:
            k = n.key()
            if k not in seen:
                seen.add(k)
                todo.append((n, node, lab))
        if len(seen) > limit or time.monotonic() - t0 > seconds:
            return Result(len(seen), nsteps, time.monotonic() - t0, None, (), False, damage)
    return Result(len(seen), nsteps, time.monotonic() - t0, None, (), True, damage)


def walks(cfg, rng, seconds):
    """Random walks through a larger scenario."""
    t0 = time.monotonic()
    n = nsteps = 0
    damage = Damage() if cfg.damage else None
    while time.monotonic() - t0 < seconds:
        n += 1
        s, trace = initial(cfg), ["start"]
        try:
            while True:
                if damage and s.ph == "down" and not s.dops and all(type(c) is int for f in s.files for c in f):
                    damage.check(s, cfg)
                succ = steps(s, cfg, rng)
                if not succ:
                    break
                lab, s = rng.choice(succ)
                nsteps += 1
                trace.append(lab)
        except Violation as v:
            return Result(n, nsteps, time.monotonic() - t0, v, trace, False, damage)
    return Result(n, nsteps, time.monotonic() - t0, None, (), True, damage)


D, N, B = ("direct",), ("nvme",), ("buffered",)


def scenarios(deep):
    x = 1 if deep else 0
    return [
        Cfg("core, direct, rotation", batches=(3 + x, 1 + x, 1, 0), max_seg=3),
        Cfg("core, depth 3", SB=5, depth=3, batches=(3 + x, 1, 0), max_seg=2),
        Cfg("core, untorn", untorn=True, batches=(3 + x, 2, 0), max_seg=3),
        Cfg("untorn, failed write", untorn=True, batches=(2 + x, 1, 0), fail_write=1, kill=deep),
        Cfg("mixed methods", methods=(("direct", "nvme", "buffered"),), batches=(2, 1, x, 0), sizes=(1,) if not deep else (1, 2)),
        Cfg("nvme then direct", methods=(N, D), batches=(2 + x, 1, 0)),
        Cfg("buffered then direct", methods=(B, D + B), batches=(2 + x, 1, 0)),
        Cfg("trim and remove", SB=3, sizes=(1,), batches=(3 + x, 1, 0), trims=1, max_seg=4),
        Cfg("trim and recycle", SB=3, sizes=(1,), batches=(3 + x, 1, 0), trims=1, recycle=True, max_seg=4),
        Cfg("trim, recycle, nvme/direct", SB=3, sizes=(1,), methods=(N, D), batches=(3, x, 0), trims=1, recycle=True, max_seg=4),
        Cfg("failed write, replacement", batches=(3, x, 0), fail_write=1, methods=(D + N, D)),
        Cfg("failed flush, buffered", batches=(2 + x, 1, 0), fail_flush=1, methods=(B, B + D)),
        Cfg("failed flush, nvme", batches=(2 + x, 1, 0), fail_flush=1, methods=(N, N + D), kill=deep),
        Cfg("ready_end, nvme", SB=6, batches=(3, 1, 0), methods=(N,), ready=True, max_seg=1),
        Cfg("ready_end, direct/buffered", SB=6, batches=(3, 1, 0), methods=(D + B,), ready=True, max_seg=1, kill=deep),
        Cfg("damage, one per disk", batches=(3, 2, 0), marks=1, damage=True, kill=False),
        Cfg("damage with trim", SB=3, sizes=(1,), batches=(3 + x, x, 0), trims=1, marks=1, damage=True, kill=False, max_seg=4),
    ]


def walk_scenarios():
    return [
        Cfg("walk: direct, 6 blocks, depth 3", SB=6, depth=3, batches=(9, 7, 5, 5, 0), max_seg=8, marks=2, trims=2, recycle=True, fail_write=1,
            damage=True),
        Cfg("walk: every method, every fault", SB=5, depth=3, batches=(7, 5, 4, 3, 0), max_seg=9, marks=2, trims=2, recycle=True, fail_write=1,
            fail_flush=1, methods=(D + N + B,), damage=True),
    ]


def controls():
    """name of the rule, the scenario in which it is switched off, property expected to fall (None: the model shows it is not needed)."""
    c = Cfg
    return [
        ("chain", c("", batches=(3, 2, 0), kill=False), "P2"),
        ("watermark", c("", batches=(3, 0), marks=1, damage=True, kill=False), "P4"),
        ("scan", c("", batches=(3, 0), marks=1, damage=True, kill=False), "P4"),
        ("ack-after-durable", c("", batches=(2, 0)), "P1"),
        ("frontier-in-order", c("", batches=(2, 0)), "P1"),
        ("reread", c("", batches=(1, 0, 0), methods=(B, D), fail_flush=1, sizes=(1,)), "P1"),
        ("epoch", c("", batches=(0, 1, 0, 0), sizes=(1,), kill=False, off=frozenset(["open-awaited"])), "P2"),
        ("open-awaited", c("", batches=(2, 1, 1, 0), kill=False), None),
        ("open-batch", c("", batches=(2, 1, 0), sizes=(1,), kill=False), "P2"),
        ("open-flush", c("", batches=(1, 0, 0), methods=(N, D), sizes=(1,)), "P1"),
        ("open-watermark", c("", batches=(1, 0, 0), methods=(N, D), sizes=(1,)), "P3"),
        ("open-dirsync", c("", SB=3, batches=(2, 1, 0), sizes=(1,), max_seg=2), "P1"),
        ("tidy-after-open", c("", SB=3, sizes=(1,), batches=(2, 0, 0), methods=(N, D), trims=1, max_seg=3), "P5"),
        ("rotate-dirsync", c("", SB=3, batches=(2, 0), sizes=(1,), max_seg=2), "P1"),
        ("recycle-dirsync-out", c("", SB=3, sizes=(1,), batches=(4, 0), trims=1, recycle=True, max_seg=4, kill=False,
                                  off=frozenset(["run"])), "P3"),
        ("run", c("", SB=3, sizes=(1,), batches=(5, 0), trims=1, max_seg=4, kill=False), "P5"),
        ("recycle-dirsync-in", c("", SB=3, sizes=(1,), batches=(5, 0), trims=1, recycle=True, max_seg=4, kill=False), "P1"),
        ("recycle-header", c("", SB=3, sizes=(1,), batches=(3, 0), trims=1, recycle=True, max_seg=4, kill=False), "P3"),
        ("trim-first", c("", SB=3, sizes=(1,), batches=(3, 0), trims=1, max_seg=3, kill=False), "P5"),
        ("trim-linked", c("", SB=3, sizes=(1,), batches=(4, 0), trims=1, max_seg=4, kill=False), "P3"),
        ("ready-end", c("", SB=6, batches=(3, 0), ready=True, max_seg=1, kill=False), "P1"),
        ("ready-on-open", c("", SB=6, batches=(0, 3, 0), methods=(N,), ready=True, max_seg=1, kill=False), "P1"),
        ("flush-error", c("", batches=(1, 0), methods=(B,), fail_flush=1), "P1"),
        ("replace-dirsync", c("", batches=(1, 0), fail_write=1), "P1"),
        ("replace-images", c("", SB=3, sizes=(1,), batches=(3, 0), fail_write=1, max_seg=2, kill=False), "P1"),
        ("dead-writer", c("", batches=(1, 1, 0), sizes=(1,)), "P1"),
        ("skip", c("", batches=(3, 2, 0), marks=1, damage=True, kill=False), "P2"),
        ("any-place", c("", SB=8, sizes=(1,), batches=(4, 0), damage=True, kill=False, max_seg=1), "P4"),
        ("window", c("", SB=8, sizes=(1,), batches=(5, 0), damage=True, kill=False, max_seg=1), "P4"),
        ("untorn-error", c("", untorn=True, batches=(2, 0), fail_write=1), "P3"),
        ("tail-is-end", c("", SB=3, sizes=(1,), batches=(4, 0), max_seg=3, depth=3, kill=False), "P3"),
        ("untorn-link", c("", SB=6, untorn=True, depth=3, batches=(3, 3, 0), kill=False, max_seg=1), "P3"),
    ]


def show(v, trace):
    print("    %s: %s" % (v.prop, v.text))
    for i, lab in enumerate(trace):
        print("    %3d  %s" % (i, lab))


def main():
    ap = argparse.ArgumentParser(description="Executable model of the journal protocol.")
    ap.add_argument("--deep", action="store_true", help="larger bounds")
    ap.add_argument("--short", action="store_true", help="a few seconds: what `make check` runs")
    ap.add_argument("--seed", type=int, default=1, help="seed of the random walks (default 1)")
    ap.add_argument("--break", dest="rule", metavar="NAME", help="switch one rule off and print the shortest counterexample")
    ap.add_argument("--list", action="store_true", help="the rules --break knows")
    ap.add_argument("--only", metavar="TEXT", help="only scenarios whose name contains TEXT, no controls")
    ap.add_argument("--seconds", type=float, help="limit per scenario (default 60, with --deep 600)")
    args = ap.parse_args()
    if args.list:
        for k, v in RULES.items():
            print("%-20s %s" % (k, v))
        return 0
    secs = args.seconds or (600 if args.deep else 60)
    states = SHORT_STATES if args.short else 10 ** 9
    if args.rule:
        todo = [x for x in controls() if x[0] == args.rule]
        if not todo:
            print("no such rule (see --list)", file=sys.stderr)
            return 2
        rule, cfg, want = todo[0]
        cfg.off |= {rule}
        r = explore(cfg, seconds=secs * 5)
        print("%s off (%s)" % (rule, RULES[rule]))
        if r.violation:
            show(r.violation, r.trace)
        else:
            print("    no violation in %d states%s" % (r.states, "" if r.complete else " (not exhausted)"))
        return 0 if bool(r.violation) == bool(want) else 1
    fail = 0
    print("%-34s %9s %10s %6s  %s" % ("scenario", "states", "steps", "secs", "result"))
    for cfg in scenarios(args.deep):
        if args.only and args.only not in cfg.name:
            continue
        r = explore(cfg, limit=states, seconds=secs)
        fail |= r.violation is not None
        print("%-34s %9d %10d %6.1f  %s" % (cfg.name, r.states, r.steps, r.secs, report(r)), flush=True)
        if r.violation:
            show(r.violation, r.trace)
    rng = random.Random(args.seed)
    for cfg in walk_scenarios():
        if args.only and args.only not in cfg.name:
            continue
        r = walks(cfg, rng, min(secs, 120 if args.deep else 1.5 if args.short else 30))
        fail |= r.violation is not None
        print("%-34s %9d %10d %6.1f  %s" % (cfg.name, r.states, r.steps, r.secs, report(r)), flush=True)
        if r.violation:
            show(r.violation, r.trace)
    if not args.only:
        print("\n%-22s %9s %6s %6s  %s" % ("rule switched off", "states", "secs", "steps", "result"))
        for rule, cfg, want in controls():
            if args.short and rule in SLOW:
                continue
            cfg.off |= {rule}
            r = explore(cfg, seconds=secs)
            got = r.violation.prop if r.violation else None
            ok = bool(got) == bool(want)
            fail |= not ok
            result = "caught, %s: %s" % (got, r.violation.text) if got else "not needed in this scenario" + ("" if r.complete else " (not exhausted)")
            print("%-22s %9d %6.1f %6d  %s%s" % (rule, r.states, r.secs, len(r.trace), result, "" if ok else "   <-- UNEXPECTED"), flush=True)
    print("\n%s" % ("NOT as expected" if fail else "all as expected"))
    return 1 if fail else 0


def report(r):
    if r.violation:
        return "VIOLATED " + r.violation.prop
    t = "P1 P2 P3 P5 hold" + ("" if r.complete else " (cut off by the limit)")
    if r.damage:
        d = r.damage
        t += "; P4 holds: %d damages, %d reported, %d harmless, %d tails" % (d.cases, d.reported, d.harmless, d.silent)
        for kind in ("rot", "misdirected"):
            n = {k[1]: v for k, v in d.lost_acked.items() if k[0] == kind}
            if n:
                t += "; %s: at most %d acknowledged records in a tail" % (kind, max(n))
    return t


if __name__ == "__main__":
    sys.exit(main())
