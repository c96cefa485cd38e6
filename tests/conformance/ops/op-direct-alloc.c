/*
 * IORING_FILE_INDEX_ALLOC lets the kernel choose the slot, within the range that was
 * set. Linux 6.0; io_uring_register_file_alloc_range(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int ret;

	enter_folder();
	close(file_with("file", "1", 1));
	must_init(4, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 8);
	skip_if_old(ret, "sparse file tables");
	ret = io_uring_register_file_alloc_range(&ring, 5, 2);
	skip_if_old(ret, "allocation ranges");
	CHECK_EQ(ret, 0);
	io_uring_prep_openat_direct(sqe_of(&ring), AT_FDCWD, "file", O_RDONLY, 0, IORING_FILE_INDEX_ALLOC);
	CHECK_EQ(run_one(&ring), 5);
	io_uring_prep_socket_direct_alloc(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 0);
	CHECK_EQ(run_one(&ring), 6);
	io_uring_prep_openat_direct(sqe_of(&ring), AT_FDCWD, "file", O_RDONLY, 0, IORING_FILE_INDEX_ALLOC);
	CHECK_EQ(run_one(&ring), -ENFILE);
	CHECK_EQ(io_uring_register_file_alloc_range(&ring, 7, 2), -EINVAL);
	io_uring_queue_exit(&ring);
	return 0;
}
