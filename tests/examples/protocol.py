#!/usr/bin/env python3
"""How the example server speaks.

    protocol.py CASE SOCKET [ARGUMENT]...

A case that fails ends with a line on standard error and status 1.
"""
import os
import random
import socket
import sys
import time

from client import (Closed, Connection, Refused, expect, fail, info_of, pack,
                    show)


def session(path):
    c = Connection(path)
    c.want(b"OK", "FLUSHALL")
    c.want(b"PONG", "PING")
    c.want(b"hello", "PING", "hello")
    c.want(b"a\r\n\0b", "ECHO", b"a\r\n\0b")
    c.want(None, "GET", "a")
    c.want(b"OK", "SET", "a", "1")
    c.want(b"1", "get", "a")
    c.want(b"OK", "set", "", "")
    c.want(b"", "GET", "")
    c.want(2, "DBSIZE")
    c.want(2, "INCR", "a")
    c.want(1, "INCR", "b")
    c.want(b"2", "GET", "a")
    c.want(b"OK", "SET", "b", "-1")
    c.want(0, "INCR", "b")
    c.want(3, "DEL", "a", "b", "c", "a", "")
    c.want(0, "DEL", "a", "b")
    c.want(0, "DBSIZE")
    binary = bytes(range(256))
    c.want(b"OK", "SET", binary, binary)
    c.want(binary, "GET", binary)
    c.want(b"OK", "FLUSHALL")
    c.want(None, "GET", binary)
    c.want([b"save", b""], "CONFIG", "GET", "save")
    c.want([b"appendonly", b"yes"], "CONFIG", "GET", "appendonly")
    c.want([], "CONFIG", "GET", "maxmemory")
    commands = c.ask("COMMAND")
    c.want(len(commands), "COMMAND", "COUNT")
    expect("SET in COMMAND", commands[0][:2], [b"set", -3])
    c.want([], "COMMAND", "DOCS", "set")


def refusals(path):
    """What is not supported is refused, and changes nothing."""
    c = Connection(path)
    c.want(b"OK", "SET", "k", "old")
    for options in (("EX", "5"), ("PX", "5"), ("NX",), ("XX",), ("GET",),
                    ("KEEPTTL",)):
        if "not supported" not in c.refused("SET", "k", "new", *options):
            fail("SET", *options, "is refused in other words")
    c.want(b"old", "GET", "k")
    for request in (("SET", "k"), ("GET",), ("GET", "a", "b"), ("INCR",),
                    ("DEL",), ("DBSIZE", "x"), ("PING", "a", "b")):
        if "wrong number" not in c.refused(*request):
            fail(request, "is refused in other words")
    c.refused("MSET", "a", "b")
    c.refused("CONFIG", "SET", "save", "x")
    c.refused("nonsense\r\n+OK\r\n")
    if "integer" not in c.refused("INCR", "k"):
        fail("INCR of a word is refused in other words")
    for number in (b"01", b"+1", b" 1", b"1 ", b"", b"-0", b"1.0",
                   b"9223372036854775808", b"-9223372036854775809"):
        c.want(b"OK", "SET", "n", number)
        c.refused("INCR", "n")
        c.want(number, "GET", "n")
    c.want(b"OK", "SET", "n", 2**63 - 2)
    c.want(2**63 - 1, "INCR", "n")
    if "overflow" not in c.refused("INCR", "n"):
        fail("INCR at the end is refused in other words")
    c.want(b"OK", "SET", "n", -2**63)
    c.want(-2**63 + 1, "INCR", "n")


def inline(path):
    c = Connection(path)
    c.send(b"SET  inline value\r\nGET inline\n\r\n  \nPING\r\n")
    expect("inline SET", c.reply(), b"OK")
    expect("inline GET", c.reply(), b"value")
    expect("inline PING", c.reply(), b"PONG")
    # empty requests have no reply
    c.send(b"*0\r\n*-1\r\n" + pack("PING"))
    expect("PING behind empty requests", c.reply(), b"PONG")


def fragments(path):
    """A request means the same wherever it is cut."""
    request = (pack("SET", "cut", b"v\r\n$1\r\n") + b"PING\r\n" +
               pack("GET", "cut") + pack("DEL", "cut", "x"))
    want = [b"OK", b"PONG", b"v\r\n$1\r\n", 1]
    c = Connection(path)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for at in range(1, len(request)):
        c.send(request[:at])
        # long enough for the server to see the first part alone
        time.sleep(0.0005)
        c.send(request[at:])
        for reply in want:
            expect(f"cut at {at}", c.reply(), reply)
    for at in range(len(request)):
        c.send(request[at:at + 1])
    for reply in want:
        expect("byte by byte", c.reply(), reply)


def garbage(path):
    """What is no request is told so and ends its connection, no other."""
    bystander = Connection(path)
    chance = random.Random(1)
    noise = bytes(chance.randrange(256) for _ in range(300))
    for data in (b"*x\r\n", b"*1\r\n+PING\r\n", b"*1\r\n$-1\r\n",
                 b"*1\r\n$4\r\nPINGxx", b"*1025\r\n", b"*-2\r\n",
                 b"*99999999999999999999\r\n", b"*1\r\n$999999999999\r\n",
                 b"*" + b"1" * 40, b"*1\r\n$" + b"1" * 40,
                 b"GET \"a\"\r\n", b"word " * 1025 + b"\n", b"x" * 70000,
                 b"*1\r\n$01\r\n", noise + b"\n"):
        c = Connection(path)
        c.send(data)
        reply = c.reply()
        if not isinstance(reply, Refused):
            fail(f"{show(data)}: {show(reply)}")
        if data[-1:] == b"\n" and "unknown command" in str(reply):
            continue    # the noise was a line
        c.at_end()
        bystander.want(b"PONG", "PING")


def large(path, record_max):
    """As large as a record, and beyond."""
    most = int(record_max) - 8 - len("large")
    c = Connection(path)
    value = os.urandom(most)
    c.want(b"OK", "SET", "large", value)
    c.want(value, "GET", "large")
    for size in (most + 1, most + 100000, 50 << 20):
        # the connection lives, and nothing that comes behind is lost
        c.send(pack("SET", "large", b"x" * size) + pack("PING"))
        reply = c.reply()
        if not isinstance(reply, Refused) or "too large" not in str(reply):
            fail(f"a value of {size} bytes: {show(reply)}")
        expect("PING behind it", c.reply(), b"PONG")
    c.send(pack("SET", b"k" * (most + 200000), b"x", b"y" * 300000) +
           pack("PING"))
    if "too large" not in str(c.reply()):
        fail("a key that is too large is refused in other words")
    expect("PING behind it", c.reply(), b"PONG")
    c.want(value, "GET", "large")
    keys = [b"%d %s" % (i, b"k" * 100) for i in range(1023)]
    c.send(b"".join(pack("SET", key, "v") for key in keys))
    for key in keys:
        expect("SET", c.reply(), b"OK")
    expect("DEL of 1023 keys", c.ask("DEL", *keys), 1023)


def memory_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1])


def slow_reader(path, own_kb):
    """Who does not read holds up nobody, and costs little memory."""
    c = Connection(path)
    pid = int(info_of(c)["process_id"])
    value = b"s" * 100000
    c.want(b"OK", "SET", "slow", value)
    before = memory_kb(pid)
    slow = [Connection(path) for _ in range(5)]
    requests = pack("GET", "slow") * 1000
    for s in slow:
        s.socket.settimeout(0.2)
        try:
            s.send(requests)
        except socket.timeout:
            pass
    began = time.monotonic()
    for i in range(50):
        c.want(b"OK", "SET", f"quick {i}", i)
        c.want(value, "GET", "slow")
    took = time.monotonic() - began
    if took > 50:
        fail(f"others waited {took} s")
    grown = memory_kb(pid) - before
    # 1 MiB of replies for each and one more reply, doubled by growing
    if grown > 5 * 4096 + int(own_kb):
        fail(f"the server has grown by {grown} KiB")
    for s in slow:
        s.socket.settimeout(60)
        for _ in range(1000):
            expect("a slow one's GET", s.reply(), value)
        s.close()


def half_closed(path):
    """Who has said everything still gets every reply."""
    c = Connection(path)
    c.send(pack("SET", "half", "1") + pack("GET", "half") * 500)
    c.socket.shutdown(socket.SHUT_WR)
    expect("SET", c.reply(), b"OK")
    for _ in range(500):
        expect("GET", c.reply(), b"1")
    c.at_end()
    c = Connection(path)
    c.send(pack("PING") + pack("QUIT") + pack("PING"))
    expect("PING", c.reply(), b"PONG")
    expect("QUIT", c.reply(), b"OK")
    c.at_end()
    if c.have:
        fail(f"something behind QUIT: {c.have!r}")


def max_clients(path, most):
    most = int(most)
    c = [Connection(path)]
    # whoever was there before us may not have been noticed to be gone
    while int(info_of(c[0])["connected_clients"]) > 1:
        time.sleep(0.01)
    c += [Connection(path) for _ in range(most - 1)]
    for one in c:
        one.want(b"PONG", "PING")
    for _ in range(3):
        over = Connection(path, 10)
        try:
            reply = over.reply()
        except (Closed, ConnectionResetError):
            fail("one too many is not told so")
        if not isinstance(reply, Refused):
            fail(f"one too many: {show(reply)}")
        over.at_end()
    c[0].close()
    for _ in range(3000):
        try:
            again = Connection(path)
            again.want(b"PONG", "PING")
            return
        except (Closed, SystemExit, OSError):
            time.sleep(0.01)
    fail("no place is free after one has gone")


def fill(path, count, size):
    """Keys 0 to count - 1, again and again, with values that name the round."""
    count, size = int(count), int(size)
    c = Connection(path)
    for turn in range(4):
        for at in range(0, count, 100):
            part = range(at, min(at + 100, count))
            c.send(b"".join(pack("SET", f"key {i}", fill_value(i, turn, size))
                            for i in part))
            for i in part:
                expect("SET", c.reply(), b"OK")
    c.want(count // 2, "DEL", *(f"key {i}" for i in range(0, count, 2)))


def fill_value(i, turn, size):
    return f"{i} {turn} ".encode() + b"v" * size


def filled(path, count, size):
    count, size = int(count), int(size)
    c = Connection(path)
    for i in range(count):
        want = fill_value(i, 3, size) if i % 2 else None
        c.want(want, "GET", f"key {i}")
    c.want(count // 2, "DBSIZE")


def main():
    cases = {f.__name__: f for f in (
        session, refusals, inline, fragments, garbage, large, slow_reader,
        half_closed, max_clients, fill, filled)}
    cases[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
