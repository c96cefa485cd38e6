# Each allocation of the interpreter fails once, for every call: a MemoryError, never a
# panic, and no completion, buffer or byte is lost.
from common import *
import os, socket, sys

try:
    from _testcapi import remove_mem_hooks, set_nomemory
except ImportError:
    print("skipped: this interpreter has no _testcapi")
    print("held")
    raise SystemExit

MOST = 40


def sweep(call, prepare=lambda: ()):
    """What came of the call as its first, second, … allocation failed."""
    failed = 0
    for place in range(MOST):
        state = prepare()
        try:
            set_nomemory(place, place + 1)
            try:
                call(*state)
            finally:
                remove_mem_hooks()
        except MemoryError:
            failed += 1
        except (OSError, SystemError) as error:
            assert not isinstance(error, SystemError), repr(error)
    return failed


ring = L.Ring(64)
# What is made once for the life of the process is there.
ring.nops(1).result()
one, two = socket.socketpair()
data = bytes(range(60))


def sent():
    two.send(data)
    return ()


# Operations: what they brought is there when there is memory again.
try:
    pool = ring.buffer_pool(8, 64)
except OSError as error:
    pool = None
    print("without pools (kernel 5.19):", error)
for buffer in (60, *([pool] if pool else [])):
    handles = []

    def started():
        two.send(data)
        handle = ring.recv(one, buffer)
        handles.append(handle)
        ring.submit()
        return (handle,)

    assert sweep(lambda handle: ring.completions(1), started)
    assert [handle.result(5) for handle in handles] == [data] * MOST
    handles.clear()
    sweep(lambda handle: handle.result(), started)
    assert [handle.result(5) for handle in handles] == [data] * MOST
    handles.clear()
    gc.collect()
# Results that nobody asked for give their buffers back.
if pool:
    for _ in range(3):
        sweep(lambda handle: ring.completions(1), started)
        handles.clear()
        gc.collect()
    assert pool.available == len(pool)

# Streams: each byte, once, in order.
if pool:
    for options in ({}, {"copy": False}, {"bundle": True}):
        got = bytearray()
        stream = ring.recv_multishot(one, pool, **options)
        ring.submit()

        def taken():
            for part in stream.take():
                got.extend(bytes(part))

        def posted():
            two.send(data)
            ring.submit()
            ring.completions()
            return ()

        for place in range(MOST):
            posted()
            values = []
            try:
                set_nomemory(place, place + 1)
                try:
                    values = stream.take()
                finally:
                    remove_mem_hooks()
            except MemoryError:
                pass
            except SystemError as error:
                # CPython's own: a view made although memory had failed.
                assert "toreadonly" in str(error), error
            for part in values:
                got += bytes(part)
        for _ in range(100):
            if len(got) >= MOST * len(data):
                break
            try:
                ring.completions(1, timeout=0.05)
            except TimeoutError:
                pass
            taken()
        assert got == data * MOST, (options, len(got), MOST * len(data))
        stream.cancel()
        ring.completions()
        del stream
        gc.collect()

# Messages of another ring.
other = L.Ring(8)
arrived = []


def message():
    other.msg_ring(ring, 2**63 + 5, 1000).result()
    return ()


sweep(lambda: arrived.extend(ring.completions()), message)
arrived += ring.completions()
messages = [each for each in arrived if getattr(each, "name", "") == "message"]
assert len(messages) == MOST, len(messages)
assert all((each.user_data, each.res) == (2**63 + 5, 1000) for each in messages)

# Errors, batches, starting.
sweep(lambda handle: handle.result(), lambda: (ring.read(-1, 10),))
assert sweep(lambda: ring.nops(10).result())
sweep(lambda: ring.read(one, 600))
sweep(lambda: ring.recvmsg(one, [bytearray(8)]))
sweep(lambda: ring.timeout(0.0001).result())
sweep(lambda: ring.statx("/").result() if hasattr(ring, "statx") else ring.openat("/").result())
ring.cancel_all().result()
ring.close()

# Functions.
low = L.Ring()
L.io_uring_queue_init(8, low)


def cycle():
    sqe = L.io_uring_get_sqe(low)
    if sqe is None:
        L.io_uring_submit(low)
        sqe = L.io_uring_get_sqe(low)
    L.io_uring_prep_read(sqe, -1, bytearray(8), 0)
    sqe.user_data = 2**63 + 5
    L.io_uring_submit(low)
    cqe = L.Cqe()
    L.io_uring_wait_cqe(low, cqe)
    assert cqe[0].res in (-9, 0) and cqe[0].user_data in (2**63 + 5, 0)
    L.io_uring_cqe_seen(low, cqe[0])


assert sweep(cycle)
L.io_uring_queue_exit(low)
print("held")
