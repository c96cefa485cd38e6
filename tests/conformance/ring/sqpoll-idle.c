/* sq_thread_idle is elapsed time: that long after the last submission the thread asks
 * to be woken, not much later. io_uring_setup(2). */
#include "trace.h"

int main(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1000 };
	struct io_uring ring;
	long start, took;
	int ret = io_uring_queue_init_params(8, &ring, &params);

	if (ret < 0)
		SKIP("no ring with a thread: %s", strerror(-ret));
	start = now_ms();
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	while (!(IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_NEED_WAKEUP)) {
		CHECK(now_ms() - start < 10000);
		usleep(1000);
	}
	took = now_ms() - start;
	if (took < 980 || took > 1700) {
		fprintf(stderr, "idle for %ld ms\n", took);
		return 1;
	}
	RESULT("in time");
	io_uring_queue_exit(&ring);
	return 0;
}
