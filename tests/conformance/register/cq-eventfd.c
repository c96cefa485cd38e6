/* Eventfds count completions, can be switched off and on, and the asynchronous
 * form counts only what did not complete at once. Linux 5.8. */
#include "one.h"

#include <sys/eventfd.h>

static long count(int fd)
{
	uint64_t value;

	return read(fd, &value, 8) == 8 ? (long) value : 0;
}

int main(void)
{
	struct io_uring ring;
	int fd = eventfd(0, EFD_NONBLOCK);

	must_init(4, &ring, 0);
	if (!ring.cq.kflags)
		SKIP("this kernel cannot switch eventfds");
	CHECK_EQ(io_uring_register_eventfd(&ring, fd), 0);
	CHECK_EQ(io_uring_register_eventfd(&ring, fd), -EBUSY);
	CHECK(io_uring_cq_eventfd_enabled(&ring));
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(count(fd), 1);
	CHECK_EQ(io_uring_cq_eventfd_toggle(&ring, true), 0);
	CHECK_EQ(io_uring_cq_eventfd_toggle(&ring, false), 0);
	CHECK(!io_uring_cq_eventfd_enabled(&ring));
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(count(fd), 0);
	CHECK_EQ(io_uring_cq_eventfd_toggle(&ring, true), 0);
	CHECK_EQ(io_uring_unregister_eventfd(&ring), 0);
	CHECK_EQ(io_uring_unregister_eventfd(&ring), -ENXIO);
	CHECK_EQ(io_uring_register_eventfd_async(&ring, fd), 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(count(fd), 0);
	CHECK_EQ(io_uring_unregister_eventfd(&ring), 0);
	{
		struct io_uring old = ring;

		old.cq.kflags = NULL;
		CHECK(io_uring_cq_eventfd_enabled(&old));
		CHECK_EQ(io_uring_cq_eventfd_toggle(&old, true), 0);
		CHECK_EQ(io_uring_cq_eventfd_toggle(&old, false), -EOPNOTSUPP);
	}
	CHECK_EQ(io_uring_register_eventfd(&ring, -1), -EBADF);
	RESULT("eventfd");
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
