/*
 * A bundled receive fills several buffers of the ring with one completion, which
 * names the first of them; the others follow in ring order. Linux 6.10;
 * io_uring_prep_recv(3) under IORING_RECVSEND_BUNDLE.
 */
#include "op-helpers.h"

int main(void)
{
	static const char text[] = "aaaabbbbccccdd";
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	struct pool pool;
	unsigned flags;
	int fds[2], res, total = 0, most = 0;

	tcp_pair(fds);
	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_RECVSEND_BUNDLE))
		SKIP("this kernel has no bundles");
	pool_make(&ring, &pool, 8, 4, 2);
	CHECK_EQ(send(fds[0], text, 14, 0), 14);
	/* The kernel may stop at some number of buffers and leave the rest. */
	while (total < 14) {
		sqe = sqe_of(&ring);
		io_uring_prep_recv(sqe, fds[1], NULL, 0, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
		io_uring_sqe_set_buf_group(sqe, 2);
		sqe->ioprio |= IORING_RECVSEND_BUNDLE;
		CHECK_EQ(io_uring_submit(&ring), 1);
		res = take(&ring, NULL, &flags);
		CHECK(res > 0);
		CHECK_EQ(pool_bid(flags), (total + 3) / 4);
		CHECK(!memcmp(pool_at(&pool, flags), text + total, (size_t) res));
		most = res > most ? res : most;
		total += res;
	}
	CHECK_EQ(total, 14);
	CHECK(most > 4);
	/* Four buffers are used up: the next one is the fifth. */
	CHECK_EQ(send(fds[0], "next", 4, 0), 4);
	sqe = sqe_of(&ring);
	io_uring_prep_recv(sqe, fds[1], NULL, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	io_uring_sqe_set_buf_group(sqe, 2);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &flags), 4);
	CHECK_EQ(pool_bid(flags), 4);
	CHECK(!memcmp(pool_at(&pool, flags), "next", 4));
	close_both(fds);
	pool_drop(&ring, &pool);
	io_uring_queue_exit(&ring);
	return 0;
}
