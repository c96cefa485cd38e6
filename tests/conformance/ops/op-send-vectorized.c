/*
 * A send of several parts, plain and zero-copy: the buffer is an array of iovec.
 * Linux 6.17; io_uring_enter(2) under IORING_SEND_VECTORIZED.
 */
#include "op-helpers.h"

int main(void)
{
	char one[] = "one", three[] = "three";
	struct iovec parts[2] = { { one, 3 }, { three, 5 } };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	unsigned flags;
	char back[16] = { 0 };
	int fds[2], res;

	need_op(IORING_OP_PIPE, "vectorized sends (probed by PIPE)");
	tcp_pair(fds);
	must_init(4, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_send(sqe, fds[0], parts, 2, 0);
	sqe->ioprio |= IORING_SEND_VECTORIZED;
	res = run_one(&ring);
	skip_if_old(res, "vectorized sends");
	CHECK_EQ(res, 8);
	CHECK_EQ(recv(fds[1], back, 8, MSG_WAITALL), 8);
	CHECK(!strcmp(back, "onethree"));
	io_uring_prep_send_zc(sqe_of(&ring), fds[0], parts, 2, 0, IORING_SEND_VECTORIZED);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &flags), 8);
	CHECK(flags & IORING_CQE_F_MORE);
	CHECK_EQ(recv(fds[1], back, 8, MSG_WAITALL), 8);
	CHECK(!strcmp(back, "onethree"));
	take(&ring, NULL, &flags);
	CHECK(flags & IORING_CQE_F_NOTIF);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
