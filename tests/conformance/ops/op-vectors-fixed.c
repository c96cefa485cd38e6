/*
 * Vectors on a registered buffer: exactly as many parts as said, parts outside of
 * it, the flags of preadv2, another buffer. Linux 6.15; io_uring_prep_readv(3).
 */
#include "op-helpers.h"

int main(void)
{
	static char memory[2][8192], outside[16];
	struct iovec buffers[2] = { { memory[0], 8192 }, { memory[1], 8192 } };
	struct iovec parts[3] = { { memory[1] + 1, 3 }, { memory[1] + 4094, 4 }, { memory[1] + 100, 9 } };
	struct io_uring ring;
	char back[8];
	int fd, pipes[2];

	need_op(IORING_OP_READV_FIXED, "READV_FIXED");
	enter_folder();
	fd = file_with("file", "0123456789abcdef", 16);
	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_buffers(&ring, buffers, 2), 0);
	io_uring_prep_readv_fixed(sqe_of(&ring), fd, parts, 2, 5, 0, 1);
	CHECK_EQ(run_one(&ring), 7);
	/* The second part lies across two pages. */
	CHECK(!memcmp(memory[1] + 1, "567", 4) && !memcmp(memory[1] + 4094, "89ab", 5));
	io_uring_prep_writev_fixed(sqe_of(&ring), fd, parts, 2, 0, RWF_APPEND, 1);
	CHECK_EQ(run_one(&ring), 7);
	CHECK_EQ(pread(fd, back, 8, 16), 7);
	CHECK(!memcmp(back, "56789ab", 7));
	io_uring_prep_readv_fixed(sqe_of(&ring), pipes[0], parts, 2, 0, RWF_NOWAIT, 1);
	CHECK_EQ(run_one(&ring), -EAGAIN);
	io_uring_prep_readv_fixed(sqe_of(&ring), fd, parts, 2, 0, 0, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	parts[1].iov_base = outside;
	io_uring_prep_writev_fixed(sqe_of(&ring), fd, parts, 2, 0, 0, 1);
	CHECK_EQ(run_one(&ring), -EFAULT);
	close_both(pipes);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
