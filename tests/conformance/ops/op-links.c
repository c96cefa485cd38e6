/*
 * mkdirat, symlinkat, linkat and their short forms. Linux 5.15; mkdirat(2),
 * symlinkat(2), linkat(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	struct stat status;
	char target[16] = { 0 };
	int folder;

	need_op(IORING_OP_LINKAT, "LINKAT");
	enter_folder();
	close(file_with("file", "1", 1));
	must_init(4, &ring, 0);
	io_uring_prep_mkdirat(sqe_of(&ring), AT_FDCWD, "sub", 0750);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("sub", &status), 0);
	CHECK(S_ISDIR(status.st_mode));
	folder = open("sub", O_RDONLY | O_DIRECTORY);
	io_uring_prep_symlinkat(sqe_of(&ring), "../file", folder, "link");
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(readlink("sub/link", target, 15), 7);
	CHECK(!strcmp(target, "../file"));
	io_uring_prep_linkat(sqe_of(&ring), AT_FDCWD, "file", folder, "hard", 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("sub/hard", &status), 0);
	CHECK_EQ(status.st_nlink, 2);
	io_uring_prep_mkdir(sqe_of(&ring), "sub", 0750);
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_symlink(sqe_of(&ring), "file", "short");
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_link(sqe_of(&ring), "file", "third", 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("short", &status), 0);
	CHECK_EQ(status.st_nlink, 3);
	RESULT("links %d", (int) status.st_nlink);
	close(folder);
	io_uring_queue_exit(&ring);
	return 0;
}
