/*
 * One chain opens into a slot, reads from it and closes it: the file of a linked
 * request is looked up when its turn comes. Linux 5.17 (IORING_FEAT_LINKED_FILE);
 * io_uring_setup(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[8];
	int ret, results[4];

	enter_folder();
	close(file_with("file", "linked", 6));
	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_LINKED_FILE))
		SKIP("this kernel looks up the files of a chain too early");
	ret = io_uring_register_files_sparse(&ring, 2);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_openat_direct(sqe, AT_FDCWD, "file", O_RDONLY, 0, 1);
	mark(sqe, 0, IOSQE_IO_LINK);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, 1, back, sizeof(back), 0);
	/* A short read would break the link. */
	mark(sqe, 1, IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK);
	sqe = sqe_of(&ring);
	io_uring_prep_close_direct(sqe, 1);
	mark(sqe, 2, 0);
	run_all(&ring, 3, results);
	CHECK_EQ(results[0], 0);
	CHECK_EQ(results[1], 6);
	CHECK_EQ(results[2], 0);
	CHECK(!memcmp(back, "linked", 6));
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, 1, back, 1, 0);
	mark(sqe, 3, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), -EBADF);
	RESULT("%.6s", back);
	io_uring_queue_exit(&ring);
	return 0;
}
