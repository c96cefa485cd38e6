/*
 * Socket commands: getsockopt, setsockopt, SIOCINQ, SIOCOUTQ. Linux 6.7;
 * io_uring_prep_cmd_sock(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int fds[2], value = 0, ret;
	socklen_t length = sizeof(value);

	tcp_pair(fds);
	must_init(4, &ring, 0);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SIOCINQ, fds[1], 0, 0, NULL, 0);
	ret = run_one(&ring);
	skip_if_old(ret, "socket commands");
	CHECK_EQ(ret, 0);
	CHECK_EQ(send(fds[0], "12345", 5, 0), 5);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SIOCINQ, fds[1], 0, 0, NULL, 0);
	CHECK_EQ(run_one(&ring), 5);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SIOCOUTQ, fds[0], 0, 0, NULL, 0);
	CHECK(run_one(&ring) >= 0);
	value = 1;
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SETSOCKOPT, fds[0], SOL_SOCKET,
			       SO_KEEPALIVE, &value, sizeof(value));
	ret = run_one(&ring);
	skip_if_old(ret, "socket options as commands");
	CHECK_EQ(ret, 0);
	value = 0;
	CHECK_EQ(getsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &value, &length), 0);
	CHECK_EQ(value, 1);
	value = 0;
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_GETSOCKOPT, fds[0], SOL_SOCKET,
			       SO_KEEPALIVE, &value, sizeof(value));
	CHECK_EQ(run_one(&ring), sizeof(int));
	CHECK_EQ(value, 1);
	/* A file without commands of its own. */
	io_uring_prep_uring_cmd(sqe_of(&ring), 1, ring.ring_fd);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	close(fds[0]);
	close(fds[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
