/*
 * A timer that expires again and again, and other clocks. Linux 6.4, 5.15;
 * io_uring_prep_timeout(3).
 */
#include "one.h"

int main(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 2000000 };
	struct io_uring ring;
	unsigned flags;
	int i, ret;

	must_init(8, &ring, 0);
	io_uring_prep_timeout(sqe_of(&ring), &soon, 3, IORING_TIMEOUT_MULTISHOT);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 3; i++) {
		ret = take(&ring, NULL, &flags);
		if (!i)
			skip_if_old(ret, "multishot timers");
		CHECK_EQ(ret, -ETIME);
		CHECK_EQ(!!(flags & IORING_CQE_F_MORE), i < 2);
	}
	io_uring_prep_timeout(sqe_of(&ring), &soon, 0, IORING_TIMEOUT_BOOTTIME);
	CHECK_EQ(run_one(&ring), -ETIME);
	io_uring_prep_timeout(sqe_of(&ring), &soon, 0, IORING_TIMEOUT_REALTIME);
	CHECK_EQ(run_one(&ring), -ETIME);
	io_uring_queue_exit(&ring);
	return 0;
}
