/*
 * files_update as a request, and fixed files used by it. Linux 5.6;
 * io_uring_prep_files_update(3).
 */
#include "one.h"

int main(void)
{
	int empty[4] = { -1, -1, -1, -1 }, fds[2];
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[8];

	enter_folder();
	fds[0] = file_with("a", "first", 5);
	fds[1] = file_with("b", "second", 6);
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_files(&ring, empty, 4), 0);
	io_uring_prep_files_update(sqe_of(&ring), fds, 2, 1);
	CHECK_EQ(run_one(&ring), 2);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, 2, back, 8, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	CHECK_EQ(run_one(&ring), 6);
	io_uring_prep_files_update(sqe_of(&ring), fds, 2, 3);
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("%.6s", back);
	close(fds[0]);
	close(fds[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
