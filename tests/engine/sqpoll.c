/*
 * SQPOLL: submissions are taken without a call while its thread is awake; idle, it
 * asks to be woken, and is, many times over, without losing one.
 */
#include "engine.h"

int main(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 5 };
	struct io_uring ring;
	int round, slept = 0;

	CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), 0);
	CHECK_EQ(anyring_ring_engine(&ring, NULL), ANYRING_ENGINE_USERSPACE);
	for (round = 0; round < 300; round++) {
		io_uring_prep_nop(sqe_of(&ring));
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 0);
		if (round % 10 == 0) {
			long end = now_ms() + 5000;

			while (!(IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_NEED_WAKEUP)) {
				CHECK(now_ms() < end);
				usleep(1000);
			}
			slept++;
		} else if (round % 10 == 1) {
			/* About when it falls asleep. */
			usleep(4500 + round * 3);
		}
	}
	CHECK_EQ(slept, 30);
	/* Taken with no call but what the flag asks for. */
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 1);
	io_uring_prep_nop(sqe_of(&ring));
	io_uring_smp_store_release(ring.sq.ktail, ring.sq.sqe_tail);
	for (round = 0; round < 5000 && io_uring_cq_ready(&ring) < 2; round++) {
		if (IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_NEED_WAKEUP)
			io_uring_enter(ring.ring_fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL);
		usleep(1000);
	}
	CHECK_EQ(io_uring_cq_ready(&ring), 2);
	io_uring_queue_exit(&ring);
	return 0;
}
