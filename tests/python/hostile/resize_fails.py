# A resize for which memory is too short after the kernel's half: calls on the ring end, and
# nothing of it is used wrongly.
from common import *
import resource

made = L.Ring()
param = L.io_uring_params()
param.flags = L.IORING_SETUP_SINGLE_ISSUER | L.IORING_SETUP_DEFER_TASKRUN
L.io_uring_queue_init_params(8, made, param)
_, hard = resource.getrlimit(resource.RLIMIT_AS)


def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


failed = 0
for room in range(0, 6 << 20, 64 << 10):
    sizes = L.io_uring_params()
    sizes.flags = L.IORING_SETUP_CQSIZE
    sizes.sq_entries, sizes.cq_entries = 16384, 32768
    resource.setrlimit(resource.RLIMIT_AS, (used() + room, hard))
    try:
        L.io_uring_resize_rings(made, sizes)
        break
    except (MemoryError, OSError):
        failed += 1
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    # More than the queue has room for.
    for _ in range(20):
        sqe = L.io_uring_get_sqe(made)
        if sqe is None:
            break
        L.io_uring_prep_nop(sqe)
    try:
        L.io_uring_submit(made)
    except OSError:
        pass
assert failed, "no resize failed"
print("held")
