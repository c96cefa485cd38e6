/*
 * accept waits for a client, sets the flags of the new descriptor and tells the
 * client's address; what does not listen refuses. Linux 5.5; accept4(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct sockaddr_in address, from, own;
	socklen_t length = sizeof(from), own_length = sizeof(own);
	struct io_uring ring;
	int listener, client, server, other;

	listener = tcp_listener(&address);
	must_init(4, &ring, 0);
	io_uring_prep_accept(sqe_of(&ring), listener, (struct sockaddr *) &from, &length,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	client = tcp_connect(&address);
	server = take(&ring, NULL, NULL);
	CHECK(server >= 0);
	CHECK_EQ(fcntl(server, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(server, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(getsockname(client, (struct sockaddr *) &own, &own_length), 0);
	CHECK_EQ(length, sizeof(from));
	CHECK_EQ(from.sin_port, own.sin_port);
	close(client);
	close(server);
	client = tcp_connect(&address);
	io_uring_prep_accept(sqe_of(&ring), listener, NULL, NULL, 0);
	server = run_one(&ring);
	CHECK(server >= 0);
	CHECK_EQ(fcntl(server, F_GETFD), 0);
	CHECK(!(fcntl(server, F_GETFL) & O_NONBLOCK));
	/* A connection listens to nobody. */
	io_uring_prep_accept(sqe_of(&ring), server, NULL, NULL, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_accept(sqe_of(&ring), listener, NULL, NULL, 1);
	CHECK_EQ(run_one(&ring), -EINVAL);
	other = open("/dev/null", O_RDONLY);
	io_uring_prep_accept(sqe_of(&ring), other, NULL, NULL, 0);
	CHECK_EQ(run_one(&ring), -ENOTSOCK);
	RESULT("accepted");
	close(other);
	close(client);
	close(server);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
