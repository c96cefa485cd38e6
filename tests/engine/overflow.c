/* 10,000 completions into a queue of 8: none is lost, their order is kept, flags tell. */
#include "engine.h"

int main(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE, .cq_entries = 8 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	__u64 at, next = 0;

	CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), 0);
	for (at = 0; at < 10000; at++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (!sqe) {
			CHECK_EQ(io_uring_submit(&ring), 8);
			sqe = sqe_of(&ring);
		}
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, at);
	}
	CHECK_EQ(io_uring_submit(&ring), 8);
	CHECK(io_uring_cq_has_overflow(&ring));
	CHECK_EQ(io_uring_cq_ready(&ring), 8);
	while (next < 10000) {
		CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
		CHECK_EQ(cqe->user_data, next);
		next++;
		io_uring_cqe_seen(&ring, cqe);
	}
	CHECK(!io_uring_cq_has_overflow(&ring));
	CHECK_EQ(*ring.cq.koverflow, 0);
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
	io_uring_queue_exit(&ring);
	return 0;
}
