/*
 * Classic provided buffers: provide, select, remove. Linux 5.7;
 * io_uring_prep_provide_buffers(3).
 */
#include "one.h"

int main(void)
{
	static char memory[4][8];
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	unsigned flags;
	int pipes[2];

	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	io_uring_prep_provide_buffers(sqe_of(&ring), memory, 8, 4, 9, 10);
	CHECK(run_one(&ring) >= 0);
	CHECK_EQ(write(pipes[1], "select", 6), 6);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, pipes[0], NULL, 8, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 9;
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &flags), 6);
	CHECK(flags & IORING_CQE_F_BUFFER);
	CHECK(!memcmp(memory[(flags >> 16) - 10], "select", 6));
	io_uring_prep_remove_buffers(sqe_of(&ring), 10, 9);
	CHECK_EQ(run_one(&ring), 3);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, pipes[0], NULL, 8, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 9;
	CHECK_EQ(run_one(&ring), -ENOBUFS);
	RESULT("removed 3");
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
