/*
 * A multishot receive ends when its buffers run out and goes on with fresh ones
 * after it was submitted again; nothing of the stream is lost. Linux 6.0;
 * io_uring_prep_recv_multishot(3), io_uring_register_buf_ring(3).
 */
#include "op-helpers.h"

static void arm(struct io_uring *ring, int fd, int group)
{
	struct io_uring_sqe *sqe = sqe_of(ring);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = (__u16) group;
	CHECK_EQ(io_uring_submit(ring), 1);
}

int main(void)
{
	static const char text[] = "aaaabbbbccccddddee";
	struct io_uring ring;
	struct pool pool;
	char all[32] = { 0 };
	unsigned flags, used = 0, given[4];
	int fds[2], res, total = 0, ended = 0;

	need_op(IORING_OP_SEND_ZC, "multishot receive (probed by SEND_ZC)");
	tcp_pair(fds);
	must_init(8, &ring, 0);
	pool_make(&ring, &pool, 4, 4, 7);
	arm(&ring, fds[1], 7);
	nothing_yet(&ring);
	CHECK_EQ(send(fds[0], text, 18, 0), 18);
	while (total < 18) {
		res = take(&ring, NULL, &flags);
		if (res == -ENOBUFS) {
			CHECK(!(flags & IORING_CQE_F_MORE));
			CHECK_EQ(used, 4);
			while (used)
				pool_give(&pool, given[--used]);
			ended++;
			arm(&ring, fds[1], 7);
			continue;
		}
		CHECK(res > 0 && res <= 4);
		CHECK(flags & IORING_CQE_F_MORE);
		memcpy(all + total, pool_at(&pool, flags), (size_t) res);
		given[used++] = pool_bid(flags);
		total += res;
	}
	CHECK_EQ(ended, 1);
	CHECK(!strcmp(all, text));
	close(fds[0]);
	CHECK_EQ(take(&ring, NULL, &flags), 0);
	CHECK(!(flags & IORING_CQE_F_MORE));
	/* A group nobody knows. */
	arm(&ring, fds[1], 8);
	CHECK_EQ(take(&ring, NULL, NULL), -ENOBUFS);
	RESULT("%s", all);
	close(fds[1]);
	pool_drop(&ring, &pool);
	io_uring_queue_exit(&ring);
	return 0;
}
