/*
 * waitid waits for a child. Linux 6.7; waitid(2).
 */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	siginfo_t info;
	pid_t child;

	need_op(IORING_OP_WAITID, "WAITID");
	must_init(4, &ring, 0);
	child = fork();
	CHECK(child >= 0);
	if (!child)
		_exit(7);
	io_uring_prep_waitid(sqe_of(&ring), P_PID, (id_t) child, &info, WEXITED, 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(info.si_pid, child);
	CHECK_EQ(info.si_status, 7);
	io_uring_prep_waitid(sqe_of(&ring), P_PID, (id_t) child, &info, WEXITED, 0);
	CHECK_EQ(run_one(&ring), -ECHILD);
	io_uring_queue_exit(&ring);
	return 0;
}
