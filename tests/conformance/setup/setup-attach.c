/* ATTACH_WQ shares the worker pool of another ring. Linux 5.6. */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring first, second;

	must_init(4, &first, 0);
	params.flags = IORING_SETUP_ATTACH_WQ;
	params.wq_fd = (__u32) first.ring_fd;
	CHECK_EQ(io_uring_queue_init_params(4, &second, &params), 0);
	io_uring_prep_nop(sqe_of(&second));
	CHECK_EQ(run_one(&second), 0);
	RESULT("attached");
	io_uring_queue_exit(&second);
	io_uring_queue_exit(&first);
	return 0;
}
