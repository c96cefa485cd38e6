/* 128-byte SQEs: none on plain rings, one slot on SQE128, two on SQE_MIXED, with
 * a filler at the end of the queue. The ring is a model: no kernel needed. */
#include "one.h"

static struct io_uring model(unsigned flags, struct io_uring_sqe *sqes, unsigned *head)
{
	struct io_uring ring;

	memset(&ring, 0, sizeof(ring));
	ring.flags = flags;
	ring.sq.sqes = sqes;
	ring.sq.khead = head;
	ring.sq.ring_entries = 4;
	ring.sq.ring_mask = 3;
	return ring;
}

int main(void)
{
	static struct io_uring_sqe sqes[8];
	unsigned head = 0;
	struct io_uring ring = model(0, sqes, &head);

	CHECK(io_uring_get_sqe128(&ring) == NULL);
	ring = model(IORING_SETUP_SQE128, sqes, &head);
	CHECK(io_uring_get_sqe128(&ring) == sqes);
	CHECK(io_uring_get_sqe128(&ring) == sqes + 2);
	CHECK_EQ(ring.sq.sqe_tail, 2);

	ring = model(IORING_SETUP_SQE_MIXED, sqes, &head);
	CHECK(io_uring_get_sqe(&ring) == sqes);
	CHECK(io_uring_get_sqe128(&ring) == sqes + 1);
	CHECK_EQ(ring.sq.sqe_tail, 3);
	CHECK(io_uring_get_sqe128(&ring) == NULL);
	CHECK_EQ(ring.sq.sqe_tail, 3);
	/* Two free slots, but one of them is the filler: not enough. */
	head = 1;
	CHECK(io_uring_get_sqe128(&ring) == NULL);
	head = 2;
	memset(&sqes[3], 0xa5, sizeof(sqes[3]));
	CHECK(io_uring_get_sqe128(&ring) == sqes);
	CHECK_EQ(ring.sq.sqe_tail, 6);
	CHECK_EQ(sqes[3].opcode, IORING_OP_NOP);
	CHECK_EQ(sqes[3].fd, -1);
	CHECK_EQ(sqes[3].flags, IOSQE_CQE_SKIP_SUCCESS);
	CHECK(sqes[3].user_data == 0xa5a5a5a5a5a5a5a5ULL);
	/* Indices wrap. */
	head = 0xfffffffeU;
	ring.sq.sqe_tail = 0xfffffffeU;
	CHECK(io_uring_get_sqe128(&ring) == sqes + 2);
	CHECK_EQ(ring.sq.sqe_tail, 0);
	CHECK_EQ(io_uring_sq_ready(&ring), 2);
	CHECK_EQ(io_uring_sqe_shift(&ring), 0);
	CHECK_EQ(io_uring_sqe_shift_from_flags(IORING_SETUP_SQE128), 1);
	return 0;
}
