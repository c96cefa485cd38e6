/*
 * setxattr, getxattr, fsetxattr, fgetxattr. Linux 5.19; setxattr(2), getxattr(2).
 */
#include "one.h"

#include <sys/xattr.h>

int main(void)
{
	struct io_uring ring;
	char value[32];
	int fd;

	need_op(IORING_OP_GETXATTR, "GETXATTR");
	enter_folder();
	fd = file_with("file", "1", 1);
	if (fsetxattr(fd, "user.probe", "x", 1, 0) < 0)
		SKIP("this file system has no extended attributes: %s", strerror(errno));
	must_init(4, &ring, 0);
	io_uring_prep_setxattr(sqe_of(&ring), "user.one", "first", "file", 0, 5);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_fsetxattr(sqe_of(&ring), fd, "user.two", "second", 0, 6);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(fgetxattr(fd, "user.one", value, sizeof(value)), 5);
	io_uring_prep_getxattr(sqe_of(&ring), "user.two", value, "file", sizeof(value));
	CHECK_EQ(run_one(&ring), 6);
	CHECK(!memcmp(value, "second", 6));
	io_uring_prep_fgetxattr(sqe_of(&ring), fd, "user.one", value, sizeof(value));
	CHECK_EQ(run_one(&ring), 5);
	CHECK(!memcmp(value, "first", 5));
	io_uring_prep_fsetxattr(sqe_of(&ring), fd, "user.two", "x", XATTR_CREATE, 1);
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_fgetxattr(sqe_of(&ring), fd, "user.none", value, sizeof(value));
	CHECK_EQ(run_one(&ring), -ENODATA);
	RESULT("%.5s", value);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
