/*
 * Zero-copy sends complete twice: the result, then the notification that gives the
 * buffer back. Linux 6.0, 6.1; io_uring_prep_send_zc(3).
 */
#include "one.h"

static void both(struct io_uring *ring, int want)
{
	unsigned flags;

	CHECK_EQ(io_uring_submit(ring), 1);
	CHECK_EQ(take(ring, NULL, &flags), want);
	CHECK(flags & IORING_CQE_F_MORE);
	CHECK(!(flags & IORING_CQE_F_NOTIF));
	take(ring, NULL, &flags);
	CHECK(flags & IORING_CQE_F_NOTIF);
	CHECK(!(flags & IORING_CQE_F_MORE));
}

int main(void)
{
	static char memory[4096];
	struct iovec iovec = { memory, 4096 }, part = { memory + 8, 4 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct io_uring ring;
	char back[16];
	int fds[2];

	need_op(IORING_OP_SENDMSG_ZC, "SENDMSG_ZC");
	tcp_pair(fds);
	must_init(8, &ring, 0);
	strcpy(memory, "zerocopyfour");
	CHECK_EQ(io_uring_register_buffers(&ring, &iovec, 1), 0);
	io_uring_prep_send_zc(sqe_of(&ring), fds[0], memory, 4, 0, 0);
	both(&ring, 4);
	io_uring_prep_send_zc_fixed(sqe_of(&ring), fds[0], memory + 4, 4, 0, 0, 0);
	both(&ring, 4);
	io_uring_prep_sendmsg_zc(sqe_of(&ring), fds[0], &message, 0);
	both(&ring, 4);
	CHECK_EQ(recv(fds[1], back, 12, MSG_WAITALL), 12);
	CHECK(!memcmp(back, "zerocopyfour", 12));
	close(fds[0]);
	close(fds[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
