/*
 * A futex wait is in place when its submission returns: a wake-up that comes then, from
 * the same thread and without a change of the word, finds it. Linux 6.7.
 */
#include "trace.h"

#include <linux/futex.h>
#include <sys/syscall.h>

int main(void)
{
	struct futex_waitv words[2];
	static unsigned word = 1, other = 2;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int round;

	need_op(IORING_OP_FUTEX_WAIT, "FUTEX_WAIT");
	must_init(8, &ring, 0);
	memset(words, 0, sizeof(words));
	words[0].uaddr = (__u64) (uintptr_t) &word;
	words[0].val = 1;
	words[1].uaddr = (__u64) (uintptr_t) &other;
	words[1].val = 2;
	words[0].flags = words[1].flags = 2 | 128;
	for (round = 0; round < 300; round++) {
		sqe = sqe_of(&ring);
		if (round % 3)
			io_uring_prep_futex_wait(sqe, &word, 1, round % 3 == 1 ? 0xffffffff : 4, 2 | 128, 0);
		else
			io_uring_prep_futex_waitv(sqe, words, 2, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 0), 1);
		EXPECT(&ring, "0:0");
	}
	/* Many at once. */
	for (round = 0; round < 8; round++)
		io_uring_prep_futex_wait(sqe_of(&ring), &word, 1, 0xffffffff, 2 | 128, 0);
	CHECK_EQ(io_uring_submit(&ring), 8);
	CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 0), 8);
	EXPECT(&ring, "0:0 0:0 0:0 0:0 0:0 0:0 0:0 0:0");
	RESULT("settled");
	io_uring_queue_exit(&ring);
	return 0;
}
