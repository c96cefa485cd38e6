/*
 * pipe makes two descriptors, pipe_direct two slots. Linux 6.16; pipe2(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	char back[8];
	int fds[2];

	need_op(IORING_OP_PIPE, "PIPE");
	must_init(4, &ring, 0);
	io_uring_prep_pipe(sqe_of(&ring), fds, O_CLOEXEC);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fds[1], "pipe", 4), 4);
	CHECK_EQ(read(fds[0], back, 8), 4);
	close(fds[0]);
	close(fds[1]);
	CHECK_EQ(io_uring_register_files_sparse(&ring, 4), 0);
	io_uring_prep_pipe_direct(sqe_of(&ring), fds, 0, 1);
	CHECK_EQ(run_one(&ring), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_write(sqe, 2, "abc", 3, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 3);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, 1, back, 8, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 3);
	io_uring_queue_exit(&ring);
	return 0;
}
