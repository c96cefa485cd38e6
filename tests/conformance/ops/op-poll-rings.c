/*
 * Polls on rings: POLL_ADD answers by the queues as they are, readable with completions
 * and writable with room. A multishot poll that a ring's own signalling wakes (the ring
 * fd, its eventfd) posts once, without MORE, and ends, since its completion would wake
 * it again. Observed on 6.18.
 */
#include "trace.h"

#include <poll.h>
#include <sys/eventfd.h>

static struct io_uring ring, other;

static void add_poll(int fd, unsigned events, __u64 tag, int multishot)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	if (multishot)
		io_uring_prep_poll_multishot(sqe, fd, events);
	else
		io_uring_prep_poll_add(sqe, fd, events);
	mark(sqe, tag, 0);
}

static void complete(struct io_uring *on, const char *text)
{
	struct io_uring_sqe *sqe = sqe_of(on);

	io_uring_prep_nop(sqe);
	mark(sqe, 7, 0);
	CHECK_EQ(io_uring_submit(on), 1);
	expect_at(on, text, __LINE__);
}

int main(void)
{
	int notify = eventfd(0, EFD_NONBLOCK);

	must_init(8, &ring, 0);
	must_init(8, &other, 0);
	add_poll(other.ring_fd, POLLIN, 1, 0);
	SUBMIT(&ring, 1, "");
	complete(&other, "7:0");
	EXPECT(&ring, "1:1");
	add_poll(other.ring_fd, POLLIN | POLLOUT, 1, 0);
	SUBMIT(&ring, 1, "1:4");
	io_uring_prep_nop(sqe_of(&other));
	CHECK_EQ(io_uring_submit(&other), 1);
	add_poll(other.ring_fd, POLLIN | POLLOUT, 1, 0);
	SUBMIT(&ring, 1, "1:5");
	EXPECT(&other, "0:0");
	add_poll(other.ring_fd, POLLIN, 1, 1);
	SUBMIT(&ring, 1, "");
	complete(&other, "7:0");
	EXPECT(&ring, "1:1");
	complete(&other, "7:0");
	EXPECT(&ring, "");
	/* Its own. */
	add_poll(ring.ring_fd, POLLIN, 1, 0);
	SUBMIT(&ring, 1, "");
	complete(&ring, "7:0 1:1");
	add_poll(ring.ring_fd, POLLIN, 1, 1);
	SUBMIT(&ring, 1, "");
	complete(&ring, "7:0 1:1");
	complete(&ring, "7:0");
	EXPECT(&ring, "");
	CHECK_EQ(io_uring_register_eventfd(&ring, notify), 0);
	add_poll(notify, POLLIN, 1, 1);
	SUBMIT(&ring, 1, "");
	complete(&ring, "7:0 1:1");
	complete(&ring, "7:0");
	EXPECT(&ring, "");
	RESULT("ended");
	close(notify);
	io_uring_queue_exit(&other);
	io_uring_queue_exit(&ring);
	return 0;
}
