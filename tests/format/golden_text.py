"""What readers print, as it is kept: a record too long for a line is its
beginning, its length and a checksum.
"""
import hashlib


def shorten(output):
    """What a reader printed, with long records made short."""
    lines = []
    for line in output.split(b"\n"):
        if len(line) > 100:
            line = b"%s... %d bytes, sha256 %s" % (
                line[:40], len(line), hashlib.sha256(line).hexdigest()[:16]
                .encode())
        lines.append(line)
    return b"\n".join(lines).decode("ascii", "backslashreplace")
