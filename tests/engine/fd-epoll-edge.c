/*
 * An edge-triggered epoll on the ring fd (as tokio-uring and mio have it) gives an
 * event for every batch of completions, also right after the one before was taken
 * inline, and for requests that complete while they are submitted.
 */
#include "engine.h"

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(0), ends[2], round;
	struct io_uring ring;
	char byte;

	engine_init(8, &ring, 0);
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, ring.ring_fd, &event), 0);
	for (round = 0; round < 300; round++) {
		if (round & 1) {
			io_uring_prep_nop(sqe_of(&ring));
			CHECK_EQ(io_uring_submit(&ring), 1);
		} else {
			queue_read(&ring, ends[0], &byte, 1, 1);
			CHECK_EQ(io_uring_submit(&ring), 1);
			CHECK_EQ(write(ends[1], "x", 1), 1);
		}
		do {
			CHECK_EQ(epoll_wait(epoll, &event, 1, 5000), 1);
		} while (!take_inline(&ring));
	}
	close_both(ends);
	close(epoll);
	io_uring_queue_exit(&ring);
	return 0;
}
