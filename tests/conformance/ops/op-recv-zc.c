/*
 * RECV_ZC has no prep function: it is filled in by hand, and refused on a ring
 * without a receive queue. What it delivers needs a network card with header
 * split, which no test can ask for. Linux 6.15; Documentation/networking/iou-zcrx.rst.
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fds[2];

	need_op(IORING_OP_RECV_ZC, "RECV_ZC");
	tcp_pair(fds);
	must_init(4, &ring, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
		  IORING_SETUP_CQE32);
	CHECK_EQ(send(fds[0], "data", 4, 0), 4);
	sqe = sqe_of(&ring);
	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, fds[1], NULL, 0, 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->zcrx_ifq_idx = 0;
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("refused");
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
