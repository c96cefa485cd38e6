/*
 * A bundle sends several provided buffers at once. Linux 6.10;
 * io_uring_prep_send_bundle(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring_buf_ring *br;
	struct io_uring_sqe *sqe;
	static char memory[4][4];
	struct io_uring ring;
	char back[16];
	int fds[2], ret, i;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_RECVSEND_BUNDLE))
		SKIP("this kernel has no bundles");
	tcp_pair(fds);
	br = io_uring_setup_buf_ring(&ring, 4, 1, 0, &ret);
	CHECK(br != NULL);
	for (i = 0; i < 3; i++) {
		memset(memory[i], 'a' + i, 4);
		io_uring_buf_ring_add(br, memory[i], 4, (unsigned short) i, io_uring_buf_ring_mask(4), i);
	}
	io_uring_buf_ring_advance(br, 3);
	sqe = sqe_of(&ring);
	io_uring_prep_send_bundle(sqe, fds[0], 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	io_uring_sqe_set_buf_group(sqe, 1);
	CHECK_EQ(run_one(&ring), 12);
	CHECK_EQ(recv(fds[1], back, 12, MSG_WAITALL), 12);
	CHECK(!memcmp(back, "aaaabbbbcccc", 12));
	close(fds[0]);
	close(fds[1]);
	CHECK_EQ(io_uring_free_buf_ring(&ring, br, 4, 1), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
