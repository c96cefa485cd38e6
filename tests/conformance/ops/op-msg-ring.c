/*
 * msg_ring posts completions and sends files to another ring. Linux 6.0;
 * io_uring_prep_msg_ring(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring from, to;
	struct io_uring_sqe *sqe;
	char back[8];
	__u64 tag;
	int fd;

	need_op(IORING_OP_SEND_ZC, "msg_ring with files (probed by SEND_ZC)");
	enter_folder();
	fd = file_with("file", "sent", 4);
	must_init(4, &from, 0);
	must_init(4, &to, 0);
	io_uring_prep_msg_ring(sqe_of(&from), to.ring_fd, 77, 0x1234567890ULL, 0);
	CHECK_EQ(run_one(&from), 0);
	CHECK_EQ(take(&to, &tag, NULL), 77);
	CHECK(tag == 0x1234567890ULL);
	CHECK_EQ(io_uring_register_files(&from, &fd, 1), 0);
	CHECK_EQ(io_uring_register_files_sparse(&to, 4), 0);
	io_uring_prep_msg_ring_fd(sqe_of(&from), to.ring_fd, 0, 2, 99, 0);
	CHECK(run_one(&from) >= 0);
	CHECK(take(&to, &tag, NULL) >= 0);
	CHECK_EQ(tag, 99);
	sqe = sqe_of(&to);
	io_uring_prep_read(sqe, 2, back, 8, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&to), 4);
	io_uring_prep_msg_ring(sqe_of(&from), fd, 0, 0, 0);
	CHECK_EQ(run_one(&from), -EBADFD);
	close(fd);
	io_uring_queue_exit(&from);
	io_uring_queue_exit(&to);
	return 0;
}
