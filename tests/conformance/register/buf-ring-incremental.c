/* Incremental buffer rings: a buffer is used up piece by piece. Linux 6.12. */
#include "one.h"

int main(void)
{
	struct io_uring_buf_ring *br;
	static char space[64];
	struct io_uring ring;
	unsigned flags;
	int pipes[2], ret, i;

	must_init(8, &ring, 0);
	br = io_uring_setup_buf_ring(&ring, 2, 1, IOU_PBUF_RING_INC, &ret);
	if (!br)
		skip_if_old(ret, "incremental buffer rings");
	CHECK(br != NULL);
	io_uring_buf_ring_add(br, space, 64, 7, io_uring_buf_ring_mask(2), 0);
	io_uring_buf_ring_advance(br, 1);
	CHECK_EQ(pipe(pipes), 0);
	for (i = 0; i < 3; i++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		CHECK_EQ(write(pipes[1], "piece", 5), 5);
		io_uring_prep_read(sqe, pipes[0], NULL, 0, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
		io_uring_sqe_set_buf_group(sqe, 1);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(take(&ring, NULL, &flags), 5);
		CHECK_EQ(flags >> 16, 7);
		CHECK(flags & IORING_CQE_F_BUF_MORE);
	}
	CHECK(!memcmp(space, "piecepiecepiece", 15));
	CHECK_EQ(io_uring_free_buf_ring(&ring, br, 2, 1), 0);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
