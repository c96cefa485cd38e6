/*
 * Requests that a worker thread of the kernel runs from the start block there and
 * not in the submission; each gets its own data. Linux 5.6; io_uring_sqe_set_flags(3).
 */
#include "op-helpers.h"

#define COUNT 8

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int pipes[COUNT][2], results[COUNT], i;
	char back[COUNT];

	must_init(COUNT, &ring, 0);
	for (i = 0; i < COUNT; i++) {
		CHECK_EQ(pipe(pipes[i]), 0);
		sqe = sqe_of(&ring);
		io_uring_prep_read(sqe, pipes[i][0], &back[i], 1, 0);
		mark(sqe, (__u64) i, IOSQE_ASYNC);
	}
	CHECK_EQ(io_uring_submit(&ring), COUNT);
	nothing_yet(&ring);
	for (i = COUNT - 1; i >= 0; i--) {
		char byte = (char) ('a' + i);

		CHECK_EQ(write(pipes[i][1], &byte, 1), 1);
	}
	collect(&ring, COUNT, results);
	for (i = 0; i < COUNT; i++) {
		CHECK_EQ(results[i], 1);
		CHECK_EQ(back[i], 'a' + i);
		close_both(pipes[i]);
	}
	RESULT("%.*s", COUNT, back);
	io_uring_queue_exit(&ring);
	return 0;
}
