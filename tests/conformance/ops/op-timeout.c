/*
 * Timers: relative, absolute, counted, updated, removed. Linux 5.11;
 * io_uring_prep_timeout(3).
 */
#include "one.h"

int main(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 5000000 }, never = { .tv_sec = 1000 }, point;
	struct timespec now;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	__u64 tag;
	int i;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_EXT_ARG))
		SKIP("this kernel cannot update timers");
	io_uring_prep_timeout(sqe_of(&ring), &soon, 0, 0);
	CHECK_EQ(run_one(&ring), -ETIME);
	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	point.tv_sec = now.tv_sec;
	point.tv_nsec = now.tv_nsec;
	io_uring_prep_timeout(sqe_of(&ring), &point, 0, IORING_TIMEOUT_ABS);
	CHECK_EQ(run_one(&ring), -ETIME);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &never, 2, 0);
	io_uring_sqe_set_data64(sqe, 9);
	io_uring_prep_nop(sqe_of(&ring));
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 3);
	for (i = 0; i < 3; i++)
		CHECK_EQ(take(&ring, NULL, NULL), 0);
	/* Updated from never to soon. */
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &never, 0, 0);
	io_uring_sqe_set_data64(sqe, 5);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout_update(sqe, &soon, 5, 0);
	io_uring_sqe_set_data64(sqe, 6);
	CHECK_EQ(io_uring_submit(&ring), 2);
	for (i = 0; i < 2; i++) {
		int res = take(&ring, &tag, NULL);

		CHECK_EQ(res, tag == 5 ? -ETIME : 0);
	}
	/* Removed. */
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &never, 0, 0);
	io_uring_sqe_set_data64(sqe, 7);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout_remove(sqe, 7, 0);
	io_uring_sqe_set_data64(sqe, 8);
	CHECK_EQ(io_uring_submit(&ring), 2);
	for (i = 0; i < 2; i++) {
		int res = take(&ring, &tag, NULL);

		CHECK_EQ(res, tag == 7 ? -ECANCELED : 0);
	}
	io_uring_prep_timeout_remove(sqe_of(&ring), 1234, 0);
	CHECK_EQ(run_one(&ring), -ENOENT);
	RESULT("timers");
	io_uring_queue_exit(&ring);
	return 0;
}
