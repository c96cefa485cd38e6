"""Constants, and a queue that moves under a Cqe."""

import liburing as u


def test_constants():
    assert (u.AF_UNIX, u.O_CREAT, u.IORING_REGISTER_FILES_SKIP) == (1, 64, -2)
    assert u.io_uring_op.IORING_OP_READ == 22


def test_cqe_index_counts_from_the_fill():
    ring, cqe = u.Ring(), u.Cqe()
    u.io_uring_queue_init(8, ring)
    for tag in range(3):
        sqe = u.io_uring_get_sqe(ring)
        u.io_uring_prep_nop(sqe)
        sqe.user_data = tag
    u.io_uring_submit_and_wait(ring, 3)
    u.io_uring_wait_cqe(ring, cqe)
    u.io_uring_cqe_seen(ring, cqe[0])
    assert [cqe[i].user_data for i in range(3)] == [0, 1, 2]
    u.io_uring_peek_cqe(ring, cqe)
    assert [entry.user_data for entry in cqe] == [1, 2]
    u.io_uring_queue_exit(ring)
