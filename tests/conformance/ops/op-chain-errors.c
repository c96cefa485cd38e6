/*
 * What a chain's members see of errors: a bad one in the middle does not stop the
 * submission, one that has not started cannot be cancelled by itself, and polls tell
 * that the peer has gone though nobody asked.
 */
#include "op-helpers.h"

#include <poll.h>
#include <sys/socket.h>

static struct io_uring ring;

static void nop(__u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_nop(sqe);
	mark(sqe, tag, flags);
}

static void cancels(__u64 target, __u64 tag)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_cancel64(sqe, target, 0);
	mark(sqe, tag, 0);
}

int main(void)
{
	struct io_uring_sqe *sqe;
	int ends[2], pair[2], results[10];
	unsigned flags;
	char byte;

	need_io_uring();
	must_init(16, &ring, 0);
	CHECK_EQ(pipe(ends), 0);
	nop(1, IOSQE_IO_LINK);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	sqe->opcode = 200;
	mark(sqe, 2, IOSQE_IO_LINK);
	nop(3, 0);
	nop(4, 0);
	run_all(&ring, 4, results);
	CHECK_EQ(results[1], -ECANCELED);
	CHECK_EQ(results[2], -EINVAL);
	CHECK_EQ(results[3], -ECANCELED);
	CHECK_EQ(results[4], 0);

	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, ends[0], &byte, 1, 0);
	mark(sqe, 1, IOSQE_IO_LINK);
	nop(2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	cancels(2, 9);
	run_all(&ring, 1, results);
	CHECK_EQ(results[9], -ENOENT);
	cancels(1, 9);
	CHECK_EQ(io_uring_submit(&ring), 1);
	collect(&ring, 3, results);
	CHECK_EQ(results[9], 0);
	CHECK_EQ(results[1], -ECANCELED);
	CHECK_EQ(results[2], -ECANCELED);

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_add(sqe, pair[0], POLLIN);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	close(pair[1]);
	CHECK_EQ(take(&ring, NULL, &flags), POLLIN | POLLHUP | POLLRDHUP);
	close(pair[0]);
	close_both(ends);
	io_uring_queue_exit(&ring);
	return 0;
}
