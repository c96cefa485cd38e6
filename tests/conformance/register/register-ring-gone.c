/*
 * A ring whose descriptor was closed and whose index was given back is gone, its mappings
 * are the program's until io_uring_queue_exit(3). Linux 6.3;
 * io_uring_close_ring_fd(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int round, ret;

	for (round = 0; round < 20; round++) {
		must_init(8, &ring, 0);
		ret = io_uring_register_ring_fd(&ring);
		if (ret == -EINVAL)
			SKIP("this kernel registers no rings");
		CHECK_EQ(ret, 1);
		ret = io_uring_close_ring_fd(&ring);
		if (ret == -EINVAL)
			SKIP("this kernel needs the descriptor");
		CHECK_EQ(ret, 1);
		io_uring_prep_nop(sqe_of(&ring));
		CHECK_EQ(run_one(&ring), 0);
		CHECK_EQ(io_uring_unregister_ring_fd(&ring), 1);
		sqe = sqe_of(&ring);
		io_uring_prep_nop(sqe);
		sqe->user_data = 7;
		CHECK_EQ(io_uring_submit(&ring), -EBADF);
		CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
		CHECK_EQ(*ring.cq.khead, 1);
		CHECK_EQ(ring.sq.sqes[1].user_data, 7);
		if (round % 2)
			sqe->user_data = 0;
		io_uring_queue_exit(&ring);
	}
	return 0;
}
