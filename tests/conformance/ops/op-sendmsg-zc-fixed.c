/*
 * Zero-copy sendmsg from a registered buffer. Linux 6.15;
 * io_uring_prep_sendmsg_zc(3).
 */
#include "one.h"

int main(void)
{
	static char memory[4096];
	struct iovec iovec = { memory, 4096 }, part = { memory + 1, 5 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct io_uring ring;
	unsigned flags;
	char back[8];
	int fds[2], ret;

	need_op(IORING_OP_READV_FIXED, "SENDMSG_ZC on registered buffers (probed by READV_FIXED)");
	tcp_pair(fds);
	must_init(8, &ring, 0);
	strcpy(memory, "_fixed");
	CHECK_EQ(io_uring_register_buffers(&ring, &iovec, 1), 0);
	io_uring_prep_sendmsg_zc_fixed(sqe_of(&ring), fds[0], &message, 0, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	ret = take(&ring, NULL, &flags);
	CHECK_EQ(ret, 5);
	take(&ring, NULL, &flags);
	CHECK(flags & IORING_CQE_F_NOTIF);
	CHECK_EQ(recv(fds[1], back, 5, MSG_WAITALL), 5);
	CHECK(!memcmp(back, "fixed", 5));
	close(fds[0]);
	close(fds[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
