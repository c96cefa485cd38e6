/*
 * epoll_ctl changes an epoll set. Linux 5.6; epoll_ctl(2).
 */
#include "one.h"

#include <sys/epoll.h>

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = 42 } }, got;
	struct io_uring ring;
	int epoll, pipes[2];

	need_op(IORING_OP_EPOLL_CTL, "EPOLL_CTL");
	CHECK_EQ(pipe(pipes), 0);
	epoll = epoll_create1(0);
	must_init(4, &ring, 0);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, pipes[0], EPOLL_CTL_ADD, &event);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 1000), 1);
	CHECK_EQ(got.data.u64, 42);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, pipes[0], EPOLL_CTL_ADD, &event);
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, pipes[0], EPOLL_CTL_DEL, NULL);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 0);
	RESULT("epoll");
	close(epoll);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
