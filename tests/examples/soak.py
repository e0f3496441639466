#!/usr/bin/env python3
"""Load for long, and figures that must stay flat.

    soak.py SOCKET DIRECTORY SECONDS
"""
import os
import random
import sys
import threading
import time

from client import Connection, expect, fail, info_of, pack

WRITERS = 50
KEYS = 400          # of each writer
SAMPLES = 10


def write(path, n, until, last, counts, wrong):
    """The same keys again and again; now and then by a new connection."""
    chance = random.Random(n)
    c = Connection(path)
    turn = 0
    try:
        while time.monotonic() < until:
            turn += 1
            depth = chance.choice((1, 1, 4, 16))
            pairs = []
            for _ in range(depth):
                key = b"soak %d %d" % (n, chance.randrange(KEYS))
                pairs.append((key, b"%d " % turn +
                              b"s" * chance.choice((10, 128, 128, 2000))))
            c.send(b"".join(pack("SET", *pair) for pair in pairs))
            for key, value in pairs:
                expect("SET", c.reply(), b"OK")
                last[key] = value
            counts[n] += depth
            if turn % 200 == 0:
                c.close()
                c = Connection(path)
            if turn % 50 == 0:
                key = pairs[-1][0]
                expect(key.decode(), c.ask("GET", key), last[key])
    except BaseException as e:      # a thread's end must not pass unseen
        wrong.append(f"writer {n}: {e!r}")


def sample(connection, directory, counts):
    info = info_of(connection)
    pid = int(info["process_id"])
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.rstrip().split(":", 1) for line in f)
    size = 0
    with os.scandir(os.path.join(directory, "journal")) as entries:
        for entry in entries:
            try:
                size += entry.stat().st_blocks * 512
            except FileNotFoundError:
                pass            # given back meanwhile
    return {
        "resident_kb": int(status["VmRSS"].split()[0]),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
        "journal_kb": size // 1024,
        "acknowledged": sum(counts),
        "snapshot_lsn": int(info["snapshot_lsn"]),
        "pass_max_us": int(info["loop_pass_max_us"]),
    }


def flat(samples):
    """What has grown, if anything has."""
    settled = samples[max(1, len(samples) // 5):]
    half = len(settled) // 2
    early, late = settled[:half], settled[half:]

    def most(part, what):
        return max(s[what] for s in part)

    memory = most(early, "resident_kb")
    if most(late, "resident_kb") > memory * 1.1 + 4096:
        return "resident memory"
    # the snapshot's file and thread come and go, and so do connections
    for what, slack in (("descriptors", WRITERS + 4), ("threads", 1),
                        ("journal_kb", 3 * 4096)):
        if most(late, what) > most(early, what) + slack:
            return what
    return None


def main():
    path, directory, seconds = sys.argv[1:]
    began = time.monotonic()
    until = began + int(seconds)
    last, counts, wrong = {}, [0] * WRITERS, []
    threads = [threading.Thread(target=write, args=(path, n, until, last,
                                                    counts, wrong))
               for n in range(WRITERS)]
    for t in threads:
        t.start()
    c = Connection(path)
    samples = []
    for i in range(SAMPLES + 1):
        if i:
            time.sleep(max(0, began + int(seconds) * i / SAMPLES -
                           time.monotonic()))
        samples.append(sample(c, directory, counts))
        print(f"{int(time.monotonic() - began):5} s ",
              " ".join(f"{k} {v}" for k, v in samples[-1].items()), flush=True)
    for t in threads:
        t.join()
    if wrong:
        fail(wrong[0])
    for key, value in last.items():
        expect(key.decode(), c.ask("GET", key), value)
    if samples[-1]["snapshot_lsn"] == samples[1]["snapshot_lsn"]:
        fail("no snapshot was made")
    grown = flat(samples)
    if grown:
        fail(f"{grown} has grown")
    print("acknowledged", sum(counts), "in", seconds, "s, all there")


if __name__ == "__main__":
    main()
