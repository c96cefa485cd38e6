/* The ring fd turns readable in poll and epoll when a completion is posted:
 * QEMU, Samba and MPD wait in no other way. */
#include "one.h"

#include <poll.h>
#include <sys/epoll.h>

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN }, got;
	struct pollfd entry;
	struct io_uring ring;
	int epoll = epoll_create1(0), pipes[2];
	char back;

	must_init(4, &ring, 0);
	CHECK_EQ(pipe(pipes), 0);
	entry.fd = ring.ring_fd;
	entry.events = POLLIN;
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, ring.ring_fd, &event), 0);
	CHECK_EQ(poll(&entry, 1, 0), 0);
	io_uring_prep_read(sqe_of(&ring), pipes[0], &back, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(epoll_wait(epoll, &got, 1, 5000), 1);
	CHECK_EQ(poll(&entry, 1, 5000), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	CHECK_EQ(poll(&entry, 1, 0), 0);
	RESULT("readable");
	close(epoll);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
