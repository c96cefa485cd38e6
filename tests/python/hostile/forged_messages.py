# A program of one process forges completions of its own requests: with numbers it
# can read or guess, through each way that posts a completion with a chosen tag.
from common import *
import asyncio, re, socket
import liburing.aio as A

other = L.Ring(256)
probe = L.Ring()
L.io_uring_queue_init(2, probe)
# Only the kernel shows what is in flight on a ring.
KERNEL = os.readlink(f"/proc/self/fd/{probe.ring_fd}") == "anon_inode:[io_uring]"
L.io_uring_queue_exit(probe)


def seen(fd):
    """The tags that /proc shows of a ring."""
    with open(f"/proc/self/fdinfo/{fd}") as shown:
        return {int(tag) for tag in re.findall(r"user_data:(\d+)", shown.read())}


def refused(call):
    try:
        call()
    except ValueError:
        return
    raise SystemExit("taken: a completion was forged")


def no_number(handle):
    for name in dir(handle):
        if name.startswith("__") or name in ("res", "flags", "state"):
            continue
        try:
            value = getattr(handle, name)
        except RuntimeError:
            continue
        assert not isinstance(value, int) or value < 1 << 20, (name, value)
    assert not re.search(r"\d{8}", repr(handle)), repr(handle)


# The tag of a multishot operation stands in its completions that were not taken.
ring = L.Ring()
L.io_uring_queue_init(8, ring)
server = socket.create_server(("127.0.0.1", 0))
sqe = L.io_uring_get_sqe(ring)
L.io_uring_prep_multishot_accept(sqe, server.fileno())
L.io_uring_sqe_set_data64(sqe, 77)
L.io_uring_submit(ring)
clients = [socket.create_connection(server.getsockname())]
time.sleep(0.05)
if KERNEL:
    known = seen(ring.ring_fd)
    assert known and 77 not in known
    for tag in known:
        refused(lambda: other.msg_ring(ring.ring_fd, tag, 5))
        refused(lambda: other.msg_ring(ring.ring_fd, tag, 5, flags=0))
        entry = L.io_uring_get_sqe(ring)
        refused(lambda: L.io_uring_prep_msg_ring(entry, ring.ring_fd, 5, tag, 0))
        refused(lambda: L.io_uring_prep_msg_ring_cqe_flags(entry, ring.ring_fd, 5, tag, 0, 0))
        refused(lambda: L.io_uring_prep_msg_ring_fd(entry, ring.ring_fd, 0, 0, tag, 0))
        refused(lambda: L.io_uring_prep_msg_ring_fd_alloc(entry, ring.ring_fd, 0, tag, 0))
        refused(lambda: ring._core.buffers([bytearray(64)], [tag]))
        refused(lambda: ring._core.update_buffers(0, [bytearray(64)], [tag]))
cqe = L.Cqe()
L.io_uring_wait_cqe(ring, cqe)
assert cqe[0].user_data == 77
os.close(cqe[0].res)
L.io_uring_cqe_seen(ring, cqe)
clients.append(socket.create_connection(server.getsockname()))
L.io_uring_wait_cqe(ring, cqe)
assert cqe[0].user_data == 77
os.close(cqe[0].res)
L.io_uring_cqe_seen(ring, cqe)

# A message that is no request's arrives as it was sent.
for tag in (0, 77, 1 << 24, 2**64 - 1, 2**64 - 2):
    other.msg_ring(ring.ring_fd, tag, 9).result()
    L.io_uring_wait_cqe(ring, cqe)
    assert (cqe[0].user_data, cqe[0].res) == (tag, 9)
    L.io_uring_cqe_seen(ring, cqe)

# Entries that wait in the queue of a ring that was not started.
off = L.Ring()
L.io_uring_queue_init(8, off, L.IORING_SETUP_R_DISABLED)
r, w = os.pipe()
buffer = bytearray(SIZE)
sqe = L.io_uring_get_sqe(off)
L.io_uring_prep_read(sqe, r, buffer, 0)
try:
    L.io_uring_submit(off)
except OSError:
    pass
if KERNEL:
    known = seen(off.ring_fd)
    for tag in known:
        refused(lambda: other.msg_ring(off.ring_fd, tag, SIZE))
    # What is known of some says nothing of the next.
    assert not known & {tag + step for tag in known for step in (1, 1 << 20, 1 << 24, 1 << 32)}
L.io_uring_enable_rings(off)

# Numbers that earlier versions used: counters in all the places.
GUESSES = [
    high << shift | low
    for shift in (20, 24, 32, 40)
    for high in range(1, 40)
    for low in range(4)
] + [2**64 - n for n in range(1, 12)]


def guess(fd):
    for start in range(0, len(GUESSES), 100):
        for tag in GUESSES[start : start + 100]:
            other.msg_ring(fd, tag, SIZE)
        other.submit()
        other.completions()


r2, w2 = os.pipe()
objects = L.Ring(64)
kept = bytearray(SIZE)
pending = objects.read(r2, kept)
no_number(pending)
stream = objects.poll_multishot(r2)
no_number(stream)
batch = objects.reads([r2, r2], [bytearray(8), bytearray(8)]) if hasattr(objects, "reads") else None
objects.submit()
guess(objects.ring_fd)
objects.completions()
assert not pending.done
del pending
gc.collect()
bystanders = heap()
os.write(w2, b"A" * SIZE)
time.sleep(0.05)
objects.nop().result()
assert not changed(bystanders)


async def loop_tier():
    loop = asyncio.get_running_loop()
    r3, w3 = os.pipe()
    task = asyncio.ensure_future(A.read(r3, SIZE))
    await asyncio.sleep(0.01)
    proactor = loop._proactor
    before = proactor.ignored
    guess(proactor.fd)
    await asyncio.sleep(0.05)
    assert not task.done()
    if KERNEL:
        assert proactor.ignored > before, "no forged completion arrived"
        for tag in seen(proactor.fd):
            refused(lambda: other.msg_ring(proactor.fd, tag, 5))
    os.write(w3, b"B" * SIZE)
    assert await task == b"B" * SIZE


A.run(loop_tier())
print("held")
