/*
 * pipe: flags, two free slots, one that is missing. Linux 6.16; pipe2(2),
 * io_uring_prep_pipe(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fds[2], slots[2] = { -1, -1 };
	char back[4];

	need_op(IORING_OP_PIPE, "PIPE");
	must_init(4, &ring, 0);
	io_uring_prep_pipe(sqe_of(&ring), fds, O_NONBLOCK);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(fcntl(fds[0], F_GETFD), 0);
	CHECK_EQ(read(fds[0], back, 1), -1);
	CHECK_EQ(errno, EAGAIN);
	close_both(fds);
	io_uring_prep_pipe(sqe_of(&ring), fds, O_APPEND);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_pipe_direct(sqe_of(&ring), slots, 0, IORING_FILE_INDEX_ALLOC);
	CHECK_EQ(run_one(&ring), -ENFILE);
	CHECK_EQ(io_uring_register_files_sparse(&ring, 3), 0);
	io_uring_prep_pipe_direct(sqe_of(&ring), slots, 0, IORING_FILE_INDEX_ALLOC);
	CHECK_EQ(run_one(&ring), 0);
	CHECK(slots[0] >= 0 && slots[0] < 3 && slots[1] >= 0 && slots[1] < 3);
	CHECK(slots[0] != slots[1]);
	sqe = sqe_of(&ring);
	io_uring_prep_write(sqe, slots[1], "abc", 3, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 3);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, slots[0], back, 4, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 3);
	CHECK(!memcmp(back, "abc", 3));
	/* Closing the write slot is the end for the reader. */
	io_uring_prep_close_direct(sqe_of(&ring), (unsigned) slots[1]);
	CHECK_EQ(run_one(&ring), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, slots[0], back, 4, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
