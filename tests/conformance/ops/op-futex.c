/*
 * futex wait, wake and waitv. Linux 6.7; futex(2), io_uring_prep_futex_wait(3).
 */
#include "one.h"

#include <linux/futex.h>

#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 2
#endif

int main(void)
{
	static uint32_t words[2];
	struct futex_waitv both[2];
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	__u64 tag;
	int i;

	need_op(IORING_OP_FUTEX_WAITV, "FUTEX_WAITV");
	must_init(8, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_futex_wait(sqe, &words[0], 1, FUTEX_BITSET_MATCH_ANY, FUTEX2_SIZE_U32, 0);
	CHECK_EQ(run_one(&ring), -EAGAIN);
	sqe = sqe_of(&ring);
	io_uring_prep_futex_wait(sqe, &words[0], 0, FUTEX_BITSET_MATCH_ANY, FUTEX2_SIZE_U32, 0);
	io_uring_sqe_set_data64(sqe, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_futex_wake(sqe, &words[0], 1, FUTEX_BITSET_MATCH_ANY, FUTEX2_SIZE_U32, 0);
	io_uring_sqe_set_data64(sqe, 2);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 2; i++) {
		int res = take(&ring, &tag, NULL);

		CHECK_EQ(res, tag == 2 ? 1 : 0);
	}
	memset(both, 0, sizeof(both));
	for (i = 0; i < 2; i++) {
		both[i].uaddr = (uintptr_t) &words[i];
		both[i].flags = FUTEX2_SIZE_U32;
	}
	sqe = sqe_of(&ring);
	io_uring_prep_futex_waitv(sqe, both, 2, 0);
	io_uring_sqe_set_data64(sqe, 3);
	CHECK_EQ(io_uring_submit(&ring), 1);
	sqe = sqe_of(&ring);
	io_uring_prep_futex_wake(sqe, &words[1], 1, FUTEX_BITSET_MATCH_ANY, FUTEX2_SIZE_U32, 0);
	io_uring_sqe_set_data64(sqe, 4);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 2; i++)
		CHECK_EQ(take(&ring, NULL, NULL), 1);
	io_uring_queue_exit(&ring);
	return 0;
}
