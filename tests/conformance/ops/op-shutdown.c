/*
 * shutdown ends one direction or both: the reader sees the end, the writer EPIPE.
 * It also wakes a receive that waits. Linux 5.11; shutdown(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[4];
	int fds[2], lonely, results[3];

	need_op(IORING_OP_SHUTDOWN, "SHUTDOWN");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	must_init(4, &ring, 0);
	io_uring_prep_shutdown(sqe_of(&ring), fds[0], SHUT_WR);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(recv(fds[1], back, 4, 0), 0);
	CHECK_EQ(send(fds[0], "x", 1, MSG_NOSIGNAL), -1);
	CHECK_EQ(errno, EPIPE);
	/* The other direction still works. */
	CHECK_EQ(send(fds[1], "y", 1, 0), 1);
	CHECK_EQ(recv(fds[0], back, 4, 0), 1);
	sqe = sqe_of(&ring);
	io_uring_prep_recv(sqe, fds[0], back, 4, 0);
	mark(sqe, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	sqe = sqe_of(&ring);
	io_uring_prep_shutdown(sqe, fds[0], SHUT_RDWR);
	mark(sqe, 2, 0);
	run_all(&ring, 1, results);
	collect(&ring, 1, results);
	CHECK_EQ(results[1], 0);
	CHECK_EQ(results[2], 0);
	lonely = socket(AF_INET, SOCK_STREAM, 0);
	io_uring_prep_shutdown(sqe_of(&ring), lonely, SHUT_WR);
	CHECK_EQ(run_one(&ring), -ENOTCONN);
	io_uring_prep_shutdown(sqe_of(&ring), fds[1], 9);
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("ended");
	close(lonely);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
