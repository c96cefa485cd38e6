# Another ring, or a file of the program's, behind a ring's descriptor: nothing that
# is registered may reach the other one, and the program's file is not closed.
from common import *
import socket

other = L.Ring()
L.io_uring_queue_init(8, other)
if L.engine_of(other.ring_fd)[0] == "userspace":
    # There a ring whose descriptor is another file ends at the next call.
    ending = (OSError, RuntimeError)
else:
    ending = OSError


def refused(call, *args):
    try:
        call(*args)
    except ending as error:
        return
    raise SystemExit(f"{call} reached another ring")


def select(group):
    """What a receive of the other ring finds in a group of provided buffers."""
    one, two = socket.socketpair()
    two.send(b"A" * SIZE)
    sqe = L.io_uring_get_sqe(other)
    L.io_uring_prep_recv(sqe, one.fileno(), None, 0)
    sqe.flags = L.IOSQE_BUFFER_SELECT
    L.io_uring_sqe_set_buf_group(sqe, group)
    L.io_uring_submit(other)
    cqe = L.Cqe()
    L.io_uring_wait_cqe(other, cqe)
    L.io_uring_cqe_seen(other, cqe[0])


for number in range(3):
    ring = L.Ring()
    L.io_uring_queue_init(8, ring)
    br = L.io_uring_setup_buf_ring(ring, 4, 7, 0)
    L.io_uring_buf_ring_add(br, bytearray(SIZE), SIZE, 0, L.io_uring_buf_ring_mask(4), 0)
    L.io_uring_buf_ring_advance(br, 1)
    fd = ring.ring_fd
    file = os.open("/dev/null", os.O_RDWR)
    os.dup2(other.ring_fd if number else file, fd)
    if number == 2:
        # What the program has there goes on.
        L.io_uring_queue_exit(ring)
        os.fstat(fd)
        os.close(fd)
        continue
    refused(L.io_uring_setup_buf_ring, ring, 4, 9, 0)
    refused(L.io_uring_register_buffers, ring, L.Iovec([bytearray(SIZE)]), 1)
    refused(L.io_uring_unregister_buf_ring, ring, 7)
    refused(L.io_uring_free_buf_ring, ring, br, 4, 7)
    refused(L.io_uring_register_ring_fd, ring)
    refused(L.io_uring_register_eventfd, ring, 1)
    L.io_uring_queue_exit(ring)
    del ring, br
    gc.collect()
    z = heap()
    for group in (7, 9):
        select(group)
    c = changed(z)
    assert not c, c
    os.fstat(fd)
    os.close(fd)

# The tier of objects, and a pool of it.
ring = L.Ring(8)
pool = ring.buffer_pool(4, SIZE)
os.dup2(other.ring_fd, ring.ring_fd)
refused(lambda: ring.register_buffers([bytearray(SIZE)]))
refused(lambda: ring.buffer_pool(4, SIZE))
ring.close()
del pool, ring
gc.collect()
z = heap()
for group in range(3):
    select(group)
c = changed(z)
assert not c, c
print("held")
