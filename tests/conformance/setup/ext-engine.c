/* A program chooses its engine and is told who serves a ring: liburing/ext.h. */
#include "one.h"

#include <liburing/ext.h>

int main(void)
{
	struct io_uring ring;
	int reason = -1, served;

	CHECK_EQ(anyring_choose_engine((enum anyring_engine) 4), -EINVAL);
	CHECK_EQ(anyring_choose_engine(ANYRING_ENGINE_USERSPACE), 0);
	CHECK_EQ(io_uring_queue_init(4, &ring, 0), 0);
	CHECK_EQ(anyring_ring_engine(&ring, &reason), ANYRING_ENGINE_USERSPACE);
	CHECK_EQ(reason, 0);
	CHECK_EQ(anyring_ring_engine(&ring, NULL), ANYRING_ENGINE_USERSPACE);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);

	CHECK_EQ(anyring_choose_engine(ANYRING_ENGINE_AUTO), 0);
	CHECK_EQ(io_uring_queue_init(4, &ring, 0), 0);
	served = anyring_ring_engine(&ring, &reason);
	/* Where the kernel refuses, its refusal is the reason. */
	CHECK(served == ANYRING_ENGINE_KERNEL ? reason == 0 :
	      served == ANYRING_ENGINE_USERSPACE && reason > 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);

	CHECK_EQ(anyring_choose_engine(ANYRING_ENGINE_DEFAULT), 0);
	must_init(4, &ring, 0);
	served = anyring_ring_engine(&ring, NULL);
	CHECK(served == ANYRING_ENGINE_KERNEL || getenv("ANYRING_ENGINE"));
	io_uring_queue_exit(&ring);
	return 0;
}
