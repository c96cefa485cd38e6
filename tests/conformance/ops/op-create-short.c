/*
 * The short forms pass on the mode, the flags and the names, as the long ones do.
 * Linux 5.15; open(2), rename(2), link(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	struct stat status;
	int fd, ret;

	need_op(IORING_OP_LINKAT, "LINKAT");
	enter_folder();
	umask(0);
	must_init(4, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 2);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	io_uring_prep_open(sqe_of(&ring), "a", O_RDWR | O_CREAT | O_EXCL, 0640);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(stat("a", &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0640);
	io_uring_prep_open_direct(sqe_of(&ring), "b", O_RDWR | O_CREAT | O_EXCL, 0604, 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("b", &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0604);
	/* Over a file that is there. */
	io_uring_prep_rename(sqe_of(&ring), "a", "b");
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("b", &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0640);
	io_uring_prep_link(sqe_of(&ring), "b", "linked", 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("linked", &status), 0);
	CHECK_EQ(status.st_nlink, 2);
	io_uring_prep_symlink(sqe_of(&ring), "linked", "soft");
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_link(sqe_of(&ring), "soft", "followed", AT_SYMLINK_FOLLOW);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(lstat("followed", &status), 0);
	CHECK_EQ(status.st_nlink, 3);
	io_uring_prep_unlink(sqe_of(&ring), "linked", 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(access("linked", F_OK), -1);
	CHECK_EQ(mkdir("sub", 0700), 0);
	io_uring_prep_unlink(sqe_of(&ring), "sub", AT_REMOVEDIR);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
