/*
 * Zero-copy datagrams to an address given with the request or in the message; the
 * buffer comes back with the notification, after a failure too. Linux 6.1;
 * io_uring_prep_send_zc(3).
 */
#include "op-helpers.h"

/* Takes the result and, if one is announced, the notification. */
static int result_of(struct io_uring *ring, int *notified)
{
	unsigned flags;
	int res;

	CHECK_EQ(io_uring_submit(ring), 1);
	res = take(ring, NULL, &flags);
	CHECK(!(flags & IORING_CQE_F_NOTIF));
	*notified = 0;
	if (flags & IORING_CQE_F_MORE) {
		take(ring, NULL, &flags);
		CHECK(flags & IORING_CQE_F_NOTIF);
		CHECK(!(flags & IORING_CQE_F_MORE));
		*notified = 1;
	}
	return res;
}

int main(void)
{
	static char big[70000];
	struct sockaddr_in address, from;
	socklen_t length = sizeof(from);
	struct iovec parts[2] = { { big, 2 }, { big + 2, 3 } };
	struct msghdr message = { .msg_name = &address, .msg_namelen = sizeof(address),
				  .msg_iov = parts, .msg_iovlen = 2 };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[16] = { 0 };
	int to, udp, notified;

	need_op(IORING_OP_SENDMSG_ZC, "SENDMSG_ZC");
	to = udp_socket(&address);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	must_init(8, &ring, 0);
	memcpy(big, "datagram", 8);
	sqe = sqe_of(&ring);
	io_uring_prep_send_zc(sqe, udp, big, 8, 0, 0);
	io_uring_prep_send_set_addr(sqe, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(result_of(&ring, &notified), 8);
	CHECK_EQ(notified, 1);
	CHECK_EQ(recvfrom(to, back, 16, 0, (struct sockaddr *) &from, &length), 8);
	CHECK(!memcmp(back, "datagram", 8));
	/* An address that is too short. */
	sqe = sqe_of(&ring);
	io_uring_prep_send_zc(sqe, udp, big, 8, 0, 0);
	io_uring_prep_send_set_addr(sqe, (struct sockaddr *) &address, sizeof(address) - 1);
	CHECK_EQ(result_of(&ring, &notified), -EINVAL);
	io_uring_prep_sendmsg_zc(sqe_of(&ring), udp, &message, 0);
	CHECK_EQ(result_of(&ring, &notified), 5);
	CHECK_EQ(notified, 1);
	CHECK_EQ(recv(to, back + 8, 8, 0), 5);
	CHECK(!memcmp(back + 8, "datag", 5));
	sqe = sqe_of(&ring);
	io_uring_prep_send_zc(sqe, udp, big, sizeof(big), 0, 0);
	io_uring_prep_send_set_addr(sqe, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(result_of(&ring, &notified), -EMSGSIZE);
	io_uring_prep_send_zc(sqe_of(&ring), -1, big, 4, 0, 0);
	CHECK_EQ(result_of(&ring, &notified), -EBADF);
	/* No such buffer is registered. */
	io_uring_prep_send_zc_fixed(sqe_of(&ring), udp, big, 4, 0, 0, 3);
	CHECK_EQ(result_of(&ring, &notified), -EFAULT);
	nothing_yet(&ring);
	RESULT("%s", back);
	close(to);
	close(udp);
	io_uring_queue_exit(&ring);
	return 0;
}
