/*
 * openat, openat2, close, statx. Linux 5.6; openat2(2), close(2), statx(2).
 */
#include "one.h"

int main(void)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS };
	struct io_uring ring;
	struct statx status;
	char back[8];
	int fd;

	enter_folder();
	umask(0);
	must_init(4, &ring, 0);
	io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, "new", O_RDWR | O_CREAT | O_EXCL, 0640);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "12345", 5), 5);
	io_uring_prep_close(sqe_of(&ring), fd);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
	io_uring_prep_openat2(sqe_of(&ring), AT_FDCWD, "new", &how);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, back, 8), 5);
	close(fd);
	CHECK_EQ(symlink("new", "link"), 0);
	io_uring_prep_openat2(sqe_of(&ring), AT_FDCWD, "link", &how);
	CHECK_EQ(run_one(&ring), -ELOOP);
	io_uring_prep_statx(sqe_of(&ring), AT_FDCWD, "new", 0, STATX_SIZE | STATX_MODE, &status);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(status.stx_size, 5);
	CHECK_EQ(status.stx_mode & 0777, 0640);
	io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, "absent", O_RDONLY, 0);
	CHECK_EQ(run_one(&ring), -ENOENT);
	RESULT("size %llu", (unsigned long long) status.stx_size);
	io_uring_queue_exit(&ring);
	return 0;
}
