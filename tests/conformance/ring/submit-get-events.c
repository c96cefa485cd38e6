/* get_events and submit_and_get_events run deferred work without waiting.
 * Linux 6.1. */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int pipes[2];
	char back;

	must_init(8, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	CHECK_EQ(pipe(pipes), 0);
	io_uring_prep_read(sqe_of(&ring), pipes[0], &back, 1, 0);
	CHECK_EQ(io_uring_submit_and_get_events(&ring), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	CHECK_EQ(io_uring_get_events(&ring), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	CHECK_EQ(io_uring_submit_and_get_events(&ring), 0);
	RESULT("events");
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
