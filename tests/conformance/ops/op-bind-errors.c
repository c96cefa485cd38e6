/*
 * bind and listen: an address in use, a path, a socket that cannot listen, a whole
 * server from socket to accept in one chain. Linux 6.11; bind(2), listen(2).
 */
#include "op-helpers.h"

#include <netinet/tcp.h>
#include <sys/un.h>

int main(void)
{
	struct sockaddr_in address, other;
	struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	struct tcp_info info;
	socklen_t length = sizeof(info);
	struct stat status;
	int listener, fd, client, results[4];

	need_op(IORING_OP_LISTEN, "LISTEN");
	enter_folder();
	listener = tcp_listener(&address);
	must_init(8, &ring, 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	io_uring_prep_bind(sqe_of(&ring), fd, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(run_one(&ring), -EADDRINUSE);
	io_uring_prep_bind(sqe_of(&ring), fd, (struct sockaddr *) &address, 2);
	CHECK_EQ(run_one(&ring), -EINVAL);
	/* The kernel tells the limit where a connection has its selective
	 * acknowledgements. */
	address.sin_port = 0;
	io_uring_prep_bind(sqe_of(&ring), fd, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_listen(sqe_of(&ring), fd, 37);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	CHECK_EQ(info.tcpi_sacked, 37);
	close(fd);
	fd = udp_socket(&other);
	io_uring_prep_listen(sqe_of(&ring), fd, 1);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	close(fd);
	io_uring_prep_listen(sqe_of(&ring), -1, 1);
	CHECK_EQ(run_one(&ring), -EBADF);
	/* In a slot and in one chain: nothing is known of the path before. */
	CHECK_EQ(io_uring_register_files_sparse(&ring, 2), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_socket_direct(sqe, AF_UNIX, SOCK_STREAM, 0, 0, 0);
	mark(sqe, 0, IOSQE_IO_LINK);
	sqe = sqe_of(&ring);
	io_uring_prep_bind(sqe, 0, (struct sockaddr *) &path, sizeof(path));
	mark(sqe, 1, IOSQE_IO_LINK | IOSQE_FIXED_FILE);
	sqe = sqe_of(&ring);
	io_uring_prep_listen(sqe, 0, 2);
	mark(sqe, 2, IOSQE_FIXED_FILE);
	run_all(&ring, 3, results);
	CHECK(results[0] == 0 && results[1] == 0 && results[2] == 0);
	CHECK_EQ(stat("socket", &status), 0);
	CHECK(S_ISSOCK(status.st_mode));
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_EQ(connect(client, (struct sockaddr *) &path, sizeof(path)), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_accept(sqe, 0, NULL, NULL, 0);
	mark(sqe, 3, IOSQE_FIXED_FILE);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	close(fd);
	close(client);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
