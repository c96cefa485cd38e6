/*
 * A timer with a count ends with 0 once that many other requests have completed,
 * and with -ETIME if they do not in time. Linux 5.4; io_uring_prep_timeout(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct __kernel_timespec never = { .tv_sec = 1000 }, soon = { .tv_nsec = 20000000 };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int results[4], i;

	must_init(8, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &never, 3, 0);
	mark(sqe, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	results[1] = 1;
	for (i = 0; i < 3; i++) {
		nothing_yet(&ring);
		sqe = sqe_of(&ring);
		io_uring_prep_nop(sqe);
		mark(sqe, 2, 0);
		run_all(&ring, 1, results);
	}
	collect(&ring, 1, results);
	CHECK_EQ(results[1], 0);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &soon, 2, 0);
	mark(sqe, 1, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	mark(sqe, 2, 0);
	run_all(&ring, 2, results);
	CHECK_EQ(results[1], -ETIME);
	CHECK_EQ(results[2], 0);
	RESULT("%d", results[2]);
	io_uring_queue_exit(&ring);
	return 0;
}
