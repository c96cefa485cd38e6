# A child has its parent's descriptors, and the addresses in the parent's queue are
# those of objects of its own by then: it may not have the kernel take them.
from common import *

ring, spare = L.Ring(), L.Ring()
for each in ring, spare:
    L.io_uring_queue_init(8, each)
bare, param = None, L.Param()
if L.engine_of(ring.ring_fd)[0] == "kernel":
    bare = L.io_uring_setup(8, param)
r, w = os.pipe()
block = bytearray(SIZE)
sqe = L.io_uring_get_sqe(ring)
L.io_uring_prep_read(sqe, r, block, 0)
# In the queue, and not taken: the number of entries that are asked for is 0.
pid = os.fork()
if pid == 0:
    numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    for fd in numbers:
        try:
            if "io_uring" not in os.readlink(f"/proc/self/fd/{fd}"):
                continue
        except OSError:
            continue
        for call in (
            lambda: L.io_uring_enter(fd, 8, 0, 0, None),
            lambda: L.io_uring_enter(fd, 0, 0, L.IORING_ENTER_GETEVENTS, None),
            lambda: L.io_uring_register(fd, L.IORING_UNREGISTER_BUFFERS, None, 0),
        ):
            try:
                call()
                os._exit(2)
            except (RuntimeError, OSError):
                pass
    # The parent's ring behind the descriptor of one of our own.
    own = L.Ring()
    L.io_uring_queue_init(8, own)
    for fd in numbers:
        try:
            if "io_uring" not in os.readlink(f"/proc/self/fd/{fd}"):
                continue
        except OSError:
            continue
        os.dup2(fd, own.ring_fd)
        L.io_uring_prep_nop(L.io_uring_get_sqe(own))
        try:
            L.io_uring_submit(own)
            os._exit(3)
        except (RuntimeError, OSError):
            pass
    try:
        L.io_uring_submit(ring)
        os._exit(4)
    except RuntimeError:
        os._exit(0)
_, status = os.waitpid(pid, 0)
assert status == 0, status
L.io_uring_submit(ring)
os.write(w, b"x")
cqe = L.Cqe()
L.io_uring_wait_cqe(ring, cqe)
assert cqe[0].res == 1 and block[:1] == b"x"
print("held")
