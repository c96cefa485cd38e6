/*
 * Cancellation of what waits in different places: a receive, an accept, a timer, a
 * blocked read of a worker thread, the middle of a chain; by slot of the file
 * table; all with one tag and only those. Linux 5.19, 6.0; io_uring_prep_cancel(3).
 */
#include "op-helpers.h"

#include <poll.h>

int main(void)
{
	struct __kernel_timespec never = { .tv_sec = 1000 };
	struct sockaddr_in address;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fds[2], pipes[2], listener, results[8], i, count = 0, res;
	char back[2];
	__u64 tag;

	need_op(IORING_OP_SEND_ZC, "cancellation by slot (probed by SEND_ZC)");
	tcp_pair(fds);
	CHECK_EQ(pipe(pipes), 0);
	listener = tcp_listener(&address);
	must_init(16, &ring, 0);
	for (i = 1; i <= 5; i++) {
		sqe = sqe_of(&ring);
		switch (i) {
		case 1:
			io_uring_prep_recv(sqe, fds[1], back, 1, 0);
			break;
		case 2:
			io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
			break;
		case 3:
			io_uring_prep_timeout(sqe, &never, 0, 0);
			break;
		case 4:
			io_uring_prep_read(sqe, pipes[0], back + 1, 1, 0);
			break;
		default:
			io_uring_prep_poll_multishot(sqe, pipes[0], POLLIN);
			break;
		}
		mark(sqe, (__u64) i, 0);
	}
	CHECK_EQ(io_uring_submit(&ring), 5);
	nothing_yet(&ring);
	for (i = 1; i <= 5; i++) {
		sqe = sqe_of(&ring);
		io_uring_prep_cancel64(sqe, (__u64) i, 0);
		mark(sqe, 0, 0);
		run_all(&ring, 1, results);
		collect(&ring, 1, results);
		CHECK_EQ(results[0], 0);
		CHECK_EQ(results[i], -ECANCELED);
	}
	/* A cancelled request takes the rest of its chain along. */
	sqe = sqe_of(&ring);
	io_uring_prep_recv(sqe, fds[1], back, 1, 0);
	mark(sqe, 1, IOSQE_IO_LINK);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	mark(sqe, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	sqe = sqe_of(&ring);
	io_uring_prep_cancel64(sqe, 1, 0);
	mark(sqe, 3, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	collect(&ring, 3, results);
	CHECK_EQ(results[3], 0);
	CHECK_EQ(results[1], -ECANCELED);
	CHECK_EQ(results[2], -ECANCELED);
	/* Three with one tag and one with another. */
	for (i = 0; i < 4; i++) {
		sqe = sqe_of(&ring);
		io_uring_prep_poll_add(sqe, pipes[0], POLLIN);
		mark(sqe, i < 3 ? 4 : 5, 0);
	}
	CHECK_EQ(io_uring_submit(&ring), 4);
	sqe = sqe_of(&ring);
	io_uring_prep_cancel64(sqe, 4, IORING_ASYNC_CANCEL_ALL);
	mark(sqe, 6, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 4; i++) {
		res = take(&ring, &tag, NULL);
		if (tag == 6)
			CHECK_EQ(res, 3);
		else
			CHECK_EQ(res, -ECANCELED);
		count += tag == 4;
	}
	CHECK_EQ(count, 3);
	nothing_yet(&ring);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(take(&ring, &tag, NULL), POLLIN);
	CHECK_EQ(tag, 5);
	/* The slot, not the descriptor with that number. */
	CHECK_EQ(io_uring_register_files(&ring, &fds[1], 1), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_recv(sqe, 0, back, 1, 0);
	mark(sqe, 1, IOSQE_FIXED_FILE);
	CHECK_EQ(io_uring_submit(&ring), 1);
	sqe = sqe_of(&ring);
	io_uring_prep_cancel_fd(sqe, 0, IORING_ASYNC_CANCEL_FD_FIXED);
	mark(sqe, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	collect(&ring, 2, results);
	CHECK_EQ(results[2], 0);
	CHECK_EQ(results[1], -ECANCELED);
	io_uring_prep_cancel_fd(sqe_of(&ring), fds[0], 0);
	CHECK_EQ(run_one(&ring), -ENOENT);
	io_uring_prep_cancel_fd(sqe_of(&ring), -1, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	RESULT("%d", count);
	close(listener);
	close_both(fds);
	close_both(pipes);
	io_uring_queue_exit(&ring);
	return 0;
}
