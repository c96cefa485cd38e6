/*
 * With incremental consumption one large buffer serves receive after receive: they
 * continue where the last one ended, and a flag says that the buffer is still in
 * use. Linux 6.12; io_uring_register_buf_ring(3) under IOU_PBUF_RING_INC.
 */
#include "op-helpers.h"

int main(void)
{
	static const char *parts[3] = { "first", "second", "third" };
	static char memory[16];
	struct io_uring_buf_ring *br;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	unsigned flags, at = 0;
	int fds[2], ret, i;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	must_init(8, &ring, 0);
	br = io_uring_setup_buf_ring(&ring, 2, 5, IOU_PBUF_RING_INC, &ret);
	if (!br)
		skip_if_old(ret, "incremental buffer rings");
	CHECK(br != NULL);
	io_uring_buf_ring_add(br, memory, 16, 3, io_uring_buf_ring_mask(2), 0);
	io_uring_buf_ring_advance(br, 1);
	for (i = 0; i < 3; i++) {
		int size = (int) strlen(parts[i]);

		CHECK_EQ(send(fds[0], parts[i], (size_t) size, 0), size);
		sqe = sqe_of(&ring);
		io_uring_prep_recv(sqe, fds[1], NULL, 0, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
		io_uring_sqe_set_buf_group(sqe, 5);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(take(&ring, NULL, &flags), size);
		CHECK_EQ(pool_bid(flags), 3);
		CHECK(!memcmp(memory + at, parts[i], (size_t) size));
		at += (unsigned) size;
		/* 5 + 6 + 5 is the whole buffer. */
		CHECK_EQ(!!(flags & IORING_CQE_F_BUF_MORE), at < 16);
	}
	CHECK_EQ(io_uring_buf_ring_available(&ring, br, 5), 0);
	close_both(fds);
	CHECK_EQ(io_uring_free_buf_ring(&ring, br, 2, 5), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
