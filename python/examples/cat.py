"""Prints files: python cat.py FILE..."""

import sys

import liburing

SIZE = 65536

if len(sys.argv) < 2:
    sys.exit("usage: python cat.py FILE...")

with liburing.Ring(8) as ring:
    for path in sys.argv[1:]:
        fd = ring.open(path).result()
        offset = 0
        while data := ring.read(fd, SIZE, offset).result():
            sys.stdout.buffer.write(data)
            offset += len(data)
        ring.close_fd(fd).result()
