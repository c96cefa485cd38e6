/*
 * Links stop at a failure, hard links do not, drain waits, ASYNC works, and a
 * skipped success posts nothing. Linux 5.17; io_uring_sqe_set_flags(3).
 */
#include "one.h"

static struct io_uring ring;

static void queue(int op, unsigned flags, __u64 tag, int fd)
{
	static char byte;
	struct io_uring_sqe *sqe = sqe_of(&ring);

	if (op == IORING_OP_NOP)
		io_uring_prep_nop(sqe);
	else
		io_uring_prep_read(sqe, fd, &byte, 1, 0);
	io_uring_sqe_set_flags(sqe, flags);
	io_uring_sqe_set_data64(sqe, tag);
}

int main(void)
{
	int pipes[2], results[4] = { 0 }, i;
	__u64 tag;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_CQE_SKIP))
		SKIP("this kernel cannot skip completions");
	CHECK_EQ(pipe(pipes), 0);
	queue(IORING_OP_NOP, IOSQE_IO_LINK, 1, 0);
	queue(IORING_OP_READ, IOSQE_IO_LINK, 2, -1);
	queue(IORING_OP_NOP, 0, 3, 0);
	CHECK_EQ(io_uring_submit(&ring), 3);
	for (i = 0; i < 3; i++) {
		int res = take(&ring, &tag, NULL);

		results[tag] = res;
	}
	CHECK_EQ(results[1], 0);
	CHECK_EQ(results[2], -EBADF);
	CHECK_EQ(results[3], -ECANCELED);
	queue(IORING_OP_READ, IOSQE_IO_HARDLINK, 1, pipes[1]);
	queue(IORING_OP_NOP, 0, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	for (i = 0; i < 2; i++) {
		int res = take(&ring, &tag, NULL);

		results[tag] = res;
	}
	CHECK_EQ(results[1], -EBADF);
	CHECK_EQ(results[2], 0);
	RESULT("hard link %d", results[2]);
	/* The nop behind the read waits although it could run at once. */
	queue(IORING_OP_READ, 0, 1, pipes[0]);
	queue(IORING_OP_NOP, IOSQE_IO_DRAIN, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(take(&ring, &tag, NULL), 1);
	CHECK_EQ(tag, 1);
	CHECK_EQ(take(&ring, &tag, NULL), 0);
	CHECK_EQ(tag, 2);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	queue(IORING_OP_READ, IOSQE_ASYNC, 1, pipes[0]);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	queue(IORING_OP_NOP, IOSQE_CQE_SKIP_SUCCESS, 1, 0);
	queue(IORING_OP_NOP, 0, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	CHECK_EQ(take(&ring, &tag, NULL), 0);
	CHECK_EQ(tag, 2);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
