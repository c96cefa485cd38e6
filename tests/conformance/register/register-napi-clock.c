/* NAPI settings and the clock of waits. Linux 6.9, 6.12. */
#include "one.h"

int main(void)
{
	struct io_uring_clock_register clock = { .clockid = CLOCK_BOOTTIME };
	struct __kernel_timespec soon = { .tv_nsec = 1000000 };
	struct io_uring_napi napi = { .busy_poll_to = 50, .prefer_busy_poll = 1 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int ret;

	must_init(4, &ring, 0);
	ret = io_uring_register_napi(&ring, &napi);
	if (ret == 0) {
		CHECK_EQ(napi.busy_poll_to, 0);
		CHECK_EQ(io_uring_unregister_napi(&ring, &napi), 0);
		CHECK_EQ(napi.busy_poll_to, 50);
	} else {
		printf("no NAPI: %s\n", strerror(-ret));
		CHECK(ret == -EINVAL || ret == -EOPNOTSUPP);
	}
	ret = io_uring_register_clock(&ring, &clock);
	skip_if_old(ret, "clocks for waits");
	CHECK_EQ(ret, 0);
	CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &cqe, &soon), -ETIME);
	clock.clockid = 99;
	CHECK_EQ(io_uring_register_clock(&ring, &clock), -EINVAL);
	io_uring_queue_exit(&ring);
	return 0;
}
