/*
 * open and open_direct are openat at the working directory. Linux 5.19; open(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	char back[8];
	int fd, ret;

	enter_folder();
	close(file_with("file", "content", 7));
	must_init(4, &ring, 0);
	io_uring_prep_open(sqe_of(&ring), "file", O_RDONLY, 0);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, back, 8), 7);
	close(fd);
	ret = io_uring_register_files_sparse(&ring, 4);
	skip_if_old(ret, "sparse file tables");
	io_uring_prep_open_direct(sqe_of(&ring), "file", O_RDONLY, 0, 2);
	CHECK_EQ(run_one(&ring), 0);
	{
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_read(sqe, 2, back, 8, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
		CHECK_EQ(run_one(&ring), 7);
	}
	io_uring_queue_exit(&ring);
	return 0;
}
