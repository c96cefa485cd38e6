/* accept_direct into a slot, multishot_accept_direct into free ones. Linux 5.19. */
#include "one.h"

int main(void)
{
	struct sockaddr_in address;
	struct io_uring ring;
	unsigned flags;
	int listener, clients[3], i, ret;

	need_op(IORING_OP_SOCKET, "multishot accept (probed by SOCKET)");
	listener = tcp_listener(&address);
	must_init(8, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 8);
	skip_if_old(ret, "sparse file tables");
	for (i = 0; i < 3; i++)
		clients[i] = tcp_connect(&address);
	io_uring_prep_accept_direct(sqe_of(&ring), listener, NULL, NULL, 0, 5);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_multishot_accept_direct(sqe_of(&ring), listener, NULL, NULL, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 2; i++) {
		int slot = take(&ring, NULL, &flags);

		CHECK(slot >= 0 && slot < 8 && slot != 5);
		CHECK(flags & IORING_CQE_F_MORE);
	}
	for (i = 0; i < 3; i++)
		close(clients[i]);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
