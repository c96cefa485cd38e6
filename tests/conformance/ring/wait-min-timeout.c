/* After the minimum wait one completion is enough. Linux 6.12. */
#include "one.h"

int main(void)
{
	struct __kernel_timespec long_time = { .tv_sec = 30 };
	struct io_uring_cqe *cqe = NULL;
	struct io_uring ring, old;

	must_init(8, &ring, 0);
	old = ring;
	old.features &= ~IORING_FEAT_MIN_TIMEOUT;
	cqe = (struct io_uring_cqe *) 8;
	CHECK_EQ(io_uring_wait_cqes_min_timeout(&old, &cqe, 1, &long_time, 10, NULL), -EINVAL);
	CHECK_EQ(io_uring_submit_and_wait_min_timeout(&old, &cqe, 1, &long_time, 10, NULL), -EINVAL);
	CHECK(cqe == (struct io_uring_cqe *) 8);
	if (!(ring.features & IORING_FEAT_MIN_TIMEOUT))
		SKIP("this kernel has no minimum waits");
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit_and_wait_min_timeout(&ring, &cqe, 4, &long_time, 2000, NULL), 1);
	CHECK(cqe != NULL);
	CHECK_EQ(io_uring_wait_cqes_min_timeout(&ring, &cqe, 4, &long_time, 2000, NULL), 0);
	CHECK(cqe != NULL);
	io_uring_cqe_seen(&ring, cqe);
	long_time.tv_sec = 0;
	long_time.tv_nsec = 3000000;
	CHECK_EQ(io_uring_wait_cqes_min_timeout(&ring, &cqe, 1, &long_time, 1000, NULL), -ETIME);
	CHECK(cqe == NULL);
	io_uring_queue_exit(&ring);
	return 0;
}
