/*
 * io_uring_peek_batch_cqe with a count of 0 finds nothing, and lets the kernel post
 * what overflowed. Linux 5.5.
 */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int i;

	need_io_uring();
	params.flags = IORING_SETUP_CQSIZE;
	params.cq_entries = 4;
	CHECK_EQ(io_uring_queue_init_params(4, &ring, &params), 0);
	if (!(ring.features & IORING_FEAT_NODROP))
		SKIP("this kernel drops completions");
	for (i = 0; i < 6; i++) {
		io_uring_prep_nop(sqe_of(&ring));
		CHECK_EQ(io_uring_submit(&ring), 1);
	}
	CHECK(io_uring_cq_has_overflow(&ring));
	/* With entries there the overflow waits. */
	io_uring_cq_advance(&ring, 3);
	CHECK_EQ(io_uring_peek_batch_cqe(&ring, NULL, 0), 0);
	RESULT("one left: ready %u", io_uring_cq_ready(&ring));
	CHECK_EQ(io_uring_cq_ready(&ring), 1);
	io_uring_cq_advance(&ring, 1);
	CHECK_EQ(io_uring_peek_batch_cqe(&ring, NULL, 0), 0);
	RESULT("none left: ready %u", io_uring_cq_ready(&ring));
	CHECK_EQ(io_uring_cq_ready(&ring), 2);
	CHECK(!io_uring_cq_has_overflow(&ring));
	CHECK_EQ(io_uring_peek_batch_cqe(&ring, &cqe, 1), 1);
	io_uring_queue_exit(&ring);
	return 0;
}
