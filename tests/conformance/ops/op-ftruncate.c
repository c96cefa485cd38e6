/*
 * ftruncate grows with zeros, shrinks, and refuses what is read-only, negative or
 * no file. Linux 6.9; ftruncate(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	char back[16];
	int fd, reader, pipes[2];

	need_op(IORING_OP_FTRUNCATE, "FTRUNCATE");
	enter_folder();
	fd = file_with("file", "0123456789", 10);
	reader = open("file", O_RDONLY);
	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	io_uring_prep_ftruncate(sqe_of(&ring), fd, 4);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_ftruncate(sqe_of(&ring), fd, 8);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(pread(fd, back, 16, 0), 8);
	CHECK(!memcmp(back, "0123\0\0\0\0", 8));
	io_uring_prep_ftruncate(sqe_of(&ring), reader, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_ftruncate(sqe_of(&ring), fd, -1);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_ftruncate(sqe_of(&ring), pipes[1], 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	CHECK_EQ(pread(fd, back, 16, 0), 8);
	close_both(pipes);
	close(reader);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
