/* A DEFER_TASKRUN ring signals its eventfd when deferred work becomes pending, once until an
 * enter fetches it, and leaves the work alone in an enter that does not ask for events.
 * An eventfd for asynchronous completions is signalled by those of workers only. */
#include "op-helpers.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

static int counter;

static long signals(int patience)
{
	struct pollfd entry = { .fd = counter, .events = POLLIN };
	eventfd_t count = 0;

	if (poll(&entry, 1, patience) != 1)
		return 0;
	CHECK_EQ(eventfd_read(counter, &count), 0);
	return (long) count;
}

static void receive(struct io_uring *ring, int fd, char *back)
{
	io_uring_prep_recv(sqe_of(ring), fd, back, 1, 0);
	CHECK_EQ(io_uring_submit(ring), 1);
}

static void drop(struct io_uring *ring)
{
	io_uring_cq_advance(ring, io_uring_cq_ready(ring));
	signals(0);
}

static void deferred(void)
{
	struct __kernel_timespec span = { .tv_nsec = 1000000 };
	int pairs[3][2], round;
	struct io_uring ring;
	char back[3];

	if (io_uring_queue_init(8, &ring, DEFER) < 0) {
		fprintf(stderr, "not run: this kernel has no DEFER_TASKRUN\n");
		return;
	}
	CHECK_EQ(io_uring_register_eventfd(&ring, counter), 0);
	for (round = 0; round < 3; round++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[round]), 0);
		receive(&ring, pairs[round][0], &back[round]);
	}
	CHECK_EQ(signals(0), 0);
	CHECK_EQ(write(pairs[0][1], "x", 1), 1);
	CHECK_EQ(signals(5000), 1);
	CHECK_EQ(write(pairs[1][1], "x", 1), 1);
	CHECK_EQ(signals(30), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	/* What a submission itself completes is posted and signalled, nothing else. */
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 1);
	CHECK_EQ(signals(5000), 1);
	CHECK_EQ(io_uring_get_events(&ring), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 3);
	CHECK(signals(5000) > 0);
	/* Fetched: the next is signalled again. */
	CHECK_EQ(write(pairs[2][1], "x", 1), 1);
	CHECK_EQ(signals(5000), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 3);
	CHECK_EQ(io_uring_get_events(&ring), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 4);
	drop(&ring);
	io_uring_prep_timeout(sqe_of(&ring), &span, 0, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(signals(5000), 1);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	CHECK_EQ(io_uring_get_events(&ring), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 1);
	drop(&ring);
	/* Receives that had to wait several times, then one that finds something at once. */
	for (round = 0; round < 3; round++) {
		receive(&ring, pairs[0][0], back);
		CHECK_EQ(write(pairs[0][1], "x", 1), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
	}
	receive(&ring, pairs[1][0], back);
	CHECK_EQ(write(pairs[1][1], "x", 1), 1);
	CHECK_EQ(write(pairs[0][1], "x", 1), 1);
	signals(0);
	receive(&ring, pairs[0][0], back);
	CHECK_EQ(io_uring_cq_ready(&ring), 1);
	CHECK_EQ(io_uring_get_events(&ring), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 2);
	io_uring_queue_exit(&ring);
	for (round = 0; round < 3; round++)
		close_both(pairs[round]);
}

static void by_workers(unsigned flags)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int pair[2], file;
	char back;

	if (io_uring_queue_init(8, &ring, flags) < 0) {
		fprintf(stderr, "not run: this kernel has no setup flags 0x%x\n", flags);
		return;
	}
	signals(0);
	CHECK_EQ(io_uring_register_eventfd_async(&ring, counter), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 1);
	receive(&ring, pair[0], &back);
	CHECK_EQ(write(pair[1], "x", 1), 1);
	CHECK_EQ(signals(30), 0);
	CHECK_EQ(io_uring_get_events(&ring), 0);
	CHECK_EQ(io_uring_cq_ready(&ring), 2);
	CHECK_EQ(signals(0), 0);
	file = memfd_create("file", 0);
	CHECK_EQ(write(file, "x", 1), 1);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, file, &back, 1, 0);
	sqe->flags |= IOSQE_ASYNC;
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(signals(5000), 1);
	close(file);
	close_both(pair);
	io_uring_queue_exit(&ring);
}

int main(void)
{
	struct io_uring ring;

	must_init(8, &ring, 0);
	io_uring_queue_exit(&ring);
	counter = eventfd(0, EFD_NONBLOCK);
	deferred();
	by_workers(0);
	by_workers(DEFER);
	RESULT("signalled");
	return 0;
}
