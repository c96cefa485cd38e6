/* peek_batch gives pointers in order and consumes nothing. */
#include "one.h"

int main(void)
{
	struct io_uring_cqe *cqes[8];
	struct io_uring ring;
	int i, round;

	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_peek_batch_cqe(&ring, cqes, 8), 0);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 3; i++) {
			struct io_uring_sqe *sqe = sqe_of(&ring);

			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, (__u64) i);
		}
		CHECK_EQ(io_uring_submit(&ring), 3);
		CHECK_EQ(io_uring_peek_batch_cqe(&ring, cqes, 0), 0);
		CHECK_EQ(io_uring_peek_batch_cqe(&ring, cqes, 2), 2);
		CHECK_EQ(io_uring_peek_batch_cqe(&ring, cqes, 8), 3);
		for (i = 0; i < 3; i++)
			CHECK_EQ(cqes[i]->user_data, i);
		io_uring_cq_advance(&ring, 3);
	}
	RESULT("batches");
	io_uring_queue_exit(&ring);
	return 0;
}
