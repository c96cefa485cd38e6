/*
 * epoll_wait as a request: events that are there already, no more than asked for,
 * cancelled, refused for other files. Linux 6.15; epoll_wait(2),
 * io_uring_prep_epoll_wait(3).
 */
#include "op-helpers.h"

#include <sys/epoll.h>

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN }, got[4];
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int epoll, pipes[3][2], results[4], i;
	unsigned seen = 0;
	char byte;

	need_op(IORING_OP_EPOLL_WAIT, "EPOLL_WAIT");
	epoll = epoll_create1(0);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(pipe(pipes[i]), 0);
		event.data.u32 = (uint32_t) i;
		CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[i][0], &event), 0);
		CHECK_EQ(write(pipes[i][1], "x", 1), 1);
	}
	must_init(4, &ring, 0);
	io_uring_prep_epoll_wait(sqe_of(&ring), epoll, got, 2, 0);
	CHECK_EQ(run_one(&ring), 2);
	io_uring_prep_epoll_wait(sqe_of(&ring), epoll, got, 4, 0);
	CHECK_EQ(run_one(&ring), 3);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(got[i].events, EPOLLIN);
		seen |= 1U << got[i].data.u32;
		CHECK_EQ(read(pipes[i][0], &byte, 1), 1);
	}
	CHECK_EQ(seen, 7);
	sqe = sqe_of(&ring);
	io_uring_prep_epoll_wait(sqe, epoll, got, 4, 0);
	mark(sqe, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	sqe = sqe_of(&ring);
	io_uring_prep_cancel64(sqe, 1, 0);
	mark(sqe, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	collect(&ring, 2, results);
	CHECK_EQ(results[1], -ECANCELED);
	CHECK_EQ(results[2], 0);
	io_uring_prep_epoll_wait(sqe_of(&ring), epoll, got, 0, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_epoll_wait(sqe_of(&ring), pipes[0][0], got, 4, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_epoll_wait(sqe_of(&ring), epoll, got, 4, 1);
	CHECK_EQ(run_one(&ring), -EINVAL);
	close(epoll);
	for (i = 0; i < 3; i++)
		close_both(pipes[i]);
	io_uring_queue_exit(&ring);
	return 0;
}
