/*
 * Futexes: masks choose who wakes, the count how many, the system call and the
 * request wake each other, waits can be cancelled, a vector tells which word it
 * was. Linux 6.7; futex(2), io_uring_prep_futex_wait(3).
 */
#include "op-helpers.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 2
#endif
#ifndef FUTEX2_PRIVATE
#define FUTEX2_PRIVATE 128
#endif

#define PRIVATE (FUTEX2_SIZE_U32 | FUTEX2_PRIVATE)

static struct io_uring ring;
static uint32_t words[3];

static void wait_for(uint32_t *word, __u64 tag, uint64_t mask)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_futex_wait(sqe, word, *word, mask, PRIVATE, 0);
	mark(sqe, tag, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
}

int main(void)
{
	struct futex_waitv vector[3];
	struct io_uring_sqe *sqe;
	int results[8], i;
	__u64 tag;

	need_op(IORING_OP_FUTEX_WAITV, "FUTEX_WAITV");
	must_init(8, &ring, 0);
	wait_for(&words[0], 1, 1);
	wait_for(&words[0], 2, 2);
	sqe = sqe_of(&ring);
	io_uring_prep_futex_wake(sqe, &words[0], INT_MAX, 2, PRIVATE, 0);
	mark(sqe, 3, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	collect(&ring, 2, results);
	CHECK_EQ(results[3], 1);
	CHECK_EQ(results[2], 0);
	nothing_yet(&ring);
	/* Another number under the same mask: two wait, one is woken. */
	wait_for(&words[0], 1, 1);
	CHECK_EQ(syscall(SYS_futex, &words[0], FUTEX_WAKE_PRIVATE, 1), 1);
	CHECK_EQ(take(&ring, &tag, NULL), 0);
	CHECK_EQ(tag, 1);
	nothing_yet(&ring);
	sqe = sqe_of(&ring);
	io_uring_prep_cancel64(sqe, 1, 0);
	mark(sqe, 4, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	collect(&ring, 2, results);
	/* Kernels answer with 0, as elsewhere, or with how many were found. */
	CHECK(results[4] == 0 || results[4] == 1);
	CHECK_EQ(results[1], -ECANCELED);
	CHECK_EQ(syscall(SYS_futex, &words[0], FUTEX_WAKE_PRIVATE, 1), 0);
	/* Two wait, the request wakes one. */
	wait_for(&words[0], 1, 1);
	wait_for(&words[0], 1, 1);
	for (i = 0; i < 2; i++) {
		sqe = sqe_of(&ring);
		io_uring_prep_futex_wake(sqe, &words[0], 1, 1, PRIVATE, 0);
		mark(sqe, 3, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		collect(&ring, 2, results);
		CHECK_EQ(results[1], 0);
		CHECK_EQ(results[3], 1);
		nothing_yet(&ring);
	}
	/* Nobody waits: nobody is woken. */
	io_uring_prep_futex_wake(sqe_of(&ring), &words[0], 1, FUTEX_BITSET_MATCH_ANY, PRIVATE, 0);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_futex_wait(sqe_of(&ring), &words[0], 0, 0, PRIVATE, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_futex_wait(sqe_of(&ring), &words[0], 0, 1, 1 << 20, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	memset(vector, 0, sizeof(vector));
	for (i = 0; i < 3; i++) {
		vector[i].uaddr = (uintptr_t) &words[i];
		vector[i].flags = PRIVATE;
	}
	sqe = sqe_of(&ring);
	io_uring_prep_futex_waitv(sqe, vector, 3, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	words[2] = 1;
	CHECK_EQ(syscall(SYS_futex, &words[2], FUTEX_WAKE_PRIVATE, 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 2);
	/* The third word is no longer what the vector says. */
	io_uring_prep_futex_waitv(sqe_of(&ring), vector, 3, 0);
	CHECK_EQ(run_one(&ring), -EAGAIN);
	io_uring_prep_futex_waitv(sqe_of(&ring), vector, 0, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_queue_exit(&ring);
	return 0;
}
