/*
 * Sockets: flags of the new descriptor, families that do not exist, and a whole
 * exchange through a socket that never has a descriptor. Linux 5.19; socket(2),
 * io_uring_prep_socket(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct sockaddr_in address;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[8] = { 0 };
	int listener, server, fd, ret;

	need_op(IORING_OP_SOCKET, "SOCKET");
	must_init(8, &ring, 0);
	io_uring_prep_socket(sqe_of(&ring), AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, 0);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	io_uring_prep_socket(sqe_of(&ring), AF_UNIX, SOCK_DGRAM, 0, 0);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	close(fd);
	io_uring_prep_socket(sqe_of(&ring), 255, SOCK_STREAM, 0, 0);
	CHECK_EQ(run_one(&ring), -EAFNOSUPPORT);
	listener = tcp_listener(&address);
	ret = io_uring_register_files_sparse(&ring, 2);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	io_uring_prep_socket_direct(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 1, 0);
	CHECK_EQ(run_one(&ring), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_connect(sqe, 1, (struct sockaddr *) &address, sizeof(address));
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 0);
	server = accept(listener, NULL, NULL);
	CHECK(server >= 0);
	sqe = sqe_of(&ring);
	io_uring_prep_send(sqe, 1, "direct", 6, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 6);
	CHECK_EQ(recv(server, back, 6, MSG_WAITALL), 6);
	sqe = sqe_of(&ring);
	io_uring_prep_shutdown(sqe, 1, SHUT_WR);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(recv(server, back + 6, 1, 0), 0);
	/* A slot cannot be inherited. */
	io_uring_prep_socket_direct(sqe_of(&ring), AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_socket_direct(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 2, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	/* Two slots: one is taken, one is left. */
	io_uring_prep_socket_direct_alloc(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 0);
	CHECK_EQ(run_one(&ring), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_connect(sqe, 0, (struct sockaddr *) &address, sizeof(address));
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 0);
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0);
	close(fd);
	io_uring_prep_socket_direct_alloc(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 0);
	CHECK_EQ(run_one(&ring), -ENFILE);
	io_uring_prep_close_direct(sqe_of(&ring), 1);
	CHECK_EQ(run_one(&ring), 0);
	RESULT("%s", back);
	close(server);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
