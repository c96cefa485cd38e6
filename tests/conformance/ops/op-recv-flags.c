/*
 * Flags of receives: looking without taking, not waiting, waiting for all, polling
 * first, and whether more is there. Linux 5.19; recv(2), io_uring_prep_recv(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct sockaddr_in address;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[16] = { 0 };
	unsigned flags;
	int fds[2], udp, other, res;

	need_op(IORING_OP_SOCKET, "polling before a receive (probed by SOCKET)");
	tcp_pair(fds);
	must_init(8, &ring, 0);
	io_uring_prep_recv(sqe_of(&ring), fds[1], back, 4, MSG_DONTWAIT);
	CHECK_EQ(run_one(&ring), -EAGAIN);
	CHECK_EQ(send(fds[0], "01234567", 8, 0), 8);
	io_uring_prep_recv(sqe_of(&ring), fds[1], back, 4, MSG_PEEK);
	CHECK_EQ(run_one(&ring), 4);
	io_uring_prep_recv(sqe_of(&ring), fds[1], back, 4, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &flags), 4);
	CHECK(!memcmp(back, "0123", 4));
	CHECK(flags & IORING_CQE_F_SOCK_NONEMPTY);
	/* Four are there and eight are wanted. */
	io_uring_prep_recv(sqe_of(&ring), fds[1], back, 8, MSG_WAITALL);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	CHECK_EQ(send(fds[0], "89ab", 4, 0), 4);
	CHECK_EQ(take(&ring, NULL, &flags), 8);
	CHECK(!memcmp(back, "456789ab", 8));
	CHECK(!(flags & IORING_CQE_F_SOCK_NONEMPTY));
	sqe = sqe_of(&ring);
	io_uring_prep_recv(sqe, fds[1], back, 8, 0);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	CHECK_EQ(send(fds[0], "cd", 2, 0), 2);
	res = take(&ring, NULL, NULL);
	CHECK_EQ(res, 2);
	/* The rest of a datagram is lost, its length is not. */
	udp = udp_socket(&address);
	other = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(sendto(other, "datagram", 8, 0, (struct sockaddr *) &address, sizeof(address)), 8);
	CHECK_EQ(sendto(other, "x", 1, 0, (struct sockaddr *) &address, sizeof(address)), 1);
	io_uring_prep_recv(sqe_of(&ring), udp, back, 4, MSG_TRUNC);
	CHECK_EQ(run_one(&ring), 8);
	CHECK(!memcmp(back, "data", 4));
	io_uring_prep_recv(sqe_of(&ring), udp, back, 4, 0);
	CHECK_EQ(run_one(&ring), 1);
	RESULT("%c", back[0]);
	close(other);
	close(udp);
	other = socket(AF_INET, SOCK_STREAM, 0);
	io_uring_prep_recv(sqe_of(&ring), other, back, 4, 0);
	CHECK_EQ(run_one(&ring), -ENOTCONN);
	close(other);
	other = open("/dev/null", O_RDWR);
	io_uring_prep_recv(sqe_of(&ring), other, back, 4, 0);
	CHECK_EQ(run_one(&ring), -ENOTSOCK);
	close(other);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
