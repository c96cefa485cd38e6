/*
 * One accept takes connection after connection. Linux 5.19;
 * io_uring_prep_multishot_accept(3).
 */
#include "one.h"

int main(void)
{
	struct sockaddr_in address;
	struct io_uring ring;
	unsigned flags;
	int listener, i, fd, client;

	need_op(IORING_OP_SOCKET, "multishot accept (probed by SOCKET)");
	listener = tcp_listener(&address);
	must_init(8, &ring, 0);
	io_uring_prep_multishot_accept(sqe_of(&ring), listener, NULL, NULL, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 5; i++) {
		client = tcp_connect(&address);
		fd = take(&ring, NULL, &flags);
		CHECK(fd >= 0);
		CHECK(flags & IORING_CQE_F_MORE);
		close(fd);
		close(client);
	}
	io_uring_prep_cancel64(sqe_of(&ring), 0, IORING_ASYNC_CANCEL_ANY);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 2; i++) {
		int res = take(&ring, NULL, &flags);

		CHECK(res == -ECANCELED || res == 0 || res == 1);
		CHECK(!(flags & IORING_CQE_F_MORE));
	}
	RESULT("five");
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
