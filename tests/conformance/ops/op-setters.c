/*
 * The functions that change one field of an SQE, by their effect: the tag comes
 * back, the flag makes the descriptor a slot, the target turns an open into a
 * direct one. Linux 5.15; io_uring_sqe_set_flags(3), io_uring_enter(2).
 */
#include "op-helpers.h"

#include <poll.h>

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int pair[2], ret;
	char back[8];
	__u64 tag;

	enter_folder();
	close(file_with("file", "set", 3));
	must_init(4, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 4);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_openat(sqe, AT_FDCWD, "file", O_RDONLY, 0);
	__io_uring_set_target_fixed_file(sqe, 2);
	io_uring_sqe_set_data(sqe, back);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, &tag, NULL), 0);
	CHECK(tag == (__u64) (uintptr_t) back);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, 2, back, sizeof(back), 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_ASYNC);
	io_uring_sqe_set_data64(sqe, 0xfedcba9876543210ULL);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, &tag, NULL), 3);
	CHECK(tag == 0xfedcba9876543210ULL);
	CHECK(!memcmp(back, "set", 3));
	/* The mask as the kernel reads it, on both byte orders: it asks for room only,
	 * though there is input too. */
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(write(pair[0], "x", 1), 1);
	sqe = sqe_of(&ring);
	io_uring_prep_rw(IORING_OP_POLL_ADD, sqe, pair[1], NULL, 0, 0);
	sqe->poll32_events = __io_uring_prep_poll_mask(POLLOUT);
	CHECK_EQ(run_one(&ring), POLLOUT);
	RESULT("%.3s", back);
	close_both(pair);
	io_uring_queue_exit(&ring);
	return 0;
}
