/*
 * Direct descriptors: openat_direct, openat2_direct, close_direct, and that a slot
 * in use is replaced. Linux 5.15; io_uring_prep_openat(3), io_uring_prep_close(3).
 */
#include "one.h"

static int read_slot(struct io_uring *ring, int slot, char *buffer)
{
	struct io_uring_sqe *sqe = sqe_of(ring);

	io_uring_prep_read(sqe, slot, buffer, 8, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	return run_one(ring);
}

int main(void)
{
	struct open_how how = { .flags = O_RDONLY };
	struct io_uring ring;
	char back[8];
	int ret;

	enter_folder();
	close(file_with("one", "1", 1));
	close(file_with("two", "22", 2));
	must_init(4, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 4);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	io_uring_prep_openat_direct(sqe_of(&ring), AT_FDCWD, "one", O_RDONLY, 0, 3);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(read_slot(&ring, 3, back), 1);
	io_uring_prep_openat2_direct(sqe_of(&ring), AT_FDCWD, "two", &how, 3);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(read_slot(&ring, 3, back), 2);
	io_uring_prep_openat_direct(sqe_of(&ring), AT_FDCWD, "one", O_RDONLY, 0, 4);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_close_direct(sqe_of(&ring), 3);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(read_slot(&ring, 3, back), -EBADF);
	io_uring_prep_close_direct(sqe_of(&ring), 3);
	CHECK_EQ(run_one(&ring), -EBADF);
	RESULT("direct descriptors");
	io_uring_queue_exit(&ring);
	return 0;
}
