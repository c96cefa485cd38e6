/*
 * renameat, unlinkat (and its folder form). Linux 5.11; renameat2(2), unlinkat(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int folder;

	need_op(IORING_OP_UNLINKAT, "UNLINKAT");
	enter_folder();
	close(file_with("a", "1", 1));
	CHECK_EQ(mkdir("sub", 0700), 0);
	folder = open("sub", O_RDONLY | O_DIRECTORY);
	CHECK(folder >= 0);
	must_init(4, &ring, 0);
	io_uring_prep_renameat(sqe_of(&ring), AT_FDCWD, "a", folder, "b", 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(access("sub/b", F_OK), 0);
	CHECK_EQ(access("a", F_OK), -1);
	close(file_with("c", "1", 1));
	io_uring_prep_renameat(sqe_of(&ring), AT_FDCWD, "c", folder, "b", RENAME_NOREPLACE);
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_rename(sqe_of(&ring), "c", "d");
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_unlinkat(sqe_of(&ring), folder, "b", 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(access("sub/b", F_OK), -1);
	io_uring_prep_unlink(sqe_of(&ring), "d", 0);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_unlinkat(sqe_of(&ring), AT_FDCWD, "sub", AT_REMOVEDIR);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(access("sub", F_OK), -1);
	RESULT("paths");
	close(folder);
	io_uring_queue_exit(&ring);
	return 0;
}
