/*
 * accept that gives up at once, and accept that polls first. Linux 6.10;
 * io_uring_prep_accept(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct sockaddr_in address;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int listener, client, res;

	need_op(IORING_OP_FTRUNCATE, "accept without waiting (probed by FTRUNCATE)");
	listener = tcp_listener(&address);
	must_init(4, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
	sqe->ioprio |= IORING_ACCEPT_DONTWAIT;
	res = run_one(&ring);
	skip_if_old(res, "accept without waiting");
	CHECK_EQ(res, -EAGAIN);
	sqe = sqe_of(&ring);
	io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
	sqe->ioprio |= IORING_ACCEPT_POLL_FIRST;
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	client = tcp_connect(&address);
	res = take(&ring, NULL, NULL);
	CHECK(res >= 0);
	CHECK_EQ(send(client, "x", 1, 0), 1);
	CHECK_EQ(recv(res, &address, 1, 0), 1);
	close(res);
	close(client);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
