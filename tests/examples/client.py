#!/usr/bin/env python3
"""Clients of the example server, and what they check.

    client.py MODE SOCKET [ARGUMENT]...

A check that fails ends with a line on standard error and status 1.
"""
import base64
import json
import mmap
import os
import random
import signal
import socket
import sys
import threading
import time


class Closed(Exception):
    """The server has closed the connection."""


class Refused(Exception):
    """The server replied with an error."""


def fail(*what):
    print(*what, file=sys.stderr)
    sys.exit(1)


def expect(what, have, want):
    if have != want:
        fail(f"{what}: {show(have)}, not {show(want)}")


def show(reply):
    text = repr(reply)
    return text if len(text) < 100 else text[:60] + f"... ({len(text)})"


def pack(*args):
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        if not isinstance(arg, bytes):
            arg = str(arg).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(out)


class Connection:
    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.have = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Closed
        self.have += data

    def line(self):
        while b"\r\n" not in self.have:
            self.more()
        line, self.have = self.have.split(b"\r\n", 1)
        return line

    def reply(self):
        """A reply: bytes, int, None, a list; an error is a Refused."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind != b"$":
            fail(f"not a reply: {line!r}")
        size = int(rest)
        if size < 0:
            return None
        while len(self.have) < size + 2:
            self.more()
        data, end = self.have[:size], self.have[size:size + 2]
        expect("a bulk string's end", end, b"\r\n")
        self.have = self.have[size + 2:]
        return data

    def ask(self, *args):
        self.send(pack(*args))
        return self.reply()

    def want(self, want, *args):
        expect(b" ".join(str(a).encode() for a in args)[:60].decode(),
               self.ask(*args), want)

    def refused(self, *args):
        reply = self.ask(*args)
        if not isinstance(reply, Refused):
            fail(f"{args[0]}: {show(reply)}, not an error")
        return str(reply)

    def at_end(self):
        try:
            while True:
                self.more()
        except (Closed, ConnectionResetError):
            return

    def close(self):
        self.socket.close()


def info_of(connection):
    text = connection.ask("INFO").decode()
    return dict(line.split(":", 1) for line in text.split("\r\n")
                if ":" in line)


def ping(path):
    Connection(path, 10).want(b"PONG", "PING")


def info(path, field):
    print(info_of(Connection(path))[field])


# ---------------------------------------------------------------------------
# Acknowledged, and there

def load(path, log, connections, tag, pid=0, target=0):
    """Write unique keys until the server is gone; log what it acknowledged.

    With pid, that process is killed once target keys were acknowledged.
    """
    acknowledged = []
    stopped = []
    pid, target = int(pid), int(target)
    left = [target]
    lock = threading.Lock()

    def count():
        with lock:
            left[0] -= 1
            if pid and left[0] == 0:
                os.kill(pid, signal.SIGKILL)

    def work(n):
        chance = random.Random(f"{tag} {n}")
        mine = []
        try:
            c = Connection(path)
            i = 0
            while True:
                depth = chance.choice((1, 1, 1, 4, 16))
                pairs = []
                for _ in range(depth):
                    i += 1
                    size = chance.choice((0, 3, 128, 128, 128, 1500))
                    value = f"{tag} {n} {i} ".encode() + b"v" * size
                    pairs.append((f"key {tag} {n} {i}".encode(), value))
                c.send(b"".join(pack("SET", *pair) + pack("GET", pair[0])
                                for pair in pairs))
                for pair in pairs:
                    reply = c.reply()
                    if isinstance(reply, Refused):
                        fail("SET:", reply)
                    mine.append(pair)
                    count()
                    reply = c.reply()
                    if reply != pair[1]:
                        stopped.append(f"GET behind SET: {show(reply)}")
                        return
        except (Closed, OSError):
            pass
        except Exception as e:   # a thread's end must not pass unseen
            stopped.append(repr(e))
        finally:
            acknowledged.extend(mine)

    threads = [threading.Thread(target=work, args=(n,))
               for n in range(int(connections))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with open(log, "ab") as f:
        for key, value in acknowledged:
            f.write(key + b"\t" + value + b"\n")
    if stopped:
        fail(stopped[0])
    print(len(acknowledged))


def logged(log):
    with open(log, "rb") as f:
        for line in f:
            yield line.rstrip(b"\n").split(b"\t", 1)


def check(path, log):
    """Everything that was logged is there."""
    c = Connection(path)
    pairs = list(logged(log))
    for at in range(0, len(pairs), 500):
        part = pairs[at:at + 500]
        c.send(b"".join(pack("GET", key) for key, _ in part))
        for key, value in part:
            reply = c.reply()
            if reply != value:
                fail(f"{key.decode()} was acknowledged, and is {show(reply)}")
    print(len(pairs))


def journal(records, log):
    """What was logged is among the records of journal-tool cat --json."""
    there = {}
    with open(records, "rb") as f:
        for line in f:
            r = json.loads(line)
            data = (base64.b64decode(r["base64"]) if "base64" in r
                    else r["data"].encode())
            if data[0] == 1:
                size = int.from_bytes(data[4:8], "little")
                there[data[8:8 + size]] = data[8 + size:]
    n = 0
    for key, value in logged(log):
        n += 1
        if there.get(key) != value:
            fail(f"{key.decode()} was acknowledged, and the journal has "
                 f"{show(there.get(key))}")
    print(n, "of", len(there))


def medium(path, directory, count):
    """When an answer arrives its record is in a segment, past the cache."""
    def has(key):
        for name in sorted(os.listdir(directory), reverse=True):
            if not name.endswith(".seg"):
                continue
            fd = os.open(os.path.join(directory, name),
                         os.O_RDONLY | os.O_DIRECT)
            with os.fdopen(fd, "rb", buffering=0) as f:
                size = os.fstat(fd).st_size
                with mmap.mmap(-1, size) as memory:
                    got = f.readinto(memory)
                    if memory.find(key, 0, got) >= 0:
                        return True
        return False

    c = [Connection(path) for _ in range(8)]
    for i in range(int(count)):
        keys = [b"seen %d %d." % (i, n) for n in range(len(c))]
        for connection, key in zip(c, keys):
            connection.send(pack("SET", key, b"x" * 100))
        for connection, key in zip(c, keys):
            expect("SET", connection.reply(), b"OK")
            if not has(key):
                fail(f"{key.decode()} was acknowledged before it was written")


def sets(path, connections, count, depth):
    """Plain SETs for a trace."""
    c = [Connection(path) for _ in range(int(connections))]
    n = 0
    for _ in range(int(count)):
        for connection in c:
            request = b""
            for _ in range(int(depth)):
                request += pack("SET", b"traced-%06d" % n, b"x" * 64)
                n += 1
            connection.send(request)
        for connection in c:
            for _ in range(int(depth)):
                expect("SET", connection.reply(), b"OK")


def until_refused(path, log, text):
    """Write until a write is refused with that text; log the others."""
    c = Connection(path)
    with open(log, "wb") as f:
        for i in range(2000):
            key, value = b"refuse %d" % i, b"%d " % i + b"r" * 3000
            reply = c.ask("SET", key, value)
            if isinstance(reply, Refused):
                if text not in str(reply):
                    fail(f"refused with: {reply}")
                expect("the refused key", c.ask("GET", key), None)
                return
            expect("SET", reply, b"OK")
            f.write(key + b"\t" + value + b"\n")
    fail("2000 writes, and none was refused")


def until_taken(path):
    """A write goes well again, soon."""
    c = Connection(path)
    for _ in range(600):
        if c.ask("SET", "taken", "yes") == b"OK":
            return
        time.sleep(0.1)
    fail("no write is taken")


def reads_wait(path):
    """With each write taking a second: who reads it waits, others do not."""
    a, b, c = (Connection(path) for _ in range(3))
    expect("SET", c.ask("SET", "calm", "sea"), b"OK")
    for attempt in range(10):
        value = b"new %d" % attempt
        began = time.monotonic()
        a.send(pack("SET", "busy", value))
        time.sleep(0.05)
        b.send(pack("GET", "busy"))
        expect("GET beside it", c.ask("GET", "calm"), b"sea")
        expect("PING beside it", c.ask("PING"), b"PONG")
        b.socket.setblocking(False)
        try:
            b.more()
            early = True
        except BlockingIOError:
            early = False
        took = time.monotonic() - began
        b.socket.settimeout(60)
        expect("GET of it", b.reply(), value)
        expect("SET", a.reply(), b"OK")
        if took < 0.9:      # else the machine was busy, and nothing was seen
            if early:
                fail("a value was read before it was durable")
            return
    fail("never was there time to look")


def never_answered(path):
    """A write gets no answer, and the connection ends.

    Status 3: the server had ended before.
    """
    try:
        c = Connection(path)
    except OSError:
        sys.exit(3)
    try:
        reply = c.ask("SET", "lost", "yes")
    except (Closed, ConnectionError):
        return
    fail(f"SET: {show(reply)}")


def main():
    modes = {f.__name__: f for f in (ping, info, load, check, journal, medium,
                                     sets, until_refused, until_taken,
                                     reads_wait, never_answered)}
    modes[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
