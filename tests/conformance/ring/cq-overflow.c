/* More completions than the queue holds: none is lost. Linux 5.5. */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring_cqe *cqes[4];
	struct io_uring ring;
	int i, got = 0;

	need_io_uring();
	params.flags = IORING_SETUP_CQSIZE;
	params.cq_entries = 4;
	CHECK_EQ(io_uring_queue_init_params(4, &ring, &params), 0);
	if (!(ring.features & IORING_FEAT_NODROP))
		SKIP("this kernel drops completions");
	for (i = 0; i < 20; i++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, (__u64) i);
		CHECK(io_uring_submit(&ring) == 1);
	}
	CHECK(io_uring_cq_has_overflow(&ring));
	while (got < 20) {
		unsigned count = io_uring_peek_batch_cqe(&ring, cqes, 4), j;

		CHECK(count > 0);
		for (j = 0; j < count; j++)
			CHECK_EQ(cqes[j]->user_data, got++);
		io_uring_cq_advance(&ring, count);
	}
	CHECK(!io_uring_cq_has_overflow(&ring));
	RESULT("all %d", got);
	io_uring_queue_exit(&ring);
	return 0;
}
