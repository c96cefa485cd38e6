"""Nanoseconds per NOP through the function tier, for a batch size.

    python nop.py BATCH ROUNDS
"""

import sys
import time

import liburing as u

batch, rounds = int(sys.argv[1]), int(sys.argv[2])
ring, cqe = u.Ring(), u.Cqe()
u.io_uring_queue_init(64, ring)


def turn():
    for _ in range(batch):
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_nop(sqe)
        sqe.user_data = 1
    u.io_uring_submit(ring)
    for _ in range(batch):
        u.io_uring_wait_cqe(ring, cqe)
        entry = cqe[0]
        entry.res
        u.io_uring_cqe_seen(ring, entry)


best = []
for _ in range(7):
    start = time.perf_counter_ns()
    for _ in range(rounds):
        turn()
    best.append((time.perf_counter_ns() - start) / rounds / batch)
print(f"{sorted(best)[3]:.0f}")
u.io_uring_queue_exit(ring)
