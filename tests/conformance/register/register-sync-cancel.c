/* Synchronous cancellation. Linux 6.0. */
#include "one.h"

int main(void)
{
	struct io_uring_sync_cancel_reg reg = { 0 };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int pipes[2], ret;
	char back;

	must_init(4, &ring, 0);
	CHECK_EQ(pipe(pipes), 0);
	reg.addr = 33;
	reg.timeout.tv_sec = -1;
	reg.timeout.tv_nsec = -1;
	ret = io_uring_register_sync_cancel(&ring, &reg);
	skip_if_old(ret, "synchronous cancellation");
	CHECK_EQ(ret, -ENOENT);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, pipes[0], &back, 1, 0);
	io_uring_sqe_set_data64(sqe, 33);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK(io_uring_register_sync_cancel(&ring, &reg) >= 0);
	CHECK_EQ(take(&ring, NULL, NULL), -ECANCELED);
	RESULT("cancelled");
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
