/*
 * bind and listen, and socket_direct with a connection through it. Linux 6.11;
 * bind(2), listen(2).
 */
#include "one.h"

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	struct io_uring ring;
	int fd, client;

	need_op(IORING_OP_LISTEN, "LISTEN");
	must_init(8, &ring, 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	io_uring_prep_bind(sqe_of(&ring), fd, (struct sockaddr *) &address, length);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_listen(sqe_of(&ring), fd, 4);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *) &address, &length), 0);
	CHECK(address.sin_port != 0);
	CHECK_EQ(io_uring_register_files_sparse(&ring, 2), 0);
	io_uring_prep_socket_direct(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 1, 0);
	CHECK_EQ(run_one(&ring), 0);
	{
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_connect(sqe, 1, (struct sockaddr *) &address, length);
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
		CHECK_EQ(run_one(&ring), 0);
	}
	client = accept(fd, NULL, NULL);
	CHECK(client >= 0);
	close(client);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
