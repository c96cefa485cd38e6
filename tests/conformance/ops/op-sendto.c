/*
 * sendto, and send with send_set_addr, reach an unconnected peer. Linux 6.1;
 * sendto(2), io_uring_prep_send_set_addr(3).
 */
#include "one.h"

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[16];
	int to, from;

	need_op(IORING_OP_SENDMSG_ZC, "send with an address (probed by SENDMSG_ZC)");
	to = socket(AF_INET, SOCK_DGRAM, 0);
	from = socket(AF_INET, SOCK_DGRAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(to, (struct sockaddr *) &address, length), 0);
	CHECK_EQ(getsockname(to, (struct sockaddr *) &address, &length), 0);
	must_init(4, &ring, 0);
	io_uring_prep_sendto(sqe_of(&ring), from, "first", 5, 0, (struct sockaddr *) &address, length);
	CHECK_EQ(run_one(&ring), 5);
	sqe = sqe_of(&ring);
	io_uring_prep_send(sqe, from, "second", 6, 0);
	io_uring_prep_send_set_addr(sqe, (struct sockaddr *) &address, (__u16) length);
	CHECK_EQ(run_one(&ring), 6);
	/* An address that is too short. */
	io_uring_prep_sendto(sqe_of(&ring), from, "none", 4, 0, (struct sockaddr *) &address, length - 1);
	CHECK_EQ(run_one(&ring), -EINVAL);
	CHECK_EQ(recv(to, back, 16, 0), 5);
	CHECK(!memcmp(back, "first", 5));
	CHECK_EQ(recv(to, back, 16, 0), 6);
	CHECK(!memcmp(back, "second", 6));
	close(to);
	close(from);
	io_uring_queue_exit(&ring);
	return 0;
}
