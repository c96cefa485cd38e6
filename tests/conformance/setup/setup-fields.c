/* What a set-up ring holds: inline code in compiled programs reads it. */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring ring;

	need_io_uring();
	memset(&ring, 0xa5, sizeof(ring));
	CHECK_EQ(io_uring_queue_init_params(5, &ring, &params), 0);
	CHECK_EQ(ring.sq.ring_entries, 8);
	CHECK_EQ(ring.sq.ring_mask, 7);
	CHECK_EQ(ring.cq.ring_entries, 16);
	CHECK_EQ(ring.cq.ring_mask, 15);
	CHECK_EQ(*ring.sq.kring_entries, 8);
	CHECK_EQ(*ring.sq.kring_mask, 7);
	CHECK_EQ(*ring.cq.kring_entries, 16);
	CHECK_EQ(*ring.cq.kring_mask, 15);
	CHECK_EQ(ring.sq.sqe_head, 0);
	CHECK_EQ(ring.sq.sqe_tail, 0);
	CHECK_EQ(*ring.sq.khead, 0);
	CHECK_EQ(*ring.sq.ktail, 0);
	CHECK_EQ(*ring.cq.khead, 0);
	CHECK_EQ(*ring.cq.ktail, 0);
	CHECK_EQ(*ring.sq.kdropped, 0);
	CHECK_EQ(*ring.cq.koverflow, 0);
	CHECK(ring.sq.sqes && ring.cq.cqes && ring.sq.ring_ptr && ring.cq.ring_ptr);
	CHECK_EQ(ring.features, params.features);
	CHECK_EQ(ring.flags, params.flags);
	CHECK(ring.ring_fd >= 0);
	CHECK_EQ(fcntl(ring.ring_fd, F_GETFD), FD_CLOEXEC);
	if (params.features & IORING_FEAT_SINGLE_MMAP)
		CHECK(ring.sq.ring_ptr == ring.cq.ring_ptr);
	CHECK_EQ(params.sq_entries, 8);
	CHECK_EQ(params.cq_entries, 16);
	RESULT("features %#x entries %u %u", ring.features, params.sq_entries, params.cq_entries);
	io_uring_queue_exit(&ring);
	return 0;
}
