/*
 * fixed_fd_install: the descriptor and the slot are one file, an empty slot and
 * unknown flags are refused. Linux 6.8; io_uring_prep_fixed_fd_install(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	int table[2] = { -1, -1 }, fd;

	need_op(IORING_OP_FIXED_FD_INSTALL, "FIXED_FD_INSTALL");
	enter_folder();
	table[0] = file_with("file", "0123456789", 10);
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_files(&ring, table, 2), 0);
	io_uring_prep_fixed_fd_install(sqe_of(&ring), 0, 0);
	fd = run_one(&ring);
	CHECK(fd >= 0 && fd != table[0]);
	/* One open file: they share the position. */
	CHECK_EQ(lseek(table[0], 5, SEEK_SET), 5);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	close(fd);
	io_uring_prep_fixed_fd_install(sqe_of(&ring), 1, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	io_uring_prep_fixed_fd_install(sqe_of(&ring), 9, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	io_uring_prep_fixed_fd_install(sqe_of(&ring), 0, 1U << 31);
	CHECK_EQ(run_one(&ring), -EINVAL);
	close(table[0]);
	io_uring_queue_exit(&ring);
	return 0;
}
