"""What a program may do with memory and rings while operations are in flight:
each case in an interpreter of its own, plain, with a checking allocator, and with
the garbage collector at every step."""

import os
import subprocess
import sys

import pytest

START = """
import contextlib, errno, gc, os, select, signal, socket, sys, threading, time
import liburing as u
if os.environ.get("COLLECT"):
    gc.set_threshold(1, 1, 1)
r, w = os.pipe()
ring = u.Ring()
u.io_uring_queue_init(8, ring)
POSITION = 2**64 - 1

def start(prepare, *args, tag=1, flags=0, on=None):
    sqe = u.io_uring_get_sqe(on or ring)
    prepare(sqe, *args)
    sqe.user_data = tag
    sqe.flags = sqe.flags | flags
    return u.io_uring_submit(on or ring)

def finish(on=None):
    cqe = u.Cqe()
    u.io_uring_wait_cqe_timeout(on or ring, cqe, u.timespec(10))
    entry = cqe[0]
    u.io_uring_cqe_seen(on or ring, entry)
    return entry

@contextlib.contextmanager
def raises(*errors):
    try:
        yield
    except errors:
        return
    raise AssertionError("no exception")

def junk():
    # Takes what was freed, and shows whether anybody writes into it.
    gc.collect()
    return [bytearray(size) for size in (16, 64, 256, 4096) for _ in range(200)]

def clean(blocks):
    assert not any(any(block) for block in blocks)

def read(buf, tag=1, on=None):
    start(u.io_uring_prep_read, r, buf, POSITION, tag=tag, on=on)
"""

CASES = {
    "exit with a read in flight": """
read(bytearray(4096))
""",
    "exit in the middle of everything": """
keep = [u.Ring() for _ in range(4)]
for other in keep:
    u.io_uring_queue_init(8, other)
    for tag in range(6):
        read(bytearray(4096), tag, other)
u.io_uring_get_sqe(ring)
sys.exit(0)
""",
    "exit while a thread waits": """
threading.Thread(target=lambda: u.io_uring_wait_cqe(ring, u.Cqe()), daemon=True).start()
time.sleep(0.1)
""",
    "exit while threads go in and out of waits": """
def work():
    own = u.Ring()
    u.io_uring_queue_init(8, own)
    while True:
        start(u.io_uring_prep_nop, on=own)
        finish(own)
        with contextlib.suppress(OSError):
            u.io_uring_wait_cqe_timeout(own, u.Cqe(), u.timespec(0.0001))
class Slow:
    def __del__(self):
        time.sleep(0.05)
sys.modules["goes last"] = Slow()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
""",
    "the buffer is dropped": """
read(bytearray(4096))
blocks = junk()
os.write(w, b"x" * 4096)
assert finish().res == 4096
clean(blocks)
""",
    "the buffer is dropped before it is submitted": """
sqe = u.io_uring_get_sqe(ring)
u.io_uring_prep_read(sqe, r, bytearray(4096), POSITION)
del sqe
blocks = junk()
os.write(w, b"x" * 4096)
u.io_uring_submit(ring)
assert finish().res == 4096
clean(blocks)
""",
    "vectors and their list are dropped": """
parts = [bytearray(64) for _ in range(8)]
start(u.io_uring_prep_readv, r, u.Iovec(parts), POSITION)
del parts
blocks = junk()
os.write(w, b"x" * 512)
assert finish().res == 512
clean(blocks)
""",
    "a list is changed after it was given": """
parts = [bytearray(64) for _ in range(8)]
vector = u.Iovec(parts)
start(u.io_uring_prep_readv, r, vector, POSITION)
parts.clear()
vector._items.clear()
blocks = junk()
os.write(w, b"x" * 512)
assert finish().res == 512
clean(blocks)
""",
    "a bytearray is resized": """
buf = bytearray(4096)
read(buf)
for change in (buf.clear, lambda: buf.extend(bytes(10000)), buf.pop, lambda: buf.__delitem__(0)):
    with raises(BufferError):
        change()
os.write(w, b"data")
assert finish().res == 4 and buf[:4] == b"data"
buf.clear()
""",
    "a memoryview is released": """
buf = bytearray(64)
view = memoryview(buf)
read(view)
with raises(BufferError):
    view.release()
os.write(w, b"data")
assert finish().res == 4
view.release()
""",
    "a mapping is closed": """
import mmap
memory = mmap.mmap(-1, 4096)
read(memory)
with raises(BufferError):
    memory.close()
os.write(w, b"data")
assert finish().res == 4 and memory[:4] == b"data"
memory.close()
""",
    "a path is dropped": """
path = "/tmp/" + "no such folder/" * 20
for _ in range(8):
    start(u.io_uring_prep_open, "".join(list(path)), flags=u.IOSQE_ASYNC)
blocks = junk()
for _ in range(8):
    with raises(FileNotFoundError):
        finish().res
""",
    "a time and a statx are dropped": """
start(u.io_uring_prep_timeout, u.timespec(0.05), 0)
start(u.io_uring_prep_statx, u.Statx(), "/", flags=u.IOSQE_ASYNC)
blocks = junk()
assert {finish().flags, finish().flags} == {0}
clean(blocks)
""",
    "an address is dropped": """
with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
    start(u.io_uring_prep_accept, server.fileno(), u.Sockaddr())
    blocks = junk()
    start(u.io_uring_prep_connect, client.fileno(), u.Sockaddr(2, *server.getsockname()), tag=2)
    assert sorted([finish().res, finish().res])[0] == 0
    clean(blocks)
""",
    "a message is dropped": """
one, two = socket.socketpair()
parts = [bytearray(64), bytearray(64)]
start(u.io_uring_prep_recvmsg, one.fileno(), u.Msghdr(u.Sockaddr(), parts, bytearray(64)))
del parts
blocks = junk()
two.send(b"x" * 128)
assert finish().res == 128
clean(blocks)
""",
    "a message is changed": """
one, two = socket.socketpair()
message = u.Msghdr(iov=[bytearray(64)])
start(u.io_uring_prep_recvmsg, one.fileno(), message)
message.iov, message.name = [], None
blocks = junk()
two.send(b"x" * 64)
assert finish().res == 64
clean(blocks)
""",
    "multishot keeps its buffers": """
start(u.io_uring_prep_poll_multishot, r, select.POLLIN)
for _ in range(3):
    os.write(w, b"x")
    assert finish().flags & u.IORING_CQE_F_MORE
    os.read(r, 1)
one, two = socket.socketpair()
br = u.io_uring_setup_buf_ring(ring, 4, 1, 0, None)
for bid in range(4):
    u.io_uring_buf_ring_add(br, bytearray(256), bid, 3, bid)
u.io_uring_buf_ring_advance(br, 4)
start(u.io_uring_prep_recv_multishot, one.fileno(), tag=2, flags=0)
assert finish().flags & u.IORING_CQE_F_MORE == 0
sqe = u.io_uring_get_sqe(ring)
u.io_uring_prep_recv_multishot(sqe, one.fileno())
sqe.flags = u.IOSQE_BUFFER_SELECT
u.io_uring_sqe_set_buf_group(sqe, 1)
u.io_uring_submit(ring)
del br, sqe
blocks = junk()
for _ in range(4):
    two.send(b"y" * 256)
    assert finish().flags & u.IORING_CQE_F_MORE
clean(blocks)
""",
    "groups are unregistered while they are used": """
one, two = socket.socketpair()
br = u.io_uring_setup_buf_ring(ring, 2, 1, 0, None)
for bid in range(2):
    u.io_uring_buf_ring_add(br, bytearray(256), bid, 1, bid)
u.io_uring_buf_ring_advance(br, 2)
sqe = u.io_uring_get_sqe(ring)
u.io_uring_prep_recv(sqe, one.fileno())
sqe.flags = u.IOSQE_BUFFER_SELECT
u.io_uring_sqe_set_buf_group(sqe, 1)
u.io_uring_submit(ring)
u.io_uring_free_buf_ring(ring, br, 2, 1)
del br, sqe
blocks = junk()
two.send(b"y" * 256)
with raises(OSError):
    finish().res
clean(blocks)
""",
    "zero copy is kept until the notification": """
with socket.create_server(("127.0.0.1", 0)) as server:
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    start(u.io_uring_prep_send_zc, client.fileno(), bytearray(b"z" * 30000))
    blocks = junk()
    got = b""
    while len(got) < 30000:
        got += peer.recv(65536)
    assert got == b"z" * 30000
    first, second = finish(), finish()
    assert first.flags & u.IORING_CQE_F_MORE and second.flags & u.IORING_CQE_F_NOTIF
""",
    "provided buffers are kept after they were given": """
start(u.io_uring_prep_provide_buffers, bytearray(4096), 1, 7, 0)
assert finish().res == 0
blocks = junk()
sqe = u.io_uring_get_sqe(ring)
u.io_uring_prep_read(sqe, r, bytearray(1), POSITION)
u.io_uring_prep_recv(sqe, 0, None)
one, two = socket.socketpair()
u.io_uring_prep_recv(sqe, one.fileno())
sqe.flags = u.IOSQE_BUFFER_SELECT
u.io_uring_sqe_set_buf_group(sqe, 7)
u.io_uring_submit(ring)
two.send(b"x" * 4096)
assert finish().res == 4096
clean(blocks)
""",
    "registered buffers are unregistered while they are used": """
memory = bytearray(4096)
u.io_uring_register_buffers(ring, u.Iovec([memory]))
start(u.io_uring_prep_read_fixed, r, memoryview(memory), 0, POSITION)
u.io_uring_unregister_buffers(ring)
del memory
blocks = junk()
os.write(w, b"x" * 4096)
assert finish().res == 4096
clean(blocks)
""",
    "the ring is closed": """
buf = bytearray(4096)
read(buf)
u.io_uring_queue_exit(ring)
buf.extend(b"the kernel has let go")
os.write(w, b"x")
assert os.read(r, 1) == b"x" and not any(buf[:4096])
""",
    "the ring is dropped": """
fd = ring.ring_fd
buf = bytearray(4096)
read(buf)
cqe = u.Cqe()
with raises(BlockingIOError):
    u.io_uring_peek_cqe(ring, cqe)
del ring
gc.collect()
buf.extend(b"the kernel has let go")
with raises(OSError):
    os.fstat(fd)
os.write(w, b"x")
assert os.read(r, 1) == b"x" and not any(buf[:4096])
""",
    "an entry is used after it was submitted": """
sqe = u.io_uring_get_sqe(ring)
u.io_uring_prep_nop(sqe)
sqe.user_data = 5
u.io_uring_submit(ring)
for use in (
    lambda: u.io_uring_prep_nop(sqe), lambda: setattr(sqe, "user_data", 1),
    lambda: setattr(sqe, "flags", 1), lambda: u.io_uring_prep_read(sqe, r, bytearray(9)),
    lambda: u.io_uring_sqe_set_buf_group(sqe, 1), lambda: u.io_uring_prep_send_set_addr(
        sqe, u.Sockaddr(2, "127.0.0.1", 1)),
):
    with raises(RuntimeError):
        use()
assert sqe.user_data == 5
# Another entry never has its place.
for _ in range(50):
    other = u.io_uring_get_sqe(ring)
    assert other is not sqe
    u.io_uring_prep_nop(other)
    u.io_uring_submit(ring)
    finish()
with raises(RuntimeError):
    u.io_uring_prep_nop(sqe)
""",
    "objects are used after the ring was closed": """
sqe, spare, cqe = u.io_uring_get_sqe(ring), u.io_uring_get_sqe(ring), u.Cqe()
u.io_uring_prep_nop(sqe)
u.io_uring_submit(ring)
u.io_uring_wait_cqe(ring, cqe)
entry = cqe[0]
left = u.io_uring_get_sqe(ring)
u.io_uring_queue_exit(ring)
for use in (
    lambda: u.io_uring_prep_nop(left), lambda: setattr(left, "user_data", 1),
    lambda: u.io_uring_get_sqe(ring), lambda: u.io_uring_submit(ring), lambda: entry.res,
    lambda: cqe[0], lambda: cqe[1], lambda: u.io_uring_cqe_seen(ring, entry),
    lambda: entry.user_data, lambda: u.io_uring_queue_exit(ring),
    lambda: u.io_uring_wait_cqe(ring, cqe), lambda: u.io_uring_cq_ready(ring),
):
    with raises(RuntimeError):
        use()
# A new life of the ring is no new life of theirs.
u.io_uring_queue_init(8, ring)
with raises(RuntimeError):
    entry.res
with raises(RuntimeError):
    u.io_uring_prep_nop(left)
""",
    "a ring that was never made": """
blank = u.Ring()
for use in (
    u.io_uring_get_sqe, u.io_uring_submit, u.io_uring_cq_ready, u.io_uring_sq_ready,
    u.io_uring_enable_rings, u.io_uring_ring_dontfork, u.io_uring_unregister_files,
    u.io_uring_queue_exit, u.io_uring_load_sq_head, u.io_uring_cq_has_overflow,
    lambda ring: u.io_uring_wait_cqe(ring, u.Cqe()), u.io_uring_cqe_iter_init,
    lambda ring: u.io_uring_clone_buffers(ring, ring),
    lambda ring: u.io_uring_setup_buf_ring(ring, 2, 1, 0, None),
    lambda ring: u.put_sqe(ring, u.Sqe()), lambda ring: u.io_uring_cq_advance(ring, 1),
):
    with raises(RuntimeError):
        use(blank)
""",
    "a completion is seen, again and again": """
for tag in range(4):
    start(u.io_uring_prep_nop, tag=tag)
cqe = u.Cqe()
u.io_uring_wait_cqe_nr(ring, cqe, 4)
entries = [cqe[i] for i in range(4)]
for _ in range(3):
    for entry in entries:
        u.io_uring_cqe_seen(ring, entry)
u.io_uring_cq_advance(ring, 2**32 - 1)
assert [entry.user_data for entry in entries] == [0, 1, 2, 3]
assert [cqe[i].user_data for i in range(4)] == [0, 1, 2, 3]
with raises(IndexError):
    cqe[4]
with raises(IndexError):
    cqe[-1]
start(u.io_uring_prep_nop, tag=9)
assert finish().user_data == 9
with raises(IndexError, BlockingIOError):
    u.io_uring_peek_cqe(ring, cqe)
""",
    "views are not shared": """
held = []
for tag in range(40):
    start(u.io_uring_prep_nop, tag=tag)
    held.append(finish())
assert [entry.user_data for entry in held] == list(range(40))
""",
    "a child of fork": """
buf = bytearray(64)
read(buf)
sqe = u.io_uring_get_sqe(ring)
u.io_uring_prep_nop(sqe)
child = os.fork()
if child == 0:
    code = 1
    try:
        for use in (
            u.io_uring_submit, u.io_uring_get_sqe, u.io_uring_cq_ready,
            lambda ring: u.io_uring_wait_cqe(ring, u.Cqe()), u.io_uring_enable_rings,
        ):
            with raises(RuntimeError):
                use(ring)
        del ring, sqe, buf
        gc.collect()
        own = u.Ring()
        u.io_uring_queue_init(4, own)
        start(u.io_uring_prep_nop, on=own, tag=8)
        assert finish(own).user_data == 8
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
os.write(w, b"data")
assert finish().res == 4 and buf[:4] == b"data"
assert u.io_uring_submit(ring) == 1 and finish().res == 0
""",
    "a child that closes the ring and exits as usual": """
buf = bytearray(64)
read(buf)
child = os.fork()
if child == 0:
    u.io_uring_queue_exit(ring)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
os.write(w, b"data")
assert finish().res == 4 and buf[:4] == b"data"
""",
    "a signal ends a wait": """
def stop(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, stop)
buf = bytearray(64)
read(buf)
for wait in (
    lambda: u.io_uring_wait_cqe(ring, u.Cqe()), lambda: u.io_uring_submit_and_wait(ring, 1),
    lambda: u.io_uring_wait_cqes(ring, u.Cqe(), 1, u.timespec(20)),
):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with raises(KeyboardInterrupt):
        wait()
# Nothing was lost.
os.write(w, b"data")
assert finish().res == 4 and buf[:4] == b"data"
""",
    "a second thread is refused, the first goes on": """
errors = []
def other():
    for use in (u.io_uring_submit, u.io_uring_get_sqe, u.io_uring_queue_exit):
        try:
            use(ring)
        except RuntimeError as error:
            errors.append(error)
    os.write(w, b"x")
buf = bytearray(1)
read(buf)
threading.Timer(0.1, other).start()
cqe = u.Cqe()
u.io_uring_wait_cqe(ring, cqe)
assert cqe[0].res == 1 and len(errors) >= 2
""",
    "threads with a ring each, and one ring for all": """
def work():
    own = u.Ring()
    u.io_uring_queue_init(8, own)
    for tag in range(300):
        start(u.io_uring_prep_nop, on=own, tag=tag)
        assert finish(own).user_data == tag
        with contextlib.suppress(RuntimeError, OSError, IndexError):
            start(u.io_uring_prep_read, r, bytearray(64), tag=5)
            u.io_uring_cq_advance(ring, 1)
    u.io_uring_queue_exit(own)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""",
    "read-only memory": """
import mmap
for memory in (b"bytes", memoryview(b"view"), mmap.mmap(-1, 4096, prot=mmap.PROT_READ)):
    sqe = u.Sqe()
    for prepare, *args in (
        (u.io_uring_prep_read, r, memory), (u.io_uring_prep_recv, r, memory),
        (u.io_uring_prep_readv, r, u.Iovec([memory])), (u.getsockopt, r, 1, 3, memory),
        (u.io_uring_prep_fgetxattr, r, "user.x", memory, 1),
        (u.io_uring_prep_provide_buffers, memory, 1, 1, 1), (u.io_uring_prep_pipe, memory, 0),
        (u.io_uring_prep_recvmsg, r, u.Msghdr(iov=[memory])),
    ):
        with raises(TypeError):
            prepare(sqe, *args)
    with raises(TypeError):
        u.io_uring_register_buffers(ring, u.Iovec([memory]))
""",
    "memory in pieces": """
pieces = memoryview(bytearray(64))[::2]
for prepare in (u.io_uring_prep_read, u.io_uring_prep_write):
    with raises(BufferError):
        prepare(u.Sqe(), r, pieces)
""",
    "attributes of ours are changed": """
stat, time_, place = u.Statx(), u.timespec(1), u.Sockaddr()
stat._memory = bytearray(10)
time_._memory = bytearray(3)
place._memory = bytearray(8)
for prepare, *args in (
    (u.io_uring_prep_statx, stat, "/"), (u.io_uring_prep_timeout, time_, 0),
    (u.io_uring_prep_accept, 0, place), (u.io_uring_prep_connect, 0, place),
):
    with raises(ValueError):
        prepare(u.Sqe(), *args)
time_._memory = stat._memory = "text"
with raises(TypeError):
    u.io_uring_prep_timeout(u.Sqe(), time_, 0)
""",
    "a completion queue that overflows": """
for tag in range(100):
    start(u.io_uring_prep_nop, tag=tag)
assert [finish().user_data for _ in range(100)] == list(range(100))
""",
    "modules are taken apart": """
read(bytearray(4096))
u.__dict__.clear()
sys.modules.clear()
""",
}


WAYS = {
    "plain": {},
    "debug": {"PYTHONMALLOC": "debug"},
    "collect": {"COLLECT": "1"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_lifetime(case, way):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore::ResourceWarning", "-c",
         START + CASES[case]],
        capture_output=True, text=True, timeout=50, env=os.environ | WAYS[way],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
