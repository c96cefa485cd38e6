/*
 * nop128 and uring_cmd128 need a ring with large SQEs. Newer than Linux 6.18;
 * io_uring_setup(2) under IORING_SETUP_SQE_MIXED.
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int ret;

	need_op(IORING_OP_NOP128, "NOP128");
	ret = io_uring_queue_init(4, &ring, IORING_SETUP_SQE_MIXED);
	skip_if_old(ret, "SQE_MIXED");
	CHECK_EQ(ret, 0);
	sqe = io_uring_get_sqe128(&ring);
	CHECK(sqe != NULL);
	io_uring_prep_nop128(sqe);
	CHECK_EQ(io_uring_submit(&ring), 2);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	sqe = io_uring_get_sqe128(&ring);
	CHECK(sqe != NULL);
	io_uring_prep_uring_cmd128(sqe, 1, 0);
	CHECK(io_uring_submit(&ring) > 0);
	CHECK(take(&ring, NULL, NULL) < 0);
	io_uring_queue_exit(&ring);
	return 0;
}
