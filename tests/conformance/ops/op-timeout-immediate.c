/*
 * A timer whose time is in the request itself, not behind a pointer. Newer than
 * Linux 6.18; io_uring_enter(2) under IORING_TIMEOUT_IMMEDIATE_ARG.
 */
#include "op-helpers.h"

int main(void)
{
	struct timespec before, after;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int res;

	must_init(4, &ring, 0);
	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &before), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, NULL, 0, IORING_TIMEOUT_IMMEDIATE_ARG);
	sqe->addr = 20000000;
	res = run_one(&ring);
	skip_if_old(res, "times inside the request");
	CHECK_EQ(res, -ETIME);
	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &after), 0);
	CHECK((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec >= 20000000);
	io_uring_queue_exit(&ring);
	return 0;
}
