/*
 * fixed_fd_install makes a descriptor of a registered file. Linux 6.8;
 * io_uring_prep_fixed_fd_install(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	char back[8];
	int fd, installed;

	need_op(IORING_OP_FIXED_FD_INSTALL, "FIXED_FD_INSTALL");
	enter_folder();
	fd = file_with("file", "installed", 9);
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_files(&ring, &fd, 1), 0);
	close(fd);
	io_uring_prep_fixed_fd_install(sqe_of(&ring), 0, 0);
	installed = run_one(&ring);
	CHECK(installed >= 0);
	CHECK_EQ(fcntl(installed, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(pread(installed, back, 8, 0), 8);
	close(installed);
	io_uring_prep_fixed_fd_install(sqe_of(&ring), 0, IORING_FIXED_FD_NO_CLOEXEC);
	installed = run_one(&ring);
	CHECK(installed >= 0);
	CHECK_EQ(fcntl(installed, F_GETFD), 0);
	close(installed);
	io_uring_queue_exit(&ring);
	return 0;
}
