/*
 * ANYRING_ENGINE_SEED shows the completions of unlinked requests in another order,
 * links and drains in theirs, and loses none.
 */
#include "engine.h"

#define COUNT 24

static int shuffled(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int at, moved = 0;
	char seen[COUNT] = "";

	for (at = 0; at < COUNT; at++) {
		io_uring_prep_nop(sqe_of(ring));
		ring->sq.sqes[(ring->sq.sqe_tail - 1) & ring->sq.ring_mask].user_data = at;
	}
	CHECK_EQ(io_uring_submit_and_wait(ring, COUNT), COUNT);
	for (at = 0; at < COUNT; at++) {
		CHECK_EQ(io_uring_peek_cqe(ring, &cqe), 0);
		moved += cqe->user_data != (__u64) at;
		seen[cqe->user_data]++;
		io_uring_cqe_seen(ring, cqe);
	}
	for (at = 0; at < COUNT; at++)
		CHECK_EQ(seen[at], 1);
	return moved;
}

int main(void)
{
	struct io_uring ring;
	int round, at;

	if (!getenv("ANYRING_ENGINE_SEED")) {
		engine_init(32, &ring, 0);
		CHECK_EQ(shuffled(&ring), 0);
		io_uring_queue_exit(&ring);
		CHECK_EQ(setenv("ANYRING_ENGINE_SEED", "42", 1), 0);
		execl("/proc/self/exe", "seed", NULL);
		CHECK(0);
	}
	engine_init(32, &ring, 0);
	CHECK(shuffled(&ring) > COUNT / 4);
	for (round = 0; round < 50; round++) {
		for (at = 0; at < 4; at++) {
			struct io_uring_sqe *sqe = sqe_of(&ring);

			io_uring_prep_nop(sqe);
			mark(sqe, at, at < 3 ? IOSQE_IO_LINK : 0);
		}
		CHECK_EQ(io_uring_submit(&ring), 4);
		for (at = 0; at < 4; at++) {
			__u64 tag;

			CHECK_EQ(take(&ring, &tag, NULL), 0);
			CHECK_EQ(tag, at);
		}
		for (at = 0; at < 3; at++) {
			struct io_uring_sqe *sqe = sqe_of(&ring);

			io_uring_prep_nop(sqe);
			mark(sqe, at, at == 1 ? IOSQE_IO_DRAIN : 0);
		}
		CHECK_EQ(io_uring_submit(&ring), 3);
		for (at = 0; at < 3; at++) {
			__u64 tag;

			CHECK_EQ(take(&ring, &tag, NULL), 0);
			CHECK_EQ(tag, at);
		}
	}
	io_uring_queue_exit(&ring);
	return 0;
}
