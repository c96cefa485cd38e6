/*
 * Polls that rings' completions make ready, complete by the time that the enter which
 * posted returns: polls of a ring's descriptor, of an epoll that holds it, of an epoll
 * that holds that one, and of the eventfd that it signals; of the ring that polls and of
 * another; on rings of each kind; once and multishot. Observed on 6.18.
 */
#include "trace.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { RING, EPOLL, NESTED, EVENTFD, KINDS };

static const char *const names[] = { "ring", "epoll", "epoll of an epoll", "eventfd" };

static int epoll_of(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	CHECK(epoll >= 0);
	CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	return epoll;
}

/* What is there now, as "user_data:res" with a "+" for MORE, without an enter. */
static void expect_now(struct io_uring *ring, const char *text, const char *what)
{
	char seen[256] = "";
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(ring, head, cqe) {
		int length = (int)strlen(seen);

		snprintf(seen + length, sizeof(seen) - (size_t)length, "%s%llu:%d%s", length ? " " : "",
			 (unsigned long long)cqe->user_data, cqe->res,
			 cqe->flags & IORING_CQE_F_MORE ? "+" : "");
		count++;
	}
	io_uring_cq_advance(ring, count);
	if (strcmp(seen, text)) {
		fprintf(stderr, "%s: got \"%s\", expected \"%s\"\n", what, seen, text);
		exit(1);
	}
}

static void add_poll(struct io_uring *ring, int fd, __u64 tag, int multishot)
{
	struct io_uring_sqe *sqe = sqe_of(ring);

	if (multishot)
		io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	else
		io_uring_prep_poll_add(sqe, fd, POLLIN);
	mark(sqe, tag, 0);
	CHECK_EQ(io_uring_submit(ring), 1);
}

static void add_nop(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = sqe_of(ring);

	io_uring_prep_nop(sqe);
	mark(sqe, 7, 0);
}

static void try(unsigned flags, int kind, int own, int multishot)
{
	struct io_uring ring, other, *polled = own ? &ring : &other;
	int defers = !!(flags & IORING_SETUP_DEFER_TASKRUN);
	int fd = -1, inner = -1;
	char what[128];

	snprintf(what, sizeof(what), "%s, %s of %s ring%s", defers ? "deferring" : "plain", names[kind],
		 own ? "its own" : "another", multishot ? ", multishot" : "");
	must_init(8, &ring, flags);
	must_init(8, &other, flags);
	switch (kind) {
	case RING:
		fd = polled->ring_fd;
		break;
	case EPOLL:
		fd = epoll_of(polled->ring_fd);
		break;
	case NESTED:
		inner = epoll_of(polled->ring_fd);
		fd = epoll_of(inner);
		break;
	case EVENTFD:
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		CHECK_EQ(io_uring_register_eventfd(polled, fd), 0);
		break;
	}
	add_poll(&ring, fd, 1, multishot);
	expect_now(&ring, "", what);
	add_nop(polled);
	CHECK_EQ(defers ? io_uring_submit_and_get_events(polled) : io_uring_submit(polled), 1);
	if (defers && !own) {
		/* What is pending on a deferring ring waits for its next enter. */
		CHECK_EQ(io_uring_get_events(&ring), 0);
	}
	expect_now(&ring, own ? "7:0 1:1" : "1:1", what);
	/* It has ended, the multishot one too. */
	if (!own)
		expect_now(&other, "7:0", what);
	add_nop(polled);
	CHECK_EQ(io_uring_submit_and_wait(polled, 1), 1);
	CHECK_EQ(io_uring_get_events(&ring), 0);
	expect_now(&ring, own ? "7:0" : "", what);
	if (kind != RING)
		close(fd);
	if (inner >= 0)
		close(inner);
	io_uring_queue_exit(&other);
	io_uring_queue_exit(&ring);
}

/* A wait for as many completions as there will be with that of the poll. */
static void wait_for_both(unsigned flags)
{
	struct io_uring ring;

	must_init(8, &ring, flags);
	add_poll(&ring, ring.ring_fd, 1, 0);
	add_nop(&ring);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 2), 1);
	expect_now(&ring, "7:0 1:1", "a wait for both");
	io_uring_queue_exit(&ring);
}

/* The completion of a poll is what another poll waits for. */
static void each_other(void)
{
	struct io_uring first, second;

	must_init(8, &first, 0);
	must_init(8, &second, 0);
	add_poll(&first, second.ring_fd, 1, 0);
	add_poll(&second, first.ring_fd, 2, 0);
	add_nop(&first);
	CHECK_EQ(io_uring_submit(&first), 1);
	expect_now(&second, "2:1", "each other, the second");
	expect_now(&first, "7:0 1:1", "each other, the first");
	io_uring_queue_exit(&second);
	io_uring_queue_exit(&first);
}

int main(void)
{
	unsigned defer = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;

	for (int kind = 0; kind < KINDS; kind++) {
		for (int way = 0; way < 4; way++) {
			try(0, kind, way & 1, way >> 1);
			/* The enter that starts such a poll wakes it on the kernel. */
			if (kind != RING || way < 2)
				try(defer, kind, way & 1, way >> 1);
		}
	}
	wait_for_both(0);
	wait_for_both(defer);
	each_other();
	RESULT("woken");
	return 0;
}
