/*
 * Timers: at least as long as asked, absolute on three clocks, an expiry that
 * does not count as a failure, changed to an absolute end, a changed link timeout.
 * Linux 5.16; io_uring_prep_timeout(3), io_uring_prep_timeout_update(3).
 */
#include "op-helpers.h"

static long long now(clockid_t clock)
{
	struct timespec point;

	CHECK_EQ(clock_gettime(clock, &point), 0);
	return point.tv_sec * 1000000000LL + point.tv_nsec;
}

static struct __kernel_timespec at(long long nanoseconds)
{
	struct __kernel_timespec point = { .tv_sec = nanoseconds / 1000000000,
					   .tv_nsec = nanoseconds % 1000000000 };

	return point;
}

int main(void)
{
	static const struct { clockid_t id; unsigned flag; } clocks[] = {
		{ CLOCK_MONOTONIC, 0 },
		{ CLOCK_BOOTTIME, IORING_TIMEOUT_BOOTTIME },
		{ CLOCK_REALTIME, IORING_TIMEOUT_REALTIME },
	};
	struct __kernel_timespec point, soon = at(20000000), never = at(1000000000000LL), odd;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	long long start;
	int results[8], pipes[2];
	char back;
	unsigned i;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_CQE_SKIP))
		SKIP("this kernel has too few kinds of timers");
	start = now(CLOCK_MONOTONIC);
	io_uring_prep_timeout(sqe_of(&ring), &soon, 0, 0);
	CHECK_EQ(run_one(&ring), -ETIME);
	CHECK(now(CLOCK_MONOTONIC) - start >= 20000000);
	for (i = 0; i < 3; i++) {
		start = now(clocks[i].id);
		point = at(start + 20000000);
		io_uring_prep_timeout(sqe_of(&ring), &point, 0, IORING_TIMEOUT_ABS | clocks[i].flag);
		CHECK_EQ(run_one(&ring), -ETIME);
		/* The wall clock may be set meanwhile. */
		if (!(clocks[i].flag & IORING_TIMEOUT_REALTIME))
			CHECK(now(clocks[i].id) - start >= 20000000);
	}
	io_uring_prep_timeout(sqe_of(&ring), &soon, 0, IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME);
	CHECK_EQ(run_one(&ring), -EINVAL);
	odd = soon;
	odd.tv_nsec = -1;
	io_uring_prep_timeout(sqe_of(&ring), &odd, 0, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	/* The expiry is told as -ETIME, yet the chain goes on. */
	for (i = 0; i < 2; i++) {
		sqe = sqe_of(&ring);
		io_uring_prep_timeout(sqe, &soon, 0, i ? IORING_TIMEOUT_ETIME_SUCCESS : 0);
		mark(sqe, 0, IOSQE_IO_LINK);
		sqe = sqe_of(&ring);
		io_uring_prep_nop(sqe);
		mark(sqe, 1, 0);
		run_all(&ring, 2, results);
		CHECK_EQ(results[0], -ETIME);
		CHECK_EQ(results[1], i ? 0 : -ECANCELED);
	}
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &never, 0, 0);
	mark(sqe, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	point = at(now(CLOCK_MONOTONIC) + 20000000);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout_update(sqe, &point, 1, IORING_TIMEOUT_ABS);
	mark(sqe, 2, 0);
	run_all(&ring, 1, results);
	collect(&ring, 1, results);
	CHECK_EQ(results[1], -ETIME);
	CHECK_EQ(results[2], 0);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout_update(sqe, &soon, 77, 0);
	CHECK_EQ(run_one(&ring), -ENOENT);
	/* A link timeout is found by its own tag. */
	CHECK_EQ(pipe(pipes), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, pipes[0], &back, 1, 0);
	mark(sqe, 3, IOSQE_IO_LINK);
	sqe = sqe_of(&ring);
	io_uring_prep_link_timeout(sqe, &never, 0);
	mark(sqe, 4, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	nothing_yet(&ring);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout_update(sqe, &soon, 4, IORING_LINK_TIMEOUT_UPDATE);
	mark(sqe, 5, 0);
	run_all(&ring, 1, results);
	collect(&ring, 2, results);
	CHECK_EQ(results[3], -ECANCELED);
	CHECK_EQ(results[4], -ETIME);
	CHECK_EQ(results[5], 0);
	/* One that is linked to nothing. */
	io_uring_prep_link_timeout(sqe_of(&ring), &soon, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("clocks");
	close_both(pipes);
	io_uring_queue_exit(&ring);
	return 0;
}
