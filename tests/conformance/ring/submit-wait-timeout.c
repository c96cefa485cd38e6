/* submit_and_wait_timeout: the count, -ETIME, and a completion that was there.
 * Linux 5.11. */
#include "one.h"

int main(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 2000000 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int pipes[2];
	char back;

	must_init(8, &ring, 0);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &soon, NULL), -ETIME);
	CHECK(cqe == NULL);
	io_uring_prep_nop(sqe_of(&ring));
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit_and_wait_timeout(&ring, &cqe, 2, &soon, NULL), 2);
	CHECK(cqe != NULL);
	io_uring_cq_advance(&ring, 2);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit_and_wait_timeout(&ring, &cqe, 1, NULL, NULL), 1);
	CHECK(cqe != NULL);
	io_uring_cqe_seen(&ring, cqe);
	/* Submitted, nothing came: the count, and no entry. */
	io_uring_prep_read(sqe_of(&ring), pipes[0], &back, 1, 0);
	CHECK_EQ(io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &soon, NULL), 1);
	CHECK(cqe == NULL);
	/* One was ready before: 0, although another was submitted. */
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &soon, NULL), 0);
	CHECK(cqe != NULL && cqe->res == 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 2);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
