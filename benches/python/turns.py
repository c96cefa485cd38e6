"""One side of a comparison: times a turn for each line on its standard input.

    python turns.py JOB DEPTH [PATH]
"""

import array
import mmap
import operator
import os
import random
import sys
import time
import types

import liburing as u

BLOCK = 4096
job, depth = sys.argv[1], int(sys.argv[2])
path = sys.argv[3] if len(sys.argv) > 3 else None
rounds = max(1, (20000 if "nops" in job or "builtins" in job else 8000) // depth)
chosen = random.Random(2)


def offsets(count=depth):
    """Places of blocks in the file."""
    blocks = os.path.getsize(path) // BLOCK
    return array.array("q", [chosen.randrange(blocks) * BLOCK for _ in range(count)])


def aligned(size):
    """A buffer whose address is a multiple of the page size."""
    return memoryview(mmap.mmap(-1, size))


def nops():
    ring = u.Ring(depth)

    def turn():
        for _ in range(rounds):
            ring.nops(depth).result()
        return rounds * depth

    return turn


def reads(flags=0, fixed=False):
    ring, places, memory = u.Ring(depth), offsets(), aligned(BLOCK * depth)
    fd = os.open(path, os.O_RDONLY | flags)
    if fixed:
        (fd,) = ring.register_files([fd])
        (memory,) = ring.register_buffers([memory])

    def turn():
        for _ in range(rounds):
            ring.read_batch(fd, memory, places, BLOCK).result()
        return rounds * depth

    return turn


def fixed_reads():
    return reads(fixed=True)


def direct():
    global rounds
    rounds = max(1, 512 // depth)
    return reads(os.O_DIRECT)


def handles():
    ring, places = u.Ring(depth), offsets()
    fd = os.open(path, os.O_RDONLY)
    buffers = [bytearray(BLOCK) for _ in places]

    def turn():
        for _ in range(rounds):
            for place, buffer in zip(places, buffers):
                ring.read(fd, buffer, place)
            for handle in ring.completions(depth):
                handle.result()
        return rounds * depth

    return turn


def function_ring():
    ring, cqe = u.Ring(), u.Cqe()
    u.io_uring_queue_init(depth, ring, 0)
    return ring, cqe


def function_nops():
    ring, cqe = function_ring()

    def turn():
        for _ in range(rounds):
            for _ in range(depth):
                sqe = u.io_uring_get_sqe(ring)
                u.io_uring_prep_nop(sqe)
                sqe.user_data = 1
            u.io_uring_submit(ring)
            for _ in range(depth):
                u.io_uring_wait_cqe(ring, cqe)
                entry = cqe[0]
                entry.res
                u.io_uring_cqe_seen(ring, entry)
        return rounds * depth

    return turn


def one_nops():
    ring, cqe = function_ring()

    def turn():
        for _ in range(rounds):
            sqe = u.io_uring_get_sqe(ring)
            u.io_uring_prep_nop(sqe)
            sqe.user_data = 1
            u.io_uring_submit(ring)
            u.io_uring_wait_cqe(ring, cqe)
            entry = cqe[0]
            entry.res
            u.io_uring_cqe_seen(ring, entry)
        return rounds

    return turn


def without_the_library(job):
    """The same loop with functions and attributes that do nothing."""
    global u, function_ring

    class Entry:
        __slots__ = ("res", "user_data")

    entry = Entry()
    entry.res = 0
    u = types.ModuleType("nothing")
    u.io_uring_get_sqe = [entry].__getitem__
    u.io_uring_prep_nop = u.io_uring_submit = operator.truth
    u.io_uring_wait_cqe = u.io_uring_cqe_seen = operator.is_
    ring, cqe = 0, [entry]
    function_ring = lambda: (ring, cqe)
    return job()


def function_builtins():
    return without_the_library(function_nops)


def one_builtins():
    return without_the_library(one_nops)


def function_reads():
    ring, cqe = function_ring()
    places, buffers = offsets(), [bytearray(BLOCK) for _ in range(depth)]
    fd = os.open(path, os.O_RDONLY)

    def turn():
        for _ in range(rounds):
            for place, buffer in zip(places, buffers):
                sqe = u.io_uring_get_sqe(ring)
                u.io_uring_prep_read(sqe, fd, buffer, place)
                sqe.user_data = 1
            u.io_uring_submit(ring)
            for _ in range(depth):
                u.io_uring_wait_cqe(ring, cqe)
                entry = cqe[0]
                entry.res
                u.io_uring_cqe_seen(ring, entry)
        return rounds * depth

    return turn


def preadv(flags=0):
    places = offsets()
    memory = aligned(BLOCK * depth)
    buffers = [[memory[at * BLOCK : (at + 1) * BLOCK]] for at in range(depth)]
    fd = os.open(path, os.O_RDONLY | flags)

    def turn():
        for _ in range(rounds):
            for place, buffer in zip(places, buffers):
                os.preadv(fd, buffer, place)
        return rounds * depth

    return turn


def preadv_direct():
    global rounds
    rounds = max(1, 512 // depth)
    return preadv(os.O_DIRECT)


def many():
    names = [os.path.join(path, name) for name in os.listdir(path)]
    ring, memory = u.Ring(256), bytearray(BLOCK * depth)

    def turn():
        for start in range(0, len(names), depth):
            part = names[start : start + depth]
            fds = ring.open_batch(part).result().tolist()
            ring.read_batch(fds, memory, 0, BLOCK).result()
            ring.close_batch(fds).result()
        return len(names)

    return turn


def many_calls():
    names = [os.path.join(path, name) for name in os.listdir(path)]
    memory = bytearray(BLOCK)

    def turn():
        for name in names:
            fd = os.open(name, os.O_RDONLY)
            os.preadv(fd, [memory], 0)
            os.close(fd)
        return len(names)

    return turn


turn = globals()[job]()
for _ in sys.stdin:
    start = time.perf_counter_ns()
    count = turn()
    print((time.perf_counter_ns() - start) / count, flush=True)
