# Who can map a ring's descriptor can forge its entries and completions. Since Linux
# 6.5 the memory is the module's alone.
from common import *

OFFSETS = 0, 0x8000000, 0x10000000
pages = mmap.PAGESIZE
first, param = L.Ring(), L.Param()
L.io_uring_queue_init(8, first)
if L.engine_of(first.ring_fd)[0] == "kernel":
    try:
        with mmap.mmap(L.io_uring_setup(8, param), pages) as _:
            print("held\nskipped: this kernel has no IORING_SETUP_NO_MMAP\nheld")
            sys.exit()
    except (OSError, ValueError):
        pass
rings = [L.Ring(8), L.Ring(64), L.Ring(8, flags=L.IORING_SETUP_SINGLE_ISSUER | L.IORING_SETUP_DEFER_TASKRUN)]
mapped = 0
for fd in [ring.ring_fd for ring in [first, *rings]]:
    for offset in OFFSETS:
        try:
            mmap.mmap(fd, pages, offset=offset).close()
            mapped += 1
        except (OSError, ValueError):
            pass
resized = L.Ring()
L.io_uring_queue_init(8, resized, L.IORING_SETUP_SINGLE_ISSUER | L.IORING_SETUP_DEFER_TASKRUN)
for entries in (64, 16, 128, 8):
    p = L.Param()
    p.sq_entries, p.cq_entries, p.flags = entries, entries * 2, L.IORING_SETUP_CQSIZE
    try:
        L.io_uring_resize_rings(resized, p)
    except OSError as error:
        assert L.engine_of(resized.ring_fd)[0] != "kernel" or error.errno == 22, error
        break
    for _ in range(entries // 8):
        for tag in range(8):
            sqe = L.io_uring_get_sqe(resized)
            L.io_uring_prep_nop(sqe)
            sqe.user_data = tag + 1
        L.io_uring_submit_and_wait(resized, 8)
        cqe = L.Cqe()
        for tag in range(8):
            L.io_uring_wait_cqe(resized, cqe)
            assert cqe[0].user_data == tag + 1
            L.io_uring_cqe_seen(resized, cqe[0])
    for offset in OFFSETS:
        try:
            mmap.mmap(resized.ring_fd, pages, offset=offset).close()
            mapped += 1
        except (OSError, ValueError):
            pass
assert not mapped, mapped
print("held")
