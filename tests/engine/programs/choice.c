/*
 * A program for choice.py: makes a ring and prints what came of it.
 * Prints "error N", or "kernel" or "userspace REASON", then the result of a NOP.
 */
#include "../engine.h"

int main(void)
{
	struct io_uring ring;
	int reason = 0, ret = io_uring_queue_init(4, &ring, 0);

	if (ret < 0) {
		printf("error %d\n", -ret);
		return 0;
	}
	if (anyring_ring_engine(&ring, &reason) == ANYRING_ENGINE_USERSPACE)
		printf("userspace %d\n", reason);
	else
		printf("kernel\n");
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
