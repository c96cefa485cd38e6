/* Resizing keeps completions and goes on working. Linux 6.13. */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring ring;
	__u64 tag;
	int i, ret;

	must_init(4, &ring, IORING_SETUP_NO_MMAP);
	params.sq_entries = 16;
	CHECK_EQ(io_uring_resize_rings(&ring, &params), -EINVAL);
	CHECK_EQ(params.sq_entries, 16);
	io_uring_queue_exit(&ring);
	must_init(4, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	for (i = 0; i < 3; i++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, (__u64) i);
	}
	CHECK_EQ(io_uring_submit_and_wait(&ring, 3), 3);
	memset(&params, 0, sizeof(params));
	params.sq_entries = 32;
	params.cq_entries = 64;
	params.flags = IORING_SETUP_CQSIZE;
	ret = io_uring_resize_rings(&ring, &params);
	skip_if_old(ret, "resizing");
	CHECK_EQ(ret, 0);
	CHECK_EQ(params.flags, 0);
	CHECK_EQ(ring.sq.ring_entries, 32);
	CHECK_EQ(ring.cq.ring_entries, 64);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(take(&ring, &tag, NULL), 0);
		CHECK_EQ(tag, i);
	}
	for (i = 0; i < 32; i++)
		io_uring_prep_nop(sqe_of(&ring));
	CHECK(io_uring_get_sqe(&ring) == NULL);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 32), 32);
	for (i = 0; i < 32; i++)
		CHECK_EQ(take(&ring, NULL, NULL), 0);
	memset(&params, 0, sizeof(params));
	params.sq_entries = 1 << 20;
	CHECK_EQ(io_uring_resize_rings(&ring, &params), -EINVAL);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
