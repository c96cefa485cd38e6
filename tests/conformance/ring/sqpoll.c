/* SQPOLL: submissions are taken without a system call, a sleeping thread is
 * woken, and a full queue can be waited for. Linux 5.11. */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring ring;
	int i, ret;

	need_io_uring();
	params.flags = IORING_SETUP_SQPOLL;
	params.sq_thread_idle = 10;
	ret = io_uring_queue_init_params(4, &ring, &params);
	if (ret == -EPERM)
		SKIP("SQPOLL is not allowed");
	CHECK_EQ(ret, 0);
	for (i = 0; i < 200; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (!sqe) {
			CHECK(io_uring_sqring_wait(&ring) >= 0);
			sqe = io_uring_get_sqe(&ring);
			CHECK(sqe != NULL);
		}
		io_uring_prep_nop(sqe);
		CHECK(io_uring_submit(&ring) >= 1);
		if (i % 50 == 0)
			usleep(50000);
		if (i % 4 == 3) {
			int j;

			for (j = 0; j < 4; j++)
				CHECK_EQ(take(&ring, NULL, NULL), 0);
		}
	}
	CHECK_EQ(io_uring_sqring_wait(&ring), 0);
	RESULT("200");
	io_uring_queue_exit(&ring);
	return 0;
}
