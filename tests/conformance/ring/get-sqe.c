/* SQEs are handed out until the queue is full, initialised but for user_data,
 * and indices wrap at 2^32. */
#include "one.h"

int main(void)
{
	struct io_uring_sqe *sqe, *first;
	struct io_uring ring;
	int i;

	must_init(4, &ring, 0);
	for (i = 0; i < 4; i++) {
		CHECK_EQ(io_uring_sq_space_left(&ring), 4 - i);
		CHECK_EQ(io_uring_sq_ready(&ring), i);
		sqe = io_uring_get_sqe(&ring);
		CHECK(sqe == ring.sq.sqes + i);
		io_uring_prep_nop(sqe);
	}
	CHECK(io_uring_get_sqe(&ring) == NULL);
	CHECK_EQ(io_uring_sq_space_left(&ring), 0);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 4), 4);
	for (i = 0; i < 4; i++)
		CHECK_EQ(take(&ring, NULL, NULL), 0);
	first = ring.sq.sqes;
	memset(first, 0xff, sizeof(*first));
	sqe = io_uring_get_sqe(&ring);
	CHECK(sqe == first);
	CHECK_EQ(sqe->flags, 0);
	CHECK_EQ(sqe->ioprio, 0);
	CHECK_EQ(sqe->buf_index, 0);
	CHECK_EQ(sqe->personality, 0);
	CHECK_EQ(sqe->addr3, 0);
	io_uring_prep_nop(sqe);
	CHECK_EQ(run_one(&ring), 0);
	RESULT("sqes");
	io_uring_queue_exit(&ring);
	return 0;
}
