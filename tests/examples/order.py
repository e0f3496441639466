#!/usr/bin/env python3
"""Read a trace of the example server, made by

    strace -f -s 100000 -e trace=recvfrom,sendto,pwritev2,fdatasync

and by `client.py sets`: each "+OK" must have been sent after the pwritev2 with
its key had ended, and that one must have asked for RWF_DSYNC or be followed by
an fdatasync that began later and ended before the "+OK".

Prints how many answers and writes there were; status 1 for the first answer
that came too early.
"""
import re
import sys

KEY = re.compile(r"traced-\d{6}")


def calls(lines):
    """(begin, end, name, text) of each call, in the order of their ends.

    A line that strace could print in one piece had nothing beside it.
    """
    open_calls = {}
    for at, line in enumerate(lines):
        m = re.match(r"(\d+) +(.*)", line)
        if not m:
            continue
        pid, text = m.groups()
        if text.endswith("<unfinished ...>"):
            open_calls[pid] = (at, text)
            continue
        begin = at
        m = re.match(r"<\.\.\. (\w+) resumed>", text)
        if m and pid in open_calls:
            begin, first = open_calls.pop(pid)
            text = first[:-len("<unfinished ...>")] + text[m.end():]
        m = re.match(r"(\w+)\(", text)
        if m:
            yield begin, at, m.group(1), text


def main():
    with open(sys.argv[1], encoding="latin-1") as f:
        done = list(calls(f))
    durable = {}        # key: line at which it was durable
    written = []        # (end of the write, keys) without RWF_DSYNC
    asked = {}          # descriptor: keys without an answer
    answers = []        # (line at which it began to be sent, key)
    writes = 0
    # Requests and answers first: their order is that of one thread.
    for begin, end, name, text in done:
        if name == "recvfrom":
            fd = re.match(r"recvfrom\((\d+)", text).group(1)
            asked.setdefault(fd, []).extend(KEY.findall(text))
        elif name == "sendto":
            fd = re.match(r"sendto\((\d+)", text).group(1)
            for _ in range(text.count("+OK")):
                answers.append((begin, asked[fd].pop(0)))
        elif name == "pwritev2":
            if not re.search(r"\) += \d+", text):
                sys.exit(f"a write that failed: {text[:60]}")
            writes += 1
            keys = KEY.findall(text)
            if "RWF_DSYNC" in text:
                durable.update((key, end) for key in keys)
            else:
                written.append((end, keys))
        elif name == "fdatasync":
            for at, keys in written:
                if at < begin:
                    durable.update((key, end) for key in keys
                                   if key not in durable)
    for at, key in answers:
        if durable.get(key, len(done) * 2) > at:
            sys.exit(f"{key} was answered before it was durable")
    if not answers or not writes:
        sys.exit("there is nothing in the trace")
    print(len(answers), "answers after", writes, "writes")


if __name__ == "__main__":
    main()
