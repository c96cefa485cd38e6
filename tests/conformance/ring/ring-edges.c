/* An edge-triggered epoll has an event for each submission and each readiness that posts
 * something, whether or not what was posted before was taken. */
#include "op-helpers.h"

#include <sys/epoll.h>
#include <sys/socket.h>

static int epoll;

static int edge(int patience)
{
	struct epoll_event got;
	int count = epoll_wait(epoll, &got, 1, patience);

	/* A DEFER_TASKRUN ring that is watched for the first time interrupts one wait. */
	if (count < 0 && errno == EINTR)
		count = epoll_wait(epoll, &got, 1, patience);
	return count;
}

static void run(unsigned flags)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct io_uring ring;
	int pair[2], round;
	char back;

	if (!flags) {
		must_init(8, &ring, 0);
	} else if (io_uring_queue_init(8, &ring, flags) < 0) {
		fprintf(stderr, "not run: this kernel has no setup flags 0x%x\n", flags);
		return;
	}
	epoll = epoll_create1(0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, ring.ring_fd, &event), 0);
	CHECK_EQ(edge(0), 0);
	for (round = 1; round <= 3; round++) {
		io_uring_prep_nop(sqe_of(&ring));
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(edge(5000), 1);
		CHECK_EQ(edge(0), 0);
	}
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit_and_wait(&ring, 1), 1);
	CHECK_EQ(edge(5000), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 4);
	if (!(flags & IORING_SETUP_DEFER_TASKRUN)) {
		io_uring_prep_recv(sqe_of(&ring), pair[0], &back, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(edge(0), 0);
		CHECK_EQ(write(pair[1], "x", 1), 1);
		CHECK_EQ(edge(5000), 1);
		CHECK_EQ(io_uring_cq_ready(&ring), 5);
	}
	close(epoll);
	close(pair[0]);
	close(pair[1]);
	io_uring_queue_exit(&ring);
}

int main(void)
{
	run(0);
	run(IORING_SETUP_COOP_TASKRUN);
	run(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	RESULT("an edge each");
	return 0;
}
