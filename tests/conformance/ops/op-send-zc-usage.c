/*
 * On request the notification tells whether the data had to be copied after all.
 * Linux 6.2; io_uring_prep_send_zc(3) under IORING_SEND_ZC_REPORT_USAGE.
 */
#include "op-helpers.h"

int main(void)
{
	static char memory[8192];
	struct io_uring ring;
	unsigned flags;
	char back[8];
	int fds[2], res;

	need_op(IORING_OP_SENDMSG_ZC, "SENDMSG_ZC");
	tcp_pair(fds);
	must_init(4, &ring, 0);
	io_uring_prep_send_zc(sqe_of(&ring), fds[0], memory, sizeof(memory), 0, IORING_SEND_ZC_REPORT_USAGE);
	CHECK_EQ(io_uring_submit(&ring), 1);
	res = take(&ring, NULL, &flags);
	if (res == -EINVAL)
		SKIP("this kernel does not report it");
	CHECK_EQ(res, sizeof(memory));
	CHECK(flags & IORING_CQE_F_MORE);
	/* The receiver holds the pages until it reads. */
	res = 0;
	while (res < (int) sizeof(memory)) {
		int got = (int) recv(fds[1], back, sizeof(back), 0);

		CHECK(got > 0);
		res += got;
	}
	res = take(&ring, NULL, &flags);
	CHECK(flags & IORING_CQE_F_NOTIF);
	CHECK(res == 0 || (unsigned) res == IORING_NOTIF_USAGE_ZC_COPIED);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
