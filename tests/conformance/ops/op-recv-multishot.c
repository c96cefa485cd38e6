/*
 * One receive fills provided buffers until the stream ends. Linux 6.0;
 * io_uring_prep_recv_multishot(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring_buf_ring *br;
	struct io_uring_sqe *sqe;
	static char memory[8][8];
	struct io_uring ring;
	unsigned flags;
	int fds[2], ret, i, total = 0;

	need_op(IORING_OP_SEND_ZC, "multishot receive (probed by SEND_ZC)");
	tcp_pair(fds);
	must_init(8, &ring, 0);
	br = io_uring_setup_buf_ring(&ring, 8, 1, 0, &ret);
	CHECK(br != NULL);
	for (i = 0; i < 8; i++)
		io_uring_buf_ring_add(br, memory[i], 8, (unsigned short) i, io_uring_buf_ring_mask(8), i);
	io_uring_buf_ring_advance(br, 8);
	sqe = sqe_of(&ring);
	io_uring_prep_recv_multishot(sqe, fds[1], NULL, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	io_uring_sqe_set_buf_group(sqe, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(send(fds[0], "0123456789abcdefghij", 20, 0), 20);
	while (total < 20) {
		int res = take(&ring, NULL, &flags);

		CHECK(res > 0 && flags & IORING_CQE_F_MORE && flags & IORING_CQE_F_BUFFER);
		CHECK(!memcmp(memory[flags >> 16], "0123456789abcdefghij" + total, (size_t) res));
		total += res;
	}
	close(fds[0]);
	CHECK_EQ(take(&ring, NULL, &flags), 0);
	CHECK(!(flags & IORING_CQE_F_MORE));
	close(fds[1]);
	CHECK_EQ(io_uring_free_buf_ring(&ring, br, 8, 1), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
