/* peek, wait_cqe, wait_cqe_nr, wait_cqes: results and what *cqe is. */
#include "one.h"

int main(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 2000000 };
	struct io_uring_cqe *cqe = (struct io_uring_cqe *) 8;
	struct io_uring ring;
	int i;

	must_init(8, &ring, 0);
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
	CHECK(cqe == NULL);
	cqe = (struct io_uring_cqe *) 8;
	CHECK_EQ(io_uring_wait_cqe_nr(&ring, &cqe, 0), -EAGAIN);
	CHECK(cqe == NULL);
	cqe = (struct io_uring_cqe *) 8;
	CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &cqe, &soon), -ETIME);
	CHECK(cqe == NULL);
	CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 2, &soon, NULL), -ETIME);
	for (i = 1; i <= 3; i++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, (__u64) i);
	}
	CHECK_EQ(io_uring_submit(&ring), 3);
	CHECK_EQ(io_uring_wait_cqe_nr(&ring, &cqe, 3), 0);
	CHECK_EQ(cqe->user_data, 1);
	CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 3, &soon, NULL), 0);
	CHECK_EQ(cqe->user_data, 1);
	/* Too few: the first is there all the same. */
	CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 4, &soon, NULL), 0);
	CHECK_EQ(cqe->user_data, 1);
	io_uring_cqe_seen(&ring, cqe);
	io_uring_cqe_seen(&ring, NULL);
	CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
	CHECK_EQ(cqe->user_data, 2);
	io_uring_cqe_seen(&ring, cqe);
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
	CHECK_EQ(cqe->user_data, 3);
	io_uring_cqe_seen(&ring, cqe);
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
	RESULT("waited");
	io_uring_queue_exit(&ring);
	return 0;
}
