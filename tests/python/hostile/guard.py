# Advice that makes other memory of pages: guard pages, wipe or lack in children,
# contents gone. On the heap it stays when other objects get the pages.
from common import *

HEAP = (4, 8, 9, 10, 18, 100, 101, 102, 103, 4, 8, 9)
ring = L.Ring(8)
old = L.Ring()
L.io_uring_queue_init(8, old)
block = bytearray(b"Z" * (64 * 1024))
view = memoryview(block)
# Whole pages inside the block.
first = next(off for off in range(4096) if ctypes_address(block, off) % 4096 == 0)
pages = view[first : first + 8 * 4096]


def refused(call):
    try:
        call()
    except (ValueError, TypeError):
        return
    raise SystemExit("taken")


for advice in HEAP:
    refused(lambda: ring.madvise(pages, advice))
    for prep in L.io_uring_prep_madvise, L.io_uring_prep_madvise64:
        refused(lambda: prep(L.io_uring_get_sqe(old), pages, 4096, advice))
        refused(lambda: prep(L.io_uring_get_sqe(old), ctypes_address(block, first), 4096, advice))
# What is the program's alone it may empty, and nothing more.
with mmap.mmap(-1, 8192, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
    own[:1] = b"x"
    assert ring.madvise(own, mmap.MADV_DONTNEED).result() == 0 and own[:1] == b"\0"
    for advice in (10, 18, 100, 101, 102, 103):
        refused(lambda: ring.madvise(own, advice))
assert block == b"Z" * len(block)
print("held")
