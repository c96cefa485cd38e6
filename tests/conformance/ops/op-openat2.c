/*
 * openat2 keeps a path below its folder; openat and openat2 take folders as the
 * start, create with a mode, refuse what they cannot do. Linux 5.6; openat2(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
	struct io_uring ring;
	struct stat status;
	char back[8];
	int folder, fd;

	enter_folder();
	umask(0);
	close(file_with("outside", "out", 3));
	CHECK_EQ(mkdir("sub", 0700), 0);
	close(file_with("sub/inside", "in", 2));
	CHECK_EQ(symlink("/inside", "sub/rooted"), 0);
	folder = open("sub", O_RDONLY | O_DIRECTORY);
	must_init(4, &ring, 0);
	io_uring_prep_openat2(sqe_of(&ring), folder, "inside", &how);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, back, 8), 2);
	close(fd);
	io_uring_prep_openat2(sqe_of(&ring), folder, "../outside", &how);
	CHECK_EQ(run_one(&ring), -EXDEV);
	how.resolve = RESOLVE_IN_ROOT;
	io_uring_prep_openat2(sqe_of(&ring), folder, "rooted", &how);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, back, 8), 2);
	close(fd);
	/* A mode without a file to create. */
	how.resolve = 0;
	how.mode = 0600;
	io_uring_prep_openat2(sqe_of(&ring), folder, "inside", &how);
	CHECK_EQ(run_one(&ring), -EINVAL);
	how.flags = O_WRONLY | O_CREAT | O_EXCL;
	how.mode = 0604;
	io_uring_prep_openat2(sqe_of(&ring), folder, "made", &how);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0604);
	close(fd);
	io_uring_prep_openat2(sqe_of(&ring), folder, "made", &how);
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_openat(sqe_of(&ring), folder, "inside", O_RDONLY | O_DIRECTORY, 0);
	CHECK_EQ(run_one(&ring), -ENOTDIR);
	io_uring_prep_openat(sqe_of(&ring), folder, "inside", O_WRONLY | O_TRUNC | O_CLOEXEC, 0);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, 0);
	close(fd);
	io_uring_prep_openat(sqe_of(&ring), folder, ".", O_WRONLY, 0);
	CHECK_EQ(run_one(&ring), -EISDIR);
	RESULT("%.2s", back);
	close(folder);
	io_uring_queue_exit(&ring);
	return 0;
}
