"""The object tier's lifetimes, each in an interpreter of its own: plain, with a
checking allocator, and with the garbage collector at every turn."""

import gc
import os
import subprocess
import sys

import pytest

import liburing as u

START = """
import os, gc, liburing as u
r, w = os.pipe()
ring = u.Ring(8)
op = ring.read(r, 4096)
ring.submit()
"""
CASES = {
    "everything in flight at exit": """
pool = ring.buffer_pool(4, 100)
keep = [ring.read_multishot(r, pool), ring.read_batch([r] * 9, bytearray(9), None, 1),
        ring.timeout(100), ring.poll_multishot(r), ring.futex_wait(bytearray(4), 0)]
ring.submit()
print('ok')""",
    "close with everything in flight": """
buffer = bytearray(100)
keep = [ring.read(r, buffer), ring.read_batch([r] * 9, bytearray(9), None, 1), ring.timeout(100)]
ring.submit()
ring.close()
buffer.clear()
os.write(w, b'x' * 50)
assert os.read(r, 99) == b'x' * 50 and op.exception() and keep[0].done and keep[1].done
print('ok')""",
    "a ring and its handles hold each other": """
op2 = ring.read(r, bytearray(100), user_data=[ring, op])
op2.user_data.append(op2)
ring.submit()
fd = ring.ring_fd
del ring, op, op2
gc.collect()
try: os.fstat(fd)
except OSError: print('ok')""",
    "a registered buffer goes while it is used": """
memory = bytearray(4096)
(part,) = ring.register_buffers([memory])
last = ring.read(r, part)
ring.submit()
ring.unregister_buffers()
del memory, part
gc.collect()
junk = [bytearray(4096) for _ in range(50)]
op.cancel()
os.write(w, b'x' * 4096)
last.wait(5)
assert not any(any(j) for j in junk)
print('ok')""",
    "a pool goes while it is used": """
pool = ring.buffer_pool(2, 100)
stream = ring.read_multishot(r, pool, copy=False)
op.cancel()
os.write(w, b'y' * 100)
view = next(stream)
pool.close()
del pool, stream
ring.close()
del ring
gc.collect()
assert bytes(view) == b'y' * 100
print('ok')""",
    "a child leaves its parent's ring alone": """
pid = os.fork()
if pid == 0:
    try: op.result()
    except RuntimeError: pass
    del ring, op
    gc.collect()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
os.write(w, b'z')
assert op.result() == b'z'
print('ok')""",
    "results of a batch outlive it": """
batch = ring.nops(1000)
view = batch.result()
del batch
ring.close()
gc.collect()
assert sum(view) == 0 and len(view) == 1000
print('ok')""",
}
WAYS = {"plain": ("malloc", ""), "debug": ("debug", ""), "collect": ("malloc", "import gc; gc.set_threshold(1)\n")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_lifetime(case, way):
    allocator, before = WAYS[way]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", before + START + CASES[case]],
        capture_output=True, text=True, timeout=40, env=os.environ | {"PYTHONMALLOC": allocator},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_more_memory_than_there_is():
    """Sizes a program chose fail with an exception, and with nothing else."""
    program = """
import liburing, resource, socket
ring = liburing.Ring(8)
a, b = socket.socketpair()
# Beyond what is in use; not with a limit, since Python itself uses threads' stacks.
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)
def refused(call, *errors):
    try:
        call()
    except errors:
        return
    raise AssertionError("not refused")
refused(lambda: ring.recvmsg(a, 10, 1 << 30), MemoryError)
refused(lambda: ring.recvmsg(a, 10, 1 << 40), ValueError)
refused(lambda: ring.recvmsg(a, 10, 1 << 63), ValueError, OverflowError)
refused(lambda: ring.buffer_pool(32768, 1 << 30), MemoryError)
refused(lambda: ring.buffer_pool(1024, 1 << 20), MemoryError)
refused(lambda: ring.read(a, 1 << 30), MemoryError)
b.send(b"x")
assert ring.recvmsg(a, 10, 64).result()[0] == b"x"
assert len(ring.buffer_pool(4, 64)) == 4
ring.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_a_ring_is_kept_until_its_message_is_sent():
    """Otherwise the message goes to whatever has its descriptor's number by then."""
    ring = u.Ring(8)
    target = u.Ring(8)
    number = target.ring_fd
    message = ring.msg_ring(target, 7)
    del target
    gc.collect()
    os.fstat(number)
    other = u.Ring(8)
    assert other.ring_fd != number
    assert message.result() == 0
    del message
    ring.completions()
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(number)
    assert other.completions() == []


def test_rings_with_messages_for_each_other_are_collected():
    one, two = u.Ring(8), u.Ring(8)
    numbers = one.ring_fd, two.ring_fd
    one.msg_ring(two, 1), two.msg_ring(one, 2)
    del one, two
    gc.collect()
    for number in numbers:
        with pytest.raises(OSError):
            os.fstat(number)
