#!/usr/bin/python3
"""What a program shows on a terminal, as a picture.

    tests/picture.py OUT.png COLUMNS PROGRAM [ARGUMENT]...

Runs the program on a pseudoterminal of so many columns and draws what then
stands on its screen, colours and all.  To look at output by eye before a
release; nothing is compared.  Needs python3-pyte, python3-pil and
fonts-dejavu-core.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

import pyte
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono%s.ttf"
LINES = 150
COLOURS = {"default": "#d0d0d0", "green": "#4ec94e", "red": "#ff6a6a"}


def run(columns, command):
    """The screen after the command has ended."""
    screen = pyte.Screen(columns, LINES)
    stream = pyte.ByteStream(screen)
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ,
                    struct.pack("HHHH", LINES, columns, 0, 0))
        os.environ.setdefault("TERM", "xterm")
        os.execvp(command[0], command)
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        # pyte knows no "dim": underline stands for it.
        stream.feed(data.replace(b"\033[2m", b"\033[4m"))
    os.waitpid(pid, 0)
    return screen


def draw(screen, columns, out):
    """One picture of everything above the last empty lines."""
    fonts = [ImageFont.truetype(FONT % name, 15) for name in ("", "-Bold")]
    width, height = round(fonts[0].getlength("M")), 19
    used = max((y for y in range(LINES) if screen.display[y].strip()),
               default=0) + 1
    image = Image.new("RGB", (columns * width + 16, used * height + 16),
                      "#101418")
    canvas = ImageDraw.Draw(image)
    for y in range(used):
        for x in range(columns):
            cell = screen.buffer[y][x]
            colour = COLOURS.get(cell.fg, "#d0d0d0")
            if cell.underscore:
                colour = "#808080"
            canvas.text((8 + x * width, 8 + y * height), cell.data,
                        font=fonts[cell.bold], fill=colour)
    image.save(out)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    columns = int(sys.argv[2])
    draw(run(columns, sys.argv[3:]), columns, sys.argv[1])


main()
