/*
 * A multishot accept writes each client's address where it was told, into
 * descriptors and into slots. Linux 5.19; io_uring_prep_multishot_accept(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct sockaddr_in address, from, own;
	socklen_t length, own_length;
	struct io_uring ring;
	unsigned flags;
	int listener, client, direct, i, ret;

	need_op(IORING_OP_SOCKET, "multishot accept (probed by SOCKET)");
	listener = tcp_listener(&address);
	must_init(8, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 4);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	for (direct = 0; direct < 2; direct++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		length = sizeof(from);
		if (direct)
			io_uring_prep_multishot_accept_direct(sqe, listener, (struct sockaddr *) &from, &length, 0);
		else
			io_uring_prep_multishot_accept(sqe, listener, (struct sockaddr *) &from, &length, SOCK_CLOEXEC);
		mark(sqe, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		for (i = 0; i < 2; i++) {
			memset(&from, 0, sizeof(from));
			client = tcp_connect(&address);
			ret = take(&ring, NULL, &flags);
			CHECK(ret >= 0 && flags & IORING_CQE_F_MORE);
			own_length = sizeof(own);
			CHECK_EQ(getsockname(client, (struct sockaddr *) &own, &own_length), 0);
			CHECK_EQ(length, sizeof(from));
			CHECK_EQ(from.sin_port, own.sin_port);
			if (!direct) {
				CHECK_EQ(fcntl(ret, F_GETFD), FD_CLOEXEC);
				close(ret);
			}
			close(client);
		}
		sqe = sqe_of(&ring);
		io_uring_prep_cancel64(sqe, 1, 0);
		mark(sqe, 2, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		for (i = 0; i < 2; i++) {
			__u64 tag;

			ret = take(&ring, &tag, &flags);
			CHECK_EQ(ret, tag == 1 ? -ECANCELED : 0);
			CHECK(!(flags & IORING_CQE_F_MORE));
		}
	}
	RESULT("addresses");
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
