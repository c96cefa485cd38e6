"""Copies a file with linked reads and writes: python cp.py SOURCE TARGET

Each block is a chain of a read and the write of what was read. Many chains run
at a time, and each has a buffer of its own.
"""

from __future__ import annotations

import os
import sys

import liburing

BLOCK = 128 * 1024
CHAINS = 16


def copy(source: str, target: str) -> int:
    """Copies; the number of bytes."""
    with liburing.Ring(2 * CHAINS) as ring, open(source, "rb") as old, open(target, "wb") as new:
        size = os.fstat(old.fileno()).st_size
        # The last block may be short, and a short read would break its chain:
        # the buffer of a chain has exactly the bytes there are.
        places = iter(range(0, size, BLOCK))
        memory = [bytearray(BLOCK) for _ in range(CHAINS)]
        free, running = list(range(CHAINS)), 0
        while True:
            while free and (place := next(places, None)) is not None:
                number = free.pop()
                part = memoryview(memory[number])[: min(BLOCK, size - place)]
                with ring.link():
                    ring.read(old, part, place)
                    ring.write(new, part, place, user_data=number)
                running += 1
            if not running:
                return size
            for handle in ring.completions(wait=1):
                handle.result()
                if handle.name == "write":
                    free.append(handle.user_data)
                    running -= 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python cp.py SOURCE TARGET")
    print(copy(sys.argv[1], sys.argv[2]), "bytes")
