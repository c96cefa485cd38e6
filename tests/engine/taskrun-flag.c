/*
 * A DEFER_TASKRUN ring with TASKRUN_FLAG: a program that only peeks, and so makes a
 * call when the flag asks for one, sees what becomes ready.
 */
#include "engine.h"

int main(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 2000000 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int ends[2], round;
	char byte;

	engine_init(8, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			      IORING_SETUP_TASKRUN_FLAG);
	CHECK_EQ(pipe(ends), 0);
	for (round = 0; round < 20; round++) {
		long end = now_ms() + 5000;

		if (round % 2) {
			queue_read(&ring, ends[0], &byte, 1, 1);
			CHECK_EQ(io_uring_submit(&ring), 1);
			CHECK_EQ(write(ends[1], "x", 1), 1);
		} else {
			io_uring_prep_timeout(sqe_of(&ring), &soon, 0, 0);
			CHECK_EQ(io_uring_submit(&ring), 1);
		}
		while (io_uring_peek_cqe(&ring, &cqe)) {
			CHECK(now_ms() < end);
			sched_yield();
		}
		CHECK_EQ(cqe->res, round % 2 ? 1 : -ETIME);
		io_uring_cqe_seen(&ring, cqe);
	}
	/* With nothing under way the flag goes. */
	CHECK_EQ(io_uring_get_events(&ring), 0);
	CHECK(!(IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_TASKRUN));
	close_both(ends);
	io_uring_queue_exit(&ring);
	return 0;
}
