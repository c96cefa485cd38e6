/* submit: the count, nothing to do, what was left over, a bad entry in a batch. */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int i, ret;

	must_init(8, &ring, 0);
	CHECK_EQ(io_uring_submit(&ring), 0);
	for (i = 0; i < 3; i++)
		io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 3);
	CHECK_EQ(io_uring_submit(&ring), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 3);
	io_uring_cq_advance(&ring, 3);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 0), 0);
	/* The kernel stops behind an entry that it cannot even start. */
	io_uring_prep_nop(sqe_of(&ring));
	io_uring_prep_rw(250, sqe_of(&ring), -1, NULL, 0, 0);
	io_uring_prep_nop(sqe_of(&ring));
	ret = io_uring_submit(&ring);
	CHECK(ret == 2 || ret == 3);
	if (ret == 2)
		CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	CHECK_EQ(take(&ring, NULL, NULL), -EINVAL);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	RESULT("submitted %d", ret);
	errno = 4711;
	close(ring.ring_fd);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), -EBADF);
	CHECK_EQ(errno, 4711);
	return 0;
}
