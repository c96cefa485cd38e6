/*
 * Names: exchanging two, modes of new folders, links through links, and everything
 * that has to fail without effect. Linux 5.15; renameat2(2), unlinkat(2),
 * mkdirat(2), symlinkat(2), linkat(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	struct stat status;
	char back[8] = { 0 };
	int fd, ret;

	need_op(IORING_OP_LINKAT, "LINKAT");
	enter_folder();
	umask(027);
	close(file_with("a", "A", 1));
	close(file_with("b", "B", 1));
	CHECK_EQ(symlink("a", "to-a"), 0);
	must_init(4, &ring, 0);
	io_uring_prep_mkdirat(sqe_of(&ring), AT_FDCWD, "sub", 0777);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("sub", &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0750);
	io_uring_prep_renameat(sqe_of(&ring), AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE);
	ret = run_one(&ring);
	if (ret != -EINVAL) {
		CHECK_EQ(ret, 0);
		fd = open("b", O_RDONLY);
		CHECK_EQ(read(fd, back, 1), 1);
		CHECK_EQ(back[0], 'A');
		close(fd);
	}
	/* A hard link to the link, or to what it leads to. */
	io_uring_prep_linkat(sqe_of(&ring), AT_FDCWD, "to-a", AT_FDCWD, "copy", 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(lstat("copy", &status), 0);
	CHECK(S_ISLNK(status.st_mode));
	io_uring_prep_linkat(sqe_of(&ring), AT_FDCWD, "to-a", AT_FDCWD, "real", AT_SYMLINK_FOLLOW);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(lstat("real", &status), 0);
	CHECK(S_ISREG(status.st_mode) && status.st_nlink == 2);
	/* Failures. */
	io_uring_prep_linkat(sqe_of(&ring), AT_FDCWD, "a", AT_FDCWD, "b", 0);
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_symlinkat(sqe_of(&ring), "x", AT_FDCWD, "a");
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_mkdirat(sqe_of(&ring), AT_FDCWD, "absent/sub", 0700);
	CHECK_EQ(run_one(&ring), -ENOENT);
	io_uring_prep_unlinkat(sqe_of(&ring), AT_FDCWD, "sub", 0);
	CHECK_EQ(run_one(&ring), -EISDIR);
	io_uring_prep_unlinkat(sqe_of(&ring), AT_FDCWD, "a", AT_REMOVEDIR);
	CHECK_EQ(run_one(&ring), -ENOTDIR);
	close(file_with("sub/c", "C", 1));
	io_uring_prep_unlinkat(sqe_of(&ring), AT_FDCWD, "sub", AT_REMOVEDIR);
	CHECK_EQ(run_one(&ring), -ENOTEMPTY);
	io_uring_prep_unlinkat(sqe_of(&ring), AT_FDCWD, "absent", 0);
	CHECK_EQ(run_one(&ring), -ENOENT);
	io_uring_prep_renameat(sqe_of(&ring), AT_FDCWD, "sub", AT_FDCWD, "sub/inside", 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	/* Registered files have no place in these. */
	{
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_unlinkat(sqe, AT_FDCWD, "a", 0);
		mark(sqe, 0, IOSQE_FIXED_FILE);
		CHECK_EQ(run_one(&ring), -EBADF);
	}
	CHECK_EQ(access("a", F_OK), 0);
	RESULT("links %d", (int) status.st_nlink);
	io_uring_queue_exit(&ring);
	return 0;
}
