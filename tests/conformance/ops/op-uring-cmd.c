/*
 * A command of a file that has none fails with EOPNOTSUPP and touches nothing;
 * a command of a socket that no socket knows as well, and one that it does know
 * runs. Linux 5.19; io_uring_enter(2)
 * under IORING_OP_URING_CMD.
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int pipes[2], fd, udp;
	struct sockaddr_in address;

	need_op(IORING_OP_URING_CMD, "URING_CMD");
	enter_folder();
	fd = file_with("file", "data", 4);
	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	io_uring_prep_uring_cmd(sqe_of(&ring), 1, pipes[0]);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	sqe = sqe_of(&ring);
	__io_uring_prep_uring_cmd(sqe, IORING_OP_URING_CMD, 12345, fd);
	CHECK_EQ(sqe->cmd_op, 12345);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	udp = udp_socket(&address);
	io_uring_prep_uring_cmd(sqe_of(&ring), 12345, udp);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	if (!connect(udp, (struct sockaddr *) &address, sizeof(address)) && send(udp, "sized", 5, 0) == 5) {
		int ret;

		io_uring_prep_uring_cmd(sqe_of(&ring), SOCKET_URING_OP_SIOCINQ, udp);
		ret = run_one(&ring);
		/* Before 6.7 sockets have none either. */
		if (ret != -EOPNOTSUPP) {
			CHECK_EQ(ret, 5);
			sqe = sqe_of(&ring);
			__io_uring_prep_uring_cmd(sqe, IORING_OP_URING_CMD, SOCKET_URING_OP_SIOCINQ, udp);
			CHECK_EQ(run_one(&ring), 5);
		}
	}
	io_uring_prep_uring_cmd(sqe_of(&ring), 1, -1);
	CHECK_EQ(run_one(&ring), -EBADF);
	RESULT("no commands");
	close(udp);
	close(fd);
	close_both(pipes);
	io_uring_queue_exit(&ring);
	return 0;
}
