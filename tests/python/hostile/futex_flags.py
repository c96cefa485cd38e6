# FUTEX2_NUMA: the kernel reads and writes the word behind the futex. Other sizes are
# other memory as well.
from common import *

PRIVATE = 128
block = bytearray(b"\xff" * 64)
futex = L.Futex()
futex._words = memoryview(block)[8:12]
old = L.Ring()
L.io_uring_queue_init(64, old)
for flags in (4 | 2, 8 | 2, 12 | 2, 1, 3, 1 << 20 | 2):
    for prep in L.io_uring_prep_futex_wake, L.io_uring_prep_futex_wait:
        try:
            prep(L.io_uring_get_sqe(old), futex, 1, 0xFFFFFFFF, flags | PRIVATE)
        except ValueError:
            continue
        raise SystemExit(f"{prep.__name__} took {flags}")
L.io_uring_submit(old)
assert block == b"\xff" * 64
print("held")
