/* CLAMP, CQSIZE, and the large element flags. Linux 5.19. */
#include "one.h"

int main(void)
{
	struct io_uring_params params;
	struct io_uring ring;
	int ret;

	need_io_uring();
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_CLAMP;
	ret = io_uring_queue_init_params(100000, &ring, &params);
	if (ret == -ENOMEM)
		SKIP("no memory for the largest ring");
	CHECK_EQ(ret, 0);
	CHECK_EQ(ring.sq.ring_entries, 32768);
	CHECK_EQ(ring.cq.ring_entries, 65536);
	io_uring_queue_exit(&ring);
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_CQSIZE;
	params.cq_entries = 100;
	CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), 0);
	CHECK_EQ(ring.cq.ring_entries, 128);
	io_uring_queue_exit(&ring);
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	ret = io_uring_queue_init_params(8, &ring, &params);
	skip_if_old(ret, "large SQEs and CQEs");
	CHECK_EQ(ret, 0);
	{
		struct io_uring_sqe *first = sqe_of(&ring), *second = sqe_of(&ring);
		struct io_uring_cqe *cqes[2], *cqe;
		unsigned head, count = 0;

		CHECK_EQ((char *) second - (char *) first, 128);
		io_uring_prep_nop(first);
		io_uring_sqe_set_data64(first, 1);
		io_uring_prep_nop(second);
		io_uring_sqe_set_data64(second, 2);
		CHECK_EQ(io_uring_submit_and_wait(&ring, 2), 2);
		CHECK_EQ(io_uring_peek_batch_cqe(&ring, cqes, 2), 2);
		CHECK_EQ((char *) cqes[1] - (char *) cqes[0], 32);
		CHECK_EQ(cqes[1]->user_data, 2);
		io_uring_for_each_cqe(&ring, head, cqe)
			CHECK_EQ(cqe->user_data, ++count);
		CHECK_EQ(count, 2);
		CHECK_EQ(take(&ring, NULL, NULL), 0);
		CHECK_EQ(take(&ring, NULL, NULL), 0);
	}
	RESULT("sizes");
	io_uring_queue_exit(&ring);
	return 0;
}
