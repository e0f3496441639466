#!/usr/bin/env python3
"""check.py - judges what guests of the lab brought back.

    check.py survey EXPECT TABLE KERNEL=DIR...   from tests/lab/survey.sh
    check.py programs KERNEL=DIR...              from tests/lab/programs.sh

survey compares every fact with what nvme-cli and sysfs say of the same drive,
works the unit that cannot tear out once more from these, and holds each row
(kernel, drive, layout, user) against the expectations in EXPECT; with all
kernels there, an expectation that fits no row is an error.  TABLE is written.

Prints "not ok" lines, then "N passed, N failed, N skipped"; exits 1 if
something failed.
"""
import json
import os
import re
import sys

passed = 0
failed = 0
skipped = 0

LAYOUTS = ["ext4", "xfs", "xfs-noreflink", "btrfs", "partition", "dm-linear",
           "raw", "raw-part"]
# On these the probe speaks to the drive itself.
STRAIGHT = ["ext4", "xfs", "xfs-noreflink", "partition", "raw", "raw-part"]
USERS = ["root", "node", "user"]
KERNELS = ["6.1", "6.12", "7"]


def check(good, sentence, why=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"not ok - {sentence}{': ' if why else ''}{why}")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


# ---------------------------------------------------------------------------
# A drive, by nvme-cli and sysfs


class Drive:
    def __init__(self, where):
        self.ns = json.loads(read(f"{where}/id-ns"))
        self.ctrl = json.loads(read(f"{where}/id-ctrl"))
        self.cache_on = int(read(f"{where}/feature-6").split(":")[-1], 16) & 1
        self.sysfs = {}
        for line in read(f"{where}/sysfs").splitlines():
            name, _, value = line.partition(" ")
            self.sysfs[name] = value
        self.block = 1 << self.ns["lbafs"][self.ns["flbas"] & 15]["ds"]

    def number(self, name, times=1):
        """A file of the block device, or None where it has none."""
        value = self.sysfs.get(name)
        return None if value is None else int(value) * times

    def facts(self):
        """What journal-probe must say of it: name, value (None: unknown)."""
        wanted = {
            "drive.nsid": self.number("nsid"),
            "drive.model": self.ctrl["mn"].strip(),
            "drive.firmware": self.ctrl["fr"].strip(),
            "drive.serial": None,
            "drive.multi_controller": self.ctrl["cmic"] >> 1 & 1,
            "drive.shared": self.ns["nmic"] & 1,
            "drive.volatile_cache": self.ctrl["vwc"] & 1,
            "drive.cache_enabled": self.cache_on,
            "drive.block_bytes": self.block,
            "drive.controllers": 1,
            "drive.untorn_bytes": self.untorn(),
            "device.write_cache": self.sysfs["write_cache"],
            "device.fua": self.number("fua"),
            "device.rotational": self.number("rotational"),
            "device.logical_block_size": self.number("logical_block_size"),
            "device.physical_block_size": self.number("physical_block_size"),
            "device.max_hw_bytes": self.number("max_hw_sectors_kb", 1024),
        }
        for name in ("unit_min", "unit_max", "max", "boundary"):
            wanted[f"device.atomic_{name}"] = \
                self.number(f"atomic_write_{name}_bytes")
        for name in ("awun", "awupf", "mdts"):
            wanted[f"drive.{name}"] = self.ctrl[name]
        for name in ("nsfeat", "nawun", "nawupf", "nabsn", "nabo", "nabspf"):
            wanted[f"drive.{name}"] = self.ns[name]
        return wanted

    def untorn(self):
        """The largest aligned power of two that a power cut does not tear,
        by brute force over what the specification says of one command."""
        ns = self.ns
        if not ns["nsfeat"] & 2 or ns["nabo"]:
            return self.block
        unit = (ns["nawupf"] + 1) * self.block
        boundary = (ns["nabspf"] + 1) * self.block if ns["nabspf"] else 0
        most = self.number("max_hw_sectors_kb", 1024)
        best = self.block
        size = self.block
        while size * 2 <= min(unit, most):
            size *= 2
            # Wherever it lies, aligned: it crosses no boundary.
            if not boundary or all(
                    at // boundary == (at + size - 1) // boundary
                    for at in range(0, size * boundary, size)):
                best = size
        return best


# Of the drive itself, asked by a command: a user without the node cannot.
COMMANDED = re.compile(r"drive\.(multi_controller|shared|volatile_cache|"
                       r"cache_enabled|block_bytes|n?aw.*|nsfeat|nab.*|mdts)$")


def may_ask(kernel, who, fact=""):
    # Before 6.2 the kernel let no user identify, and none lets a user get
    # features (drivers/nvme/host/ioctl.c).
    if fact == "drive.cache_enabled":
        return who == "root"
    return who == "root" or who == "node" and kernel != "6.1"


def check_facts(kernel, drive, name, layout, who, facts):
    row = f"{kernel} {name} {layout} {who}"
    for fact, value in drive.facts().items():
        if fact not in facts:
            check(False, f"{row}: there is a fact {fact}")
            continue
        f = facts[fact]
        said = None if f["state"] == "unknown" else f["value"]
        if fact == "device.size_bytes":
            continue
        if layout not in STRAIGHT and fact.startswith(("drive.", "device.")):
            # What lies between may change it; never for the better.
            good = said in (None, value) or isinstance(value, int) and \
                isinstance(said, int) and said <= value
            check(good, f"{row}: {fact} is no more than the drive's",
                  f"{said}, the drive's is {value}")
        elif COMMANDED.match(fact) and not may_ask(kernel, who, fact):
            check(said is None and f["errno"],
                  f"{row}: {fact} is unknown, with the error", f"{f}")
        elif fact == "drive.untorn_bytes" and not may_ask(kernel, who):
            check(said == drive.block, f"{row}: {fact} is one block",
                  f"{said}")
        else:
            check(said == value, f"{row}: {fact} is the drive's",
                  f"{said}, nvme-cli and sysfs say {value}")


# ---------------------------------------------------------------------------
# The expectations


class Expect:
    """Lines: what, kernels, drives, layouts, users, the value.  Comma lists;
    * is any.  Of each kind the first line that fits a row counts."""

    def __init__(self, path):
        self.lines = []
        for number, line in enumerate(read(path).splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if len(words) != 6:
                sys.exit(f"{path}:{number}: six words are wanted")
            self.lines.append([number, words[0],
                               [w.split(",") for w in words[1:5]],
                               words[5], 0])

    def value(self, what, row):
        for line in self.lines:
            if line[1] == what and all(
                    p == ["*"] or r in p for p, r in zip(line[2], row)):
                line[4] += 1
                return line[3]
        return None

    def unused(self):
        return [line for line in self.lines if not line[4]]


def verdicts(where, who):
    """What was found in this row, by kind."""
    found = {}
    rc = int(read(f"{where}/{who}.rc"))
    if rc == 2:
        found["chosen"] = "error"
    else:
        probe = json.loads(read(f"{where}/{who}.json"))
        found["chosen"] = probe["chosen"] or "none"
        for m in probe["methods"]:
            found[m["name"]] = "usable" if m["usable"] else m["fact"]
        facts = {f["name"]: f for f in probe["facts"]}
        f = facts.get("drive.untorn_bytes")
        found["drive"] = "?" if not f or f["state"] == "unknown" \
            else str(f["value"])
    for line in read(f"{where}/{who}.open").splitlines():
        rc, method, said = line.split(" ", 2)
        found[f"open-{method}"] = rc
        found[f"said-{method}"] = said
        opened = re.search(r" untorn_max=(\d+)", said)
        if method == "best" and opened:
            found["untorn"] = opened[1]
        if method == "measure" and rc == "0":
            found["measured"] = "compared" if "nvme-flush" in said else "no"
    return found


def check_open(row, found):
    """journal_open does what the probe says, for the same reason."""
    good = found["chosen"] not in ("none", "error")
    check((found["open-best"] == "0") == good,
          f"{row}: a journal opens if a method is chosen",
          f"{found['chosen']}, {found['said-best']}")
    check(not good or f" method={found['chosen']} " in found["said-best"],
          f"{row}: it opens with the method that is chosen",
          f"{found['chosen']}, {found['said-best']}")
    reason = found.get("nvme-flush")
    if reason is None:
        return
    check((found["open-nvme-flush"] == "0") == (reason == "usable"),
          f"{row}: nvme-flush opens if it is usable",
          f"{reason}, {found['said-nvme-flush']}")
    check(reason == "usable" or reason in found["said-nvme-flush"],
          f"{row}: nvme-flush is refused for the reason that is shown",
          f"{reason}, {found['said-nvme-flush']}")


def table(rows, path):
    """rows: (kernel, drive, layout, who) -> verdicts."""
    drives = list(dict.fromkeys(r[1] for r in rows))
    kernels = list(dict.fromkeys(r[0] for r in rows))
    merged = {}
    for layout in LAYOUTS:
        for who in USERS:
            for kernel in kernels:
                cells = tuple(
                    tuple(sorted((k, v) for k, v in
                                 rows[kernel, d, layout, who].items()
                                 if not k.startswith(("open-", "said-"))))
                    for d in drives)
                merged.setdefault((layout, who, cells), []).append(kernel)
    width = max(len(d) for d in drives + ["16384/4024"]) + 1
    with open(path, "w", encoding="utf-8") as f:
        f.write(TABLE_HEAD)
        f.write(f"Kernels: {' '.join(kernels)}\n\n")
        f.write(f"{'LAYOUT':14}{'USER':6}{'KERNEL':11}{'CHOSEN':12}"
                f"{'NVME-FLUSH':22}{'MEASURED':10}"
                + "".join(f"{d:>{width}}" for d in drives).rstrip() + "\n")
        for (layout, who, cells), which in merged.items():
            cells = [dict(c) for c in cells]
            one = {key: "/".join(dict.fromkeys(c.get(key, "-")
                                               for c in cells))
                   for key in ("chosen", "nvme-flush", "measured")}
            units = "".join(
                f"{c.get('drive', '-') + '/' + c.get('untorn', '-'):>{width}}"
                for c in cells)
            f.write(f"{layout:14}{who:6}{' '.join(which):11}"
                    f"{one['chosen']:12}{one['nvme-flush']:22}"
                    f"{one['measured']:10}{units}"
                    .rstrip() + "\n")


TABLE_HEAD = """\
What journal-probe and journal_open say on emulated NVMe drives

Made by `UPDATE=1 make check-lab`: do not edit. tests/lab/expect.txt says why
each row is as it is, tests/lab/survey.sh what was done.

USER: root; node, a user who may open the namespace's nodes (which is raw
access to all of it); user, one who may not. NVME-FLUSH is "usable", if asked
for, or the fact that refuses the method. MEASURED: whether JOURNAL_MEASURE
alone compares nvme-flush with the others there (a dash: not tried).

The last columns are drives, what each promises to write whole when the power
goes (drive.untorn_bytes), and behind the stroke what a journal promises its
records there (untorn_max of journal_info). The drives have: none, no atomic
limits; awupf, AWUPF=7 only; n512, NAWUPF=31 and blocks of 512 bytes; n4k,
NAWUPF=3, NABSPF=7 and blocks of 4096; nabo, NAWUPF=7, NABO=8, blocks of 512.
Partitions begin at a multiple of 1 MiB. A dash: it cannot be opened.

"""


def survey(expect_path, table_path, kernels):
    expect = Expect(expect_path)
    rows = {}
    for kernel, top in kernels:
        for name in sorted(os.listdir(top)):
            if not os.path.isdir(f"{top}/{name}"):
                continue
            drive = Drive(f"{top}/{name}")
            for layout in LAYOUTS:
                for who in USERS:
                    where = f"{top}/{name}/{layout}"
                    row = (kernel, name, layout, who)
                    try:
                        found = verdicts(where, who)
                        if found["chosen"] != "error":
                            probe = json.loads(read(f"{where}/{who}.json"))
                            check_facts(kernel, drive, name, layout, who, {
                                f["name"]: f for f in probe["facts"]})
                    except (OSError, ValueError, KeyError) as e:
                        check(False, f"{' '.join(row)} can be read", f"{e!r}")
                        continue
                    rows[row] = found
                    check_open(" ".join(row), found)
                    for what, said in found.items():
                        if what.startswith(("open-", "said-")):
                            continue
                        wanted = expect.value(what, row)
                        check(said == wanted,
                              f"{' '.join(row)}: {what} is {wanted}", said)
    check(rows, "there are rows")
    if not failed:
        table(rows, table_path)
    if [k for k, _ in kernels] == KERNELS:
        for line in expect.unused():
            check(False, f"{expect_path}:{line[0]} fits a row")


# ---------------------------------------------------------------------------


def programs(kernels):
    global skipped
    for kernel, top in kernels:
        lines = read(f"{top}/results").splitlines()
        check(lines, f"{kernel}: programs ran")
        for line in lines:
            rc, seconds, name = line.split()
            if rc == "77":
                skipped += 1
                continue
            check(rc == "0", f"{kernel}: {name} passes",
                  f"status {rc} after {seconds} s")
            if rc != "0":
                log = read(f"{top}/{name}.log").splitlines()
                print("\n".join("#   " + s for s in log[-15:]))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    what, *rest = sys.argv[1:]
    if what == "survey":
        survey(rest[0], rest[1], [a.split("=", 1) for a in rest[2:]])
    elif what == "programs":
        programs([a.split("=", 1) for a in rest])
    else:
        sys.exit(__doc__)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
