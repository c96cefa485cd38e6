/*
 * The ring fd turns readable when a completion is posted and unreadable when it was
 * taken, in poll, select and epoll, for a program that submits and then never calls
 * the library: it takes completions inline.
 */
#include "engine.h"

#include <sys/select.h>

static int by_select(int fd)
{
	struct timeval limit = { .tv_sec = 5 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &limit);
}

static int by_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0), ret;

	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	ret = epoll_wait(epoll, &event, 1, 5000);
	close(epoll);
	return ret;
}

static void rounds(unsigned flags, int count)
{
	struct io_uring ring;
	int ends[2], round;
	char byte;

	engine_init(8, &ring, flags);
	CHECK_EQ(pipe(ends), 0);
	CHECK(!readable(ring.ring_fd, 0));
	for (round = 0; round < count; round++) {
		queue_read(&ring, ends[0], &byte, 1, 1);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK(!readable(ring.ring_fd, round % 3 * 20));
		CHECK_EQ(write(ends[1], "x", 1), 1);
		switch (round % 3) {
		case 0:
			CHECK(readable(ring.ring_fd, 5000));
			break;
		case 1:
			CHECK_EQ(by_select(ring.ring_fd), 1);
			break;
		default:
			CHECK_EQ(by_epoll(ring.ring_fd), 1);
		}
		if (flags & IORING_SETUP_DEFER_TASKRUN)
			CHECK_EQ(io_uring_get_events(&ring), 0);
		CHECK_EQ(take_inline(&ring), 1);
		/* A moment, not at once: see docs/engine.md. */
		long until = now_ms() + 2000;

		while (readable(ring.ring_fd, 0)) {
			CHECK(now_ms() < until);
			if (flags & IORING_SETUP_DEFER_TASKRUN)
				CHECK_EQ(io_uring_get_events(&ring), 0);
			usleep(500);
		}
	}
	close_both(ends);
	io_uring_queue_exit(&ring);
}

int main(void)
{
	rounds(0, 30);
	rounds(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 12);
	return 0;
}
