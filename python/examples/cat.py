"""Prints files: python cat.py FILE..."""

import sys

import liburing

SIZE = 65536

with liburing.Ring(8) as ring:
    for path in sys.argv[1:]:
        fd = ring.open(path).wait()
        offset = 0
        while True:
            operation = ring.read(fd, SIZE, offset)
            count = operation.wait()
            if count == 0:
                break
            sys.stdout.buffer.write(operation.buffer[:count])
            offset += count
        ring.close_fd(fd).wait()
