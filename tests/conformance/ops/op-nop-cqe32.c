/*
 * A nop can be asked for a large completion: two slots on a ring of mixed sizes,
 * with the second half as it was given. Linux 6.18; io_uring_setup(2) under
 * IORING_SETUP_CQE_MIXED.
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int i;

	must_init(4, &ring, IORING_SETUP_CQE_MIXED);
	for (i = 0; i < 20; i++) {
		int large = i % 3 == 0;

		sqe = sqe_of(&ring);
		io_uring_prep_nop(sqe);
		mark(sqe, (__u64) i, 0);
		if (large) {
			sqe->nop_flags = IORING_NOP_CQE32;
			sqe->off = 0x1111000000000000ULL + (unsigned) i;
			sqe->addr = 0x2222000000000000ULL + (unsigned) i;
		}
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
		if (!i && cqe->res == -EINVAL)
			SKIP("this kernel's nop posts no large completions");
		CHECK_EQ(cqe->res, 0);
		CHECK_EQ(cqe->user_data, i);
		CHECK_EQ(!!(cqe->flags & IORING_CQE_F_32), large);
		CHECK_EQ(io_uring_cqe_nr(cqe), large ? 2 : 1);
		if (large) {
			CHECK(cqe->big_cqe[0] == 0x1111000000000000ULL + (unsigned) i);
			CHECK(cqe->big_cqe[1] == 0x2222000000000000ULL + (unsigned) i);
		}
		io_uring_cqe_seen(&ring, cqe);
		CHECK_EQ(io_uring_cq_ready(&ring), 0);
	}
	io_uring_queue_exit(&ring);
	return 0;
}
