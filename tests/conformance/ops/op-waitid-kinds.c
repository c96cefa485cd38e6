/*
 * waitid waits for a child that still runs, leaves it to be waited for again,
 * tells stops and signals, and does not wait if told so. Linux 6.7; waitid(2),
 * io_uring_prep_waitid(3).
 */
#include "op-helpers.h"

#include <sys/wait.h>

int main(void)
{
	struct io_uring ring;
	siginfo_t info;
	int pipes[2], ret;
	pid_t child;
	char byte;

	need_op(IORING_OP_WAITID, "WAITID");
	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		/* Ends when the parent says so, or is gone. */
		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) == 1 ? 9 : 1);
	}
	memset(&info, 0, sizeof(info));
	io_uring_prep_waitid(sqe_of(&ring), P_PID, (id_t) child, &info, WEXITED | WNOHANG, 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(info.si_pid, 0);
	io_uring_prep_waitid(sqe_of(&ring), P_PID, (id_t) child, &info, WSTOPPED, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(kill(child, SIGSTOP), 0);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(info.si_status, SIGSTOP);
	CHECK_EQ(kill(child, SIGCONT), 0);
	io_uring_prep_waitid(sqe_of(&ring), P_ALL, 0, &info, WEXITED | WNOWAIT, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	CHECK_EQ(info.si_pid, child);
	CHECK_EQ(info.si_code, CLD_EXITED);
	/* Looked at only: it can be waited for again, once. */
	memset(&info, 0, sizeof(info));
	io_uring_prep_waitid(sqe_of(&ring), P_PID, (id_t) child, &info, WEXITED, 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(info.si_status, 9);
	CHECK_EQ(waitpid(child, &ret, WNOHANG), -1);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(50);
		for (;;)
			pause();
	}
	io_uring_prep_waitid(sqe_of(&ring), P_PID, (id_t) child, &info, WEXITED, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(kill(child, SIGKILL), 0);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGKILL);
	io_uring_prep_waitid(sqe_of(&ring), P_PID, (id_t) child, &info, 0, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	close_both(pipes);
	io_uring_queue_exit(&ring);
	return 0;
}
