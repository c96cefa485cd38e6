/*
 * Socket commands: options of a protocol can be set, reading is for SOL_SOCKET;
 * the queue of a receiver that does not read. Linux 6.7; setsockopt(2), tcp(7),
 * io_uring_prep_cmd_sock(3).
 */
#include "op-helpers.h"

#include <netinet/tcp.h>

int main(void)
{
	static char bytes[3000];
	struct io_uring ring;
	int fds[2], value = 1, ret;
	socklen_t length = sizeof(value);

	tcp_pair(fds);
	must_init(4, &ring, 0);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SETSOCKOPT, fds[0], IPPROTO_TCP,
			       TCP_NODELAY, &value, sizeof(value));
	ret = run_one(&ring);
	skip_if_old(ret, "socket options as commands");
	CHECK_EQ(ret, 0);
	value = 0;
	CHECK_EQ(getsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
	CHECK(value != 0);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SETSOCKOPT, fds[0], IPPROTO_TCP,
			       0x7fff, &value, sizeof(value));
	CHECK_EQ(run_one(&ring), -ENOPROTOOPT);
	/* Too short for a number. */
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SETSOCKOPT, fds[0], IPPROTO_TCP,
			       TCP_NODELAY, &value, sizeof(value) - 1);
	CHECK_EQ(run_one(&ring), -EINVAL);
	value = -1;
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_GETSOCKOPT, fds[0], SOL_SOCKET,
			       SO_TYPE, &value, sizeof(value));
	CHECK_EQ(run_one(&ring), sizeof(value));
	CHECK_EQ(value, SOCK_STREAM);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_GETSOCKOPT, fds[0], IPPROTO_TCP,
			       TCP_NODELAY, &value, sizeof(value));
	ret = run_one(&ring);
	CHECK(ret == -EOPNOTSUPP || ret == (int) sizeof(value));
	CHECK_EQ(send(fds[0], bytes, sizeof(bytes), 0), (long) sizeof(bytes));
	CHECK_EQ(recv(fds[1], bytes, 1000, MSG_WAITALL), 1000);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SIOCINQ, fds[1], 0, 0, NULL, 0);
	CHECK_EQ(run_one(&ring), 2000);
	io_uring_prep_cmd_sock(sqe_of(&ring), SOCKET_URING_OP_SIOCOUTQ, fds[0], 0, 0, NULL, 0);
	ret = run_one(&ring);
	/* What is on its way; the acknowledgement may still be. */
	CHECK(ret >= 0 && ret <= (int) sizeof(bytes));
	io_uring_prep_cmd_sock(sqe_of(&ring), 99, fds[0], 0, 0, NULL, 0);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
