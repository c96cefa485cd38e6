/*
 * epoll_ctl: one shot, a changed entry, entries that are missing, files that
 * cannot be watched. Linux 5.6; epoll_ctl(2).
 */
#include "op-helpers.h"

#include <sys/epoll.h>

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data = { .u64 = 1 } }, got;
	struct io_uring ring;
	int epoll, pipes[2], fd;

	need_op(IORING_OP_EPOLL_CTL, "EPOLL_CTL");
	enter_folder();
	fd = file_with("file", "x", 1);
	CHECK_EQ(pipe(pipes), 0);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	must_init(4, &ring, 0);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, pipes[0], EPOLL_CTL_MOD, &event);
	CHECK_EQ(run_one(&ring), -ENOENT);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, pipes[0], EPOLL_CTL_ADD, &event);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 1000), 1);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 0);
	event.data.u64 = 2;
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, pipes[0], EPOLL_CTL_MOD, &event);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 1000), 1);
	CHECK_EQ(got.data.u64, 2);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, fd, EPOLL_CTL_ADD, &event);
	CHECK_EQ(run_one(&ring), -EPERM);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, epoll, EPOLL_CTL_ADD, &event);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_epoll_ctl(sqe_of(&ring), epoll, -1, EPOLL_CTL_ADD, &event);
	CHECK_EQ(run_one(&ring), -EBADF);
	RESULT("%d", (int) got.data.u64);
	close(fd);
	close(epoll);
	close_both(pipes);
	io_uring_queue_exit(&ring);
	return 0;
}
