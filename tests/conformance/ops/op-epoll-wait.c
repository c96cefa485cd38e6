/*
 * epoll_wait as a request. Linux 6.15; epoll_wait(2).
 */
#include "one.h"

#include <sys/epoll.h>

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = 7 } }, got[4];
	struct io_uring ring;
	int epoll, pipes[2];

	need_op(IORING_OP_EPOLL_WAIT, "EPOLL_WAIT");
	CHECK_EQ(pipe(pipes), 0);
	epoll = epoll_create1(0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event), 0);
	must_init(4, &ring, 0);
	io_uring_prep_epoll_wait(sqe_of(&ring), epoll, got, 4, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	CHECK_EQ(got[0].data.u64, 7);
	close(epoll);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
