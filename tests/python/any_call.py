"""Calls functions of the module with arguments of every kind, for some seconds.

    python any_call.py SEED SECONDS

Whatever they answer, the interpreter has to live and its memory to stay whole.
Runs in a folder of its own, in a process of its own.
"""

import contextlib
import gc
import inspect
import mmap
import os
import random
import signal
import socket
import sys
import time

import liburing as u

os.dup2(1, 200)
seed, seconds = int(sys.argv[1]), float(sys.argv[2])
rng = random.Random(seed)
SKIP = {
    # They change the process or the machine for what comes after.
    "io_uring_register_bpf_filter_task", "io_uring_register_iowq_aff", "test_cqe_get_index",
    "getaddrinfo", "getnameinfo", "listen", "bind",
}
functions = {
    name: value
    for name, value in vars(u).items()
    if name not in SKIP and callable(value) and not inspect.isclass(value)
    and not name.startswith("_")
}
preps = [name for name in functions if "prep" in name]
classes = [
    value for name, value in vars(u).items()
    if inspect.isclass(value) and not issubclass(value, int) and not name.startswith("_")
    and name not in SKIP
]


def signaled(*_):
    raise InterruptedError


signal.signal(signal.SIGALRM, signaled)


def ring():
    made = rng.choice([u.Ring, u.io_uring])()
    flags = rng.choice([0, 0, 0, u.IORING_SETUP_CLAMP, u.IORING_SETUP_SQE128, u.IORING_SETUP_CQE32,
                        u.IORING_SETUP_R_DISABLED, u.IORING_SETUP_SQPOLL,
                        u.IORING_SETUP_SINGLE_ISSUER | u.IORING_SETUP_DEFER_TASKRUN])
    if rng.random() < 0.9:
        with contextlib.suppress(OSError):
            u.io_uring_queue_init(rng.choice([1, 2, 8, 64]), made, flags)
    return made


sockets = [socket.socketpair() for _ in range(3)]
pipes = [os.pipe() for _ in range(3)]
files = [os.open(f"file{i}", os.O_RDWR | os.O_CREAT) for i in range(3)]
for fd in files:
    os.write(fd, bytes(range(256)) * 40)
numbers = [0, 1, 2, 3, 4, 8, 64, 255, 4096, 65535, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1, -1, -100]
pool = []


def some():
    """An object to call with."""
    kind = rng.random()
    if kind < 0.45 and pool:
        return rng.choice(pool)
    if kind < 0.60:
        return rng.choice(numbers)
    if kind < 0.72:
        return rng.choice(files + [fd for pair in pipes for fd in pair]
                          + [end.fileno() for pair in sockets for end in pair])
    if kind < 0.85:
        size = rng.choice([0, 1, 8, 16, 64, 4096, 40000])
        buffer = rng.choice([
            lambda: bytearray(size), lambda: bytes(size), lambda: memoryview(bytearray(size)),
            lambda: memoryview(bytearray(2 * size))[::2], lambda: mmap.mmap(-1, size + 4096),
        ])()
        pool.append(buffer)
        return buffer
    return rng.choice([
        None, 1.5, "file0", "file1", b"file2", "none", "a\0b", [], [b"x"], [bytearray(9)], (), {},
        True, object(), u.timespec(0.001), u.io_uring_op.IORING_OP_NOP, 10**30,
    ])


def remember(thing):
    if thing is None or isinstance(thing, (int, str)):
        return
    pool.append(thing)
    if len(pool) > 120:
        del pool[rng.randrange(len(pool))]


def call(function, *args):
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        remember(function(*args))
    except (Exception, KeyboardInterrupt):
        pass
    finally:
        with contextlib.suppress(InterruptedError):
            signal.setitimer(signal.ITIMER_REAL, 0)


def step():
    kind = rng.random()
    rings = [thing for thing in pool if isinstance(thing, u._classes.Ring)]
    if kind < 0.05 or not rings:
        remember(ring())
    elif kind < 0.15:
        call(rng.choice(classes), *[some() for _ in range(rng.randrange(4))])
    elif kind < 0.55:
        target = rng.choice(rings)
        entry = None
        with contextlib.suppress(Exception):
            entry = u.io_uring_get_sqe(target)
        if entry is None:
            entry = u.Sqe()
        if rng.random() < 0.3:
            remember(entry)
        call(functions[rng.choice(preps)], entry, *[some() for _ in range(rng.randrange(7))])
        if rng.random() < 0.5:
            call(setattr, entry, rng.choice(["flags", "user_data"]), rng.choice(numbers))
    elif kind < 0.70:
        target = rng.choice(rings)
        submit = rng.choice(["io_uring_submit", "io_uring_submit", "io_uring_cq_ready",
                             "io_uring_get_events"])
        call(functions[submit], target)
        cqe = u.Cqe()
        remember(cqe)
        call(u.io_uring_peek_cqe, target, cqe)
        call(lambda: u.io_uring_cqe_seen(target, cqe[rng.randrange(3)]))
    elif kind < 0.90:
        name = rng.choice(list(functions))
        call(functions[name], *[some() for _ in range(rng.randrange(7))])
    elif kind < 0.95:
        thing = some()
        name = rng.choice([name for name in dir(thing) if name[0] != "_"] or ["x"])
        if isinstance(thing, (u._classes.Ring, u.SQE, u.CQE, u.Cqe)) or "liburing" in repr(type(thing)):
            if name not in ("close", "wait"):
                call(getattr, thing, name)
            if rng.random() < 0.3:
                call(setattr, thing, name, some())
            call(lambda: thing[rng.choice([0, 1, -1, 99])])
            call(lambda: list(zip(range(5), thing)))
    elif pool:
        del pool[rng.randrange(len(pool))]
        if rng.random() < 0.1:
            gc.collect()
        for thing in pool:
            if isinstance(thing, bytearray) and rng.random() < 0.2:
                with contextlib.suppress(BufferError):
                    thing.extend(b"x" * 100)


end = time.monotonic() + seconds
count = 0
while time.monotonic() < end:
    with contextlib.suppress(InterruptedError):
        step()
        count += 1
# Standard output may have been closed meanwhile.
with contextlib.suppress(OSError):
    os.write(200, f"seed {seed}: {count} calls\n".encode())
