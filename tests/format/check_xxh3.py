"""Compare xxh3.py with the lines of xxh3_vectors on standard input.

With the name of journal-format(5)'s source: with the sums printed there too.
"""
import re
import sys

from xxh3 import xxh3_64

DATA = bytes((i * 2654435761 & 0xFFFFFFFF) >> 24 for i in range(66000))

# The examples of journal-format(5), in their order.
MANUAL = ((b"", 0), (b"", 1), (b"journal", 0), (bytes(56), 0x0123456789ABCDEF))


def differ(name, expected, got):
    if got != int(expected, 16):
        print("%s: %x, not %s" % (name, got, expected))
        return 1
    return 0


def main(manual=None):
    lines = bad = 0
    for line in sys.stdin:
        length, seed, expected = line.split()
        lines += 1
        bad += differ("length %s, seed %s" % (length, seed), expected,
                      xxh3_64(DATA[:int(length)], int(seed, 16)))
    if manual:
        with open(manual, encoding="utf-8") as page:
            printed = re.findall(r"^    .*seed [0-9a-f]+ +([0-9a-f]{16})$",
                                 page.read(), re.M)
        if len(printed) != len(MANUAL):
            print("%s prints %d sums" % (manual, len(printed)))
            return 1
        for (data, seed), expected in zip(MANUAL, printed):
            lines += 1
            bad += differ("%r in the manual" % data, expected,
                          xxh3_64(data, seed))
    print("%d sums compared, %d differ" % (lines, bad))
    return 0 if lines and not bad else 1


sys.exit(main(*sys.argv[1:]))
