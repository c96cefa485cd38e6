# Lists, buffers of numbers and paths as long as a program likes, with little memory: a
# MemoryError or another exception, never the end of the process. Lists that lie about
# their length.
from common import *
import array, os, resource
import liburing.aio as A

COUNT = 2_000_000
numbers = [3] * COUNT
packed = array.array("q", bytes(8 * COUNT))
long = "x" * (24 << 20)
one = bytearray(8)
buffers = [one] * COUNT
ring = L.Ring(8)
low = L.Ring()
L.io_uring_queue_init(8, low)


class Lies(list):
    def __len__(self):
        return 2**62


def low_entry(prepare):
    sqe = L.io_uring_get_sqe(low)
    try:
        prepare(sqe)
    finally:
        L.io_uring_prep_nop(sqe)
        L.io_uring_submit(low)


CALLS = [
    lambda: ring.register_files(numbers),
    lambda: ring.register_buffers(buffers),
    lambda: ring.readv(0, buffers),
    lambda: ring.writev(0, buffers),
    lambda: ring.sendmsg(0, buffers),
    lambda: ring.recvmsg(0, buffers),
    lambda: ring.openat(long),
    lambda: low._core.files(numbers),
    lambda: low._core.buffers(buffers),
    lambda: low._core.buffers([one], numbers),
    lambda: low._core.update_buffers(0, buffers),
    lambda: low_entry(lambda sqe: L.io_uring_prep_files_update(sqe, numbers)),
    lambda: low_entry(lambda sqe: L.io_uring_prep_openat(sqe, -100, long, 0, 0)),
    lambda: low_entry(lambda sqe: L.io_uring_prep_unlink(sqe, long, 0)),
    lambda: L.io_uring_register_files(low, numbers),
    lambda: L.io_uring_register_buffers(low, L.Iovec(buffers[:900])),
]
LIES = [
    lambda: ring.register_files(Lies([0, 1])),
    lambda: ring.register_buffers(Lies([one])),
    lambda: low._core.files(Lies([0, 1])),
    lambda: low._core.buffers([one], Lies([0])),
    lambda: low_entry(lambda sqe: L.io_uring_prep_files_update(sqe, Lies([0]))),
    lambda: ring.sendmsg(0, Lies([one])),
]
EXPECTED = (OSError, ValueError, TypeError, AttributeError, MemoryError, RuntimeError, OverflowError)
for call in LIES:
    try:
        call()
    except EXPECTED:
        pass
_, hard = resource.getrlimit(resource.RLIMIT_AS)
short = 0
for room in (0, 1 << 20, 12 << 20, 20 << 20):
    for call in CALLS:
        gc.collect()
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (now + room, hard))
        try:
            call()
        except MemoryError:
            short += 1
        except EXPECTED:
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
assert short, "memory was never short"
ring.nop().result()
print("held")
