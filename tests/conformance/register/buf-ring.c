/* Buffer rings: the arithmetic on plain memory, then head and available on the
 * kernel. Linux 5.19, 6.8. */
#include "one.h"

int main(void)
{
	static struct io_uring_buf memory[8];
	struct io_uring_buf_ring *br = (struct io_uring_buf_ring *) (void *) memory;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	static char space[4][8];
	unsigned flags, khead = 0;
	uint16_t head = 99;
	int pipes[2], ret, i;

	memset(memory, 0xa5, sizeof(memory));
	io_uring_buf_ring_init(br);
	CHECK_EQ(br->tail, 0);
	CHECK_EQ(memory[0].len, 0xa5a5a5a5);
	io_uring_buf_ring_add(br, space, 8, 3, io_uring_buf_ring_mask(8), 0);
	CHECK_EQ(br->tail, 0);
	CHECK_EQ(br->bufs[0].len, 8);
	CHECK_EQ(br->bufs[0].bid, 3);
	io_uring_buf_ring_add(br, space, 9, 4, io_uring_buf_ring_mask(8), 9);
	CHECK_EQ(memory[1].len, 9);
	CHECK_EQ(memory[1].resv, 0xa5a5);
	io_uring_buf_ring_advance(br, -1);
	CHECK_EQ(br->tail, 65535);
	io_uring_buf_ring_advance(br, 3);
	CHECK_EQ(br->tail, 2);
	memset(&ring, 0, sizeof(ring));
	ring.cq.khead = &khead;
	__io_uring_buf_ring_cq_advance(&ring, br, 2, 5);
	CHECK_EQ(br->tail, 7);
	CHECK_EQ(khead, 2);
	io_uring_buf_ring_cq_advance(&ring, br, 1);
	CHECK_EQ(br->tail, 8);
	CHECK_EQ(khead, 3);

	must_init(8, &ring, 0);
	CHECK(io_uring_setup_buf_ring(&ring, 0, 1, 0, &ret) == NULL);
	CHECK_EQ(ret, -EINVAL);
	CHECK(io_uring_setup_buf_ring(&ring, 3, 1, 0, &ret) == NULL);
	CHECK_EQ(ret, -EINVAL);
	br = io_uring_setup_buf_ring(&ring, 4, 1, 0, &ret);
	if (!br)
		skip_if_old(ret, "buffer rings");
	CHECK(br != NULL);
	CHECK_EQ(ret, 0);
	CHECK(io_uring_setup_buf_ring(&ring, 4, 1, 0, &ret) == NULL);
	CHECK_EQ(ret, -EEXIST);
	for (i = 0; i < 4; i++)
		io_uring_buf_ring_add(br, space[i], 8, (unsigned short) (10 + i), io_uring_buf_ring_mask(4), i);
	io_uring_buf_ring_advance(br, 4);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(write(pipes[1], "ring", 4), 4);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, pipes[0], NULL, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	io_uring_sqe_set_buf_group(sqe, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &flags), 4);
	CHECK_EQ(flags >> 16, 10);
	CHECK(!memcmp(space[0], "ring", 4));
	ret = io_uring_buf_ring_head(&ring, 1, &head);
	if (!ret) {
		CHECK_EQ(head, 1);
		CHECK_EQ(io_uring_buf_ring_available(&ring, br, 1), 3);
		head = 99;
		CHECK_EQ(io_uring_buf_ring_head(&ring, 2, &head), -ENOENT);
		CHECK_EQ(head, 99);
		CHECK_EQ(io_uring_buf_ring_available(&ring, br, 2), -ENOENT);
	} else {
		CHECK_EQ(ret, -EINVAL);
	}
	CHECK_EQ(io_uring_free_buf_ring(&ring, br, 4, 1), 0);
	ret = io_uring_unregister_buf_ring(&ring, 1);
	CHECK(ret == -ENOENT || ret == -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
