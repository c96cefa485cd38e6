/*
 * Extended attributes: asking for a size, too little room, replacing what is not
 * there, empty values, missing files. Linux 5.19; getxattr(2), setxattr(2).
 */
#include "op-helpers.h"

#include <sys/xattr.h>

int main(void)
{
	struct io_uring ring;
	char value[32];
	int fd;

	need_op(IORING_OP_GETXATTR, "GETXATTR");
	enter_folder();
	fd = file_with("file", "1", 1);
	if (fsetxattr(fd, "user.some", "12345678", 8, 0) < 0)
		SKIP("this file system has no extended attributes: %s", strerror(errno));
	must_init(4, &ring, 0);
	io_uring_prep_getxattr(sqe_of(&ring), "user.some", NULL, "file", 0);
	CHECK_EQ(run_one(&ring), 8);
	io_uring_prep_fgetxattr(sqe_of(&ring), fd, "user.some", value, 7);
	CHECK_EQ(run_one(&ring), -ERANGE);
	io_uring_prep_getxattr(sqe_of(&ring), "user.some", value, "file", 7);
	CHECK_EQ(run_one(&ring), -ERANGE);
	io_uring_prep_setxattr(sqe_of(&ring), "user.other", "x", "file", XATTR_REPLACE, 1);
	CHECK_EQ(run_one(&ring), -ENODATA);
	io_uring_prep_setxattr(sqe_of(&ring), "user.some", "new", "file", XATTR_REPLACE, 3);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(fgetxattr(fd, "user.some", value, sizeof(value)), 3);
	CHECK(!memcmp(value, "new", 3));
	io_uring_prep_fsetxattr(sqe_of(&ring), fd, "user.empty", NULL, 0, 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(fgetxattr(fd, "user.empty", value, sizeof(value)), 0);
	io_uring_prep_getxattr(sqe_of(&ring), "user.some", value, "absent", sizeof(value));
	CHECK_EQ(run_one(&ring), -ENOENT);
	io_uring_prep_setxattr(sqe_of(&ring), "nonsense", "x", "file", 0, 1);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	io_uring_prep_fgetxattr(sqe_of(&ring), -1, "user.some", value, sizeof(value));
	CHECK_EQ(run_one(&ring), -EBADF);
	RESULT("%.3s", value);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
