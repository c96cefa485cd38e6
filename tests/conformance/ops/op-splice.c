/*
 * splice moves between a file and a pipe, tee copies between pipes. Linux 5.7, 5.8;
 * splice(2), tee(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int first[2], second[2], fd;
	char back[16];

	need_op(IORING_OP_TEE, "TEE");
	enter_folder();
	fd = file_with("file", "0123456789", 10);
	CHECK_EQ(pipe(first), 0);
	CHECK_EQ(pipe(second), 0);
	must_init(4, &ring, 0);
	io_uring_prep_splice(sqe_of(&ring), fd, 2, first[1], -1, 5, 0);
	CHECK_EQ(run_one(&ring), 5);
	io_uring_prep_tee(sqe_of(&ring), first[0], second[1], 100, 0);
	CHECK_EQ(run_one(&ring), 5);
	CHECK_EQ(read(first[0], back, 16), 5);
	CHECK(!memcmp(back, "23456", 5));
	io_uring_prep_splice(sqe_of(&ring), second[0], -1, fd, 20, 5, 0);
	CHECK_EQ(run_one(&ring), 5);
	CHECK_EQ(pread(fd, back, 16, 20), 5);
	CHECK(!memcmp(back, "23456", 5));
	RESULT("%.5s", back);
	close(fd);
	close(first[0]);
	close(first[1]);
	close(second[0]);
	close(second[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
