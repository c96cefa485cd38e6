/*
 * One read of a pipe fills buffer after buffer. Linux 6.7;
 * io_uring_prep_read_multishot(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring_buf_ring *br;
	static char memory[4][16];
	struct io_uring ring;
	unsigned flags;
	int pipes[2], ret, i;

	need_op(IORING_OP_READ_MULTISHOT, "READ_MULTISHOT");
	must_init(8, &ring, 0);
	CHECK_EQ(pipe(pipes), 0);
	br = io_uring_setup_buf_ring(&ring, 4, 3, 0, &ret);
	CHECK(br != NULL);
	for (i = 0; i < 4; i++)
		io_uring_buf_ring_add(br, memory[i], 16, (unsigned short) i, io_uring_buf_ring_mask(4), i);
	io_uring_buf_ring_advance(br, 4);
	io_uring_prep_read_multishot(sqe_of(&ring), pipes[0], 0, 0, 3);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(write(pipes[1], "hello", 5), 5);
		CHECK_EQ(take(&ring, NULL, &flags), 5);
		CHECK(flags & IORING_CQE_F_MORE && flags & IORING_CQE_F_BUFFER);
		CHECK(!memcmp(memory[flags >> IORING_CQE_BUFFER_SHIFT], "hello", 5));
	}
	close(pipes[1]);
	CHECK_EQ(take(&ring, NULL, &flags), 0);
	CHECK(!(flags & IORING_CQE_F_MORE));
	close(pipes[0]);
	CHECK_EQ(io_uring_free_buf_ring(&ring, br, 4, 3), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
