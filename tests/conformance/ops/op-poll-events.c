/*
 * Polls: what is ready already, hang-ups, a changed mask, a changed mask and tag,
 * two multishot polls of one file. Linux 5.13; poll(2),
 * io_uring_prep_poll_update(3).
 */
#include "op-helpers.h"

#include <poll.h>

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fds[2], pipes[2], results[8], i, res;
	unsigned flags;
	__u64 tag;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_RSRC_TAGS))
		SKIP("this kernel cannot update polls");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	CHECK_EQ(pipe(pipes), 0);
	io_uring_prep_poll_add(sqe_of(&ring), fds[0], POLLIN | POLLOUT);
	CHECK_EQ(run_one(&ring), POLLOUT);
	/* Waits for input, then for room, which there is. */
	sqe = sqe_of(&ring);
	io_uring_prep_poll_add(sqe, fds[0], POLLIN);
	mark(sqe, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_update(sqe, 1, 0, POLLOUT, IORING_POLL_UPDATE_EVENTS);
	mark(sqe, 2, 0);
	run_all(&ring, 1, results);
	collect(&ring, 1, results);
	CHECK_EQ(results[2], 0);
	CHECK_EQ(results[1], POLLOUT);
	/* Mask and tag at once. */
	sqe = sqe_of(&ring);
	io_uring_prep_poll_add(sqe, fds[0], POLLPRI);
	mark(sqe, 3, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_update(sqe, 3, 4, POLLIN,
				  IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA);
	mark(sqe, 5, 0);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(take(&ring, &tag, NULL), POLLIN);
	CHECK_EQ(tag, 4);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_update(sqe, 99, 0, POLLIN, IORING_POLL_UPDATE_EVENTS);
	CHECK_EQ(run_one(&ring), -ENOENT);
	/* The writer goes: a hang-up, whatever was asked for. */
	io_uring_prep_poll_add(sqe_of(&ring), pipes[0], POLLIN);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	close(pipes[1]);
	CHECK_EQ(take(&ring, NULL, NULL), POLLHUP);
	close(pipes[0]);
	/* Two multishot polls of one file; removing one leaves the other. */
	CHECK_EQ(pipe(pipes), 0);
	for (i = 6; i < 8; i++) {
		sqe = sqe_of(&ring);
		io_uring_prep_poll_multishot(sqe, pipes[0], POLLIN);
		mark(sqe, (__u64) i, 0);
	}
	CHECK_EQ(io_uring_submit(&ring), 2);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	collect(&ring, 2, results);
	CHECK(results[6] == POLLIN && results[7] == POLLIN);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_remove(sqe, 6);
	mark(sqe, 0, 0);
	run_all(&ring, 1, results);
	collect(&ring, 1, results);
	CHECK_EQ(results[0], 0);
	CHECK_EQ(results[6], -ECANCELED);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	res = take(&ring, &tag, &flags);
	CHECK(res == POLLIN && tag == 7 && flags & IORING_CQE_F_MORE);
	RESULT("%#x", (unsigned) res);
	close_both(fds);
	close_both(pipes);
	io_uring_queue_exit(&ring);
	return 0;
}
