/*
 * nop completes with 0 and its user_data. Linux 5.1; io_uring_enter(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	__u64 tag;

	must_init(4, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, &ring);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, &tag, NULL), 0);
	CHECK(tag == (__u64) (uintptr_t) &ring);
	RESULT("nop done");
	io_uring_queue_exit(&ring);
	return 0;
}
