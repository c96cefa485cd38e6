/*
 * socket, connect, accept, shutdown, send, recv over loopback. Linux 5.19;
 * socket(2), connect(2), accept4(2).
 */
#include "one.h"

int main(void)
{
	struct sockaddr_in address, from;
	socklen_t length = sizeof(from);
	struct io_uring ring;
	char back[16];
	int listener, client, server;

	need_op(IORING_OP_SOCKET, "SOCKET");
	listener = tcp_listener(&address);
	must_init(8, &ring, 0);
	io_uring_prep_socket(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 0);
	client = run_one(&ring);
	CHECK(client >= 0);
	io_uring_prep_connect(sqe_of(&ring), client, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_accept(sqe_of(&ring), listener, (struct sockaddr *) &from, &length, SOCK_CLOEXEC);
	server = run_one(&ring);
	CHECK(server >= 0);
	CHECK_EQ(length, sizeof(from));
	CHECK_EQ(ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK);
	CHECK_EQ(fcntl(server, F_GETFD), FD_CLOEXEC);
	io_uring_prep_send(sqe_of(&ring), client, "hello", 5, 0);
	CHECK_EQ(run_one(&ring), 5);
	io_uring_prep_recv(sqe_of(&ring), server, back, sizeof(back), 0);
	CHECK_EQ(run_one(&ring), 5);
	CHECK(!memcmp(back, "hello", 5));
	io_uring_prep_shutdown(sqe_of(&ring), client, SHUT_WR);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_recv(sqe_of(&ring), server, back, sizeof(back), 0);
	CHECK_EQ(run_one(&ring), 0);
	RESULT("%.5s", back);
	close(client);
	close(server);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
