/*
 * discard and zone_reset_all are commands of block devices: a regular file has none.
 * Linux 6.12; blkdiscard(8).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int fd;

	need_op(IORING_OP_URING_CMD, "URING_CMD");
	enter_folder();
	fd = file_with("file", "data", 4);
	must_init(4, &ring, 0);
	io_uring_prep_cmd_discard(sqe_of(&ring), fd, 0, 4096);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	io_uring_prep_cmd_zone_reset_all(sqe_of(&ring), fd);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 4);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
