"""A journal's segment files as text that can be kept and read in a diff.

    file NAME SIZE
    OFFSET TOKEN...

A token is bytes in hexadecimal, or BYTE*COUNT; what no line mentions is zero.
The lock is left out: it says nothing.
"""
import os
import re

ZEROS = 32              # a run this long is left out
REPEATED = 6            # a run this long is counted
LINE = 32               # bytes written out on a line, counted ones aside
RUN = re.compile(rb"(.)\1{%d,}" % (REPEATED - 1), re.S)


def pack_bytes(data):
    """The lines of one file."""
    zeros = re.compile(b"\0{%d,}" % ZEROS)
    at = 0
    while at < len(data):
        hole = zeros.search(data, at)
        end = hole.start() if hole else len(data)
        yield from pack_part(data, at, end)
        at = hole.end() if hole else end


def pack_part(data, at, end):
    while at < end:
        tokens, begin, plain = [], at, 0
        while at < end and plain < LINE and len(tokens) < 6:
            run = RUN.search(data, at, min(end, at + LINE - plain))
            if run and run.start() == at:
                run = RUN.match(data, at, end)
                tokens.append("%02x*%d" % (data[at], run.end() - at))
                at = run.end()
                continue
            stop = min(end, at + LINE - plain, run.start() if run else end)
            tokens.append(data[at:stop].hex())
            plain += stop - at
            at = stop
        yield "%d %s" % (begin, " ".join(tokens))


def pack(directory):
    lines = []
    for name in sorted(os.listdir(directory)):
        if name == "lock":
            continue
        with open(os.path.join(directory, name), "rb") as file:
            data = file.read()
        lines.append("file %s %d" % (name, len(data)))
        lines.extend(pack_bytes(data))
    return "".join(line + "\n" for line in lines)


def unpack_token(token):
    if "*" in token:
        byte, count = token.split("*")
        return bytes.fromhex(byte) * int(count)
    return bytes.fromhex(token)


def unpack(text, directory):
    file = None
    os.mkdir(directory)
    for line in text.splitlines():
        words = line.split()
        if words[0] == "file":
            if file:
                file.close()
            file = open(os.path.join(directory, words[1]), "wb")
            file.truncate(int(words[2]))
        else:
            file.seek(int(words[0]))
            file.write(b"".join(map(unpack_token, words[1:])))
    if file:
        file.close()
