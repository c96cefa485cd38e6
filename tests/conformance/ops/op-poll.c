/*
 * poll_add, poll_update, poll_remove and multishot polls. Linux 5.13;
 * io_uring_prep_poll_add(3), poll(2).
 */
#include "one.h"

#include <poll.h>

int main(void)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	unsigned flags;
	__u64 tag;
	int pipes[2], i;
	char byte;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_RSRC_TAGS))
		SKIP("this kernel has no multishot polls");
	CHECK_EQ(pipe(pipes), 0);
	io_uring_prep_poll_add(sqe_of(&ring), pipes[0], POLLIN);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), POLLIN);
	CHECK_EQ(read(pipes[0], &byte, 1), 1);
	/* Multishot: an event for each write. */
	sqe = sqe_of(&ring);
	io_uring_prep_poll_multishot(sqe, pipes[0], POLLIN);
	io_uring_sqe_set_data64(sqe, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(write(pipes[1], "x", 1), 1);
		CHECK_EQ(take(&ring, &tag, &flags), POLLIN);
		CHECK(flags & IORING_CQE_F_MORE && tag == 1);
		CHECK_EQ(read(pipes[0], &byte, 1), 1);
	}
	/* Its user_data becomes 2, then it is removed. */
	sqe = sqe_of(&ring);
	io_uring_prep_poll_update(sqe, 1, 2, 0, IORING_POLL_UPDATE_USER_DATA);
	io_uring_sqe_set_data64(sqe, 100);
	CHECK_EQ(run_one(&ring), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_remove(sqe, 2);
	io_uring_sqe_set_data64(sqe, 101);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 2; i++) {
		int res = take(&ring, &tag, NULL);

		CHECK_EQ(res, tag == 2 ? -ECANCELED : 0);
	}
	sqe = sqe_of(&ring);
	io_uring_prep_poll_remove(sqe, 77);
	CHECK_EQ(run_one(&ring), -ENOENT);
	RESULT("polls");
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
