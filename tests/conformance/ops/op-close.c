/*
 * close lets the other end of a pipe see the end, frees the number, and refuses
 * rings and numbers that are not open. Linux 5.6; close(2), io_uring_enter(2) under
 * IORING_OP_CLOSE.
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	int pipes[2], again;
	char back;

	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	io_uring_prep_read(sqe_of(&ring), pipes[0], &back, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	{
		struct io_uring_sqe *sqe = sqe_of(&ring);
		int results[2] = { 1, 1 };

		io_uring_prep_close(sqe, pipes[1]);
		mark(sqe, 1, 0);
		run_all(&ring, 1, results);
		collect(&ring, 1, results);
		CHECK_EQ(results[0], 0);
		CHECK_EQ(results[1], 0);
	}
	CHECK_EQ(fcntl(pipes[1], F_GETFD), -1);
	again = dup(pipes[0]);
	CHECK_EQ(again, pipes[1]);
	io_uring_prep_close(sqe_of(&ring), again);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_close(sqe_of(&ring), again);
	CHECK_EQ(run_one(&ring), -EBADF);
	io_uring_prep_close(sqe_of(&ring), ring.ring_fd);
	CHECK_EQ(run_one(&ring), -EBADF);
	RESULT("closed");
	close(pipes[0]);
	io_uring_queue_exit(&ring);
	return 0;
}
