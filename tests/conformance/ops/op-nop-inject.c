/*
 * A nop can be told its result. Linux 6.11 (IORING_NOP_INJECT_RESULT);
 * io_uring_enter(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int ret;

	must_init(4, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	sqe->nop_flags = IORING_NOP_INJECT_RESULT;
	sqe->len = 1234;
	ret = run_one(&ring);
	skip_if_old(ret, "injected results");
	CHECK_EQ(ret, 1234);
	io_uring_queue_exit(&ring);
	return 0;
}
